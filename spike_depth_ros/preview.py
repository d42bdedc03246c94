# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Grey preview picture of a window."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spike_depth_ros.stream import packing
from spike_depth_ros.stream.window import Window

GAMMA = 2.2
"""Exponent of the gamma encoding: firing rates are linear in luminance, displays are not."""


def render(window: Window) -> npt.NDArray[np.uint8]:
    """Render the firing rate of each pixel over the whole window, gamma-encoded.

    The mapping is the same for every window, so that brightness does not flicker: 255 for a pixel
    that fires in every plane, 52 for a rate of 0.03 (a dark scene).

    Returns:
        ``[height, width]`` uint8.
    """
    counts = packing.spike_counts(window.data, window.geometry.width, window.geometry.bit_order)
    rate = np.arange(window.planes + 1) / window.planes
    shade: npt.NDArray[np.uint8] = np.rint(255 * rate ** (1 / GAMMA)).astype(np.uint8)
    return np.take(shade, counts)
