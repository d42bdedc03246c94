# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth of points from the motion of the camera: tracks, motion, points, and a smooth field."""
