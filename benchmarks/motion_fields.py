# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Other corrections of a depth map by points than the product's, and other poses, to compare them.

Fields are functions as ``spike_depth_ros.motion.field.fit_field``, and poses as
``spike_depth_ros.motion.pose.refine``.
"""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np

from benchmarks.motion_windows import Depth, Floats
from spike_depth_ros.motion.field import LEVEL, NOISE, PLACE, fit_field
from spike_depth_ros.motion.pose import Motion, Prior, by_points, refine

STEP = 2
"""Pixels between those at which the regression is computed."""

RADIUS, EPSILON = 0.15, 0.03
"""Half the side of the guided filter's squares in widths of the image, and its regularisation."""

FIXED = Prior(1e-7, 1e-7)

Field = tuple[Depth, Depth]


def at(places: Floats, image: Depth) -> Floats:
    """Values of an image at points."""
    columns, rows = places.round().astype(int).T
    found: Floats = image[rows, columns].astype(np.float64)
    return found


def trust(places: Floats, variances: Floats, stated: Depth) -> Floats:
    """Weights of points, as the product's field has them."""
    weights: Floats = 1 / (variances + (NOISE * at(places, stated)) ** 2)
    return weights


def middle(residuals: Floats, weights: Floats) -> float:
    """Weighted median."""
    order = np.argsort(residuals)
    total = np.cumsum(weights[order])
    return float(residuals[order][np.searchsorted(total, total[-1] / 2)])


def no_field(
    places: Floats, residuals: Floats, variances: Floats, log_depth: Depth, stated: Depth
) -> Field:
    """One factor alone: the weighted median."""
    return np.full_like(log_depth, middle(residuals, trust(places, variances, stated))), stated


def scale_and_shift(
    places: Floats, residuals: Floats, variances: Floats, log_depth: Depth, stated: Depth
) -> Field:
    """Scale and shift of inverse depth, with the least squared error of points."""
    inverse = np.exp(-at(places, log_depth))
    wanted = inverse * np.exp(-residuals)
    root = np.sqrt(trust(places, variances, stated)) / wanted
    features = np.stack([inverse, np.ones_like(inverse)], 1) * root[:, None]
    scale, shift = np.linalg.lstsq(features, wanted * root, rcond=None)[0]
    whole = np.exp(-log_depth)
    fitted = np.maximum(scale * whole + shift, 0.1 * whole)
    return np.log(whole / fitted).astype(np.float32), stated


def kernel_regression(
    places: Floats, residuals: Floats, variances: Floats, log_depth: Depth, stated: Depth
) -> Field:
    """Mean of the points' residuals, by the kernels of the product's field."""
    height, width = log_depth.shape
    rows, columns = np.mgrid[0:height:STEP, 0:width:STEP]
    levels = log_depth[::STEP, ::STEP].ravel() / LEVEL
    unit = width * PLACE
    squares = (
        (columns.reshape(-1, 1) / unit - places[:, 0] / unit) ** 2
        + (rows.reshape(-1, 1) / unit - places[:, 1] / unit) ** 2
        + (levels[:, None] - at(places, log_depth) / LEVEL) ** 2
    )
    weights = np.exp(-0.5 * squares.astype(np.float32))
    trusted = trust(places, variances, stated)
    weights *= trusted.astype(np.float32)
    factor = middle(residuals, trusted)
    moved = (residuals - factor).astype(np.float32)
    found = factor + weights @ moved / (weights.sum(1) + 1e-9)
    small = found.reshape(rows.shape).astype(np.float32)
    return cv2.resize(small, (width, height)), stated


def guided_filter(
    places: Floats, residuals: Floats, variances: Floats, log_depth: Depth, stated: Depth
) -> Field:
    """Guided filter of the residuals by log depth (He et al., "Guided Image Filtering").

    In each square the residual is linear in log depth, with the least squared error of its points.
    """
    size = 2 * (2 * round(RADIUS * log_depth.shape[1]) + 1,)
    columns, rows = places.round().astype(int).T
    sums = np.zeros((5, *log_depth.shape))
    values = at(places, log_depth)
    weights = trust(places, variances, stated)
    factor = middle(residuals, weights)
    moved = residuals - factor
    for total, each in zip(sums, (1, values, values**2, moved, values * moved), strict=True):
        np.add.at(total, (rows, columns), weights * each)

    def boxes(image: Floats) -> Floats:
        found: Floats = cv2.boxFilter(image, -1, size, normalize=False, borderType=0)
        return found

    total, first, second, residual, product = map(boxes, sums)
    known = np.maximum(total, 1e-9)
    centre, level = first / known, residual / known
    slope = (product / known - centre * level) / (second / known - centre**2 + EPSILON)
    shift = level - slope * centre
    # Squares without a point say nothing.
    over = np.maximum(boxes(total), 1e-9)
    slope, shift = boxes(total * slope) / over, boxes(total * shift) / over
    return (factor + slope * log_depth + shift).astype(np.float32), stated


FIELDS = {
    'one factor': no_field,
    'scale and shift of inverse depth': scale_and_shift,
    'kernel regression': kernel_regression,
    'guided filter': guided_filter,
    'Gaussian process': fit_field,
}


def as_it_is(
    first: Floats, second: Floats, camera: Floats, start: Motion, prior: Prior = FIXED
) -> Motion:
    """The pose of odometry, which points do not change."""
    if not start.metres:
        return refine(first, second, camera, start, prior)
    found = refine(first, second, camera, start, FIXED)
    return dataclasses.replace(found, rotation_rad=prior.rotation_rad)


def essential_matrix(
    first: Floats, second: Floats, camera: Floats, start: Motion, prior: Prior = FIXED
) -> Motion:
    """The pose that points give without a start, with odometry's length."""
    found = by_points(first, second, camera)
    if found is None:
        return dataclasses.replace(start, epipolar_px=math.inf)
    shift = found.shift * np.linalg.norm(start.shift)
    start = dataclasses.replace(start, rotation=found.rotation, shift=shift)
    return as_it_is(first, second, camera, start, prior)


POSES = {
    'as it is': as_it_is,
    'refined': refine,
    'essential matrix alone': essential_matrix,
}
