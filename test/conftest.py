# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Threads and ROS domain of a process of tests, so that several run side by side."""

import fcntl
import functools
import importlib.util
import os
import tempfile
from pathlib import Path

import hypothesis
import pytest

# Before torch and numpy are imported: threads that spin would take the cores of other workers.
for _name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS'):
    os.environ.setdefault(_name, '1')


# Nothing is a test of time: a busy machine takes as long as it takes.
hypothesis.settings.register_profile('untimed', deadline=None)
hypothesis.settings.load_profile('untimed')

DOMAINS = range(1, 100)
"""ROS domains of workers; a test that needs a second, empty one adds 100."""

NEEDED = {
    'test/core/io/bags': ('rosbags',),
    'test/core/evaluation/test_frames.py': ('torch', 'timm'),
    'test/core/evaluation/test_plots.py': ('matplotlib',),
    'test/core/networks': ('torch', 'timm'),
    'test/core/networks/test_depth_anything.py': ('transformers',),
    'test/core/stereo/test_network.py': ('torch', 'onnx', 'onnxscript'),
    'test/core/test_fused_estimator.py': ('torch', 'timm'),
    'test/core/filters/test_upsampling.py': ('torch', 'onnx', 'onnxscript'),
    'test/nodes': ('rclpy',),
    'test/nodes/test_page_commands.py': (
        *('torch', 'timm', 'lightning_fabric', 'onnx', 'onnxscript', 'tensorboard'),
        *('distributed', 'h5py', 'rosbags', 'transformers', 'peft'),
    ),
    'test/training': (
        *('torch', 'timm', 'lightning_fabric'),
        *('onnx', 'onnxscript', 'tensorboard', 'distributed'),
    ),
    'test/test_kit.py': ('torch', 'timm'),
    'test/training/methods/fuse/test_align.py': ('transformers', 'peft'),
}
"""Modules by the folder, or file, whose tests are skipped without them.

They are looked for, not imported: a module that takes long is imported by the tests that use it.
"""


@pytest.hookimpl(tryfirst=True)
def pytest_make_collect_report(collector):
    """Skip a file of tests, before it is imported, where a module it needs is not installed."""
    if isinstance(collector, pytest.Module):
        for folder, modules in NEEDED.items():
            for name in modules if f'{collector.nodeid}/'.startswith(f'{folder}/') else ():
                if importlib.util.find_spec(name) is None:
                    reason = f'{folder} needs {name}, which is not installed'
                    collector.collect = functools.partial(
                        pytest.skip, reason, allow_module_level=True
                    )


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


LONG_S = 600
"""Time limit of tests marked ``long``; a limit of their own goes before it."""


def pytest_collection_modifyitems(items):
    """Give tests that take long by nature their time on a busy machine, too."""
    for item in items:
        if item.get_closest_marker('long') and not item.get_closest_marker('timeout'):
            item.add_marker(pytest.mark.timeout(LONG_S))


WAITING = 'not long and dds and not timed'
"""Marks of the pass over DDS, in which processes wait more than they compute."""


@pytest.hookimpl(hookwrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """Give the pass over DDS more workers than cores."""
    cores = yield
    if config.option.markexpr.startswith(WAITING):
        cores.force_result(cores.get_result() + 4)


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


@pytest.fixture
def real_data():
    """The folder of real recordings."""
    folder = os.environ.get('SPIKE_DEPTH_DATA')
    if not folder:
        pytest.skip('SPIKE_DEPTH_DATA names no folder of real recordings')
    return Path(folder)


def pytest_addoption(parser):
    """Add the option that rewrites what was reviewed."""
    parser.addoption(
        '--update-errors',
        action='store_true',
        help='write the texts of refusals as they are now to test/errors',
    )


@pytest.fixture
def refusals(request, tmp_path):
    """Compare what a front door says to bad input with test/errors; see ``refusals.py``."""
    from kit.refusals import Refusals

    return Refusals(tmp_path, request.config.getoption('--update-errors'))
