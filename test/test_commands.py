# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Console scripts where a package is not installed: one line, no traceback."""

import argparse
import functools
import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kit.programs import run_program
from spike_depth_ros import commands
from spike_depth_ros.commands import ROS_MODULES, run_node

ROOT = Path(__file__).resolve().parent.parent

START = """
import importlib, importlib.metadata, sys


class Absent:
    # Finds no module of the given names, as if they were not installed.
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in ABSENT:
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)


absent, command, module, function, *arguments = sys.argv[1:]
ABSENT = set(absent.split(','))
sys.meta_path.insert(0, Absent())
sys.argv = [command, *arguments]
sys.exit(getattr(importlib.import_module(module), function)())
"""


def scripts() -> dict[str, str]:
    """Console script -> ``module:function``, as setup.py declares them."""
    lines = (ROOT / 'setup.py').read_text(encoding='utf-8').splitlines()
    entries = (line.strip(" ',") for line in lines if '= spike_depth_ros.commands:' in line)
    return dict(entry.split(' = ') for entry in entries)


def start(command: str, absent: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    module, function = scripts()[command].split(':')
    path = f'{ROOT}{os.pathsep}{os.environ.get("PYTHONPATH", "")}'
    code = [sys.executable, '-c', START, absent, command, module, function]
    return run_program(*code, *arguments, cwd=ROOT, env={**os.environ, 'PYTHONPATH': path})


@pytest.mark.parametrize('command', scripts())
def test_without_ros_one_line_says_what_is_missing(command: str) -> None:
    # rich and others are not there either after a plain `pip install .`.
    absent = ','.join([*ROS_MODULES, 'rich', 'PIL', 'yaml', 'cv2'])
    result = start(command, absent, '--help')
    assert (result.returncode, result.stdout) == (1, '')
    assert result.stderr.count('\n') == 1
    assert result.stderr.startswith(f"{command}: error: needs ROS 2 (No module named 'rclpy'): ")
    assert 'source /opt/ros/jazzy/setup.bash' in result.stderr
    assert 'pip install -r requirements/runtime.txt' in result.stderr


@pytest.mark.parametrize(
    ('absent', 'problem'),
    [
        ('cv_bridge', "needs ROS 2 (No module named 'cv_bridge')"),
        ('rich', "needs the Python module rich (No module named 'rich'): pip install"),
    ],
)
def test_a_single_missing_package_is_named(absent: str, problem: str) -> None:
    pytest.importorskip('rclpy')
    result = start('spike_demo', absent, '--help')
    assert result.returncode == 1
    assert result.stderr.count('\n') == 1
    assert problem in result.stderr


OLD_RCLPY = """
import sys
import rclpy.event_handler, rclpy.node
del rclpy.event_handler.UnsupportedEventTypeError
from spike_depth_ros import commands
sys.exit(commands.spike_depth())
"""


def test_what_an_old_rclpy_lacks_is_named_in_one_line() -> None:
    pytest.importorskip('rclpy')
    result = subprocess.run(
        [sys.executable, '-c', OLD_RCLPY], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stderr.count('\n') == 1
    assert 'spike_depth: error: needs a newer rclpy (cannot import name ' in result.stderr
    assert 'UnsupportedEventTypeError' in result.stderr


def test_an_interrupt_of_the_imports_ends_the_command(tmp_path: Path) -> None:
    # As callbacks of the import system do, this module swallows the exception of the signal.
    (tmp_path / 'rclpy.py').write_text(
        'import os, signal\n'
        'try:\n    os.kill(os.getpid(), signal.SIGINT)\n'
        'except KeyboardInterrupt:\n    pass\n'
    )
    code = 'from spike_depth_ros import commands; commands.spike_depth()'
    result = run_program(
        sys.executable, '-c', code, cwd=ROOT, env={**os.environ, 'PYTHONPATH': str(tmp_path)},
        # Whatever started these tests may ignore it.
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (-signal.SIGINT, '')


def test_an_error_of_the_package_itself_is_raised() -> None:
    pytest.importorskip('rclpy')
    with pytest.raises(ModuleNotFoundError, match='absent'):
        run_node('command', 'absent')


@pytest.mark.parametrize('command', scripts())
def test_with_ros_each_command_has_its_help(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip('rclpy')
    module, function = scripts()[command].split(':')
    monkeypatch.setattr(sys, 'argv', [command, '--help'])
    with pytest.raises(SystemExit) as ended:
        getattr(importlib.import_module(module), function)()
    out, err = capsys.readouterr()
    assert (ended.value.code, err) == (0, '')
    assert out.startswith(f'usage: {command} ')


def test_a_script_has_its_help_in_a_process() -> None:
    pytest.importorskip('rclpy')
    result = start('spike_depth', 'none', '--help')
    assert (result.returncode, result.stderr) == (0, '')
    assert result.stdout.startswith('usage: spike_depth ')


def test_no_console_script_imports_a_node_first() -> None:
    assert 'spike_depth_ros.nodes.' not in (ROOT / 'setup.py').read_text(encoding='utf-8')


@pytest.mark.parametrize(('first', 'status'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize('second', [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_leaves_the_clean_up_of_a_command_alone(
    tmp_path, monkeypatch, capsys, first, status, second
):
    (tmp_path / 'interrupted_work.py').write_text(
        'import signal\n'
        'def run(options):\n'
        '    try:\n'
        '        signal.raise_signal(options.first)\n'
        '    finally:\n'
        '        signal.raise_signal(options.second)\n'
        "        options.out.write_text('cleaned up')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    options = argparse.Namespace(first=first, second=second, out=tmp_path / 'out')
    # A shell's background job, which may run the tests, ignores SIGINT.
    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        assert commands.run_library('some', 'interrupted_work', options, 'ended') == status
        assert {number: signal.getsignal(number) for number in handlers} == handlers
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert (tmp_path / 'out').read_text() == 'cleaned up'
    assert capsys.readouterr().err == 'ended\n'
