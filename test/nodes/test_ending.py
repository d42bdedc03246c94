# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a signal's exception leaves behind."""

import subprocess
import sys

PROGRAM = """
import signal
from spike_depth_ros.nodes.parts.ending import EndRequests

class Half:
    def __init__(self):
        signal.raise_signal(signal.SIGINT)
        self.whole = True

    def __del__(self):
        if not self.whole:
            print('never')

class Other:
    def __del__(self):
        raise ValueError('told')

requests = EndRequests({signal.SIGINT: KeyboardInterrupt})
requests.raise_them()
try:
    Half()
except KeyboardInterrupt:
    print('interrupted')
Other()
"""


def test_objects_that_are_left_half_built_are_not_told_of():
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, 'interrupted\n')
    assert 'AttributeError' not in done.stderr
    assert 'ValueError: told' in done.stderr
