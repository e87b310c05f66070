# Two commands for a fresh machine with Python 3.11 or newer:
#   make demo   installs into .venv and searches SE placements on the digits: minutes, no download but packages
#   make test   installs into .venv and runs all tests

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: demo docs test test-slow soak check benchmarks clean

demo: $(VENV)/demo.stamp
	$(BIN)/senet-search run configs/demo.yaml

# Two processes: half of the time of many tests is waiting for Ray or MLflow to start. A file stays in one process.
test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "slow or not slow"

soak: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -m soak tests/search

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The documentation as a site: open build/site/index.html.
docs: $(VENV)/dev.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

benchmarks: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.datapath
	$(BIN)/python -m benchmarks.data_sources
	$(BIN)/python -m benchmarks.loop
	$(BIN)/python -m benchmarks.latency

$(VENV)/bin/python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'senet-search needs Python 3.11 or newer')"
	$(PYTHON) -m venv $(VENV)

# torch is installed first and loudly: it is most of the download.
$(VENV)/demo.stamp: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV) (torch with CUDA on Linux: about 5 GB, a few minutes) ..."
	$(PIP) -e ".[onnx]"
	@touch $@

$(VENV)/dev.stamp: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV) (torch with CUDA on Linux: about 5 GB, a few minutes) ..."
	$(PIP) -e ".[dev]"
	@touch $@ $(VENV)/demo.stamp

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
