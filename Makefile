# make demo: the whole workbench on the demo site · make test · make check: the fast tests · make lab: JupyterLab on the demo site
# make bundle: all that an install without a network needs, in dist/bundle · make offline: installs it and runs the demo · make lock
# make docs: the pages as a site · make sbom: the bill of materials
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BUNDLE := dist/bundle
OFFLINE := $(shell mktemp -d -u)
TOGETHER := -n 4 --dist loadscope --no-loadscope-reorder --max-worker-restart 0 # a replaced worker makes pytest-xdist 3.8 wait for ever (its issue 1323)

unexport PYTHONDONTWRITEBYTECODE  # without bytecode every notebook would compile all its imports again
export UV_PYTHON_DOWNLOADS := never

.PHONY: demo check test types lab bundle docs sbom offline lock
.DELETE_ON_ERROR:

demo: $(VENV)/ready
	$(BIN)/chorus-nb demo runs/demo/site
	$(BIN)/chorus-nb run parameters/demo.yaml

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -m fast $(TOGETHER)

test: $(VENV)/ready # the types are read while the first tests run: one process that would keep the other cores waiting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy & types=$$!; $(BIN)/pytest $(TOGETHER); tests=$$?; wait $$types && exit $$tests

types: $(VENV)/ready
	$(BIN)/mypy

lab: $(VENV)/ready
	$(BIN)/chorus-nb lab parameters/demo.yaml

$(VENV)/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv || true
	for what in "-r requirements.lock" "--no-deps -e ."; do \
		$(BIN)/uv pip install --quiet --python $(BIN)/python $$what \
			|| $(BIN)/python -m pip install --quiet $$what || exit 1; \
	done
	touch $@

lock: $(VENV)/ready
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra test --extra hub \
		--generate-hashes --no-annotate --no-header pyproject.toml -o requirements.lock

bundle: $(VENV)/ready
	rm -rf $(BUNDLE)
	mkdir -p $(BUNDLE)/wheels
	$(BIN)/python -m pip download --quiet --no-deps --require-hashes -r requirements.lock -d $(BUNDLE)/wheels
	$(BIN)/python -m pip wheel --quiet --no-deps -w $(BUNDLE)/wheels .
	cp requirements.lock Containerfile docs/install.md LICENSE $(BUNDLE)
	$(MAKE) --no-print-directory sbom SBOM=$(BUNDLE)/sbom.cdx.json
	cd $(BUNDLE) && find . -type f ! -name SHA256SUMS | LC_ALL=C sort | xargs sha256sum > SHA256SUMS

LOADED := <(script|link|img|iframe)[^>]* (src|href)="?(https?:)?//
docs: $(VENV)/ready # the pages as a site in dist/docs, with the reports of the demo where it has run; nothing in it is loaded from elsewhere
	NO_MKDOCS_2_WARNING=1 $(BIN)/uv tool run --quiet --with "mkdocs-material>=9.6,<10" --with "mkdocstrings[python]>=1,<2" --with ruff \
		--from "mkdocs<2" mkdocs build --quiet --strict
	! grep -rEl '$(LOADED)' dist/docs --include=*.html

SBOM := dist/sbom.cdx.json
sbom: $(VENV)/ready # CycloneDX: what is installed by the lock, with versions, licences and what needs what
	mkdir -p $(dir $(SBOM))
	$(BIN)/uv tool run --quiet --from cyclonedx-bom cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o $(SBOM) $(BIN)/python

# as at a hospital: an empty environment in another folder, nothing but the bundle; where unshare may, without a network
offline:
	PYTHON=$(PYTHON) tests/offline.sh $(BUNDLE) $(OFFLINE)
