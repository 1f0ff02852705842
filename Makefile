# make demo     a virtual environment with everything in it, then the main example
# make development
#               a virtual environment with everything in it that tests and checks need
# make check    lint and types
# make fast     the tests that start no batch system and no simulator; less than a minute
# make test     lint, types and all tests; with ANYBATCH_ENGINES=slurm,htcondor,apptainer,browser
#               on these batch systems, and with Chromium, too
# make lowest   the fast tests, with the oldest versions of all dependencies that are allowed
# make dist     builds every wheel and sdist into dist/, and checks them
# make contract-faults SYSTEM=tinyq
#               which faults in a plugin the contract notices; see tests/contract_faults
# make bench    the benchmarks; rewrites docs/benchmarks.md
# make engines  installs and starts the real batch systems that tests run on, and Chromium (root,
#               Debian)
# make docs     writes the generated pages of docs/reference anew
#
# PYTHON=python3.12 VENV=.venv/3.12 takes another Python. PYTEST="-k local" is for pytest.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

PROJECTS = core/pyproject.toml $(wildcard plugins/*/pyproject.toml)
VERSION = core/src/anybatch/__init__.py
# Options for pytest, also where tests/engines/run calls it.
export PYTEST
# Tests start thousands of Pythons; images of containers may tell each to compile all anew.
unexport PYTHONDONTWRITEBYTECODE
# The bridge for b2luigi needs Python 3.11, and brings much that nothing else needs. Older luigi
# needs an older setuptools, which it does not say.
B2LUIGI = plugins/b2luigi/pyproject.toml
EDITABLE = $(foreach project,$(filter-out $(B2LUIGI),$(PROJECTS)),-e ./$(dir $(project)))
# What the fast tests leave out; each marker is told in pyproject.toml.
FAST = -n 2 -m 'not (engine or install or simulator or system)'
LOWEST = $(VENV)/lowest

.PHONY: demo check development fast test pytest lowest dist contract-faults bench engines docs clean

demo: $(VENV)/installed
	$(BIN)/python examples/average.py

development: $(VENV)/development

check: $(VENV)/development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fast: $(VENV)/development
	nice $(BIN)/python -m pytest -q $(FAST) $(PYTEST)

# It calls `check`, beside the tests where that saves time.
test: development
	tests/engines/run

# Batch systems that run on this machine, too, are to answer in time: they go first.
pytest: $(VENV)/development
	nice $(BIN)/python -m pytest $(PYTEST)

lowest: $(LOWEST)/installed
	nice $(LOWEST)/bin/python -m pytest -q $(FAST) $(PYTEST)

dist: $(VENV)/development
	$(BIN)/python -m pip install --quiet --group dist
	rm -rf dist
	for project in $(dir $(PROJECTS)); do $(BIN)/python -m build --outdir dist $$project || exit; done
	$(BIN)/python -m twine check --strict dist/*
	ANYBATCH_DIST=dist $(BIN)/python -m pytest -q tests/install

contract-faults: $(VENV)/development
	nice $(BIN)/python -m tests.contract_faults $(SYSTEM) $(KINDS)

bench: $(VENV)/development $(VENV)/peers/installed
	$(BIN)/python -m benchmarks

engines:
	tests/engines/slurm install
	tests/engines/slurm start
	tests/engines/folder install
	tests/engines/folder start
	DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends chromium

docs: $(VENV)/development
	$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) dist

# Debian ships venv apart from Python; root can do something about it.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV) && apt-get update -q && \
	  apt-get install -qy --no-install-recommends python3-venv && $(PYTHON) -m venv $(VENV); }

$(VENV)/installed: $(VENV)/bin/python $(PROJECTS) $(VERSION)
	$(BIN)/python -m pip install --quiet $(EDITABLE)
	touch $@

# Tests run the job script in busybox's shell as well. `pip install --group` needs pip 25.1.
$(VENV)/development: $(VENV)/installed pyproject.toml
	command -v busybox >/dev/null || { apt-get update -q && \
	  apt-get install -qy --no-install-recommends busybox-static; }
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --group dev
	! $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  $(BIN)/python -m pip install --quiet -e ./$(dir $(B2LUIGI)) 'setuptools<81'
	touch $@

# pip takes the newest versions only; uv can take the oldest.
$(LOWEST)/installed: $(VENV)/development
	$(BIN)/python -m pip install --quiet --group lowest
	$(BIN)/python -m venv --clear --without-pip $(LOWEST)
	$(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct \
	  --group test $(EDITABLE)
	touch $@

$(VENV)/peers/installed: benchmarks/peers/requirements.txt $(VENV)/bin/python
	$(PYTHON) -m venv $(VENV)/peers
	$(VENV)/peers/bin/python -m pip install --quiet -r $<
	touch $@
