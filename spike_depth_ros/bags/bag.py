# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of ROS 2 topics (rosbag2: SQLite or MCAP, compressed or not), read without ROS.

A bag that a crash cut short is read as far as it goes, and says what is lost.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import yaml
from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.rosbag2 import Reader
from rosbags.rosbag2.storage_mcap import DECOMPRESSORS, ChunkInfo
from rosbags.typesys import Stores, get_typestore

from spike_depth_ros.bags.limits import (
    ZSTD_MAGIC,
    Chunk,
    Span,
    check_chunks,
    check_message,
    check_storage,
)
from spike_depth_ros.bags.limits import BagError as BagError
from spike_depth_ros.bags.salvage import CutOff, Row, read_mcap, read_sqlite
from spike_depth_ros.errors import one_line, printable
from spike_depth_ros.safe_yaml import YamlLimitError, read_yaml
from spike_depth_ros.stream.recording import STORAGE_SUFFIXES

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

IMAGE = 'sensor_msgs/msg/Image'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'

_COPY_BYTES = 1 << 20
_COMPRESSED = 'messages or files are compressed'


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


class BagMessage(NamedTuple):
    """A message as it was recorded.

    Attributes:
        topic: Full name of its topic.
        time_ns: When it was recorded, nanoseconds.
        data: CDR bytes.
    """

    topic: str
    time_ns: int
    data: bytes


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
        self._parts = list(self._open())
        if not self._parts:
            raise BagError(f'{path}: nothing can be read: {"; ".join(self.damage)}')
        self.topics: dict[str, Topic] = {}
        for part in self._parts:
            for topic in part.topics:
                known = self.topics.get(topic.name)
                count = topic.messages + (known.messages if known is not None else 0)
                self.topics[topic.name] = dataclasses.replace(topic, messages=count)
        for name, count in self._recorded().items():
            if name in self.topics and count > self.topics[name].messages:
                self.topics[name] = dataclasses.replace(self.topics[name], messages=count)

    def messages(self, topics: Collection[str]) -> Iterator[BagMessage]:
        """Messages of some topics, in the order in which they were recorded.

        Reading ends early where the bag is damaged; :attr:`damage` then says what is lost.

        Args:
            topics: Full names of topics that the bag has.
        """
        read: collections.Counter[str] = collections.Counter()
        for part in self._parts:
            for message in part.messages(set(topics), self._note):
                read[message.topic] += 1
                yield message
        for name in topics:
            expected = self.topics[name].messages
            if read[name] < expected:
                self._note(f'{name}: {expected - read[name]} of {expected} messages are lost')

    def describe_topics(self) -> str:
        """The topics with their types and numbers of messages, for an error message."""
        told = [f'{t.name} ({t.kind}, {t.messages})' for t in self.topics.values()]
        return printable(', '.join(sorted(told))) or 'none'

    def _note(self, text: str) -> None:
        text = printable(text)
        if text not in self.damage:
            self.damage.append(text)

    def _read_metadata(self) -> dict[str, Any]:
        """Content of metadata.yaml; nothing where it is missing or damaged."""
        try:
            content = read_yaml(self.path / 'metadata.yaml')['rosbag2_bagfile_information']
            return content if isinstance(content, dict) else {}
        except YamlLimitError as error:
            raise BagError(str(error)) from error
        except (OSError, ValueError, TypeError, LookupError, yaml.YAMLError):
            return {}

    def _recorded(self) -> dict[str, int]:
        """Numbers of messages by topic as metadata.yaml tells them; none where it does not."""
        try:
            topics = self._metadata['topics_with_message_count']
            return {t['topic_metadata']['name']: int(t['message_count']) for t in topics}
        except (ValueError, TypeError, LookupError, OverflowError):
            return {}

    def _compression(self) -> str:
        """What is compressed, by metadata.yaml: ``message``, ``file`` or nothing."""
        return str(self._metadata.get('compression_mode') or '').lower()

    def _open(self) -> Iterator[_Part]:
        """The storage files, or the whole folder as one where nothing is wrong with it."""
        if not self.path.exists():
            raise BagError(f'{self.path}: no such bag')
        if self.path.suffix == '.bag':
            raise BagError(
                f'{self.path}: a ROS 1 bag; convert it: rosbags-convert --src {self.path.name} '
                f'--dst {self.path.stem}'
            )
        if not self.path.is_dir():
            if self.path.suffix not in STORAGE_SUFFIXES:
                raise BagError(
                    f'{self.path}: no bag; expected a folder with metadata.yaml, or a .mcap or '
                    '.db3 file'
                )
            yield from self._open_file(self.path)
            return
        files = self._files(self.path)
        if self._compression() == 'file' and not files:
            files = self._files(self._expand_files())
        reason = self._why_not_whole(files)
        if not reason:
            checked = {file: check_storage(file) for file in files}
            try:
                yield _Indexed(self.path, checked)
                return
            except BagError:
                raise
            except Exception as error:  # rosbags raises many kinds on damaged files
                reason = f'not usable as a whole ({one_line(error)})'
        if not files:
            packed = ', '.join(sorted(file.name for file in self.path.glob('*.zstd')))
            hint = f'; unpack {packed} with zstd -d' if packed else ''
            raise BagError(
                f'{self.path}: no bag: {reason}, and it has no .mcap or .db3 file{hint}'
            )
        if reason != _COMPRESSED:
            self._note(f'{reason}; its files are read one after the other')
        for file in files:
            yield from self._open_file(file)

    def _why_not_whole(self, files: list[Path]) -> str:
        """Why the library may not read the folder by itself; empty where it may."""
        if not (self.path / 'metadata.yaml').is_file():
            return 'metadata.yaml is missing: the recorder did not end properly'
        if any(_has_journal(file) for file in files):
            return 'the recorder did not end properly'
        if self._compression() in ('file', 'message'):
            return _COMPRESSED  # the library would expand without a limit
        named = self._metadata.get('relative_file_paths')
        names = {file.name for file in files}
        if not isinstance(named, list) or not {Path(str(name)).name for name in named} <= names:
            return 'metadata.yaml does not name its .mcap or .db3 files'
        return ''

    def _files(self, folder: Path) -> list[Path]:
        """The storage files in a folder, in the order of their numbers."""
        found = (file for file in folder.iterdir() if file.suffix in STORAGE_SUFFIXES)
        return sorted(found, key=_natural)

    def _expand_files(self) -> Path:
        """A folder with the compressed files expanded, which lives as long as the bag."""
        self._temporary = tempfile.TemporaryDirectory(prefix='spike_depth_bag_')
        folder = Path(self._temporary.name)
        room = shutil.disk_usage(folder).free // 2
        for file in sorted(self.path.glob('*.zstd')):
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
        reason = ''
        journal = _has_journal(file)
        checked = check_storage(file, journal)
        if not journal:
            try:
                yield _Indexed(file, {file: checked})
                return
            except BagError:
                raise
            except Exception as error:  # see above
                reason = one_line(error)
        told = len(self.damage)
        part = _Salvaged(file, self._note)
        if reason and len(self.damage) == told:  # else what was found there says more
            self._note(f'{file.name}: {reason}')
        if part.topics:
            yield part


