# Keytree's commands. `make` or `make help` lists them; each sets up what it needs first.

# Which Python makes the environment: the first one here that is new enough. Name another with PYTHON=...
PYTHON ?= $(firstword $(foreach p,python3 python3.14 python3.13 python3.12 python3.11,$(if $(shell $(call OLD_ENOUGH,$(p))),$(p))))
OLD_ENOUGH = $(1) -c 'import sys; print("yes" if sys.version_info >= (3, 11) else "")' 2>/dev/null

VENV := .venv
PY := $(VENV)/bin/python
MANAGE := $(PY) manage.py
# Quiet but for errors: pip's warnings are about the machine's own settings.
PIP := $(PY) -m pip install -qq --disable-pip-version-check --require-hashes

# What `make run` serves unless the environment says otherwise: the demo, for this machine alone.
run: export KEYTREE_ENV ?= demo
run: export PORT ?= 8000
# The start is told in plain words below; a demo at a terminal needs no line for each worker.
run: export KEYTREE_LOG_LEVEL ?= WARNING
# Checks of the code read the settings too, and have no secrets to give.
lint types check-project test-sqlite test-postgresql test-one coverage bench: export KEYTREE_ENV := demo
lint types check-project: export KEYTREE_DATA_DIR := $(VENV)/data

# Tests start Python some hundred times: each would compile the program anew where this is set.
test-sqlite test-postgresql test-one coverage: export PYTHONDONTWRITEBYTECODE :=

# Arguments for pytest: make test ARGS="-k lifecycle"
ARGS ?=
PYTEST = $(PY) -m pytest --numprocesses auto --dist loadgroup $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help setup dev run test test-sqlite test-postgresql test-one coverage lint format types check check-project audit bench lock fonts clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- Setting up ----------------------------------------------------------------------------------------------------

setup: $(VENV)/.runtime ## make the environment and install what serving needs

dev: $(VENV)/.dev ## the same, with what testing and checking need

# The environment is made again when it is missing or its Python is gone.
$(PY):
	@$(if $(PYTHON),,echo 'Keytree needs Python 3.11 or newer and found none. Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11' >&2; exit 1)
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Keytree needs Python 3.11 or newer; $(PYTHON) is %d.%d. Name another: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" % sys.version_info[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo 'This Python cannot make environments. On Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
	@echo 'Making the environment in $(VENV) ...'
	@$(PYTHON) -m venv --clear $(VENV)

# One stamp for each set of requirements: installed again when its file changes, and only then.
$(VENV)/.runtime: requirements.txt | $(PY)
	@echo 'Installing what Keytree needs ...'
	@$(PIP) --requirement $<
	@touch $@

# Compiled on all processors, which pip does on one.
$(VENV)/.test: requirements-test.txt | $(PY)
	@echo 'Installing what the tests need ...'
	@$(PIP) --no-compile --requirement $<
	@$(PY) -m compileall -q -j 0 $(VENV)/lib
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.test | $(PY)
	@echo 'Installing what the checks need ...'
	@$(PIP) --requirement $<
	@touch $@

# --- Running -------------------------------------------------------------------------------------------------------

run: $(VENV)/.runtime ## serve the console; a demo unless KEYTREE_ENV=production. PORT=8001 for another port
	@$(MANAGE) migrate --verbosity 0
	@[ "$$KEYTREE_ENV" != demo ] || $(MANAGE) load_demo >/dev/null
	@$(MANAGE) collectstatic --no-input --verbosity 0
	@exec $(PY) -m gunicorn --config python:console.server console.wsgi

# --- Testing -------------------------------------------------------------------------------------------------------

test: $(VENV)/.test ## run the whole suite, on SQLite and on PostgreSQL
	@failed=; $(MAKE) --no-print-directory test-sqlite || failed=1; \
		$(MAKE) --no-print-directory test-postgresql || failed=1; [ -z "$$failed" ]

test-sqlite: $(VENV)/.test ## run the suite on SQLite
	@echo '--- The suite on SQLite ---'
	@TEST_DATABASE_URL= $(PYTEST)

# A server of its own, unless TEST_DATABASE_URL names one whose user may create databases.
test-postgresql: $(VENV)/.test ## run the suite on PostgreSQL: one of its own, or the one in TEST_DATABASE_URL
	@echo '--- The suite on PostgreSQL ---'
	@$(PY) -m tests.postgres $(PYTEST)

test-one: $(VENV)/.test ## run some tests in one process: make test-one ARGS="tests/keys -k create"
	@$(PY) -m pytest $(ARGS)

coverage: $(VENV)/.dev ## run the suite on SQLite and show the branches that it misses
	@$(PY) -m coverage erase
	@TEST_DATABASE_URL= $(PY) -m coverage run -m pytest $(ARGS)
	@$(PY) -m coverage combine --quiet
	@$(PY) -m coverage report

# --- Checking ------------------------------------------------------------------------------------------------------

lint: $(VENV)/.dev ## check style, templates and import contracts
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m djlint --lint --quiet templates
	@$(VENV)/bin/lint-imports

format: $(VENV)/.dev ## put the code into its one form
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

types: $(VENV)/.dev ## check types
	@$(PY) -m mypy

check: lint types check-project ## everything but the tests: style, contracts, types, settings, migrations

check-project: $(VENV)/.dev ## check the settings, and that no migration is missing
	@$(MANAGE) check --fail-level WARNING
	@$(MANAGE) makemigrations --check --dry-run

audit: $(VENV)/.dev ## look the pinned packages up among known vulnerabilities (needs the network)
	@$(PY) -m pip_audit --requirement requirements-dev.txt --require-hashes --disable-pip

bench: $(VENV)/.test ## measure against the figures in docs/performance.md
	@$(PY) -m tests.bench $(ARGS)

# --- Upkeep --------------------------------------------------------------------------------------------------------

LOCK = $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header pyproject.toml
lock: $(VENV)/.dev ## pin versions anew from pyproject.toml: ARGS=--upgrade, or ARGS="--upgrade-package django"
	@$(LOCK) --output-file requirements.txt $(ARGS)
	@$(LOCK) --output-file requirements-test.txt --group test $(ARGS)
	@$(LOCK) --output-file requirements-dev.txt --group dev $(ARGS)

# Which files, in which versions, .ci/fonts says.
fonts: ## fetch the IBM Plex fonts into static/fonts, with npm
	@command -v npm >/dev/null || { echo 'make fonts fetches with npm, which is not installed. The console works without: it uses the system font.' >&2; exit 1; }
	@.ci/fonts
	@echo 'Fonts are in static/fonts; start Keytree again to serve them.'

clean: ## remove caches and reports; the environment and the data folder stay
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.* test-artifacts
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
