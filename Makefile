# make demo     a virtual environment with everything in it, then the main example
# make test     the same, then lint, types and all tests; with
#               ANYBATCH_ENGINES=slurm,htcondor,apptainer on these batch systems too
# make bench    the benchmarks; rewrites docs/benchmarks.md
# make engines  installs and starts the real batch systems that tests run on (root, Debian)
# make docs     writes the generated pages of docs/reference anew

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

PROJECTS = core/pyproject.toml $(wildcard plugins/*/pyproject.toml)
# Options for pytest, also where tests/engines/run calls it.
export PYTEST
EDITABLE = $(foreach project,$(PROJECTS),-e ./$(dir $(project)))

.PHONY: demo test pytest lint bench engines docs clean

demo: $(VENV)/installed
	$(BIN)/python examples/average.py

test: lint
	tests/engines/run

# Batch systems that run on this machine, too, are to answer in time: they go first.
pytest: $(VENV)/development
	nice $(BIN)/python -m pytest $(PYTEST)

lint: $(VENV)/development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/development $(VENV)/peers/installed
	$(BIN)/python -m benchmarks

engines:
	tests/engines/slurm install
	tests/engines/slurm start
	tests/engines/folder install
	tests/engines/folder start

docs: $(VENV)/development
	$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV)

# Debian ships venv apart from Python; root can do something about it.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV) && apt-get update -q && \
	  apt-get install -qy --no-install-recommends python3-venv && $(PYTHON) -m venv $(VENV); }

$(VENV)/installed: $(VENV)/bin/python $(PROJECTS)
	$(BIN)/python -m pip install --quiet $(EDITABLE)
	touch $@

# Tests run the job script in busybox's shell as well. `pip install --group` needs pip 25.1.
$(VENV)/development: $(VENV)/installed pyproject.toml
	command -v busybox >/dev/null || { apt-get update -q && \
	  apt-get install -qy --no-install-recommends busybox-static; }
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --group dev
	touch $@

$(VENV)/peers/installed: benchmarks/peers/requirements.txt $(VENV)/bin/python
	$(PYTHON) -m venv $(VENV)/peers
	$(VENV)/peers/bin/python -m pip install --quiet -r $<
	touch $@
