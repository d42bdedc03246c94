# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Console scripts: of nodes, and of the library; what is missing is an error of one line."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

from spike_depth_ros.base.errors import check_utf8, memory_problem, one_line

ROS_MODULES = {
    'ament_index_python',
    'builtin_interfaces',
    'cv_bridge',
    'diagnostic_msgs',
    'lifecycle_msgs',
    'rcl_interfaces',
    'rclpy',
    'sensor_msgs',
    'std_msgs',
    'std_srvs',
    'stereo_msgs',
}
"""Modules of ROS 2, from a ROS installation or from wheels."""

GET_ROS = (
    'source an installation of it (source /opt/ros/jazzy/setup.bash), or, on x86-64 Linux, '
    'install its wheels: pip install -r requirements/runtime.txt'
)
GET_MODULE = "pip install '.[evaluate]', or rosdep install in a workspace of ROS 2"


def run_node(command: str, module: str) -> int:
    """Run the ``main`` of a module of ``spike_depth_ros.nodes``.

    Args:
        command: Name of the console script, for the error.
        module: Name of the module.

    Returns:
        The exit status; 1, and one line on standard error, if a package is missing.
    """
    try:
        with _interrupts_end_imports():
            importlib.import_module('rclpy')  # first: the error then names ROS 2
            main = importlib.import_module(f'spike_depth_ros.nodes.{module}').main
    except ImportError as error:
        missing = (error.name or '').split('.')[0]
        if missing in ('', __package__):
            raise  # an error in this package, not a missing one
        problem = ' '.join(str(error).split())
        if missing == 'rclpy' and 'rclpy' in sys.modules:
            text = f'needs a newer rclpy ({problem}): use ROS 2 Jazzy, or {GET_ROS}'
        elif missing in ROS_MODULES:
            text = f'needs ROS 2 ({problem}): {GET_ROS}'
        else:
            text = f'needs the Python module {missing} ({problem}): {GET_MODULE}'
        print(f'{command}: error: {text}', file=sys.stderr)
        return 1
    return int(main())


@contextlib.contextmanager
def _interrupts_end_imports() -> Iterator[None]:
    """Context in which SIGINT ends the process at once.

    Callbacks of the import system swallow a KeyboardInterrupt, and the node would go on. There is
    nothing to clean up yet.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # ignored, or that of a test
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def run_library(command: str, module: str, options: Any, interrupted: str = 'interrupted') -> int:
    """Run the ``run`` of a module, which is imported after the command line was read.

    Args:
        command: Name of the console script, for the error.
        module: Import path of the module, whose libraries may be missing.
        options: Argument of ``run``.
        interrupted: Line to print after an interrupt.

    Returns:
        The exit status; 1, and one line on standard error, if it fails; 130 if interrupted, 143
        if terminated, also by a closed terminal, which ends it likewise.
    """
    try:
        with _interrupted_once():
            return _run_library(command, module, options)
    except KeyboardInterrupt as end:
        print(interrupted, file=sys.stderr)
        return 128 + (signal.SIGTERM if isinstance(end, _Terminated) else signal.SIGINT)


def _run_library(command: str, module: str, options: Any) -> int:
    try:
        check_utf8(*map(str, vars(options).values()))
        try:
            run = importlib.import_module(module).run
        except ImportError as error:
            library = (error.name or str(error)).partition('.')[0]
            raise ImportError(
                f"{library} is missing: install with pip install '.[evaluate]'"
            ) from error
        run(options)
    except (ValueError, OSError, ImportError) as error:
        print(f'{command}: error: {memory_problem(error) or one_line(error)}', file=sys.stderr)
        return 1
    except Exception as error:
        if not (problem := memory_problem(error)):
            raise
        print(f'{command}: error: {problem}', file=sys.stderr)
        return 1
    return 0


class _Terminated(KeyboardInterrupt):
    """Interrupt by SIGTERM, or by SIGHUP of a closed terminal."""


@contextlib.contextmanager
def _interrupted_once() -> Iterator[None]:
    """Context that the first signal of these interrupts; later ones leave its clean-up alone."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        leave_closed_terminal()
        raise KeyboardInterrupt if number == signal.SIGINT else _Terminated

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as in the background of a shell, or by nohup
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_closed_terminal() -> None:
    """Discard further output where a terminal was closed, as it would fail in the clean-up."""
    for descriptor in (1, 2):
        try:
            os.write(descriptor, b'')
        except OSError:
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def spike_depth() -> int:
    """Run the console script ``spike_depth``."""
    return run_node('spike_depth', 'depth')


def spike_stereo() -> int:
    """Run the console script ``spike_stereo``."""
    return run_node('spike_stereo', 'stereo')


def spike_player() -> int:
    """Run the console script ``spike_player``."""
    return run_node('spike_player', 'player')


def spike_camera() -> int:
    """Run the console script ``spike_camera``."""
    return run_node('spike_camera', 'camera')


def check_stream() -> int:
    """Run the console script ``check_stream``."""
    return run_node('check_stream', 'check_stream')


def spike_demo() -> int:
    """Run the console script ``spike_demo``."""
    return run_node('spike_demo', 'demo')


def spike_record() -> int:
    """Run the console script ``spike_record``."""
    return run_node('spike_record', 'recorder')


def spike_evaluation() -> int:
    """Run the console script ``spike_evaluation``."""
    return run_node('spike_evaluation', 'evaluation')


def video_source() -> int:
    """Run the console script ``video_source``."""
    return run_node('video_source', 'video_source')


def spike_inspect() -> int:
    """Run the console script ``spike_inspect``."""
    return run_node('spike_inspect', 'inspection')
