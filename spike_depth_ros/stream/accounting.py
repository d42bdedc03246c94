# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plane accounting of a stream."""

from __future__ import annotations

import dataclasses
from typing import Literal

LostBy = Literal['transport', 'queue', 'resubscribing']
"""Cause of lost planes: ``transport``: driver, DDS or network; ``queue``: the subscription's
queue, which was read too late; ``resubscribing``: a change of the subscription."""


@dataclasses.dataclass
class PlaneAccounting:
    """Counters of the planes of a stream, by their fate. Each plane counts once.

    All but ``pending`` begin at 0 and never decrease.

    Attributes:
        expected: Sent planes by the stamps, from the first received on.
        received: Received planes.
        lost_in_transport: Planes missing between stamps, on the way to this process.
        lost_in_queue: Planes missing between stamps because this process read its queue too late.
        missed_resubscribing: Planes missing between stamps because the subscription was replaced
            by one of another reliability.
        windowed: Planes in at least one window.
        skipped_by_policy: Planes skipped on purpose (``latest``, a hop above the window, no
            subscriber).
        overwritten: Planes overwritten before inference took them.
        refused: Refused planes, by reason.
        pending: Planes that wait for their window, or for the plane rate.
        gaps: Number of gaps.
        restarts: Number of restarts of the stream (clock set back, long pause).
    """

    expected: int = 0
    received: int = 0
    lost_in_transport: int = 0
    lost_in_queue: int = 0
    missed_resubscribing: int = 0
    windowed: int = 0
    skipped_by_policy: int = 0
    overwritten: int = 0
    refused: dict[str, int] = dataclasses.field(default_factory=dict)
    pending: int = 0
    gaps: int = 0
    restarts: int = 0

    @property
    def dropped(self) -> int:
        """Planes that should have been in a window and were not."""
        return self._missing + self.overwritten + sum(self.refused.values())

    @property
    def _missing(self) -> int:
        return self.lost_in_transport + self.lost_in_queue + self.missed_resubscribing

    def receive(self, planes: int) -> None:
        """Count received planes."""
        self.expected += planes
        self.received += planes

    def refuse(self, planes: int, reason: str) -> None:
        """Count refused planes; a reason with 0 planes is not listed."""
        if planes:
            self.refused[reason] = self.refused.get(reason, 0) + planes

    def lose(self, planes: int, lost_by: LostBy) -> None:
        """Count a gap of at least one plane."""
        self.expected += planes
        self.gaps += 1
        if lost_by == 'queue':
            self.lost_in_queue += planes
        elif lost_by == 'resubscribing':
            self.missed_resubscribing += planes
        else:
            self.lost_in_transport += planes

    def snapshot(self, pending: int) -> PlaneAccounting:
        """Copy the counters, with the planes that are pending now."""
        return dataclasses.replace(self, pending=pending, refused=dict(self.refused))

    def check(self) -> tuple[int, int]:
        """Compare both sides of the two identities.

        ``expected = received + lost_in_transport + lost_in_queue + missed_resubscribing`` and
        ``received = windowed + skipped_by_policy + overwritten + refused + pending``.

        Returns:
            Left side less right side of each, planes; ``(0, 0)`` if both hold.
        """
        placed = self.windowed + self.skipped_by_policy + self.overwritten + self.pending
        return (
            self.expected - self.received - self._missing,
            self.received - placed - sum(self.refused.values()),
        )
