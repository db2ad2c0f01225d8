# make demo | test | check | coverage | docs | package | torture | beside | bench | slow | quality MODEL=SPEC.
# Each installs what it needs once, into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV := $(VENV)/.dev
TRAIN := $(VENV)/.train
SCALE := $(VENV)/.scale
READERS := $(VENV)/.readers
SITE := $(VENV)/.site
BESIDE_BIN := $(VENV)/beside/bin
BESIDE := $(VENV)/beside/.ready
SHELL := /bin/bash
# Compiled modules are kept, whatever the environment says: the tests start some hundred processes.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test coverage torture beside bench slow quality heads check docs package weights browser server clean

demo: $(READY)
	$(BIN)/culturepark simulate scenarios/quickstart.yaml --model embedded
	$(BIN)/culturepark export last --format trl --out runs/demo
	@echo; head -n 1 runs/demo/all.jsonl
	@echo; $(BIN)/culturepark trace runs/demo/all.jsonl:1

test: check weights browser server $(TRAIN) $(SCALE)
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

# The tests with line and branch coverage. SlipCover takes its probes out of the code once they were passed, which
# costs a sixth; coverage.py doubles the time under Python 3.11. Processes other than the tests' own are not counted.
coverage: $(TRAIN) $(SCALE) weights browser server
	$(BIN)/python -m slipcover --branch --source culturepark --skip-covered -m pytest -n auto --dist loadfile \
		--no-loadscope-reorder -W ignore::pytest.PytestAssertRewriteWarning

torture: $(DEV)
	@failed=0; $(BIN)/python -m tests.torture.packages >&2 || failed=1; \
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m torture --deselect tests/models/test_quirks.py \
		--deselect tests/torture/test_torture.py >&2 || failed=1; \
	$(BIN)/python -m tests.quirks check >&2 || failed=1; \
	$(BIN)/python -m tests.torture $(if $(SEED),--seed $(SEED)) || failed=1; exit $$failed

# What it costs, beside other ways to ask for the same, in one go on a local endpoint: five minutes on two cores.
bench: $(BESIDE)
	$(BESIDE_BIN)/python -W ignore -m bench.side_by_side $(if $(IN_FLIGHT),--in-flight $(IN_FLIGHT))

# The project resolved together with the newest of other tools; nothing is installed.
beside: $(DEV)
	$(BIN)/python bench/beside.py

# The documentation as a site in site/. Broken links fail; nothing is fetched but the extra `docs`, once.
docs: $(SITE)
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

# Wheel and sdist, and the wheel used in an environment of its own.
package: $(DEV)
	.ci/package $(BIN)/python

slow: $(TRAIN) $(READERS)
	$(BIN)/python -m pytest -m slow

# One JSON document on stdout and nothing else, also where something has to be installed first.
quality:
	@test -n "$(MODEL)" || { echo "usage: make quality MODEL=SPEC [DATA=folder] [PREDICT=folder] [KEEP=file]" >&2; exit 2; }
	@$(MAKE) --no-print-directory $(READY) >&2
	@$(BIN)/python -m bench.quality --model "$(MODEL)" $(if $(DATA),--data "$(DATA)") $(if $(PREDICT),--predict "$(PREDICT)") $(if $(KEEP),--keep "$(KEEP)")

# The heads that read turns and rows for small models, fitted anew on the labelled rows: 4 minutes on two cores.
heads: $(DEV)
	@$(BIN)/python -m bench.quality.fit_heads

check: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The report page is tested in a real Chromium: one that is there, else Debian's, else a word on what to do.
browser:
	@test -n "$$CULTUREPARK_CHROMIUM" || command -v chromium chromium-browser google-chrome >/dev/null \
		|| { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
			&& { apt-get update --quiet && apt-get install --yes --quiet chromium; } >&2; } \
		|| { echo "make: the tests need Chromium: apt-get install chromium, or CULTUREPARK_CHROMIUM=/path/to/it" >&2; exit 1; }

# Several workers on one run are tested on a real PostgreSQL server: one that is there, else Debian's.
server:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null \
		|| { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
			&& { apt-get update --quiet && apt-get install --yes --quiet --no-install-recommends postgresql; } >&2; } \
		|| { echo "make: the tests need PostgreSQL's server: apt-get install postgresql" >&2; exit 1; }

weights: $(DEV)
	$(BIN)/python -m culturepark.models.weights

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "culturepark needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(READY): pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[local]'
	@touch $@

$(DEV): pyproject.toml | $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# Torch first and by its number: of a range pip takes the newest, which may be a build of several GB.
$(TRAIN): pyproject.toml | $(DEV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,train]'
	@touch $@

$(SCALE): pyproject.toml | $(DEV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,scale]'
	@touch $@

# LLaMA-Factory and axolotl want other versions of TRL and Transformers than each other. Their readers of rows need
# only what is named here, so they are put into a folder of their own, without the rest.
$(READERS): Makefile | $(TRAIN)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,train,readers]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(VENV)/trainers --upgrade \
		llamafactory==0.9.5 axolotl==0.19.0 addict av peft pillow torchaudio torchvision
	@touch $@

# The tools that are measured beside this one, in an environment of their own: they want other versions of libraries.
$(BESIDE): pyproject.toml Makefile | $(DEV)
	$(PYTHON) -m venv $(VENV)/beside
	$(BESIDE_BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' \
		'distilabel[openai]==1.5.3' 'autogen-ext[openai]==0.7.5'
	@touch $@

$(SITE): pyproject.toml | $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

clean:
	rm -rf $(VENV) build dist site *.egg-info
