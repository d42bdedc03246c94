# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""File that is written past the kernel's page cache, for recordings of 250 MB/s and more.

The cache takes many times the processor that the disk needs, and its writeback begins seconds
later, when a recording has no time to spare (open(2), O_DIRECT).
"""

from __future__ import annotations

import errno
import fcntl
import io
import math
import mmap
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

BLOCK_BYTES = 1 << 20
"""Bytes of a write, a multiple of what any disk asks for."""

BUSY_SHARE = 0.5
"""Largest share of its time that the writing thread waits for the disk."""

LATE_S = 0.1
"""Time that it may wait beyond this share before it uses the cache, seconds."""

CACHED_S = 4.0
"""Time for which the cache is used at first, seconds; each further time it is twice as long."""


class UncachedFile(io.RawIOBase):
    """Continuation of a file by blocks, without the page cache.

    The cache is used after all where the file system cannot do without, and for a time when the
    disk is too slow: it holds what the disk cannot take at once. Up to a block waits in memory
    until :meth:`close`.

    Args:
        path: The file, of less than a block.

    Attributes:
        direct: False while the cache is used.

    Raises:
        OSError: It cannot be opened; from other methods: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._block = mmap.mmap(-1, BLOCK_BYTES)  # begins with a page, as O_DIRECT asks
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        begun = os.read(self._fd, BLOCK_BYTES)
        self._block[: len(begun)] = begun
        self._filled, self._put = len(begun), 0  # bytes of the block; those that are in the file
        self._before = 0  # bytes of the file before the block
        os.lseek(self._fd, 0, os.SEEK_SET)
        self.direct = False
        self._late_s, self._wrote_s = 0.0, time.monotonic()
        self._direct_from_s, self._cached_s = self._wrote_s, CACHED_S
        self._leave_cache()

    def writable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the size of the file so far, with what waits, bytes."""
        return self._before + self._filled

    def write(self, data: ReadableBuffer) -> int:
        """Write all of some bytes; return their number."""
        view = memoryview(data).cast('B')
        done = 0
        while done < len(view):
            if self._filled == BLOCK_BYTES:
                self._write_block()
            part = view[done : done + BLOCK_BYTES - self._filled]
            self._block[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            done += len(part)
        return done

    def close(self) -> None:
        """Write what waits, and close the file."""
        if self.closed:
            return
        try:
            if self.direct:
                self._use_cache()  # for a size that is no multiple of what the disk asks for
            self._write_block()
        finally:
            super().close()
            os.close(self._fd)

    def _write_block(self) -> None:
        began_s = time.monotonic()
        with memoryview(self._block) as block:
            while self._put < self._filled:
                try:
                    self._put += os.write(self._fd, block[self._put : self._filled])
                except OSError as error:
                    if error.errno != errno.EINVAL or not self.direct:
                        raise
                    self._use_cache()
        self._before += self._filled
        self._filled = self._put = 0
        self._choose(began_s, time.monotonic())

    def _choose(self, began_s: float, now_s: float) -> None:
        """Choose whether the next block goes through the cache.

        Args:
            began_s: Monotonic time at which the last block began to be written, seconds.
            now_s: That of now.
        """
        if not self.direct:
            if now_s >= self._direct_from_s:
                self._leave_cache()
        else:
            allowed_s = BUSY_SHARE * (now_s - self._wrote_s)
            self._late_s = max(0.0, self._late_s + now_s - began_s - allowed_s)
            if self._late_s > LATE_S:
                self._use_cache()
                self._direct_from_s = now_s + self._cached_s
                self._cached_s *= 2
        self._wrote_s = now_s

    def _leave_cache(self) -> None:
        try:
            self._set_direct(True)
        except OSError:  # this file system cannot do without
            self._direct_from_s = math.inf

    def _use_cache(self) -> None:
        self._set_direct(False)
        self._late_s, self._direct_from_s = 0.0, math.inf

    def _set_direct(self, direct: bool) -> None:
        flags = fcntl.fcntl(self._fd, fcntl.F_GETFL) & ~os.O_DIRECT
        fcntl.fcntl(self._fd, fcntl.F_SETFL, flags | (os.O_DIRECT if direct else 0))
        self.direct = direct
