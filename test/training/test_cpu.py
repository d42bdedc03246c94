# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Threads and memory of a process that computes."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import torch
from spike_training.cpu import configure_cpu

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if sys.argv[1:]:
    configure_cpu(threads=1)
for step in range(30):
    if step == 20:  # until then the heap grows into place
        before = faults()
    torch.ones(1 << 24).add_(1)  # 64 MiB, 16384 pages
print(torch.get_num_threads(), faults() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='the allocator is glibc')
def test_blocks_that_were_freed_are_used_again():
    def run(*arguments: str) -> list[int]:
        command = [sys.executable, '-c', PROGRAM, *arguments]
        environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)}
        made = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        return [int(word) for word in made.stdout.split()]

    threads, faults = run('configured')
    assert threads == 1
    # The control: without it the kernel clears every page at each step.
    assert 10 * faults < run()[1]
