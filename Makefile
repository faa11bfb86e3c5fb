# `make help` lists the targets; each sets up what it needs in .venv, once.
PYTHON ?= python3
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UNFINISHED := $(VENV)/.unfinished
INSTALL := -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
export MPLBACKEND := Agg

.DEFAULT_GOAL := help
.PHONY: help demo test check docs bench report clean

help:  ## Show this list.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 10

# An environment whose set-up was interrupted is made anew; one that only lags behind pyproject.toml is brought up
# to date. Where Python comes without ensurepip (Debian without python3-venv), its own pip does the installing.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "sigma2r needs Python 3.11 or newer; $(PYTHON) is not. Try: make PYTHON=python3.11 ..." >&2; exit 1; }
	@test ! -e $(UNFINISHED) || rm -rf $(VENV)
	@mkdir -p $(VENV) && touch $(UNFINISHED)
	@echo "Setting up $(VENV): two minutes or so, once."
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; \
		then $(PYTHON) -m venv $(VENV) && $(BIN)/python $(INSTALL); \
		else $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python $(INSTALL:-m pip%=%); fi
	@mv $(UNFINISHED) $(READY)
