# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Programs that a test runs in processes of their own, and waiting for what they do."""

import os
import subprocess
import sys
import time
from pathlib import Path

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
