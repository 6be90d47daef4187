# `make demo` and `make test` do all the set-up. Python 3.11 or newer and make are enough; uv is used where present.

VENV := .venv
BIN := $(VENV)/bin
# The first of these that is new enough; PYTHON=... overrides.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null && { echo $$p; break; }; done)
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
# One more than there are processors: the tests of the daemon and of killed runs mostly wait.
TEST_WORKERS ?= $(shell expr `getconf _NPROCESSORS_ONLN` + 1)
# Tests start many processes; where bytecode is not kept, each of them compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help .venv demo test lint types lock lock-check gauntlet release mutants bench clean

help: ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

.venv: $(VENV)/.installed

# --no-deps: the lock is complete, and older releases of pip trip over extras when hashes are required.
$(VENV)/.installed: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11 to 3.14 with the venv module was found. Install one (on Debian: apt-get install python3-venv), or say PYTHON=/path/to/python."; exit 1; }
	@if command -v uv >/dev/null 2>&1; then \
		uv venv --quiet --no-config --allow-existing --python "$(PYTHON)" $(VENV) && \
		uv pip install --quiet --no-config --python $(BIN)/python --no-deps --require-hashes -r requirements.lock && \
		uv pip install --quiet --no-config --python $(BIN)/python --no-deps --no-build-isolation --editable .; \
	else \
		echo "Installing into $(VENV) (a minute or two) ..."; \
		"$(PYTHON)" -m venv $(VENV) && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .; \
	fi
	@touch $@

demo: .venv ## the whole pipeline against a sandbox of its own: no account, no key, no network
	@$(BIN)/stripe-cio demo

test: .venv ## the test suite
	@$(BIN)/python -m pytest -q -n $(TEST_WORKERS) --dist worksteal

lint: .venv ## ruff, and vulture for code that nobody uses
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/vulture --exclude '*/sandbox/*' stripe_cio_pipeline benchmarks
	@$(BIN)/vulture

types: .venv ## mypy, strict
	@$(BIN)/mypy

lock: .venv ## write the locks anew from pyproject.toml, keeping the versions that still fit
	@$(BIN)/$(COMPILE) --extra dev -o requirements.lock pyproject.toml
	@$(BIN)/$(COMPILE) --extra deploy -c requirements.lock -o requirements-deploy.lock pyproject.toml

lock-check: .venv ## fail where requirements.lock does not follow from pyproject.toml
	@cp requirements.lock $(VENV)/requirements.check
	@$(BIN)/$(COMPILE) --extra dev -o $(VENV)/requirements.check pyproject.toml
	@diff -u requirements.lock $(VENV)/requirements.check || { echo "requirements.lock is out of date: run make lock"; exit 1; }

gauntlet: .venv ## the attacks: kills, stops, faults, full disks, damage, clocks, two at once, a soak of 300 ticks
	@$(BIN)/python -m pytest -q -n $(TEST_WORKERS) --dist worksteal tests/cli/test_faults.py tests/cli/test_memory.py \
		tests/cli/test_two_at_once.py tests/warehouse/test_faults.py tests/extract/test_clock.py tests/extract/test_overtaken.py
	@$(BIN)/python -m pytest -q -n $(TEST_WORKERS) --dist worksteal -m gauntlet --timeout 5400

release: .venv ## a wheel and an sdist, tried in an empty folder; notes; what is in the image (SBOM), licences, known flaws
	@$(BIN)/python deploy/release.py

mutants: .venv ## break the code that decides, line by line, and name what no test notices
	@rm -rf mutants
	@PYTHONPATH=. $(BIN)/mutmut run
	@$(BIN)/mutmut results
	@PYTHONPATH=. $(BIN)/python -m tests.sql_mutants

bench: .venv ## every benchmark, in its small form
	@for file in $$(grep -l -- --small benchmarks/*.py | grep -v _stage); do \
		echo "== $$file"; $(BIN)/python $$file --small || exit 1; \
	done

clean: ## remove what was installed and written here
	@rm -rf $(VENV) .venv-duckdb2 .venv-release dist build .stripe_cio .mypy_cache .ruff_cache .pytest_cache .hypothesis mutants
