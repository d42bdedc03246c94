# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ROS 2 nodes: the only modules that import rclpy and message packages."""
