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
"""``rate``: mean of the whole window. ``short``: mean of the :data:`SHORT_PLANES` planes around
the reference plane (texture from playback, TFP; Zhu et al., "A Retina-Inspired Sampling Method for
Visual Texture Reconstruction"). ``interval``: number of inter-spike intervals over their duration,
for the fewest intervals of each pixel that cover :data:`COVERED_PLANES` planes around the
reference plane; the mean of the window where a pixel has spikes on one side only. With one
interval that is texture from inter-spike intervals (TFI, ibid.); several average what the pixel's
clock rounds."""

METHODS: tuple[Method, ...] = get_args(Method)

SHORT_PLANES = 21
"""Planes of ``short``; of 7, 11, 21, 41 and 128 the best number on the SREDS clips by PSNR."""

COVERED_PLANES = 8
"""Planes that the intervals of ``interval`` cover at least; the best even number there."""

MOST_PLANES = 256
"""Planes around the reference plane in which ``interval`` looks for spikes, at most."""

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
        near = window.middle(min(MOST_PLANES, window.planes))
        shade, known = _render_interval(near)
        return shade if known.all() else np.where(known, shade, _render_mean(window))
    if method == 'short':
        window = window.middle(min(SHORT_PLANES, window.planes))
    return _render_mean(window)


def encode(rate: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.uint8]:
    """Encode firing rates, clipped to 0..1, as the grey values of :func:`render`."""
    shades: npt.NDArray[np.uint8] = np.rint(255 * rate.clip(0, 1) ** (1 / GAMMA)).astype(np.uint8)
    return shades


def _render_interval(window: Window) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Render ``interval``; return grey values, and where a pixel has spikes on both sides."""
    first = max(window.reference_plane - COVERED_PLANES // 2, 0)
    last = min(window.reference_plane + COVERED_PLANES // 2, window.planes - 1)
    if first == last:
        mean = _render_mean(window)
        return mean, np.zeros(mean.shape, np.bool_)
    # The intervals begin with the last spike up to ``first`` and end with the next one from
    # ``last`` on. On either side, their duration is the planes from which no spike has been seen.
    outer = np.concatenate((window.data[: first + 1], window.data[last:]))
    for plane in range(first - 1, -1, -1):
        outer[plane] |= outer[plane + 1]
    for plane in range(first + 2, len(outer)):
        outer[plane] |= outer[plane - 1]
    durations = last - first + len(outer) - _counts(outer, window).astype(np.intp)
    numbers: npt.NDArray[np.intp] | int = 1
    if last - first > 1:
        numbers = 1 + _counts(window.data[first + 1 : last], window).astype(np.intp)
    longest = last - first + len(outer)
    rates = np.arange(last - first + 1)[:, None] / np.arange(longest + 1).clip(1)
    shade = np.take(encode(rates), numbers * (longest + 1) + durations)
    geometry = window.geometry
    known = packing.unpack((outer[0] & outer[-1])[None], geometry.width, geometry.bit_order)[0]
    return shade, known.astype(np.bool_)


def _render_mean(window: Window) -> npt.NDArray[np.uint8]:
    """Render the mean of all planes."""
    rates = np.arange(window.planes + 1) / window.planes
    return np.take(encode(rates), _counts(window.data, window))


def _counts(data: npt.NDArray[np.uint8], window: Window) -> npt.NDArray[np.integer[Any]]:
    return packing.spike_counts(data, window.geometry.width, window.geometry.bit_order)
