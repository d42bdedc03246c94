# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of ROS 2 topics (rosbag2: SQLite or MCAP, compressed or not), read without ROS.

A damaged bag is read up to the first damage, by what rosbags and SQLite still find in it.
:attr:`Bag.damage` lists what is lost, and the programs that may recover more.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import heapq
import itertools
import operator
import re
import shutil
import struct
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import yaml
from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.rosbag2 import Reader
from rosbags.rosbag2.storage_mcap import DECOMPRESSORS, ChunkInfo, McapReader
from rosbags.typesys import Stores, get_typestore

from spike_depth_ros.base.errors import OneLineError, check_regular, one_line, printable
from spike_depth_ros.base.safe_yaml import read_yaml
from spike_depth_ros.io.bags.limits import (
    MCAP_MAGIC,
    ZSTD_MAGIC,
    Checked,
    Chunk,
    Span,
    check_chunks,
    check_message,
    check_storage,
    open_database,
)
from spike_depth_ros.io.bags.limits import BagError as BagError
from spike_depth_ros.io.bags.ordering import HEAD_BYTES, InOrder
from spike_depth_ros.io.bags.ordering import BagMessage as BagMessage
from spike_depth_ros.io.recording import STORAGE_SUFFIXES
from spike_depth_ros.io.topics import CAMERA_INFO as CAMERA_INFO
from spike_depth_ros.io.topics import IMAGE as IMAGE
from spike_depth_ros.io.topics import KnownTopics

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_COPY_BYTES = 1 << 20
_MESSAGE = struct.Struct('<BQHIQQ')  # code and length of a record; topic, number, times
_MESSAGE_CODE, _RECORD_BYTES = 0x05, 9
_REMEDIES = {
    '.mcap': 'mcap recover {} -o recovered.mcap',
    '.db3': 'sqlite3 {} .recover | sqlite3 recovered.db3',
}


@dataclasses.dataclass(frozen=True)
class Topic:
    """A topic of a bag.

    Attributes:
        name: Full name, with its leading slash.
        kind: Message type, such as ``sensor_msgs/msg/Image``.
        messages: How many there should be.
        definition: Text of the message definition; empty where the bag does not hold it.
        digest: Hash of the type (REP 2011); empty where the bag does not hold it.
    """

    name: str
    kind: str
    messages: int
    definition: str = ''
    digest: str = ''


