# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How the stamps of chunks follow each other."""

from __future__ import annotations

import enum

from spike_depth_ros.chunk import SpikeChunk

RESTART_AFTER_NS = 10_000_000_000
"""A stamp this far ahead starts the stream anew: the planes of a pause are not called lost."""

MAX_HELD_CHUNKS = 32
"""Chunks kept while the plane rate is not yet known."""

STEPS_OF_NEW_RATE = 32
"""So many steps between stamps in a row must agree on another plane rate before it is believed:
regular losses look the same for a while."""

RATE_TOLERANCE = 0.01
"""Plane periods that differ by less than this share are the same rate."""

MAX_REMEMBERED_GAPS = 64
"""Newest gaps that a late chunk is looked up in."""


class Arrival(enum.Enum):
    """How a chunk's stamp follows the stream so far."""

    FIRST = 'first'
    NEXT = 'next'
    GAP = 'gap'
    RESTART = 'restart'
    BACKWARD = 'backward'
    NEW_RATE = 'another plane rate by the stamps'
    HELD = 'held until the plane rate is known'
    OTHER_GEOMETRY = 'another geometry'
    OTHER_RATE = 'another plane rate'


REFUSALS = {
    Arrival.BACKWARD: 'backward',
    Arrival.OTHER_GEOMETRY: 'geometry',
    Arrival.OTHER_RATE: 'rate',
}
"""Arrivals that are refused, and the reason that counts them."""


def differs(one: float, other: float) -> bool:
    """Tell whether two plane periods are different rates, see :data:`RATE_TOLERANCE`."""
    return abs(one - other) > RATE_TOLERANCE * other


def inferred_period(chunks: list[SpikeChunk], tolerance: float) -> int:
    """Plane period in ns once the last two steps between stamps agree; else 0."""
    if len(chunks) < 3:
        return 0
    first, second, third = chunks[-3:]
    span_ns = third.t0_ns - first.t0_ns
    period = span_ns / (first.planes + second.planes)
    off_ns = second.t0_ns - first.t0_ns - first.planes * period
    if period < 1 or abs(off_ns) > tolerance * period:
        return 0
    return round(period)
