# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of an SQLite bag page by page, where the tree that leads to its pages is broken.

SQLite finds a row from the root of a tree of pages. In a file that was cut short, the inner pages
of that tree may lie behind the cut, and then not one row can be asked for, though most of them are
there. Format: https://www.sqlite.org/fileformat2.html, sections 1.3 to 2.1.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

_LEAF = 0x0D
_BLOCK_PAGES = 256
_LARGEST_RECORD = 1_000_000_000  # SQLite's own limit
_INTEGER_BYTES = (0, 1, 2, 3, 4, 6, 8)
_INTEGER_TYPES = {1, 2, 3, 4, 5, 6, 8, 9}
"""Serial types: 1 to 6 by their length; 8 and 9 are the numbers 0 and 1 themselves."""


class StoredMessage(NamedTuple):
    """A row of the table of messages."""

    number: int
    topic: int
    time_ns: int
    data: bytes


class _Place(NamedTuple):
    """Where a row is: its record begins in a leaf and goes on in a chain of pages."""

    number: int
    offset: int
    local_bytes: int
    record_bytes: int


def messages_by_page(path: Path, after: int = 0) -> Iterator[StoredMessage]:
    """The messages of a file by their number, up to the first one that is not whole.

    Args:
        path: The SQLite file of a bag; what a ``-wal`` file beside it holds is not seen.
        after: Number of the last message that is not wanted.

    Raises:
        OSError: It cannot be read.
    """
    with path.open('rb') as file:
        header = file.read(100)
        if len(header) < 100:
            return
        (size,) = struct.unpack_from('>H', header, 16)
        page_bytes = 65536 if size == 1 else size
        if page_bytes < 512:
            return
        usable = page_bytes - header[20]
        places = {place.number: place for place in _leaf_rows(file, page_bytes, usable)}
        wanted = sorted(number for number in places if number > after)
        first = after + 1 if after else min(wanted, default=1)
        for expected, number in enumerate(wanted, start=first):
            record = _record(file, places[number], page_bytes, usable)
            if record is None or number != expected:
                return
            yield _message(number, record)


def _leaf_rows(file: BinaryIO, page_bytes: int, usable: int) -> Iterator[_Place]:
    """The rows of all leaves of tables that look like messages."""
    start = page_bytes  # the first page holds the names of the tables
    while block := os.pread(file.fileno(), _BLOCK_PAGES * page_bytes, start):
        for first in range(0, len(block) - page_bytes + 1, page_bytes):
            if block[first] == _LEAF:
                page = block[first : first + page_bytes]
                try:
                    yield from _rows_of_leaf(page, start + first, usable)
                except (IndexError, struct.error):
                    continue  # it is no leaf after all
        start += len(block)


def _rows_of_leaf(page: bytes, start: int, usable: int) -> Iterator[_Place]:
    (count,) = struct.unpack_from('>H', page, 3)
    for cell in struct.unpack_from(f'>{count}H', page, 8):
        record_bytes, place = _varint(page, cell)
        number, place = _varint(page, place)
        local = _local_bytes(record_bytes, usable)
        types, _ = _serial_types(page, place)
        fits = place + local <= len(page) and record_bytes <= _LARGEST_RECORD
        if fits and _is_message(types):
            yield _Place(number, start + place, local, record_bytes)


def _local_bytes(record_bytes: int, usable: int) -> int:
    """Bytes of a record that lie in the leaf itself."""
    most = usable - 35
    if record_bytes <= most:
        return record_bytes
    least = (usable - 12) * 32 // 255 - 23
    local = least + (record_bytes - least) % (usable - 4)
    return local if local <= most else least


def _record(file: BinaryIO, place: _Place, page_bytes: int, usable: int) -> bytes | None:
    """A whole record; None where a page of it is missing."""
    chained = place.local_bytes < place.record_bytes
    local = os.pread(file.fileno(), place.local_bytes + 4 * chained, place.offset)
    parts, missing = [local[: place.local_bytes]], place.record_bytes - place.local_bytes
    following = local[place.local_bytes :]
    while missing > 0:
        page_number = int.from_bytes(following, 'big')
        if page_number < 2:
            return None
        page = os.pread(file.fileno(), page_bytes, (page_number - 1) * page_bytes)
        if len(page) < page_bytes:
            return None
        parts.append(page[4 : 4 + min(missing, usable - 4)])
        missing -= len(parts[-1])
        following = page[:4]
    # The last page of a chain names no other one.
    return b''.join(parts) if not any(following) else None


def _serial_types(record: bytes, place: int) -> tuple[list[int], int]:
    """Serial types of the columns of a record that begins at a place, and where its values do."""
    header_bytes, after = _varint(record, place)
    end, types = place + header_bytes, []
    while after < end:
        kind, after = _varint(record, after)
        types.append(kind)
    return types, end


def _is_message(types: list[int]) -> bool:
    """Whether columns may be id (kept as the row's number), topic_id, timestamp and data."""
    if len(types) != 4:
        return False
    number, topic, time, data = types
    return number == 0 and {topic, time} <= _INTEGER_TYPES and data >= 12 and data % 2 == 0


def _message(number: int, record: bytes) -> StoredMessage:
    (_, topic_type, time_type, data_type), place = _serial_types(record, 0)
    topic, place = _integer(record, place, topic_type)
    time_ns, place = _integer(record, place, time_type)
    return StoredMessage(number, topic, time_ns, record[place : place + (data_type - 12) // 2])


def _integer(record: bytes, place: int, kind: int) -> tuple[int, int]:
    """An integer of a record by its serial type, and the place after it."""
    if kind in (8, 9):
        return kind - 8, place
    end = place + _INTEGER_BYTES[kind]
    return int.from_bytes(record[place:end], 'big', signed=True), end


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A number of one to nine bytes, seven bits in each, and the place after it."""
    value = 0
    for _ in range(8):
        byte = data[place]
        place += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place
    return value << 8 | data[place], place + 1
