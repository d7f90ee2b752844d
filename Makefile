# `make help` lists the targets: the comments after `##`.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
DEVELOPED := $(VENV)/developed
DEMO := out/lake-dream.png

# Whole files to one process: the tests of a file share what they start. In their order: else those
# with the fewest tests come last, and they are the longest.
PARALLEL := --numprocesses 2 --dist loadfile --no-loadscope-reorder

# What starts a Ray looks at all of Ray's processes, so two of them run apart from each other.
WITH_RAY := "$(BIN)/pytest -m ray tests/ray" "$(BIN)/pytest -m ray tests/rehearsal"

# In a Kubernetes most of the time goes by waiting. The files that take longest are begun first.
LONGEST := tests/kubernetes/test_losses.py tests/kubernetes/test_schedules.py
ON_KUBERNETES := --numprocesses 3 --dist loadfile --no-loadscope-reorder -m kubernetes \
  $(LONGEST) $(filter-out $(LONGEST),$(wildcard tests/kubernetes/test_*.py))

SHELL_SCRIPTS := $(shell grep --directories=skip --files-with-matches --max-count=1 '^\#!/usr/bin/env bash\|^\# shellcheck shell=bash' .ci/* cluster/kubernetes/*)

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := demo
.PHONY: help demo test test-fast test-ray test-chart test-kubernetes lint version clean

help:  ## these lines
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(INSTALLED)  ## a dream of the example picture
	@mkdir -p $(dir $(DEMO))
	$(BIN)/dreamray render examples/lake.png $(DEMO)
	@echo "The dream of examples/lake.png is in $(CURDIR)/$(DEMO)"

test: $(DEVELOPED)  ## all tests but those on Kubernetes
	$(BIN)/pytest $(PARALLEL) -m "not ray and not kubernetes"
	.ci/apart $(WITH_RAY)

test-fast: $(DEVELOPED)  ## the unit tests but for the slow ones, in two minutes
	$(BIN)/pytest $(PARALLEL) -m "not slow" tests/unit

test-ray: $(DEVELOPED)  ## the tests that start a Ray
	.ci/apart $(WITH_RAY)

test-chart: $(DEVELOPED)  ## the tests of the Helm chart
	$(BIN)/pytest $(PARALLEL) -m chart tests/chart

# What a machine lacks for it is a reason to skip it, but in CI.
test-kubernetes: $(DEVELOPED)  ## the farm on a real Kubernetes, as root
	@reason=$$(cluster/kubernetes/lacks) && if [ -n "$$reason" ]; then \
		echo "skipped: $$reason"; [ -z "$$CI" ]; \
	else \
		DREAMRAY_KUBERNETES=tests cluster/kubernetes/up $(CURDIR)/$(BIN)/pytest $(ON_KUBERNETES); \
	fi

lint: $(DEVELOPED)  ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	@if command -v shellcheck > /dev/null; then shellcheck --external-sources $(SHELL_SCRIPTS); else echo "shellcheck is not installed"; fi

clean:  ## away with the virtual environment and what was built
	rm -rf $(VENV) build dist out *.egg-info

# A VERSION that happens to be in the environment is none to be set.
version:  ## prints the version; VERSION=0.2.0 sets it in all files that state it, and says in which
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
