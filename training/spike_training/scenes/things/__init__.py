# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""People, plants and things that stand in several kinds of places, one module for each kind.

Lengths are metres, angles radians; pairs are limits of a uniform distribution. Each function adds
things at the poses of a frame, ``[B, k]``; its mask tells those that exist.
"""
