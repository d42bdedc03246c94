# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a chunk's stamp follows the stream: plane rate, gaps, late chunks, restarts.

Chunks that continue each other form a *line*: each begins where the one before it ends. A chunk
ahead of the line *jumps*. Whether planes are missing before it, or its stamp is wrong, is known
only from what follows, so a jump is provisional at first: planes count as lost once the stream
has gone on behind it (:data:`CONFIRM_AFTER`), and not at all if it goes on before it.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
from collections.abc import Callable
from typing import NamedTuple

from spike_depth_ros.stream.accounting import LostBy

RESTART_AFTER_NS = 10_000_000_000
"""A stamp this far ahead starts the stream anew: the planes of a pause are not called lost."""

CONFIRM_AFTER = 4
"""Chunks that must follow the one behind a gap before the gap is believed."""

STEPS_OF_NEW_RATE = 32
"""So many steps between stamps in a row must agree on another plane rate before it is believed:
regular losses look the same for a while."""

RATE_TOLERANCE = 0.01
"""Plane periods that differ by less than this share are the same rate."""

MAX_ABANDONED_LINES = 8
"""Newest lines that the stream went back from, which are remembered."""


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


class Gap(NamedTuple):
    """Planes that are missing from the stream.

    Attributes:
        at_ns: Stamp of the chunk after the gap.
        planes: How many are missing, at least 1.
        lost_by: What lost them.
    """

    at_ns: int
    planes: int
    lost_by: LostBy


def differs(one: float, other: float) -> bool:
    """Tell whether two plane periods are different rates, see :data:`RATE_TOLERANCE`."""
    return abs(one - other) > RATE_TOLERANCE * other


class PlaneRate:
    """The time between planes: given, or inferred from stamps.

    Args:
        period_ns: Time between planes; 0 infers it.
        tolerance: How far a stamp may be off, planes.

    Attributes:
        period_ns: Time between planes, nanoseconds; 0 while it is not yet known.
        inferred: Whether the stamps decide on it.
    """

    def __init__(self, period_ns: int, tolerance: float) -> None:
        self.period_ns = period_ns
        self.inferred = period_ns == 0
        self._tolerance = tolerance
        self._newest: collections.deque[tuple[int, int]] = collections.deque(maxlen=3)
        self._steps: collections.deque[float] = collections.deque(maxlen=STEPS_OF_NEW_RATE)
        self._previous: tuple[int, int] | None = None

    @property
    def stamped_period_ns(self) -> int:
        """Plane period that the stamps have agreed on for a while where it is another; else 0."""
        if len(self._steps) < STEPS_OF_NEW_RATE or self.period_ns == 0:
            return 0
        if 2 * abs(self._steps[-1] - self.period_ns) <= RATE_TOLERANCE * self.period_ns:
            return 0  # the usual case, without a look at all steps
        low, high = min(self._steps), max(self._steps)
        period = round((low + high) / 2)
        if low < 1 or differs(low, high) or not differs(period, self.period_ns):
            return 0
        return period

    def infer(self, t0_ns: int, planes: int) -> bool:
        """Look for the rate: two steps between stamps in a row must agree on it.

        Args:
            t0_ns: Stamp of the newest chunk.
            planes: Its planes.

        Returns:
            Whether it is known now.
        """
        self._newest.append((t0_ns, planes))
        if len(self._newest) == 3:
            first, second, third = self._newest
            period = (third[0] - first[0]) / (first[1] + second[1])
            off_ns = second[0] - first[0] - first[1] * period
            if period >= 1 and abs(off_ns) <= self._tolerance * period:
                self.period_ns = round(period)
        return self.period_ns != 0

    def note(self, t0_ns: int, planes: int) -> None:
        """Remember what the step from the chunk before says of the plane period."""
        if self._previous is not None:
            before_ns, before_planes = self._previous
            self._steps.append((t0_ns - before_ns) / before_planes)
        self._previous = (t0_ns, planes)


