#!/usr/bin/env bash
# offline.sh BUNDLE FOLDER: installs what `make bundle` made into an empty environment in FOLDER, runs the demo, audits it and
# plants identifiers into copies of it. Nothing is fetched: pip has no index, and there is no network where unshare may take it away.
set -euo pipefail
bundle=$(realpath "$1")
mkdir -p "$2"
folder=$(realpath "$2")
unset PYTHONPATH PIP_FIND_LINKS
if [ -z "${OFFLINE:-}" ] && unshare --map-root-user --net true 2>/dev/null; then
    OFFLINE=1 exec unshare --map-root-user --net "$0" "$bundle" "$folder"
fi
echo "network: $([ -n "${OFFLINE:-}" ] && echo none || echo "not taken away, unshare may not; pip is told to use no index")"

cd "$bundle"
sha256sum --check --quiet SHA256SUMS
rm -rf "$folder"/{venv,runs}
"${PYTHON:-python3}" -m venv "$folder/venv"
cd "$folder"
venv/bin/pip install --quiet --no-index --find-links "$bundle/wheels" --require-hashes -r "$bundle/requirements.lock"
venv/bin/pip install --quiet --no-index --find-links "$bundle/wheels" --no-deps chorus-nb
venv/bin/pip check
venv/bin/chorus-nb demo
venv/bin/chorus-nb run runs/demo/demo.yaml
venv/bin/chorus-nb audit runs/demo/workspace
venv/bin/chorus-nb selftest runs/demo/demo.yaml
echo "offline: installed, run, audited and tried, in $SECONDS s"
