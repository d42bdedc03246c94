# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Estimator of depth from pairs of windows: matched where both cameras agree, filled elsewhere."""

from __future__ import annotations

import dataclasses
import os
import threading

import numpy as np
import numpy.typing as npt

from spike_depth_ros.estimator import DepthEstimator, Prediction
from spike_depth_ros.geometry.depth_values import FloatImage
from spike_depth_ros.geometry.rig import LEAST_RANGE, StereoRig
from spike_depth_ros.observation import Observation
from spike_depth_ros.stereo.alignment import AlignmentCheck
from spike_depth_ros.stereo.fill import RunningFactor, fill
from spike_depth_ros.stereo.matcher import Matcher
from spike_depth_ros.stereo.network import NetworkMatcher, StereoNetwork
from spike_depth_ros.stereo.previews import DISPARITY_ERROR_PX as DISPARITY_ERROR_PX
from spike_depth_ros.stereo.previews import PreviewMatcher
from spike_depth_ros.stereo.sgbm import SgbmSettings
from spike_depth_ros.stream import preview
from spike_depth_ros.stream.window import Window

NONE, MATCHED, FILLED = 0, 1, 2
"""Origins of a pixel's depth."""

MIN_DEPTH_M = 0.5
"""Default depth of the nearest place that is searched, metres."""

FILLED_ERROR = 0.54
"""Factor on the interval of one camera where its depth fills: it has the metres of the matches;
fitted as :data:`DISPARITY_ERROR_PX`."""

LEAST_DISPARITY_PX = 0.5
"""Disparity beyond that of infinity from which depth is measured, pixels."""

LEAST_MATCHED = 0.15
"""Share of matched pixels below which no match counts: noise alone gives half of it in searches
of :data:`~spike_depth_ros.geometry.rig.LEAST_RANGE` disparities or more."""

NOT_YET = 'no pixels measured by both cameras yet: nothing is filled'
FEW_MATCHED = (
    'no more pixels match than of noise: none is used; add light or texture, check lens covers '
    'and calibration'
)
ONE_EYE = 'the right camera has stopped: depth is that of the left one, at the last factor'


@dataclasses.dataclass(frozen=True, kw_only=True)
class StereoPrediction(Prediction):
    """Depth of a pair of windows, in the rectified frame of the left camera.

    ``scale`` is ``stereo``; depth and uncertainty are NaN where there is none.

    Attributes:
        disparity: Left less right column, pixels, ``[height, width]`` float32; NaN: no match.
        origin: ``NONE``, ``MATCHED`` or ``FILLED``, ``[height, width]`` uint8.
        fill_factor: Factor on the monocular depth of filled pixels; None: nothing is filled.
        search: Lowest disparity and number of disparities of the search, pixels.
        vertical_offset_px: Rows by which the left picture is lower than the right one, from the
            newest pairs; None: not measured yet.
    """

    disparity: FloatImage
    origin: npt.NDArray[np.uint8]
    search: tuple[int, int]
    fill_factor: float | None = None
    vertical_offset_px: float | None = None

    @property
    def matched(self) -> float:
        """Share of matched pixels, 0 to 1."""
        return float((self.origin == MATCHED).mean())


