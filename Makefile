# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0

# Options, on the command line or from the environment.
PYTHON ?=
OUT ?= demo_out
SAMPLE ?=
STREAM ?=
SIZE ?=
RATE ?=
SPEED ?=
SECONDS ?=
DEVICE ?=
ALLOW_PARTIAL ?=
ROW_ORDER ?=
BIT_ORDER ?=
PACKING ?=
SKIP_COLUMNS ?=
AXES ?=
FX ?=
CAMERA_INFO ?=
CHECKPOINT ?=
VIEW ?=
PYTEST_ARGS ?=
FUZZ_ARGS ?=
QUICK ?=
BENCH_OUT ?= bench_out
DOCS_OUT ?= docs_out
UV ?= uv

# The demo's environment stays small (no torch, no tools), and running the tests does not change it. Rerun needs
# another numpy than cv_bridge.
VENV := .venv
TEST_VENV := .venv-test
VIEW_VENV := .venv-view
DOCS_VENV := .venv-docs
RUN := $(TEST_VENV)/bin/python -m

# These environments bring their own ROS 2. A sourced installation, or the environment of another one of
# them in which make itself was started, would mix its libraries with ours.
ifneq ($(AMENT_PREFIX_PATH)$(_ROS_WHEELS_BOOTSTRAP_COMPLETE),)
unexport LD_LIBRARY_PATH
endif
unexport AMENT_PREFIX_PATH PYTHONHOME PYTHONPATH RMW_IMPLEMENTATION _ROS_WHEELS_BOOTSTRAP_COMPLETE
export PYTHON

# Without bytecode each process of the tests compiles what it imports, and pytest every test.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-long test-kinds test-all fuzz bench check lint format-check types imports spelling files format \
	lock clean docs environment test-environment view-environment docs-environment complete-environment

help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo '  make demo SAMPLE=street              another stream that ships; SAMPLE=stereo: of two cameras'
	@echo '  make demo STREAM=my.dat SIZE=400x250 RATE=20000 OUT=demo_out   your own recording'
	@echo '  make demo STREAM=... FX=400          its focal length in pixels, or CAMERA_INFO=camera.yaml; also'
	@echo '                                       ROW_ORDER=top_down, BIT_ORDER=big, CHECKPOINT=my.safetensors'
	@echo '                                       PACKING=whole, SKIP_COLUMNS=16, AXES=hwt: other layouts of a file'
	@echo '  make demo SPEED=0.5                  at half the rate, for a machine that cannot keep up; also'
	@echo '                                       SECONDS=20, DEVICE=cuda, ALLOW_PARTIAL=1 (a file that ends early)'
	@echo '  make demo VIEW=1                     also in the viewer of Rerun, as spike_view (docs/tasks/view.md)'
	@echo '  First use of make demo: 600 MB, about a minute; of make test: 6 GB, some minutes.'
	@echo '  make fuzz FUZZ_ARGS="--seed 1 --cases 20000 --targets npz mcap"'
	@echo '  make test PYTEST_ARGS="-k window"   some of the tests;   PYTHON=python3.11 chooses the Python'

demo: environment $(if $(VIEW),view-environment)  ## Depth from a stream through real ROS 2 processes; results in OUT
	@$(VENV)/bin/spike_demo $(if $(SAMPLE),--sample '$(SAMPLE)') $(if $(STREAM),--stream '$(STREAM)') $(if $(SIZE),--size '$(SIZE)') \
		$(if $(RATE),--rate '$(RATE)') $(if $(SPEED),--speed '$(SPEED)') $(if $(ROW_ORDER),--row-order '$(ROW_ORDER)') \
		$(if $(BIT_ORDER),--bit-order '$(BIT_ORDER)') $(if $(FX),--fx '$(FX)') $(if $(CAMERA_INFO),--camera-info '$(CAMERA_INFO)') \
		$(if $(CHECKPOINT),--checkpoint '$(CHECKPOINT)') $(if $(SECONDS),--seconds '$(SECONDS)') $(if $(DEVICE),--device '$(DEVICE)') \
		$(if $(PACKING),--packing '$(PACKING)') $(if $(SKIP_COLUMNS),--skip-columns '$(SKIP_COLUMNS)') $(if $(AXES),--axes '$(AXES)') \
		$(if $(ALLOW_PARTIAL),--allow-partial) $(if $(VIEW),--view '$(VIEW_VENV)/bin/spike_view') --out '$(OUT)'

