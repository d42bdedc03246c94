# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ring of planes: append chunks, take windows, count every plane.

Planes are numbered as they are stored. A *segment* is a run of stored planes without a gap; a
window lies within one segment. Each plane leaves the state *pending* exactly once, by an increment
of another counter of :class:`spike_depth_ros.stream.accounting.PlaneAccounting`.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import threading
from collections.abc import Mapping

import numpy as np

from spike_depth_ros.stream.accounting import LostBy, PlaneAccounting
from spike_depth_ros.stream.chunk import Geometry, PackedPlanes, SpikeChunk
from spike_depth_ros.stream.stamps import Arrival, Gap, StampTracker
from spike_depth_ros.stream.window import (
    UNKNOWN_CAMERA,
    Camera,
    Policy,
    ReferencePlane,
    Window,
    reference_index,
)

MAX_LISTED_GAPS = 200
"""Largest number of listed gaps; all are counted."""

REFUSALS = {Arrival.BACKWARD: 'backward', Arrival.OTHER_GEOMETRY: 'geometry'}
"""Reason of the counter for each refused arrival."""


@dataclasses.dataclass
class _Segment:
    """Stored planes ``[start, end)`` without a gap; planes are appended to the newest segment."""

    number: int
    start: int
    end: int


class _Store:
    """Preallocated storage of the newest planes of a stream, by number.

    Args:
        geometry: Sensor size and bit order of every plane.
        capacity: Number of stored planes, at least 1.

    Attributes:
        capacity: Number of stored planes.
        head: Number of the next plane; those from ``head - capacity`` on are stored.
    """

    def __init__(self, geometry: Geometry, capacity: int) -> None:
        self.capacity = capacity
        self.head = 0
        self._planes = np.empty((capacity, geometry.height, geometry.row_bytes), np.uint8)

    def write(self, data: PackedPlanes) -> None:
        """Store a copy of at most ``capacity`` planes."""
        slot = self.head % self.capacity
        first = min(len(data), self.capacity - slot)
        self._planes[slot : slot + first] = data[:first]
        self._planes[: len(data) - first] = data[first:]
        self.head += len(data)

    def read(self, start: int, planes: int) -> PackedPlanes:
        """Return a copy of stored planes from number ``start`` on."""
        slot = start % self.capacity
        data = self._planes[slot : slot + planes]
        if len(data) < planes:
            return np.concatenate([data, self._planes[: planes - len(data)]])
        return data.copy()


