# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time of planes, and what packets have where nothing else is given."""

from __future__ import annotations

import fractions

NANOSECONDS = 1_000_000_000

PLANES_PER_PACKET = 40
FRAME_ID = 'spike_camera_optical_frame'


class PlaneClock:
    """Time of each plane by exact counting, so that stamps do not drift.

    Args:
        rate_hz: Planes a second.
    """

    def __init__(self, rate_hz: float) -> None:
        self._period = NANOSECONDS / fractions.Fraction(rate_hz).limit_denominator(1_000_000)

    def since_start_ns(self, plane: int) -> int:
        """Return the nanoseconds from plane 0 to ``plane``, rounded down."""
        return int(plane * self._period)
