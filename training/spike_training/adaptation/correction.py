# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Correction of a sensor, from a recording of any scene or recordings made for it.

What a scene does at a pixel differs between windows of different moments and averages out; what
remains is the pixel's.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.numpy import load
from safetensors.numpy import save as serialise
from torch import Tensor

from spike_depth_ros.base.results import write_atomically
from spike_depth_ros.networks.temporal import average_pool
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.stream.correction import Measured, SensorCorrection, count_factors
from spike_training.adaptation.stored import damaged
from spike_training.datasets.clip import SpikeClip
from spike_training.errors import DataSetError
from spike_training.matching.pattern import lasting_pattern
from spike_training.matching.view import DARK_SPREAD
from spike_training.sampling.sample import Batch, Source, Unlabelled, left_out

Floats = npt.NDArray[np.float32]

AnyBatch = TypeVar('AnyBatch', Batch, Unlabelled)

MIN_FLAT = 0.05
"""Median firing rate of a flat recording, spikes per plane, at least."""

MAX_FLAT = 0.9
"""Median firing rate of a flat recording, spikes per plane, at most: pixels must not saturate."""

MAX_DARK = 2000.0
"""Median dark current, spikes per second, at most: ten times that of fitted sensors."""

MIN_WINDOWS = 12
"""Windows that a correction is estimated from, at least: in few, scenes look like pixels."""

MAX_CORRELATION = 0.12
"""Correlation of the responses of neighbouring pixels, at most: above, they show the scene."""

MAX_FLAT_STRUCTURE = 0.2
"""Structure of a flat recording, at most: uneven light in uniform pictures of a real sensor has
0.05, scenes have 0.4 to 0.8."""

MAX_DARK_STRUCTURE = 0.3
"""Structure of a dark recording, at most: the dark current of a real sensor has 0.07."""

LEAST_PLANES = 1000
"""Planes of a flat or dark recording, at least."""

MOST_PLANES = 20_000
"""Planes of a flat or dark recording that are read, at most."""

_NEIGHBOURS = 5  # pixels per side of the surroundings of a pixel
_FLOOR = 0.005  # added to rates before ratios, spikes per plane
_HOT = 0.5  # relative deviation from the neighbours
_DEAD = 0.1  # share of the neighbours' rate
_ALWAYS = 0.9  # share of the windows
_MIN_SPIKES = 4.0  # of the neighbours, for a window to show a dead pixel
_MIN_WINDOWS = 3
_GAINS = (0.5, 2.0)
_TOGETHER = 1000  # planes that are read at a time
_FLOOR_DARK = 1e-3  # spikes per plane: one in as many planes as are read at a time
# Prior of response and dark current: keeps them apart where the light of a pixel hardly varies.
_PRIOR = (1.0, 100.0)


