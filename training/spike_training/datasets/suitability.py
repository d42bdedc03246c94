# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Light and motion of recordings of spikes, which self-supervised training needs."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence

import numpy as np

from spike_depth_ros.stream import packing
from spike_depth_ros.stream.health import Exposure, measure_exposure
from spike_training.datasets.clip import SpikeClip
from spike_training.errors import DataSetError

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
    # Lamps flicker, and a window in the dark has noise alone.
    light = squares.mean(axis=(1, 2))
    lit = light >= MIN_LIGHT * np.median(light)
    scale = light[lit].mean() / np.maximum(light[lit], 1e-9)
    squares = squares[lit] * scale[:, None, None]
    mean, change = squares.mean(axis=0), squares.max(axis=0) - squares.min(axis=0)
    noise = NOISE * np.sqrt(scale.max() * mean / (planes * SQUARE**2)) + scale.max() / planes
    return Conditions(
        exposure=measure_exposure(counts.sum(axis=0), WINDOWS * planes),
        changing=float((change > CHANGE * mean + noise).mean()),
    )


def check_suitable(clips: Sequence[SpikeClip]) -> None:
    """Refuse recordings that are too dark, saturated or still.

    Raises:
        DataSetError: They are too dark or saturated in the mean, nothing moves in any of them, or
            planes cannot be read.
    """
    found = [measure(clip) for clip in clips[:: -(-len(clips) // MOST_RECORDINGS)]]
    name = clips[0].name if len(clips) == 1 else f'{clips[0].name} and {len(clips) - 1} more'
    rate = statistics.fmean(one.exposure.mean_rate for one in found)
    if rate < MIN_RATE:
        raise DataSetError(
            f'{name}: mean firing rate of {rate:.2g} a plane, expected {MIN_RATE:g} or more: '
            'record with more light or a lower plane rate'
        )
    saturated = statistics.fmean(one.exposure.always for one in found)
    if saturated > MAX_SATURATED:
        raise DataSetError(
            f'{name}: {saturated:.0%} of the pixels fire in every plane, expected at most '
            f'{MAX_SATURATED:.0%}: record with less light or a higher plane rate'
        )
    changing = max(one.changing for one in found)
    if changing < MIN_CHANGING:
        raise DataSetError(
            f'{name}: {changing:.2%} of the picture changes over the recording, expected '
            f'{MIN_CHANGING:.2%} or more: record while the camera or the scene moves'
        )
