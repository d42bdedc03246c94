# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Format of a set of rendered rooms: names of its files and encoding of depth.

``training/spike_worlds/blender/make.py`` writes such sets, the reader ``rendered`` reads them.
"""

from __future__ import annotations

FORMAT = 'spike_depth_ros rendered rooms'
VERSION = 1
"""Number of the format; it grows with every change of files or of what they mean."""

MANIFEST = 'rooms.json'
"""File in the folder of the set: format, version, seed, size of the images."""

ATTRIBUTION = 'ATTRIBUTION.txt'
"""File in the folder of the set: authors and licences of the models."""

VIEW = 'view.json'
"""File of a view: camera matrix, times, pose, motion, light, and sizes of the other files."""

FRAMES = ('frame_0.jpg', 'frame_1.jpg')
"""Frames of a view; the depth is that of the first one."""

DEPTH = 'depth.png'
"""Depth along the optical axis, uint16."""

PER_METRE = 1000.0
"""Stored depth of one metre."""

SKY = 65535
"""Stored depth where nothing is within reach."""


def room_name(number: int) -> str:
    """Return the name of a room's folder."""
    return f'room_{number:05d}'


def view_name(number: int) -> str:
    """Return the name of a view's folder in that of its room."""
    return f'view_{number:02d}'
