# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Matcher by a network of the task ``stereo``, which sees the counts of both windows."""

from __future__ import annotations

import os

import numpy as np

from spike_depth_ros.checkpoint import CheckpointError, find_checkpoint, load
from spike_depth_ros.estimator import check_sensor, outside, start_backend, trial_window
from spike_depth_ros.geometry.rectification import Rectification
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.runtime.backend import Backend
from spike_depth_ros.runtime.layout import Layout, PairLayout
from spike_depth_ros.stereo.matcher import Match
from spike_depth_ros.stream.window import Window
from spike_depth_ros.tasks.stereo import StereoInfo

LARGEST_ERROR_PX = 1.5
"""Half-width of the 68 % interval above which a disparity is no match, pixels.

The network answers everywhere, also where the right camera does not see a place. On generated
scenes 82 % of the pixels are below, and 1 to 2 % where the right eye sees noise alone.
"""

TRIAL_SIZE = (64, 128)
"""Height and width of the pair that is matched before a network is used, pixels."""

TRIAL_RATE = 0.2
"""Firing rate of this pair, spikes per plane."""

Rectifications = tuple[Rectification | None, Rectification | None]


class StereoNetwork:
    """Network that predicts disparity of rectified pairs, and its error.

    For one thread at a time.

    Args:
        info: Metadata of the network.
        backend: Runtime of the network.

    Attributes:
        info: Metadata of the network.
    """

    def __init__(self, info: StereoInfo, backend: Backend) -> None:
        self.info = info
        self._backend = backend
        self._layout: PairLayout | None = None

    @classmethod
    def from_checkpoint(
        cls,
        path: str | os.PathLike[str],
        device: str = 'auto',
        backend: str = 'auto',
        threads: int = 0,
    ) -> StereoNetwork:
        """Load a checkpoint, and match a trial pair.

        Args:
            path: The .safetensors file.
            device: As for :meth:`spike_depth_ros.estimator.DepthEstimator.from_checkpoint`.
            backend: As there.
            threads: As there.

        Raises:
            CheckpointError: The file is missing, damaged, of another task or newer format, does
                not fit, its .onnx export is missing or stale, or its disparities are not finite.
            ValueError: The device or backend is not available on this machine.
        """
        found = find_checkpoint(path)
        info, tensors = load(found, StereoInfo)
        network = cls(info, start_backend(found, info, tensors, device, backend, threads))
        problem = network._problem()
        if problem:
            network.close()
            raise CheckpointError(f'{found}: in a trial pair {problem}: choose another checkpoint')
        return network

    @property
    def backend(self) -> str:
        """``onnx`` or ``torch``."""
        return self._backend.name

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        return self._backend.device

    def predict(
        self, left: Window, right: Window, rectifications: Rectifications = (None, None)
    ) -> Match:
        """Predict the disparities of a pair.

        Args:
            left: Left window.
            right: Right window, of the same size and number of planes.
            rectifications: Of the left and the right eye, after which their rows correspond, and
                what is infinitely far has a disparity of 0; None: as the sensor sees it.

        Returns:
            Disparity, 0 to ``info.disparities`` pixels, and its error, both for all pixels.

        Raises:
            ValueError: The windows differ, or are too small or too long for the network, or of
                another sensor size than the checkpoint requires.
        """
        layout = PairLayout(
            *(
                self._layout_of(window, one)
                for window, one in zip((left, right), rectifications, strict=True)
            )
        )
        if layout != self._layout:
            self._layout = layout  # the last one keeps its maps
        images = self._backend.run((left.data, right.data), self._layout or layout)
        error = images['uncertainty'] * np.float32(self.info.uncertainty_factor)
        return Match(np.ascontiguousarray(images['disparity']), error)

    def close(self) -> None:
        """Free device memory; the network cannot predict afterwards."""
        self._backend.close()

    def _layout_of(self, window: Window, rectification: Rectification | None) -> Layout:
        sensor, info = window.geometry, self.info
        check_sensor(info, (sensor.height, sensor.width))
        return Layout(
            sensor, window.planes, info.bins, pool=info.pool, rectification=rectification
        )

    def _problem(self) -> str:
        """Return what is wrong with the disparities of a trial pair; empty if nothing is."""
        info = self.info
        size, rng = info.sensor_size or TRIAL_SIZE, np.random.default_rng(0)
        left, right = (trial_window(info, size, TRIAL_RATE, rng) for _ in range(2))
        found = self.predict(left, right)
        self._layout = None
        if not np.isfinite(found.disparity).all() or not np.isfinite(found.error_px).all():
            return 'disparity or its error is not finite'
        low, high = float(found.disparity.min()), float(found.disparity.max())
        if low < 0 or high > info.disparities:
            return f'disparity is {low:g} to {high:g} pixels, expected 0 to {info.disparities}'
        return '' if np.min(found.error_px) > 0 else 'the error of disparity is 0, expected more'


class NetworkMatcher:
    """Matcher of windows by a network; see :class:`Matcher`.

    Disparities whose predicted error is above :data:`LARGEST_ERROR_PX` are no answers.

    Args:
        network: The network.
        min_depth_m: Depth of the nearest place that is searched, metres, above 0.
    """

    def __init__(self, network: StereoNetwork, min_depth_m: float) -> None:
        self.network, self.min_depth_m = network, min_depth_m

    def search_range(self, rig: StereoRig) -> tuple[int, int]:
        """Implement :meth:`Matcher.search_range`: no more than the network searches."""
        lowest, number = rig.search_range(self.min_depth_m)
        return lowest, min(number, self.network.info.disparities)

    def notes(self, left: Window, rig: StereoRig) -> tuple[str, ...]:
        """Implement :meth:`Matcher.notes`: what the network was not trained for."""
        info, found = self.network.info, []
        nearest = rig.fx_px * rig.baseline_m / info.disparities
        if nearest > self.min_depth_m:
            needed = rig.fx_px * rig.baseline_m / self.min_depth_m
            found.append(
                f'the network searches {info.disparities} disparities, {self.min_depth_m:g} m '
                f'needs {needed:.0f}: nothing nearer than {nearest:.2g} m is measured'
            )
        found += outside('window', left.planes, info.planes_range, 'planes')
        found += outside('plane rate', left.rate_hz, info.rate_hz_range, 'Hz')
        return tuple(found)

    def match(self, left: Window, right: Window, rig: StereoRig) -> Match:
        """Implement :meth:`Matcher.match`."""
        disparity, error = self.network.predict(left, right, rig.aligned)
        disparity += np.float32(rig.offset_px)
        disparity[error > LARGEST_ERROR_PX] = np.nan
        return Match(disparity, error)

    def close(self) -> None:
        """Implement :meth:`Matcher.close`."""
        self.network.close()
