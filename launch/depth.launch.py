# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth from a spike camera: the node spike_depth, optionally with a point cloud and RViz."""

from launch.action import Action
from launch.actions import LogInfo, OpaqueFunction, RegisterEventHandler, SetEnvironmentVariable
from launch.launch_context import LaunchContext
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import ComposableNodeContainer, Node
from launch_ros.descriptions import ComposableNode
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription
from spike_depth_ros.nodes import launching
from spike_depth_ros.nodes.process import dds_environment, shared_file

ARGUMENTS = {
    'params_file': (
        PathJoinSubstitution([FindPackageShare('spike_depth_ros'), 'config', 'spike_depth.yaml']),
        'YAML file of node parameters',
    ),
    'checkpoint': ('', 'model file, or the name of a shipped model; empty: unet_lite'),
    'device': ('auto', 'auto, cpu or cuda'),
    'policy': ('', 'latest or every window; empty: as in params_file'),
    'reliability': (
        'auto',
        'asked of the spike publisher: auto (reliable if all publishers offer it, else '
        'best_effort), reliable or best_effort',
    ),
    'namespace': ('', 'namespace of all nodes'),
    'use_sim_time': ('false', 'take time from /clock'),
    'autostart': ('true', 'configure and activate the node at start'),
    'respawn': ('false', 'start the node again if a signal ends it'),
    'log_level': ('info', 'debug, info, warn, error'),
    'rviz': ('false', 'open RViz'),
    'pointcloud': ('false', 'turn depth into a point cloud (package depth_image_proc)'),
}

PACKAGES = {'rviz': ['rviz2'], 'pointcloud': ['rclcpp_components', 'depth_image_proc']}
"""What must be installed for an argument that is true."""


def generate_launch_description() -> LaunchDescription:
    """Arguments, the DDS profile for large messages, and the nodes."""
    variables, warnings = dds_environment(
        shared_file('config/dds/shared_memory.xml'), publishers=2
    )
    return LaunchDescription(
        [
            *launching.declare(ARGUMENTS),
            *(SetEnvironmentVariable(name, value) for name, value in variables.items()),
            *(LogInfo(msg=f'warning: {warning}') for warning in warnings),
            OpaqueFunction(function=_nodes),
        ]
    )


def _nodes(context: LaunchContext) -> list[Action]:
    """Check everything first: what cannot run must not leave a part of it behind."""
    given = {name: context.launch_configurations[name] for name in ARGUMENTS}
    switches = ('respawn', 'use_sim_time', 'autostart', *PACKAGES)
    true = {name: launching.is_true(context, name) for name in switches}
    launching.require_file('params_file', given['params_file'])
    launching.require_packages(
        {f'{name}:=true': packages for name, packages in PACKAGES.items() if true[name]}
    )
    actions = _depth(given, true)
    if true['pointcloud']:
        actions.append(_cloud(given, true['use_sim_time']))
    if true['rviz']:
        actions.append(_rviz(given, true['use_sim_time']))
    return actions


def _depth(given: dict[str, str], true: dict[str, bool]) -> list[Action]:
    parameters = {
        'checkpoint': given['checkpoint'],
        'device': given['device'],
        'spikes.reliability': given['reliability'],
        'use_sim_time': true['use_sim_time'],
        'autostart': true['autostart'],
    }
    if given['policy']:
        parameters['policy'] = given['policy']
    depth = Node(
        package='spike_depth_ros',
        executable='spike_depth',
        name='spike_depth',
        namespace=given['namespace'],
        parameters=[given['params_file'], parameters],
        arguments=['--ros-args', '--log-level', given['log_level']],
        output='screen',
    )
    if true['respawn']:
        handler = launching.respawn_with(depth, lambda: _depth(given, true))
    else:
        handler = launching.end_with(depth)
    # The handler first: a node that ends at once must find it.
    return [RegisterEventHandler(handler), depth]


def _cloud(given: dict[str, str], sim_time: bool) -> Action:
    return ComposableNodeContainer(
        name='spike_cloud_container',
        namespace=given['namespace'],
        package='rclcpp_components',
        executable='component_container',
        composable_node_descriptions=[
            ComposableNode(
                package='depth_image_proc',
                plugin='depth_image_proc::PointCloudXyzNode',
                name='spike_cloud',
                namespace=given['namespace'],
                remappings=[
                    ('image_rect', 'depth/image'),
                    ('camera_info', 'depth/camera_info'),
                    ('points', 'depth/points'),
                ],
                parameters=[{'use_sim_time': sim_time}],
            )
        ],
        output='screen',
    )


def _rviz(given: dict[str, str], sim_time: bool) -> Action:
    return Node(
        package='rviz2',
        executable='rviz2',
        name='rviz2',
        namespace=given['namespace'],
        arguments=['-d', str(shared_file('config/rviz/spike_depth.rviz'))],
        parameters=[{'use_sim_time': sim_time}],
    )
