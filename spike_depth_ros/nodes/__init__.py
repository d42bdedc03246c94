# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 side: the only modules that import rclpy and message packages."""
