# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth from two cameras: their rig, matching, filling, and pairs of their windows."""

EYES = ('left', 'right')
"""Both cameras, as in the names of their topics, in the order of their numbers."""
