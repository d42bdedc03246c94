# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Warehouses, lobbies, corridors and stairwells, one module for each kind of furnishing.

Lengths are metres, angles radians; pairs are limits of a uniform distribution.
"""
