# Thin: every target calls tools/bootstrap.py, which works the same on Windows (python tools/bootstrap.py lab).
# Variables: PYTHON=python3.12   ARGS="..." (passed on)   JOBS=2 test files at once   NB_JOBS=2 notebooks at once

PYTHON ?= $(firstword $(foreach name,python3 python python3.14 python3.13 python3.12 python3.11,$(shell command -v $(name) 2>/dev/null)))
JOBS ?=
NB_JOBS ?=
export COURSE_JOBS := $(JOBS)
export COURSE_NB_JOBS := $(NB_JOBS)

ifeq ($(strip $(PYTHON)),)
RUN = @echo "No Python was found. Install Python 3.11 or newer (python.org, or your package manager), then try again."; exit 1; :
else
RUN = @$(PYTHON) tools/bootstrap.py
endif

.DEFAULT_GOAL := help
.PHONY: help setup lab test browser-test lint doctor bake bench gpu-check update clean

help:
	@echo "make lab      set up .venv, check this machine, open JupyterLab at the first notebook"
	@echo "make test     the same and the packages of the tests, then ruff, all tests, every notebook under strict nbval"
	@echo "make setup    install all that any of these needs, so that none needs the network again"
	@echo "make browser-test  install a browser if there is none, then try the pages in it"
	@echo "make update   fetch the newest course; the notebooks that you ran are kept as copies in my-notebooks/"
	@echo "make doctor   check this machine: versions, device, memory, disk, a five-second training run"
	@echo "make lint     ruff over the library, the tests and the notebooks"
	@echo "make bake     run all notebooks again and store their outputs   (ARGS=notebooks/03_attention_masks.ipynb for one)"
	@echo "make bench    measure the library against its peers (ARGS=--quick: a minute or two)"
	@echo "make gpu-check  is the course right on a GPU, and how fast? Under ten minutes (ARGS=--reduced: without a GPU)"
	@echo "make clean    remove .venv and every cache inside this folder"

setup lab test browser-test lint doctor bake bench gpu-check update:
	$(RUN) $@ $(ARGS)

clean:
	rm -rf .venv .cache .pytest_cache .ruff_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
