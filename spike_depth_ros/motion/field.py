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
import numpy.typing as npt

from spike_depth_ros.geometry.depth_values import FloatImage

Floats = npt.NDArray[np.float64]

PLACE = 0.2
"""Distance over which the field changes, in widths of the image."""

LEVEL = 0.3
"""Difference of log depth over which the field changes."""

AMPLITUDE = 0.7
"""Standard deviation of the field, in stated uncertainties of the map."""

NOISE = 0.4
"""Standard deviation of what no smooth field corrects, in stated uncertainties of the map."""

BOUND = 3.0
"""Largest correction, in stated uncertainties of the map."""

_ROWS, _COLUMNS, _LEVEL_STEP = 16, 24, 0.15
"""Nodes of the grid over the image, and the distance of its levels of log depth."""


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
    width = log_depth.shape[1]
    at = _features(places / width, log_depth[rows, columns].astype(np.float64))
    covariance = AMPLITUDE**2 * _kernel(at, at)
    covariance[np.diag_indices_from(covariance)] += variances / own**2 + NOISE**2
    precision = np.linalg.inv(covariance)
    weights = precision @ (residuals / own)
    known = np.isfinite(log_depth)
    grid = _Grid(log_depth, known)
    to_nodes = AMPLITUDE**2 * _kernel(grid.features, at)
    explained = (to_nodes @ precision * to_nodes).sum(1)
    mean, left = grid.slice([to_nodes @ weights, AMPLITUDE**2 - explained])
    correction = np.clip(mean, -BOUND, BOUND) * stated
    deviation = np.sqrt(np.maximum(left, 0)) * stated
    return correction.astype(np.float32), deviation.astype(np.float32)


def _features(places: Floats, levels: Floats) -> Floats:
    """Return what the kernel takes distances of: places in widths, and log depth."""
    found: Floats = np.column_stack([places / PLACE, levels / LEVEL])
    return found


def _kernel(one: Floats, other: Floats) -> Floats:
    """Return the correlation of each pair of features (squared exponential)."""
    squares = (one**2).sum(1)[:, None] + (other**2).sum(1) - 2 * one @ other.T
    found: Floats = np.exp(-0.5 * np.maximum(squares, 0))
    return found


class _Grid:
    """Nodes over the image and the levels of its log depth, and the way back to its pixels."""

    def __init__(self, log_depth: FloatImage, known: npt.NDArray[np.bool_]) -> None:
        height, width = log_depth.shape
        levels = log_depth[known]
        lowest = float(levels.min()) if levels.size else 0.0
        highest = float(levels.max()) if levels.size else 0.0
        self._shape = (_ROWS, _COLUMNS, int((highest - lowest) / _LEVEL_STEP) + 2)
        node_rows = np.linspace(0, height - 1, _ROWS)
        node_columns = np.linspace(0, width - 1, _COLUMNS)
        node_levels = lowest + _LEVEL_STEP * np.arange(self._shape[2])
        row, column, level = np.meshgrid(node_rows, node_columns, node_levels, indexing='ij')
        places = np.column_stack([column.ravel(), row.ravel()]) / width
        self.features = _features(places, level.ravel())
        self._known = known
        rows, columns = np.nonzero(known)
        self._at = (
            rows * ((_ROWS - 1) / max(height - 1, 1)),
            columns * ((_COLUMNS - 1) / max(width - 1, 1)),
            (levels.astype(np.float64) - lowest) / _LEVEL_STEP,
        )

    def slice(self, values: list[Floats]) -> list[FloatImage]:
        """Return values of the nodes at the pixels, linear between them; NaN where unknown."""
        firsts, rests = [], []
        for at, size in zip(self._at, self._shape, strict=True):
            first = np.minimum(at.astype(np.intp), size - 2)
            firsts.append(first)
            rests.append((at - first).astype(np.float32))
        _, columns, levels = self._shape
        base = (firsts[0] * columns + firsts[1]) * levels + firsts[2]
        stacked = np.stack(values, 1).astype(np.float32)
        total = np.zeros((len(base), len(values)), np.float32)
        for corner in range(8):
            row, column, level = corner >> 2, corner >> 1 & 1, corner & 1
            weight = np.ones(len(base), np.float32)
            for bit, rest in zip((row, column, level), rests, strict=True):
                weight *= rest if bit else 1 - rest
            total += weight[:, None] * stacked[base + (row * columns + column) * levels + level]
        found = []
        for k in range(len(values)):
            image = np.full(self._known.shape, np.nan, np.float32)
            image[self._known] = total[:, k]
            found.append(image)
        return found
