# Every target sets up what it needs in .venv; nothing else on the machine is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Each has a broker and an engine of its own (1 GB of memory); a third of a test's time is waiting for them.
TEST_PROCESSES ?= 3

.PHONY: install demo test lint format bench bench-shim bench-detection bench-ledger scorecard soak sdk-table clean

install: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: install
	$(BIN)/tokentrail demo $(ARGS)

# Compiled once, not by each process and each run; the files begin in the order of tests/conftest.py, the longest first.
test: export PYTHONDONTWRITEBYTECODE =
test: install
	$(BIN)/python -m pytest -m 'not soak' --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install
	$(BIN)/python benchmarks/pipeline.py $(ARGS)

bench-shim: install
	$(BIN)/python benchmarks/shim.py $(ARGS)

bench-detection: install
	$(BIN)/python -m benchmarks.detection $(ARGS)

bench-ledger: install
	$(BIN)/python -m benchmarks.ledger $(ARGS)

# An hour on two cores: 20 made-up companies, four weeks each. None of these seeds was looked at when the rules were tuned.
scorecard: install
	$(BIN)/tokentrail scorecard --seeds 30-49 --json \
		--plot docs/scorecard.svg $(ARGS) > benchmarks/results/scorecard.json

soak: install
	$(BIN)/python -m pytest -m soak --timeout 3600 $(ARGS)

# Writes docs/sdks.md from what the cases of tests/sdk find.
sdk-table: install
	PYTHONPATH=tests/sdk:tests/support $(BIN)/python tests/sdk/sdk_table.py

clean:
	rm -rf $(VENV) build dist src/*.egg-info
