# One word for each job. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python
BOOTSTRAP_PY ?= $(shell command -v python3.11 || command -v python3)

.PHONY: help
help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.ready: requirements.lock pyproject.toml
	@command -v uv >/dev/null || $(BOOTSTRAP_PY) -m pip install --quiet --user uv 2>/dev/null || $(BOOTSTRAP_PY) -m pip install --quiet --break-system-packages --user uv
	@PATH="$$PATH:$$HOME/.local/bin"; uv venv --quiet --allow-existing --python $(BOOTSTRAP_PY) $(VENV) \
	  && uv pip sync --quiet --python $(PY) requirements.lock \
	  && uv pip install --quiet --python $(PY) --no-deps --editable .
	@touch $@

.PHONY: venv
venv: $(VENV)/.ready  ## the project's environment, from the committed lock

.PHONY: lock
lock:  ## resolve requirements.lock anew
	uv pip compile -q --upgrade --no-header --no-emit-index-url --python-version 3.11 \
	  pyproject.toml --group dev --extra postgresql -o requirements.lock
