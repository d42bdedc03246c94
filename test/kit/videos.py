# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Videos of a varying rate or with a mark that turns them: files of OpenCV, changed by bytes."""

import struct

import cv2
import numpy as np

PARENTS = (b'moov', b'trak', b'mdia', b'minf', b'stbl')
TICKS_S = 12_800
"""Ticks of a second in what OpenCV writes at 25 frames a second."""

UPRIGHT = (1, 0, 0, 1)
MATRICES = {1: UPRIGHT, 6: (0, 1, -1, 0), 3: (-1, 0, 0, -1), 8: (0, -1, 1, 0)}
"""Matrix of a turn by its orientation in EXIF: ISO 14496-12, 6.2.2."""


def write_mp4(path, images, times_s=None, matrix=UPRIGHT):
    """Write a video of BGR images.

    Args:
        path: The .mp4 file.
        images: ``[H, W, 3]`` uint8 each.
        times_s: Times of the images, and the end of the last one; 25 a second if not given.
        matrix: a, b, c, d of the track's matrix.
    """
    height, width = images[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 25, (width, height))
    for image in images:
        writer.write(image)
    writer.release()
    fields = {}
    if times_s is not None:
        ticks = np.diff(np.rint(np.array(times_s) * TICKS_S).astype(int))
        table = struct.pack('>II', 0, len(ticks))
        fields[b'stts'] = table + b''.join(struct.pack('>II', 1, tick) for tick in ticks)
    path.write_bytes(_changed(path.read_bytes(), fields, matrix, times_s is not None))
    return path


def _changed(content, fields, matrix, without_edits):
    """The boxes, some of them with another content; the frames lie before what changes."""
    found, place = b'', 0
    while place < len(content):
        size, kind = struct.unpack('>I4s', content[place : place + 8])
        inner = content[place + 8 : place + size]
        if kind in PARENTS:
            inner = _changed(inner, fields, matrix, without_edits)
        elif kind == b'tkhd':
            a, b, c, d = (value << 16 for value in matrix)
            inner = inner[:40] + struct.pack('>9i', a, b, 0, c, d, 0, 0, 0, 1 << 30) + inner[76:]
        elif kind == b'edts' and without_edits:
            kind = b'free'
        inner = fields.get(kind, inner)
        found += struct.pack('>I4s', 8 + len(inner), kind) + inner
        place += size
    return found
