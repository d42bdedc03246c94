# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Procedural scenes: drawn at random, rendered with exact depth.

In the constants of the recipes, lengths are metres and angles radians; pairs are limits of a
uniform distribution, unless they are said to be uniform over ratios. ``half`` sizes are those from
the middle of a solid to its faces.
"""
