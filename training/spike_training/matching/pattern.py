# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Deviations of pixels that last from window to window: the sensor's, not the scene's."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_FLOOR = 0.01  # added to rates that are divided by
_NEIGHBOURS = 5  # pixels per side of the surroundings of a pixel
_HOT = 0.5  # deviation from the neighbours
_ALWAYS = 0.9  # share of the windows


def lasting_pattern(rate: npt.NDArray[np.float32]) -> tuple[Floats, float]:
    """Compute the lasting deviations of pixels in the darker and the brighter half, and hot ones.

    The variance of the lasting deviation is the mean product of a pixel's deviations in two
    different windows: what the scene does there differs between windows and averages out.

    Args:
        rate: Firing rates of windows of different moments, ``[N, H, W]``.

    Returns:
        Standard deviations of pixels that are not hot, ``[2]``, and the share of hot pixels, which
        are brighter than their neighbours in nearly all windows.
    """
    around = np.stack([cv2.medianBlur(one, _NEIGHBOURS) for one in rate])
    deviation = ((rate - around) / (around + _FLOOR)).clip(-1, 1)
    hot = (deviation > _HOT).mean(axis=0) >= _ALWAYS
    dark = around <= np.median(around)
    found = []
    for chosen in (dark & ~hot, ~dark & ~hot):
        number = chosen.sum(axis=0)
        part = np.where(chosen, deviation, 0)
        products = part.sum(axis=0) ** 2 - (part**2).sum(axis=0)
        pairs = (number * (number - 1)).sum()
        found.append(np.sqrt(max(float(products.sum()) / max(pairs, 1), 0.0)))
    return np.array(found), float(hot.mean())
