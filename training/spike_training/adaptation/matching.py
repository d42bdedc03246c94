# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Match of simulated source spikes to a recording: light, lens and sensor.

A generated scene and a recorded place differ, but some statistics depend on the camera more than
on the place: firing rates, loss of fine detail, noise in time, and differences between pixels
that stay from window to window. Lens, light and sensor of the simulation are searched for those
with the nearest statistics.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spike_depth_ros.base.values import Fraction, within
from spike_training.choices import Split
from spike_training.matching.pattern import lasting_pattern
from spike_training.matching.view import DARK_SPREAD
from spike_training.sampling.sample import Batch
from spike_training.sampling.shifted import Optics, ShiftedSource
from spike_training.sensor.parameters import Sensor
from spike_worlds.pool import generate
from spike_worlds.render import render

Floats = npt.NDArray[np.float64]

BATCH_SIZE = 12
"""Windows that networks see at a time."""

QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
"""Quantiles of the firing rate."""

DETAIL_PX = (1, 2, 4, 8, 16)
"""Distances between the squares whose rates are compared, and their sizes, pixels."""

_FLOOR = 1e-3  # added to rates before logarithms
_TOGETHER = 'light and dark current'
_REPETITIONS = 3  # of the search, at most
_CLEARLY = 0.05  # share of the distance that a change must explain


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Statistics of windows that depend on the camera; logarithms, so that differences compare.

    Attributes:
        rates: Quantiles of the firing rate of squares of 4x4 pixels.
        detail: Mean relative difference between neighbouring squares of each size but the largest
            two, over that of these, across and down. Real places have several times the detail of
            generated ones at all sizes alike; blur removes that of small ones.
        noise: Median squared difference of the counts of even and odd bins, over their sum.
        pattern: Standard deviation of the pixels' lasting deviation from their neighbours, in the
            darker and in the brighter half of the picture.
        hot: Share of pixels that are brighter than their neighbours in nearly all windows.
        corners: Mean rate of the corners over that of the middle.
    """

    rates: Floats
    detail: Floats
    noise: Floats
    pattern: Floats
    hot: Floats
    corners: Floats

    def distance(self, other: Statistics) -> float:
        """Return the weighted sum of mean squared differences, 0 or more."""
        found = 0.0
        for name, scale in _SCALES.items():
            difference = getattr(self, name) - getattr(other, name)
            found += float(np.mean((difference / scale) ** 2))
        return found


_SCALES = {'rates': 0.3, 'detail': 0.1, 'noise': 0.3, 'pattern': 0.2, 'hot': 0.4, 'corners': 0.3}
"""Differences that count as one: about what two samples of generated scenes differ by."""


def compute_statistics(counts: Tensor, planes_per_bin: Tensor) -> Statistics:
    """Compute the statistics of windows.

    Args:
        counts: Spikes of each pixel in each bin, ``[B, C, H, W]`` uint8, of different moments.
        planes_per_bin: Planes that each bin covers, ``[C]``.
    """
    spikes = counts.cpu().numpy().astype(np.float32)
    total = spikes.sum(axis=1)
    rate = total / float(planes_per_bin.sum())
    squares = _squares(rate, 4)
    detail = []
    for size in DETAIL_PX:
        part = _squares(rate, size) + _FLOOR
        for axis in (1, 2):
            a, b = np.moveaxis(part, axis, 0)[:-1], np.moveaxis(part, axis, 0)[1:]
            detail.append(np.mean(np.abs(a - b) / (a + b)))
    bins = spikes.shape[1] // 2 * 2
    even, odd = spikes[:, 0:bins:2].sum(axis=1), spikes[:, 1:bins:2].sum(axis=1)
    noise = np.mean((even - odd) ** 2) / max(float(np.mean(even + odd)), 1e-6)
    rows, columns = rate.shape[1:]
    mean = rate.mean(axis=0)
    r, c = max(rows // 5, 1), max(columns // 5, 1)
    corner = np.mean([mean[:r, :c], mean[:r, -c:], mean[-r:, :c], mean[-r:, -c:]])
    middle = mean[2 * r : -2 * r, 2 * c : -2 * c].mean()
    logs = np.log(np.array(detail) + 1e-4).reshape(-1, 2)
    fine, coarse = logs[:-2], logs[-2:]
    pattern, hot = lasting_pattern(rate)
    return Statistics(
        rates=np.log(np.quantile(squares, QUANTILES) + _FLOOR),
        detail=(fine - coarse.mean(axis=0)).ravel(),
        noise=np.log([noise + 1e-3]),
        pattern=np.log(pattern + 0.01),
        hot=np.log([hot + 1e-3]),
        corners=np.log([(corner + _FLOOR) / (middle + _FLOOR)]),
    )


def _squares(rate: npt.NDArray[np.float32], size: int) -> npt.NDArray[np.float32]:
    """Return the mean rates of squares, ``[B, H // size, W // size]``."""
    if size == 1:
        return rate
    number, rows, columns = rate.shape
    cut = rate[:, : rows // size * size, : columns // size * size]
    found: npt.NDArray[np.float32] = cut.reshape(
        number, rows // size, size, columns // size, size
    ).mean(axis=(2, 4))
    return found


@dataclasses.dataclass(frozen=True)
class Camera(Optics):
    """Lens, light and sensor of a match: none is left out, and each is in the range of trials."""

    light: Annotated[float, within(1e-9, 1e6)] = dataclasses.field()
    contrast: Annotated[float, within(0.1, 10)] = dataclasses.field()
    vignette: Fraction = dataclasses.field()
    blur: Annotated[float, within(0, 16)] = dataclasses.field()
    sensor: Sensor = dataclasses.field()


@dataclasses.dataclass(frozen=True)
class Match:
    """Result of a search, ``match.json``.

    Attributes:
        optics: Lens, light and sensor with the nearest statistics.
        distance: Their distance to the recording.
        before: Distance of generated scenes through the ideal camera.
    """

    optics: Camera
    distance: Annotated[float, within(0, 1e12)]
    before: Annotated[float, within(0, 1e12)]

    def describe(self) -> str:
        """Describe the camera and the distances in one line."""
        optics, sensor = self.optics, self.optics.sensor
        return (
            f'light {optics.light:.2g}, contrast {optics.contrast:g}, vignette '
            f'{optics.vignette:g}, blur {optics.blur:g} px, mismatch '
            f'{sensor.response_mismatch:g}, dark current {sensor.dark_current:.3g}/s, hot pixels '
            f'{sensor.hot_pixels:.1%} (distance {self.distance:.2f}; ideal camera '
            f'{self.before:.2f})'
        )


@dataclasses.dataclass(frozen=True)
class Windows:
    """Windows of a recording, as a network sees them.

    Attributes:
        height: Rows.
        width: Columns.
        planes: Length.
        rate_hz: Planes per second.
        bins: Bins of the counts.
    """

    height: int
    width: int
    planes: int
    rate_hz: float
    bins: int


@dataclasses.dataclass(frozen=True)
class SimulatedScenes:
    """Labelled generated scenes as a camera sees them.

    Attributes:
        optics: Lens, light and sensor.
        windows: Windows of the recording, which they are like.
        seed: Seed of the scenes.
    """

    optics: Optics
    windows: Windows
    seed: int

    def source(
        self, styles: Sequence[str], split: Split, device: torch.device | str = 'cpu'
    ) -> ShiftedSource:
        """Return scenes of these styles in turn; splits have no scene in common."""
        windows = self.windows
        return ShiftedSource(
            self.optics, styles=tuple(styles), seed=self.seed, split=split, height=windows.height,
            width=windows.width, planes=(windows.planes,), rate_hz=windows.rate_hz,
            bins=windows.bins, device=device,
        )  # fmt: skip

    def batches(
        self,
        styles: Sequence[str],
        split: Split,
        number: int,
        device: torch.device | str = 'cpu',
    ) -> list[Batch]:
        """Return the first scenes, in batches."""
        source = self.source(styles, split, device)
        return [
            source.samples(range(first, min(first + BATCH_SIZE, number)))
            for first in range(0, number, BATCH_SIZE)
        ]


def _sensor(optics: Camera, **changes: Any) -> Camera:
    return dataclasses.replace(optics, sensor=dataclasses.replace(optics.sensor, **changes))


def _dark(optics: Camera, charge: float) -> Camera:
    """Set the dark current in thresholds per plane."""
    return _sensor(optics, dark_current=charge * optics.sensor.rate_hz)


_STEPS: dict[str, Callable[[Camera], Sequence[Camera]]] = {
    _TOGETHER: lambda o: [
        _dark(dataclasses.replace(o, light=o.light * factor), charge)
        for factor in (0.04, 0.08, 0.15, 0.3, 0.55, 1.0, 1.8)
        for charge in (0.0, 0.005, 0.012, 0.03, 0.07)
    ],
    'blur': lambda o: [
        dataclasses.replace(o, blur=value) for value in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
    ],
    'light': lambda o: [
        dataclasses.replace(o, light=o.light * f) for f in (0.6, 0.75, 0.87, 1.15, 1.33, 1.67)
    ],
    'contrast': lambda o: [
        dataclasses.replace(o, contrast=value) for value in (0.5, 0.7, 1.0, 1.4, 1.8, 2.3, 3.0)
    ],
    'vignette': lambda o: [
        dataclasses.replace(o, vignette=value) for value in (0.0, 0.25, 0.5, 0.75)
    ],
    'mismatch': lambda o: [
        _sensor(o, response_mismatch=value) for value in (0.0, 0.02, 0.05, 0.1, 0.2)
    ],
    'dark_current': lambda o: [
        _dark(o, value) for value in (0.0, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1)
    ],
    'hot_pixels': lambda o: [
        _sensor(o, hot_pixels=value) for value in (0.0, 0.001, 0.003, 0.01, 0.03)
    ],
}
"""Trials of each parameter, from the best ones so far."""


LEAST_TRIALS, MOST_TRIALS = 157, 364
"""Trials of a match."""


class SceneSeconds(NamedTuple):
    """Durations for a scene, seconds.

    Attributes:
        render: To generate and render it.
        trial: To record it by a camera, and to compute its statistics.
    """

    render: float
    trial: float


def time_scenes(styles: Sequence[str], windows: Windows, scenes: int = 4) -> SceneSeconds:
    """Measure what the scenes of a match take on this machine."""
    source = SimulatedScenes(Optics(), windows, 0).source(styles, 'train')
    for _ in range(2):  # the first time, textures and memory are prepared
        start = time.monotonic()
        drawn = generate(source.generators, range(scenes))
        rendering = render(drawn, windows.height, windows.width, torch.device('cpu'))
        middle = time.monotonic()
        counts = source.record(rendering, drawn, Optics(), windows.planes, windows.rate_hz)
        compute_statistics(*counts)
    return SceneSeconds((middle - start) / scenes, (time.monotonic() - middle) / scenes)


def match_camera(
    recorded: Statistics,
    styles: Sequence[str],
    windows: Windows,
    scenes: int = 18,
    advance: Callable[[], object] = lambda: None,
) -> Match:
    """Search the camera whose simulation has the statistics of a recording.

    Parameters are searched one after the other, several times, with the same scenes: light and
    dark current together, then all of them alone; all of this again, three times at most, while
    light and dark current together explain clearly more.

    Args:
        recorded: Statistics of the recording.
        styles: Styles of the generated scenes.
        windows: Windows of the recording.
        scenes: Number of scenes.
        advance: Called after each trial, of which there are :data:`MOST_TRIALS` at most.
    """
    rate_hz = windows.rate_hz
    source = SimulatedScenes(Optics(), windows, seed=0).source(styles, 'train')
    drawn = generate(source.generators, range(scenes))
    rendering = render(drawn, windows.height, windows.width, torch.device('cpu'))

    def distance(optics: Optics) -> float:
        counts, lengths = source.record(rendering, drawn, optics, windows.planes, rate_hz)
        found = recorded.distance(compute_statistics(counts, lengths))
        advance()
        return found

    # Hot pixels reach saturation at any plane rate.
    sensor = Sensor(rate_hz=rate_hz, dark_spread=DARK_SPREAD, hot_current=rate_hz)
    best = Camera(1.0, 1.0, 0.0, 0.0, sensor)
    before = least = distance(best)
    alone = [name for name in _STEPS if name != _TOGETHER]
    for repetition in range(_REPETITIONS):
        # Light and dark current explain each other's rates: they are tried together first.
        for name in [_TOGETHER, *alone, *alone]:
            tried = [(distance(trial), trial) for trial in _STEPS[name](best)]
            found, trial = min(tried, key=lambda one: one[0])
            # Scenes differ: a parameter changes only where it explains clearly more.
            if found < (1 - _CLEARLY) * least:
                best, least = trial, found
            elif name == _TOGETHER and repetition:
                return Match(best, least, before)
    return Match(best, least, before)