class StereoEstimator:
    """Estimator of depth from pairs of windows of two cameras.

    Predicts one pair at a time: calls from several threads wait for each other.

    Args:
        fill: Estimator of the depth of pixels without a match, from the left window alone, brought
            to the metres of the matched ones; None: they have no depth.
        min_depth_m: Depth of the nearest place that is searched, metres.
        sgbm: Settings of semi-global matching.
        picture: Method of the compared pictures.
        matcher: Another matcher than semi-global matching of pictures; None: that one.

    Raises:
        ValueError: The nearest depth is not above 0, or the method is unknown.
    """

    def __init__(
        self,
        fill: DepthEstimator | None = None,
        min_depth_m: float = MIN_DEPTH_M,
        sgbm: SgbmSettings = SgbmSettings(),  # noqa: B008 - frozen
        picture: preview.Method = 'rate',
        matcher: Matcher | None = None,
    ) -> None:
        if not min_depth_m > 0:
            raise ValueError(f'nearest depth {min_depth_m:g} m: expected above 0')
        own = PreviewMatcher(min_depth_m, sgbm, picture)
        self.fill, self.min_depth_m, self.sgbm, self.picture = fill, min_depth_m, sgbm, picture
        self._lock = threading.Lock()
        self._rig: StereoRig | None = None
        self._matcher: Matcher = own if matcher is None else matcher
        self._factor = RunningFactor()
        self._alignment = AlignmentCheck()

    @classmethod
    def from_checkpoint(
        cls,
        path: str | os.PathLike[str],
        fill: DepthEstimator | None = None,
        device: str = 'auto',
        backend: str = 'auto',
        threads: int = 0,
        min_depth_m: float = MIN_DEPTH_M,
    ) -> StereoEstimator:
        """Load a network that matches, in place of semi-global matching.

        Args:
            path: The .safetensors file, of the task ``stereo``.
            fill: As for the class.
            device: ``cpu``, ``cuda``, or ``auto``: a GPU if torch finds one, else the CPU.
            backend: ``onnx`` (CPU), ``torch``, or ``auto``: torch on a GPU, onnx on a CPU.
            threads: CPU threads of one inference; 0: the backend's default, one per core.
            min_depth_m: As for the class. Where the network searches fewer disparities than it
                needs, notes of predictions say so.

        Raises:
            CheckpointError: As :meth:`StereoNetwork.from_checkpoint`.
            ValueError: As there, or the nearest depth is not above 0.
        """
        if not min_depth_m > 0:  # before the network is started
            raise ValueError(f'nearest depth {min_depth_m:g} m: expected above 0')
        network = StereoNetwork.from_checkpoint(path, device, backend, threads)
        return cls(fill, min_depth_m, matcher=NetworkMatcher(network, min_depth_m))

    def predict(self, observation: Observation) -> StereoPrediction:
        """Predict depth of a pair.

        Args:
            observation: Left window, right window and rig. Without a right window depth is filled
                alone, at the last factor.

        Raises:
            TypeError: ``observation`` is not an :class:`Observation`.
            ValueError: It has no rig, or no right window where nothing is filled, or nothing can
                be searched at this baseline.
        """
        if not isinstance(observation, Observation):
            raise TypeError(
                f'predict got a {type(observation).__name__}: expected an Observation, for '
                'example predict(Observation(left, right=right, rig=rig))'
            )
        rig = observation.rig
        if rig is None or (observation.right is None and self.fill is None):
            raise ValueError(
                'an observation without a right window or a rig: expected Observation(left, '
                'right=right, rig=rig)'
            )
        with self._lock:
            matched = self._match(observation.window, observation.right, rig)
            if self.fill is None:
                return matched
            return self._filled(self.fill, matched, observation.window, rig)

    def search_range(self, rig: StereoRig) -> tuple[int, int]:
        """Return the lowest disparity and the number of disparities of the search, pixels.

        Args:
            rig: The cameras.

        Raises:
            ValueError: Nothing can be searched at this baseline.
        """
        return self._matcher.search_range(rig)

    def close(self) -> None:
        """Free the memory of matcher and fill; the estimator cannot predict afterwards."""
        with self._lock:
            self._matcher.close()
            if self.fill is not None:
                self.fill.close()

    def _match(self, left: Window, right: Window | None, rig: StereoRig) -> StereoPrediction:
        """Return depth of what both cameras measure; without a right window nothing is."""
        lowest, number = self._matcher.search_range(rig)
        self._follow(rig)
        notes: list[str] = []
        error_px: FloatImage | float = DISPARITY_ERROR_PX
        if right is None:
            size = left.geometry.height, left.geometry.width
            disparity = np.full(size, np.nan, np.float32)
            notes.append(ONE_EYE)
        else:
            self._check_alignment(left, right, rig)
            notes += self._alignment.notes
            notes += self._matcher.notes(left, rig)
            disparity, error_px = self._matcher.match(left, right, rig)
            if np.isfinite(disparity).mean() < _least_matched(number):
                disparity[:] = np.nan
                notes.append(FEW_MATCHED)
            away = disparity - np.float32(rig.offset_px)
            disparity[~((away >= LEAST_DISPARITY_PX) & rig.seen_by_left)] = np.nan
        depth = rig.depth_of(disparity)
        strength = np.asarray(rig.fx_px * rig.baseline_m / error_px, np.float32)
        return StereoPrediction(
            depth=depth,
            uncertainty=depth * depth / strength,
            depth_range=(
                rig.depth_of(float(lowest + number)),
                rig.depth_of(rig.offset_px + LEAST_DISPARITY_PX),
            ),
            scale='stereo',
            pixel_binning=1,
            notes=tuple(notes),
            disparity=disparity,
            origin=np.where(np.isnan(depth), NONE, MATCHED).astype(np.uint8),
            search=(lowest, number),
            vertical_offset_px=self._alignment.vertical_offset_px,
        )

    def _filled(
        self, mono: DepthEstimator, matched: StereoPrediction, left: Window, rig: StereoRig
    ) -> StereoPrediction:
        """Give the pixels without a match the monocular depth, in the metres of the others."""
        camera = dataclasses.replace(left.camera, rectification=rig.rectifications[0])
        alone = mono.predict(Observation(dataclasses.replace(left, camera=camera), rig.fx_px))
        shape = matched.depth.shape
        predicted, own = (
            _to_pixels(one, alone.pixel_binning, shape) for one in (alone.depth, alone.uncertainty)
        )
        factor = self._factor.update(matched.depth, predicted)
        if factor is None:
            return dataclasses.replace(matched, notes=(*matched.notes, *alone.notes, NOT_YET))
        metres = predicted * np.float32(factor.value)
        depth = fill(matched.depth, metres)
        filled = (matched.origin == NONE) & ~np.isnan(depth)
        uncertainty, origin = matched.uncertainty.copy(), matched.origin.copy()
        relative = np.hypot(own[filled] / predicted[filled], np.float32(factor.uncertainty))
        uncertainty[filled] = depth[filled] * relative * np.float32(FILLED_ERROR)
        origin[filled] = FILLED
        near, far = (factor.value * end for end in alone.depth_range)
        return dataclasses.replace(
            matched,
            depth=depth,
            uncertainty=uncertainty,
            origin=origin,
            depth_range=(min(near, matched.depth_range[0]), max(far, matched.depth_range[1])),
            notes=(*matched.notes, *alone.notes),
            fill_factor=factor.value,
        )

    def _check_alignment(self, left: Window, right: Window, rig: StereoRig) -> None:
        """Check the rows of a pair, unless the last one was checked shortly before."""
        if self._alignment.is_due(left.reference_ns):
            pictures = rig.rectify(*(preview.render(one, self.picture) for one in (left, right)))
            self._alignment.update(*pictures, rig.offset_px, left.reference_ns)

    def _follow(self, rig: StereoRig) -> None:
        """Forget what belongs to another rig than this one."""
        if rig != self._rig:
            self._rig = rig
            self._factor.reset()
            self._alignment.reset()


def _least_matched(number: int) -> float:
    """Return the share of matched pixels that noise does not reach in so many disparities."""
    return LEAST_MATCHED * max(LEAST_RANGE / number, 1.0) ** 2


def _to_pixels(image: FloatImage, binning: int, shape: tuple[int, ...]) -> FloatImage:
    """Repeat the pixels of a binned image; a last row and column that it lacks repeat, too."""
    if binning == 1:
        return image
    wide = image.repeat(binning, 0).repeat(binning, 1)
    beyond = [(0, n - m) for n, m in zip(shape, wide.shape, strict=True)]
    return np.pad(wide, beyond, 'edge')
