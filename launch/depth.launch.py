# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth from a spike camera: the node spike_depth, optionally with a point cloud and RViz."""

from launch import LaunchDescription
from spike_depth_ros.nodes.parts.perception_launch import PerceptionLaunch


def generate_launch_description() -> LaunchDescription:
    """Arguments, the DDS profile for large messages, and the nodes."""
    return PerceptionLaunch('spike_depth', publishers=2, picture='spikes/image').description()
