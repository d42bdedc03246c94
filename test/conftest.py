# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Threads and ROS domain of a process of tests, so that several run side by side."""

import fcntl
import os
import tempfile
from pathlib import Path

# Before torch and numpy are imported: threads that spin would take the cores of other workers.
for _name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS'):
    os.environ.setdefault(_name, '1')

DOMAINS = range(1, 100)
"""ROS domains of workers; a test that needs a second, empty one adds 100."""


def lock_domain():
    """Lock the first free domain on this machine, until this process ends, and return it."""
    for domain in DOMAINS:
        path = Path(tempfile.gettempdir(), f'spike_depth_ros_domain_{domain}')
        try:
            lock = os.open(path, os.O_CREAT | os.O_RDWR)
        except OSError:  # the file of another user
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # taken
            os.close(lock)
            continue
        return domain
    raise RuntimeError(f'all ROS domains of {DOMAINS} are taken by other tests')


os.environ['ROS_DOMAIN_ID'] = str(lock_domain())

try:
    import onnxruntime
except ImportError:  # some tests need none
    pass
else:
    _Options = onnxruntime.SessionOptions

    class OneThread(_Options):
        """Options whose default is one thread, not one per core."""

        @property
        def intra_op_num_threads(self):
            """Threads of an operator."""
            return _Options.intra_op_num_threads.fget(self)

        @intra_op_num_threads.setter
        def intra_op_num_threads(self, threads):
            _Options.intra_op_num_threads.fset(self, threads or 1)

    onnxruntime.SessionOptions = OneThread
