# Every target does its own set-up on a fresh Debian 12 or 13 (tools/setup.sh); the first run takes minutes, later ones
# some tens of milliseconds. `make check` is the whole of CI.

.DEFAULT_GOAL := help
.PHONY: help setup bench test conformance docs vm-test check format format-check lint types benchmark sim power-cut fuzz lock clean

PYTHON := .venv/bin/python
BENCH_ARGS ?=
TEST_ARGS ?=
# Many tests live in real time and mostly wait: so many workers keep two cores busy, and more are in each other's way.
TEST_WORKERS ?= 5
CONFORMANCE_WORKERS ?= 6
MUTATION_ARGS ?=
SEED ?= 1
DURATION_S ?= 60
N ?= 10000

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## all that bench and test need, without running them
	@tools/setup.sh dev

bench: ## a simulated car charges, on a page in the browser (BENCH_ARGS="--page 8080")
	@tools/setup.sh bench
	@.venv/bin/chargerd bench $(BENCH_ARGS)

test: setup ## the tests (TEST_ARGS="-k pilot")
	@$(PYTHON) -m pytest -n $(TEST_WORKERS) --dist=loadgroup -m "not long and not conformance" $(TEST_ARGS)

conformance: setup ## every certification case: on virtual time, then against the real processes (TEST_ARGS="-k TC_E")
	@rm -f build/conformance.jsonl
	@$(PYTHON) -m pytest -n $(TEST_WORKERS) tests/conformance/test_world.py $(TEST_ARGS)
	@$(PYTHON) -m pytest -n $(CONFORMANCE_WORKERS) -m conformance tests/conformance/test_processes.py $(TEST_ARGS)

docs: setup ## the pages that are written from the code (conformance.md tells what `make conformance` found)
	@$(PYTHON) -m tools.faults_page
	@$(PYTHON) -m tools.conformance_page
	@$(PYTHON) -m tools.requirements_page
	@$(PYTHON) -m tools.security_events_page

tour: setup ## the faults that take minutes by their nature, on a running bench (20 minutes, mostly waiting)
	@$(PYTHON) -m pytest -m long $(TEST_ARGS)

coverage: setup ## every branch of the charging core is reached by its own tests
	@$(PYTHON) -m coverage run -m pytest -q -p no:cacheprovider tests/evse tests/chargerd/evse tests/chargerd/test_limits.py \
		-k "not steps and not each_fault_can"  # the random walks and the tour of faults, which the others can do without
	@$(PYTHON) -m coverage report

mutation: setup ## does every change of the charging core break a test? (an hour; MUTATION_ARGS="--quick chargerd.evse.guard*")
	@$(PYTHON) -m tools.mutation $(MUTATION_ARGS)

vm-test: setup ## GPIO drivers on the kernel's own simulated chips, RAUC on dm-verity (builds that kernel once: ten minutes)
	@tools/setup.sh vm
	@tools/vm/run.sh tests/vm/guest_gpio.py tests/vm/guest_gpiozero.py tests/vm/guest_rauc.py tests/contract \
		--gpio-sim -k "guest_gpio or guest_rauc or gpio-sim" $(TEST_ARGS)

check: format-check lint types test conformance coverage ## everything CI asks: format, lint, types, tests, coverage

format: setup ## rewrite the code in the one format
	@$(PYTHON) -m ruff format
	@$(PYTHON) -m ruff check --fix-only --quiet

format-check: setup
	@$(PYTHON) -m ruff format --check

lint: setup ## ruff
	@$(PYTHON) -m ruff check

types: setup ## mypy --strict
	@$(PYTHON) -m mypy --strict

benchmark: setup ## the table of measured speeds, sizes and latencies
	@$(PYTHON) -m benchmarks

sim: setup ## the whole charger on virtual time (SEED=1 N=10000)
	@$(PYTHON) -m tests.sim --seed $(SEED) --count $(N)

power-cut: setup ## the power goes during an update of firmware, and goes again (SEED=1 N=10000)
	@$(PYTHON) -m tests.firmware_attacks.power_cut --seed $(SEED) --count $(N)

fuzz: setup ## all that takes bytes from outside, then the whole charger with a CSMS that says what it likes (SEED=1 DURATION_S=60)
	@tools/setup.sh fuzz
	@$(PYTHON) -m tests.fuzz --seed $(SEED) --duration $(DURATION_S)
	@$(PYTHON) -m tests.sim.fuzz --seed $(SEED) --duration $(DURATION_S)

lock: ## maintainer: the newest versions that fit, with hashes, for every supported Python
	@tools/lock.sh

clean: ## remove what set-up and the tools made
	rm -rf .venv .setup.log .hypothesis .mypy_cache .pytest_cache .ruff_cache .coverage build dist *.egg-info
