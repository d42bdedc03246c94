# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rooms and offices: sizes, cameras, walls, and the order in which they are furnished."""
