# Two commands on a fresh machine: `make demo` and `make test`. Each builds .venv once, from pinned
# and hashed requirements, with whatever package index the machine's pip is set up to use.

.DEFAULT_GOAL := help
.PHONY: help demo replay test check format perf soak lock clean
.DELETE_ON_ERROR:

VENV := .venv
PY := $(VENV)/bin/python
RUN_READY := $(VENV)/ready-run
TEST_READY := $(VENV)/ready-test
DEMO := out/replay
SYMBOLS := EURUSD GBPUSD USDJPY XAUUSD
SEED := 36
DAYS := 2
WORKERS ?= 2
EXAMPLES ?= 20
MINUTES ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Several BLAS and OpenMP threads on two cores only take turns.
export OMP_NUM_THREADS ?= 1

help: ## This list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

# The first interpreter that is new enough; PYTHON=... overrides.
$(PY):
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    exec $$python -m venv --clear $(VENV); \
	  fi; \
	done; \
	echo "error: no Python 3.11 or newer found (python3, python3.11 ... python)" >&2; \
	echo "help: install one, or name it: make PYTHON=/path/to/python demo" >&2; exit 2

# One recipe for both environments: the pins of $(1), then the checkout itself, editable.
define build_environment
@echo "Building $(VENV) from $(1) (once, a minute or so)"
@$(PY) -m pip install -qq --require-hashes -r $(1)
@$(PY) -m pip install -qq --no-deps --no-build-isolation -e .
@touch $(2)
endef

$(RUN_READY): requirements/run.txt pyproject.toml | $(PY)
	$(call build_environment,requirements/run.txt,$@)

# The test pins contain the run pins, so whoever has tested can run the demo at once.
$(TEST_READY): requirements/test.txt requirements/run.txt pyproject.toml | $(PY)
	$(call build_environment,requirements/test.txt,$(RUN_READY) $@)

demo: $(RUN_READY) ## Engine, simulated broker and terminals over the real link, live; Ctrl-C stops
	@$(PY) -m facade demo

replay: $(RUN_READY) ## Replay a synthetic sample through a dozen accounts; leaves a report
	@mkdir -p $(DEMO)
	@$(PY) -m facade ticks synthesize --out $(DEMO) --seed $(SEED) --days $(DAYS) \
	  --symbols $(SYMBOLS)
	@$(PY) -m facade replay --book docs/examples/demo.toml \
	  $(foreach symbol,$(SYMBOLS),--ticks $(symbol)=$(DEMO)/$(symbol).synthetic.ticks) \
	  --compare-poll 30s --events $(DEMO)/events.jsonl \
	  --summary $(DEMO)/summary.json --report $(DEMO)/report.html
	@echo "The ticks are synthetic. Open $(CURDIR)/$(DEMO)/report.html"

test: $(TEST_READY) ## The whole suite
	@$(PY) -m pytest -n $(WORKERS)

check: $(TEST_READY) ## Format, lint, types, tests
	@$(PY) -m ruff format --check
	@$(PY) -m ruff check
	@$(PY) -m mypy --strict
	@$(PY) -m pytest -n $(WORKERS)

format: $(TEST_READY) ## Mend what ruff can mend
	@$(PY) -m ruff check --fix
	@$(PY) -m ruff format

perf: $(TEST_READY) ## Measure against the budgets of perf/budgets.toml
	@$(PY) -m facade bench

# EXAMPLES=N times the examples of property tests, MINUTES=N for each of the last three parts.
SOAK_MINUTES := $(if $(MINUTES),--minutes $(MINUTES))
soak: $(TEST_READY) ## All of it with fresh seeds and the full numbers; hours, unless MINUTES=N
	@TIDEGATE_SOAK=$(EXAMPLES) $(PY) -m pytest -n $(WORKERS)
	@$(PY) tests/plant_bugs.py
	@$(PY) -m tests.soak_journal $(SOAK_MINUTES)
	@$(PY) -m tests.soak_days $(SOAK_MINUTES)
	@$(PY) -m tests.soak_simulation --minutes $(or $(MINUTES),60)

# Needs uv (pip install uv). It records no index: the machine's own settings decide.
LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-header --quiet pyproject.toml
lock: ## Renew the pins from pyproject.toml
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" && $(LOCK) --extra build -o requirements/run.txt
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" && \
	  $(LOCK) --extra build --extra test -c requirements/run.txt -o requirements/test.txt

clean: ## Remove what was built
	@rm -rf $(VENV) out dist build .mypy_cache .ruff_cache .hypothesis
