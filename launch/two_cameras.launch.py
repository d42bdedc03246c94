# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth from two spike cameras: depth.launch.py in two namespaces. Copy and change CAMERAS.

Arguments of depth.launch.py are for both; parameters of one of them are in its section of
``params_file``, such as ``/left/spike_depth``.
"""

from launch.actions import GroupAction, IncludeLaunchDescription
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import PushRosNamespace
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription
from spike_depth_ros.nodes.parts import launching

CAMERAS = ('left', 'right')
"""Namespaces, in which the drivers publish ``spikes`` and ``camera_info``."""


def generate_launch_description() -> LaunchDescription:
    """Start a depth node for each camera, with shared memory for both and their drivers."""
    depth = PathJoinSubstitution(
        [FindPackageShare('spike_depth_ros'), 'launch', 'depth.launch.py']
    )
    # In a group, what one sets does not reach the other.
    groups = [
        GroupAction([PushRosNamespace(camera), IncludeLaunchDescription(depth)])
        for camera in CAMERAS
    ]
    actions = [*launching.dds_profile(publishers=2 * len(CAMERAS)), *groups]
    return launching.describe({}, actions)
