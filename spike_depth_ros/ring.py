# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ring of planes: append chunks, take windows, account for every plane.

Planes are numbered as they are stored. A *segment* is a run of stored planes without a gap; a
window lies within one segment. Each plane leaves the state *pending* exactly once, where one of
the other counters of :class:`spike_depth_ros.accounting.PlaneAccount` is incremented.
"""

from __future__ import annotations

import collections
import dataclasses
import threading

import numpy as np

from spike_depth_ros.accounting import PlaneAccount
from spike_depth_ros.chunk import Geometry, PackedPlanes, SpikeChunk
from spike_depth_ros.stamps import (
    MAX_HELD_CHUNKS,
    MAX_REMEMBERED_GAPS,
    REFUSALS,
    RESTART_AFTER_NS,
    STEPS_OF_NEW_RATE,
    Arrival,
    differs,
    inferred_period,
)
from spike_depth_ros.window import Policy, ReferencePlane, Window, reference_index


@dataclasses.dataclass
class _Segment:
    """Stored planes ``[start, end)`` without a gap; only the newest is open for more."""

    start: int
    end: int


class PlaneRing:
    """Preallocated ring of packed planes between one producer and one consumer thread.

    ``append`` never waits for inference: a full ring loses its oldest planes, and counts them.

    Args:
        geometry: Sensor size and bit order of every plane.
        window: Planes in a window, at least 1.
        hop: Planes between the starts of windows, at least this many with policy ``latest``; 0 is
            the window length.
        policy: Which windows are taken.
        capacity: Planes that the ring holds, at least ``window``.
        period_ns: Time between planes; 0 infers it from the stamps of the first chunks.
        reference: The plane of a window that its depth belongs to.
        stamp_tolerance: How far a stamp may be off, in planes, before it is a gap.

    Raises:
        ValueError: A number is out of range.
    """

    def __init__(
        self,
        geometry: Geometry,
        window: int,
        hop: int = 0,
        policy: Policy = 'latest',
        capacity: int = 8192,
        period_ns: int = 0,
        reference: ReferencePlane = 'middle',
        stamp_tolerance: float = 0.5,
    ) -> None:
        if window < 1 or hop < 0:
            raise ValueError(f'window {window}, hop {hop}: expected at least 1 and 0')
        if capacity < window:
            raise ValueError(
                f'a ring of {capacity} planes cannot hold a window of {window}: raise ring_planes'
            )
        self.geometry = geometry
        self.window = window
        self.hop = hop or window
        self.policy = policy
        self.capacity = capacity
        self._reference = reference_index(reference, window)
        self._tolerance = stamp_tolerance
        self._period_ns = period_ns
        self._planes = np.empty((capacity, geometry.height, geometry.row_bytes), np.uint8)
        self._changed = threading.Condition()
        self._account = PlaneAccount()
        self._segments: collections.deque[_Segment] = collections.deque()
        # Per chunk: number of its first plane and its stamp, so that times never drift.
        self._anchors: collections.deque[tuple[int, int]] = collections.deque()
        self._held: list[SpikeChunk] = []
        self._head = 0  # number of the next plane to store
        self._next_start = 0  # earliest start of the next window
        self._accounted = 0  # planes before this number are no longer pending
        self._infers_rate = period_ns == 0
        self._steps: collections.deque[float] = collections.deque(maxlen=STEPS_OF_NEW_RATE)
        self._previous: SpikeChunk | None = None
        self._gaps_ns: collections.deque[tuple[int, int]] = collections.deque(
            maxlen=MAX_REMEMBERED_GAPS
        )
        self._interrupted = False  # planes were refused at the open end: the next chunk is apart
        self._unwanted = False  # nobody wants windows: what passes is skipped, not dropped
        self._expected_ns: int | None = None  # stamp that continues the stream
        self._refused_next_ns: int | None = None  # stamp that continues the last refused chunk

    @property
    def period_ns(self) -> int:
        """Time between planes in nanoseconds; 0 while it is not yet known."""
        return self._period_ns

    @property
    def stamped_period_ns(self) -> int:
        """Plane period that the stamps have agreed on for a while where it is another; else 0."""
        if len(self._steps) < STEPS_OF_NEW_RATE or self._period_ns == 0:
            return 0
        low, high = min(self._steps), max(self._steps)
        period = round((low + high) / 2)
        if low < 1 or differs(low, high) or not differs(period, self._period_ns):
            return 0
        return period

    def account(self) -> PlaneAccount:
        """A snapshot of the accounting."""
        with self._changed:
            held = sum(chunk.planes for chunk in self._held)
            return dataclasses.replace(
                self._account,
                expected=self._account.expected + held,
                pending=self._pending_between(0, self._head) + held,
                refused=dict(self._account.refused),
            )

    def append(self, chunk: SpikeChunk) -> Arrival:
        """Copy a chunk in; overwrites the oldest planes where the ring is full.

        Args:
            chunk: Planes of the ring's geometry. Its ``period_ns``, where given, must be the
                ring's within one per cent.

        Returns:
            How the chunk follows the stream. A refused one (see :data:`REFUSALS`) is counted and
            not stored.
        """
        with self._changed:
            self._account.received += chunk.planes
            if chunk.geometry != self.geometry:
                return self._refuse(chunk.planes, Arrival.OTHER_GEOMETRY)
            if self._period_ns == 0:
                if chunk.period_ns == 0:
                    arrival = self._hold(chunk)
                    self._changed.notify()
                    return arrival
                self._period_ns = chunk.period_ns
            if chunk.period_ns and differs(chunk.period_ns, self._period_ns):
                return self._refuse(chunk.planes, Arrival.OTHER_RATE)
            arrival = self._place(chunk)
            self._changed.notify()
            return arrival

    def take(self, timeout_s: float = 0.0) -> Window | None:
        """The next window that the policy wants, copied out.

        Args:
            timeout_s: How long to wait for the next planes if there is no window yet, seconds.

        Returns:
            None where there still is none: call again.
        """
        take = self._take_latest if self.policy == 'latest' else self._take_every
        with self._changed:
            self._unwanted = False
            taken = take()
            if taken is None and timeout_s > 0 and self._changed.wait(timeout_s):
                taken = take()
            return taken

    def discard(self) -> None:
        """Pass over the stored planes and what comes until :meth:`take`: nobody wants a window."""
        with self._changed:
            self._unwanted = True
            self._account.skipped_by_policy += self._pending_between(0, self._head)
            self._accounted = self._next_start = self._head
            self._segments.clear()
            self._anchors.clear()
            if self._expected_ns is not None:
                self._segments.append(_Segment(self._head, self._head))

    # Arrival of chunks; the lock is held.

    def _hold(self, chunk: SpikeChunk) -> Arrival:
        """Keep chunks until two steps between stamps agree on a plane rate."""
        self._held.append(chunk)
        self._period_ns = inferred_period(self._held, self._tolerance)
        if self._period_ns:
            held, self._held = self._held, []
            return [self._place(waiting) for waiting in held][-1]
        if len(self._held) > MAX_HELD_CHUNKS:
            oldest = self._held.pop(0)
            self._account.expected += oldest.planes
            self._count_refused(oldest.planes, 'rate_unknown')
        return Arrival.HELD

    def _place(self, chunk: SpikeChunk) -> Arrival:
        self._note_step(chunk)
        arrival, missing = self._classify(chunk)
        if arrival is Arrival.BACKWARD:
            return self._refuse_late(chunk)
        if arrival is Arrival.GAP and self._expected_ns is not None:
            self._gaps_ns.append((self._expected_ns, chunk.t0_ns))
        if arrival is Arrival.NEW_RATE:
            self._forget_old_rate()
        self._account.expected += missing + chunk.planes
        self._account.lost_in_transport += missing
        self._account.gaps += arrival is Arrival.GAP
        self._account.restarts += arrival in (Arrival.RESTART, Arrival.NEW_RATE)
        self._refused_next_ns = None
        self._expected_ns = chunk.t0_ns + chunk.planes * self._period_ns
        if arrival is not Arrival.NEXT or self._interrupted:
            self._interrupted = False
            self._segments.append(_Segment(self._head, self._head))
            self._retire_closed_segments()
        self._anchors.append((self._head, chunk.t0_ns))
        for first in range(0, chunk.planes, self.capacity):
            self._store(chunk.data[first : first + self.capacity])
        return arrival

    def _classify(self, chunk: SpikeChunk) -> tuple[Arrival, int]:
        """How the stamp follows the stream, and the planes missing before it."""
        if self._expected_ns is None:
            return Arrival.FIRST, 0
        if self._infers_rate and self.stamped_period_ns:
            return Arrival.NEW_RATE, 0
        ahead_ns = chunk.t0_ns - self._expected_ns
        slack_ns = self._tolerance * self._period_ns
        if abs(ahead_ns) <= slack_ns:
            return Arrival.NEXT, 0
        if ahead_ns > RESTART_AFTER_NS:
            return Arrival.RESTART, 0
        if ahead_ns > 0:
            return Arrival.GAP, max(1, round(ahead_ns / self._period_ns))
        # One chunk from the past is late or repeated; a second one that continues it means that
        # the clock was set back.
        if (
            self._refused_next_ns is not None
            and abs(chunk.t0_ns - self._refused_next_ns) <= slack_ns
        ):
            return Arrival.RESTART, 0
        return Arrival.BACKWARD, 0

    def _note_step(self, chunk: SpikeChunk) -> None:
        """Remember what the step from the chunk before says of the plane period."""
        if self._previous is not None:
            step_ns = chunk.t0_ns - self._previous.t0_ns
            self._steps.append(step_ns / self._previous.planes)
        self._previous = chunk

    def _forget_old_rate(self) -> None:
        """Go over to the rate of the stamps; planes of the old one that wait are given up."""
        self._period_ns = self.stamped_period_ns
        waiting = self._pending_between(0, self._head)
        if self.policy == 'latest' or self._unwanted:
            self._account.skipped_by_policy += waiting
        else:
            self._count_refused(waiting, 'rate')
        self._accounted = self._next_start = self._head
        self._segments.clear()
        self._anchors.clear()
        self._gaps_ns.clear()

    def _refuse_late(self, chunk: SpikeChunk) -> Arrival:
        """A chunk from the past: planes that were called lost are late instead."""
        end_ns = chunk.t0_ns + chunk.planes * self._period_ns
        self._refused_next_ns = end_ns
        found = self._take_from_gap(chunk.t0_ns, end_ns)
        if found:
            self._account.lost_in_transport -= chunk.planes
            self._account.expected -= chunk.planes
        if self._expected_ns is not None and end_ns > self._expected_ns:
            # Its stamp is a little early. It is refused all the same, but what follows is no gap.
            self._expected_ns = end_ns
            self._interrupted = True
        return self._refuse(chunk.planes, Arrival.BACKWARD)

    def _take_from_gap(self, start_ns: int, end_ns: int) -> bool:
        """Whether planes with these times are among the lost ones; then they are no longer."""
        slack_ns = self._tolerance * self._period_ns
        for number, (first_ns, last_ns) in enumerate(self._gaps_ns):
            if first_ns - slack_ns <= start_ns and end_ns <= last_ns + slack_ns:
                del self._gaps_ns[number]
                for rest in ((first_ns, start_ns), (end_ns, last_ns)):
                    if rest[1] - rest[0] > slack_ns:
                        self._gaps_ns.append(rest)
                return True
        return False

    def _refuse(self, planes: int, arrival: Arrival) -> Arrival:
        self._account.expected += planes
        self._count_refused(planes, REFUSALS[arrival])
        return arrival

    def _count_refused(self, planes: int, reason: str) -> None:
        if planes:
            self._account.refused[reason] = self._account.refused.get(reason, 0) + planes

    def _store(self, data: PackedPlanes) -> None:
        self._evict_before(self._head + len(data) - self.capacity)
        slot = self._head % self.capacity
        first = min(len(data), self.capacity - slot)
        self._planes[slot : slot + first] = data[:first]
        self._planes[: len(data) - first] = data[first:]
        self._head += len(data)
        self._segments[-1].end = self._head

    # Leaving the ring; the lock is held.

    def _pending_between(self, start: int, end: int) -> int:
        """Stored planes numbered in ``[start, end)`` that are not yet accounted for."""
        start = max(start, self._accounted)
        return sum(max(0, min(s.end, end) - max(s.start, start)) for s in self._segments)

    def _evict_before(self, tail: int) -> None:
        """Give up the planes before ``tail``, whose places are needed."""
        if tail <= self._segments[0].start:
            return
        self._count_passed(tail)
        while len(self._segments) > 1 and self._segments[0].end <= tail:
            self._segments.popleft()
        front = self._segments[0]
        front.start = min(max(front.start, tail), front.end)
        self._next_start = max(self._next_start, front.start)
        while len(self._anchors) > 1 and self._anchors[1][0] <= tail:
            self._anchors.popleft()
        self._retire_closed_segments()

    def _count_passed(self, tail: int) -> None:
        passed = self._pending_between(0, tail)
        if self.policy == 'latest' or self._unwanted:
            self._account.skipped_by_policy += passed  # only the newest window was ever wanted
        else:
            self._account.overwritten += passed
        self._accounted = max(self._accounted, tail)

    def _retire_closed_segments(self) -> None:
        """Drop old segments that no window fits into any more; their last planes are stranded."""
        while len(self._segments) > 1:
            front = self._segments[0]
            start = max(self._next_start, front.start)
            if start + self.window <= front.end:
                return
            skips = self.policy == 'latest' or self._unwanted
            by_policy = front.end if skips else min(start, front.end)
            self._account.skipped_by_policy += self._pending_between(front.start, by_policy)
            stranded = self._pending_between(max(front.start, by_policy), front.end)
            self._count_refused(stranded, 'gap')
            self._accounted = max(self._accounted, front.end)
            self._segments.popleft()
            if self.policy == 'every':
                self._next_start = self._segments[0].start

    def _take_every(self) -> Window | None:
        if not self._segments:
            return None
        self._retire_closed_segments()
        front = self._segments[0]
        start = max(self._next_start, front.start)
        if start + self.window > front.end:
            return None
        taken = self._take_at(start)
        self._retire_closed_segments()
        return taken

    def _take_latest(self) -> Window | None:
        for segment in reversed(self._segments):
            start = segment.end - self.window
            if start >= max(self._next_start, segment.start):
                taken = self._take_at(start)
                while self._segments[0] is not segment:
                    self._segments.popleft()
                self._retire_closed_segments()
                return taken
        return None

    def _take_at(self, start: int) -> Window:
        """Copy the window out, and count its planes and those passed over before it."""
        end = start + self.window
        self._account.skipped_by_policy += self._pending_between(0, start)
        self._account.windowed += self._pending_between(start, end)
        self._accounted = max(self._accounted, end)
        self._next_start = start + self.hop
        slot = start % self.capacity
        data = self._planes[slot : slot + self.window]
        if len(data) < self.window:
            data = np.concatenate([data, self._planes[: self.window - len(data)]])
        else:
            data = data.copy()
        return Window(
            data=data,
            geometry=self.geometry,
            t0_ns=self._time_of(start),
            period_ns=self._period_ns,
            reference_plane=self._reference,
            reference_ns=self._time_of(start + self._reference),
        )

    def _time_of(self, plane: int) -> int:
        """Time of a stored plane: from the stamp of the chunk that brought it."""
        first, stamp = next(a for a in reversed(self._anchors) if a[0] <= plane)
        return stamp + (plane - first) * self._period_ns