class Bag:
    """A recording, which may be read several times and by several readers at once.

    Args:
        path: The folder with ``metadata.yaml``, or one of its .mcap or .db3 files.

    Attributes:
        path: The same.
        topics: Topics by name.
        damage: What could not be read so far, one line each.

    Raises:
        BagError: Missing, or nothing in it can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: list[str] = []
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._metadata = self._read_metadata()
        recorded = self._recorded()
        self._parts = list(self._open())
        if not self._parts:
            raise BagError(f'{path}: nothing can be read: {"; ".join(self.damage)}')
        self.topics: dict[str, Topic] = {}
        for part in self._parts:
            for topic in part.topics:
                known = self.topics.get(topic.name)
                count = topic.messages + (known.messages if known is not None else 0)
                self.topics[topic.name] = dataclasses.replace(topic, messages=count)
        for name, (count, digest) in recorded.items():
            if found := self.topics.get(name):
                count, digest = max(count, found.messages), found.digest or digest
                self.topics[name] = dataclasses.replace(found, messages=count, digest=digest)

    def messages(
        self, topics: Collection[str], start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[BagMessage]:
        """Yield messages of some topics, in the order in which they were recorded.

        Reading ends early where the bag is damaged; :attr:`damage` then says what is lost.

        Args:
            topics: Full names of topics that the bag has.
            start_ns: First time of recording, nanoseconds; None: from the beginning.
            stop_ns: Time after the last one; None: to the end.
        """
        read: collections.Counter[str] = collections.Counter()
        for part in self._parts:
            for message in part.messages(set(topics), self._note, (start_ns, stop_ns)):
                read[message.topic] += 1
                yield message
        for name in topics if start_ns is None and stop_ns is None else ():
            expected = self.topics[name].messages
            if read[name] < expected:
                self._note(f'{name}: {expected - read[name]} of {expected} messages are lost')

    def in_order(
        self,
        topics: Collection[str],
        messages: Iterator[BagMessage] | None = None,
        together: Collection[str] = (),
    ) -> InOrder:
        """Return an iterator over messages, each topic's images in the order of their stamps.

        Else it is that of :meth:`messages`. See :mod:`spike_depth_ros.io.bags.ordering` for what it
        looks ahead.

        Args:
            topics: Full names of topics that the bag has.
            messages: Those of the bag, of these topics at least; None: they are read.
            together: Topics of images that are in order with one another, too.
        """
        images = {name for name in topics if self.topics[name].kind == IMAGE}
        source = self.messages(topics) if messages is None else messages
        return InOrder(source, images, self._heads(images), together)

    def _heads(self, topics: set[str]) -> Iterator[BagMessage] | None:
        """Beginnings of messages, as :meth:`messages`; None: some cannot be had alone."""
        plain = [part for part in self._parts if isinstance(part, _Indexed) and part.is_plain]
        if len(plain) < len(self._parts):
            return None
        heads = (head for part in plain for head in part.heads(topics))
        first = next(heads, None)
        if first is None or first.data[: len(ZSTD_MAGIC)] == ZSTD_MAGIC:
            return None
        return itertools.chain([first], heads)

    @property
    def known(self) -> KnownTopics:
        """Topics to choose from."""
        return KnownTopics(
            {name: topic.kind for name, topic in self.topics.items()},
            {name: topic.messages for name, topic in self.topics.items()},
            str(self.path),
            BagError,
        )

    def _note(self, text: str) -> None:
        text = printable(text)
        if text not in self.damage:
            self.damage.append(text)

    def _read_metadata(self) -> dict[str, Any]:
        """Content of metadata.yaml; nothing where it is missing or damaged."""
        try:
            check_regular(self.path / 'metadata.yaml')
            content = read_yaml(self.path / 'metadata.yaml')['rosbag2_bagfile_information']
            return content if isinstance(content, dict) else {}
        except OneLineError as error:
            raise BagError(str(error)) from error
        except (OSError, ValueError, TypeError, LookupError, yaml.YAMLError):
            return {}

    def _recorded(self) -> dict[str, tuple[int, str]]:
        """Numbers of messages and hashes of types by topic, of metadata.yaml.

        Nothing where it does not have them.
        """
        try:
            topics = self._metadata['topics_with_message_count']
            described = [(one['topic_metadata'], int(one['message_count'])) for one in topics]
            return {
                one['name']: (count, str(one.get('type_description_hash') or ''))
                for one, count in described
            }
        except (ValueError, TypeError, LookupError, OverflowError, AttributeError):
            if (self.path / 'metadata.yaml').is_file():
                self._note('metadata.yaml has no numbers of messages: none is known to be lost')
            return {}

    def _open(self) -> Iterator[_Part]:
        """Yield the storage files that can be read, in their order."""
        if not self.path.exists():
            raise BagError(f'{self.path}: no such bag')
        if self.path.suffix == '.bag':
            raise BagError(
                f'{self.path}: a ROS 1 bag; convert it: rosbags-convert --src {self.path.name} '
                f'--dst {self.path.stem}'
            )
        if self.path.is_dir():
            files = self._storage_files()
        elif self.path.suffix in STORAGE_SUFFIXES:
            _check_regular(self.path)
            files = [self.path]
        else:
            raise BagError(
                f'{self.path}: no bag; expected a folder with metadata.yaml, or a .mcap or '
                '.db3 file'
            )
        for file in files:
            yield from self._open_file(file)

    def _storage_files(self) -> list[Path]:
        """Those that metadata.yaml names, where it is right; else all of the folder."""
        if not (self.path / 'metadata.yaml').is_file():
            self._note('metadata.yaml is missing: the recorder did not end properly')
        files = self._files(self.path)
        if not files and str(self._metadata.get('compression_mode')).lower() == 'file':
            files = self._files(self._expand_files())
        if not files:
            packed = ', '.join(sorted(file.name for file in self.path.glob('*.zstd')))
            reason = ''.join(f'{line}; ' for line in self.damage)
            hint = f'; unpack {packed} with zstd -d' if packed else ''
            raise BagError(f'{self.path}: no bag: {reason}it has no .mcap or .db3 file{hint}')
        listed = self._metadata.get('relative_file_paths')
        named = {Path(str(name)).name for name in listed} if isinstance(listed, list) else set()
        named = {name.removesuffix('.zstd') for name in named}
        if missing := named - {file.name for file in files}:
            self._note(f'metadata.yaml names {", ".join(sorted(missing))}: not in the folder')
            return files
        return [file for file in files if not named or file.name in named]

    def _files(self, folder: Path) -> list[Path]:
        """List the storage files in a folder, in the order of their numbers."""
        found = [file for file in folder.iterdir() if file.suffix in STORAGE_SUFFIXES]
        for file in found:
            _check_regular(file)
        return sorted(found, key=_natural)

    def _expand_files(self) -> Path:
        """Expand compressed files into a folder that exists as long as the bag."""
        self._temporary = tempfile.TemporaryDirectory(prefix='spike_depth_bag_')
        folder = Path(self._temporary.name)
        room = shutil.disk_usage(folder).free // 2
        for file in sorted(self.path.glob('*.zstd')):
            _check_regular(file)
            try:
                with zstd.open(file, 'rb') as packed, (folder / file.stem).open('wb') as out:
                    while piece := packed.read(_COPY_BYTES):
                        room -= len(piece)
                        if room < 0:
                            raise BagError(
                                f'{file}: expands to more than half of the free space of '
                                f'{folder.parent}; expand it with zstd -d on a larger disk'
                            )
                        out.write(piece)
            except (zstd.ZstdError, EOFError) as error:
                self._note(f'{file.name}: {one_line(error)}; what follows is lost')
        return folder

    def _open_file(self, file: Path) -> Iterator[_Part]:
        journal = _has_journal(file)
        if journal:
            self._note(f'{file.name}: the recorder did not end properly')
        elif not file.stat().st_size:
            self._note(f'{file.name}: it is empty')
            return
        checked = check_storage(file, journal)
        reason = ''
        if not journal:
            try:
                yield _Indexed(file, checked)
                return
            except BagError:
                raise
            except Exception as error:  # rosbags raises many kinds on damaged files
                reason = one_line(error)
        if checked.end and file.stat().st_size != checked.end + len(MCAP_MAGIC):
            reason = 'it has no end: the recorder did not close it, or a part of it is missing'
        part = _Scanned(file, checked, journal, reason)
        if part.damage:
            self._note(part.damage)
        if part.topics:
            yield part


_Times = tuple[int | None, int | None]  # first and end of times of recording; None: any


class _Part(Protocol):
    """A storage file of a bag."""

    topics: list[Topic]

    def messages(
        self, topics: set[str], note: Callable[[str], None], times: _Times
    ) -> Iterator[BagMessage]:
        """Messages of some topics and times; what is wrong is noted and ends them."""


class _Indexed:
    """A file that rosbags opens.

    Raises:
        BagError: Its index names chunks beyond the budget.
        Exception: It cannot be read.
    """

    def __init__(self, path: Path, checked: Checked) -> None:
        self._path = path
        with Reader(path) as reader:
            chunks = [_chunk(one) for one in getattr(reader.storage, 'chunks', ())]
            check_chunks(path, chunks, checked.chunks)
            self.topics = [_topic(one) for one in reader.connections]
        self.is_plain = not any(chunk.span.compression for chunk in chunks)

    def messages(
        self, topics: set[str], note: Callable[[str], None], times: _Times
    ) -> Iterator[BagMessage]:
        """Each call has a reader of its own: two iterators must not move one file's place."""
        with _noted(self._path, note), Reader(self._path) as reader:
            wanted = [one for one in reader.connections if one.topic in topics]
            if isinstance(reader.storage, McapReader) and not reader.storage.chunks:
                # Without an index, rosbags refuses times that are not in order.
                found = reader.storage.messages_scan(wanted, *times)
            else:
                found = reader.messages(wanted, *times)
            for connection, time_ns, data in found if wanted else ():
                yield BagMessage(connection.topic, time_ns, _unpacked(data))

    def heads(self, topics: set[str]) -> Iterator[BagMessage]:
        """Beginnings of messages of some topics, as :meth:`messages`, up to the first damage.

        That is left to the messages themselves. A file of compressed chunks has no heads.
        """
        with contextlib.suppress(Exception), Reader(self._path) as reader:
            names = {one.id: one.topic for one in reader.connections if one.topic in topics}
            read = _mcap_heads if isinstance(reader.storage, McapReader) else _sqlite_heads
            for number, time_ns, data in read(reader.storage, names) if names else ():
                yield BagMessage(names[number], time_ns, data)


