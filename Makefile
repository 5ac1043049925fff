# Needs Python >= 3.11, a C compiler and make; everything else goes into .venv. Each environment is a stamp file that
# depends on the sources of the compiled core, so repeated runs are quick and a changed formula is never tested unbuilt.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
BUILD := pyproject.toml setup.py ext/core.pyx $(shell find ext -name '*.pxi' -o -name '*.h')

.PHONY: help demo test validate bench lint assert sanitize clean

help:
	@echo "make demo      one second of half a fly brain: a summary and a picture"
	@echo "make test      the whole test suite"
	@echo "make validate  slow cross-checks: other simulators, other versions of numpy"
	@echo "make bench     benchmarks, against NEST and Brian2"
	@echo "make lint      ruff, mypy, and the stubs against the compiled module"
	@echo "make assert    the test suite with index checks, and with every bound that excludes a spike checked"
	@echo "make sanitize  the test suite under the address and undefined-behaviour sanitizers (GCC)"
	@echo "make clean     remove everything these targets made"

demo: $(VENV)/plot.stamp
	$(PY) -m eventsim run fly_brain --duration 1000 --out fly_brain.png

test: $(VENV)/test.stamp
	$(PY) -m pytest

validate: $(VENV)/test.stamp
	$(PY) -m pytest -m validate -rs

bench: $(VENV)/test.stamp
	$(PY) -m benchmarks --peers

lint: $(VENV)/dev.stamp
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -m mypy.stubtest eventsim._core --mypy-config-file pyproject.toml --concise \
		--ignore-missing-stub --ignore-disjoint-bases

# Modules built otherwise go to directories of their own; PYTHONSAFEPATH keeps the checkout's module out of the way. Tests
# marked `build` run compilers, which are not what is to be checked.
CHECKED := $(CURDIR)/build/debug
assert: $(VENV)/test.stamp
	EVENTSIM_DEBUG=1 $(PY) setup.py -q build --build-lib $(CHECKED)/package
	PYTHONPATH=$(CHECKED)/package PYTHONSAFEPATH=1 HYPOTHESIS_PROFILE=quick $(PY) -m pytest -m "not validate and not huge and not build"

# Reports go to files, because pytest captures what a test prints. (libstdc++ is there for other packages: the sanitizer must
# find it before they throw.)
SANITIZED := $(CURDIR)/build/sanitize
sanitize: $(VENV)/test.stamp
	EVENTSIM_SANITIZE=1 CC=gcc $(PY) setup.py -q build --build-lib $(SANITIZED)/package
	rm -f $(SANITIZED)/report.*
	PYTHONPATH=$(SANITIZED)/package PYTHONSAFEPATH=1 PYTHONMALLOC=malloc HYPOTHESIS_PROFILE=quick \
	LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libstdc++.so)" \
	ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:halt_on_error=1:log_path=$(SANITIZED)/report \
	UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:log_path=$(SANITIZED)/report \
	$(PY) -m pytest -m "not validate and not huge and not build"; \
	code=$$?; cat $(SANITIZED)/report.* 2>/dev/null && exit 1; exit $$code

clean:
	rm -rf $(VENV) .peers build dist *.egg-info eventsim/_core.*.so eventsim/networks .pytest_cache .hypothesis .mypy_cache \
	.ruff_cache fly_brain.png
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "eventsim needs Python >= 3.11; say which: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# plot.stamp, test.stamp, dev.stamp: eventsim installed, editable, with that extra.
$(VENV)/%.stamp: $(BUILD) | $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	touch $@
