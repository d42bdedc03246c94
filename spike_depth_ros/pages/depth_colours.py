# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Colours of depth, on a logarithmic scale: near bright, far dark.

:func:`colour_depth` makes the colours of every picture, page, topic and view of this package.
Colours of special values (none of them occurs in a colour map of this package):

========= ======= =================================================
-Inf      cyan    nearer than the depth range (REP 117)
+Inf      blue    beyond the depth range, sky for instance (REP 117)
NaN       grey    no prediction, or no truth to compare with
========= ======= =================================================
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base import opencv as cv2

Rgb = npt.NDArray[np.uint8]
"""An RGB image, ``[height, width, 3]`` uint8."""
Colour = tuple[int, int, int]

TOO_NEAR: Colour = (0, 220, 220)
BEYOND: Colour = (112, 146, 190)
MISSING: Colour = (120, 120, 120)

PERCENTILES = (2.0, 98.0)
"""Percentiles of a window's depth between which a range without limits lies."""

NARROWEST = 1.5
"""Smallest ratio of the ends of such a range: noise on a wall is not shown in all colours."""

SMOOTHING = 0.1
"""Weight of the newest window in such a range, so that colours do not flicker; for who sees few
windows of a stream, a larger one."""

_EVERY = 4  # rows and columns whose percentiles are taken


def colour_map(name: int) -> Rgb:
    """Return a colour map of OpenCV as ``[256, 3]`` RGB, lowest value first."""
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    colours = cv2.applyColorMap(ramp, name)[:, 0, ::-1]
    return np.ascontiguousarray(colours, dtype=np.uint8)


_ASSETS = Path(__file__).parent / 'assets'

DEPTH_COLOURS: Rgb = np.load(_ASSETS / 'magma.npy')[::-1]  # noqa: TID251 - our own
"""Colours from the nearest to the farthest depth, ``[256, 3]``: ``COLORMAP_MAGMA`` of OpenCV."""


def colour_depth(depth: npt.NDArray[np.floating[Any]], near_m: float, far_m: float) -> Rgb:
    """Return the colours of depth.

    Args:
        depth: Metres, of any shape, with -Inf, +Inf and NaN; what is finite and not positive is no
            value, as NaN.
        near_m: Depth of the brightest colour, metres, above 0; nearer pixels have it, too.
        far_m: Depth of the darkest colour, metres, above ``near_m``; farther ones likewise.

    Returns:
        Shape of ``depth``, and 3.
    """
    depth = depth.astype(np.result_type(depth.dtype, np.float32), copy=False)
    known = np.isfinite(depth) & (depth > 0)
    near = depth.dtype.type(near_m)
    place = np.log(np.where(known, depth, near) / near) * (255 / math.log(far_m / near_m))
    image: Rgb = np.take(DEPTH_COLOURS, np.rint(place.clip(0, 255)).astype(np.uint8), axis=0)
    if not known.all():
        image[~known] = MISSING
        paint_infinite(image, depth)
    return image


def paint_infinite(image: Rgb, values: npt.NDArray[np.floating[Any]]) -> None:
    """Paint infinite values over the colours of an image, of the same shape and 3."""
    image[values == np.inf] = BEYOND
    image[values == -np.inf] = TOO_NEAR


class DepthColours:
    """Colours of the depth images of a stream.

    Attributes:
        near_m: Depth of the brightest colour, metres; 0: by the depth of the newest windows.
        far_m: Depth of the darkest colour, metres, above ``near_m``; 0: likewise.
        newest_m: Both of the newest depth image; None: before the first.
    """

    def __init__(
        self, near_m: float = 0.0, far_m: float = 0.0, smoothing: float = SMOOTHING
    ) -> None:
        self.near_m, self.far_m = near_m, far_m
        self._smoothing = smoothing
        self.newest_m: tuple[float, float] | None = None
        self._range: npt.NDArray[np.float64] | None = None

    def paint(self, depth: npt.NDArray[np.float32]) -> Rgb:
        """Return the colours of the next depth image.

        Args:
            depth: Metres, ``[height, width]``, with -Inf, +Inf and NaN.
        """
        return colour_depth(depth, *self.limits(depth))

    def limits(self, depth: npt.NDArray[np.float32]) -> tuple[float, float]:
        """Return the depths of the brightest and the darkest colour of the next depth image."""
        self.newest_m = self._limits(depth)
        return self.newest_m

    def _limits(self, depth: npt.NDArray[np.float32]) -> tuple[float, float]:
        if not (self.near_m and self.far_m):
            some = depth[::_EVERY, ::_EVERY]
            some = some[np.isfinite(some) & (some > 0)]
            if some.size:
                newest = np.log(np.percentile(some, PERCENTILES))
                self._range = newest if self._range is None else self._range
                self._range = self._range + self._smoothing * (newest - self._range)
        near, far = np.exp(self._range) if self._range is not None else (1.0, NARROWEST)
        near, far = self.near_m or float(near), self.far_m or float(far)
        if self.near_m and self.far_m:
            return near, far
        missing = max(NARROWEST * near / far, 1.0)  # the ends that are not given move
        if self.near_m:
            return near, far * missing
        if self.far_m:
            return near / missing, far
        return near / math.sqrt(missing), far * math.sqrt(missing)
