# `make serve` and `make test` install what they need; everything else is listed by `make help`.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev

.DEFAULT_GOAL := help
.PHONY: help serve test setup lint format bench soak lock clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

serve: $(RUNTIME)  ## install, then run the demo: database, web and worker
	@$(BIN)/ringlet serve --demo $(ARGS)

test: $(DEV)  ## everything the tests need, then all of them (or those that ARGS names)
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not soak and not alone"
	$(BIN)/python -m pytest -m alone
endif

setup: $(DEV)  ## install only, with the tools for development

lint: $(DEV)  ## formatter, linters, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(DEV)  ## put the code in order
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(DEV)  ## the performance ratios, printed as a table
	$(BIN)/python -m bench $(ARGS)

soak: $(DEV)  ## the long fault runs, half an hour by default
	$(BIN)/python -m pytest -m soak -s $(ARGS)

lock: $(DEV)  ## renew the lock files from pyproject.toml
	$(BIN)/pip-compile $(COMPILE) --extra build --output-file requirements.lock pyproject.toml
	$(BIN)/pip-compile $(COMPILE) --extra build --extra dev --constraint requirements.lock \
		--output-file requirements-dev.lock pyproject.toml

COMPILE := --quiet --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options

clean:  ## remove what was installed and built
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Ringlet needs Python 3.11 or newer; name it with: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing Ringlet into $(VENV) (once, about half a minute)"
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(DEV): requirements-dev.lock $(RUNTIME)
	@echo "Installing the tools for development"
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@
