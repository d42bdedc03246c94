# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Grey preview picture of a window, without learning.

Each method estimates the firing rate of the pixels at the reference plane, which is linear in
luminance, and encodes it with one gamma curve for all windows: brightness does not flicker, and a
window without spikes is black.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from spike_depth_ros.stream import packing
from spike_depth_ros.stream.window import Window

Method = Literal['rate', 'short', 'interval']
"""``rate``: mean of the whole window; ``short``: mean of the :data:`SHORT_PLANES` planes around
the reference plane (texture from playback, TFP; Zhu et al., "A Retina-Inspired Sampling Method for
Visual Texture Reconstruction"); ``interval``: inverse of the interval between the spikes before
and after the reference plane (texture from inter-spike intervals, TFI, ibid.)."""

METHODS: tuple[Method, ...] = get_args(Method)

SHORT_PLANES = 21
"""Planes of ``short``; of 7, 11, 21, 41 and 128 the best number on the SREDS clips by PSNR."""

GAMMA = 2.2
"""Exponent of the gamma encoding: firing rates are linear in luminance, displays are not."""


def render(window: Window, method: Method = 'short') -> npt.NDArray[np.uint8]:
    """Render the gamma-encoded firing rate of each pixel at the reference plane.

    255 is a pixel that fires in every plane, 52 one with a rate of 0.03 (a dark scene).

    Args:
        window: Planes. A window shorter than a method's is used whole.
        method: Estimate of the firing rate.

    Returns:
        ``[height, width]`` uint8.
    """
    if method == 'interval':
        return _render_interval(window)
    if method == 'short':
        window = window.middle(min(SHORT_PLANES, window.planes))
    return np.take(
        _shades(np.arange(window.planes + 1) / window.planes), _counts(window.data, window)
    )


def _render_interval(window: Window) -> npt.NDArray[np.uint8]:
    """Render TFI; the mean of the window where a pixel has no spike on one of both sides."""
    first = window.reference_plane + 1
    before, after = window.data[:first][::-1], window.data[first:]
    # Planes between the reference plane and the spike before it; all where there is none.
    back, ahead = _planes_without_spike(before, window), _planes_without_spike(after, window)
    shade = np.take(_shades(1 / np.arange(1, window.planes + 2)), back + ahead)
    unknown = (back == len(before)) | (ahead == len(after))
    mean = _shades(np.arange(window.planes + 1) / window.planes)
    return np.where(unknown, np.take(mean, _counts(window.data, window)), shade)


def _planes_without_spike(data: npt.NDArray[np.uint8], window: Window) -> npt.NDArray[np.intp]:
    """Count the planes before each pixel's first spike, ``[height, width]``; at most all."""
    if not len(data):
        return np.zeros((window.geometry.height, window.geometry.width), np.intp)
    fired = np.bitwise_or.accumulate(data, axis=0)
    return len(data) - _counts(fired, window).astype(np.intp)


def _counts(data: npt.NDArray[np.uint8], window: Window) -> npt.NDArray[np.integer[Any]]:
    return packing.spike_counts(data, window.geometry.width, window.geometry.bit_order)


def _shades(rate: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Encode firing rates, 0 to 1, as grey values."""
    shades: npt.NDArray[np.uint8] = np.rint(255 * rate ** (1 / GAMMA)).astype(np.uint8)
    return shades
