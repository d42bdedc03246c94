# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Furnished rooms, rendered by Blender in an environment of its own (docs/reference/rooms.md)."""
