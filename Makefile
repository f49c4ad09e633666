# Requires Python 3.11 or newer and make; everything else is installed in .venv from the lock.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
COMPILED := $(VENV)/.compiled

# The tests run in many processes; if bytecode were not written, each would compile every module again.
unexport PYTHONDONTWRITEBYTECODE

# The tests mostly wait, so the other checks run at the same time.
MAKEFLAGS += --jobs=2

.PHONY: sandbox test run bench torture fuzz story check audit lint types imports unit pictures docs format lock clean

sandbox: $(READY)  ## run the bot with simulated Slack, Bitrise and Build.io on this machine; PORT=8080 sets the page's port
	$(BIN)/python -m bot sandbox $(if $(PORT),--port $(PORT))

test: $(READY) unit check audit  ## run every check; the tests also play the story from an installed wheel

run: $(READY)  ## run the bot with the settings from .env
	$(BIN)/python -m bot run

bench: $(READY)  ## run the benchmarks; each is compared with a minimal baseline in the same run
	$(BIN)/python -m bench

torture: $(READY)  ## kill the bot hundreds of times, and count the notifications of each channel; ENGINE=postgres: the server too; BOTS=3: any of several bots
	$(BIN)/python -m tests.crash_recovery --rounds $(or $(ROUNDS),300) --engine $(or $(ENGINE),sqlite) \
		--bots $(or $(BOTS),1) $(if $(SEED),--seed $(SEED)) $(if $(EARLIER),--earlier $(EARLIER))

fuzz: $(READY)  ## run the fuzz tests for an hour with a random seed; `make test` runs them for 20 seconds
	FUZZ_SEED=random FUZZ_SECONDS=$(or $(FUZZ_SECONDS),3600) $(BIN)/python -m pytest tests/fuzz -x -s
	EXAMPLES_TIMES=20 $(BIN)/python -m pytest -n 2 tests/messages tests/domain tests/storage tests/sandbox

story: $(READY)  ## play a whole day in the sandbox automatically
	$(BIN)/python -m bot sandbox --story

check: lint types imports

audit: $(READY)  ## check the locked dependencies for known vulnerabilities; OSV_URL=… uses your own database
	$(BIN)/python -m checks.dependency_audit requirements-dev.lock $(if $(OSV_URL),--osv-url $(OSV_URL))

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports

unit: $(COMPILED)
	$(BIN)/python -m pytest -n 6 --dist worksteal

pictures: $(READY)  ## take the pictures for README and docs in a real browser
	$(BIN)/python -m pytest tests/browser --pictures docs/pictures

docs: $(READY)  ## update the generated parts of README and docs
	$(BIN)/python -m bot help --write

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The lock contains versions and hashes but no index: pip uses the index that the machine is configured for.
lock:
	uv pip compile pyproject.toml --extra postgres --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements.lock
	uv pip compile pyproject.toml --extra postgres --extra sandbox --extra dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements-dev.lock

$(READY): requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Buildbell needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(READY)

# Compile once: six processes that start together would each do it. Errors are reported by the tests themselves.
$(COMPILED): $(READY)
	-@PYTEST_ADDOPTS= $(BIN)/python -m pytest --collect-only -qq >/dev/null
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
