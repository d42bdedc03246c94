# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Predicted depth corrected by points whose depth the motion of the camera measures."""

from __future__ import annotations

import math

import numpy as np

from spike_depth_ros.base import opencv as cv2
from spike_depth_ros.estimator import MotionRefinement, Prediction
from spike_depth_ros.motion.field import fit_field
from spike_depth_ros.motion.points import Points
from spike_depth_ros.motion.pose import LEAST_POINTS
from spike_depth_ros.motion.tracks import Floats

LEAST_OF_FIELD = 60
"""Points from which on there is a field; with fewer there is one factor alone."""

OUTLINE = 0.1
"""Span of log depth within :data:`OUTLINE_PX` from which on a point lies on an outline."""

OUTLINE_PX = 2
"""Distance of an outline, pixels."""

OF_FIELD, OF_FACTOR = 0.87, 1.5
"""Factors on the uncertainty of the field and of the factor.

With them the interval holds 68 % of the pixels of the sequences that they are fitted on, near
points and far from them, by ``benchmarks.depth_from_motion --half first``.
"""

GATE = 3.0
"""Standard deviations from the map beyond which a point moves, or is wrong."""


def refine_by_motion(
    prediction: Prediction, points: Points, age_s: float = 0.0, metres: bool = True
) -> Prediction | str:
    """Correct a prediction by points: by one factor, and by a smooth field.

    Args:
        prediction: Prediction of the model, or with the scale of another source.
        points: Points at their places in the prediction's image.
        age_s: Time since the points were measured, seconds.
        metres: Take metres from the points, where they have them; else the median of the map
            stays as it is.

    Returns:
        The corrected prediction, or a reason why the points do not correct it.
    """
    chosen = _usable(prediction, points)
    if isinstance(chosen, str):
        return chosen
    log_depth = np.log(prediction.depth)
    columns, rows = points.places.round().astype(int)[chosen].T
    stated = prediction.relative_uncertainty
    own, variances = stated[rows, columns].astype(float), points.sigma[chosen] ** 2
    residuals = np.log(points.depth[chosen]) - _median_of_nine(log_depth)[rows, columns]
    # The map is the less certain of the two by far.
    factor, spread = _factor(residuals, own, variances)
    inliers = np.abs(residuals - factor) < GATE * np.hypot(own, np.sqrt(variances))
    if int(inliers.sum()) < LEAST_POINTS:
        return f'fewer than {LEAST_POINTS} points agree with the map'
    residuals, own, variances = (each[inliers] for each in (residuals, own, variances))
    factor, spread = _factor(residuals, own, variances)
    deviation = stated
    correction = np.zeros_like(log_depth)
    field = len(residuals) >= LEAST_OF_FIELD
    if field:
        correction, deviation = fit_field(
            points.places[chosen][inliers], residuals - factor, variances, log_depth, stated
        )
        deviation = np.float32(OF_FIELD) * deviation
    uncertainty = OF_FACTOR * math.hypot(spread, points.common)
    gives_metres = metres and points.metres
    if gives_metres:
        deviation = np.sqrt(deviation**2 + np.float32(uncertainty**2))
    else:
        factor, deviation = 0.0, stated  # of which most is of the unknown scale
        correction -= np.float32(np.nanmedian(correction))
    refined = MotionRefinement(
        factor=math.exp(factor) if gives_metres else 1.0,
        uncertainty=uncertainty if gives_metres else 0.0,
        points=len(residuals),
        parallax_px=points.parallax_px,
        age_s=age_s,
        field=field,
        metres=gives_metres,
    )
    return prediction.refined(refined, correction, deviation)


def _usable(prediction: Prediction, points: Points) -> Floats | str:
    """Return the numbers of the points inside the map and off outlines, or why there are none."""
    height, width = prediction.depth.shape
    columns, rows = points.places.round().astype(int).T
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    log_depth = np.log(prediction.depth)
    square = np.ones(2 * (2 * OUTLINE_PX + 1,), np.uint8)
    known = np.isfinite(log_depth)
    low = cv2.erode(np.where(known, log_depth, np.float32(math.inf)), square)
    high = cv2.dilate(np.where(known, log_depth, np.float32(-math.inf)), square)
    flat = known & (high - low < OUTLINE)
    inside[inside] = flat[rows[inside], columns[inside]]
    if int(inside.sum()) < LEAST_POINTS:
        return f'fewer than {LEAST_POINTS} points off outlines'
    return np.flatnonzero(inside)


def _median_of_nine(image: Floats) -> Floats:
    return cv2.medianBlur(np.asarray(image, np.float32), 3)


def _factor(residuals: Floats, own: Floats, variances: Floats) -> tuple[float, float]:
    """Return the weighted median of residuals, and its standard deviation."""
    weights = 1 / (own**2 + variances)
    order = np.argsort(residuals)
    total = np.cumsum(weights[order])
    middle = float(residuals[order][np.searchsorted(total, total[-1] / 2)])
    scatter = 1.4826 * float(np.median(np.abs(residuals - middle)))
    effective = weights.sum() ** 2 / (weights**2).sum()
    return middle, scatter / math.sqrt(float(effective))
