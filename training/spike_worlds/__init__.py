# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Worlds with exact depth: procedural scenes, and in ``blender`` furnished rooms.

In the constants of the recipes lengths are metres, angles radians, ``a / b`` a ratio; pairs are
limits of a uniform distribution, unless they are said to be uniform over ratios. ``half`` sizes
are those from the middle of a solid to its faces.
"""
