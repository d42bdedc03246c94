# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Analysis of stamps: plane rate, gaps, late chunks, restarts.

Chunks that continue each other form a *line*: each begins where the one before it ends. A chunk
ahead of the line *jumps*. Either planes are missing before it, or its stamp is wrong: later chunks
decide. A jump is therefore provisional at first. Its planes count as lost once the stream has
continued behind it (:data:`CONFIRM_AFTER`), and not at all if it continues before it.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
from collections.abc import Callable, Sequence
from typing import NamedTuple

from spike_depth_ros.stream.accounting import LostBy
from spike_depth_ros.stream.chunk import SpikeChunk

RESTART_AFTER_NS = 10_000_000_000
"""Step of a stamp, nanoseconds, above which the stream restarts without lost planes."""

CONFIRM_AFTER = 4
"""Chunks that must follow the one behind a gap to confirm it."""

STEPS_OF_NEW_RATE = 32
"""Steps between stamps in a row that must agree on another plane rate, as regular losses look
like one for a while."""

RATE_TOLERANCE = 0.01
"""Largest relative difference of plane periods of the same rate."""

MAX_ABANDONED_LINES = 8
"""Number of abandoned lines that are kept, the newest."""


class Arrival(enum.Enum):
    """Relation of a chunk's stamp to the stream so far."""

    FIRST = 'first'
    NEXT = 'next'
    GAP = 'gap'
    RESTART = 'restart'
    BACKWARD = 'backward'
    NEW_RATE = 'another plane rate by the stamps'
    OTHER_GEOMETRY = 'another geometry'


class Gap(NamedTuple):
    """Planes that are missing from the stream.

    Attributes:
        at_ns: Stamp of the chunk after the gap, nanoseconds.
        planes: Number of missing planes, at least 1.
        lost_by: Cause of the loss.
    """

    at_ns: int
    planes: int
    lost_by: LostBy


def differs(one: float, other: float) -> bool:
    """Return True if two plane periods are different rates, see :data:`RATE_TOLERANCE`."""
    return abs(one - other) > RATE_TOLERANCE * other


def infer_period(chunks: Sequence[SpikeChunk], tolerance: float) -> int:
    """Infer the plane period, on which the newest two steps between stamps must agree.

    Args:
        chunks: Successive chunks, the newest last.
        tolerance: Largest deviation of a stamp, planes.

    Returns:
        Time between planes, nanoseconds; 0: the steps do not agree, or there are less than two.
    """
    if len(chunks) < 3:
        return 0
    first, second, third = chunks[-3:]
    period = (third.t0_ns - first.t0_ns) / (first.planes + second.planes)
    off_ns = second.t0_ns - first.t0_ns - first.planes * period
    return round(period) if period >= 1 and abs(off_ns) <= tolerance * period else 0


@dataclasses.dataclass
class _Jump:
    """Unconfirmed jump of the stamps ahead.

    Attributes:
        start_ns: End of the line before it, nanoseconds.
        end_ns: Stamp of the chunk that jumped, nanoseconds.
        missing: Missing planes in between; 0: the stream restarted.
        lost_by: Cause of the loss.
        planes_behind: Planes of the line behind it.
        refused_behind: Planes that were refused meanwhile.
        chunks_behind: Received chunks behind it.
        parts: Times ``[start, end)`` in between without a chunk, nanoseconds.
    """

    start_ns: int
    end_ns: int
    missing: int
    lost_by: LostBy
    planes_behind: int = 0
    refused_behind: int = 0
    chunks_behind: int = 0
    parts: list[tuple[int, int]] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self.parts.append((self.start_ns, self.end_ns))

    def fill(self, t0_ns: int, planes: int, period_ns: int, slack_ns: float) -> None:
        """Subtract the planes of a chunk from the missing ones, if its stamp lies in between."""
        end_ns = t0_ns + planes * period_ns
        for number, (first_ns, last_ns) in enumerate(self.parts):
            if first_ns - slack_ns <= t0_ns < last_ns:
                fits = end_ns <= last_ns + slack_ns
                inside = planes if fits else round((last_ns - t0_ns) / period_ns)
                rests = ((first_ns, t0_ns), (end_ns, last_ns))
                left = [rest for rest in rests if rest[1] - rest[0] > slack_ns]
                self.parts[number : number + 1] = left
                self.missing = max(0, self.missing - inside) if self.parts else 0
                return


