"""Privacy and utility against named peers on the demo site: ``python -m tests.benchmarks.privacy [tiny|full]``.

For each tool: planted identifiers still readable anywhere in the bytes of its output, and values that should survive
but did not. Each peer runs in an environment of its own (``PEERS``) and is reported as not run where that is absent.
Pixels are left out: none of these peers cleans them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pydicom

from chorus_nb import deid, explore, tables
from chorus_nb.demo import make_site
from chorus_nb.parameters import Parameters
from chorus_nb.workspace import Workspace
from tests.demo.planted import value_at

PEERS = Path.home() / ".cache/chorus-nb-peers/leaks/bin"
GONE = ("removed", "cleaned", "uid")


def ours(site: Path, out: Path) -> dict[str, Path]:
    """Source path to released file of this workbench."""
    parameters = Parameters(
        source=str(site / "dicom"),
        omop=str(site / "omop"),
        lookup=str(site / "lookup"),
        workspace=str(out),
        burned_in_text="skip",
        visit_policy="blank",
        workers=1,
    )
    workspace = Workspace(parameters).create()
    for step in (explore.scan, explore.link, deid.make_worklist, deid.deidentify):
        step(workspace)
    released = workspace.read(tables.OUTCOMES).query("status == 'released'")
    return {row.source_path: workspace.release / row.target_path for row in released.itertuples()}


def peer(command: list[str], site: Path, out: Path, files: list[str]) -> dict[str, Path]:
    """Run a peer on each of ``files`` by itself, so that one it cannot read costs only that one."""
    made = {}
    for number, source_path in enumerate(files):
        target = out / f"{number:05d}.dcm"
        done = subprocess.run(
            [
                part.format(source=site / "dicom" / source_path, target=target, folder=out / f"{number:05d}")
                for part in command
            ],
            capture_output=True,
        )
        found = [target] if target.is_file() else sorted((out / f"{number:05d}").rglob("*.dcm"))
        if done.returncode == 0 and found:
            made[source_path] = found[0]
    return made


def score(key: pd.DataFrame, made: dict[str, Path]) -> dict[str, object]:
    """Planted identifiers left in the bytes, and values lost, over the files the tool wrote."""
    rows = key[key.source_path.isin(made) & (key.place != "name") & (key.place != "pixels")]
    contents = {path: made[path].read_bytes().lower() for path in rows.source_path.unique()}
    headers = {path: pydicom.dcmread(made[path], force=True, stop_before_pixels=True) for path in contents}
    planted = rows[rows.expected.isin(GONE)]
    left = [row for row in planted.itertuples() if _readable(row.value, contents[row.source_path])]
    keep = rows[rows.expected == "kept"]
    lost = [row for row in keep.itertuples() if not _same(value_at(headers[row.source_path], row), row.value)]
    return {
        "files": len(made),
        "planted": len(planted),
        "left": len(left),
        "kinds left": len({(row.place, row.path, row.tag) for row in left}),
        "kept": len(keep),
        "lost": len(lost),
        "privacy %": round(100 * (1 - len(left) / max(len(planted), 1)), 2),
        "utility %": round(100 * (1 - len(lost) / max(len(keep), 1)), 2),
    }


def _readable(value: str, content: bytes) -> bool:
    for encoding in ("utf-8", "latin-1", "iso2022_jp"):
        try:
            if value.lower().encode(encoding) in content:
                return True
        except UnicodeEncodeError:
            continue
    return False


def _same(found: str, wanted: str) -> bool:
    try:
        return found == wanted or float(found) == float(wanted)
    except ValueError:
        return found.strip() == wanted.strip()


def main(size: str = "tiny") -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = make_site(Path(folder) / "site", size=size)
        key = pd.read_csv(site / "answer_key.csv", dtype=str, keep_default_na=False)
        released = ours(site, Path(folder) / "ours")
        results = {"chorus-nb": score(key, released)}
        # peers see the plain files that we released: what they cannot do with the others does not count against them
        files = [path for path in released if "!" not in path]
        commands = {
            "dicognito 0.19.0": [
                str(PEERS / "python"),
                *("-m", "dicognito", "--output-directory", "{folder}", "{source}"),
            ],
            "dicom-anonymizer 2.1.0": [str(PEERS / "dicom-anonymizer"), "{source}", "{target}"],
        }
        for name, command in commands.items():
            if Path(command[0]).is_file():
                out = Path(folder) / name.split()[0]
                out.mkdir()
                results[name] = score(key, peer(command, site, out, files))
            else:
                print(f"{name}: not run, it is not in {PEERS}")
        print(pd.DataFrame(results).T.to_string())


if __name__ == "__main__":
    main(*sys.argv[1:])
