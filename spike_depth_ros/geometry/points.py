# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Points of a depth image, in the optical frame of its camera."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spike_depth_ros.geometry.depth_values import FloatImage


def points_of_depth(
    depth: FloatImage,
    matrix: npt.ArrayLike,
    intensity: npt.NDArray[Any],
    organised: bool = False,
) -> FloatImage:
    """Return the points of a depth image of a pinhole camera, and what they look like.

    With the centres of pixels at integers, the pixel in column u and row v is seen at
    ``x = (u - cx) z / fx``, ``y = (v - cy) z / fy``: x to the right, y down, z forward (REP 103).

    Args:
        depth: Metres along the optical axis, ``[height, width]``; infinite or NaN where there is
            none (REP 117).
        matrix: K of the depth image, 3 x 3 or row by row, pixels.
        intensity: Brightness of its pixels, ``[height, width]``, in any unit.
        organised: Keep the pixels without depth.

    Returns:
        x, y, z, in metres, and intensity. ``[N, 4]``, row by row, of the pixels with depth;
        organised ``[height, width, 4]``, where x, y and z are NaN without depth.

    Raises:
        ValueError: The focal length is not above 0, or the sizes differ.
    """
    k = np.asarray(matrix, np.float64).reshape(3, 3)
    if not (k[0, 0] > 0 and k[1, 1] > 0):
        raise ValueError(
            f'focal length {k[0, 0]:g}, {k[1, 1]:g} pixels: expected above 0: calibrate the camera'
        )
    if intensity.shape != depth.shape:
        raise ValueError(
            f'intensity of shape {list(intensity.shape)}: expected {list(depth.shape)}, as depth'
        )
    height, width = depth.shape
    known = np.isfinite(depth)
    if not known.all():
        depth = np.where(known, depth, np.float32(np.nan))
    points = np.empty((height, width, 4), np.float32)
    x, y = ((np.arange(n) - k[i, 2]) / k[i, i] for i, n in enumerate((width, height)))
    np.multiply(depth, x.astype(np.float32), out=points[:, :, 0])
    np.multiply(depth, y.astype(np.float32)[:, None], out=points[:, :, 1])
    points[:, :, 2] = depth
    points[:, :, 3] = intensity
    if organised:
        return points
    listed = points.reshape(-1, 4)
    # Several times as fast as an index of bools.
    return listed if known.all() else listed.take(np.flatnonzero(known), axis=0)
