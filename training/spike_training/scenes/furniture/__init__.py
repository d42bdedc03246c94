# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Furniture of rooms and offices, one module for each kind: its sizes and how it is built.

Lengths are metres, angles radians; pairs are limits of a uniform distribution.
"""
