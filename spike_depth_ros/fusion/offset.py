# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Check of registered frames by their offset from pictures of the spikes.

Offsets are found by the phase correlation of C. Kuglin and D. Hines, "The phase correlation image
alignment method". It weighs all spatial frequencies alike, so that exposure, gain and shading do
not matter.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base import opencv as cv2

Floats = npt.NDArray[np.float32]

LAST_PAIRS = 200
"""Newest pairs that count."""

YOUNGEST = 20
"""Pairs of least age among them that are measured: a camera that turns shifts a frame in
proportion to its age."""

FEWEST = 5
"""Fewest offsets that have a median."""

MIN_PEAK = 0.2
"""Smallest share of the correlation that is in its peak, 0 to 1: of rendered scenes, nine in ten
unrelated pairs have less, and all but one pair in a hundred that show the same have more."""

LEAST_PIXELS = 32
"""Smallest height and width of the part that the frame covers, pixels."""

COLUMNS = 200
"""Columns of pictures that are correlated, about: noise of spikes averages out in small ones."""


class _Pair(NamedTuple):
    """Measured pair: its number, its age, and its offset; None: it has no clear peak."""

    number: int
    age_s: float
    offset: tuple[float, float] | None


class OffsetCheck:
    """Running check of registered frames, for one thread at a time.

    Of each pair, ask :meth:`wants`, and :meth:`add` those that are wanted: whose age is among the
    :data:`YOUNGEST` of the last :data:`LAST_PAIRS` pairs. A pair without texture, or whose peak is
    weak, is one of them without an offset.

    Args:
        most_px: Largest offset that is no problem, pixels.
    """

    def __init__(self, most_px: float = 2.0) -> None:
        self.most_px = most_px
        self._number = 0
        self._pairs: list[_Pair] = []

    def wants(self, age_s: float) -> bool:
        """Count a pair, and return True if it is young enough to be measured.

        Args:
            age_s: Time from the frame to the spikes, seconds.
        """
        self._number += 1
        first = self._number - LAST_PAIRS
        self._pairs = [one for one in self._pairs if one.number > first]
        # Ages alike, as of synchronised cameras: the first ones count until they are too old.
        return sum(one.age_s <= age_s for one in self._pairs) < YOUNGEST

    def add(self, frame: Floats, spikes: Floats, age_s: float) -> None:
        """Measure the offset of the pair that was counted last.

        Args:
            frame: Grey values of the registered frame, ``[rows, columns]``, 0 to 1; NaN where it
                does not cover.
            spikes: Grey values of the spikes, likewise, such as a preview.
            age_s: As for :meth:`wants`.
        """
        self._pairs.append(_Pair(self._number, age_s, _offset(frame, spikes)))

    @property
    def median(self) -> tuple[float, float] | None:
        """Pixels from the spikes to frames, to the right and down; None: too few pairs."""
        youngest = sorted(self._pairs, key=lambda one: one.age_s)[:YOUNGEST]
        offsets = [one.offset for one in youngest if one.offset is not None]
        if len(offsets) < FEWEST:
            return None
        right, down = np.median(offsets, axis=0)
        return float(right), float(down)

    @property
    def problem(self) -> str:
        """Offset beyond ``most_px``, in one line; empty: none."""
        median = self.median
        if median is None or math.hypot(*median) <= self.most_px:
            return ''
        return (
            f'frames are {median[0]:+.1f} pixels to the right of the spikes and {median[1]:+.1f} '
            f'below; expected at most {self.most_px:g} pixels: calibrate both cameras together '
            'again'
        )


def _offset(frame: Floats, spikes: Floats) -> tuple[float, float] | None:
    """Return columns and rows from the spikes to the frame, pixels; None: no clear peak."""
    known = np.isfinite(frame)
    x, y, width, height = cv2.boundingRect(known.astype(np.uint8))
    if min(width, height) < LEAST_PIXELS:
        return None
    shrink = max(1, round(frame.shape[1] / COLUMNS))
    covered = np.s_[y : y + height - height % shrink, x : x + width - width % shrink]
    frame, spikes, known = frame[covered], spikes[covered], known[covered]
    size = (width // shrink, height // shrink)
    share = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    whole = share > 1 - 1e-3
    if not whole.any():
        return None
    hann = cv2.createHanningWindow(size, cv2.CV_32F)
    pictures = []
    for grey in (spikes, frame):
        small = cv2.resize(np.where(known, grey, 0), size, interpolation=cv2.INTER_AREA)
        picture = np.where(whole, small - small[whole].mean(), 0).astype(np.float32) * hann
        # cv2.phaseCorrelate is off by half a pixel where it pads to an odd size.
        below, beside = (2 * cv2.getOptimalDFTSize((n + 1) // 2) - n for n in picture.shape)
        pictures.append(cv2.copyMakeBorder(picture, 0, below, 0, beside, cv2.BORDER_CONSTANT))
    (right, down), peak = cv2.phaseCorrelate(*pictures)
    return (right * shrink, down * shrink) if peak > MIN_PEAK else None