_Head = tuple[int, int, bytes]  # topic, when it was recorded, beginning


def _sqlite_heads(storage: Any, topics: Collection[int]) -> Iterator[_Head]:
    database, blob = storage.dbconn, None
    marks = ', '.join('?' * len(topics))
    query = (
        'SELECT messages.rowid, topics.id, messages.timestamp '
        'FROM messages JOIN topics ON messages.topic_id = topics.id '
        f'WHERE topics.id IN ({marks}) ORDER BY timestamp'
    )
    for row, topic, time_ns in database.execute(query, tuple(topics)):
        if blob is None:
            blob = database.blob_open('main', 'messages', 'data', row, False)
        else:
            blob.reopen(row)
        yield topic, time_ns, blob.read(HEAD_BYTES)


def _mcap_heads(storage: Any, topics: Collection[int]) -> Iterator[_Head]:
    with storage.path.open('rb') as file:
        if not storage.chunks:
            yield from _record_heads(file, storage.data_start, storage.data_end, topics)
            return
        chunks = (
            _chunk_heads(file, one, topics)
            for one in storage.chunks
            if any(one.channel_count.get(topic, 0) for topic in topics)
        )
        # In the order of rosbags: by time, then by the place of the chunk, then within it.
        for _, _, head in heapq.merge(*chunks, key=operator.itemgetter(0, 1)):
            if head is not None:
                yield head


