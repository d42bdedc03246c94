# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs of windows of two cameras, by the stamps of their planes."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from spike_depth_ros.stream.ring import PlaneRing
from spike_depth_ros.stream.window import Window

PAIR_WAIT_S = 0.2
"""Default time by which right stamps may be behind left ones, seconds: half of what the ring of
``every`` holds at 20 kHz."""

REPORT_AFTER_NS = 500_000_000
"""Time by which both streams go on before stamps that do not overlap are reported, nanoseconds."""


class WindowPair(NamedTuple):
    """Windows of both eyes, with reference planes at most half a plane period apart.

    Attributes:
        left: Window of the left eye.
        right: Window of the right eye, its times on the left clock; None: right has stopped.
    """

    left: Window
    right: Window | None


class WindowPairs:
    """Pairs of windows from the rings of two cameras, between one producer and one consumer.

    The left ring chooses its windows by its policy and hop; the right window is the one whose
    reference plane is the nearest to that of the left one. Where clocks drift by a plane, one is
    skipped, or is in two windows and counts once. Planes without a counterpart are skipped by
    policy: those before both streams run, and those beside a gap of the other eye.

    - ``latest``: the newest left window whose right planes have arrived.
    - ``every``: each left window, which waits until right stamps pass it. Pairs are a function of
      the stamps alone, in whatever order both streams arrive, as long as no clock is set back,
      right does not stop and no ring overflows.

    Right has stopped when its newest stamp is more than ``pair_wait_s``, and more than two
    packets, behind the newest left one; then left windows come without a right one. Where left has
    stopped likewise, right planes are skipped. This time is counted in stamps: a pause of both
    streams, or of the consumer, changes nothing.

    Make it once both rings exist; until then discard the planes of the one that does.

    Args:
        left: Ring of the left eye.
        right: Ring of the right eye, of the same policy and condition.
        offset_s: Seconds that are added to right stamps; below 0 where they are late.
        pair_wait_s: Largest time by which right stamps may be behind left ones, seconds; infinity:
            any.

    Attributes:
        difference_ns: Right stamp less left stamp of the newest pair's reference planes,
            nanoseconds; None before a pair.
        problem: Reason that stamps do not overlap, with the offset of both clocks; empty: they do.

    Raises:
        ValueError: The rings differ in policy or condition.
    """

    def __init__(
        self,
        left: PlaneRing,
        right: PlaneRing,
        offset_s: float = 0.0,
        pair_wait_s: float = PAIR_WAIT_S,
    ) -> None:
        if left.changed is not right.changed or left.policy != right.policy:
            raise ValueError('left and right ring: expected the same policy and one condition')
        self.difference_ns: int | None = None
        self.problem = ''
        self._left = left
        self._right = right
        self._offset_ns = round(1e9 * offset_s)
        self._wait_ns = 1e9 * pair_wait_s
        self._apart_since: tuple[int, int] | None = None  # newest stamps when it was first seen

    def take(self, timeout_s: float = 0.0) -> WindowPair | None:
        """Return the next pair.

        Args:
            timeout_s: Longest wait for planes of either eye if there is no pair yet, seconds.

        Returns:
            The pair, of copies; None if there is none.
        """
        take = self._take_latest if self._left.policy == 'latest' else self._take_every
        with self._left.changed:
            pair = self._left.changed.wait_for(take, timeout_s)
            if pair is None:
                self._skip_right()
            self._check_overlap()
            return pair

    def _take_every(self) -> WindowPair | None:
        while (left_ns := self._left.next_reference_ns()) is not None:
            right = self._right.take_at(left_ns - self._offset_ns)
            if right is not None:
                return self._take_left(right)
            if self._right.awaits(left_ns - self._offset_ns):
                return self._take_left() if self._is_stopped(left_ns) else None
            self._left.skip()
        return None

    def _take_latest(self) -> WindowPair | None:
        until_ns = newest_ns = self._left.next_reference_ns()
        half_ns = self._right.period_ns // 2
        while (left_ns := self._left.next_reference_ns(until_ns)) is not None:
            right = self._right.take_at(left_ns - self._offset_ns)
            if right is not None:
                return self._take_left(right, until_ns)
            right_ns = self._right.next_reference_ns(left_ns - self._offset_ns + half_ns)
            if right_ns is None:
                break
            until_ns = min(left_ns - 1, right_ns + self._offset_ns + half_ns)
        stopped = newest_ns is not None and self._is_stopped(newest_ns)
        return self._take_left() if stopped else None

    def _take_left(
        self, right: Window | None = None, until_ns: int | None = None
    ) -> WindowPair | None:
        """Take the left window of a pair."""
        left = self._left.take(until_ns=until_ns)
        if left is None or right is None:
            return None if left is None else WindowPair(left, None)
        right = dataclasses.replace(
            right,
            t0_ns=right.t0_ns + self._offset_ns,
            reference_ns=right.reference_ns + self._offset_ns,
        )
        self.difference_ns = right.reference_ns - left.reference_ns
        return WindowPair(left, right)

    def _newest_ns(self) -> tuple[int, int] | None:
        """Return the newest stamps of both eyes, on the left clock; None: not both run."""
        left_ns, right_ns = self._left.newest_ns, self._right.newest_ns
        if left_ns is None or right_ns is None:
            return None
        return left_ns, right_ns + self._offset_ns

    def _is_stopped(self, left_ns: int) -> bool:
        """Return True if right has stopped, so that the window at ``left_ns`` waits no longer."""
        newest = self._newest_ns()
        # If both clocks were set back, the window itself is ahead of both streams.
        return newest is not None and max(left_ns, newest[0]) - newest[1] > self._longest_ns

    @property
    def _longest_ns(self) -> float:
        """Time by which an eye may be behind the other, at least two of the longest packets."""
        packet_ns = max(ring.longest_packet_ns for ring in (self._left, self._right))
        return max(self._wait_ns, 2 * packet_ns)

    def _skip_right(self) -> None:
        """Skip the right planes for which left ones come no more, as left has stopped."""
        newest = self._newest_ns()
        if newest is not None and newest[1] - newest[0] > self._longest_ns:
            self._right.skip_before(round(newest[1] - self._offset_ns - self._longest_ns))

    def _check_overlap(self) -> None:
        """Update :attr:`problem`."""
        newest = self._newest_ns()
        if newest is None:
            return
        ahead_ns = newest[0] - newest[1]
        kept_ns = self._left.capacity * self._left.period_ns
        if -kept_ns <= ahead_ns <= min(kept_ns, self._wait_ns):
            self._apart_since, self.problem = None, ''
        elif self._apart_since is None or any(
            n < s
            for n, s in zip(newest, self._apart_since, strict=True)  # a clock was set back
        ):
            self._apart_since = newest
        elif all(n - s >= REPORT_AFTER_NS for n, s in zip(newest, self._apart_since, strict=True)):
            self.problem = (
                'left and right stamps do not overlap: right is '
                f'{abs(ahead_ns) / 1e9:.3f} s {"behind" if ahead_ns > 0 else "ahead of"} left: '
                'stamp both by one clock, or set right.offset_s'
            )
