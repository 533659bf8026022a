# Each target sets itself up: a virtual environment in .venv, filled with pip, made anew when its list changes.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Every line and branch of these is tested.
WHOLLY := src/gesso/errors.py,src/gesso/generation/plan.py
WHOLLY := $(WHOLLY),src/gesso/request/*,src/gesso/checkpoint/*,src/gesso/conditioning/*,src/gesso/families/*,src/gesso/sampling/*
export OMP_NUM_THREADS ?= $(shell nproc 2>/dev/null || echo 2)

.PHONY: demo test check format parity bench clean

demo: .venv/.core  ## paint with the built-in checkpoint and print where
	$(BIN)/gesso generate "three strawberries in the grass" --count 4 --seed 1 --out pictures

test: .venv/.dev  ## everything that runs in minutes, without a GPU and without full-size files
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --dist loadfile -m "not weights and not gpu" --cov --cov-report=
	$(BIN)/coverage report --skip-covered
	$(BIN)/coverage report --skip-covered --show-missing --include=$(WHOLLY) --fail-under=100

check: .venv/.dev  ## format, lint, types, layers, duplication, spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/pylint src benchmarks studies --disable=all --enable=duplicate-code --score=n
	$(BIN)/typos

format: .venv/.dev  ## put the code into the one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

parity: .venv/.oracle  ## full-size random checkpoints against diffusers and transformers (an hour, 24 GiB)
	nice $(BIN)/python -m benchmarks.parity

bench: .venv/.oracle  ## import, load, memory and step time beside diffusers and OpenVINO, in turn (ten minutes)
	$(BIN)/python -m benchmarks.peers --families sd-v1 --rounds 2 --anew
	$(BIN)/python -m benchmarks.peers --families sdxl-base --rounds 1 --steps 2 --anew

.venv/bin/pip:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gesso needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv

.venv/.core: .venv/bin/pip pyproject.toml constraints.txt
	$(INSTALL) --editable .
	touch $@

.venv/.dev: .venv/.core
	$(INSTALL) --editable ".[dev]"
	touch $@

.venv/.oracle: .venv/.dev
	$(INSTALL) --editable ".[oracle]"
	touch $@

clean:  ## remove what the targets above made
	rm -rf .venv .pytest_cache .ruff_cache .import_linter_cache .coverage
