# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which module may import what: read from the sources, and tried in a process of its own."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import spike_depth_ros

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path for folder in ('spike_depth_ros', 'training') for path in (ROOT / folder).rglob('*.py')
)
ROS = (
    'rclpy', 'cv_bridge', 'launch', 'launch_ros', 'rosidl_runtime_py', 'rcl_interfaces',
    'lifecycle_msgs', 'builtin_interfaces', 'ament_index_python',
)  # fmt: skip
TORCH = ('torch', 'torchvision', 'timm')


UPWARDS = ('evaluation', 'adaptation', 'runs', 'tables', 'reports', 'commands')
"""Parts of the training package from those that others build on to those that use them."""

FORBIDDEN = {
    'adaptation': ('tables', 'reports', 'commands'),
    'settings': (*UPWARDS, 'engine', 'learning'),
    'engine': (*UPWARDS, 'simulation', 'learning'),
    'learning': ('adaptation', 'runs', 'tables', 'reports', 'commands'),
    'runs': ('adaptation', 'tables', 'commands'),
    'tables': ('adaptation', 'commands'),
    'reports': ('adaptation', 'commands'),
    'methods': ('adaptation', 'runs', 'tables', 'reports', 'commands'),
    'sampling': (*UPWARDS, 'settings', 'simulation'),
    'simulation': (*UPWARDS, 'settings', 'engine', 'learning'),
    'evaluation': ('adaptation', 'runs', 'tables', 'reports', 'commands', 'settings'),
    'scenes': (*UPWARDS, 'settings', 'engine', 'sampling', 'simulation'),
    'sensor': (*UPWARDS, 'settings', 'engine', 'sampling', 'simulation'),
    'datasets': (*UPWARDS, 'settings', 'engine', 'sampling', 'simulation'),
}
"""By part of the training package: parts that it must not import."""


def imports_of(tree, package):
    """Full names of all that a module imports, with the line, and whether for types alone."""
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == 'TYPE_CHECKING'
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level:
                base = '.'.join([*package[: len(package) - node.level + 1], base]).strip('.')
            names = [base, *(f'{base}.{alias.name}' for alias in node.names)]
        else:
            continue
        for name in names:
            yield name, node.lineno, id(node) in for_types


def within(name, packages):
    return any(name == package or name.startswith(f'{package}.') for package in packages)


def is_ros(name):
    return within(name, ROS) or name.split('.')[0].endswith('_msgs')


def offences(path, source):
    """What a source file imports against the rules."""
    parts = path.relative_to(ROOT).with_suffix('').parts
    in_core = parts[0] == 'spike_depth_ros' and parts[1] != 'nodes'
    may_torch = parts[:2] == ('spike_depth_ros', 'model') or parts[0] == 'training'
    may_torch = may_torch or parts == ('spike_depth_ros', 'backends', 'torch')
    for name, line, for_types in imports_of(ast.parse(source), parts[:-1]):
        where = f'{"/".join(parts)}:{line} imports {name}'
        if is_ros(name) and parts[:2] != ('spike_depth_ros', 'nodes'):
            yield f'{where}: ROS belongs in nodes'
        if within(name, ['spike_training']) and parts[0] == 'spike_depth_ros':
            yield f'{where}: the installed package knows no training'
        if within(name, ['spike_depth_ros.nodes']) and (in_core or parts[0] == 'training'):
            yield f'{where}: nodes are the end of the street'
        if parts[:2] == ('training', 'spike_training'):
            forbidden = FORBIDDEN.get(parts[2], ())
            # Methods are found by their import paths: settings/method.py names the built-in ones.
            forbidden += ('methods',) if parts[2] != 'methods' else ()
            if within(name, [f'spike_training.{part}' for part in forbidden]):
                yield f'{where}: {parts[2]} is what that builds on'
            method = parts[3] if parts[2] == 'methods' and len(parts) > 4 else None
            others = name.split('.')[2:3] if within(name, ['spike_training.methods']) else []
            if method is not None and others not in ([], [method]):
                yield f'{where}: a method imports no other method'
        if for_types or may_torch:
            continue
        lazily = path.name == '__init__.py' and parts[1] == 'backends'
        if within(name, TORCH) and not lazily:
            yield f'{where}: torch belongs in model, backends/torch and training'
        if within(name, ['spike_depth_ros.model']):
            yield f'{where}: only torch code builds networks'


