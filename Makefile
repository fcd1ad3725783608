PYTHON ?= python3
BIN := .venv/bin

.PHONY: help install demo test torture bench reference lint lock clean

help:  ## list the verbs
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: .venv/installed  ## install into .venv, at the locked versions

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,hub,ray,mlflow]'
	@touch $@

demo: install  ## run the depth study on the embedded digits and report it
	$(BIN)/resnet-ablate run depth --scale smoke --out results/local
	$(BIN)/resnet-report results/local/depth

test: install lint  ## check style and types, and run the tests
	$(BIN)/pytest --numprocesses 2 --dist loadgroup

torture: install  ## kill studies at random moments, fill a disk, … (some ten minutes)
	$(BIN)/pytest tests/torture --kills 50 -s

bench: install  ## measure speed against plain Keras and PyTorch, and write benchmarks/results.md (some 30 minutes)
	$(BIN)/python -m benchmarks

reference: install  ## make the committed reference results anew
	rm -rf results/reference/depth
	$(BIN)/resnet-ablate run depth --scale smoke --out results/reference
	$(BIN)/resnet-report results/reference/depth

lint: install  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: install  ## write constraints.txt anew from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --upgrade --no-annotate --no-header --quiet --output-file constraints.txt

clean:  ## remove what was installed and cached; results stay
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
