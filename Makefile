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
.PHONY: help setup lab copy print site kit test browser-test lint doctor preflight bake bench gpu-check update clean

setup lab copy print site kit test browser-test lint doctor preflight bake bench gpu-check update:
	$(RUN) $@ $(ARGS)

help:
	$(RUN) help
	@echo "  clean      remove .venv and every cache inside this folder (make clean)"

clean:
	rm -rf .venv .cache .pytest_cache .ruff_cache .hypothesis build site *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