def _chunk_heads(
    file: BinaryIO, index: ChunkInfo, topics: Collection[int]
) -> Iterator[tuple[int, int, _Head | None]]:
    """Yield times, place of the chunk, and heads; the first one tells when the chunk begins."""
    yield index.message_start_time, 0, None
    start, length, _ = _chunk(index).span
    heads = _record_heads(file, start, start + length, topics)
    for head in sorted(heads, key=operator.itemgetter(1)):
        yield head[1], index.chunk_start_offset, head


def _record_heads(
    file: BinaryIO, place: int, end: int, topics: Collection[int]
) -> Iterator[_Head]:
    while place < end:
        file.seek(place)
        record = file.read(_MESSAGE.size + HEAD_BYTES)
        code, length, topic, _, time_ns, _ = _MESSAGE.unpack_from(record)
        if code == _MESSAGE_CODE and topic in topics:
            size = min(length + _RECORD_BYTES - _MESSAGE.size, HEAD_BYTES)
            yield topic, time_ns, record[_MESSAGE.size :][:size]
        place += _RECORD_BYTES + length


class _Scanned:
    """A file that rosbags does not open, read in the order written up to the first damage.

    Args:
        path: The file.
        checked: What was checked of it.
        journal: Whether SQLite has more of it in a ``-wal`` file beside it.
        reason: Why it is not opened; empty where nothing is known to be wrong.

    Attributes:
        damage: What is wrong, how far the file is read, and the remedy; empty where nothing is.
    """

    def __init__(self, path: Path, checked: Checked, journal: bool, reason: str) -> None:
        self._path, self._checked, self._journal = path, checked, journal
        self._reason = reason
        counts: collections.Counter[tuple[str, str]] = collections.Counter()
        first_ns, seconds = None, 0.0
        for kind, message in self._rows():
            counts[message.topic, kind] += 1
            first_ns = message.time_ns if first_ns is None else first_ns
            seconds = (message.time_ns - first_ns) / 1e9
        self.topics = [Topic(name, kind, count) for (name, kind), count in counts.items()]
        self.damage = ''
        if self._reason:
            read = f'{counts.total()} messages of {seconds:.3f} s can be read'
            self.damage = f'{path.name}: {self._reason}; {read}; {_remedy(path)}'

    def messages(
        self, topics: set[str], note: Callable[[str], None], times: _Times
    ) -> Iterator[BagMessage]:
        start_ns, stop_ns = times
        with _noted(self._path, note):
            for _, message in self._rows():
                early = start_ns is not None and message.time_ns < start_ns
                late = stop_ns is not None and message.time_ns >= stop_ns
                if message.topic in topics and not (early or late):
                    yield message._replace(data=_unpacked(message.data))

    def _rows(self) -> Iterator[tuple[str, BagMessage]]:
        """Types and messages; the reason for which they end early is kept."""
        try:
            if self._path.suffix == '.mcap':
                yield from _scan_mcap(self._path, self._checked.end)
            else:
                yield from _scan_sqlite(self._path, self._journal)
        except Exception as error:  # rosbags, SQLite and the decompressors have many kinds
            self._reason = one_line(error)


