# Two commands: `make serve` sets up and serves, `make test` sets up and checks everything.
SHELL := /bin/bash
# The newest supported Python on this machine, unless PYTHON names another.
PYTHON ?= $(shell for each in 3.13 3.12 3.11; do python$$each -c 'import venv, ensurepip' 2>/dev/null && echo python$$each && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip --disable-pip-version-check --quiet install --require-hashes --only-binary :all:

.PHONY: setup serve test test-full lint bench lock clean help

help:            ## what there is
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*##/\t/' | expand -t 12

setup: $(VENV)/.serve  ## make the virtual environment with what serving needs

serve: $(VENV)/.serve  ## serve on 127.0.0.1:8460
	@$(BIN)/keywright serve

test: $(VENV)/.test    ## check everything (under 25 minutes on 2 cores)
	@$(BIN)/python tests/run.py

test-full: $(VENV)/.test  ## the long forms as well
	@$(BIN)/python tests/run.py --full

lint: $(VENV)/.test    ## only what reads the code
	@$(BIN)/python tests/run.py --lint

bench: $(VENV)/.test   ## measure
	@$(BIN)/python -m bench

lock: $(VENV)/.test    ## choose versions anew
	@requirements/lock

clean:           ## remove everything that was set up, but never the data directory
	rm -rf $(VENV) .venv-* build dist

$(VENV)/bin/python:
	@[ -n "$(PYTHON)" ] || { echo "Keywright needs Python 3.11, 3.12 or 3.13 with the venv module (Debian: apt-get install python3-venv)." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: requirements/serve.txt pyproject.toml | $(VENV)/bin/python
	@echo "Setting up $(VENV) ..." >&2
	@$(PIP_INSTALL) -r requirements/serve.txt
	@$(BIN)/python -m pip --disable-pip-version-check --quiet install --no-deps --no-index --no-build-isolation --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.serve requirements/test.txt
	@echo "Setting up the tests' tools ..." >&2
	@$(PIP_INSTALL) -r requirements/test.txt
	@touch $@
