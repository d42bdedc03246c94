# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Duration, light and motion of recordings of spikes: what a network can learn something from."""

from __future__ import annotations

import dataclasses
import statistics
import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from spike_depth_ros.stream import packing
from spike_depth_ros.stream.health import Exposure, measure_exposure
from spike_training.datasets.clip import SpikeClip
from spike_training.errors import DataSetError

MIN_DURATION_S = 5.0
"""Shortest duration of all recordings of one's own camera together, seconds."""

MIN_RATE = 0.005
"""Mean firing rate, spikes per plane; the node warns from twice as much on downwards."""

MAX_SATURATED = 0.5
"""Share of the pixels that may fire in every plane; the rest is enough to learn from."""

MIN_CHANGING = 0.005
"""Share of the picture whose firing rate must change over a recording."""

WINDOWS = 4
"""Windows of a recording, evenly spread, that are read."""

MOST_PLANES = 256
"""Planes of a window, at most; at most half of the recording."""

MIN_LIGHT = 0.25
"""Mean firing rate of a window, over the median of all windows, below which it is left out."""

SQUARE = 4
"""Pixels per side of the squares whose firing rates are compared."""

CHANGE = 0.3
"""Change of a firing rate that counts, as a share of its mean over the windows."""

NOISE = 6.0
"""Standard deviations of independent spikes that are added to it, beside one spike per pixel."""

MOST_RECORDINGS = 20
"""Recordings that are read, at most, evenly spread."""


Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Conditions:
    """Light and motion of a recording.

    Attributes:
        exposure: Mean firing rate, and shares of the pixels that fire always and never.
        changing: Share of the picture whose firing rate changes, 0 to 1. Rates are compared after
            division by their mean over the picture; what noise alone would do is left out.
    """

    exposure: Exposure
    changing: float


def measure(clip: SpikeClip) -> Conditions:
    """Measure light and motion of a recording in some of its windows.

    Raises:
        FrameError: Planes cannot be read.
    """
    exposure, squares, planes = _seen(clip)
    return Conditions(exposure, _changing(squares, planes))


def _seen(clip: SpikeClip) -> tuple[Exposure, Floats, int]:
    """Return the light of some windows, the rates of their squares, and planes of a window."""
    planes = max(1, min(MOST_PLANES, clip.planes // 2))
    geometry = clip.geometry
    counts = np.empty((WINDOWS, geometry.height, geometry.width), np.int64)
    for k in range(WINDOWS):
        start = round(k * (clip.planes - planes) / (WINDOWS - 1))
        window = np.ascontiguousarray(clip.load(start, start + planes))
        counts[k] = packing.spike_counts(window, geometry.width, geometry.bit_order)
    rows, columns = geometry.height // SQUARE, geometry.width // SQUARE
    squares = counts[:, : rows * SQUARE, : columns * SQUARE]
    squares = squares.reshape(WINDOWS, rows, SQUARE, columns, SQUARE).mean(axis=(2, 4)) / planes
    return measure_exposure(counts.sum(axis=0), WINDOWS * planes), squares, planes


def _changing(squares: Floats, planes: int) -> float:
    """Return the share of squares whose rates differ between windows, ``[windows, h, w]``."""
    # Lamps flicker, and a window in the dark has noise alone.
    light = squares.mean(axis=(1, 2))
    lit = light >= MIN_LIGHT * np.median(light)
    scale = light[lit].mean() / np.maximum(light[lit], 1e-9)
    squares = squares[lit] * scale[:, None, None]
    mean, change = squares.mean(axis=0), squares.max(axis=0) - squares.min(axis=0)
    noise = NOISE * np.sqrt(scale.max() * mean / (planes * SQUARE**2)) + scale.max() / planes
    return float((change > CHANGE * mean + noise).mean())


def check_camera(clips: Sequence[SpikeClip]) -> float:
    """Return the duration of recordings of one's own camera, seconds.

    Raises:
        DataSetError: They are of several cameras, or shorter than :data:`MIN_DURATION_S` in all.
    """
    first = clips[0]
    for clip in clips[1:]:
        if clip.geometry != first.geometry or abs(clip.rate_hz / first.rate_hz - 1) > 0.01:
            raise DataSetError(
                f'{clip.name}: {clip.geometry} at {clip.rate_hz:.6g} Hz, {first.name}: '
                f'{first.geometry} at {first.rate_hz:.6g} Hz: expected recordings of one camera'
            )
    duration = sum(clip.planes / clip.rate_hz for clip in clips)
    if duration < MIN_DURATION_S:
        raise DataSetError(
            f'{first.name}: {duration:.3g} s recorded, expected {MIN_DURATION_S:g} s or more in '
            'all: record for longer, while the camera moves'
        )
    return duration


def check_light(clips: Sequence[SpikeClip]) -> None:
    """Refuse recordings that are too dark or saturated, in the mean.

    Raises:
        DataSetError: They are, or planes cannot be read.
    """
    _check_light(clips, [_seen(clip)[0] for clip in _some(clips)])


def check_suitable(clips: Sequence[SpikeClip], several_places: bool = False) -> None:
    """Refuse recordings that are too dark, saturated or still.

    Args:
        clips: The recordings.
        several_places: True if different pictures in different recordings will do as well as
            motion within one.

    Raises:
        DataSetError: They are too dark or saturated in the mean, nothing moves in any of them, or
            planes cannot be read.
    """
    found = [_seen(clip) for clip in _some(clips)]
    _check_light(clips, [exposure for exposure, _, _ in found])
    changing = max(_changing(squares, planes) for _, squares, planes in found)
    if several_places and len({squares.shape for _, squares, _ in found}) == 1:
        together = np.concatenate([squares for _, squares, _ in found])
        changing = max(changing, _changing(together, min(planes for _, _, planes in found)))
    if changing < MIN_CHANGING:
        raise DataSetError(
            f'{_named(clips)}: {changing:.2%} of the picture changes over the recording, expected '
            f'{MIN_CHANGING:.2%} or more: record while the camera or the scene moves, '
            'without a lens cap, and not overexposed'
        )


def _some(clips: Sequence[SpikeClip]) -> Sequence[SpikeClip]:
    return clips[:: -(-len(clips) // MOST_RECORDINGS)]


def _named(clips: Sequence[SpikeClip]) -> str:
    return clips[0].name if len(clips) == 1 else f'{clips[0].name} and {len(clips) - 1} more'


def _check_light(clips: Sequence[SpikeClip], found: Sequence[Exposure]) -> None:
    """Refuse recordings by the mean light of some of them; warn of each that shows nothing."""
    rate = statistics.fmean(one.mean_rate for one in found)
    saturated = statistics.fmean(one.always for one in found)
    if problem := _light_problem(rate, saturated):
        raise DataSetError(f'{_named(clips)}: {problem}')
    for clip, one in zip(_some(clips), found, strict=True):
        if problem := _light_problem(one.mean_rate, one.always):
            print(f'warning: {clip.name} shows nothing, leave it out: {problem}', file=sys.stderr)


def _light_problem(rate: float, saturated: float) -> str:
    """Return why recordings are too dark or saturated; empty if they are not."""
    if rate < MIN_RATE:
        return (
            f'mean firing rate of {rate:.2g} a plane, expected {MIN_RATE:g} or '
            'more: record with more light or a lower plane rate'
        )
    if saturated > MAX_SATURATED:
        return (
            f'{saturated:.0%} of the pixels fire in every plane, expected at '
            f'most {MAX_SATURATED:.0%}: record with less light or a higher plane rate'
        )
    return ''