test: check complete-environment  ## The linters and all tests but those that take long by nature
	@$(TEST_VENV)/bin/python scripts/run_tests.py 'not long' auto $(PYTEST_ARGS)

test-long: complete-environment  ## Only those: soak, kill and resume, full disk, smoke
	@$(TEST_VENV)/bin/python scripts/run_tests.py long auto $(PYTEST_ARGS)

test-kinds: complete-environment  ## One long test of each kind, as continuous integration runs them
	@$(TEST_VENV)/bin/python scripts/run_tests.py 'long and kind' auto $(PYTEST_ARGS)

test-all: test test-long  ## The linters and all tests

fuzz: complete-environment  ## Hostile input to everything that reads foreign data; failures in fuzz_out
	@$(TEST_VENV)/bin/python test/fuzz/run.py $(FUZZ_ARGS)

bench: complete-environment  ## The main benchmarks, five minutes; QUICK=1 a third of it; results in bench_out
	@$(RUN) benchmarks.suite --out '$(BENCH_OUT)' $(if $(QUICK),--quick)

# Without these packages the tests that need them would be skipped, and all would look well.
complete-environment: test-environment
	@$(TEST_VENV)/bin/python -c 'import cv_bridge, lightning_fabric, onnx, rclpy, torch'

check: lint format-check types imports spelling files  ## The linters only; the commit hooks run the same

lint: test-environment
	$(RUN) ruff check

format-check: test-environment
	$(RUN) ruff format --check

types: test-environment
	$(RUN) mypy

spelling: test-environment
	$(TEST_VENV)/bin/codespell

files: test-environment
	$(TEST_VENV)/bin/python scripts/check_files.py

imports: test-environment
	PYTHONPATH=training $(TEST_VENV)/bin/lint-imports --no-logo --cache-dir .ruff_cache/imports

format: test-environment  ## Formats the code and fixes what ruff can
	$(RUN) ruff check --fix
	$(RUN) ruff format

environment:
	@scripts/environment.sh $(VENV) requirements/runtime.txt 1200

test-environment:
	@scripts/environment.sh $(TEST_VENV) requirements/test.txt 9000

view-environment:  ## The environment of spike_view, .venv-view: 1.1 GB
	@scripts/environment.sh $(VIEW_VENV) requirements/view.txt 1100 3.11

docs: docs-environment  ## The site of the documentation, offline; open docs_out/index.html
	@$(DOCS_VENV)/bin/python -m sphinx -q -W --keep-going -E -a -b html docs '$(DOCS_OUT)'

docs-environment:
	@scripts/environment.sh $(DOCS_VENV) requirements/docs.txt 450 3.11

lock:  ## Makes requirements/*.txt anew from *.in (needs uv; UPGRADE=1 takes newer versions)
	@command -v $(UV) >/dev/null || { echo 'spike_depth_ros: uv not found: pip install uv' >&2; exit 1; }
	UV='$(UV)' UPGRADE='$(UPGRADE)' scripts/lock.sh

clean:  ## Removes the environments, builds, caches and results
	rm -rf $(VENV) $(TEST_VENV) $(VIEW_VENV) $(DOCS_VENV) build install log *.egg-info .mypy_cache .pytest_cache .ruff_cache \
		.hypothesis bench_out demo_out docs_out fuzz_out
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
