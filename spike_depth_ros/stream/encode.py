# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From predictions and cameras to the fields of messages that are published, without ROS."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spike_depth_ros.estimator import Prediction
from spike_depth_ros.metrics import BEYOND
from spike_depth_ros.stream.decode import FloatImage

TOO_NEAR = 1.02
"""A depth up to this multiple of the model's minimum is published as -Inf (REP 117)."""


def published_depth(prediction: Prediction, max_relative: float = 0.0) -> FloatImage:
    """Depth as the topic shows it (REP 117).

    Args:
        prediction: What the estimator said.
        max_relative: Depth is NaN where uncertainty / depth is above this; 0 masks nothing.

    Returns:
        Metres, ``[height, width]``; -Inf too near, +Inf beyond range, NaN invalid or masked.
    """
    near, far = prediction.depth_range
    depth = prediction.depth.copy()
    if max_relative > 0:
        depth[prediction.uncertainty > max_relative * prediction.depth] = np.nan
    depth[depth <= TOO_NEAR * near] = -np.inf
    depth[depth >= BEYOND * far] = np.inf
    return depth


def scaled_matrix(values: npt.ArrayLike, columns: int, binning: int) -> list[float]:
    """A camera matrix for an image whose pixels are ``binning`` x ``binning`` sensor pixels.

    Pixel centres are at whole numbers, so the principal point moves by half a pixel.

    Args:
        values: K (3 x 3) or P (3 x 4), row by row; of zeros where the camera is not calibrated.
        columns: 3 or 4.
        binning: Sensor pixels per pixel along each axis.
    """
    matrix = np.array(values, np.float64).reshape(3, columns)
    if matrix[0, 0] != 0 and binning != 1:
        matrix[:2, 2] = (matrix[:2, 2] + 0.5) / binning - 0.5
        matrix[[0, 1], [0, 1]] /= binning
        if columns == 4:
            matrix[:2, 3] /= binning
    return [float(value) for value in matrix.ravel()]
