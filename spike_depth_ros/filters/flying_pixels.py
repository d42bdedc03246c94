# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Flying pixels of predicted depth: those that hang in the air between foreground and background.

A network that cannot place an edge exactly predicts a ramp from one side to the other. A ramp is
told from a plane by inverse depth, which is linear in the image on any plane: what changes across
a few pixels continues at the same slope on both sides, or on one where two planes meet. On a ramp
it does not.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base import opencv as cv2
from spike_depth_ros.filters.flying_pixels import EDGE_SPAN, SEEN_RADIUS
from spike_depth_ros.geometry.depth_values import FloatImage

AROUND = 60
"""Chebyshev distance of the surroundings, whose mean span a ramp exceeds, pixels."""

INNER, OUTER = 4, 12
"""Distances between which the slope on both sides of a ramp is measured, pixels."""

MIN_EXCESS = 0.01
"""Smallest excess of a ramp over a plane, as a share of inverse depth, in a map without spans."""

EXCESS_OF_SPAN = 0.65
"""Increase of that limit with the median span of the map: rough maps have ramps of no edge."""

_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Rows and columns of a step in each direction in which ramps are searched."""


def find_flying_pixels(depth: FloatImage) -> npt.NDArray[np.bool_]:
    """Find pixels in the middle of ramps that are not planes.

    A pixel is flying where all of these hold; a factor on the depth changes none of them:

    - The logarithm of depth spans more than ``EDGE_SPAN`` within ``SEEN_RADIUS`` pixels
      (Chebyshev), and that of the pixel lies in the middle half of the span, as in the metric of
      this name (:class:`.StructureErrors`).
    - The span is above its mean within ``AROUND`` pixels.
    - In one of four directions, inverse depth changes more within ``INNER`` pixels than the
      steeper slope of both sides, out to ``OUTER`` pixels, continues: by more than a share of
      inverse depth, ``MIN_EXCESS`` plus ``EXCESS_OF_SPAN`` times the map's median span. The excess
      of a plane, and where two planes meet, is 0.

    Within ``OUTER`` pixels of the border the slopes across it are not known: only the other
    directions count.

    Args:
        depth: Depth in any unit, ``[H, W]``, of any size; NaN, infinite, 0 and less: not known.

    Returns:
        True where a known pixel is flying, same shape.
    """
    depth = np.asarray(depth, np.float32)
    known = np.isfinite(depth) & (depth > 0)
    if not known.any():
        return known
    log = np.log(np.where(known, depth, 1))
    square = np.ones(2 * (2 * SEEN_RADIUS + 1,), np.uint8)
    low = cv2.erode(np.where(known, log, np.float32(math.inf)), square)
    high = cv2.dilate(np.where(known, log, np.float32(-math.inf)), square)
    low, high = (np.where(known, limit, 0) for limit in (low, high))
    span = high - low
    flying: npt.NDArray[np.bool_] = span > EDGE_SPAN
    flying &= np.abs(2 * log - low - high) < span / 2
    flying &= span > _mean(span, known, AROUND)
    if flying.any():
        # In units of the nearest depth, so that nothing overflows.
        inverse = np.where(known, depth[known].min() / np.where(known, depth, 1), 0)
        smooth = np.where(known, _mean(inverse, known, 1), np.float32(math.nan))
        least = MIN_EXCESS + EXCESS_OF_SPAN * float(np.median(span[known]))
        flying &= _excess(smooth) > least * smooth
    return flying


def _mean(values: FloatImage, known: npt.NDArray[np.bool_], radius: int) -> FloatImage:
    """Compute the mean of known values in a square around each pixel, cut at the border.

    Args:
        values: ``[H, W]``; 0 where they are not known.
        known: Mask of known values, same shape.
        radius: Chebyshev distance of the square's border, pixels.
    """
    size = 2 * (2 * radius + 1,)
    sums, counts = (
        cv2.boxFilter(each, cv2.CV_32F, size, normalize=False, borderType=cv2.BORDER_CONSTANT)
        for each in (values, known.astype(np.float32))
    )
    return np.asarray(sums / np.maximum(counts, 1), np.float32)


def _excess(inverse: FloatImage) -> FloatImage:
    """Compute by how much inverse depth changes more than the steeper slope beside continues.

    Args:
        inverse: Inverse depth, ``[H, W]``; NaN where it is not known.

    Returns:
        Largest excess of the directions, 0 or more, same shape and unit.
    """
    found = np.zeros_like(inverse)
    for down, right in _DIRECTIONS:
        length = math.hypot(down, right)
        near, far = round(INNER / length), round(OUTER / length)
        margins = far * down, far * abs(right)
        if inverse.shape[0] <= 2 * margins[0] or inverse.shape[1] <= 2 * margins[1]:
            continue
        behind, before, after, ahead = (
            _inside(inverse, margins, k * down, k * right) for k in (-far, -near, near, far)
        )
        inner = after - before
        as_long = np.float32(2 * near / (far - near))
        one, other = as_long * (before - behind), as_long * (ahead - after)
        rising = inner - np.maximum(one, other)
        excess = np.where(inner > 0, rising, np.minimum(one, other) - inner)
        inside = _inside(found, margins)
        np.fmax(inside, excess, out=inside)
    return found


def _inside(
    image: FloatImage, margins: tuple[int, int], down: int = 0, right: int = 0
) -> FloatImage:
    """Return a view of an image without its margins, moved.

    Args:
        image: ``[H, W]``.
        margins: Rows left out above and below, and columns on either side.
        down: Rows by which the view is moved, the margin at most.
        right: Columns likewise.
    """
    (height, width), (rows, columns) = image.shape, margins
    return image[rows + down : height - rows + down, columns + right : width - columns + right]
