# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Offices: rooms with blocks of desks, one module for each kind of furniture.

Lengths are metres, angles radians; pairs are limits of a uniform distribution.
"""
