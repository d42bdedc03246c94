# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Disparity of rectified pictures by semi-global matching of OpenCV.

H. Hirschmueller, "Stereo Processing by Semiglobal Matching and Mutual Information"; OpenCV's
variant compares the pictures by Birchfield and Tomasi's measure.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base import opencv as cv2
from spike_depth_ros.base.schema import Problems, across, refuse
from spike_depth_ros.base.values import Check, within

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]

STEPS = 16
"""Steps of a disparity in a pixel."""

ODD = Check(lambda number: number % 2 == 1, 'an odd number')

SMOOTH_PX, SMOOTH_SIGMA_PX = 5, 1.5
"""Diameter of the smoothed neighbourhood, and its standard deviation, pixels."""


@dataclasses.dataclass(frozen=True)
class SgbmSettings:
    """Settings of the matcher, under the names of ``stereo_image_proc``.

    Raises:
        ValueError: A value is out of range.
    """

    correlation_window_size: Annotated[int, within(1, 31), ODD] = 5
    """Pixels per side of the compared blocks, odd."""
    # OpenCV's costs overflow in larger blocks, and it divides by 100 less the uniqueness ratio.
    P1: Annotated[int, within(1, 10_000)] = 400
    """Cost of a change of disparity by 1 between neighbours."""
    P2: Annotated[int, within(1, 10_000)] = 1600
    """Cost of a larger change, above P1."""
    prefilter_cap: Annotated[int, within(1, 63)] = 31
    """Largest absolute value of the filtered picture."""
    uniqueness_ratio: Annotated[int, within(0, 99)] = 5
    """Percent by which the best match must be better than the second."""
    speckle_size: Annotated[int, within(0, 1_000_000)] = 100
    """Largest region of one disparity that is taken for noise, pixels; 0: none is."""
    speckle_range: Annotated[int, within(0, 100)] = 2
    """Largest change of disparity within a region, pixels."""
    disp12_max_diff: Annotated[int, within(-1, 1_000)] = 2
    """Largest difference of the disparities of both pictures, pixels; -1: the mirrored pair is not
    matched, and OpenCV's rough comparison is the only one."""
    full_dp: bool = False
    """True: eight directions of paths and not three; slower."""
    smooth_range: Annotated[int, within(0, 255)] = 20
    """Grey values within which pixels are smoothed with their neighbours before (bilateral filter;
    Tomasi and Manduchi), as rates of spikes are noisy; 0: not."""

    def __post_init__(self) -> None:
        refuse(self)

    @across('P1', 'P2')
    def _costs(self) -> Problems:
        if not self.P1 < self.P2:
            yield f'P1 is {self.P1}, P2 {self.P2}: expected P2 above P1'


class SgbmMatcher:
    """Matcher of pairs of one size and search range.

    Args:
        lowest: Lowest disparity of the search, pixels.
        number: Number of disparities, a multiple of 16.
        settings: Settings.
    """

    def __init__(self, lowest: int, number: int, settings: SgbmSettings) -> None:
        self.lowest, self.number, self.settings = lowest, number, settings
        self._unmatched = STEPS * (lowest - 1)

    def match(self, left: Picture, right: Picture) -> Floats:
        """Match a pair.

        The left edge is padded, so that places there get the disparities that the right picture
        still shows. Answers on which both pictures disagree are dropped.

        Args:
            left: Grey values, ``[height, width]``.
            right: As ``left``.

        Returns:
            Left less right column of each pixel of the left picture, ``[height, width]``; NaN: no
            answer.
        """
        if self.settings.smooth_range:
            left, right = self._smooth(left), self._smooth(right)
        found = self._search(left, right)
        if self.settings.disp12_max_diff >= 0:
            mirrored = self._search(*(np.ascontiguousarray(one[:, ::-1]) for one in (right, left)))
            found = self._agreeing(found, mirrored[:, ::-1])
        answer: Floats = np.where(found > self._unmatched, found, np.nan).astype(np.float32)
        answer /= STEPS
        return answer

    def _smooth(self, picture: Picture) -> Picture:
        grey = float(self.settings.smooth_range)
        return np.asarray(cv2.bilateralFilter(picture, SMOOTH_PX, grey, SMOOTH_SIGMA_PX), np.uint8)

    def _search(self, left: Picture, right: Picture) -> npt.NDArray[np.int16]:
        """Return disparities in steps; ``_unmatched``: no answer."""
        pad = max(self.lowest + self.number, 0)
        over = max(-self.lowest, 0)
        wide = [
            cv2.copyMakeBorder(one, 0, 0, pad, over, cv2.BORDER_REPLICATE) for one in (left, right)
        ]
        found: npt.NDArray[np.int16] = self._matcher.compute(*wide)
        return found[:, pad : pad + left.shape[1]]

    def _agreeing(
        self, left: npt.NDArray[np.int16], right: npt.NDArray[np.int16]
    ) -> npt.NDArray[np.int16]:
        """Drop the answers of the left picture that the right one does not give, too."""
        columns = left.shape[1]
        there = np.arange(columns) - ((left + STEPS // 2) >> 4)
        seen = (there >= 0) & (there < columns)
        other = np.take_along_axis(right, there.clip(0, columns - 1), axis=1)
        limit = STEPS * self.settings.disp12_max_diff
        agree = seen & (np.abs(left.astype(np.int32) - other) <= limit) & (other > self._unmatched)
        return np.where(agree, left, np.int16(self._unmatched))

    @functools.cached_property
    def _matcher(self) -> Any:
        given = self.settings
        return cv2.StereoSGBM.create(
            minDisparity=self.lowest,
            numDisparities=self.number,
            blockSize=given.correlation_window_size,
            P1=given.P1,
            P2=given.P2,
            preFilterCap=given.prefilter_cap,
            uniquenessRatio=given.uniqueness_ratio,
            speckleWindowSize=given.speckle_size,
            speckleRange=given.speckle_range,
            disp12MaxDiff=-1,  # a rough comparison in steps of one pixel, before that of _agreeing
            mode=cv2.STEREO_SGBM_MODE_HH if given.full_dp else cv2.STEREO_SGBM_MODE_SGBM_3WAY,
        )
