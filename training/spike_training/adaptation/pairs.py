# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth in metres of windows of two eyes, by semi-global matching of their firing rates."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from spike_depth_ros.geometry.rig import LEAST_RANGE, StereoRig
from spike_depth_ros.stereo.estimator import LEAST_MATCHED, MIN_DEPTH_M
from spike_depth_ros.stereo.sgbm import SgbmMatcher, SgbmSettings
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.errors import DataSetError
from spike_training.evaluation.matched_depth import (
    LEAST_DISPARITY_PX,
    rate_pictures,
    search_width,
)
from spike_training.sampling.sample import Batch

FARTHEST_PX = 1.0
"""Median disparity below which places are too far for the baseline, pixels."""

LEAST_LABELLED = 0.02
"""Share of the pixels of a window with matched depth from which on it has depth."""

LEAST_MEASURED = 5
"""Windows with depth from which on it decides, or gives the scale."""

Floats = npt.NDArray[np.float32]


class Pairs(NamedTuple):
    """Windows of both eyes with matched depth.

    Attributes:
        rig: Calibrations of both eyes.
        known: Windows of the adaptation part, of the left eye, with depth in metres; NaN: none.
        measured: Held-back windows likewise.
        number: Pairs of both parts.
        matched: Share of their pixels that match, 0 to 1.
    """

    rig: StereoRig
    known: list[Batch]
    measured: list[Batch]
    number: int
    matched: float


class _Part(NamedTuple):
    """Matched windows of a part of the recordings, and of each what was found, ``[N]``."""

    batches: list[Batch]
    disparities: list[Floats]
    matched: npt.NDArray[np.float64]  # share of the pixels that match
    labelled: npt.NDArray[np.float64]  # share of those with depth
    counts: npt.NDArray[np.bool_]  # more match than of noise


class PairMatcher:
    """Matcher of the windows of a rig, whose infinity has a disparity of 0.

    Args:
        rig: Calibrations of both eyes.
        crop: Rows and columns of the windows.
        info: Metadata of the network, whose range the depth lies in.
    """

    def __init__(self, rig: StereoRig, crop: tuple[slice, slice], info: DepthInfo) -> None:
        self.rig, self._info = rig, info
        self._seen = rig.seen_by_left[crop]
        nearest_px = rig.fx_px * rig.baseline_m / MIN_DEPTH_M
        number = search_width(self._seen.shape[1], nearest_px)
        self._matcher = SgbmMatcher(0, number, SgbmSettings())
        self.least = LEAST_MATCHED * max(LEAST_RANGE / number, 1.0) ** 2

    def match(self, name: str, known: Sequence[Batch], measured: Sequence[Batch]) -> Pairs:
        """Match windows of both parts of the recordings.

        Args:
            name: Name of the recordings, for messages.
            known: Windows of the adaptation part, with the right eye.
            measured: Held-back windows, with the right eye.

        Raises:
            DataSetError: Too little matches, or its depth cannot be used.
        """
        parts = [self._part(batches) for batches in (known, measured)]
        self._check(name, parts)
        matched = np.concatenate([part.matched for part in parts])
        return Pairs(
            self.rig, parts[0].batches, parts[1].batches, len(matched), float(matched.mean())
        )

    def _part(self, batches: Sequence[Batch]) -> _Part:
        """Match the windows of a part."""
        found, disparities = [], []
        matched, labelled, counts = [], [], []
        for batch in batches:
            depth = np.full(batch.depth.shape, np.nan, np.float32)
            for k, pair in enumerate(rate_pictures(batch)):
                disparity = self._matcher.match(*pair)
                disparity[~self._seen] = np.nan
                matched.append(float(np.isfinite(disparity).mean()))
                counts.append(matched[-1] >= self.least)
                if counts[-1]:
                    disparities.append(disparity[np.isfinite(disparity)])
                    depth[k, 0] = self._depth_of(disparity, float(batch.fx[k]))
                labelled.append(float(np.isfinite(depth[k]).mean()))
                if labelled[-1] < LEAST_LABELLED:
                    depth[k] = np.nan
            metres = torch.from_numpy(depth).to(batch.depth)
            found.append(dataclasses.replace(batch, depth=metres, right=None, baseline_m=None))
        return _Part(found, disparities, *map(np.array, (matched, labelled, counts)))

    def _depth_of(self, disparity: Floats, fx_px: float) -> Floats:
        """Return depth of near disparities within the range of the network; NaN: none."""
        near = disparity > LEAST_DISPARITY_PX
        depth: Floats = np.full_like(disparity, np.nan)
        depth[near] = fx_px * self.rig.baseline_m / disparity[near]
        lowest, highest = self._range_m
        depth[(depth < lowest) | (depth > highest)] = np.nan
        return depth

    @property
    def _range_m(self) -> tuple[float, float]:
        """Depths that the network predicts at the focal length of the rig, metres."""
        ratio = self.rig.fx_px / self._info.canonical_fx
        return self._info.min_depth * ratio, self._info.max_depth * ratio

    def _check(self, name: str, parts: Sequence[_Part]) -> None:
        """Refuse recordings whose matched depth is none."""
        rig, strength = self.rig, self.rig.fx_px * self.rig.baseline_m
        if min(part.counts.sum() for part in parts) < LEAST_MEASURED:
            best = min(np.sort(part.matched)[-LEAST_MEASURED:].min(initial=1) for part in parts)
            raise DataSetError(
                f'{name}: {best:.1%} of the pixels match in the {LEAST_MEASURED} best pairs of a '
                f'part, expected {self.least:.1%} or more, as noise gives about half of that: add '
                'light or texture; check calibration and lens covers, that left and right are not '
                'exchanged, and that both were recorded at one time'
            )
        disparity = np.concatenate([one for part in parts for one in part.disparities])
        middle = float(np.median(disparity))
        rig_told = f'at a baseline of {rig.baseline_m:g} m and a focal length of {rig.fx_px:g} px'
        if middle < FARTHEST_PX:
            raise DataSetError(
                f'{name}: the disparity is {middle:.2g} pixels in the median, expected '
                f'{FARTHEST_PX:g} or more: {rig_told} one pixel is {strength:.3g} m away: record '
                'nearer places, or mount the cameras farther apart'
            )
        if min((part.labelled >= LEAST_LABELLED).sum() for part in parts) >= LEAST_MEASURED:
            return
        near = disparity[disparity > LEAST_DISPARITY_PX]
        if len(near) >= LEAST_LABELLED * self._seen.size * LEAST_MEASURED * len(parts):
            lowest, highest = self._range_m
            raise DataSetError(
                f'{name}: depth is {strength / float(np.median(near)):.3g} m in the median '
                f'{rig_told}, expected {lowest:.3g} to {highest:.3g} m, which the network '
                'predicts: check both'
            )
        raise DataSetError(
            f'{name}: {len(near) / max(len(disparity), 1):.1%} of the matched pixels have a '
            f'disparity above {LEAST_DISPARITY_PX:g} pixels, expected more, as only these have '
            f'metres: {rig_told} they are nearer than {strength / LEAST_DISPARITY_PX:.3g} m: '
            'record nearer places, or mount the cameras farther apart'
        )
