# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exposure and encoding of rendered images, and the choice of views, without Blender."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spike_worlds import rendered_set

Pixels = npt.NDArray[np.floating[Any]]

_LUMINANCE = (0.2126, 0.7152, 0.0722)
_BRIGHT = 95.0
_NEAREST_M, _MEDIAN_M, _SPAN, _FINITE = 0.18, 0.6, 1.5, 0.6


def meter(light: Pixels) -> float:
    """Return the mean luminance of linear light, ``[H, W, 3]``, above 0.

    What is brighter than 95 percent of the image counts as that, or one lamp would darken all.
    """
    luminance = light @ _LUMINANCE
    return max(float(np.minimum(luminance, np.percentile(luminance, _BRIGHT)).mean()), 1e-9)


def rate_view(depth: Pixels) -> float:
    """Return how good a view is; 1 or more: good.

    Nothing is too near, the middle is not too near, the depth varies, and not all is sky.

    Args:
        depth: ``[H, W]`` metres, infinite for sky.
    """
    finite = depth[np.isfinite(depth)]
    if finite.size == 0:
        return 0.0
    nearest, low, middle, high = np.percentile(finite, (2, 5, 50, 95))
    limits = (_NEAREST_M, _MEDIAN_M, _SPAN, _FINITE)
    found = (nearest, middle, high / max(low, 1e-6), finite.size / depth.size)
    return float(min(value / limit for value, limit in zip(found, limits, strict=True)))


def encode_srgb(light: Pixels) -> npt.NDArray[np.uint8]:
    """Encode linear light, 0 to 1, as sRGB (IEC 61966-2-1); above 1 it saturates."""
    light = np.clip(light, 0, 1)
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * curve), np.uint8)


def encode_depth(depth: Pixels) -> npt.NDArray[np.uint16]:
    """Encode depth, metres, as it is stored."""
    stored = np.clip(np.rint(depth * rendered_set.PER_METRE), 1, rendered_set.SKY - 1)
    return np.where(np.isfinite(depth), stored, rendered_set.SKY).astype(np.uint16)
