# make demo   set up, and run the whole road on a generated corpus
# make test   set up, and run lint, types, layers and tests
# Both need Python 3.11 or newer and git, nothing else.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# With a GPU pip may take the newest CUDA build of torch; without one the pinned CPU build.
CONSTRAINTS := $(shell command -v nvidia-smi >/dev/null 2>&1 || echo -c constraints-cpu.txt)

.PHONY: demo test lint check slow install clean

demo: $(VENV)/.installed
	$(BIN)/curate demo

test: lint
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not slow and not gpu and not peer and not ray"

slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m "slow or peer or ray"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

install: $(VENV)/.installed

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name it with make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --upgrade pip
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml constraints-cpu.txt
	$(BIN)/pip install -q $(CONSTRAINTS) -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install -q $(CONSTRAINTS) -e ".[dev]"
	@touch $@

clean:
	rm -rf $(VENV) curate-demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
