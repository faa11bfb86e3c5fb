# `make help` lists the targets; each sets up what it needs in .venv, once.
PYTHON ?= python3
WORKERS ?= $(shell env -u OMP_NUM_THREADS nproc 2>/dev/null || echo 2)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UNFINISHED := $(VENV)/.unfinished
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
export MPLBACKEND := Agg

.DEFAULT_GOAL := help
.PHONY: help demo test check docs bench mutations report recompute clean

help:  ## Show this list.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 10

# A set-up that was interrupted starts over; one that lags behind pyproject.toml is brought up to date. A Python
# without ensurepip (Debian's, if python3-venv is not installed) lends its own pip.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "sigma2r needs Python 3.11 or newer, which '$(PYTHON)' is not. Try: make PYTHON=python3.11 ..." >&2; exit 1; }
	@if [ -e $(UNFINISHED) ]; then rm -rf $(VENV); fi
	@mkdir -p $(VENV) && touch $(UNFINISHED)
	@echo "Setting up $(VENV): about two minutes, once."
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
		$(PYTHON) -m venv $(VENV) && pip="$(BIN)/python -m pip"; \
	else \
		$(PYTHON) -m venv --without-pip $(VENV) && pip="$(PYTHON) -m pip --python $(BIN)/python"; \
	fi && $$pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@mv $(UNFINISHED) $(READY)

demo: $(READY)  ## Train and compare losses on Fuzzy-RGB: a table, figures and report.html in runs/demo.
	$(BIN)/sigma2r compare --dataset fuzzy-rgb --model lenet --feature-dim 2 --epochs 10 --seeds 1 \
		--losses cross-entropy center@0.01 center@0.4 sigma2r@0.01 --out runs/demo

# The first pass holds losses and measures to the shapes in their annotations. It leaves out tests of messages, because
# that checker speaks before ours, and of compiled code and of memory, which the checker itself changes.
test: $(READY)  ## Run all tests; before that losses and measures with their shape annotations checked.
	$(PYTEST) -q -m 'not message and not slow' -k 'not compiled and not memory' \
		--jaxtyping-packages=sigma2r.losses,sigma2r.metrics,beartype.beartype tests/losses tests/metrics
	$(PYTEST) --durations=20

check: $(READY)  ## Lint, formatting and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY)  ## Build the documentation in docs/_build/html; warnings are errors.
	$(BIN)/sphinx-build -q -W -n --keep-going -b html docs docs/_build/html

bench: $(READY)  ## Measure speed and memory, as ratios against named rivals.
	$(BIN)/python -m benchmarks

mutations: $(READY)  ## Break each formula in turn and see a test fail: half an hour of two cores.
	$(BIN)/python -m tools.mutations

report: $(READY)  ## Rebuild the tables of README and docs from committed records and benchmarks.
	$(BIN)/python -m tools.readme_table --write
	$(BIN)/python -m benchmarks.tables --write

recompute: $(READY)  ## Rebuild each generated table from raw records by other code; tell where a page differs.
	$(BIN)/python -m tools.recompute

clean:  ## Remove the environment and everything that was built; runs/ stays.
	rm -rf $(VENV) docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis
