# Two commands matter: `make book` builds the site, `make test` checks everything.
# Each makes .venv by itself from requirements.lock, and needs no network once that stands.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SITE := _build/html
BUILT := $(SITE)/.built

# What the site is made from; a change in any of it executes every chapter afresh.
BOOK_SOURCES := $(shell find chapters isaclib results _static -type f \
	! -name '*.pyc' ! -name '*.ipynb' ! -path '*/.ipynb_checkpoints/*' 2>/dev/null) \
	index.md references.md references.bib _config.yml _toc.yml

.DEFAULT_GOAL := help
.PHONY: help book test lint format chapters results lab serve lock clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

$(READY): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

book: $(BUILT)  ## execute every chapter and build the site; warnings and failing cells are errors
	@echo "The book is at $(SITE)/index.html"

$(BUILT): $(READY) $(BOOK_SOURCES)
	$(BIN)/jupyter-book build --all -W -n --keep-going .
	@touch $@

test: $(READY) $(BUILT)  ## all tests, among them nbval on the chapters' twins and a browser on the site
	$(BIN)/python -m pytest --nbval tests chapters

lint: $(READY)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)  ## let ruff format and mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(READY)  ## write requirements.lock from what .venv holds
	$(BIN)/python tools/lock.py

clean:  ## remove the built site and caches (the environment, runs/ and results/ stay)
	rm -rf _build .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find isaclib tests chapters benchmarks tools -name __pycache__ -prune -exec rm -rf {} +
