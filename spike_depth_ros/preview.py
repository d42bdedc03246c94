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


def render(window: Window, method: Method = 'interval') -> npt.NDArray[np.uint8]:
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
    return _render_mean(window)


def _render_interval(window: Window) -> npt.NDArray[np.uint8]:
    """Render TFI; the mean of the window where a pixel has no spike on one of both sides."""
    data, first = window.data, window.reference_plane + 1
    # For each plane, the pixels that fire between it and the reference plane. The interval of a
    # pixel is one plane longer than the number of planes from which it does not.
    fired = data.copy()
    for plane in range(first - 2, -1, -1):
        fired[plane] |= fired[plane + 1]
    for plane in range(first + 1, len(data)):
        fired[plane] |= fired[plane - 1]
    intervals = np.arange(window.planes + 1, 0, -1)
    shade = np.take(_shades(1 / intervals), _counts(fired, window))
    known = fired[0] & fired[-1] if first < len(data) else np.zeros_like(fired[0])
    geometry = window.geometry
    bits = packing.unpack(known[None], geometry.width, geometry.bit_order)[0]
    return shade if bits.all() else np.where(bits, shade, _render_mean(window))


def _render_mean(window: Window) -> npt.NDArray[np.uint8]:
    """Render the mean of all planes."""
    rates = np.arange(window.planes + 1) / window.planes
    return np.take(_shades(rates), _counts(window.data, window))


def _counts(data: npt.NDArray[np.uint8], window: Window) -> npt.NDArray[np.integer[Any]]:
    return packing.spike_counts(data, window.geometry.width, window.geometry.bit_order)


def _shades(rate: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Encode firing rates, 0 to 1, as grey values."""
    shades: npt.NDArray[np.uint8] = np.rint(255 * rate ** (1 / GAMMA)).astype(np.uint8)
    return shades
