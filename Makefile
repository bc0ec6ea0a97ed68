# One word for each job. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
# Where pip puts uv for one user.
export PATH := $(PATH):$(HOME)/.local/bin
PY := $(VENV)/bin/python
comma := ,
empty :=
CORE := $(subst $(empty) $(empty),$(comma),$(filter-out %/__main__.py,$(wildcard src/pumphouse/*.py)))
BOOTSTRAP_PY ?= $(shell command -v python3.11 || command -v python3)

.PHONY: help
help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.ready: requirements.lock pyproject.toml
	@command -v uv >/dev/null || $(BOOTSTRAP_PY) -m pip install --quiet --user uv 2>/dev/null || $(BOOTSTRAP_PY) -m pip install --quiet --break-system-packages --user uv
	@uv venv --quiet --allow-existing --python $(BOOTSTRAP_PY) $(VENV) \
	  && uv pip sync --quiet --python $(PY) requirements.lock \
	  && uv pip install --quiet --python $(PY) --no-deps --editable .
	@touch $@

.PHONY: venv
venv: $(VENV)/.ready  ## the project's environment, from the committed lock

.PHONY: lock
lock:  ## resolve requirements.lock anew
	uv pip compile -q --upgrade --no-header --no-emit-index-url --python-version 3.11 \
	  pyproject.toml --group dev --extra mysql --extra postgresql --extra switches -o requirements.lock

# ---- the lab: two real clouds on this machine

.PHONY: lab lab-down lab-status lab-ceph
lab: venv  ## start the lab's two clouds (installs packages; needs root)
	$(PY) -m lab up

lab-ceph: lab  ## start the lab's Ceph too (installs packages; needs root)
	$(PY) -m lab ceph up

lab-down:  ## stop the lab's clouds
	$(PY) -m lab down

lab-status:  ## what of the lab runs
	$(PY) -m lab status

# ---- Prefect: PUMPHOUSE_HOST, _PORT, _AUTH, _DATABASE_URL and _PUBLIC_URL choose how

.PHONY: server worker deploy server-down worker-down status
server: venv  ## start the Prefect server, tuned, in .pumphouse/
	$(PY) -m pumphouse.deployments start server

worker: venv  ## start a worker of that server
	$(PY) -m pumphouse.deployments start worker

deploy: venv  ## put work pool, deployments and automation on that server
	. .pumphouse/env && $(VENV)/bin/pumphouse deploy

server-down:  ## stop the Prefect server
	$(PY) -m pumphouse.deployments stop server

worker-down:  ## stop the worker
	$(PY) -m pumphouse.deployments stop worker

status:  ## what of Prefect runs
	$(PY) -m pumphouse.deployments status

# ---- the demo

.PHONY: demo demo-down
demo: venv  ## two clouds, a tenant, and its migration, watched in the browser
	$(PY) -m demo up

demo-down:  ## stop everything that the demo started
	$(PY) -m demo down

# ---- what every change must pass

.PHONY: test lint types unit integration wheel bench matrix format
test: lint types lab  ## everything a change must pass
	$(MAKE) --no-print-directory -j2 test-clouds unit wheel test-hosts

lint: venv  ## ruff, and the direction of imports
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/lint-imports

types: venv  ## mypy, strict
	$(VENV)/bin/mypy

unit: venv  ## tests without clouds or servers; coverage of the pure core
	$(PY) -m pytest -m "not lab and not ceph and not hosts and not e2e and not prefect" --cov --cov-report=term
	$(PY) -m coverage report --include="$(CORE)" --fail-under=95

wheel: venv  ## build the wheel, install it in an empty environment, try it there
	$(PY) -m tests.wheel

integration: lab  ## tests with the lab, its Ceph, with Prefect and from end to end
	$(MAKE) --no-print-directory -j2 test-clouds test-hosts

# Side by side with all others: they wait more than they compute, and share nothing with them.
.PHONY: test-clouds test-hosts
test-clouds: venv
	$(PY) -m pytest -m "lab or ceph or e2e"

test-hosts: venv
	$(PY) -m pytest -m "(hosts or prefect) and not (lab or ceph or e2e)"

bench: lab  ## speed against its floors; writes build/bench.json
	$(PY) -m bench

matrix: lab  ## fail and kill operations at each of their effects; writes build/matrix.json
	$(PY) -m matrix

format: venv  ## let ruff lay out the code
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format
