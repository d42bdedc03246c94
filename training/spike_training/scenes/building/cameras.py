# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Axes of cameras, and the solids that they may see."""

from __future__ import annotations

import numpy as np

from spike_training.scenes.building.sampler import Value, cos_sin
from spike_training.scenes.scene import Array

_HALF_IMAGE = 0.51  # of its width, a little to spare


def camera_axes(pitch: Array, yaw: Array, roll: Array) -> Array:
    """Return right, up and forward of cameras, ``[B, 3, 3]``; angles ``[B]`` in radians."""
    (cos_p, sin_p), (cos_y, sin_y), (cos_r, sin_r) = cos_sin(pitch), cos_sin(yaw), cos_sin(roll)
    zeros = np.zeros_like(cos_p)
    forward = np.stack([sin_y * cos_p, sin_p, cos_y * cos_p], -1)
    level = np.stack([cos_y, zeros, -sin_y], -1)
    raised = np.stack([-sin_y * sin_p, cos_p, -cos_y * sin_p], -1)
    right = cos_r[:, None] * level - sin_r[:, None] * raised
    up = sin_r[:, None] * level + cos_r[:, None] * raised
    axes: Array = np.stack([right, up, forward], 1)
    return axes


def visible(
    solids: dict[str, Array], eye: Array, axes: Array, focal: Array, distance: Value
) -> dict[str, Array]:
    """Return the solids that a camera may see, moved to the front of their arrays.

    Args:
        solids: Fields of ``Scenes`` that describe solids.
        eye: Camera position, ``[B, 3]``.
        axes: Its right, up and forward, ``[B, 3, 3]``.
        focal: Focal length over image width, ``[B]``.
        distance: Solids nearer to the eye than this are taken away too, metres; of all scenes, or
            of each, ``[B, 1]``.
    """
    half = solids['half']
    away = eye[:, None] - solids['centre']
    c, s = solids['heading'][..., 0], solids['heading'][..., 1]
    x, z = c * away[..., 0] - s * away[..., 2], s * away[..., 0] + c * away[..., 2]
    gaps = [
        np.maximum(np.abs(part) - half[..., axis], 0)
        for axis, part in enumerate((x, away[..., 1], z))
    ]
    mask = gaps[0] * gaps[0] + gaps[1] * gaps[1] + gaps[2] * gaps[2] >= distance * distance
    # A ball around the solid against the planes through the eye and the image's left and right.
    reach = np.sqrt(
        half[..., 0] * half[..., 0] + half[..., 1] * half[..., 1] + half[..., 2] * half[..., 2]
    )
    aside, ahead = (
        away[..., 0] * axis[:, :1] + away[..., 1] * axis[:, 1:2] + away[..., 2] * axis[:, 2:]
        for axis in (axes[:, 0], -axes[:, 2])
    )
    tangent = (_HALF_IMAGE / focal)[:, None]
    outside = np.abs(aside) - tangent * ahead > reach * np.sqrt(1 + tangent * tangent)
    mask &= ~outside & (ahead > -reach) & (solids['kind'] >= 0)
    order = np.argsort(~mask, axis=1, kind='stable')[:, : max(int(mask.sum(1).max()), 1)]
    rows = np.arange(len(eye))[:, None]
    seen = {name: array[rows, order] for name, array in solids.items()}
    seen['kind'] = np.where(mask[rows, order], seen['kind'], np.int8(-1))
    return seen
