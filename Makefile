# A fresh machine needs Python >= 3.11 and make; everything else is installed into .venv by the first target.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo up test check bench proof sandbox lock clean

# The first Python on the path that is new enough and really starts.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Many tests wait for processes and clocks, so three run on two cores; `make test JOBS=0` is one process, for a debugger.
JOBS ?= 3
SECONDS ?= 60
# And every test that is marked `proof`, which takes half an hour more: make proof FULL=1
FULL ?=
# Only so many confirmed changes under fire, however long that takes: make proof CHANGES=10000
CHANGES ?=
ARGS ?=

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target text; do \
		printf '  make %-8s %s\n' "$$target" "$$text"; done

demo: $(STAMP) ## the main job on an embedded PostgreSQL and a local Stripe, start to end
	@$(BIN)/prorata demo

up: $(STAMP) ## everything running on this machine until Ctrl-C
	@$(BIN)/prorata up

test: $(STAMP) ## the whole test suite
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

check: $(STAMP) ## lint, format, types and import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

bench: $(STAMP) ## the figures, on this machine
	@$(BIN)/python -m pytest -m benchmark --timeout 0 -s tests/benchmarks $(ARGS)

proof: $(STAMP) ## kills, lost answers and floods for SECONDS=60; the last line is the verdict; FULL=1 for all of it
	@$(BIN)/python -m tests.proof --seconds $(SECONDS) $(if $(CHANGES),--changes $(CHANGES)) $(if $(FULL),--full)

sandbox: $(STAMP) ## our questions to Stripe, asked of your sandbox (STRIPE_SANDBOX_KEY) and of the local Stripe
	@$(BIN)/python -m tests.sandbox $(ARGS)

lock: $(BIN)/uv ## resolve the dependencies again into requirements/*.lock
	$(call compile,bootstrap.lock,--group bootstrap)
	$(call compile,runtime.lock,pyproject.toml)
	$(call compile,dev.lock,--all-extras --group dev pyproject.toml)

# Without the header, which names the command line: a lock must read the same on every machine.
define compile
$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header \
	--python-version 3.11 $(2) --output-file requirements/$(1) $(ARGS)
endef

clean: ## remove what make and the tests made, but not .prorata (your local database)
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/uv: requirements/bootstrap.lock
	@[ -n "$(PYTHON)" ] || { echo "make: no Python 3.11 or newer on the path; try make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "make: $(PYTHON) has no venv module with pip; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
		-r requirements/bootstrap.lock
	@touch $@

$(STAMP): pyproject.toml requirements/dev.lock $(BIN)/uv
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --compile-bytecode --require-hashes -r requirements/dev.lock
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
# Where Python may not write what it compiled, each of hundreds of processes would compile it all again.
	@$(BIN)/python -m compileall -q worker handlers sync tests
	@touch $@
