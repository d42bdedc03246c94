# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of a camera beside the spikes, paired with windows by their stamps."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar('T')

MOST_BYTES = 1 << 29
"""Memory of frames that wait for windows, bytes: 80 frames of 1920x1080 pixels in colours."""

CLOCK_SLACK_S = 1.0
"""Time beyond the largest age from which stamps are those of another clock, seconds."""

FAR_IN_A_ROW = 5
"""Frames far from the spikes, one after the other, before another clock is reported."""


class FrameStore(Generic[T]):
    """Buffer of the newest frames, for any number of threads.

    A pair is a function of the stamps alone once it :meth:`is_decided`, in whatever order frames
    arrive before that.

    Args:
        max_age_s: Largest age of a frame at the reference plane of a window, seconds, 0 or more.
        keep: Number of frames that are kept, the newest by their stamps, at least 1.
        most_bytes: Memory of frames that are kept, bytes; the newest one may have more.

    Attributes:
        found: Windows that found a frame.
        stale: Windows that found older frames alone.
        missing: Windows that found no frame before them.
        dropped: Frames that were pushed out by newer ones, used or not.
        problem: Reason that stamps of frames and spikes are far apart, with their offset; empty:
            they are not.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(self, max_age_s: float, keep: int = 8, most_bytes: int = MOST_BYTES) -> None:
        if not (max_age_s >= 0 and keep >= 1):
            raise ValueError(
                f'max_age_s is {max_age_s:g}, keep is {keep}: expected seconds, 0 or more, and 1 '
                'frame or more'
            )
        self.found = self.stale = self.missing = self.dropped = 0
        self._max_age_ns = round(1e9 * max_age_s)
        self._far_ns = round(1e9 * (max_age_s + CLOCK_SLACK_S))
        self._keep, self._most_bytes = keep, most_bytes
        self._added = threading.Condition()
        self.reset()

    def reset(self) -> None:
        """Forget all frames, as after a clock that jumped back; counters go on."""
        with self._added:
            self.problem = ''
            self._frames: dict[int, tuple[T, int]] = {}  # with their bytes
            self._nbytes = 0
            self._arrived_ns: int | None = None  # since the last window
            self._far = 0

    def add(self, stamp_ns: int, frame: T, nbytes: int = 0) -> None:
        """Add a frame, in any order; one of the same stamp is replaced.

        Args:
            stamp_ns: Time of the frame, nanoseconds on the clock of the spikes.
            frame: The frame.
            nbytes: Its memory, bytes.
        """
        with self._added:
            self._remove(stamp_ns)
            self._frames[stamp_ns] = frame, nbytes
            self._nbytes += nbytes
            while len(self._frames) > self._keep or (
                self._nbytes > self._most_bytes and len(self._frames) > 1
            ):
                self._remove(min(self._frames))
                self.dropped += 1
            self._arrived_ns = stamp_ns
            self._added.notify_all()

    def find(self, reference_ns: int, newest_ns: int | None = None) -> tuple[T, float] | None:
        """Return the last frame at or before a time, and count the window.

        Args:
            reference_ns: Time of the reference plane of a window, nanoseconds.
            newest_ns: Time of the newest plane received, by which clocks are compared: behind a
                backlog it is later than the window. None: the reference plane.

        Returns:
            The frame and its age, seconds; None: there is none of the largest age or less.
        """
        with self._added:
            self._check_clock(reference_ns if newest_ns is None else newest_ns)
            before = [stamp_ns for stamp_ns in self._frames if stamp_ns <= reference_ns]
            if not before:
                self.missing += 1
                return None
            age_ns = reference_ns - max(before)
            if age_ns > self._max_age_ns:
                self.stale += 1
                return None
            self.found += 1
            # They are large, and too old for this window and later ones.
            for stamp_ns in before:
                if stamp_ns < reference_ns - self._max_age_ns:
                    self._remove(stamp_ns)
            return self._frames[max(before)][0], age_ns / 1e9

    def discard(self, stamp_ns: int) -> None:
        """Forget the frame of a stamp, if there is one."""
        with self._added:
            self._remove(stamp_ns)

    def _remove(self, stamp_ns: int) -> None:
        _, nbytes = self._frames.pop(stamp_ns, (None, 0))
        self._nbytes -= nbytes

    def is_decided(self, reference_ns: int) -> bool:
        """Return True if a frame later than the reference plane has arrived."""
        with self._added:
            return any(stamp_ns > reference_ns for stamp_ns in self._frames)

    def wait(self, reference_ns: int, timeout_s: float) -> bool:
        """Wait until :meth:`is_decided`.

        Args:
            reference_ns: Time of the reference plane of a window, nanoseconds.
            timeout_s: Longest wait, seconds.

        Returns:
            False: the time is over first.
        """
        with self._added:
            return self._added.wait_for(lambda: self.is_decided(reference_ns), timeout_s)

    def _check_clock(self, newest_ns: int) -> None:
        """Update :attr:`problem` by the newest plane and the newest frame since the last window.

        Where either stream stands still there is none, and the offset says nothing of clocks.
        """
        if self._arrived_ns is None:
            return
        offset_ns, self._arrived_ns = self._arrived_ns - newest_ns, None
        if abs(offset_ns) <= self._far_ns:
            self._far, self.problem = 0, ''
            return
        self._far += 1
        if self._far >= FAR_IN_A_ROW:
            self.problem = (
                f'frames are stamped {abs(offset_ns) / 1e9:.3f} s '
                f'{"behind" if offset_ns < 0 else "ahead of"} the spikes; expected at most '
                f'{self._far_ns / 1e9:g} s: stamp both by one clock'
            )
