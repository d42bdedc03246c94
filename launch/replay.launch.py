# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bag in real time through the depth node, and scored as it comes out: drops included."""

from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.launch_context import LaunchContext
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription
from spike_depth_ros.nodes.parts import launching
from spike_depth_ros.nodes.parts.perception_launch import remappings

ARGUMENTS = {
    'out': ('replay_out', 'folder for metrics.json, windows.csv and report.html'),
    'speed': ('1.0', 'times real time'),
    'protocol': ('', 'bicross: Garg crop, cap 80 m; empty: whole images'),
}

TAIL_S = 3.0
"""So long after the bag's end the last windows and the last accounting are waited for."""


def generate_launch_description() -> LaunchDescription:
    """The player and the evaluation beside depth.launch.py; all end after the bag."""
    depth = IncludeLaunchDescription(
        PathJoinSubstitution([FindPackageShare('spike_depth_ros'), 'launch', 'depth.launch.py'])
    )
    bag = DeclareLaunchArgument('bag', description='rosbag2 to play: its folder or file')
    actions = [
        OpaqueFunction(function=_check_bag),
        depth,
        OpaqueFunction(function=_player_and_evaluation),
    ]
    return launching.describe(ARGUMENTS, actions, bag, launching.RELIABLE)


def _check_bag(context: LaunchContext) -> list[Action]:
    launching.require_file('bag', context.launch_configurations['bag'])
    return []


def _player_and_evaluation(context: LaunchContext) -> list[Action]:
    given = context.launch_configurations
    topics = remappings(given)
    evaluation = Node(
        package='spike_depth_ros',
        executable='spike_evaluation',
        name='spike_evaluation',
        namespace=given['namespace'],
        parameters=[  # texts, whatever they look like: out:=2026
            {name: ParameterValue(given[name], value_type=str) for name in ('out', 'protocol')}
        ],
        remappings=topics,
        output='screen',
        sigterm_timeout='15',  # it writes its report then
    )
    player = Node(
        package='spike_depth_ros',
        executable='spike_player',
        name='spike_player',
        namespace=given['namespace'],
        arguments=[given['bag'], '--speed', given['speed'], '--with-truth', '--wait', '30'],
        remappings=topics,
        output='screen',
    )
    return [
        RegisterEventHandler(launching.end_with(evaluation, to_its_end=True)),
        RegisterEventHandler(launching.end_with(player, TAIL_S)),
        evaluation,
        player,
    ]
