# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth from two cameras: their rig, matching, filling, and pairs of their windows."""
