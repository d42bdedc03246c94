# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the planes of a stream tell about it: the order of its bits, and its light."""

from __future__ import annotations

import dataclasses

import numpy as np

from spike_depth_ros.stream.packing import Counts

DARK_RATE = 0.01
"""Mean firing rate under which 128 planes hold too few spikes to see by."""

SATURATED_SHARE = 0.2
"""Share of pixels that fire in every plane from which on the picture is burnt out."""

STRIPES_SURE = 1.15
"""A bit order is called right or wrong where one fits better than the other by this factor."""


@dataclasses.dataclass(frozen=True)
class Light:
    """How much of the sensor's range is used.

    Attributes:
        mean_rate: Spikes a pixel and plane, 0 to 1.
        always: Share of pixels that fired in every plane.
        never: Share of pixels that never fired.
    """

    mean_rate: float
    always: float
    never: float

    @property
    def too_dark(self) -> bool:
        """Too few spikes to see by."""
        return self.mean_rate < DARK_RATE

    @property
    def saturated(self) -> bool:
        """Burnt out."""
        return self.always > SATURATED_SHARE


def light(counts: Counts, planes: int) -> Light:
    """Look at the light of a window.

    Args:
        counts: Spikes of each pixel, ``[height, width]``.
        planes: Planes that they were counted over.
    """
    return Light(
        mean_rate=float(counts.mean() / planes),
        always=float((counts == planes).mean()),
        never=float((counts == 0).mean()),
    )


def bit_order_misfit(counts: Counts) -> float:
    """How much worse the assumed bit order fits the picture than the other one.

    With the wrong order each group of eight pixels is mirrored, which shows as stripes: neighbours
    across a byte boundary are then 15 pixels apart. Steps inside a byte are the same either way,
    so the steps across boundaries, read both ways, are compared.

    Args:
        counts: Spikes of each pixel as unpacked with the assumed order, ``[height, width]``.

    Returns:
        Below 1 the assumed order fits better, above 1 the other; 1 where the picture does not tell
        (less than two whole bytes wide, or without structure).
    """
    whole = counts.shape[1] // 8 * 8
    columns = counts[:, :whole].astype(np.float64)
    assumed = np.abs(columns[:, 7:-1:8] - columns[:, 8::8])
    mirrored = np.abs(columns[:, 0:-8:8] - columns[:, 15::8])
    if not assumed.size or (assumed.sum() == 0 and mirrored.sum() == 0):
        return 1.0
    return float((assumed.sum() + 1e-9) / (mirrored.sum() + 1e-9))
