# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images of a bag in the order of their stamps, where they were recorded in another order.

The recorder writes messages as they arrive. Those of a topic may overtake each other by up to
:data:`SORT_NS`; then each takes the place that it would have in order, so that a topic keeps its
place among the others. To know what is still to come, stamps are read ahead of the messages.
What is in order is passed on at once. A stamp that lies further back, that came before, or that
belongs to a clock that was set back, keeps its place: it is no matter of order.
"""

from __future__ import annotations

import bisect
import collections
import heapq
import itertools
import struct
from collections.abc import Collection, Iterator
from typing import NamedTuple

SORT_NS = 1_000_000_000
"""Largest time by which messages of a topic overtake each other, nanoseconds of their stamps."""

SORT_MESSAGES = 1 << 15
"""Largest number of messages that are looked ahead, over all topics."""

SORT_BYTES = 1 << 28
"""Memory of messages that wait, bytes; where more would have to, the look ahead is shorter than
:data:`SORT_NS`. In order none waits, unless stamps cannot be read alone: compressed, damaged."""

HEAD_BYTES = 12
"""Bytes of a message that hold its stamp: header of CDR, seconds, nanoseconds."""

SET_BACK = 4
"""Messages in turn, before and after it, that tell a clock that was set back."""

_EVEN = 1.1  # largest ratio of equal steps
_REAL_TIME = 1.5  # largest ratio of the steps of two clocks
_SECOND = 1_000_000_000
_BEFORE_ALL = -(1 << 63)


class BagMessage(NamedTuple):
    """A message as it was recorded.

    Attributes:
        topic: Full name of its topic.
        time_ns: When it was recorded, nanoseconds.
        data: CDR bytes, or their beginning.
    """

    topic: str
    time_ns: int
    data: bytes


class InOrder:
    """Iterator over messages, those of some topics in the order of their stamps.

    Args:
        messages: Messages in the order in which they were recorded, of these and other topics.
        topics: Full names of topics whose messages begin with a header.
        heads: The same messages of these topics with :data:`HEAD_BYTES` or more of each, in the
            same order; None: they cannot be had alone, so that messages wait in memory.
        together: Those of the topics that are in the order of stamps with one another, too.
    """

    def __init__(
        self,
        messages: Iterator[BagMessage],
        topics: Collection[str],
        heads: Iterator[BagMessage] | None,
        together: Collection[str] = (),
    ) -> None:
        self._messages, self._heads, self._together = messages, heads, together
        self._orders = {topic: _Order() for topic in topics}
        # Of what is read: places, of which messages wait; how many of each topic.
        self._places: collections.deque[BagMessage] = collections.deque()
        self._waiting: dict[tuple[str, int], bytes] = {}
        self._read: collections.Counter[str] = collections.Counter()
        self._nbytes = self._ahead = 0
        self._ended = False

    def __iter__(self) -> Iterator[BagMessage]:
        """Iterate once."""
        while self._places or self._read_one():
            place = self._places.popleft()
            if place.topic in self._orders:
                topic, data = self._take(self._first(place.topic))
                place = BagMessage(topic, place.time_ns, data)
            yield place

    @property
    def moved(self) -> dict[str, int]:
        """Messages of each topic that were sorted in so far."""
        return {topic: order.moved for topic, order in self._orders.items()}

    def _first(self, topic: str) -> str:
        """Return the topic of the message that takes the place of one of a topic."""
        first = self._decide(topic)
        for other in self._together if topic in self._together else ():
            found = self._decide(other) if other != topic else None
            if found is None:
                continue
            if first is None or (found[0] == first[0] and 0 < first[1] - found[1] <= SORT_NS):
                topic, first = other, found
        return topic

    def _decide(self, topic: str) -> _Entry | None:
        """Look ahead until the first message of a topic is known, and return its entry."""
        order = self._orders[topic]
        while not order.is_decided() and self._look_ahead():
            pass
        return order.first

    def _take(self, topic: str) -> tuple[str, bytes]:
        """Take topic and data of the first message of a topic, read now unless it waits."""
        order, unread, data = self._orders[topic], [], None
        while data is None and (entry := order.pop()) is not None:
            key = topic, entry[2]
            while key not in self._waiting and self._nbytes <= SORT_BYTES and self._read_one():
                pass
            data = self._waiting.pop(key, None)
            if data is None:
                unread.append(entry)
        if not self._ended:
            for entry in unread:  # there was no room, so that they come too late
                order.push(entry)
        if data is None:  # heads ended before the messages
            left = [key for key in self._waiting if key[0] == topic] or [*self._waiting]
            topic, _ = left[0]
            data = self._waiting.pop(left[0])
        self._nbytes -= len(data)
        return topic, data

    def _read_one(self) -> bool:
        """Read a message; it waits if its topic is sorted. Return False at the end."""
        message = next(self._messages, None)
        if message is None:
            self._ended = True
            return False
        if message.topic in self._orders:
            self._waiting[message.topic, self._read[message.topic]] = message.data
            self._read[message.topic] += 1
            self._ahead -= 1
            self._nbytes += len(message.data)
            if self._heads is None:
                self._add(message)
            message = message._replace(data=b'')
        self._places.append(message)
        return True

    def _look_ahead(self) -> bool:
        """Learn the stamp of one more message; return False if there is none, or no room."""
        if self._heads is None:
            full = self._nbytes > SORT_BYTES or len(self._places) > SORT_MESSAGES
            return not full and self._read_one()
        if self._ahead > SORT_MESSAGES or (head := next(self._heads, None)) is None:
            return False
        self._add(head)
        return True

    def _add(self, head: BagMessage) -> None:
        self._ahead += 1
        self._orders[head.topic].add(_stamp_ns(head.data), head.time_ns)


_Entry = tuple[int, int, int]  # clock, stamp that sorts, number


class _Place(NamedTuple):
    """Number of a message of a topic, its stamp, when it was recorded, and whether it moved."""

    number: int
    stamp_ns: int
    time_ns: int = 0
    moved: bool = False


class _Order:
    """Order of a topic's messages by what is known of their stamps.

    Attributes:
        moved: Messages that were sorted in.
    """

    def __init__(self) -> None:
        self.moved = self._number = 0
        self._heap: list[_Entry] = []  # a restart begins another clock
        self._clock, self._newest = 0, _BEFORE_ALL
        self._known: list[int] = []  # stamps of this clock, of the last second or more
        self._prune_at = 1024
        self._far: _Place | None = None  # one message that lies far back
        # The newest messages of which each has a later stamp than the one before, and how many
        # there are; those before them.
        self._run: collections.deque[_Place] = collections.deque(maxlen=SET_BACK)
        self._run_length = 0
        self._run_before: list[_Place] = []

    def add(self, stamp_ns: int | None, time_ns: int) -> None:
        """Add the next message in the order of the file; None: it has no stamp."""
        number, self._number = self._number, self._number + 1
        if stamp_ns is None:
            self._push(self._newest, number)
            return
        moved = self.moved
        self._place(number, stamp_ns)
        if self._run and stamp_ns <= self._run[-1].stamp_ns:
            self._run_before, self._run_length = [*self._run], 0
            self._run.clear()
        self._run.append(_Place(number, stamp_ns, time_ns, self.moved > moved))
        self._run_length += 1
        if self._run_length == SET_BACK == len(self._run_before) and self._was_set_back():
            self.moved -= sum(one.moved for one in self._run)
            self._restart([*self._run])

    def _place(self, number: int, stamp_ns: int) -> None:
        far, self._far = self._far, None
        if stamp_ns > self._newest:
            self._known.append(stamp_ns)
            self._newest = stamp_ns
            self._push(stamp_ns, number)
            if len(self._known) > self._prune_at:
                del self._known[: bisect.bisect_left(self._known, stamp_ns - SORT_NS)]
                self._prune_at = 2 * len(self._known) + 1024
        elif self._newest - stamp_ns > SORT_NS:
            self._push(self._newest, number)
            here = _Place(number, stamp_ns)
            if far is not None and abs(stamp_ns - far.stamp_ns) <= SORT_NS:
                self._restart([far, here])
            else:
                self._far = here
        else:
            place = bisect.bisect_left(self._known, stamp_ns)
            if self._known[place] == stamp_ns:  # it came before
                self._push(self._newest, number)
                return
            self._known.insert(place, stamp_ns)
            self._push(stamp_ns, number)
            self.moved += 1

    def is_decided(self) -> bool:
        """Whether no message that is still unknown comes before the first one."""
        if not self._heap:
            return False
        clock, stamp_ns, _ = self._heap[0]
        return clock < self._clock or self._newest - stamp_ns > SORT_NS

    @property
    def first(self) -> _Entry | None:
        """Entry of the first message; None: none is known."""
        return self._heap[0] if self._heap else None

    def pop(self) -> _Entry | None:
        """Take the entry of the first message; None: none is known."""
        return heapq.heappop(self._heap) if self._heap else None

    def push(self, entry: _Entry) -> None:
        """Put an entry back."""
        heapq.heappush(self._heap, entry)

    def _push(self, stamp_ns: int, number: int) -> None:
        heapq.heappush(self._heap, (self._clock, stamp_ns, number))

    def _was_set_back(self) -> bool:
        """Whether the newest messages go on evenly, in real time, over a time that was over.

        Messages that overtake each other fill what the others left out; they do not go in between
        at the pace of the whole stream, nor follow on those before as if nothing had been late.
        """
        both = (self._run_before, [*self._run])
        steps = [b.stamp_ns - a.stamp_ns for run in both for a, b in itertools.pairwise(run)]
        if max(steps) > _EVEN * min(steps):
            return False
        for run in both:
            passed_ns = run[-1].time_ns - run[0].time_ns
            stamped_ns = run[-1].stamp_ns - run[0].stamp_ns
            if not passed_ns < _REAL_TIME * stamped_ns < _REAL_TIME**2 * passed_ns:
                return False
        if self._run[0].time_ns - self._run_before[-1].time_ns > 2 * max(steps):
            return False
        first = bisect.bisect_left(self._known, self._run[0].stamp_ns)
        last = bisect.bisect_right(self._known, self._run[-1].stamp_ns)
        others = {*self._known[first:last]} - {one.stamp_ns for one in self._run}
        return 0 < len(others) <= SET_BACK

    def _restart(self, messages: Collection[_Place]) -> None:
        """Begin another clock with the newest messages."""
        stamps = {one.number: one.stamp_ns for one in messages}
        self._clock += 1
        self._known = sorted(stamps.values())
        self._newest = self._known[-1]
        self._heap = [
            (self._clock, stamps[number], number) if number in stamps else (clock, at_ns, number)
            for clock, at_ns, number in self._heap
        ]
        heapq.heapify(self._heap)


def _stamp_ns(data: bytes) -> int | None:
    """Return the stamp of a header, nanoseconds; None: there is none."""
    if len(data) < HEAD_BYTES or data[0]:
        return None
    seconds, nanoseconds = struct.unpack_from('<iI' if data[1] else '>iI', data, 4)
    return int(seconds) * _SECOND + int(nanoseconds)