def estimate_correction(rates: Iterable[Floats], planes: int, rate_hz: float) -> SensorCorrection:
    """Estimate the correction of a sensor from windows of a moving scene.

    A pixel's deviation from the median of its neighbours is fitted by ``response * rate + dark
    current``, in each half of the windows for itself. Both maps are multiplied by the share of
    their variance that the two halves have in common. Deviations are relative to the neighbours:
    the mean dark current follows from their spread, which is alike in all fitted sensors, and is
    no more than the rate of the darkest places. Where neighbours deviate alike, the scene has not
    moved enough, and faulty pixels alone are corrected.

    Args:
        rates: Firing rates of at least :data:`MIN_WINDOWS` windows in the order of time, ``[H,
            W]`` each, spikes per plane.
        planes: Planes of a window.
        rate_hz: Plane rate.

    Raises:
        ValueError: There are too few windows, or too many pixels seem faulty.
    """
    every = [*rates]
    if len(every) < MIN_WINDOWS:
        raise ValueError(f'{len(every)} windows, expected {MIN_WINDOWS} or more')
    shape = every[0].shape
    # Sums of each half: of squares and products of response, dark current and deviation.
    sums = np.zeros((2, 5, *shape), np.float32)
    hot, dead, lit = (np.zeros(shape, np.int32) for _ in range(3))
    darkest = math.inf
    for number, rate in enumerate(every):
        around = cv2.medianBlur(rate, _NEIGHBOURS)
        deviation = ((rate - around) / (around + _FLOOR)).clip(-1, 1)
        hot += deviation > _HOT
        bright = around * planes >= _MIN_SPIKES
        lit += bright
        dead += bright & (rate < _DEAD * around)
        darkest = min(darkest, float(np.quantile(cv2.blur(around, (9, 9)), 0.01)))
        u, v = around / (around + _FLOOR), 1 / (around + _FLOOR)
        half = sums[2 * number // len(every)]
        for total, product in zip(half, (u * u, v * v, u * v, u * deviation, v * deviation),
                                  strict=True):  # fmt: skip
            total += product
    faulty = (hot >= _ALWAYS * len(every)) | (
        (lit >= _MIN_WINDOWS) & (dead >= _ALWAYS * lit) & (dead > 0)
    )
    uu, vv, uv, ud, vd = sums.swapaxes(0, 1)
    uu, vv = uu + _PRIOR[0], vv + _PRIOR[1]
    determinant = uu * vv - uv**2
    response, _ = _lasting((vv * ud - uv * vd) / determinant, ~faulty)
    current, spread = _lasting((uu * vd - uv * ud) / determinant, ~faulty)
    mean = min(spread / DARK_SPREAD, darkest)
    if _neighbour_correlation(response, ~faulty) > MAX_CORRELATION:
        # Pixels have nothing to do with their neighbours: this is what the scene left.
        return SensorCorrection(faulty, np.ones(shape), np.zeros(shape))
    gain = (1 + response).clip(*_GAINS)
    dark = (mean * gain + current).clip(min=0) * rate_hz
    return SensorCorrection(faulty, np.where(faulty, 1, gain), np.where(faulty, 0, dark))


def _neighbour_correlation(response: Floats, good: npt.NDArray[np.bool_]) -> float:
    """Return the mean correlation of a map with that of the pixels beside, below and diagonal."""
    low, high = np.quantile(response[good], (0.01, 0.99))
    centred = np.where(good, response, 0).clip(low, high)
    centred = centred - centred.mean()
    return _neighbour_product(centred) / max(float(np.square(centred).mean()), 1e-12)


def _neighbour_product(centred: Floats) -> float:
    """Return the mean product of a pixel with those beside, below and diagonal, ``[H, W]``."""
    rows, columns = centred.shape
    products = [
        (centred[y:, x:] * centred[: rows - y, : columns - x]).mean()
        for y, x in ((0, 1), (1, 0), (1, 1))
    ]
    return float(np.mean(products))


def _structure(rate: Floats, floor: float) -> float:
    """Return the structure of a picture: what neighbours have in common, over the median rate.

    The covariance of neighbouring pixels is the variance of the light alone: response, dark
    current and noise of pixels have nothing to do with their neighbours'.

    Args:
        rate: Firing rates, ``[H, W]``.
        floor: Least median rate that counts, above 0.
    """
    low, middle, high = np.quantile(rate, (0.01, 0.5, 0.99))
    centred = rate.clip(low, high)
    centred = centred - centred.mean()
    return math.sqrt(max(_neighbour_product(centred), 0.0)) / max(float(middle), floor)


def _lasting(halves: Floats, good: npt.NDArray[np.bool_]) -> tuple[Floats, float]:
    """Return the map that two halves have in common, and its standard deviation.

    Args:
        halves: Two estimates, ``[2, H, W]``.
        good: Pixels that count.
    """
    found = halves.mean(axis=0)
    low, middle, high = np.quantile(found[good], (0.16, 0.5, 0.84))
    limits = middle - 3 * (high - low), middle + 3 * (high - low)
    one, other = halves[:, good].clip(*limits)
    if min(one.std(), other.std()) == 0:
        return np.zeros_like(found), 0.0
    common = max(float(np.corrcoef(one, other)[0, 1]), 0.0)
    share = 2 * common / (1 + common)
    centred = found - found[good].clip(*limits).mean()
    return np.float32(share) * centred, math.sqrt(share) * float(high - low) / 2


class UniformRates(NamedTuple):
    """Firing rates of a sensor in uniform light and without light; None: not recorded.

    Attributes:
        flat: In uniform light, ``[H, W]`` spikes per second.
        dark: With the lens covered, likewise.
    """

    flat: Floats | None = None
    dark: Floats | None = None


def measure_rates(
    geometry: Geometry, flat: Sequence[SpikeClip] = (), dark: Sequence[SpikeClip] = ()
) -> UniformRates:
    """Measure the rates that a correction is measured from.

    Args:
        geometry: Sensor and bit order of the recordings to adapt to.
        flat: Recordings of a uniform bright picture, such as a white wall out of focus.
        dark: Recordings with the lens covered.

    Raises:
        DataSetError: The recordings are of another sensor, too short, too dark, saturated, too
            bright, or show a scene.
    """
    bright = current = None
    if dark:
        rate, structure = _mean_rate(dark, geometry)
        current = rate * np.float32(dark[0].rate_hz)
        median = float(np.median(current))
        if median > MAX_DARK:
            raise DataSetError(
                f'{dark[0].name}: {median:.0f} spikes per second in the median pixel, expected at '
                f'most {MAX_DARK:g}: cover the lens'
            )
        if structure > MAX_DARK_STRUCTURE:
            raise DataSetError(
                f'{dark[0].name}: neighbouring pixels have {structure:.0%} of the median rate in '
                f'common, expected at most {MAX_DARK_STRUCTURE:.0%} without light: cover the lens'
            )
    if flat:
        rate, structure = _mean_rate(flat, geometry)
        median = float(np.median(rate))
        if not MIN_FLAT <= median <= MAX_FLAT:
            raise DataSetError(
                f'{flat[0].name}: {median:.3g} spikes per plane in the median pixel, expected '
                f'{MIN_FLAT:g} to {MAX_FLAT:g}: record a uniform picture with '
                f'{"more" if median < MIN_FLAT else "less"} light'
            )
        if structure > MAX_FLAT_STRUCTURE:
            raise DataSetError(
                f'{flat[0].name}: rates differ by {structure:.0%} from place to place, expected '
                f'at most {MAX_FLAT_STRUCTURE:.0%}: record a uniform picture, such as a white '
                'wall out of focus'
            )
        bright = rate * np.float32(flat[0].rate_hz)
    return UniformRates(bright, current)


def measure_correction(estimated: SensorCorrection, rates: UniformRates) -> SensorCorrection:
    """Replace the maps of an estimated correction by measured ones.

    Args:
        estimated: Correction from recordings of any scene.
        rates: Measured rates. Uneven light has no effect on the response, as pixels are compared
            with their neighbours.

    Raises:
        ValueError: Too many pixels are faulty.
    """
    faulty, gain = estimated.faulty.copy(), estimated.gain.astype(np.float32)
    current = estimated.dark.astype(np.float32)
    if rates.dark is not None:
        current = rates.dark
        faulty |= current > np.median(current) + MAX_DARK
    if rates.flat is not None:
        light = rates.flat - current
        gain = light / cv2.medianBlur(light, _NEIGHBOURS).clip(min=1)
        low, high = _GAINS
        faulty |= (gain < low) | (gain > high)
    return SensorCorrection(
        faulty,
        np.where(faulty, 1, gain),
        np.where(faulty, 0, current),
        Measured(gain=rates.flat is not None, dark=rates.dark is not None),
    )


def _mean_rate(clips: Sequence[SpikeClip], geometry: Geometry) -> tuple[Floats, float]:
    """Return the mean firing rate of each pixel over the first planes, and their structure.

    Returns:
        ``[H, W]`` spikes per plane, and the most structure of a part: that of a moving scene
        averages out.
    """
    total = np.zeros((geometry.height, geometry.width), np.int64)
    planes, structure = 0, 0.0
    for clip in clips:
        found = clip.geometry
        if (found.height, found.width) != (geometry.height, geometry.width):
            raise DataSetError(
                f'{clip.name}: {found.width}x{found.height} pixels, expected '
                f'{geometry.width}x{geometry.height} as the recordings to adapt to'
            )
        number = min(clip.planes, MOST_PLANES - planes)
        for first in range(0, number, _TOGETHER):
            part = np.ascontiguousarray(clip.load(first, min(first + _TOGETHER, number)))
            counts = packing.spike_counts(part, geometry.width, geometry.bit_order)
            total += counts
            if len(part) == _TOGETHER:
                structure = max(structure, _structure(counts / np.float32(len(part)), _FLOOR_DARK))
        planes += number
    if planes < LEAST_PLANES:
        raise DataSetError(
            f'{clips[0].name}: {planes} planes, expected {LEAST_PLANES} or more: record for longer'
        )
    return (total / planes).astype(np.float32), structure


def origin(correction: SensorCorrection) -> str:
    """Describe the origin of the maps."""
    gain, dark = ('measured' if one else 'estimated' for one in correction.measured)
    return gain if gain == dark else f'response {gain}, dark current {dark}'


class CountCorrector:
    """Correction of the counts of pixels that networks train on, as live ones are corrected.

    Args:
        correction: Correction of the part of the sensor that is seen.
        pool: Image pixels per side of a pixel that the network works on.
        rate_hz: Plane rate.
    """

    def __init__(self, correction: SensorCorrection, pool: int, rate_hz: float) -> None:
        self._correction, self._pool = correction, pool
        self._sources = torch.from_numpy(correction.sources.ravel())
        gain, dark = (torch.from_numpy(one)[None, None] for one in correction.effective_maps)
        self._gain = average_pool(gain, pool)
        self._dark = average_pool(dark, pool) / rate_hz

    def counts(self, counts: Tensor, planes_per_bin: Tensor) -> Tensor:
        """Return corrected counts.

        Args:
            counts: ``[B, C, H, W]`` uint8.
            planes_per_bin: Planes that each bin covers, ``[C]``.

        Returns:
            ``[B, C, H, W]``, float32, or uint8 without maps of response and dark current.
        """
        place = counts.device
        counts = counts.flatten(2)[:, :, self._sources.to(place)].view(counts.shape)
        if not self._correction.has_maps:
            return counts
        total = average_pool(counts.sum(dim=1, keepdim=True).float(), self._pool)
        dark = self._dark.to(place) * planes_per_bin.sum()
        factors = count_factors(total, dark, self._gain.to(place))
        return counts * F.interpolate(factors, scale_factor=float(self._pool))

    def correct(self, batch: AnyBatch) -> AnyBatch:
        """Return a batch with corrected counts."""
        return dataclasses.replace(batch, counts=self.counts(batch.counts, batch.planes_per_bin))


@dataclasses.dataclass
class CorrectedSource:
    """Source of batches with corrected counts.

    Attributes:
        source: Source of batches.
        corrector: Correction of their sensor.
    """

    source: Source[Batch]
    corrector: CountCorrector

    def batch(self, step: int, batch_size: int, rank: int = 0, world_size: int = 1) -> Batch:
        """Return the batch of a step."""
        return self.corrector.correct(self.source.batch(step, batch_size, rank, world_size))

    def left_out(self) -> list[str]:
        """Return the names of the samples that could not be used so far."""
        return left_out(self.source)


class Corrections(NamedTuple):
    """Corrections of a recording's sensor and of the simulated one.

    Attributes:
        sensor: Correction of the sensor.
        recorded: Correction of the counts of recorded windows.
        simulated: Correction of the counts of labelled scenes, estimated from as many simulated
            windows: errors of the estimate are part of the evidence.
    """

    sensor: SensorCorrection
    recorded: CountCorrector
    simulated: CountCorrector


Both = tuple[SensorCorrection, SensorCorrection]
"""Correction of a recording's sensor and of the simulated one."""

_RECORDED, _SIMULATED = 'recorded.', 'simulated.'


def save_corrections(path: Path, both: Both) -> None:
    """Write both corrections."""
    tensors = {
        f'{prefix}{name}': value
        for prefix, one in zip((_RECORDED, _SIMULATED), both, strict=True)
        for name, value in one.tensors().items()
    }
    write_atomically(path, serialise(tensors))


def load_corrections(path: Path) -> Both:
    """Read the output of :func:`save_corrections`.

    Raises:
        ConfigError: The file is damaged.
    """
    found = []
    try:
        if not path.is_file():
            raise ValueError('it is no plain file')
        stored = load(path.read_bytes())  # not mapped, as others may write to it
        for prefix in (_RECORDED, _SIMULATED):
            own = {n.removeprefix(prefix): v for n, v in stored.items() if n.startswith(prefix)}
            one = SensorCorrection.from_tensors(own)
            if one is None:
                raise ValueError(f'it has no {prefix}faulty')
            found.append(one)
    except (AttributeError, LookupError, OSError, SafetensorError, TypeError, ValueError) as error:
        raise damaged(path, error) from error
    return found[0], found[1]


def choose_corrections(
    both: Both,
    windows: Sequence[Unlabelled],
    crop: tuple[slice, slice],
    pool: int,
    rate_hz: float,
) -> Corrections | None:
    """Choose what to correct: all, else faulty pixels alone, else nothing.

    Args:
        both: What the choice is from.
        windows: Other windows of the recording, whose lasting pattern must become less.
        crop: Rows and columns of the sensor that windows show.
        pool: Image pixels per side of a pixel that the network works on.
        rate_hz: Plane rate.
    """
    before = _pattern(windows)
    for sensor, simulated in (both, [one.without_maps() for one in both]):
        if not (sensor.faulty.any() or sensor.has_maps):
            continue
        of_recordings = CountCorrector(sensor.crop(*crop), pool, rate_hz)
        if _pattern([of_recordings.correct(one) for one in windows]) < before:
            return Corrections(sensor, of_recordings, CountCorrector(simulated, pool, rate_hz))
    return None


def firing_rates(batches: Iterable[Batch | Unlabelled]) -> Iterator[Floats]:
    """Yield the firing rate of each window of batches, ``[H, W]``, spikes per plane."""
    for batch in batches:
        yield from (batch.counts.sum(dim=1).float() / batch.planes_per_bin.sum()).cpu().numpy()


def _pattern(windows: Sequence[Unlabelled]) -> float:
    """Return the lasting deviation of pixels from their neighbours, and the share of hot ones."""
    deviations, hot = lasting_pattern(np.stack([*firing_rates(windows)]))
    return float(deviations.sum()) + hot


def describe_correction(correction: SensorCorrection) -> dict[str, object]:
    """Return what a report has about a correction."""
    good = ~correction.faulty
    return {
        'faulty_pixels': int(correction.faulty.sum()),
        'gain_std': float(correction.gain[good].astype(np.float64).std()),
        'dark_per_s': float(correction.dark[good].astype(np.float64).mean()),
        'source': origin(correction),
    }