class PlaneRing:
    """Ring of packed planes between one producer and one consumer thread.

    ``append`` never waits for inference: in a full ring the oldest planes are overwritten and
    counted.

    Args:
        geometry: Sensor size and bit order of every plane.
        period_ns: Time between planes, nanoseconds, at least 1.
        window: Planes in a window, at least 1.
        hop: Planes between the starts of windows, at least this many with policy ``latest``; 0 is
            the window length.
        policy: Choice of windows, see :data:`~spike_depth_ros.stream.window.Policy`.
        capacity: Capacity of the ring, planes, at least ``window``.
        reference: The plane of a window that its depth belongs to.
        stamp_tolerance: Largest deviation of a stamp that is not a gap, planes.
        inferred: The period is inferred from stamps: another one that they agree on replaces it.
        refused: Planes that came before there was a ring and were refused, by reason.
        changed: Condition that guards the ring and is notified when planes arrive; a consumer of
            several rings waits for all of them by one that they share. None: its own.

    Attributes:
        changed: That condition.
        longest_packet_ns: Time of the planes of the longest chunk, nanoseconds.
        gaps: First confirmed gaps, at most :data:`MAX_LISTED_GAPS`.

    Raises:
        ValueError: A number is out of range.
    """

    def __init__(
        self,
        geometry: Geometry,
        period_ns: int,
        window: int,
        hop: int = 0,
        policy: Policy = 'latest',
        capacity: int = 8192,
        reference: ReferencePlane = 'middle',
        stamp_tolerance: float = 0.5,
        inferred: bool = False,
        refused: Mapping[str, int] = {},
        changed: threading.Condition | None = None,
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
        self.changed = threading.Condition() if changed is None else changed
        self.gaps: list[Gap] = []
        self.longest_packet_ns = 0
        self._reference = reference_index(reference, window)
        self._store = _Store(geometry, capacity)
        early = sum(refused.values())
        self._accounting = PlaneAccounting(early, early, refused=dict(refused))
        self._stamps = StampTracker(period_ns, stamp_tolerance, self._on_gap, inferred)
        self._segments: collections.deque[_Segment] = collections.deque()
        self._opened = 0
        # Per chunk: number of its first plane, its stamp, so that times do not drift, its camera.
        self._anchors: collections.deque[tuple[int, int, Camera]] = collections.deque()
        self._next_start = 0  # earliest start of the next window
        self._newest_ns: int | None = None
        self._accounted = 0  # planes before this number are no longer pending
        self._unwanted = False  # without a consumer planes are skipped, not dropped

    @property
    def period_ns(self) -> int:
        """Time between planes, nanoseconds."""
        return self._stamps.period_ns

    @property
    def stamped_period_ns(self) -> int:
        """Other plane period on which recent stamps agree, nanoseconds; 0: none."""
        with self.changed:
            return self._stamps.stamped_period_ns

    def accounting(self) -> PlaneAccounting:
        """Return a snapshot of the accounting, without provisional gaps."""
        with self.changed:
            return self._accounting.snapshot(self._pending_between(0, self._store.head))

    def settle(self) -> None:
        """Count provisional gaps as lost, as the stream has ended or pauses."""
        with self.changed:
            self._stamps.settle()

    def append(
        self, chunk: SpikeChunk, lost_by: LostBy = 'transport', camera: Camera = UNKNOWN_CAMERA
    ) -> Arrival:
        """Store a copy of a chunk; in a full ring the oldest planes are overwritten.

        Args:
            chunk: Planes of the ring's geometry.
            lost_by: Cause of missing planes before this chunk.
            camera: Camera of these planes; a window has that of its reference plane.

        Returns:
            Relation of the chunk to the stream. A refused one (see :data:`REFUSALS`) is counted
            and not stored.
        """
        with self.changed:
            self._accounting.receive(chunk.planes)
            arrival = Arrival.OTHER_GEOMETRY
            if chunk.geometry == self.geometry:
                arrival = self._stamps.follow(chunk.t0_ns, chunk.planes, lost_by)
            if arrival in REFUSALS:
                self._accounting.refuse(chunk.planes, REFUSALS[arrival])
                return arrival
            if not self._stamps.joins:
                self._begin_segment(arrival)
            self._anchors.append((self._store.head, chunk.t0_ns, camera))
            self._newest_ns = chunk.t0_ns + (chunk.planes - 1) * self.period_ns
            span_ns = chunk.planes * self.period_ns
            self.longest_packet_ns = max(self.longest_packet_ns, span_ns)
            for first in range(0, chunk.planes, self.capacity):
                data = chunk.data[first : first + self.capacity]
                self._evict_before(self._store.head + len(data) - self.capacity)
                self._store.write(data)
                self._segments[-1].end = self._store.head
            self.changed.notify()
            return arrival

    def take(self, timeout_s: float = 0.0, until_ns: int | None = None) -> Window | None:
        """Return a copy of the next window of the policy.

        Args:
            timeout_s: Longest wait for the next planes if there is no window yet, seconds.
            until_ns: Latest time of its reference plane, nanoseconds; None: any.

        Returns:
            The window; None if there is none.
        """
        with self.changed:
            chosen = self._choose(until_ns)
            if chosen is None and timeout_s > 0 and self.changed.wait(timeout_s):
                chosen = self._choose(until_ns)
            return None if chosen is None else self._take_from(*chosen, self.hop)

    def next_reference_ns(self, until_ns: int | None = None) -> int | None:
        """Return the time of the reference plane of the window that :meth:`take` would return.

        Args:
            until_ns: Latest time of that plane, nanoseconds; None: any.

        Returns:
            Nanoseconds; None if there is no window.
        """
        with self.changed:
            chosen = self._choose(until_ns)
            return None if chosen is None else self._origin_of(chosen[0] + self._reference)[0]

    def skip(self) -> None:
        """Skip the window that :meth:`take` would return, if any."""
        with self.changed:
            chosen = self._choose(None)
            if chosen is not None:
                self._next_start = chosen[0] + self.hop
                self._skip_before(chosen[0] + min(self.hop, self.window))
                self._retire_closed_segments()

    def skip_before(self, time_ns: int) -> None:
        """Skip the planes before a time, of which no window is wanted any more.

        Args:
            time_ns: Time, nanoseconds.
        """
        with self.changed:
            end = self._plane_at(time_ns)
            self._skip_before(end)
            self._next_start = max(self._next_start, end)
            self._retire_closed_segments()

    def take_at(self, reference_ns: int) -> Window | None:
        """Return a copy of the window at a time, whatever the policy and the hop.

        Its reference plane is the nearest, half a plane period away at most. It starts later than
        the last window; the pending planes before it are skipped.

        Args:
            reference_ns: Time, nanoseconds.

        Returns:
            The window, from when planes of that time or later have arrived, as the nearest is not
            known before; None if there is none, see :meth:`awaits`.
        """
        with self.changed:
            self._unwanted = False
            found = self._find(reference_ns)
            if found is None or self._is_ahead(reference_ns):
                return None
            start, segment = found
            if start + self.window > segment.end:
                return None
            return self._take_from(start, segment, 1)

    def awaits(self, reference_ns: int) -> bool:
        """Return True if the window at a time may still arrive, or is there.

        Args:
            reference_ns: Time as for :meth:`take_at`, nanoseconds.

        Returns:
            False: its planes are missing, or left the ring, and will not come.
        """
        with self.changed:
            return self._is_ahead(reference_ns) or self._find(reference_ns) is not None

    @property
    def newest_ns(self) -> int | None:
        """Time of the newest plane that was stored, nanoseconds; None before it."""
        with self.changed:
            return self._newest_ns

    @property
    def used(self) -> bool:
        """True if a window was taken."""
        with self.changed:
            return self._accounting.windowed > 0

    def close_unused(self) -> bool:
        """Close the ring, unless a window was taken.

        Returns:
            True: there will be no window; False: one was taken, and nothing changes.
        """
        with self.changed:
            if self._accounting.windowed:
                return False
            self._forget_stored()
            return True

    def discard(self) -> None:
        """Skip stored planes and later ones until a window is asked for: there is no consumer."""
        with self.changed:
            self._unwanted = True
            self._accounting.skipped_by_policy += self._pending_between(0, self._store.head)
            is_open = bool(self._segments)
            self._forget_stored()
            if is_open:
                self._open_segment()

    # Arrival of chunks; the lock is held.

    def _begin_segment(self, arrival: Arrival) -> None:
        """Begin a segment, as the next planes do not continue the stored ones."""
        if arrival is Arrival.NEW_RATE:
            self._discard_pending()
        if arrival in (Arrival.RESTART, Arrival.NEW_RATE):
            self._accounting.restarts += 1
        self._open_segment()
        self._retire_closed_segments()

    def _discard_pending(self) -> None:
        """Discard pending planes, as no window has planes of two rates."""
        pending = self._pending_between(0, self._store.head)
        if self.policy == 'latest' or self._unwanted:
            self._accounting.skipped_by_policy += pending
        else:
            self._accounting.refuse(pending, 'rate')
        self._forget_stored()

    def _open_segment(self) -> None:
        self._opened += 1
        self._segments.append(_Segment(self._opened, self._store.head, self._store.head))

    def _forget_stored(self) -> None:
        """Discard the stored planes, which are already counted."""
        self._accounted = self._next_start = self._store.head
        self._segments.clear()
        self._anchors.clear()

    def _on_gap(self, gap: Gap) -> None:
        self._accounting.lose(gap.planes, gap.lost_by)
        if len(self.gaps) < MAX_LISTED_GAPS:
            self.gaps.append(gap)

    # Leaving the ring; the lock is held.

    def _pending_between(self, start: int, end: int) -> int:
        """Count the stored planes with numbers in ``[start, end)`` that are pending."""
        start = max(start, self._accounted)
        return sum(max(0, min(s.end, end) - max(s.start, start)) for s in self._segments)

    def _evict_before(self, tail: int) -> None:
        """Discard the planes before ``tail``, whose storage is needed."""
        if tail <= self._segments[0].start:
            return
        passed = self._pending_between(0, tail)
        if self.policy == 'latest' or self._unwanted:
            self._accounting.skipped_by_policy += passed  # older planes are skipped on purpose
        else:
            between = self._pending_between(0, min(tail, self._next_start))  # by the hop
            self._accounting.skipped_by_policy += between
            self._accounting.overwritten += passed - between
        self._accounted = max(self._accounted, tail)
        while len(self._segments) > 1 and self._segments[0].end <= tail:
            self._segments.popleft()
        front = self._segments[0]
        front.start = min(max(front.start, tail), front.end)
        self._next_start = max(self._next_start, front.start)
        while len(self._anchors) > 1 and self._anchors[1][0] <= tail:
            self._anchors.popleft()
        self._retire_closed_segments()

    def _retire_closed_segments(self) -> None:
        """Drop old segments without space for a window; their last planes are refused."""
        while len(self._segments) > 1:
            front = self._segments[0]
            start = max(self._next_start, front.start)
            if start + self.window <= front.end:
                return
            skips = self.policy == 'latest' or self._unwanted
            by_policy = front.end if skips else min(start, front.end)
            self._accounting.skipped_by_policy += self._pending_between(front.start, by_policy)
            stranded = self._pending_between(max(front.start, by_policy), front.end)
            self._accounting.refuse(stranded, 'gap')
            self._accounted = max(self._accounted, front.end)
            self._segments.popleft()
            if self.policy == 'every':
                self._next_start = self._segments[0].start

    def _skip_before(self, end: int) -> None:
        """Skip the pending planes before ``end``."""
        self._accounting.skipped_by_policy += self._pending_between(0, end)
        self._accounted = max(self._accounted, end)

    def _choose(self, until_ns: int | None) -> tuple[int, _Segment] | None:
        """Choose the next window of the policy, with its reference plane at ``until_ns`` at most.

        Returns:
            Number of its first plane, and its segment; None if there is none.
        """
        self._unwanted = False
        until = self._store.head if until_ns is None else self._plane_at(until_ns)
        segments = reversed(self._segments)
        if self.policy == 'every':
            self._retire_closed_segments()
            segments = itertools.islice(self._segments, 1)
        for segment in segments:
            first = max(self._next_start, segment.start)
            last = min(segment.end - self.window, until - self._reference)
            if first <= last:
                return first if self.policy == 'every' else last, segment
        return None

    def _find(self, reference_ns: int) -> tuple[int, _Segment] | None:
        """Find the window at a time, if its planes are stored or may follow the stored ones.

        Returns:
            Number of its first plane, and its segment; None if there is none.
        """
        plane = self._nearest(reference_ns)
        for segment in self._segments:
            if plane is not None and segment.start <= plane < segment.end:
                start = plane - self._reference
                begins = start >= max(self._next_start, segment.start)
                ends = start + self.window <= segment.end or segment is self._segments[-1]
                return (start, segment) if begins and ends else None
        return None

    def _nearest(self, time_ns: int) -> int | None:
        """Return the stored plane nearest to a time, half a period away at most; None: none is."""
        before = self._plane_at(time_ns)
        tail = self._segments[0].start if self._segments else self._store.head
        stored = [p for p in (before + 1, before) if tail <= p < self._store.head]
        planes = {abs(self._origin_of(p)[0] - time_ns): p for p in stored}
        off_ns = min(planes, default=self.period_ns)
        return planes[off_ns] if 2 * off_ns <= self.period_ns else None

    def _plane_at(self, time_ns: int) -> int:
        """Return the newest plane at or before a time; the one before all planes if none is."""
        end = self._store.head
        for first, stamp_ns, _ in reversed(self._anchors):
            if stamp_ns <= time_ns:
                return min(first + (time_ns - stamp_ns) // self.period_ns, end - 1)
            end = first
        return end - 1

    def _is_ahead(self, time_ns: int) -> bool:
        """Return True if no plane at or after a time has arrived."""
        return self._newest_ns is None or time_ns > self._newest_ns

    def _take_from(self, start: int, segment: _Segment, hop: int) -> Window:
        """Return a copy of a window; count its planes and the skipped ones before it."""
        end = start + self.window
        self._skip_before(start)
        self._accounting.windowed += self._pending_between(start, end)
        self._accounted = max(self._accounted, end)
        self._next_start = start + hop
        while self._segments[0] is not segment:
            self._segments.popleft()
        t0_ns, _ = self._origin_of(start)
        reference_ns, camera = self._origin_of(start + self._reference)
        window = Window(
            data=self._store.read(start, self.window),
            geometry=self.geometry,
            t0_ns=t0_ns,
            period_ns=self.period_ns,
            reference_plane=self._reference,
            reference_ns=reference_ns,
            camera=camera,
            segment=segment.number,
        )
        self._retire_closed_segments()
        return window

    def _origin_of(self, plane: int) -> tuple[int, Camera]:
        """Return time and camera of a stored plane, from its chunk."""
        first, stamp_ns, camera = next(a for a in reversed(self._anchors) if a[0] <= plane)
        return stamp_ns + (plane - first) * self.period_ns, camera
