# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of a bag before the library reads it: what a file declares may not exceed a budget.

Only structure and declared sizes are looked at, up to the first damage. It is left to the readers,
which keep what lies before it. Formats: https://mcap.dev/spec, RFC 8878 (Zstandard) and the LZ4
frame format.
"""

from __future__ import annotations

import contextlib
import functools
import io
import sqlite3
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from spike_depth_ros.base.errors import OneLineError

MAX_RECORD_BYTES = 1 << 28
"""Of a message or a chunk of messages, expanded; packets have half a megabyte, chunks one."""

MAX_OVERLAP_BYTES = 1 << 30
"""Of all chunks that hold the same moment: the library has them in memory together."""

MCAP_MAGIC = b'\x89MCAP0\r\n'
ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
SQLITE_MAGIC = b'SQLite format 3\0'
_LZ4_MAGIC = b'\x04\x22\x4d\x18'

_CHUNK, _ATTACHMENT = 0x06, 0x09
_CHUNK_HEADER_BYTES = 32
_ZSTD_BLOCK_BYTES = 1 << 17
_STORED, _REPEATED = 0, 1
_LZ4_RATIO = 255
_TABLES = ('messages', 'topics', 'schema', 'metadata', 'message_definitions')


class BagError(OneLineError):
    """A bag that cannot be used; the message is one line that says why and how to mend it."""


class _Damaged(Exception):  # noqa: N818 - not an error: the readers find it, too
    """Compressed data that ends early."""


class Span(NamedTuple):
    """Place of compressed records in a file."""

    start: int
    length: int
    compression: str


class Checked(NamedTuple):
    """Result of the check of a storage file.

    Attributes:
        chunks: Chunks of an MCAP file that lie before ``end``.
        end: Place after the last whole record of an MCAP file; 0 of other files.
    """

    chunks: set[Span]
    end: int


class Chunk(NamedTuple):
    """A chunk as the index of its file describes it.

    Attributes:
        span: Its records.
        size: Their expanded size.
        first_ns: Time of its first message.
        last_ns: Time of its last one.
    """

    span: Span
    size: int
    first_ns: int
    last_ns: int


def check_storage(path: Path, journal: bool = False) -> Checked:
    """Check a storage file, whatever its name.

    Args:
        path: The file.
        journal: Whether SQLite has more of it in a ``-wal`` file beside it.

    Raises:
        BagError: It declares more than the budget, or is not what a recorder writes.
        OSError: It cannot be read.
    """
    with path.open('rb') as file, _named(path):
        head = file.read(len(SQLITE_MAGIC))
        if head == SQLITE_MAGIC or journal:  # which may hold every page, the first included
            _check_database(path, journal)
        if head.startswith(MCAP_MAGIC):
            return _check_records(file, path.stat().st_size)
    return Checked(set(), 0)


def check_chunks(path: Path, chunks: Iterable[Chunk], checked: set[Span]) -> None:
    """Check the chunks that an index names.

    Args:
        path: The MCAP file.
        chunks: What the library will read.
        checked: Chunks that need not be looked at again.

    Raises:
        BagError: They exceed the budget.
        OSError: The file cannot be read.
    """
    steps = []
    with path.open('rb') as file, _named(path):
        for chunk in chunks:
            _check_size(chunk.size, 'a chunk')
            if chunk.span not in checked:
                check_packed(file, chunk.span)
            steps += [(chunk.first_ns, 0, chunk.size), (chunk.last_ns, 1, -chunk.size)]
        held = 0
        for *_, size in sorted(steps):
            held += size
            if held > MAX_OVERLAP_BYTES:
                raise BagError(
                    f'its chunks overlap in time by more than {MAX_OVERLAP_BYTES >> 20} MiB; '
                    'expected messages in the order of their times: sort them (mcap sort)'
                )


def check_packed(file: BinaryIO, span: Span) -> None:
    """Check to what size compressed data grows.

    Args:
        file: What holds the data.
        span: Where it lies.

    Raises:
        BagError: It exceeds the budget.
    """
    sizes = {'zstd': _zstd_frames, 'lz4': _lz4_blocks}.get(span.compression)
    total = 0
    with contextlib.suppress(_Damaged):
        for size in sizes(file, span.start, span.start + span.length) if sizes else ():
            total += size
            _check_size(total, 'compressed data')


def check_message(data: bytes) -> None:
    """Check a message that may be compressed by itself.

    Raises:
        BagError: It exceeds the budget.
    """
    if data[:4] == ZSTD_MAGIC:
        check_packed(io.BytesIO(data), Span(0, len(data), 'zstd'))


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except BagError as error:
        raise BagError(f'{path}: {error}') from None


def _check_size(size: int, what: str) -> None:
    if size > MAX_RECORD_BYTES:
        raise BagError(
            f'{what} of {size} bytes or more, expected at most {MAX_RECORD_BYTES}: the file is '
            'damaged or made to exhaust memory; record it again'
        )


def _check_records(file: BinaryIO, size: int) -> Checked:
    """Check the records of an MCAP file in their order, up to one that is not whole."""
    chunks, place = set(), len(MCAP_MAGIC)
    while place + 9 <= size:
        code, length = struct.unpack('<BQ', _bytes(file, place, 9))
        if place + 9 + length > size:
            break
        if code == _CHUNK and length > _CHUNK_HEADER_BYTES + 8:
            with contextlib.suppress(_Damaged):
                chunks.add(_check_chunk(file, place + 9, length))
        elif code not in (_CHUNK, _ATTACHMENT):
            _check_size(length, 'a record')
        place += 9 + length
    return Checked(chunks, place)


def _check_chunk(file: BinaryIO, place: int, length: int) -> Span:
    expanded, _, name_bytes = struct.unpack('<QII', _bytes(file, place + 16, 16))
    _check_size(expanded, 'a chunk')
    first = place + _CHUNK_HEADER_BYTES + name_bytes
    if first + 8 > place + length:
        raise _Damaged
    compression = _bytes(file, place + _CHUNK_HEADER_BYTES, name_bytes).decode(errors='replace')
    (stored,) = struct.unpack('<Q', _bytes(file, first, 8))
    span = Span(first + 8, min(stored, place + length - first - 8), compression)
    check_packed(file, span)
    return span


def _zstd_frames(file: BinaryIO, place: int, end: int) -> Iterator[int]:
    """Size to which each frame grows: as it declares, else at most by its blocks."""
    while place < end:
        magic, following = struct.unpack('<II', _bytes(file, place, 8))
        if magic >> 4 == 0x184D2A5:  # a frame that decoders skip
            place += 8 + following
            continue
        if magic != int.from_bytes(ZSTD_MAGIC, 'little'):
            raise _Damaged
        flags = _bytes(file, place + 4, 1)[0]
        single, checksum = flags >> 5 & 1, flags >> 2 & 1
        place += 5 + (not single) + (0, 1, 2, 4)[flags & 3]
        declared_bytes = (single, 2, 4, 8)[flags >> 6]
        declared = int.from_bytes(_bytes(file, place, declared_bytes), 'little')
        declared += 256 if declared_bytes == 2 else 0
        size, place = _zstd_blocks(file, place + declared_bytes, end)
        # A decoder holds a whole frame to the size that it declares.
        whole = place + 4 * checksum <= end
        yield declared if declared_bytes and whole else max(size, declared)
        place += 4 * checksum


def _zstd_blocks(file: BinaryIO, place: int, end: int) -> tuple[int, int]:
    """Size to which the blocks of a frame grow at most, and the place after them."""
    size, last = 0, 0
    while not last and place < end:
        header = int.from_bytes(_bytes(file, place, 3), 'little')
        last, kind, count = header & 1, header >> 1 & 3, header >> 3
        size += count if kind in (_STORED, _REPEATED) else _ZSTD_BLOCK_BYTES
        place += 3 + (1 if kind == _REPEATED else count)
    return size, place if last else end + 1


def _lz4_blocks(file: BinaryIO, place: int, end: int) -> Iterator[int]:
    """Size to which a frame declares to grow, or each of its blocks does at most."""
    head = _bytes(file, place, 6)
    if head[:4] != _LZ4_MAGIC:
        raise _Damaged
    flags, largest = head[4], 1 << 8 + 2 * (head[5] >> 4 & 7)
    place += 6
    if flags & 8:
        # The decoder makes room for the declared size at once, and more where there is more.
        _check_size(int.from_bytes(_bytes(file, place, 8), 'little'), 'compressed data')
        place += 8
    place += 1 + 4 * (flags & 1)
    while place < end:
        header = int.from_bytes(_bytes(file, place, 4), 'little')
        if not header:
            return
        stored = header & 0x7FFF_FFFF
        yield stored if header >> 31 else min(largest, _LZ4_RATIO * stored)
        place += 4 + stored + 4 * (flags >> 4 & 1)


def _bytes(file: BinaryIO, place: int, count: int) -> bytes:
    file.seek(place)
    data = file.read(count)
    if len(data) < count:
        raise _Damaged
    return data


def open_database(path: Path, journal: bool) -> sqlite3.Connection:
    """Open an SQLite file to be read, also one that is shorter than its header says.

    Args:
        path: The file.
        journal: Whether what is in a ``-wal`` file beside it belongs to it.

    Raises:
        sqlite3.Error: It cannot be opened.
    """
    mode = 'mode=ro' if journal else 'immutable=1'
    database = sqlite3.connect(f'{path.absolute().as_uri()}?{mode}', uri=True)
    database.execute('PRAGMA writable_schema = ON')
    return database


def _check_database(path: Path, journal: bool) -> None:
    """Check that an SQLite file holds tables of plain values, as recorders write them."""
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(open_database(path, journal)) as database,
    ):
        # Text that is not UTF-8 must not end a check.
        database.text_factory = functools.partial(str, encoding='utf-8', errors='replace')
        for check in (_check_tables, _check_rows):
            with contextlib.suppress(sqlite3.Error):  # damage that ends one check, not the other
                check(database)


def _check_tables(database: sqlite3.Connection) -> None:
    names = ', '.join(f"'{name}'" for name in _TABLES)
    query = f'SELECT name, rootpage, sql FROM sqlite_master WHERE lower(name) IN ({names})'
    for name, root, sql in database.execute(query):
        plain = root and str(sql).upper().startswith('CREATE TABLE')
        # Of a plain table, the last column of this list is 0 for plain columns.
        columns = database.execute(f'PRAGMA table_xinfo({name})') if plain else ()
        if not plain or any(column[6] for column in columns):
            raise BagError(
                f'{name} is not a plain table (a view, virtual or computed); expected the tables '
                'that a recorder writes: record it again, or convert it with rosbags-convert'
            )


def _check_rows(database: sqlite3.Connection) -> None:
    """Check types and sizes up to the first damage; SQLite allows any type in every column."""
    # One query a table: damage ends it, and what lies before that has been checked.
    for table, size, wrong, expected in (
        (
            'topics',
            '0',
            "typeof(name) <> 'text' OR typeof(type) <> 'text'",
            'name and type as text',
        ),
        (
            'messages',
            'length(data)',
            "typeof(topic_id) <> 'integer' OR typeof(timestamp) <> 'integer' "
            "OR typeof(data) <> 'blob'",
            'integers topic_id and timestamp, and data as bytes',
        ),
    ):
        query = f'SELECT rowid, {size} FROM {table} WHERE {wrong} OR {size} > ? LIMIT 1'
        row = None
        with contextlib.suppress(sqlite3.Error):
            row = database.execute(query, (MAX_RECORD_BYTES,)).fetchone()
        if row is not None:
            _check_size(row[1] or 0, 'a message')
            raise BagError(
                f'row {row[0]} of its table {table} has values of other types; expected '
                f'{expected}: remove the row or record it again'
            )
