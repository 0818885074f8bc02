# make demo: the whole workbench on the demo site · make test · make check: the fast tests · make lab: JupyterLab on the demo site
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCAL := -r requirements.lock -e .
TWO := -n 2 --dist loadscope --no-loadscope-reorder --max-worker-restart 0 # a replaced worker makes pytest-xdist 3.8 wait for ever (its issue 1323)

unexport PYTHONDONTWRITEBYTECODE  # without bytecode every notebook would compile all its imports again
export UV_PYTHON_DOWNLOADS := never

.PHONY: demo check test lab
.DELETE_ON_ERROR:

demo: $(VENV)/ready
	$(BIN)/chorus-nb demo runs/demo/site
	$(BIN)/chorus-nb run parameters/demo.yaml

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -m fast $(TWO)

test: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest $(TWO)

lab: $(VENV)/ready
	$(BIN)/chorus-nb lab parameters/demo.yaml

$(VENV)/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv \
		&& $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode $(LOCAL) \
		|| $(BIN)/python -m pip install --quiet $(LOCAL)
	touch $@
