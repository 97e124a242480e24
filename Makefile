# make lab: set up and open the course.   make test: set up and run every test, including the notebooks.
# The set-up runs only once, and again when pyproject.toml or constraints.txt changes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
comma := ,
LAB_ARGS ?=
PYTEST_ARGS ?=
# The views of the web edition: yes (run lessons whose views are not stored yet), no (still pictures), or kept (only
# stored views).
VIEWS ?= yes
# One worker for each core, at most four. With lessons, there is one more worker, with lower priority (see
# tests/sharing.py). All tests of a file, and all cells of a notebook, go to one worker. Files run in the order in which
# they are named, except for slow files: if they came last, they would run alone.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min(4, os.cpu_count() or 1))')
SOURCES = llmlib tests benchmarks data docs notebooks/execute.py notebooks/first_cell.py
SCRIPTS = "llmlib/**/*.mjs" "llmlib/**/*.css" "tests/**/*.mjs" "docs/**/*.js" "docs/**/*.mjs" "docs/**/*.css"
# A run starts about a hundred Python processes. Bytecode is stored whatever the environment says: otherwise each process
# would compile the library again, and each worker all tests.
PYTEST = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -p tests.lighter -p tests.sharing -n $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0

# Install the project with all packages of one extra. pip reports its progress, but its last step is silent for a minute
# or two, so a clock prints the time while this shell lives (the clock's `sleep` must not keep the pipe of
# `make lab | tee` open).
define install
	@echo "Setting up in $(VENV), once: a few minutes and about 2 GB, most of it torch. New lines show that it is still running."
	@(while sleep 30 >/dev/null 2>&1 && kill -0 $$$$ 2>/dev/null; do echo "… $$(date +%H:%M:%S) still at work"; done) & clock=$$!; \
	  $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable ".[$(1)]"; \
	  ended=$$?; kill $$clock; \
	  [ $$ended -eq 0 ] || echo "The set-up failed; see pip's messages above. Run make $(MAKECMDGOALS) again to continue: downloaded files are kept. The set-up needs a network."; \
	  exit $$ended
endef

.DEFAULT_GOAL := help
.PHONY: help lab may-open test test-fast notebooks site lint format bench download doctor clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

lab: may-open $(VENV)/course.stamp ## Open the course in JupyterLab (LAB_ARGS="--no-browser --port 9999" is passed on)
	-@$(BIN)/llmlib download --ask
	@echo "Opening the course. To end it, press Ctrl+C here."
	-@$(BIN)/jupyter trust notebooks/*.ipynb >/dev/null # otherwise stored pictures stay white in a dark theme until a cell is run
	$(BIN)/jupyter lab notebooks/00_welcome.ipynb $(LAB_ARGS)

may-open: # checked before the set-up: otherwise JupyterLab would refuse to start minutes later
	@case "$$(id -u 2>/dev/null):$(subst ",,$(LAB_ARGS))" in *--allow-root*) ;; 0:*) \
	  echo "You are root. JupyterLab does not start for root, since everybody who opens it could change anything on this machine."; \
	  echo "Use another account, or, in your own container: make lab LAB_ARGS=\"$(strip --allow-root $(subst ",,$(LAB_ARGS)))\""; \
	  exit 1;; esac

test: $(VENV)/dev.stamp ## Run all tests: library, documentation examples, notebooks, widgets in a browser
	$(PYTEST) -n $$(($(WORKERS) + 1)) --nbval notebooks tests llmlib $(PYTEST_ARGS)

test-fast: $(VENV)/dev.stamp ## Run the quick tests, in a minute and a half: no slow tests, no notebooks, no browser
	$(PYTEST) tests llmlib -m "not slow and not browser" $(PYTEST_ARGS)

notebooks: $(VENV)/dev.stamp ## Run all lessons from top to bottom and store their outputs
	$(BIN)/python notebooks/execute.py

site: $(VENV)/site.stamp ## Build the web edition in build/site (VIEWS=no: still pictures; VIEWS=kept: run no lesson)
	$(BIN)/python docs/build.py --views $(VIEWS)

lint: $(VENV)/dev.stamp ## Check style and types
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/oxfmt --check $(SCRIPTS)
	$(BIN)/oxlint --deny-warnings llmlib tests docs

format: $(VENV)/dev.stamp ## Format the code
	$(BIN)/ruff check --fix-only $(SOURCES)
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/oxfmt $(SCRIPTS)

bench: $(VENV)/dev.stamp ## Measure every claim about speed against its reference
	@for script in benchmarks/*.py; do echo; echo "== $$script"; $(BIN)/python $$script || exit 1; done

download: $(VENV)/course.stamp ## Download all files that the lessons need (100 MB); after that, no network is needed
	$(BIN)/llmlib download

doctor: $(VENV)/course.stamp ## Check this machine
	$(BIN)/llmlib doctor

clean: ## Remove the virtual environment
	rm -rf $(VENV)

$(VENV)/bin/python:
	@$(PYTHON) --version >/dev/null || \
	  { echo "$(PYTHON) cannot be run. Install Python 3.11 or newer, or name your Python, for example: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "The course needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "The venv module is missing. On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }

$(VENV)/course.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(call install,course)
	@touch $@

$(VENV)/site.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(call install,course$(comma)site)
	@touch $@ $(VENV)/course.stamp

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(call install,dev)
	@touch $@ $(VENV)/course.stamp $(VENV)/site.stamp
