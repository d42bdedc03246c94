# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Programs that a test runs in processes of their own, waiting for what they do, full disks."""

import contextlib
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run_program(*command, **options):
    """Run a command; its status, and its output as text."""
    return subprocess.run(
        [*map(str, command)], capture_output=True, text=True, check=False, **options
    )


def run_training(*arguments, environment=os.environ, **options):
    """Run training/run.py."""
    command = [sys.executable, 'training/run.py', *arguments]
    return run_program(*command, cwd=ROOT, env={**environment, 'PYTHONPATH': str(ROOT)}, **options)


def wait_until(condition, seconds=10, log=str):
    """Wait until a condition holds; fail with the text of ``log`` after some seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, log()
        time.sleep(0.01)


@contextlib.contextmanager
def largest_file(size):
    """Let no file of this process grow beyond a size: the write fails with EFBIG.

    Nor may Python store what it compiles meanwhile: it does not see that it is cut short.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        sys.dont_write_bytecode = kept


def declared_distribution():
    """Return what setup.py gives to setuptools; skip the test where there is no setuptools."""
    pytest.importorskip('setuptools')
    from distutils.core import run_setup  # setuptools brings it back where Python has dropped it

    here = os.getcwd()
    os.chdir(ROOT)
    try:
        return run_setup('setup.py', stop_after='init')
    finally:
        os.chdir(here)
