# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How alike recordings are as far as the sensor shapes them, and the sensor that fits one.

A recording has no known light to compare it with. So its light is taken from itself, smoothed over
a few pixels and planes: that keeps the scene and loses what single pixels do, which is what the
sensor's parameters then have to bring back. They are fitted on some planes and judged on others.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from spike_depth_ros.stream import packing
from spike_training.sensor.camera import SpikeCamera
from spike_training.sensor.parameters import Sensor

Floats = npt.NDArray[np.floating[Any]]
Spikes = npt.NDArray[np.uint8]
"""Unpacked planes, ``[planes, height, width]`` of 0 and 1."""

RATE_EDGES = np.linspace(0, 1, 51)
INTERVAL_EDGES = np.unique(np.geomspace(1, 256, 33).round())
PATTERN_EDGES = np.linspace(-0.3, 0.3, 31)
PATTERN_CLASSES = (0.0, 0.03, 0.06, 0.15, 0.6)
"""Firing rates between which the fixed pattern is looked at: dark current shows in the dark."""
SPREAD_CLASSES = (1.5, 3.0, 5.0, 8.0, 12.0, 16.0, 20.0)
"""Mean intervals, in planes, between which the spread of intervals is looked at."""

_SMOOTH = 5
_FLAT = 0.03
_ENOUGH = 150
_SATURATED = 0.99
_BEYOND = 1.5
_TIE = 0.01
_OUTLIER = 5
_CANDIDATES: tuple[dict[str, tuple[float, ...]], ...] = (
    {
        'response_mismatch': (0, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.05, 0.06, 0.08),
        'dark_current': (0, 25, 50, 75, 100, 125, 150, 200, 250, 300),
    },
    {'hot_pixels': (0, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)},
    {
        'electrons': (math.inf, 100_000, 30_000, 10_000, 5000, 3000, 1000, 300),
        'read_noise': (0, 0.002, 0.005, 0.01, 0.02, 0.05),
    },
)
"""Values that a fit tries, all combinations of those that a recording tells apart least."""


@dataclass(frozen=True)
class Signature:
    """What a sensor makes of a scene, in numbers.

    Attributes:
        rates: Share of the pixels in each bin of firing rate, ``[50]``.
        intervals: Share of the intervals between spikes in each bin of planes.
        pattern: For each class of firing rate, share of its flat pixels in each bin of deviation
            from their neighbours' mean, ``[classes, 30]``; NaN for a class of few pixels.
        spread: For each class of mean interval, median over steady pixels of the standard
            deviation of their intervals, planes; NaN for a class of few pixels.
    """

    rates: Floats
    intervals: Floats
    pattern: Floats
    spread: Floats


@dataclass(frozen=True)
class Scene:
    """Light of a recording, and where it is simple enough to see the sensor.

    Attributes:
        light: Thresholds per plane, ``[windows, height, width]`` float32; constant within each of
            the windows, which are of equal length. Where all pixels around fire in every plane
            it is only known to be more than 1: it is 1.5 there.
        flat: Pixels whose surroundings are even, ``[height, width]``.
        steady: Pixels whose light does not change, ``[height, width]``.
    """

    light: npt.NDArray[np.float32]
    flat: npt.NDArray[np.bool_]
    steady: npt.NDArray[np.bool_]


def scene_of(spikes: Spikes, windows: int) -> Scene:
    """The scene that a recording shows.

    Args:
        spikes: Unpacked planes.
        windows: How many times the light may change: 1 for a still scene.
    """
    parts = np.array_split(spikes, windows)
    light = np.stack(
        [cv2.blur(part.mean(0, dtype=np.float32), (_SMOOTH, _SMOOTH)) for part in parts]
    )
    light[light >= _SATURATED] = _BEYOND
    mean = light.mean(0)
    square = cv2.blur(mean * mean, (_SMOOTH, _SMOOTH)) - cv2.blur(mean, (_SMOOTH, _SMOOTH)) ** 2
    flat = np.sqrt(np.maximum(square, 0)) < _FLAT * mean
    counts = np.stack([part.sum(0, dtype=np.int64) for part in np.array_split(spikes, 4)])
    # A steady pixel's counts differ by one, and by what noise may add.
    steady = np.ptp(counts, axis=0) <= 1 + 0.05 * counts.max(0)
    return Scene(light, flat, steady)


