# Everything below needs Python 3.11 or newer and make; the rest is set up in .venv from the lock.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
COMPILED := $(VENV)/.compiled

# The tests run in many processes; each would compile every module anew where none may keep what it has compiled.
unexport PYTHONDONTWRITEBYTECODE

# The tests wait more than they work; the other checks are done beside them.
MAKEFLAGS += --jobs=2

.PHONY: sandbox test run bench torture fuzz story check audit lint types imports unit pictures docs format lock clean

sandbox: $(READY)  ## the bot against simulated Slack, Bitrise and Build.io, on this machine; PORT=8080 picks the page's port
	$(BIN)/python -m bot sandbox $(if $(PORT),--port $(PORT))

test: $(READY) unit check audit  ## every check; the tests play the story, too, from an installed wheel

run: $(READY)  ## the real thing, with the settings from .env
	$(BIN)/python -m bot run

bench: $(READY)  ## speed, as ratios against bare baselines measured in the same run
	$(BIN)/python -m bench

torture: $(READY)  ## kill the bot at every interesting point, hundreds of times, and count what each channel was told
	$(BIN)/python -m tests.torture --rounds $(or $(ROUNDS),300)

fuzz: $(READY)  ## what `make test` changes for 20 seconds, for an hour and never the same
	FUZZ_SEED=random FUZZ_SECONDS=$(or $(FUZZ_SECONDS),3600) $(BIN)/python -m pytest tests/fuzz -x -s
	EXAMPLES_TIMES=20 $(BIN)/python -m pytest -n 2 tests/messages tests/terms

story: $(READY)  ## a whole day in the sandbox, without hands
	$(BIN)/python -m bot sandbox --story

check: lint types imports

audit: $(READY)  ## what is known against the versions in the lock; OSV_URL=… asks a database of your own
	$(BIN)/python -m checks.audit requirements-dev.lock $(if $(OSV_URL),--osv-url $(OSV_URL))

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports

unit: $(COMPILED)
	$(BIN)/python -m pytest -n 6 --dist worksteal

pictures: $(READY)  ## what README and docs show, taken anew while the main stories are played in a real browser
	$(BIN)/python -m pytest tests/browser --pictures docs/pictures

docs: $(READY)  ## write the parts of README, docs and manifest that are made from the code
	$(BIN)/python -m bot help --write

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The lock names versions and hashes, and no index: pip asks whichever index the machine is set up for.
lock:
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements.lock
	uv pip compile pyproject.toml --extra sandbox --extra dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements-dev.lock

$(READY): requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Buildbell needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(READY)

# Once and by one process: six that begin together would each do it. What is wrong with a test, the tests say.
$(COMPILED): $(READY)
	-@PYTEST_ADDOPTS= $(BIN)/python -m pytest --collect-only -qq >/dev/null
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
