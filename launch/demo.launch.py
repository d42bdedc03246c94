# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The sample stream, looped, through the depth node and into RViz: a first look."""

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, PythonExpression
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription
from spike_depth_ros.nodes.process import asset

ARGUMENTS = {
    'stream': (str(asset('sample.npz')), '.dat, .npy or .npz to play'),
    'size': ('', 'sensor size of a raw file, for example 400x250'),
    'rate': ('', 'planes a second; empty: as recorded'),
    'namespace': ('', 'namespace of all nodes'),
    'device': ('auto', 'auto, cpu or cuda'),
    'rviz': ('true', 'open RViz'),
}


def generate_launch_description() -> LaunchDescription:
    """The player beside depth.launch.py."""
    given = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    depth = IncludeLaunchDescription(
        PathJoinSubstitution([FindPackageShare('spike_depth_ros'), 'launch', 'depth.launch.py']),
        launch_arguments={name: given[name] for name in ('namespace', 'device', 'rviz')}.items(),
    )
    player = Node(
        package='spike_depth_ros',
        executable='spike_player',
        name='spike_player',
        namespace=given['namespace'],
        arguments=[given['stream'], '--loop', *_option('size'), *_option('rate')],
        output='screen',
    )
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in ARGUMENTS.items()
            ),
            depth,
            player,
        ]
    )


def _option(name: str) -> list[PythonExpression]:
    """``--name=value`` for the player, or an option that changes nothing where it is empty."""
    value = LaunchConfiguration(name)
    return [PythonExpression(["'--", name, '=', value, "' if '", value, "' else '--loop'"])]
