# Two commands are enough: `make demo` and `make test`. Both need Python 3.11+ and make, nothing else.
PYTHON ?= python3
UV_VERSION := uv>=0.13,<0.14
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
LQO := .venv/bin/lqo
JOBS ?= 3
export DO_NOT_TRACK := 1
export DAGSTER_DISABLE_TELEMETRY := yes
export UV_LINK_MODE ?= copy
# Containers often set it; every process of dbt and Dagster would then compile its libraries anew.
unexport PYTHONDONTWRITEBYTECODE

# The longest first.
LINTERS := lint-types lint-definitions lint-layers lint-style

.PHONY: help install demo up test lint $(LINTERS) bench soak clean

help:  ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/'

install: .venv/.installed  ## make .venv from the lock and build dbt's manifest

.venv/.installed: pyproject.toml uv.lock
	@command -v uv >/dev/null 2>&1 || [ -x .uv/bin/uv ] || { echo "installing uv into .uv"; \
		$(PYTHON) -m venv .uv && .uv/bin/python -m pip install --quiet --disable-pip-version-check "$(UV_VERSION)"; }
	@echo "installing the locked environment into .venv"
	@$(UV) sync --frozen --quiet --all-extras --no-extra local-judge --python $(PYTHON)
	@echo "parsing the dbt project"
	@.venv/bin/python -c 'from ingest.settings import load_settings; from orchestration.dbt import ensure_manifest; ensure_manifest(load_settings())'
	@touch $@

demo: install  ## the whole job once, headless: traffic, landing, checks, prices, marts, an alert, a summary
	@$(LQO) demo

up: install  ## the whole local stack in the foreground
	@$(LQO) up

test: install  ## every test against real parts, with coverage
	@.venv/bin/python -m pytest -n $(JOBS) --dist loadgroup --no-loadscope-reorder --cov --cov-report=term:skip-covered --cov-fail-under=80

lint: install  ## ruff, layers, types, the Dagster definitions
	@$(MAKE) --no-print-directory --jobs=3 $(LINTERS)

lint-types:
	@.venv/bin/basedpyright

lint-definitions:
	@.venv/bin/dg check defs

lint-layers:
	@.venv/bin/lint-imports

lint-style:
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .

bench: install  ## the benchmarks: each prints ratios taken in one run
	@for f in tests/benchmarks/bench_*.py; do echo "== $$f"; .venv/bin/python $$f || exit 1; done
	@for m in throughput streams fairness; do echo "== the proxy: $$m"; .venv/bin/python -m tests.benchmarks.proxy.$$m || exit 1; done

soak: install  ## two minutes of calls while Postgres goes away and the proxy is killed: nothing may be lost
	@.venv/bin/python -m tests.benchmarks.proxy.soak

clean:  ## remove the environments and this folder's state
	rm -rf .venv .uv .lqo
