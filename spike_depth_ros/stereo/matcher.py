# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Interface of a matcher of two cameras: from a pair of windows to disparity and its error."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.stream.window import Window

Floats = npt.NDArray[np.float32]


class Match(NamedTuple):
    """Answer of a matcher, in the rectified frame of the left camera.

    Attributes:
        disparity: Left less right column, pixels, ``[height, width]``, owned by the caller; NaN:
            no answer.
        error_px: Half-width of the 68 % interval of each disparity, pixels, as ``disparity``; or
            one number for all of them.
    """

    disparity: Floats
    error_px: Floats | float


class Matcher(Protocol):
    """Matcher of pairs of windows, for one thread at a time."""

    def search_range(self, rig: StereoRig) -> tuple[int, int]:
        """Return the lowest disparity and the number of disparities of the search, pixels.

        Raises:
            ValueError: Nothing can be searched at this baseline.
        """

    def notes(self, left: Window, rig: StereoRig) -> tuple[str, ...]:
        """Return reasons for less confidence in a pair, one line each."""

    def match(self, left: Window, right: Window, rig: StereoRig) -> Match:
        """Match a pair of windows of the rig's size.

        Raises:
            ValueError: Nothing can be searched at this baseline, or the windows do not fit.
        """

    def close(self) -> None:
        """Free memory; the matcher cannot match afterwards."""
