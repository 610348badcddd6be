# Everything runs in a virtual environment that the targets make by themselves.
VENV   ?= .venv
PYTHON ?= python3
NET    ?= lenet5-sparse
IMAGES ?= 256
ARGS   ?=

PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet

.PHONY: help cosim test lint prove mutants clean check-system
.DEFAULT_GOAL := help

help:
	@echo 'make cosim   simulate NET=$(NET) on the core with IMAGES=$(IMAGES) images; more options in ARGS'
	@echo 'make test    lint, type check, tests'
	@echo 'make lint    the first two only'
	@echo 'make prove   all proofs, those that take minutes too, as the table of docs/proofs.md'
	@echo 'make mutants small changes of every module that has proofs: which ones the proofs notice'
	@echo 'make clean   remove what builds and tests leave'

cosim: $(VENV)/.base
	@$(VENV)/bin/quiesce cosim $(NET) --images $(IMAGES) $(ARGS)

test: lint
	@$(VENV)/bin/python -m pytest -q -n 2 --dist loadfile --durations=10 $(ARGS)

lint: $(VENV)/.dev
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --quiet --check . || { $(VENV)/bin/ruff format --diff .; exit 1; }
	@$(VENV)/bin/lint-imports --no-cache --config pyproject.toml > $(VENV)/imports.log || { cat $(VENV)/imports.log; exit 1; }
	@$(VENV)/bin/mypy

prove: $(VENV)/.dev
	@$(VENV)/bin/python -m tests.formal $(ARGS)

mutants: $(VENV)/.dev
	@$(VENV)/bin/python -m tests.formal.mutants $(ARGS)

check-system:
	@PYTHON=$(PYTHON) scripts/check-system

$(VENV)/bin/python: | check-system
	@echo 'making $(VENV)'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml constraints.txt | check-system $(VENV)/bin/python
	@echo 'installing what generating and simulating the core needs'
	@$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	@echo 'installing what training and testing need'
	@$(PIP) install --constraint constraints.txt --editable '.[train,video,synth,dev]'
	@touch $@

clean:
	@rm -rf build dist runs .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find bench cli models rtl sim spec sw tests -name __pycache__ -type d -prune -exec rm -rf {} +
