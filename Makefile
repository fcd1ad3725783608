PYTHON ?= python3
BIN := .venv/bin

.PHONY: help install docs docs-again demo test pytest torture bench bench-search bench-convolutions reference lint lock clean

help:  ## list the verbs
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: .venv/installed  ## install into .venv, at the locked versions

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,hub,hf,tfds,ray,mlflow,wandb,export]'
	@touch $@

demo: install  ## run the depth study on the embedded digits and report it
	$(BIN)/resnet-ablate run depth --scale smoke --out results/local
	$(BIN)/resnet-report results/local/depth

test: install  ## check style and types, and run the tests
	$(MAKE) --jobs 2 lint pytest

# One process more than there are processors: some tests wait for others' processes.
PROCESSES = $$($(BIN)/python -c 'import os; print((os.cpu_count() or 1) + 1)')

pytest: install
	$(BIN)/pytest --numprocesses $(PROCESSES) --dist loadgroup --no-loadscope-reorder

torture: install  ## kill studies at random moments, damage files, fill a disk, … (some fifty minutes)
	$(BIN)/pytest tests/torture --kills 50 -s
	$(BIN)/pytest tests/resnet_core/nets/test_keras_net.py tests/resnet_core/nets/test_opened.py \
	  tests/analysis/judging/test_verdicts.py --hypothesis-profile=search

SITE := docs/_build/html
SPHINX = SOURCE_DATE_EPOCH=0 $(BIN)/sphinx-build --fail-on-warning --keep-going --fresh-env --quiet --jobs 2 \
  --doctree-dir docs/_build/doctrees docs

docs: .venv/documented  ## build the site in docs/_build/html, execute its pages, and check it (some five minutes)
	rm -rf docs/_build
	$(SPHINX) $(SITE)
	$(BIN)/pytest tests/docs --site $(SITE)

docs-again: .venv/documented  ## build the site a second time, and compare
	$(SPHINX) docs/_build/again
	diff --recursive --brief $(SITE) docs/_build/again

.venv/documented: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	@touch $@

bench: install  ## measure speed against plain Keras and PyTorch, and write benchmarks/results.md (about an hour)
	$(BIN)/python -m benchmarks

bench-search: install  ## measure searches on tables of trained networks, and write benchmarks/search.md (several hours; continues)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python -m benchmarks.search

bench-convolutions: install  ## try whether this machine's convolutions are right and stay within their memory (some 10 minutes)
	$(BIN)/python -m benchmarks.convolutions --isa native AVX2

NEW := results/local/reference
CIFAR ?= cifar10
UNDECIDED := beliefs criticality depth gradient-at-init gradient-in-training never-or-after resnet-d shortcuts skip-removal skip-transforms stochastic-depth zero-gamma
UNDECIDED_AT_LAPTOP := activation-order criticality never-or-after
AT_LAPTOP := $(notdir $(wildcard results/reference/laptop/*))

reference: install  ## make the committed reference results anew, or go on (several hours; CIFAR=FOLDER of its images)
	$(BIN)/resnet-ablate run --all --scale smoke --out $(NEW)
	for study in $(UNDECIDED); do \
	  $(BIN)/resnet-ablate run $$study --scale smoke --until decided --out $(NEW) || exit 1; \
	done
	$(BIN)/resnet-ablate run partial-skips --scale smoke --until decided --most-seeds 15 --out $(NEW)
	for study in $(AT_LAPTOP); do \
	  $(BIN)/resnet-ablate run $$study --scale laptop --data $(CIFAR) --out $(NEW)/laptop || exit 1; \
	done
	for study in $(UNDECIDED_AT_LAPTOP); do \
	  $(BIN)/resnet-ablate run $$study --scale laptop --data $(CIFAR) --until decided --most-seeds 8 --out $(NEW)/laptop \
	    || exit 1; \
	done
	$(BIN)/resnet-ablate run gradient-at-init --scale laptop --data $(CIFAR) --until decided --most-seeds 10 \
	  --out $(NEW)/laptop
	for study in $$(find $(NEW) -name study.json); do $(BIN)/resnet-ablate compact $$(dirname $$study) || exit 1; done
	for study in $$(find $(NEW) -name study.json -not -path '*/learning_rates/*'); do \
	  $(BIN)/resnet-report $$(dirname $$study) || exit 1; \
	done
	find $(NEW) -name claims -o -name checkpoints | xargs rm -rf
	find $(NEW) -path '*/report/*' \( -name figures -o -name '*.html' -o -name '*.tex' \) | grep -v reference/depth \
	  | xargs rm -rf
	rm -rf results/reference
	mv $(NEW) results/reference
	$(BIN)/resnet-ablate findings results/reference --out results/README.md

lint: install  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: install  ## write constraints.txt anew from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --upgrade --no-annotate --no-header --quiet --output-file constraints.txt

clean:  ## remove what was installed and cached; results stay
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis docs/_build docs/generated
