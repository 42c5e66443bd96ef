# `make demo` and `make test` are all that a newcomer needs; a bare `make` lists the rest.
PYTHON ?= python3
# Most tests wait for a server or a daemon: more of them at a time than there are cores.
JOBS   ?= 5
VENV   := .venv
BIN    := $(VENV)/bin

# Keep the bytecode, as an installed program's is kept: to compile `oort` anew costs each of its
# processes as much as all else that it does at its start, and the tests start thousands.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo test quick test-all campaign soak compat check format bench docs clean

help:  ## list what can be made
	@grep -hE '^[a-z-]+:.*  ## ' $(MAKEFILE_LIST) | sed 's/:.*  ## /\t/' | expand -t 12

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,postgres]'
	@touch $@

demo: $(VENV)/.installed  ## a rehearsal night: camera, daemon, outage, kill -9, and the proof
	@$(BIN)/oort demo $(DEMO)

test: $(VENV)/.installed-dev  ## every test but the long ones
	@tests/needs.sh
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m 'not soak and not nightly and not compat' $(PYTEST)

quick: $(VENV)/.installed-dev  ## the tests that take seconds
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m 'not slow and not soak and not nightly and not compat' $(PYTEST)

test-all: $(VENV)/.installed-dev  ## every test, the nightly ones and the soaks included
	@tests/needs.sh
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(PYTEST)

campaign: $(VENV)/.installed-dev  ## bad nights from seeds of your own: make campaign SEED=4,5,6
	OORT_TEST_SEEDS=$(or $(SEED),1,2,3) $(BIN)/python -m pytest -v tests/faults/test_campaign.py

soak: $(VENV)/.installed-dev  ## twenty minutes of faults: do memory and open files stay flat?
	OORT_TEST_SOAK_MINUTES=$(or $(MINUTES),20) $(BIN)/python -m pytest -s tests/faults/test_soak.py

compat: $(VENV)/.installed-dev  ## the published clients against the sandbox; writes docs/compatibility.md
	OORT_TEST_WRITE=compatibility $(BIN)/python -m pytest -n 2 -m compat tests/compat $(PYTEST)

check: $(VENV)/.installed-dev  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy tests/typing/public_api.py
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-dev  ## measure against other tools; ONLY=small,latency some, QUICK=1 short
	$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick) $(BENCH)

docs: $(VENV)/.installed-dev  ## write the pages that are generated from the code
	$(BIN)/python -m docs.generate

clean:  ## remove what was made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
