# `make help` lists the targets; each sets up what it needs in .venv, once.
PYTHON ?= python3
WORKERS ?= $(shell env -u OMP_NUM_THREADS nproc 2>/dev/null || echo 2)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO_READY := $(VENV)/.ready-demo
UNFINISHED := $(VENV)/.unfinished
COMMA := ,
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
export MPLBACKEND := Agg

.DEFAULT_GOAL := help
.NOTPARALLEL:  # two set-ups of one environment
.PHONY: help demo test check docs pictures bench mutations report recompute extras clean

help:  ## Show this list.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 10

# $(call set_up,EXTRAS,STAMPS): a set-up that was interrupted starts over, whichever command comes next; one that lags
# behind pyproject.toml is brought up to date. pip is not quiet, so that one sees it at work. A Python without ensurepip
# (Debian's, if python3-venv is not installed) lends its own pip.
define set_up
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "sigma2r needs Python 3.11 or newer, which '$(PYTHON)' is not. Try: make PYTHON=python3.11 ..." >&2; exit 1; }
@if [ -e $(UNFINISHED) ]; then rm -rf $(VENV); fi
@mkdir -p $(VENV) && touch $(UNFINISHED) && rm -f $(READY) $(DEMO_READY)
@echo "Setting up $(VENV) with .[$(1)]: some minutes, once."
@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
	$(PYTHON) -m venv $(VENV) && pip="$(BIN)/python -m pip"; \
else \
	$(PYTHON) -m venv --without-pip $(VENV) && pip="$(PYTHON) -m pip --python $(BIN)/python"; \
fi && $$pip install --disable-pip-version-check --editable '.[$(1)]'
@touch $(2) && rm $(UNFINISHED)
endef

# What tests need holds what the demo needs, so that either command may come first.
$(READY): pyproject.toml
	$(call set_up,dev,$(DEMO_READY) $(READY))

$(DEMO_READY): pyproject.toml
	$(call set_up,train$(COMMA)report,$(DEMO_READY))

demo: $(DEMO_READY)  ## Train and compare losses on Fuzzy-RGB: a table, figures and report.html in runs/demo.
	$(BIN)/sigma2r compare --dataset fuzzy-rgb --model lenet --feature-dim 2 --epochs 10 --seeds 1 --progress true \
		--losses cross-entropy center@0.01 center@0.4 sigma2r@0.01 --out runs/demo

# The first pass holds losses, measures and evaluation to the shapes in their annotations. It leaves out tests of
# messages, because that checker speaks before ours, and of compiled code and of memory, which the checker itself changes.
test: $(READY)  ## Run all tests; before that losses and measures with their annotations checked.
	$(PYTEST) -q -m 'not message and not slow' -k 'not compiled and not memory' \
		--jaxtyping-packages=sigma2r.losses,sigma2r.metrics,sigma2r.evaluation,beartype.beartype \
		tests/losses tests/metrics tests/evaluation
	$(PYTEST) --durations=20

check: $(READY)  ## Lint, formatting and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY)  ## Build the documentation in docs/_build/html; warnings are errors.
	$(BIN)/sphinx-build -q -W -n --keep-going -b html docs docs/_build/html

pictures: $(READY)  ## Run the examples of the documents in full, and make their pictures anew: six minutes; a browser.
	$(BIN)/python -m tools.pictures

bench: $(READY)  ## Measure speed and memory, as ratios against named rivals.
	$(BIN)/python -m benchmarks

mutations: $(READY)  ## Break each formula in turn and see a test fail: half an hour of two cores.
	$(BIN)/python -m tools.mutations

report: $(READY)  ## Rebuild the tables of README and docs from committed records and benchmarks.
	$(BIN)/python -m tools.readme_table --write
	$(BIN)/python -m benchmarks.tables --write

recompute: $(READY)  ## Rebuild each generated table from raw records by other code; tell where a page differs.
	$(BIN)/python -m tools.recompute

extras: $(READY)  ## Install the built wheel in empty environments, each extra alone: gigabytes, ten minutes.
	$(BIN)/python -m tools.extras

clean:  ## Remove the environment and everything that was built; runs/ stays.
	rm -rf $(VENV) docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis
