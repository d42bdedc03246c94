# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth from two spike cameras side by side: the node spike_stereo, with a cloud and RViz."""

from launch import LaunchDescription
from spike_depth_ros.nodes.parts.perception_launch import TWO_CAMERAS, PerceptionLaunch

FILL = 'depth of pixels without a match: mono or none; empty: as in params_file, else mono'


def generate_launch_description() -> LaunchDescription:
    """Arguments, the DDS profile for large messages, and the nodes."""
    return PerceptionLaunch(
        'spike_stereo',
        publishers=3,
        picture='left/image_rect',
        overrides={'fill': ('fill', FILL)},
        topics=TWO_CAMERAS,
    ).description()
