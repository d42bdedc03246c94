# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Common parts of launch files: checks before the start, and the end of a launch."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    LogInfo,
    OpaqueFunction,
    SetEnvironmentVariable,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription
from launch_ros.utilities import make_namespace_absolute, prefix_namespace

from spike_depth_ros.base.schema import nearest
from spike_depth_ros.nodes.parts.params_file import NodeParameters
from spike_depth_ros.nodes.parts.process import dds_environment, shared_file
from spike_depth_ros.stereo import EYES

Arguments: TypeAlias = Mapping[str, tuple[Any, str]]
"""Default and description of each launch argument, by its name."""

RESPAWN_AFTER_S = 2.0
"""Pause before a node is restarted, seconds."""

REFUSED = 1
"""Exit status of a node with a user's error, such as a wrong setting."""

TOPICS = (
    *(f'depth/{name}' for name in ('image', 'camera_info', 'uncertainty', 'colour', 'points')),
    'depth/motion_points',
    *('spikes/image', 'spikes/image_rect', 'image/camera_info', 'disparity'),
    *(f'{eye}/{name}' for eye in EYES for name in ('spikes', 'camera_info', 'image_rect')),
)
"""Topics of the nodes that no argument renames."""

_CHECKED = 'spike_depth_ros_arguments_checked'


RELIABLE = DeclareLaunchArgument(
    'reliability',
    default_value='reliable',
    choices=['reliable'],
    description='asked of the player, which is reliable',
)
"""The argument of launch files that play recordings."""


def describe(
    arguments: Arguments, actions: Iterable[Action], *others: DeclareLaunchArgument
) -> LaunchDescription:
    """Return a launch description that warns of arguments that ``--show-args`` does not list.

    Args:
        arguments: Arguments with a default.
        actions: What is done with them.
        others: Other arguments.
    """
    declared = (
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in arguments.items()
    )
    description = LaunchDescription([*others, *declared, *actions])
    description.entities.insert(0, OpaqueFunction(function=_warn_of_unknown, args=[description]))
    return description


def _warn_of_unknown(context: LaunchContext, description: LaunchDescription) -> list[Action]:
    given = [argument.split(':=', 1)[0] for argument in context.argv if ':=' in argument]
    included = _CHECKED in context.get_locals_as_dict()
    context.extend_globals({_CHECKED: True})
    if included or not set(context.launch_configurations) <= set(given):
        return []  # by another launch file, whose arguments are seen here too
    known = [argument.name for argument in description.get_launch_arguments()]
    warnings: list[Action] = []
    for name in given:
        if name not in known:
            hint = nearest(name, known)
            if name in TOPICS:
                hint = (
                    '; to rename this topic include this launch file in one of yours after '
                    f"SetRemap('{name}', ...), or start the node with --ros-args -r {name}:=..."
                )
            warnings.append(LogInfo(msg=f'warning: unknown launch argument {name}{hint}'))
    return warnings


def dds_profile(publishers: int) -> list[Action]:
    """Return the actions that set the DDS profile for large messages, where it fits.

    Args:
        publishers: Number of publishing processes.
    """
    variables, warnings = dds_environment(shared_file('config/dds/shared_memory.xml'), publishers)
    return [
        *(SetEnvironmentVariable(name, value) for name, value in variables.items()),
        *(LogInfo(msg=f'warning: {warning}') for warning in warnings),
    ]


def parameter_files(parameters: NodeParameters) -> list[str]:
    """Return the parameter files of a node: the one that is given, and one of given values."""
    files = [str(parameters.path)]
    if parameters.given:
        with tempfile.NamedTemporaryFile('w', prefix='launch_params_', delete=False) as file:
            json.dump(parameters.overrides(), file)  # JSON is YAML with its texts in quotes
        files.append(file.name)
    return files


