# Two commands matter: `make book` builds the site, `make test` checks everything.
# Each makes .venv by itself from requirements.lock, and needs no network once that stands.

PYTHON ?= python3
VENV ?= .venv
PRESET ?= paper
PORT ?= 8000
RUN_OPTIONS ?=
TEST_WORKERS ?= auto
LAB_OPTIONS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
READY := $(VENV)/.ready
SITE := _build/html
BUILT := $(SITE)/.built

# What the site is made from; a change in any of it executes every chapter afresh.
BOOK_SOURCES := $(shell find chapters isaclib results tools/extensions _static -type f ! -name '.*' \
	! -name '*.pyc' ! -name '*.ipynb' ! -path '*/.ipynb_checkpoints/*' 2>/dev/null) \
	$(wildcard *.bib) index.md references.md _config.yml _toc.yml

# The kernel of this environment, not one of the same name that a user has installed.
export JUPYTER_PATH := $(abspath $(VENV))/share/jupyter
# A chapter's .md opens as a notebook in JupyterLab; read by `make lab` alone.
lab: export JUPYTER_CONFIG_PATH := $(abspath tools/jupyter)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help book pdf test lint format chapters equations results lab serve screenshots lock clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' \
		$(firstword $(MAKEFILE_LIST))

$(READY): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing what requirements.lock pins into $(VENV) ..."
	@$(PIP) -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

book: $(BUILT)  ## execute every chapter and build the site; a warning or a failing cell is an error
	@echo "The book is at $(SITE)/index.html"

$(BUILT): $(READY) $(BOOK_SOURCES)
	$(BIN)/jupyter-book build --all -W -n --keep-going .
	@touch $@

pdf: $(READY)  ## make the book's PDF from the executed twins, with LaTeX (tools/pdf.py says from where)
	$(BIN)/python tools/pdf.py

test: $(READY) $(BUILT)  ## run all tests: the library, the chapters' twins (nbval), the site in a browser
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --nbval tests chapters

lint: $(READY)  ## check style, types and who imports whom (ruff, mypy, import-linter)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

format: $(READY)  ## let ruff format the code and mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

chapters: equations  ## execute the chapters again and write their notebook twins
	$(BIN)/python tools/chapters.py

equations: $(READY)  ## write the index of equations from docstrings and chapters
	$(BIN)/python tools/equations.py

results: $(READY)  ## run every figure at PRESET=paper (hours); stop at any time, repeat to go on
	$(BIN)/isaclib run \
		$$($(BIN)/python -c 'from isaclib.experiments import figures; print(*figures())') \
		--preset $(PRESET) --resume $(RUN_OPTIONS)

lab: $(READY)  ## open the chapters as notebooks in JupyterLab
	$(BIN)/jupyter lab --notebook-dir=chapters $(LAB_OPTIONS)

serve: $(BUILT)  ## serve the built site at http://localhost:8000 (PORT=8000)
	$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory $(SITE)

screenshots: $(BUILT)  ## picture every page, wide and narrow, light and dark, in _build/screenshots
	$(BIN)/python tools/screenshots.py $(SITE) _build/screenshots

lock: $(READY)  ## write requirements.lock from what the environment holds
	$(BIN)/python tools/lock.py

clean:  ## remove the built site and caches (the environment, runs/ and results/ stay)
	rm -rf _build .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find $(wildcard isaclib tests chapters benchmarks tools) -name __pycache__ -prune -exec rm -rf {} +
