# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Threads and memory of a process that computes."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import resource
import torch
from spike_training.cpu import configure_cpu

def faults(steps):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(steps):
        torch.ones(1 << 24).add_(1)  # 64 MiB, 16384 pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

# The control: without it the kernel clears every page at each step.
print(faults(5))
configure_cpu(threads=1)
faults(10)  # the heap grows into place
print(faults(5), torch.get_num_threads())
"""


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='the allocator is glibc')
def test_blocks_that_were_freed_are_used_again():
    command = [sys.executable, '-c', PROGRAM]
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)}
    made = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    control, faults, threads = (int(word) for word in made.stdout.split())
    assert threads == 1
    assert 10 * faults < control