def test_there_are_sources():
    assert len(SOURCES) > 20


@pytest.mark.parametrize('path', SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_keeps_to_the_import_rules(path):
    assert list(offences(path, path.read_text())) == []


@pytest.mark.parametrize(
    ('module', 'source'),
    [
        ('spike_depth_ros/stream/window.py', 'import rclpy.node'),
        ('spike_depth_ros/stream/window.py', 'from sensor_msgs.msg import Image'),
        ('spike_depth_ros/backends/onnx.py', 'def f():\n    from cv_bridge import CvBridge'),
        ('training/spike_training/engine/loop.py', 'import rclpy'),
        ('spike_depth_ros/metrics.py', 'from spike_training import data'),
        ('spike_depth_ros/nodes/depth.py', 'import spike_training.data'),
        ('spike_depth_ros/estimator.py', 'from spike_depth_ros import nodes'),
        ('spike_depth_ros/estimator.py', 'from .nodes import depth'),
        ('spike_depth_ros/model/heads.py', 'from ..nodes.depth import main'),
        ('training/spike_training/runs/pipeline.py', 'import spike_depth_ros.nodes.depth'),
        ('spike_depth_ros/checkpoint.py', 'import torch'),
        ('spike_depth_ros/nodes/depth.py', 'def f():\n    import torch'),
        ('spike_depth_ros/estimator.py', 'from spike_depth_ros.model.registry import build'),
        ('training/spike_training/engine/loop.py', 'from spike_training.methods import bicross'),
        (
            'training/spike_training/settings/config.py',
            'from spike_training.methods.bicross.settings import AdaptConfig',
        ),
        ('training/spike_training/runs/build.py', 'from spike_training.methods import bicross'),
        ('training/spike_training/reports/run_page/curves.py', 'import spike_training.methods'),
        ('training/spike_training/scenes/generator.py', 'import spike_training.engine.stage'),
        ('training/spike_training/sensor/fit.py', 'import spike_training.methods.bicross.filter'),
        ('training/spike_training/methods/bicross/filter.py', 'import spike_training.runs.build'),
        ('training/spike_training/learning/losses.py', 'import spike_training.methods.bicross'),
        ('training/spike_training/engine/loop.py', 'import spike_training.learning.losses'),
        ('training/spike_training/settings/method.py', 'import spike_training.engine.stage'),
        (
            'training/spike_training/methods/bicross/filter.py',
            'from spike_training.methods.ssml import losses',
        ),
    ],
)
def test_the_rules_can_be_broken(module, source):
    assert len(list(offences(ROOT / module, source))) >= 1


@pytest.mark.parametrize(
    ('module', 'source'),
    [
        ('spike_depth_ros/nodes/depth.py', 'import rclpy\nfrom sensor_msgs.msg import Image'),
        ('spike_depth_ros/model/heads.py', 'import torch\nfrom . import encoder'),
        (
            'training/spike_training/runs/export.py',
            'import torch\nimport spike_depth_ros.checkpoint',
        ),
        ('spike_depth_ros/stream/window.py', 'if TYPE_CHECKING:\n    import torch'),
    ],
)
def test_what_is_allowed_is_not_reported(module, source):
    assert list(offences(ROOT / module, source)) == []


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
    return subprocess.run(
        [sys.executable, '-c', textwrap.dedent(guard) + textwrap.dedent(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


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
    modules = [
        '.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__')
        for path in SOURCES
        if path.parts[len(ROOT.parts)] == 'spike_depth_ros'
        and not {'nodes', 'model'} & set(path.relative_to(ROOT).parts)
        and path.name != 'torch.py'
    ]
    assert 'spike_depth_ros.estimator' in modules
    done = run_apart(f'import importlib\nfor name in {modules!r}: importlib.import_module(name)')
    assert done.returncode == 0, done.stderr


def test_a_bag_is_evaluated_without_ros_and_torch_and_says_what_else_it_lacks():
    call = 'print(main(["no_bag", "--out", "no_out", "--device", "cpu"]))'
    run_main = f'from spike_depth_ros.evaluation.command import main\n{call}'
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
