# make demo | make test: each does all set-up on a fresh machine, then its job.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= 2

.PHONY: demo test test-all lint format benchmarks clean

demo: $(STAMP)
	$(BIN)/medpipe demo --output demo_output

# One thread for each of the workers: two that share their cores wait for each other at every barrier.
test: export OMP_NUM_THREADS = 1
test: $(STAMP)
	$(BIN)/pytest -n $(JOBS) -m "not slow and not gpu"

test-all: export OMP_NUM_THREADS = 1
test-all: $(STAMP)
	MEDPIPE_HYPOTHESIS=long $(BIN)/pytest -n $(JOBS) -rs

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell medpipe tests docs benchmarks pipelines README.md CHANGELOG.md

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

benchmarks: $(STAMP)
	for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

clean:
	rm -rf $(VENV) demo_output

# torch is installed first and pinned exactly: another package could otherwise pull a second build of it.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch torchvision
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
