# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading rosbag2 recordings, what a damaged one still holds, and writing new ones."""