class _Part(Protocol):
    """Something that holds messages: a whole bag or one of its files."""

    topics: list[Topic]

    def messages(self, topics: set[str], note: Callable[[str], None]) -> Iterator[BagMessage]:
        """Messages of some topics; what is wrong is noted and ends them."""


class _Indexed:
    """A bag, or a file of one, that rosbags can read.

    Args:
        path: The folder or file.
        checked: Its files, with the chunks in them that were checked.

    Raises:
        BagError: An index names chunks beyond the budget.
        Exception: It cannot be read.
    """

    def __init__(self, path: Path, checked: dict[Path, set[Span]]) -> None:
        self._path = path
        with Reader(path) as reader:
            for storage in getattr(reader.storage, 'storages', [reader.storage]):
                if chunks := getattr(storage, 'chunks', []):
                    check_chunks(storage.path, map(_chunk, chunks), checked[storage.path])
            self.topics = [_topic(one) for one in reader.connections]

    def messages(self, topics: set[str], note: Callable[[str], None]) -> Iterator[BagMessage]:
        """Each call has a reader of its own: two iterators must not move one file's place."""
        # A file by itself does not tell that its messages are compressed.
        alone = not self._path.is_dir()
        try:
            with Reader(self._path) as reader:
                wanted = [one for one in reader.connections if one.topic in topics]
                if not wanted:
                    return
                for connection, time_ns, data in reader.messages(wanted):
                    data = _unpacked(data) if alone else data
                    yield BagMessage(connection.topic, time_ns, data)
        except BagError as error:
            raise BagError(f'{self._path}: {error}') from error
        except Exception as error:  # rosbags, SQLite and the decompressors have many kinds
            note(f'{self._path.name}: {one_line(error)}; what follows is lost')


class _Salvaged:
    """A file without an index, read from its beginning up to the damage."""

    def __init__(self, path: Path, note: Callable[[str], None]) -> None:
        self._path = path
        counts: collections.Counter[tuple[str, str]] = collections.Counter()
        for row in self._rows(note):
            counts[row.topic, row.kind] += 1
        self.topics = [Topic(name, kind, count) for (name, kind), count in counts.items()]

    def messages(self, topics: set[str], note: Callable[[str], None]) -> Iterator[BagMessage]:
        for row in self._rows(note):
            if row.topic not in topics:
                continue
            try:
                data = _unpacked(row.data)
            except BagError as error:
                raise BagError(f'{self._path}: {error}') from error
            except zstd.ZstdError as error:
                note(f'{self._path.name}: {one_line(error)}; what follows is lost')
                return
            yield BagMessage(row.topic, row.time_ns, data)

    def _rows(self, note: Callable[[str], None]) -> Iterator[Row]:
        read = read_mcap if self._path.suffix == '.mcap' else read_sqlite
        try:
            if not self._path.stat().st_size:
                raise CutOff('it is empty')
            yield from read(self._path)
        except (CutOff, OSError) as error:
            note(f'{self._path.name}: {one_line(error)}')


def decode(data: bytes, kind: str) -> Any:
    """A message of a bag as an object with the fields of its type.

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
    """The message types of ROS 2; those used here are the same in every distribution."""
    return get_typestore(Stores.ROS2_JAZZY)


def _has_journal(file: Path) -> bool:
    """Whether SQLite has messages that are not yet in the file; rosbags would not see them."""
    journal = file.with_name(file.name + '-wal')
    return journal.is_file() and journal.stat().st_size > 0


def _topic(one: Connection) -> Topic:
    """A topic as the library lists it, from metadata.yaml where there is one.

    Raises:
        TypeError: Its values are of other types.
    """
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
    """A chunk as the library will read it."""
    start = index.chunk_start_offset + 49 + len(index.compression)
    span = Span(start, index.compressed_size, index.compression)
    return Chunk(span, index.uncompressed_size, index.message_start_time, index.message_end_time)


def _unpacked(data: bytes) -> bytes:
    check_message(data)
    return DECOMPRESSORS['zstd'](data, 0) if data[:4] == ZSTD_MAGIC else data


def _natural(path: Path) -> list[Any]:
    """Sorts bag_2 before bag_10."""
    return [int(part) if part.isdigit() else part for part in re.split(r'(\d+)', path.name)]
