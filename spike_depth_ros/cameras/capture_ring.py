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
    """Planes from the ring.

    Attributes:
        planes: ``[planes, plane_bytes]`` uint8, a view that is valid until more are taken.
        first: Number of the first one.
        missing: Planes before them that were not delivered.
        overrun: Planes before them that found the ring full.
    """

    planes: npt.NDArray[np.uint8]
    first: int
    missing: int = 0
    overrun: int = 0


class _Gap(NamedTuple):
    """Step of the numbers at a position, or what is lost in front of it."""

    position: int
    number: int
    missing: int
    overrun: int


class CaptureRing:
    """Ring of planes for one writer and one reader; the writer takes no lock and never waits.

    Args:
        plane_bytes: Bytes of a plane as it is stored.
        capacity: Planes that it holds.
        stride: Step from the number of a plane to the next one that is put.
    """

    def __init__(self, plane_bytes: int, capacity: int, stride: int = 1) -> None:
        self._memory = np.empty((capacity, plane_bytes), np.uint8)
        self._address = self._memory.ctypes.data
        self._plane_bytes, self._capacity, self._stride = plane_bytes, capacity, stride
        # Counts since the begin: the writer alone changes those of the first lines.
        self._written = self._missing = self._overrun = 0
        self._due = -1  # number of the plane that continues the last one
        self._read = self._taken = self._wanted = 0
        self._number = 0  # of the first plane since the begin, as if there were no gap
        self._gaps: collections.deque[_Gap] = collections.deque()  # at most one a plane
        self._ready = threading.Lock()  # taken; the writer releases it to wake the reader
        self._ready.acquire()

    @property
    def waiting(self) -> int:
        """Planes that wait for the reader."""
        return self._written - self._taken

    def clear(self) -> None:
        """Forget all planes and gaps, while nobody writes or reads."""
        self._read = self._taken = self._written
        self._gaps.clear()
        self._missing, self._overrun, self._due = 0, 0, -1

    def miss(self, planes: int) -> None:
        """Count planes that were not delivered, as the writer."""
        self._missing += planes

    def put(self, address: int, planes: int, number: int) -> None:
        """Copy planes into the ring; where they do not fit, count them as an overrun.

        Args:
            address: Memory of the planes, one after another.
            planes: Their number.
            number: Number of the first one.
        """
        written = self._written
        if planes > self._capacity - (written - self._read):
            self._overrun += planes
            return
        if self._missing or self._overrun or number != self._due:
            self._gaps.append(_Gap(written, number, self._missing, self._overrun))
            self._missing = self._overrun = 0
        self._due = number + planes * self._stride
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
        planes = self._written - first  # before the gaps: theirs are known by then
        if not planes:
            return None
        missing = overrun = 0
        while self._gaps and self._gaps[0].position == first:
            gap = self._gaps.popleft()
            missing, overrun = missing + gap.missing, overrun + gap.overrun
            self._number = gap.number - first * self._stride
        slot = first % self._capacity
        planes = min(planes, most, self._capacity - slot)
        if self._gaps:
            planes = min(planes, self._gaps[0].position - first)
        self._taken = first + planes
        number = self._number + first * self._stride
        return Taken(self._memory[slot : slot + planes], number, missing, overrun)
