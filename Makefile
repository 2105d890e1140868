# `make help` lists the targets. Two of them are enough for most people: `make app` and `make test`.

SHELL := /bin/bash
.DEFAULT_GOAL := help
PORT ?= 8501
ADDRESS ?= 127.0.0.1
export PORT ADDRESS PYTHON PNEUMOSCOPE_CHROMIUM

PYTHON_IN_VENV := .venv/bin/python

.PHONY: help app test lint format bench screenshot card artifacts hooks lock clean

help: ## list the targets
	@echo "Pneumoscope: look inside a network that reads chest X-rays."
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "Variables: PORT=8501, ADDRESS=127.0.0.1 (0.0.0.0 lets a whole class in), PYTHON=python3.11"

app: ## install, fetch the sample films, start the page and print its address
	@bash scripts/setup.sh app
	@exec bash scripts/app.sh

test: ## install what tests need, a browser included, and run every check and test
	@bash scripts/test.sh

lint: ## ruff, ruff format and mypy only
	@bash scripts/setup.sh dev
	$(PYTHON_IN_VENV) -m ruff check .
	$(PYTHON_IN_VENV) -m ruff format --check .
	$(PYTHON_IN_VENV) -m mypy

format: ## let ruff put the code into shape
	@bash scripts/setup.sh dev
	$(PYTHON_IN_VENV) -m ruff check --fix .
	$(PYTHON_IN_VENV) -m ruff format .

bench: ## measure speed and memory, and write docs/benchmarks.md
	@bash scripts/setup.sh dev
	@PNEUMOSCOPE_CHROMIUM=$$(bash scripts/browser.sh) TF_CPP_MIN_LOG_LEVEL=3 $(PYTHON_IN_VENV) -m pytest tests/bench

screenshot: ## take the pictures of the README, docs/*.png
	@bash scripts/setup.sh dev
	@PNEUMOSCOPE_CHROMIUM=$$(bash scripts/browser.sh) $(PYTHON_IN_VENV) -m tests.screenshot

card: ## write the numbers of the shipped checkpoint's card into the README
	@bash scripts/setup.sh app
	$(PYTHON_IN_VENV) -m model.card --readme

artifacts: ## fetch and verify the sample films and VGG16's ImageNet weights, which training needs
	@bash scripts/setup.sh app
	$(PYTHON_IN_VENV) -m model.artifacts

hooks: ## check every commit with pre-commit
	@bash scripts/setup.sh dev
	$(PYTHON_IN_VENV) -m pre_commit install

lock: ## pin all dependencies anew in requirements.lock and requirements-dev.lock
	@bash scripts/setup.sh dev
	@bash scripts/lock.sh

clean: ## remove .venv and what the tools left behind; runs and fetched files stay
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .benchmarks .hypothesis test-results
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
