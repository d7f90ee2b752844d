# make demo   a dream of the example picture
# make test   the tests
# make lint   format, lint and types
# make clean  away with the virtual environment and what was built
# make version                 prints the version
# make version VERSION=0.2.0   sets it in all files that state it, and says in which

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
DEVELOPED := $(VENV)/developed
DEMO := out/lake-dream.png

# They start a Ray and look at its processes: never two of them at a time.
RAY_TESTS := $(addprefix tests/test_,chart_submit.py farm.py farm_autoscale.py farm_bulk.py farm_hands.py farm_metrics.py \
	farm_render.py hosts.py multihost.py rehearsal.py)

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test lint clean version

demo: $(INSTALLED)
	@mkdir -p $(dir $(DEMO))
	$(BIN)/dreamray render examples/lake.png $(DEMO)
	@echo "The dream of examples/lake.png is in $(CURDIR)/$(DEMO)"

test: $(DEVELOPED)
	$(BIN)/pytest --numprocesses 2 --dist loadfile $(RAY_TESTS:%=--ignore=%)
	$(BIN)/pytest $(RAY_TESTS)

lint: $(DEVELOPED)
	$(BIN)/ruff format --check . cluster/rehearse-image
	$(BIN)/ruff check . cluster/rehearse-image
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist out *.egg-info

# A VERSION that happens to be in the environment is none to be set.
version:
	@$(PYTHON) .ci/version.py $(if $(filter command,$(origin VERSION)),'$(VERSION)')

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=…")'
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(DEVELOPED): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@
