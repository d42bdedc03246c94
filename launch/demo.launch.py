# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The sample stream, looped, through the depth node and into RViz: a first look."""

from launch.action import Action
from launch.actions import (
    IncludeLaunchDescription,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetLaunchConfiguration,
)
from launch.launch_context import LaunchContext
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription
from spike_depth_ros.nodes.parts import launching
from spike_depth_ros.nodes.parts.perception_launch import remappings
from spike_depth_ros.nodes.parts.process import asset

ARGUMENTS = {
    'stream': (str(asset('office.npz')), '.dat, .npy or .npz to play'),
    'size': ('', 'sensor size of a raw file, for example 400x250'),
    'rate': ('', 'planes a second; empty: as recorded'),
    'rviz': ('true', 'open RViz, where it is installed'),
}


def generate_launch_description() -> LaunchDescription:
    """The player beside depth.launch.py."""
    depth = IncludeLaunchDescription(
        PathJoinSubstitution([FindPackageShare('spike_depth_ros'), 'launch', 'depth.launch.py'])
    )
    actions = [OpaqueFunction(function=_check), depth, OpaqueFunction(function=_player)]
    return launching.describe(ARGUMENTS, actions, launching.RELIABLE)


def _check(context: LaunchContext) -> list[Action]:
    launching.require_file('stream', context.launch_configurations['stream'])
    if launching.is_true(context, 'rviz') and launching.missing(['rviz2']):
        return [
            SetLaunchConfiguration('rviz', 'false'),
            LogInfo(msg='warning: rviz2 is not installed, going on without it'),
        ]
    return []


def _player(context: LaunchContext) -> list[Action]:
    given = context.launch_configurations
    options = [f'--{name}={given[name]}' for name in ('size', 'rate') if given[name]]
    player = Node(
        package='spike_depth_ros',
        executable='spike_player',
        name='spike_player',
        namespace=given['namespace'],
        arguments=[given['stream'], '--loop', *options],
        remappings=remappings(given),
        output='screen',
    )
    return [RegisterEventHandler(launching.end_with(player)), player]
