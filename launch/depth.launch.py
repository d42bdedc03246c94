# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth from a spike camera: the node spike_depth, optionally with a point cloud and RViz."""

from launch.actions import DeclareLaunchArgument, LogInfo, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import ComposableNodeContainer, Node
from launch_ros.descriptions import ComposableNode
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription
from spike_depth_ros.nodes.process import dds_environment, shared_file

ARGUMENTS = {
    'params_file': (
        PathJoinSubstitution([FindPackageShare('spike_depth_ros'), 'config', 'spike_depth.yaml']),
        'YAML file of node parameters',
    ),
    'checkpoint': ('', 'model file, or the name of a shipped model; empty: dpt_tiny'),
    'device': ('auto', 'auto, cpu or cuda'),
    'reliability': ('reliable', 'asked of the spike publisher: reliable or best_effort'),
    'namespace': ('', 'namespace of all nodes'),
    'use_sim_time': ('false', 'take time from /clock'),
    'autostart': ('true', 'configure and activate the node at start'),
    'respawn': ('false', 'start the node again if it dies'),
    'log_level': ('info', 'debug, info, warn, error'),
    'rviz': ('false', 'open RViz'),
    'pointcloud': ('false', 'turn depth into a point cloud (package depth_image_proc)'),
}


def generate_launch_description() -> LaunchDescription:
    """Arguments, the DDS profile for large messages, and the nodes."""
    variables, warnings = dds_environment(
        shared_file('config/dds/shared_memory.xml'), publishers=2
    )
    given = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    depth = Node(
        package='spike_depth_ros',
        executable='spike_depth',
        name='spike_depth',
        namespace=given['namespace'],
        parameters=[
            given['params_file'],
            {
                'checkpoint': given['checkpoint'],
                'device': given['device'],
                'spikes.reliability': given['reliability'],
                'use_sim_time': given['use_sim_time'],
                'autostart': given['autostart'],
            },
        ],
        arguments=['--ros-args', '--log-level', given['log_level']],
        respawn=given['respawn'],
        respawn_delay=2.0,
        output='screen',
    )
    cloud = ComposableNodeContainer(
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
                parameters=[{'use_sim_time': given['use_sim_time']}],
            )
        ],
        condition=IfCondition(given['pointcloud']),
        output='screen',
    )
    rviz = Node(
        package='rviz2',
        executable='rviz2',
        name='rviz2',
        namespace=given['namespace'],
        arguments=['-d', str(shared_file('config/rviz/spike_depth.rviz'))],
        parameters=[{'use_sim_time': given['use_sim_time']}],
        condition=IfCondition(given['rviz']),
    )
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in ARGUMENTS.items()
            ),
            *(SetEnvironmentVariable(name, value) for name, value in variables.items()),
            *(LogInfo(msg=f'warning: {warning}') for warning in warnings),
            depth,
            cloud,
            rviz,
        ]
    )
