# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Corners of pictures of windows, tracked from one to the next and back again as a check.

Corners are those of Shi and Tomasi, "Good Features to Track"; they are tracked by the method of
Lucas and Kanade in pyramids (Bouguet, "Pyramidal Implementation of the Lucas Kanade Feature
Tracker").
"""

from __future__ import annotations

import collections
import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base import opencv as cv2
from spike_depth_ros.geometry.depth_values import FloatImage

Floats = npt.NDArray[np.float64]
Picture = npt.NDArray[np.uint8]
Places = npt.NDArray[np.float32]
"""Columns and rows of points, ``[N, 2]`` pixels; the middle of the first pixel is at 0."""

CORNERS = 400
"""Points that are tracked at a time, at most."""

LEAST_CORNERS = 300
"""Tracked points below which new corners are searched."""

MEMORY_NS = 1_000_000_000
"""Age of the oldest picture that points are compared with, nanoseconds."""

LARGEST_GAP_NS = 500_000_000
"""Time between two pictures from which on points are not tracked, nanoseconds."""

PLACE_ERROR_PX = 0.7
"""Error of a place there and back again, at most, pixels."""

_QUALITY = 0.005
_DISTANCE_PX = 5
_NOISE_PX = 1.0  # standard deviation of the blur of pictures
_DARKEST, _BRIGHTEST = 1, 99  # percentiles of a picture
_FLOW_PX = 21  # side of the squares that are tracked
_FLOW_LEVELS = 4
_FLOW_STOP = (3, 30, 0.01)  # by steps or by change, whichever is first


def draw_picture(rate: FloatImage) -> Picture:
    """Draw firing rates as a picture to track points in.

    The square root makes the noise of counts the same at all rates (Anscombe).

    Args:
        rate: Firing rates, ``[H, W]`` float32, 0 or more; NaN where a rectified image shows
            nothing.

    Returns:
        ``[H, W]`` uint8.
    """
    known = np.isfinite(rate)
    smooth = cv2.GaussianBlur(np.sqrt(np.where(known, rate, 0)), (0, 0), _NOISE_PX)
    if not known.all():  # the mean of the known pixels: a dark border would set the contrast
        weight = cv2.GaussianBlur(known.astype(np.float32), (0, 0), _NOISE_PX)
        smooth /= np.maximum(weight, np.float32(1e-6))
    seen = smooth[known] if known.any() else smooth
    darkest, brightest = np.percentile(seen, [_DARKEST, _BRIGHTEST])
    scaled = np.clip((smooth - darkest) / max(brightest - darkest, 1e-6), 0, 1)
    found: Picture = (255 * scaled).astype(np.uint8)
    return found


def find_corners(
    picture: Picture, number: int, mask: npt.NDArray[np.uint8] | None = None
) -> Places:
    """Return the best corners of a picture.

    Args:
        picture: ``[H, W]`` uint8.
        number: Corners at most.
        mask: 0 where there shall be none, same shape.
    """
    found: Any = cv2.goodFeaturesToTrack(picture, number, _QUALITY, _DISTANCE_PX, mask=mask)
    if found is None:
        return np.empty((0, 2), np.float32)
    corners: Places = found[:, 0]
    return corners


def track(last: Picture, picture: Picture, places: Places) -> tuple[Places, npt.NDArray[np.bool_]]:
    """Track points to another picture, and back again as a check.

    Args:
        last: Picture of the points.
        picture: The other one, of the same size.
        places: The points.

    Returns:
        Their places in the other picture, and True where they were found, ``[N]``.
    """
    if not len(places):
        return places, np.zeros(0, bool)
    options: dict[str, Any] = {
        'winSize': (_FLOW_PX, _FLOW_PX),
        'maxLevel': _FLOW_LEVELS,
        'criteria': _FLOW_STOP,
    }
    start: Any = places[:, None]
    moved, there, _ = cv2.calcOpticalFlowPyrLK(last, picture, start, None, **options)
    back, again, _ = cv2.calcOpticalFlowPyrLK(picture, last, moved, None, **options)
    moved, back = moved[:, 0], back[:, 0]
    size = np.array(picture.shape[::-1])
    found = (there[:, 0] > 0) & (again[:, 0] > 0)
    found &= np.abs(back - places).max(axis=1) < PLACE_ERROR_PX
    found &= ((moved >= 0) & (moved < size)).all(axis=1)
    return moved, found


@dataclasses.dataclass(frozen=True)
class Sight:
    """What is known of one picture.

    Attributes:
        time_ns: Its time.
        places: Places of points, ``[N, 2]``.
        numbers: Their numbers, ``[N]``, increasing.
    """

    time_ns: int
    places: Places
    numbers: npt.NDArray[np.int64]


class Tracker:
    """Points that are tracked from each picture to the next.

    Attributes:
        sights: Pictures of the last second in which points were tracked, oldest first; the newest
            one is last.
    """

    def __init__(self) -> None:
        self._next = 0
        self.reset()

    def reset(self) -> None:
        """Forget all pictures, as after a gap in the stream; no number is given twice."""
        self.sights: collections.deque[Sight] = collections.deque()
        self._last: Picture | None = None

    def update(self, picture: Picture, time_ns: int) -> Sight:
        """Track the points to the next picture, and add corners where there are few.

        All pictures before are forgotten where the size or the order of time is another one, or
        after :data:`LARGEST_GAP_NS`.

        Args:
            picture: ``[H, W]`` uint8.
            time_ns: Its time.
        """
        last, before = self._last, self.sights[-1] if self.sights else None
        places, numbers = np.empty((0, 2), np.float32), np.empty(0, np.int64)
        if before is not None and last is not None:
            elapsed_ns = time_ns - before.time_ns
            if last.shape == picture.shape and 0 < elapsed_ns <= LARGEST_GAP_NS:
                moved, found = track(last, picture, before.places)
                places, numbers = moved[found], before.numbers[found]
            else:
                self.reset()
        if len(places) < LEAST_CORNERS:
            added = self._add(picture, places)
            places = np.concatenate([places, added])
            numbers = np.append(numbers, self._next + np.arange(len(added)))
            self._next += len(added)
        sight = Sight(time_ns, places, numbers)
        self._last = picture
        self.sights.append(sight)
        while time_ns - self.sights[0].time_ns > MEMORY_NS:
            self.sights.popleft()
        return sight

    @staticmethod
    def _add(picture: Picture, places: Places) -> Places:
        """Return corners of a picture apart from the points that are tracked."""
        mask = np.full(picture.shape, 255, np.uint8)
        for column, row in places.round().astype(int).tolist():
            cv2.circle(mask, (column, row), _DISTANCE_PX, 0, -1)
        return find_corners(picture, CORNERS - len(places), mask)