class StampTracker:
    """Tracker of a stream's stamps, which finds gaps, late chunks and restarts.

    Args:
        period_ns: Time between planes, nanoseconds.
        tolerance: Largest deviation of a stamp that is not a gap, planes.
        on_gap: Called with each gap once it is confirmed.
        inferred: The period is inferred from stamps: another one that they agree on replaces it.

    Attributes:
        period_ns: Time between planes, nanoseconds.
        joins: True if the newest accepted chunk continues the one before without a gap.
    """

    def __init__(
        self,
        period_ns: int,
        tolerance: float,
        on_gap: Callable[[Gap], object],
        inferred: bool = False,
    ) -> None:
        self.period_ns = period_ns
        self.joins = False
        self._inferred = inferred
        self._tolerance = tolerance
        self._on_gap = on_gap
        # Plane periods of the newest steps between stamps; stamp and planes of the newest chunk.
        self._steps: collections.deque[float] = collections.deque(maxlen=STEPS_OF_NEW_RATE)
        self._newest: tuple[int, int] | None = None
        self._line_end_ns: int | None = None  # stamp that continues the stream
        self._interrupted = False  # planes were refused at the open end: the next chunk is apart
        # Stamp, planes and cause of a gap in front of the newest chunk, if that was refused.
        self._refused: tuple[int, int, LostBy] | None = None
        self._jumps: collections.deque[_Jump] = collections.deque()
        # First stamp and planes of lines that the stream went back from.
        self._abandoned: collections.deque[tuple[int, int]] = collections.deque(
            maxlen=MAX_ABANDONED_LINES
        )

    @property
    def stamped_period_ns(self) -> int:
        """Other plane period on which recent stamps agree, nanoseconds; 0: none."""
        if len(self._steps) < STEPS_OF_NEW_RATE:
            return 0
        if 2 * abs(self._steps[-1] - self.period_ns) <= RATE_TOLERANCE * self.period_ns:
            return 0  # the usual case, without a check of all steps
        low, high = min(self._steps), max(self._steps)
        period = round((low + high) / 2)
        if low < 1 or differs(low, high) or not differs(period, self.period_ns):
            return 0
        return period

    def follow(self, t0_ns: int, planes: int, lost_by: LostBy = 'transport') -> Arrival:
        """Process the next chunk's stamp.

        Args:
            t0_ns: Time of its first plane, nanoseconds.
            planes: Its planes, at least 1.
            lost_by: Cause of missing planes before it.

        Returns:
            Its relation to the stream; a chunk that is ``BACKWARD`` is not part of it.
        """
        if self._newest is not None:
            before_ns, before_planes = self._newest
            self._steps.append((t0_ns - before_ns) / before_planes)
        self._newest = t0_ns, planes
        arrival = self._classify(t0_ns)
        if arrival is Arrival.BACKWARD:
            self._pass_over(t0_ns, planes, lost_by)
            return arrival
        self.joins = arrival is Arrival.NEXT and not self._interrupted
        if arrival is not Arrival.NEXT:
            self._leave_line(arrival, t0_ns, lost_by)
        self._interrupted = False
        self._refused = None
        self._line_end_ns = t0_ns + planes * self.period_ns
        if self._jumps:
            self._go_on_behind_jumps(planes)
        return arrival

    def settle(self) -> None:
        """Confirm all provisional gaps, at the end of the stream."""
        while self._jumps:
            self._confirm(self._jumps.popleft())

    def _classify(self, t0_ns: int) -> Arrival:
        if self._line_end_ns is None:
            return Arrival.FIRST
        if self._inferred and self.stamped_period_ns:
            return Arrival.NEW_RATE
        ahead_ns = t0_ns - self._line_end_ns
        slack_ns = self._slack_ns
        if -slack_ns <= ahead_ns <= slack_ns:
            return Arrival.NEXT
        if ahead_ns > 0:
            return Arrival.GAP if ahead_ns <= RESTART_AFTER_NS else Arrival.RESTART
        # One chunk from the past is late or repeated; a second one that continues it means that
        # the clock was set back, or that the stream goes on before a jump.
        if self._refused is not None:
            refused_ns, refused_planes, _ = self._refused
            off_ns = t0_ns - refused_ns - refused_planes * self.period_ns
            if abs(off_ns) <= slack_ns:
                return Arrival.RESTART
        return Arrival.BACKWARD

    @property
    def _slack_ns(self) -> float:
        return self._tolerance * self.period_ns

    def _leave_line(self, arrival: Arrival, t0_ns: int, lost_by: LostBy) -> None:
        """Begin another line."""
        if arrival is Arrival.NEW_RATE:
            self.period_ns = self.stamped_period_ns
            self._jumps.clear()  # gaps by the old rate were none
            self._abandoned.clear()
        elif self._line_end_ns is not None and t0_ns > self._line_end_ns:
            self._jump(self._line_end_ns, t0_ns, lost_by)
        elif self._refused is not None:
            self._go_back(*self._refused)

    def _jump(self, start_ns: int, end_ns: int, lost_by: LostBy, planes_behind: int = 0) -> None:
        """Store a provisional jump with the planes that are missing before it."""
        ahead_ns = end_ns - start_ns
        is_gap = ahead_ns <= RESTART_AFTER_NS
        missing = max(1, round(ahead_ns / self.period_ns)) if is_gap else 0
        jump = _Jump(start_ns, end_ns, missing, lost_by, planes_behind)
        for t0_ns, planes in self._abandoned:
            jump.fill(t0_ns, planes, self.period_ns, self._slack_ns)
        self._jumps.append(jump)

    def _go_back(self, t0_ns: int, planes: int, lost_by: LostBy) -> None:
        """Drop jumps with wrong stamps, as the stream continues before them.

        Args:
            t0_ns: Stamp of the first chunk from before them, which was refused, nanoseconds.
            planes: Its planes.
            lost_by: Cause of missing planes before it.
        """
        dropped: _Jump | None = None
        while self._jumps and self._jumps[-1].end_ns > t0_ns:
            later = dropped.planes_behind if dropped is not None else 0
            dropped = self._jumps.pop()
            self._abandoned.append((dropped.end_ns, dropped.planes_behind - later))
        if dropped is None:
            return
        # Planes with wrong stamps, refused or not, may have been sent in their place; only behind
        # them the old line has a gap of its own.
        others = dropped.refused_behind - planes
        resumed_ns = self._resumed_ns(dropped) + others * self.period_ns
        if t0_ns - resumed_ns > self._slack_ns:
            self._jump(resumed_ns, t0_ns, lost_by, planes)

    def _resumed_ns(self, jump: _Jump) -> int:
        """Return the end of the line before a jump, with all planes behind it, nanoseconds."""
        return jump.start_ns + jump.planes_behind * self.period_ns

    def _go_on_behind_jumps(self, planes: int) -> None:
        for jump in self._jumps:
            jump.planes_behind += planes
            jump.chunks_behind += 1
        while self._jumps and self._jumps[0].chunks_behind > CONFIRM_AFTER:
            self._confirm(self._jumps.popleft())

    def _confirm(self, jump: _Jump) -> None:
        if jump.missing:
            self._on_gap(Gap(jump.end_ns, jump.missing, jump.lost_by))

    def _pass_over(self, t0_ns: int, planes: int, lost_by: LostBy) -> None:
        """Process the stamp of a chunk from the past."""
        self._refused = (t0_ns, planes, lost_by)
        end_ns = t0_ns + planes * self.period_ns
        if self._line_end_ns is not None and end_ns > self._line_end_ns:
            # Its stamp is a little early. It is refused all the same, but what follows is no gap.
            self._drop_undone_jumps(t0_ns)
            self._line_end_ns = end_ns
            self._interrupted = True
            for jump in self._jumps:
                jump.planes_behind += planes
        else:
            for jump in self._jumps:
                jump.refused_behind += planes
        for jump in self._jumps:
            jump.fill(t0_ns, planes, self.period_ns, self._slack_ns)

    def _drop_undone_jumps(self, t0_ns: int) -> None:
        """Drop jumps by a few planes that a later stamp contradicts."""
        for number, jump in enumerate(self._jumps):
            if abs(t0_ns - self._resumed_ns(jump)) <= self._slack_ns:
                while len(self._jumps) > number:
                    self._jumps.pop()
                return
