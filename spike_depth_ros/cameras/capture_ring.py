# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bounded ring between the thread of an SDK, which must not wait, and the one that publishes."""

from __future__ import annotations

import collections
import contextlib
import ctypes
import threading
import time
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Taken(NamedTuple):
    """Consecutive planes from the ring.

    Attributes:
        planes: ``[planes, plane_bytes]`` uint8, a view that is valid until more are taken.
        missing: Planes before them that were not delivered.
        overrun: Planes before them that found the ring full.
    """

    planes: npt.NDArray[np.uint8]
    missing: int
    overrun: int


class _Gap(NamedTuple):
    """Planes that are lost in front of a position."""

    position: int
    missing: int
    overrun: int


class CaptureRing:
    """Ring of planes for one writer and one reader; the writer takes no lock and never waits.

    Args:
        plane_bytes: Bytes of a plane as it is stored.
        capacity: Planes that it holds.
    """

    def __init__(self, plane_bytes: int, capacity: int) -> None:
        self._memory = np.empty((capacity, plane_bytes), np.uint8)
        self._address = self._memory.ctypes.data
        self._plane_bytes, self._capacity = plane_bytes, capacity
        # Counts since the begin: the writer alone changes those of the first line.
        self._written = self._missing = self._overrun = 0
        self._read = self._taken = self._wanted = 0
        self._gaps: collections.deque[_Gap] = collections.deque()  # at most one a plane
        self._ready = threading.Lock()  # taken; the writer releases it to wake the reader
        self._ready.acquire()

    @property
    def waiting(self) -> int:
        """Planes that wait for the reader."""
        return self._written - self._taken

    def put(self, address: int, planes: int, missing: int = 0) -> None:
        """Copy planes into the ring; where they do not fit, count them as an overrun.

        Args:
            address: Memory of the planes, one after another.
            planes: Their number.
            missing: Planes in front of them that were not delivered.
        """
        written = self._written
        if planes > self._capacity - (written - self._read):
            self._missing, self._overrun = self._missing + missing, self._overrun + planes
            return
        missing += self._missing
        if missing or self._overrun:
            self._gaps.append(_Gap(written, missing, self._overrun))
            self._missing = self._overrun = 0
        slot = written % self._capacity
        first = min(planes, self._capacity - slot) * self._plane_bytes
        ctypes.memmove(self._address + slot * self._plane_bytes, address, first)
        if rest := planes * self._plane_bytes - first:
            ctypes.memmove(self._address, address + first, rest)
        self._written = written + planes
        if self._written >= self._wanted and self._ready.locked():
            with contextlib.suppress(RuntimeError):  # the reader has just been woken
                self._ready.release()

    def take(self, most: int, wait_s: float) -> Taken | None:
        """Take the oldest planes, and give back the memory of those that were taken before.

        Args:
            most: Planes at most; fewer only if they do not come in time, before a gap, or at the
                end of the memory.
            wait_s: Longest wait, seconds.

        Returns:
            The planes; None: there are none.
        """
        self._read = first = self._taken
        self._wanted = first + most
        end_s = time.monotonic() + wait_s
        while self._written < self._wanted and (left_s := end_s - time.monotonic()) > 0:
            self._ready.acquire(timeout=left_s)
        missing = overrun = 0
        while self._gaps and self._gaps[0].position == first:
            gap = self._gaps.popleft()
            missing, overrun = missing + gap.missing, overrun + gap.overrun
        slot = first % self._capacity
        planes = min(self._written - first, most, self._capacity - slot)
        if self._gaps:
            planes = min(planes, self._gaps[0].position - first)
        if not (planes or missing or overrun):
            return None
        self._taken = first + planes
        return Taken(self._memory[slot : slot + planes], missing, overrun)

    def rest(self) -> tuple[int, int]:
        """Return missing and overrun planes behind the newest ones, once the writer has ended."""
        rest, self._missing, self._overrun = (self._missing, self._overrun), 0, 0
        return rest