def full_name(context: LaunchContext, namespace: str, node: str) -> str:
    """Return the fully qualified name of a node, in the namespace of an including launch file.

    Args:
        context: The context.
        namespace: Its namespace; empty: that of the launch file.
        node: Its name.
    """
    outer = context.launch_configurations.get('ros_namespace')
    inner = make_namespace_absolute(prefix_namespace(outer, namespace or None))
    return f'{(inner or "").rstrip("/")}/{node}'


def is_true(context: LaunchContext, name: str, others: Iterable[str] = ()) -> bool:
    """Return True if a launch argument is ``true`` or ``1``.

    Args:
        context: The context.
        name: The argument.
        others: Other values that it may have, for the message.

    Raises:
        RuntimeError: It is not ``true``, ``1``, ``false`` or ``0``.
    """
    value = context.launch_configurations[name].lower()
    if value not in ('true', '1', 'false', '0'):
        raise RuntimeError(f'{name}:={value}: expected {" or ".join(["true", "false", *others])}')
    return value in ('true', '1')


def missing(packages: Iterable[str]) -> list[str]:
    """Return the ROS packages that are not installed."""
    absent = []
    for package in packages:
        try:
            get_package_prefix(package)
        except PackageNotFoundError:
            absent.append(package)
    return absent


def require_packages(wanted: Mapping[str, Iterable[str]]) -> None:
    """Check the ROS packages that launch arguments need.

    Args:
        wanted: Packages by the argument that needs them, such as ``rviz:=true``.

    Raises:
        RuntimeError: Packages are not installed; the message has the command.
    """
    for argument, packages in wanted.items():
        absent = missing(packages)
        if absent:
            names = ' '.join(f'ros-$ROS_DISTRO-{name.replace("_", "-")}' for name in absent)
            raise RuntimeError(
                f'{argument} needs the package {", ".join(absent)}, which is not installed: '
                f'sudo apt install {names}, or leave the argument out'
            )


def require_file(argument: str, path: str) -> None:
    """Check a file or folder that a launch argument names.

    Raises:
        RuntimeError: The file does not exist.
    """
    if not Path(path).exists():
        raise RuntimeError(f'{argument}:={path}: no such file; expected an existing one')


def end_with(process: Action, after_s: float = 0.0, to_its_end: bool = False) -> OnProcessExit:
    """Return the handler that ends the launch when a process ends.

    A process that fails makes the launch fail.

    Args:
        process: The process.
        after_s: Seconds from the end of a process that did not fail to the end of the launch.
        to_its_end: A process that fails after the launch was asked to end makes it fail, too.
    """

    def end(event: ProcessExited, context: LaunchContext) -> list[Action] | None:
        if context.is_shutdown and not to_its_end:
            return None
        _raise_failed(event)
        if context.is_shutdown:
            return None
        shutdown = EmitEvent(event=Shutdown(reason=f'{event.process_name} has ended'))
        return [TimerAction(period=after_s, actions=[shutdown])] if after_s else [shutdown]

    return OnProcessExit(target_action=process, on_exit=end)


def respawn_with(process: Action, again: Callable[[], list[Action]]) -> OnProcessExit:
    """Return the handler that restarts a process after a signal or an error.

    A process that ended by itself, or for its settings, ends the launch, as it would end again.

    Args:
        process: The process.
        again: Function that makes the actions that start it and handle its end.
    """

    def respawn(event: ProcessExited, context: LaunchContext) -> list[Action] | None:
        if context.is_shutdown:
            return None
        if event.returncode in (0, REFUSED):
            _raise_failed(event)
            return [EmitEvent(event=Shutdown(reason=f'{event.process_name} has ended'))]
        return [TimerAction(period=RESPAWN_AFTER_S, actions=again())]

    return OnProcessExit(target_action=process, on_exit=respawn)


def _raise_failed(event: ProcessExited) -> None:
    if event.returncode:
        raise RuntimeError(
            f'{event.process_name} ended with status {event.returncode}: see its last line'
        )
