# Everything sets itself up in .venv; only Python 3.11+, a C compiler, make and git must be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORE := pyproject.toml CMakeLists.txt $(wildcard src/_core/*)
LAB := examples/lab

.PHONY: demo test test-all fuzz sanitize golden lint format bench docs clean

demo: $(VENV)/.stamp-run
	$(BIN)/netpol replay $(LAB)/node1.conntrack.txt $(LAB)/node2.conntrack.txt --dedup \
	  -c $(LAB)/cluster.json -p $(LAB)/policies --node-address node1=10.244.1.1

PYTEST = $(BIN)/python -m pytest -q --numprocesses auto --dist worksteal

# All but what is marked long, with few examples of the random tests.
test: $(VENV)/.stamp-dev
	$(PYTEST) -m 'not long'

# Everything, with all examples, and the pages in Chromium.
test-all: $(VENV)/.stamp-dev
	NETPOL_EXAMPLES=long $(PYTEST)

# Renews the expected outputs; look at the difference before committing it.
golden: $(VENV)/.stamp-dev
	GOLDEN=write $(BIN)/python -m pytest -q tests/test_cli*.py tests/report/test_ci_formats.py tests/test_explain*.py tests/analysis/test_matrix.py

lint: $(VENV)/.stamp-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" cython-lint src/_core  # it calls pycodestyle by name

format: $(VENV)/.stamp-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Attacks TARGET for TIME seconds; guided by coverage of the Python code where atheris has a wheel for
# this Python, and of the core where there is clang, too, which builds it in a venv of its own.
TARGET ?= all
TIME ?= 60
GUIDED := build/guided
CLANG ?= $(firstword $(foreach at,$(subst :, ,$(PATH)),$(wildcard $(at)/clang $(at)/clang-[1-9]*[0-9])))
fuzz: $(VENV)/.stamp-fuzz
	python=$(GUIDED)/venv/bin/python; [ -e $(GUIDED)/.stamp ] || python=$(BIN)/python; \
	  $$python -m fuzz.run $(TARGET) --time $(TIME)

# The core built with ASan and UBSan in a venv of its own, over the tests that go into it and every
# target of fuzz/. Arrow's and Python's own allocators are put aside: they would hide what is behind
# their blocks' ends. libstdc++ is named so that ASan sees the exceptions of Arrow.
SAN := build/sanitize
SAN_TESTS := tests/test_core_arguments.py tests/test_engine.py tests/test_engine_columns.py \
  tests/test_tally.py tests/test_fused.py tests/flows/test_scanner.py tests/flows/test_prefixes.py \
  tests/flows/test_addresses.py tests/compiler tests/test_differential.py
SAN_RUNS ?= 500
SAN_RUN = LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) libstdc++.so.6" \
  ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:quarantine_size_mb=64 \
  UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc ARROW_DEFAULT_MEMORY_POOL=system \
  $(SAN)/venv/bin/python
sanitize: $(SAN)/.stamp
	NETPOL_EXAMPLES=100 $(SAN_RUN) -m pytest -q -p no:cacheprovider $(SAN_TESTS)
	$(SAN_RUN) -m fuzz.run all --blind --runs $(SAN_RUNS) --seed 1 --folder $(SAN)/fuzz

bench: $(VENV)/.stamp-dev
	$(BIN)/python -m pytest bench -q

docs: $(VENV)/.stamp-dev
	$(BIN)/python docs/generate_cli.py
	$(BIN)/python docs/generate_check.py
	$(BIN)/python docs/run_examples.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "netpol needs Python 3.11 or newer; name one: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# CMake and ninja are fetched by the build itself where the machine has none.
$(VENV)/.stamp-run: $(BIN)/python $(CORE)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.stamp-dev: $(BIN)/python $(CORE)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.stamp-run

$(VENV)/.stamp-fuzz: $(VENV)/.stamp-dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'atheris>=3' || \
	  echo "no atheris for this Python: mutations are not guided" >&2
	if [ -n "$(CLANG)" ] && $(BIN)/python -c 'import atheris' 2>/dev/null; then \
	  $(MAKE) CC="$(CLANG)" $(GUIDED)/.stamp; \
	else echo "no clang: coverage of the core does not guide" >&2; fi
	@touch $@

# $(call core,FOLDER,OPTION): the core built with OPTION in a venv of its own, with all that .venv has.
define core
	$(PYTHON) -m venv --without-pip $(1)/venv
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > \
	  "$$($(1)/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/dev.pth"
	$(BIN)/python -m pip --python $(1)/venv/bin/python install --quiet --no-deps \
	  --disable-pip-version-check --editable . --config-settings=build-dir=$(1)/core \
	  --config-settings=cmake.define.$(2)=ON
	@touch $(1)/.stamp
endef

$(SAN)/.stamp: $(VENV)/.stamp-dev
	$(call core,$(SAN),NETPOL_SANITIZE)

$(GUIDED)/.stamp: $(VENV)/.stamp-dev
	$(call core,$(GUIDED),NETPOL_GUIDE)
