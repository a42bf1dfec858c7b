# The same words for a person, a hook and CI.
PYTHON ?= python3
SEED ?= 0
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: install check test demo hooks clean-demo
.DELETE_ON_ERROR:

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "expected Python 3.11 or newer, got " + sys.version.split()[0] + ", try make install PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing the pinned dependencies (a few minutes the first time) …"
	@$(BIN)/python -m pip install --quiet --no-deps --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --disable-pip-version-check -e .
	@touch $@

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadgroup --max-worker-restart=0 --durations=15

demo: install
	$(BIN)/ctloop demo --seed $(SEED)

hooks:
	printf '#!/bin/sh\nexec make check\n' > .git/hooks/pre-commit && chmod +x .git/hooks/pre-commit

clean-demo:
	rm -rf .ctloop/demo
