# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Labels from two passes of a model, of a picture and of its mirror image."""

from __future__ import annotations

import numpy as np

from spike_depth_ros.evaluation.metrics import fitted
from spike_training.datasets.clip import Depth

FARTHEST = 100.0
"""Relative depth of the smallest disparity of a picture; that of the largest one is 1."""

_RANGE = (2, 98)
"""Percentiles of disparity between which its range is measured."""
_FLAT = 1e-3
"""Range, as a share of the largest value, below which a map shows nothing."""


def merge(direct: Depth, mirrored: Depth, relative: bool, agreement: float) -> Depth:
    """Return the mean of two passes where they agree.

    Of a relative model, the mirrored pass is first aligned by least squares (scale and shift). A
    map that is the same everywhere, which a picture without content or a network without training
    gives, agrees nowhere.

    Args:
        direct: ``[H, W]``, the model's values for the picture: disparity or metres.
        mirrored: The same for the mirrored picture, mirrored back.
        relative: True for disparity up to scale and shift.
        agreement: Largest difference: a share of the direct range of disparity, or of the metres.

    Returns:
        ``[H, W]`` float32 of the model's values; NaN where the passes differ, or are not finite.
    """
    first, second = direct.astype(np.float64), mirrored.astype(np.float64)
    kept = np.isfinite(first) & np.isfinite(second)
    label = np.full(direct.shape, np.nan, np.float32)
    if not kept.any():
        return label
    known = first[kept]
    low, high = np.percentile(known, _RANGE)
    if high - low <= _FLAT * np.abs(known).max():
        return label
    limit = agreement * (high - low) if relative else agreement * first
    with np.errstate(invalid='ignore'):  # of NaN and infinity, which are not kept
        if relative:
            second = fitted(second, first, kept, least_scale=0.0)
        kept &= np.abs(first - second) <= limit
        mean = (first + second) / 2
    if not relative:
        kept &= mean > 0
    label[kept] = mean[kept]
    return label


def relative_depth(disparity: Depth) -> Depth:
    """Convert disparity up to scale and shift to relative depth.

    Depth is 1 / disparity, once the kept values are mapped affinely from their smallest and
    largest to 0.01 and 1. Nothing is cut off: 1 / depth is the same disparity up to scale and
    shift, which is all that is known.

    Args:
        disparity: ``[H, W]``, NaN unknown.

    Returns:
        ``[H, W]`` float32, 1 to :data:`FARTHEST`, NaN unknown; all of it where all values are
        equal.
    """
    known = np.isfinite(disparity)
    depth = np.full(disparity.shape, np.nan, np.float32)
    values = disparity[known].astype(np.float64)
    if values.size and (span := np.ptp(values)) > 0:
        share = (values - values.min()) / span
        depth[known] = 1 / (1 / FARTHEST + (1 - 1 / FARTHEST) * share)
    return depth
