# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Check of rectified pairs by matched points: their rows, and which eye is which.

Points are those of E. Rublee et al., "ORB: an efficient alternative to SIFT or SURF", which may be
matched in any direction, unlike the disparities that follow.
"""

from __future__ import annotations

import collections
import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base import opencv as cv2

Picture = npt.NDArray[np.uint8]

EVERY_NS = 250_000_000
"""Shortest time between checked pairs, nanoseconds of the stream."""

PAIRS = 20
"""Checked pairs whose median counts."""

POINTS = 300
"""Points that are searched in each picture."""

LEAST_PIXELS = 32
"""Smallest height and width of pictures that are checked, pixels."""

FEWEST = 20
"""Fewest matched points of a pair that is counted."""

FARTHEST_ROWS_PX = 16
"""Difference of rows from which two points are no match, pixels."""

AGREEING_PX = 2.0
"""Difference to the median row in which half of the matched points are, unless they are noise."""

MAX_OFFSET_PX = 1.0
"""Vertical offset from which depth is wrong, pixels."""

EXCHANGED_PX = -1.0
"""Median disparity below which the eyes are exchanged, pixels."""

EXCHANGED = (
    'disparities are negative, as if left and right were exchanged: exchange the topics, and the '
    'calibrations with them'
)


class AlignmentCheck:
    """Running check of the pairs of a rig."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the pairs so far, as after a change of the rig."""
        self._rows: collections.deque[float] = collections.deque(maxlen=PAIRS)
        self._columns: collections.deque[float] = collections.deque(maxlen=PAIRS)
        self._newest_ns: int | None = None

    @property
    def vertical_offset_px(self) -> float | None:
        """Rows by which the left picture is lower than the right one; None: not measured yet."""
        return float(np.median(self._rows)) if self._rows else None

    @property
    def exchanged(self) -> bool:
        """True if all counted pairs have negative disparities."""
        return len(self._columns) == PAIRS and max(self._columns) < EXCHANGED_PX

    @property
    def notes(self) -> tuple[str, ...]:
        """Problems, one line each."""
        found = [EXCHANGED] if self.exchanged else []
        offset = self.vertical_offset_px
        if offset is not None and len(self._rows) == PAIRS and abs(offset) > MAX_OFFSET_PX:
            found.append(
                f'the left picture is {offset:+.1f} pixels lower than the right one: calibrate '
                'both cameras again'
            )
        return tuple(found)

    def is_due(self, time_ns: int) -> bool:
        """Return False for a pair shortly after the last checked one.

        Args:
            time_ns: Time of the pair, nanoseconds.
        """
        newest = self._newest_ns
        return newest is None or not 0 <= time_ns - newest < EVERY_NS

    def update(self, left: Picture, right: Picture, offset_px: float, time_ns: int) -> None:
        """Check a pair, unless the last one was checked shortly before.

        Args:
            left: Rectified grey values, ``[height, width]``.
            right: As ``left``.
            offset_px: Disparity of what is infinitely far, pixels.
            time_ns: Time of the pair, nanoseconds.
        """
        if not self.is_due(time_ns) or min(left.shape) < LEAST_PIXELS:
            return
        self._newest_ns = time_ns
        shifts = self._shifts(left, right)
        shifts = shifts[np.abs(shifts[:, 1]) <= FARTHEST_ROWS_PX]
        if len(shifts) < FEWEST:
            return
        column, row = np.median(shifts, axis=0)
        if (np.abs(shifts[:, 1] - row) <= AGREEING_PX).mean() >= 0.5:
            self._columns.append(float(column) - offset_px)
            self._rows.append(float(row))

    def _shifts(self, left: Picture, right: Picture) -> npt.NDArray[np.float64]:
        """Return left less right column and row of matched points, ``[points, 2]`` pixels."""
        found = [self._points.detectAndCompute(_smooth(one), None) for one in (left, right)]
        (points, words), (others, other_words) = found
        if words is None or other_words is None:
            return np.empty((0, 2))
        matches = self._matcher.match(words, other_words)
        shifts = [np.subtract(points[one.queryIdx].pt, others[one.trainIdx].pt) for one in matches]
        return np.array(shifts, np.float64).reshape(-1, 2)

    @functools.cached_property
    def _points(self) -> Any:
        return cv2.ORB.create(nfeatures=POINTS, edgeThreshold=8)

    @functools.cached_property
    def _matcher(self) -> Any:
        return cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True)


def _smooth(picture: Picture) -> Picture:
    """Smooth a picture, as the rates of spikes are noisy."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.0), np.uint8)
