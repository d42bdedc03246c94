# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Smooth correction of a depth map by points: a Gaussian process over place and log depth.

As it depends on the depth of the map beside the place, what a point says of a wall says little of
the chair before it: the field does not cross steps. The anchor is Wofk et al., "Monocular
Visual-Inertial Depth Estimation", which learns a dense map of scales from points; the process is
that of Rasmussen and Williams, "Gaussian Processes for Machine Learning", eq. 2.25 and 2.26, and
the grid on which it is computed that of Chen et al., "Real-time Edge-Aware Image Processing with
the Bilateral Grid".
"""

from __future__ import annotations

import numpy as np

from spike_depth_ros.base import opencv as cv2
from spike_depth_ros.geometry.depth_values import FloatImage
from spike_depth_ros.motion.tracks import Floats

PLACE = 0.2
"""Distance over which the field changes, in widths of the image."""

LEVEL = 0.3
"""Difference of log depth over which the field changes."""

COMMON = 0.7
"""Standard deviation of what the field has in common, in stated uncertainties of the map."""

AMPLITUDE = 0.7
"""Standard deviation of the rest of the field, in stated uncertainties of the map."""

NOISE = 0.4
"""Standard deviation of what no smooth field corrects, in stated uncertainties of the map."""

BOUND = 3.0
"""Largest correction, in stated uncertainties of the map."""

_ROWS, _COLUMNS, _LEVEL_STEP = 8, 12, 0.15
"""Nodes of the grid over the image, and the distance of its levels of log depth: half of what the
field changes over."""


def fit_field(
    places: Floats,
    residuals: Floats,
    variances: Floats,
    log_depth: FloatImage,
    stated: FloatImage,
) -> tuple[FloatImage, FloatImage]:
    """Return the field that corrects the logarithm of a depth map, and what remains uncertain.

    Args:
        places: Columns and rows of points, ``[N, 2]`` pixels, within the map.
        residuals: Log depth of the points less that of the map, ``[N]``.
        variances: Of the points' log depth, ``[N]``.
        log_depth: Logarithm of the map, ``[H, W]``; NaN unknown.
        stated: Relative uncertainty of the map, ``[H, W]``, above 0; NaN unknown.

    Returns:
        The correction, ``[H, W]`` float32, and the standard deviation of log depth after it.
    """
    columns, rows = places.round().astype(int).T
    own = stated[rows, columns].astype(np.float64)
    height, width = log_depth.shape
    at, levels = (
        places / width / PLACE,
        log_depth[rows, columns].astype(np.float64)[:, None] / LEVEL,
    )
    covariance = COMMON**2 + AMPLITUDE**2 * _kernel(at, at) * _kernel(levels, levels)
    covariance[np.diag_indices_from(covariance)] += variances / own**2 + NOISE**2
    precision = np.linalg.inv(covariance)
    weights = precision @ (residuals / own)
    lowest = float(np.nanmin(log_depth))
    nodes = lowest + _LEVEL_STEP * np.arange(
        int((float(np.nanmax(log_depth)) - lowest) / _LEVEL_STEP) + 2
    )
    row, column = np.mgrid[0 : height - 1 : _ROWS * 1j, 0 : width - 1 : _COLUMNS * 1j]
    # The kernel is a product: it is computed over the image and over the levels apart.
    over_image = _kernel(np.column_stack([column.ravel(), row.ravel()]) / width / PLACE, at)
    over_image = over_image.astype(np.float32)  # half of the time
    over_levels = _kernel(nodes[:, None] / LEVEL, levels).astype(np.float32)
    precision, weights = precision.astype(np.float32), weights.astype(np.float32)
    grid = np.empty((len(nodes), _ROWS * _COLUMNS, 2), np.float32)
    for node, level in zip(grid, over_levels, strict=True):
        to_points = COMMON**2 + AMPLITUDE**2 * over_image * level
        node[:, 0] = to_points @ weights
        node[:, 1] = COMMON**2 + AMPLITUDE**2 - (to_points @ precision * to_points).sum(1)
    mean, left = _slice(grid, (log_depth - np.float32(lowest)) / np.float32(_LEVEL_STEP))
    return (
        np.clip(mean, -BOUND, BOUND) * stated,
        np.sqrt(np.maximum(left, 0)) * stated,
    )


def _kernel(one: Floats, other: Floats) -> Floats:
    """Return the correlation of each pair of features (squared exponential)."""
    squares = (one**2).sum(1)[:, None] + (other**2).sum(1) - 2 * one @ other.T
    found: Floats = np.exp(-0.5 * np.maximum(squares, 0))
    return found


def _slice(grid: FloatImage, levels: FloatImage) -> tuple[FloatImage, FloatImage]:
    """Return both values of a grid at the pixels of an image, linear between its nodes.

    Args:
        grid: ``[levels, rows * columns, 2]``.
        levels: Number of the level of each pixel, with the part beyond it, ``[H, W]``; NaN:
            unknown.

    Returns:
        ``[H, W]`` each; NaN where the level is unknown.
    """
    height, width = levels.shape
    below = np.floor(np.nan_to_num(levels)).clip(0, len(grid) - 2)
    above = levels - below
    column = np.linspace(0, _COLUMNS - 1, width, dtype=np.float32)
    row = np.linspace(0, _ROWS - 1, height, dtype=np.float32)
    columns = np.broadcast_to(column, (height, width))
    rows = row[:, None] + _ROWS * below
    tiles = grid.reshape(-1, _COLUMNS, 2)
    one, other = (
        cv2.remap(tiles, columns, rows + _ROWS * more, cv2.INTER_LINEAR) for more in (0, 1)
    )
    found = one + above[..., None] * (other - one)
    return found[..., 0], found[..., 1]
