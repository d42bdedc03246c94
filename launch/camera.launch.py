# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A camera: the node spike_camera, whose parameters are in params_file."""

from pathlib import Path

from launch.action import Action
from launch.actions import OpaqueFunction, RegisterEventHandler
from launch.launch_context import LaunchContext
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription
from spike_depth_ros.nodes.parts import launching
from spike_depth_ros.nodes.parts.params_file import NodeParameters

ARGUMENTS = {
    'params_file': (
        PathJoinSubstitution([FindPackageShare('spike_depth_ros'), 'config', 'spike_camera.yaml']),
        'YAML file of node parameters',
    ),
    'backend': ('', 'spikelink, pipe or file; empty: as in params_file, else spikelink'),
    'device': ('', 'driver library, named pipe or recording; empty: as in params_file'),
    'namespace': ('', 'namespace of the node, such as left'),
    'log_level': ('info', 'debug, info, warn, error'),
}


def generate_launch_description() -> LaunchDescription:
    """Arguments, the DDS profile for large messages, and the node."""
    actions = [*launching.dds_profile(publishers=2), OpaqueFunction(function=_camera)]
    return launching.describe(ARGUMENTS, actions)


def _camera(context: LaunchContext) -> list[Action]:
    given = {name: context.launch_configurations[name] for name in ARGUMENTS}
    launching.require_file('params_file', given['params_file'])
    node = launching.full_name(context, given['namespace'], 'spike_camera')
    values = {name: given[name] for name in ('backend', 'device') if given[name]}
    parameters = NodeParameters(Path(given['params_file']), node, values)
    camera = Node(
        package='spike_depth_ros',
        executable='spike_camera',
        name='spike_camera',
        namespace=node.rpartition('/')[0],
        parameters=launching.parameter_files(parameters),
        arguments=['--ros-args', '--log-level', given['log_level']],
        output='screen',
    )
    return [RegisterEventHandler(launching.end_with(camera)), camera]