@dataclasses.dataclass
class _Jump:
    """A place where the stamps jumped ahead, not yet confirmed.

    Attributes:
        start_ns: Where the line ended before it.
        end_ns: Stamp of the chunk that jumped.
        missing: Planes that are missing in between; 0 where the stream began anew.
        lost_by: What lost them.
        planes_behind: Planes of the line behind it.
        refused_behind: Planes that were refused meanwhile.
        chunks_behind: Chunks that came behind it.
        parts: Times ``[start, end)`` in between that no chunk has come for.
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
        """Take the planes of a chunk out of those missing, if its stamp lies in between."""
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
    """Follows the stamps of a stream and tells gaps, late chunks and restarts apart.

    Args:
        period_ns: Time between planes; 0 infers it, see :meth:`PlaneRate.infer`.
        tolerance: How far a stamp may be off, in planes, before it is a gap.
        on_gap: Called with each gap once it is confirmed.

    Attributes:
        rate: The time between planes. It must be known before :meth:`follow`.
        joins: Whether the newest chunk that was not refused continues the one before without a
            plane between them.
    """

    def __init__(self, period_ns: int, tolerance: float, on_gap: Callable[[Gap], object]) -> None:
        self.rate = PlaneRate(period_ns, tolerance)
        self.joins = False
        self._tolerance = tolerance
        self._on_gap = on_gap
        self._line_end_ns: int | None = None  # stamp that continues the stream
        self._interrupted = False  # planes were refused at the open end: the next chunk is apart
        # Stamp, planes and cause of a gap in front of the newest chunk, if that was refused.
        self._refused: tuple[int, int, LostBy] | None = None
        self._jumps: collections.deque[_Jump] = collections.deque()
        # First stamp and planes of lines that the stream went back from: they did come.
        self._abandoned: collections.deque[tuple[int, int]] = collections.deque(
            maxlen=MAX_ABANDONED_LINES
        )

    def follow(self, t0_ns: int, planes: int, lost_by: LostBy = 'transport') -> Arrival:
        """Take the next chunk's stamp in.

        Args:
            t0_ns: Time of its first plane, nanoseconds.
            planes: Its planes, at least 1.
            lost_by: What lost the planes before it, if any are missing.

        Returns:
            How it follows the stream; a chunk that is ``BACKWARD`` is none of its planes.
        """
        self.rate.note(t0_ns, planes)
        arrival = self._classify(t0_ns)
        if arrival is Arrival.BACKWARD:
            self._pass_over(t0_ns, planes, lost_by)
            return arrival
        self.joins = arrival is Arrival.NEXT and not self._interrupted
        if arrival is not Arrival.NEXT:
            self._leave_line(arrival, t0_ns, lost_by)
        self._interrupted = False
        self._refused = None
        self._line_end_ns = t0_ns + planes * self.rate.period_ns
        if self._jumps:
            self._go_on_behind_jumps(planes)
        return arrival

    def settle(self) -> None:
        """Confirm every gap that is still provisional: nothing more is to come."""
        while self._jumps:
            self._confirm(self._jumps.popleft())

    def _classify(self, t0_ns: int) -> Arrival:
        if self._line_end_ns is None:
            return Arrival.FIRST
        if self.rate.inferred and self.rate.stamped_period_ns:
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
            off_ns = t0_ns - refused_ns - refused_planes * self.rate.period_ns
            if abs(off_ns) <= slack_ns:
                return Arrival.RESTART
        return Arrival.BACKWARD

    @property
    def _slack_ns(self) -> float:
        return self._tolerance * self.rate.period_ns

    def _leave_line(self, arrival: Arrival, t0_ns: int, lost_by: LostBy) -> None:
        """Begin another line."""
        if arrival is Arrival.NEW_RATE:
            self.rate.period_ns = self.rate.stamped_period_ns
            self._jumps.clear()  # gaps by the old rate were none
            self._abandoned.clear()
        elif self._line_end_ns is not None and t0_ns > self._line_end_ns:
            self._jump(self._line_end_ns, t0_ns, lost_by)
        elif self._refused is not None:
            self._go_back(*self._refused)

    def _jump(self, start_ns: int, end_ns: int, lost_by: LostBy, planes_behind: int = 0) -> None:
        """Remember a jump, provisionally with the planes that are missing before it."""
        ahead_ns = end_ns - start_ns
        is_gap = ahead_ns <= RESTART_AFTER_NS
        missing = max(1, round(ahead_ns / self.rate.period_ns)) if is_gap else 0
        jump = _Jump(start_ns, end_ns, missing, lost_by, planes_behind)
        for t0_ns, planes in self._abandoned:
            jump.fill(t0_ns, planes, self.rate.period_ns, self._slack_ns)
        self._jumps.append(jump)

    def _go_back(self, t0_ns: int, planes: int, lost_by: LostBy) -> None:
        """Drop the jumps that the stream goes on before: their stamps were wrong.

        Args:
            t0_ns: Stamp of the first chunk that came from before them; it was refused.
            planes: Its planes.
            lost_by: What lost the planes before it, if any are missing.
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
        resumed_ns = self._resumed_ns(dropped) + others * self.rate.period_ns
        if t0_ns - resumed_ns > self._slack_ns:
            self._jump(resumed_ns, t0_ns, lost_by, planes)

    def _resumed_ns(self, jump: _Jump) -> int:
        """Stamp that continues the line before a jump with all planes that came behind it."""
        return jump.start_ns + jump.planes_behind * self.rate.period_ns

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
        """Take in the stamp of a chunk from the past."""
        self._refused = (t0_ns, planes, lost_by)
        end_ns = t0_ns + planes * self.rate.period_ns
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
            jump.fill(t0_ns, planes, self.rate.period_ns, self._slack_ns)

    def _drop_undone_jumps(self, t0_ns: int) -> None:
        """Drop jumps by a few planes that a stamp shows to have been wrong."""
        for number, jump in enumerate(self._jumps):
            if abs(t0_ns - self._resumed_ns(jump)) <= self._slack_ns:
                while len(self._jumps) > number:
                    self._jumps.pop()
                return
