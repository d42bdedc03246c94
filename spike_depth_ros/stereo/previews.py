# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Matcher of previews: semi-global matching of rectified grey pictures of both windows."""

from __future__ import annotations

from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.stereo.matcher import Match
from spike_depth_ros.stereo.sgbm import SgbmMatcher, SgbmSettings
from spike_depth_ros.stream import preview
from spike_depth_ros.stream.window import Window

DISPARITY_ERROR_PX = 0.67
"""Half-width of the 68 % interval of a matched disparity, pixels, fitted by ``benchmarks.stereo
--split calibration``."""


class PreviewMatcher:
    """Semi-global matching of the previews of windows; see :class:`Matcher`.

    Args:
        min_depth_m: Depth of the nearest place that is searched, metres, above 0.
        sgbm: Settings of the matching.
        picture: Method of the previews.

    Raises:
        ValueError: The method is unknown.
    """

    def __init__(self, min_depth_m: float, sgbm: SgbmSettings, picture: preview.Method) -> None:
        if picture not in preview.METHODS:
            raise ValueError(f'picture {picture!r}: expected one of {", ".join(preview.METHODS)}')
        self.min_depth_m, self.sgbm, self.picture = min_depth_m, sgbm, picture
        self._matcher: SgbmMatcher | None = None

    def search_range(self, rig: StereoRig) -> tuple[int, int]:
        """Implement :meth:`Matcher.search_range`."""
        return rig.search_range(self.min_depth_m)

    def notes(self, left: Window, rig: StereoRig) -> tuple[str, ...]:
        """Implement :meth:`Matcher.notes`: there are none."""
        return ()

    def match(self, left: Window, right: Window, rig: StereoRig) -> Match:
        """Implement :meth:`Matcher.match`."""
        pictures = rig.rectify(*(preview.render(one, self.picture) for one in (left, right)))
        return Match(self._of(*self.search_range(rig)).match(*pictures), DISPARITY_ERROR_PX)

    def close(self) -> None:
        """Implement :meth:`Matcher.close`."""
        self._matcher = None

    def _of(self, lowest: int, number: int) -> SgbmMatcher:
        """Return the matcher of a search range, that of the last call if it has it."""
        known = self._matcher
        if known is None or (known.lowest, known.number) != (lowest, number):
            known = self._matcher = SgbmMatcher(lowest, number, self.sgbm)
        return known
