# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fit of a sensor's parameters to a recording, by statistics that the sensor determines.

The light of a recording is unknown. It is estimated from the recording itself, smoothed over a few
pixels and planes, which keeps the scene and removes the differences between single pixels. The
sensor's parameters must explain these. They are fitted on some planes and tested on others.
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
"""Edges of the classes of firing rate of the fixed pattern: dark current shows in the dark."""
SPREAD_CLASSES = (1.5, 3.0, 5.0, 8.0, 12.0, 16.0, 20.0)
"""Edges of the classes of mean interval, in planes, of the spread of intervals."""

_SMOOTH = 5  # pixels per side of the smoothing window
_FLAT = 0.03  # greatest relative standard deviation of even surroundings
_ENOUGH = 150  # pixels of a class, at least
_SATURATED = 0.99  # firing rate from which on light is unknown
_BEYOND = 1.5  # light assumed there, thresholds per plane
_TIE = 0.01  # relative difference of costs that counts as none
_OUTLIER = 5  # robust standard deviations
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
"""Values that a fit tries; parameters that a recording hardly separates are tried together."""


@dataclass(frozen=True)
class Signature:
    """Statistics of a recording that its sensor determines.

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
    """Light of a recording, and the pixels where it is simple enough for statistics.

    Attributes:
        light: Thresholds per plane, ``[windows, height, width]`` float32; constant within each of
            the windows, which are of equal length. 1.5 where all pixels around fire in every
            plane: light there is unknown, but above 1.
        flat: Pixels whose surroundings are even, ``[height, width]``.
        steady: Pixels whose light does not change, ``[height, width]``.
    """

    light: npt.NDArray[np.float32]
    flat: npt.NDArray[np.bool_]
    steady: npt.NDArray[np.bool_]


def estimate_scene(spikes: Spikes, windows: int) -> Scene:
    """Estimate the scene of a recording.

    Args:
        spikes: Unpacked planes.
        windows: Number of windows of constant light: 1 for a still scene.
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
    # A steady pixel's counts differ by one, plus noise.
    steady = np.ptp(counts, axis=0) <= 1 + 0.05 * counts.max(0)
    return Scene(light, flat, steady)


def spike_intervals(spikes: Spikes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the intervals between the spikes of each pixel.

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


def compute_signature(spikes: Spikes, scene: Scene) -> Signature:
    """Compute the signature of a recording.

    Args:
        spikes: Unpacked planes.
        scene: Selects the pixels of pattern and spread. For a simulated recording, pass the scene
            of the real one, so that both are measured at the same pixels.
    """
    shape = spikes.shape[1:]
    pixel, interval = spike_intervals(spikes)
    count = np.bincount(pixel, minlength=math.prod(shape))
    total = np.bincount(pixel, interval, len(count))
    square = np.bincount(pixel, interval.astype(np.float64) ** 2, len(count))
    mean = total / np.maximum(count, 1)
    # Between spikes the rate is known finer than by counting them.
    rate = np.where(count > 0, count / np.maximum(total, 1), spikes.mean(0).ravel())
    variance = np.maximum(square - count * mean**2, 0) / np.maximum(count - 1, 1)
    usable = scene.steady.ravel() & (count >= 4)
    return Signature(
        rates=histogram(spikes.mean(0).ravel(), RATE_EDGES),
        intervals=histogram(interval, INTERVAL_EDGES),
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
            rows.append(histogram(deviation[chosen], PATTERN_EDGES))
    return np.stack(rows)


def total_variation(first: Floats, second: Floats) -> float:
    """Return the total variation distance of two histograms, 0 to 1."""
    return float(np.abs(first - second).sum() / 2)


def distances(first: Signature, second: Signature) -> dict[str, float]:
    """Return the distances of two signatures.

    Returns:
        ``rates``, ``intervals`` and ``pattern``: total variation from 0 to 1 (for the pattern the
        mean of its classes); ``spread``: mean absolute difference, planes.
    """
    both = ~np.isnan(first.pattern[:, 0]) & ~np.isnan(second.pattern[:, 0])
    pairs = zip(first.pattern[both], second.pattern[both], strict=True)
    return {
        'rates': total_variation(first.rates, second.rates),
        'intervals': total_variation(first.intervals, second.intervals),
        'pattern': float(np.mean([total_variation(a, b) for a, b in pairs]))
        if both.any()
        else 0.0,
        'spread': _mean_difference(first.spread, second.spread),
    }


def _mean_difference(first: Floats, second: Floats) -> float:
    difference = np.abs(first - second)
    known = ~np.isnan(difference)
    return float(difference[known].mean()) if known.any() else 0.0


def resimulate(scene: Scene, planes: int, sensor: Sensor, seed: int) -> Spikes:
    """Simulate the recording of a scene by a sensor.

    The mean dark current is subtracted from the light, which contains it.

    Args:
        scene: The scene; the number of its windows divides the planes.
        planes: Length of the recording.
        sensor: Parameters, with a gain and a threshold of 1.
        seed: Of the recording, and of the sensor's pixels.
    """
    _, height, width = scene.light.shape
    windows = len(scene.light)
    each, rest = divmod(planes, windows)
    if rest:
        raise ValueError(f'{planes} planes in {windows} windows: expected a whole number in each')
    dark = sensor.dark_current / sensor.rate_hz
    light = torch.from_numpy(np.maximum(scene.light - dark, 0))
    camera = SpikeCamera(height, width, torch.tensor([seed]), sensor)
    packed = [camera.expose(part.expand(1, 2, -1, -1), (0, each))[0].numpy() for part in light]
    return packing.unpack(np.concatenate(packed), width)


def fit(
    spikes: Spikes, windows: int, start: Sensor, on_step: Callable[[str], None] = lambda _: None
) -> Sensor:
    """Fit a sensor to a recording.

    Groups of parameters are searched one after the other, twice. Each takes the values, of a fixed
    set, whose simulation has the least sum of all distances to the recording. Among values within
    one per cent of the best, the first is taken, which is nearest to the ideal sensor. The
    mismatch is that of the ratio of response and threshold, which a recording cannot separate.

    Args:
        spikes: Unpacked planes.
        windows: See :func:`estimate_scene`; their number divides the planes.
        start: Sensor whose other parameters are kept.
        on_step: Called with a line about each parameter.
    """
    scene = estimate_scene(spikes, windows)
    real = compute_signature(spikes, scene)

    def cost(sensor: Sensor) -> float:
        simulated = resimulate(scene, len(spikes), sensor, seed=1)
        return sum(distances(real, compute_signature(simulated, scene)).values())

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
    """Return the sensor of measured maps.

    Args:
        response: Response of the pixels in any unit, ``[height, width]``. Only differences between
            neighbours are used, as light is seldom even.
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
    """Return relative deviations from the mean of neighbours, ``[height, width]``."""
    pixels = _SMOOTH**2
    image = image.astype(np.float32)
    around = (cv2.blur(image, (_SMOOTH, _SMOOTH)) * pixels - image) / (pixels - 1)
    deviation: Floats = image / np.maximum(around, 1e-6) - 1
    return deviation


def histogram(values: npt.NDArray[Any], edges: Floats) -> Floats:
    """Return a histogram that adds up to 1; values beyond its ends count in its last bins."""
    inside = np.clip(values, edges[0], edges[-1])
    counts = np.histogram(inside, edges)[0]
    found: Floats = counts / max(counts.sum(), 1)
    return found


def robust_std(values: Floats) -> float:
    """Return the standard deviation by the median absolute deviation, robust to outliers."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))
