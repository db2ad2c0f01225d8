# make demo | make test | make check | make torture | make quality MODEL=SPEC. Each installs what it needs once, into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV := $(VENV)/.dev
SHELL := /bin/bash

.PHONY: demo test torture quality check weights clean

demo: $(READY)
	$(BIN)/culturepark simulate scenarios/quickstart.yaml --model embedded
	$(BIN)/culturepark export last --format trl --out runs/demo
	@echo; head -n 1 runs/demo/all.jsonl
	@echo; $(BIN)/culturepark trace runs/demo/all.jsonl:1

test: check weights
	$(BIN)/python -m pytest

torture: $(DEV)
	$(BIN)/python -m tests.torture

# One JSON document on stdout and nothing else, also where something has to be installed first.
quality:
	@test -n "$(MODEL)" || { echo "usage: make quality MODEL=SPEC [DATA=folder] [PREDICT=folder] [KEEP=file]" >&2; exit 2; }
	@$(MAKE) --no-print-directory $(READY) >&2
	@$(BIN)/python -m bench.quality --model "$(MODEL)" $(if $(DATA),--data "$(DATA)") $(if $(PREDICT),--predict "$(PREDICT)") $(if $(KEEP),--keep "$(KEEP)")

check: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

weights: $(DEV)
	$(BIN)/python -m culturepark.models.weights

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "culturepark needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(READY): pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(DEV): pyproject.toml | $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
