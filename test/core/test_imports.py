# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What runs without ROS and torch, each tried in a process of its own."""

import inspect
import os
import shutil
import sys
import textwrap
from pathlib import Path

import pytest

import spike_depth_ros
from kit.programs import run_program

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / 'spike_depth_ros').rglob('*.py'))
ROS = (
    'rclpy', 'cv_bridge', 'launch', 'launch_ros', 'rosidl_runtime_py', 'rcl_interfaces',
    'lifecycle_msgs', 'builtin_interfaces', 'ament_index_python', 'std_srvs',
)  # fmt: skip
TORCH = ('torch', 'torchvision', 'timm')


FORBIDDEN = {
    'training/spike_training/engine/loop.py': 'import spike_training.runs.build',
    'spike_depth_ros/stream/ring.py': 'from spike_depth_ros.io import topics',
    'spike_depth_ros/evaluation/metrics.py': 'from spike_training import disk',
    'spike_depth_ros/estimator.py': 'from .nodes import depth',
    'training/spike_training/runs/build.py': 'from spike_training.methods import bicross',
    'spike_depth_ros/stream/window.py': 'def f():\n    from geometry_msgs.msg import Pose',
    'spike_depth_ros/checkpoint.py': 'import torch',
    'spike_depth_ros/tools/recorded_windows.py': 'import rerun',
    'spike_depth_ros/nodes/parts/stream_findings.py': 'import rclpy',
    'training/spike_worlds/blender/plan.py': 'import torch',
}
"""An import against each contract of pyproject.toml."""


def test_each_import_rule_can_be_broken(tmp_path):
    pytest.importorskip('importlinter')
    for folder in ('spike_depth_ros', 'training/spike_training', 'training/spike_worlds'):
        ignored = shutil.ignore_patterns('assets', '__pycache__')
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    shutil.copy(ROOT / 'pyproject.toml', tmp_path)
    for path, line in FORBIDDEN.items():
        with (tmp_path / path).open('a') as file:
            file.write(f'\n{line}\n')
    linter = Path(sys.executable).with_name('lint-imports')
    environment = os.environ | {'PYTHONPATH': 'training'}
    done = run_program(linter, '--no-cache', cwd=tmp_path, env=environment)
    assert done.returncode == 1, done.stderr
    assert f'0 kept, {len(FORBIDDEN)} broken' in done.stdout


def run_apart(code):
    """Run code in a process in which neither ROS nor torch can be imported."""
    guard = f"""
        import sys
        class Guard:
            def find_spec(self, name, path=None, target=None):
                top = name.split('.')[0]
                if top in {(*ROS, *TORCH, 'spike_training')!r} or top.endswith('_msgs'):
                    raise ImportError('imported ' + name)
        sys.meta_path.insert(0, Guard())
    """
    code = textwrap.dedent(guard) + textwrap.dedent(code)
    return run_program(sys.executable, '-c', code, cwd=ROOT, timeout=60)


def test_predicting_on_a_cpu_needs_neither_ros_nor_torch():
    done = run_apart("""
        import numpy as np
        from spike_depth_ros import DepthEstimator, Observation, Window
        estimator = DepthEstimator.from_checkpoint(device='cpu', threads=1)
        window = Window.from_planes(np.random.default_rng(0).random((32, 32, 48)) < 0.2, 20e3)
        print(estimator.predict(Observation(window)).depth.shape)
        print([name for name in ('torch', 'rclpy') if name in sys.modules])
    """)
    assert done.stdout.split('\n')[:2] == ['(32, 48)', '[]'], done.stderr


def test_every_module_of_the_core_imports_without_ros_and_torch():
    of_rerun = ('outputs.py', 'recorded.py', 'rerun_log.py')  # in an environment of its own
    modules = [
        '.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__')
        for path in SOURCES
        if not {'nodes', 'networks'} & set(path.relative_to(ROOT).parts)
        and path.name != 'torch.py'
        if not (path.parent.name == 'view' and path.name in of_rerun)
    ]
    assert {'spike_depth_ros.estimator', 'spike_depth_ros.tools.view.command'} <= {*modules}
    done = run_apart(f'import importlib\nfor name in {modules!r}: importlib.import_module(name)')
    assert done.returncode == 0, done.stderr


def test_a_bag_is_evaluated_without_ros_and_torch_and_says_what_else_it_lacks():
    call = 'print(main(["no_bag", "--out", "no_out", "--device", "cpu"]))'
    run_main = f'from spike_depth_ros.tools.evaluate.command import main\n{call}'
    assert run_apart(run_main).stderr == 'evaluate_bag: error: no_bag: no such bag\n'
    lacking = run_apart(f'sys.modules["rosbags.rosbag2"] = None\n{run_main}')
    error = "evaluate_bag: error: rosbags is missing: install with pip install '.[evaluate]'\n"
    assert (lacking.stdout, lacking.stderr) == ('1\n', error)


def test_the_guard_of_these_tests_works():
    assert 'imported torch' in run_apart('import torch').stderr
    assert 'imported sensor_msgs' in run_apart('import sensor_msgs.msg').stderr


@pytest.mark.parametrize('name', spike_depth_ros.__all__)
def test_the_package_gives_its_names_lazily(name):
    given = getattr(spike_depth_ros, name)
    if name != '__version__':
        assert Path(inspect.getfile(given)).is_relative_to(ROOT)  # of no other installation


def test_importing_the_package_imports_nothing_else():
    done = run_apart("""
        before = set(sys.modules)
        import spike_depth_ros
        print([name for name in set(sys.modules) - before if 'numpy' in name or 'onnx' in name])
    """)
    assert done.stdout.strip() == '[]', done.stderr
    with pytest.raises(AttributeError, match='no attribute'):
        _ = spike_depth_ros.NoSuchThing
