# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading rosbag2 recordings, and what a damaged one still holds."""
