# `make` alone prints the commands. Every target sets up the virtual environment where it has to.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
READY := $(VENV)/.ready
DEV := $(VENV)/.dev
TWO := --numprocesses 2 --dist loadfile --no-loadscope-reorder
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help run test test-all lint fuzz docs presets lock bench weights ui clean
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or later is needed, {sys.executable} is {sys.version.split()[0]}; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(DEV): $(READY)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

run: $(READY) ## the main job, on data/raw or on the sample archive; ARGS="--set train.epochs=2"
	@cbir sample $(SAMPLE)
	@cbir run $(ARGS)

# A worker a core, and a thread a worker: more threads would wait for each other.
test test-all: export OMP_NUM_THREADS = 1
# Code is compiled once, and not by each of the processes that the tests start.
test test-all: export PYTHONDONTWRITEBYTECODE =
test: $(DEV) ## the quick tests: five to six minutes on two cores
	pytest $(TWO) --timeout 60 $(ARGS)

test-all: $(DEV) ## all tests, the heavy ones too
	pytest $(TWO) -m "" $(ARGS)

fuzz: $(DEV) ## images, tables, bombs and names at random; ARGS="--seconds 300 --seed 1 --only tables"
	python -W ignore -m tests.fuzz $(ARGS)

lint: $(DEV) ## formatting, rules, types
	ruff format --check .
	ruff check .
	mypy

docs: $(DEV) ## the documentation as a site: site/index.html
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet

presets: $(DEV) ## presets/default.yaml anew, after an edit of params.yaml
	$(BIN)/python -m tests.support.default_preset

lock: ## requirements.lock anew, after an edit of pyproject.toml or constraints.txt; needs uv
	uv pip compile pyproject.toml --constraint constraints.txt --extra s3 --extra postgresql --universal --python-version 3.11 \
		--generate-hashes --no-annotate --quiet --output-file requirements.lock \
		--custom-compile-command "make lock: from pyproject.toml and constraints.txt, with the extras s3 and postgresql"

bench: $(DEV) ## benchmarks, as ratios against named baselines; writes reports/bench.json
	python -m benchmarks $(ARGS)

weights: $(DEV) ## the shipped weights anew, where the photographs are: hours of training, resumed after a stop
	python -m benchmarks.weights $(ARGS)

ui: $(READY) ## MLflow UI and Prefect UI on this workspace; MLFLOW_PORT=5000 PREFECT_PORT=4200
	@cbir ui $(if $(MLFLOW_PORT),--mlflow-port $(MLFLOW_PORT)) $(if $(PREFECT_PORT),--prefect-port $(PREFECT_PORT))

clean: ## remove the virtual environment and the store; data, reports and history stay
	rm -rf $(VENV) .store
