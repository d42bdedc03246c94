# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Storage files that a recorder left unfinished: read in the order written, up to the damage.

A recorder that was killed leaves an MCAP file without index and footer, or an SQLite file whose
last pages are missing. Regular readers refuse both.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from rosbags.rosbag2.storage_mcap import decompress

from spike_depth_ros.bags.limits import MCAP_MAGIC
from spike_depth_ros.bags.pages import messages_by_page
from spike_depth_ros.errors import one_line

_LARGEST_PART = 1 << 26
_FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 0x02, 0x03, 0x04, 0x05, 0x06, 0x0F


class Row(NamedTuple):
    """A message as it is stored."""

    topic: str
    kind: str
    time_ns: int
    data: bytes


class CutOff(Exception):  # noqa: N818 - not an error: it says where reading had to end
    """The file cannot be read any further; the message says why."""


def read_mcap(path: Path) -> Iterator[Row]:
    """Messages of an MCAP file in the order written; needs neither index nor footer.

    Args:
        path: The file; format: https://mcap.dev/spec.

    Raises:
        CutOff: The file ends within a record, or a chunk is damaged.
        OSError: It cannot be read at all.
    """
    schemas: dict[int, str] = {}
    channels: dict[int, tuple[str, str]] = {}
    size = path.stat().st_size
    with path.open('rb') as file:
        if file.read(len(MCAP_MAGIC)) != MCAP_MAGIC:
            raise CutOff('it does not begin as an MCAP file')
        for code, record in _records(file, size):
            if code in (_DATA_END, _FOOTER):
                return
            parts = _chunk_records(record) if code == _CHUNK else ((code, record),)
            for part_code, part in parts:
                try:
                    row = _read_record(part_code, part, schemas, channels)
                except struct.error as error:
                    raise CutOff('a record is shorter than its fields') from error
                if row is not None:
                    yield row
    raise CutOff('it has no end: the recorder did not close it')


def _read_record(
    code: int,
    record: bytes | memoryview,
    schemas: dict[int, str],
    channels: dict[int, tuple[str, str]],
) -> Row | None:
    """A message; None of any other record, of which schemas and channels are kept."""
    if code == _SCHEMA:
        (number,) = struct.unpack_from('<H', record)
        schemas[number] = _text(record, 2)
    elif code == _CHANNEL:
        number, schema = struct.unpack_from('<HH', record)
        channels[number] = (_text(record, 4), schemas.get(schema, ''))
    elif code == _MESSAGE:
        number, _, time_ns, _ = struct.unpack_from('<HIQQ', record)
        if number in channels:
            return Row(*channels[number], time_ns, bytes(record[22:]))
    return None


def _records(file: BinaryIO, size: int) -> Iterator[tuple[int, bytes]]:
    while head := file.read(9):
        code, length = struct.unpack('<BQ', head) if len(head) == 9 else (0, size)
        start = file.tell()
        if start + length > size:
            if code == _CHUNK:  # messages that are whole in it can be read all the same
                yield code, file.read(min(size - start, _LARGEST_PART))
            raise CutOff(
                f'it ends within a record: not all of its last {size - start} bytes can be read'
            )
        yield code, file.read(length)


def _chunk_records(chunk: bytes) -> Iterator[tuple[int, memoryview]]:
    """The records of a chunk; of one that was cut off, those before the cut."""
    try:
        size, crc = struct.unpack_from('<QI', chunk, 16)
        compression = _text(chunk, 28)
        first = 32 + len(compression.encode())
        (length,) = struct.unpack_from('<Q', chunk, first)
        stored = chunk[first + 8 : first + 8 + length]
        whole = len(stored) == length
        if not whole and compression:
            return
        records = memoryview(decompress(stored, compression, size, crc) if whole else stored)
        place = 0
        while place + 9 <= len(records):
            code, length = struct.unpack_from('<BQ', records, place)
            if place + 9 + length > len(records):
                break
            yield code, records[place + 9 : place + 9 + length]
            place += 9 + length
        if whole and place < len(records):
            raise ValueError('a record is longer than its chunk')
    except (GeneratorExit, OSError):
        raise
    except Exception as error:  # whatever struct and the decompressors raise on damaged bytes
        raise CutOff(f'a chunk is damaged ({one_line(error)})') from error


def _text(record: bytes | memoryview, place: int) -> str:
    (length,) = struct.unpack_from('<I', record, place)
    return bytes(record[place + 4 : place + 4 + length]).decode(errors='replace')


def read_sqlite(path: Path) -> Iterator[Row]:
    """Messages of an SQLite bag file in the order written, also those still in its ``-wal`` file.

    Raises:
        CutOff: A page is missing or damaged.
        OSError: It cannot be read at all.
    """
    try:
        database = sqlite3.connect(f'{path.absolute().as_uri()}?mode=ro', uri=True)
    except sqlite3.Error as error:
        raise CutOff(str(error)) from error
    number = last = 0
    topics: dict[int, tuple[str, str]] = {}
    try:
        # Lets SQLite read a file that is shorter than its header says.
        database.execute('PRAGMA writable_schema = ON')
        known = database.execute('SELECT id, name, type FROM topics')
        topics.update((row[0], (row[1], row[2])) for row in known)
        query = 'SELECT id, topic_id, timestamp, data FROM messages ORDER BY id'
        for row in database.execute(query):
            last, topic, time_ns, data = row
            if not isinstance(data, bytes) or not isinstance(time_ns, int):
                raise CutOff(f'message {last} has values of other types')
            if topic in topics:
                number += 1
                yield Row(*topics[topic], time_ns, data)
        return
    except sqlite3.Error as error:
        reason = str(error)
    finally:
        database.close()
    for message in messages_by_page(path, after=last):
        if message.topic in topics:
            number += 1
            yield Row(*topics[message.topic], message.time_ns, message.data)
    raise CutOff(f'{number} messages can be read: {reason}')
