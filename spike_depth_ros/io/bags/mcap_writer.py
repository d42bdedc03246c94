# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writer of bags that copies no large message, for recordings of hundreds of megabytes a second.

rosbags copies a message four times on its way to a file; at 250 MB/s this takes a fifth of a core.
The files are the same, byte for byte, but for the checksums of chunks, which rosbags leaves out:
by them a reader finds bytes that were overwritten.
"""

from __future__ import annotations

import struct
import zlib
from collections import defaultdict
from io import BufferedWriter, BytesIO
from pathlib import Path
from typing import cast

from rosbags.interfaces import Connection
from rosbags.rosbag2 import CompressionMode, StoragePlugin, Writer, WriterError
from rosbags.rosbag2.storage_mcap import McapWriter, PendingChunk
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Writer

from spike_depth_ros.io.bags.limits import MAX_RECORD_BYTES
from spike_depth_ros.io.bags.uncached_file import UncachedFile

CHUNK_BYTES = 1 << 20
"""Size from which a chunk is written, bytes."""

MAX_MESSAGE_BYTES = MAX_RECORD_BYTES - 2 * CHUNK_BYTES
"""Largest message, bytes: its chunk, which may begin with smaller ones, can still be read."""

LARGE_BYTES = 1 << 14
"""Size from which a message is not copied, bytes."""

_MESSAGE, _CHUNK, _MESSAGE_INDEX = 0x05, 0x06, 0x07
_NEVER = (1 << 63) - 1


class LargeMessageMcap(McapWriter):
    """Storage of MCAP files (https://mcap.dev/spec); compressed ones are those of the base class.

    Args:
        path: Folder of the file.
        compression: Compression of messages or chunks.
    """

    def __init__(self, path: Path, compression: CompressionMode) -> None:
        super().__init__(path, compression)
        self._parts: list[bytes | memoryview] = []  # of the open chunk, before its stream
        self._nbytes = 0  # of these

    def write(self, connection: Connection, timestamp: int, data: bytes | memoryview) -> None:
        """Write a message.

        Args:
            connection: Its topic.
            timestamp: Its time, nanoseconds.
            data: CDR bytes; they must not change before the chunk is written.
        """
        if self.compression:
            super().write(connection, timestamp, data)
            return
        self.message_start_time = min(timestamp, self.message_start_time)
        self.message_end_time = max(timestamp, self.message_end_time)
        self.channel_stats[connection.id] += 1
        chunk = self.chunk
        chunk.message_start_time = min(timestamp, chunk.message_start_time)
        chunk.message_end_time = max(timestamp, chunk.message_end_time)
        chunk.msgs[connection.id].append((timestamp, self._nbytes + chunk.bio.tell()))
        fields = struct.pack('<HIQQ', connection.id, 0, timestamp, timestamp)
        chunk.bio.write(_record(_MESSAGE, len(fields) + len(data)) + fields)
        if len(data) < LARGE_BYTES:
            chunk.bio.write(data)
        else:
            self._parts += [chunk.bio.getvalue(), data]
            self._nbytes += chunk.bio.tell() + len(data)
            chunk.bio = BytesIO()
        if self._nbytes + chunk.bio.tell() > CHUNK_BYTES:
            self.close_chunk()

    def close_chunk(self) -> None:
        """Write the open chunk and the index of its messages, and begin the next one."""
        if self.compression:
            super().close_chunk()
            return
        chunk, file = self.chunk, self.bio
        start, size = file.tell(), self._nbytes + chunk.bio.tell()
        times = struct.pack('<QQ', chunk.message_start_time, chunk.message_end_time)
        parts, checksum = [*self._parts, chunk.bio.getvalue()], 0
        for part in parts:
            checksum = zlib.crc32(part, checksum)
        fields = times + struct.pack('<QIIQ', size, checksum, 0, size)
        file.write(_record(_CHUNK, len(fields) + size) + fields)
        file.writelines(parts)
        end = file.tell()
        offsets = b''
        for channel, messages in chunk.msgs.items():
            offsets += struct.pack('<HQ', channel, file.tell())
            entries = b''.join(struct.pack('<QQ', *message) for message in messages)
            fields = struct.pack('<HI', channel, len(entries))
            file.write(_record(_MESSAGE_INDEX, len(fields) + len(entries)) + fields + entries)
        index = BytesIO()
        index.write(times + struct.pack('<QQI', start, end - start, len(offsets)) + offsets)
        index.write(struct.pack('<QIQQ', file.tell() - end, 0, size, size))
        self.chunks.append(index)
        self.chunk = PendingChunk(_NEVER, 0, BytesIO(), defaultdict(list))
        self._parts, self._nbytes = [], 0

    def close(self, version: int, metadata: str) -> None:
        """Complete the file.

        Args:
            version: Version of the bag's metadata.
            metadata: The bag's metadata.
        """
        if self._parts:
            self.close_chunk()
        super().close(version, metadata)


class UncachedMcap(LargeMessageMcap):
    """Storage of an MCAP file that is written past the page cache."""

    def __init__(self, path: Path, compression: CompressionMode) -> None:
        super().__init__(path, compression)
        self.bio.close()
        self.bio = cast(BufferedWriter, UncachedFile(self.path))  # has all that is called of it


class _Sqlite3(Sqlite3Writer):
    """Storage of SQLite files that have the user's umask: SQLite makes them of mode 0644."""

    def __init__(self, path: Path, compression: CompressionMode) -> None:
        (path / f'{path.name}.db3').touch()
        super().__init__(path, compression)


class LargeMessageWriter(Writer):
    """Writer of bags whose MCAP storage is :class:`LargeMessageMcap`."""

    STORAGE_PLUGINS = {  # noqa: RUF012 - as the base class has it
        StoragePlugin.MCAP: LargeMessageMcap,
        StoragePlugin.SQLITE3: _Sqlite3,
    }

    def open(self) -> None:
        """Make the folder, by the user's umask and not of mode 0755, and begin the file.

        Raises:
            WriterError: The folder exists.
        """
        try:
            self.path.mkdir(parents=True)
        except FileExistsError:
            raise WriterError(f'{self.path} exists already, not overwriting.') from None
        storage = self.STORAGE_PLUGINS[self.storage_plugin]
        self.storage = storage(self.path, self.compression_mode)


class LiveWriter(LargeMessageWriter):
    """Writer of bags of a live stream, whose MCAP storage is :class:`UncachedMcap`."""

    STORAGE_PLUGINS = {StoragePlugin.MCAP: UncachedMcap}  # noqa: RUF012 - as the base class has it


def _record(kind: int, size: int) -> bytes:
    """Return the head of a record: its kind, and the size of its contents in bytes."""
    return struct.pack('<BQ', kind, size)