def _scan_mcap(path: Path, end: int) -> Iterator[tuple[str, BagMessage]]:
    """Types and messages of an MCAP file without its index, up to the end of its whole records."""
    reader = McapReader(path)
    with path.open('rb') as reader.bio:
        reader.data_start, reader.data_end = len(MCAP_MAGIC), end
        with contextlib.suppress(Exception):  # it keeps the topics that lie before the damage
            reader.meta_scan()
        for connection, time_ns, data in reader.messages_scan(reader.connections):
            yield connection.msgtype, BagMessage(connection.topic, time_ns, data)


def _scan_sqlite(path: Path, journal: bool) -> Iterator[tuple[str, BagMessage]]:
    """Types and messages of an SQLite file in the order of their rows."""
    with contextlib.closing(open_database(path, journal)) as database:
        known = database.execute('SELECT id, name, type FROM topics')
        topics = {number: (name, kind) for number, name, kind in known}
        query = 'SELECT topic_id, timestamp, data FROM messages ORDER BY rowid'
        for number, time_ns, data in database.execute(query):
            if number in topics:
                name, kind = topics[number]
                yield kind, BagMessage(name, time_ns, data)


@contextlib.contextmanager
def _noted(path: Path, note: Callable[[str], None]) -> Iterator[None]:
    """Note the damage that ends the reading of a file."""
    try:
        yield
    except BagError as error:
        raise BagError(f'{path}: {error}') from error
    except Exception as error:  # see above
        note(f'{path.name}: {one_line(error)}; what follows is lost; {_remedy(path)}')


def _remedy(path: Path) -> str:
    return f'to recover more: {_REMEDIES[path.suffix].format(path.name)}'


def decode(data: bytes, kind: str) -> Any:
    """Decode a message of a bag to an object with the fields of its type.

    Args:
        data: CDR bytes.
        kind: Message type.

    Raises:
        BagError: The bytes are no such message.
    """
    try:
        return typestore().deserialize_cdr(data, kind)
    except Exception as error:  # struct, numpy and rosbags raise their own on damaged bytes
        raise BagError(f'a message is no {kind} ({one_line(error)})') from error


@functools.cache
def typestore() -> Any:
    """Return the message types of ROS 2; those used are the same in every distribution."""
    return get_typestore(Stores.ROS2_JAZZY)


def _check_regular(file: Path) -> None:
    """Refuse a pipe or a device among the files of a bag."""
    try:
        check_regular(file)
    except OneLineError as error:
        raise BagError(str(error)) from error


def _has_journal(file: Path) -> bool:
    """Whether SQLite has messages that are not yet in the file; rosbags would not see them."""
    journal = file.with_name(file.name + '-wal')
    return journal.is_file() and journal.stat().st_size > 0


def _topic(one: Connection) -> Topic:
    """Return a topic as the library lists it, from metadata.yaml where there is one."""
    digest, count = one.digest or '', one.msgcount
    texts = all(isinstance(text, str) for text in (one.topic, one.msgtype, digest))
    if not texts or not isinstance(count, int):
        raise TypeError(
            f'topic {one.topic!r} is listed with type {one.msgtype!r}, {count!r} messages and '
            f'hash {digest!r}; expected texts and a whole number'
        )
    given = one.msgdef.format != MessageDefinitionFormat.NONE
    return Topic(one.topic, one.msgtype, count, one.msgdef.data if given else '', digest)


def _chunk(index: ChunkInfo) -> Chunk:
    """Return a chunk as the library will read it."""
    start = index.chunk_start_offset + 49 + len(index.compression)
    span = Span(start, index.compressed_size, index.compression)
    return Chunk(span, index.uncompressed_size, index.message_start_time, index.message_end_time)


def _unpacked(data: bytes) -> bytes:
    check_message(data)
    return DECOMPRESSORS['zstd'](data, 0) if data[:4] == ZSTD_MAGIC else data


def _natural(path: Path) -> list[Any]:
    """Sorts bag_2 before bag_10."""
    return [int(part) if part.isdigit() else part for part in re.split(r'(\d+)', path.name)]