def intervals_of(spikes: Spikes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Intervals between the spikes of each pixel.

    Args:
        spikes: Unpacked planes.

    Returns:
        Number of the pixel, ascending, and planes from one of its spikes to the next, both
        ``[intervals]``.
    """
    planes = len(spikes)
    fired = np.flatnonzero(np.ascontiguousarray(spikes.reshape(planes, -1).T))
    pixel, plane = np.divmod(fired, planes)
    same = pixel[1:] == pixel[:-1]
    return pixel[1:][same], np.diff(plane)[same]


def signature_of(spikes: Spikes, scene: Scene) -> Signature:
    """The signature of a recording.

    Args:
        spikes: Unpacked planes.
        scene: Where to look for the pattern and the spread; that of the real recording for a
            simulated one too, so that both are looked at in the same places.
    """
    shape = spikes.shape[1:]
    pixel, interval = intervals_of(spikes)
    count = np.bincount(pixel, minlength=math.prod(shape))
    total = np.bincount(pixel, interval, len(count))
    square = np.bincount(pixel, interval.astype(np.float64) ** 2, len(count))
    mean = total / np.maximum(count, 1)
    # Between spikes the rate is known finer than by counting them.
    rate = np.where(count > 0, count / np.maximum(total, 1), spikes.mean(0).ravel())
    variance = np.maximum(square - count * mean**2, 0) / np.maximum(count - 1, 1)
    usable = scene.steady.ravel() & (count >= 4)
    return Signature(
        rates=shares(spikes.mean(0).ravel(), RATE_EDGES),
        intervals=shares(interval, INTERVAL_EDGES),
        pattern=_pattern(rate.reshape(shape).astype(np.float32), scene),
        spread=np.array(
            [
                float(np.sqrt(np.median(variance[chosen]))) if chosen.sum() >= _ENOUGH else np.nan
                for low, high in itertools.pairwise(SPREAD_CLASSES)
                for chosen in (usable & (mean >= low) & (mean < high),)
            ]
        ),
    )


def _pattern(rate: npt.NDArray[np.float32], scene: Scene) -> Floats:
    deviation = pixel_deviation(rate)
    level = scene.light.mean(0)
    rows = []
    for low, high in itertools.pairwise(PATTERN_CLASSES):
        chosen = scene.flat & (level >= low) & (level < high)
        if chosen.sum() < _ENOUGH:
            rows.append(np.full(len(PATTERN_EDGES) - 1, np.nan))
        else:
            rows.append(shares(deviation[chosen], PATTERN_EDGES))
    return np.stack(rows)


def distance(first: Floats, second: Floats) -> float:
    """Total variation: the share of one histogram that lies elsewhere in the other, 0 to 1."""
    return float(np.abs(first - second).sum() / 2)


def distances(first: Signature, second: Signature) -> dict[str, float]:
    """How far apart two signatures are.

    Returns:
        ``rates``, ``intervals`` and ``pattern``: total variation from 0 to 1 (for the pattern the
        mean of its classes); ``spread``: mean absolute difference, planes.
    """
    both = ~np.isnan(first.pattern[:, 0]) & ~np.isnan(second.pattern[:, 0])
    pairs = zip(first.pattern[both], second.pattern[both], strict=True)
    return {
        'rates': distance(first.rates, second.rates),
        'intervals': distance(first.intervals, second.intervals),
        'pattern': float(np.mean([distance(a, b) for a, b in pairs])) if both.any() else 0.0,
        'spread': _mean_difference(first.spread, second.spread),
    }


def _mean_difference(first: Floats, second: Floats) -> float:
    difference = np.abs(first - second)
    known = ~np.isnan(difference)
    return float(difference[known].mean()) if known.any() else 0.0


def resimulate(scene: Scene, planes: int, sensor: Sensor, key: int) -> Spikes:
    """What a sensor records of a scene.

    The mean dark current is taken off the light, which had it.

    Args:
        scene: The scene; the number of its windows divides the planes.
        planes: Length of the recording.
        sensor: Parameters, with a gain and a threshold of 1.
        key: Of the recording, and of the sensor's pixels.
    """
    _, height, width = scene.light.shape
    windows = len(scene.light)
    each, rest = divmod(planes, windows)
    if rest:
        raise ValueError(f'{planes} planes in {windows} windows: expected a whole number in each')
    dark = sensor.dark_current / sensor.rate_hz
    light = torch.from_numpy(np.maximum(scene.light - dark, 0))
    camera = SpikeCamera(height, width, torch.tensor([key]), sensor)
    packed = [camera.expose(part.expand(1, 2, -1, -1), (0, each))[0].numpy() for part in light]
    return packing.unpack(np.concatenate(packed), width)


def fit(
    spikes: Spikes, windows: int, start: Sensor, on_step: Callable[[str], None] = lambda _: None
) -> Sensor:
    """The sensor that explains a recording best.

    Parameters are tried in groups, one after the other and twice round: each takes the values, of
    a fixed set, whose simulation is nearest to the recording by the sum of all distances. Among
    values within one per cent of the best, the first, nearest to the ideal sensor, is taken.
    The mismatch found is that of the ratio of response and threshold: a recording of light alone
    cannot tell them apart.

    Args:
        spikes: Unpacked planes.
        windows: See :func:`scene_of`; their number divides the planes.
        start: Its other parameters are kept.
        on_step: Called with a line about each parameter.
    """
    scene = scene_of(spikes, windows)
    real = signature_of(spikes, scene)

    def cost(sensor: Sensor) -> float:
        simulated = resimulate(scene, len(spikes), sensor, key=1)
        return sum(distances(real, signature_of(simulated, scene)).values())

    best = start
    for _ in range(2):
        for candidates in _CANDIDATES:
            trials = [
                _changed(best, candidates, v) for v in itertools.product(*candidates.values())
            ]
            costs = [cost(trial) for trial in trials]
            near = min(costs) * (1 + _TIE)
            best = trials[next(k for k, found in enumerate(costs) if found <= near)]
            values = ', '.join(f'{name} {getattr(best, name):g}' for name in candidates)
            on_step(f'{values}: cost {cost(best):.4f}, worst {max(costs):.4f}')
    return best


def _changed(sensor: Sensor, names: Iterable[str], values: Iterable[float]) -> Sensor:
    changes: dict[str, Any] = dict(zip(names, values, strict=True))
    return replace(sensor, **changes)


def fit_maps(response: Floats, dark: Floats) -> Sensor:
    """The sensor of which maps were measured.

    Args:
        response: Response of the pixels in any unit, ``[height, width]``. Only what pixels differ
            from their neighbours by counts, as light is seldom even.
        dark: Thresholds per plane in the dark at 20 kHz, ``[height, width]``, above 0.
    """
    logarithm = np.log(dark)
    spread = robust_std(logarithm)
    hot = logarithm > np.median(logarithm) + _OUTLIER * spread
    ideal = Sensor()
    return Sensor(
        response_mismatch=robust_std(pixel_deviation(response)),
        dark_current=float(dark[~hot].mean()) * ideal.rate_hz,
        dark_spread=spread,
        hot_pixels=float(hot.mean()),
        hot_current=float(dark.max()) * ideal.rate_hz if hot.any() else ideal.hot_current,
    )


def pixel_deviation(image: Floats) -> Floats:
    """By what share pixels differ from the mean of their neighbours, ``[height, width]``."""
    pixels = _SMOOTH**2
    image = image.astype(np.float32)
    around = (cv2.blur(image, (_SMOOTH, _SMOOTH)) * pixels - image) / (pixels - 1)
    deviation: Floats = image / np.maximum(around, 1e-6) - 1
    return deviation


def shares(values: npt.NDArray[Any], edges: Floats) -> Floats:
    """A histogram that adds up to 1; values beyond its ends count in its last bins."""
    inside = np.clip(values, edges[0], edges[-1])
    counts = np.histogram(inside, edges)[0]
    found: Floats = counts / max(counts.sum(), 1)
    return found


def robust_std(values: Floats) -> float:
    """Standard deviation by the median absolute deviation, which outliers do not change."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))
