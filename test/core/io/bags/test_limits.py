# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags that would hang, or exhaust memory, are refused in one line before they are read."""

import contextlib
import functools
import io
import itertools
import os
import re
import shutil
import sqlite3
import struct
import tracemalloc

import lz4.frame
import pytest
from backports import zstd
from rosbags.rosbag2 import StoragePlugin, Writer

from kit import bags
from kit.bags import storage_file
from spike_depth_ros.io.bags import bag as bag_module
from spike_depth_ros.io.bags import limits
from spike_depth_ros.io.bags.bag import Bag, BagError
from spike_depth_ros.io.bags.limits import (
    MAX_RECORD_BYTES,
    Chunk,
    Span,
    check_chunks,
    check_packed,
)

MIB = 1 << 20
ZEROS = bytes(MIB)
ENDLESS = """
DROP INDEX IF EXISTS timestamp_idx; ALTER TABLE messages RENAME TO kept;
CREATE VIEW messages AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
SELECT i AS id, 1 AS topic_id, i AS timestamp, x'00' AS data FROM n;
"""
LOOSE = """
DROP INDEX timestamp_idx; ALTER TABLE messages RENAME TO kept;
CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id, timestamp, data);
INSERT INTO messages SELECT * FROM kept; DROP TABLE kept;
"""
UNKNOWN_COUNTS = 'metadata.yaml has no numbers of messages: none is known to be lost'


def expanding_bag(folder, packed, compression, declared, summary):
    """An MCAP file of one chunk."""
    chunk = struct.pack('<QQQI', 1, 2, declared, 0) + text(compression)
    chunk += struct.pack('<Q', len(packed)) + packed
    schema = struct.pack('<H', 1) + text(bags.IMAGE) + text('ros2msg') + text('')
    channel = struct.pack('<HH', 1, 1) + text('/spikes') + text('cdr') + text('')
    head = limits.MCAP_MAGIC + record(1, text('ros2') + text(''))
    body = record(3, schema) + record(4, channel)
    start = len(head) + len(body)
    content = head + body + record(6, chunk)
    if summary:
        size = len(content) - start
        index = struct.pack('<QQQQ', 1, 2, start, size) + text('') + struct.pack('<Q', 0)
        index += text(compression) + struct.pack('<QQ', len(packed), declared)
        first = len(content)
        content += body + record(8, index) + record(2, struct.pack('<QQI', first, 0, 0))
    else:
        content += record(2, struct.pack('<QQI', 0, 0, 0))
    folder.mkdir(exist_ok=True)
    (folder / 'bag.mcap').write_bytes(content + limits.MCAP_MAGIC)
    return folder / 'bag.mcap'


def text(value):
    return struct.pack('<I', len(value)) + value.encode()


def record(code, content):
    return struct.pack('<BQ', code, len(content)) + content


def zstd_stream(count):
    """A frame that does not declare its size, as writers of streams make them."""
    packer = zstd.ZstdCompressor()
    return b''.join([*(packer.compress(ZEROS) for _ in range(count)), packer.flush()])


EXPANDED = 17 << 24
"""Bytes that a bomb expands to, a few more than may be."""


@functools.cache
def bomb(kind):
    """Few bytes that expand to many."""
    count = EXPANDED // MIB
    return {
        'zstd': lambda: zstd.compress(bytes(EXPANDED)),
        'stream': lambda: zstd_stream(count),
        'frames': lambda: zstd.compress(ZEROS) * count,
        'lz4': lambda: lz4.frame.compress(bytes(EXPANDED), block_size=lz4.frame.BLOCKSIZE_MAX4MB),
    }[kind]()


@pytest.mark.parametrize('tenths', [9, 10])
def test_a_message_that_is_too_large_is_refused_also_before_damage(tmp_path, monkeypatch, tenths):
    path = bags.bag(tmp_path / 'bag', planes=8000, storage='sqlite3')
    bags.cut_short(path, tenths)
    monkeypatch.setattr(limits, 'MAX_RECORD_BYTES', 5000)
    with pytest.raises(
        BagError, match=r'a message of 7\d{3} bytes or more, expected at most 5000'
    ):
        Bag(path)


def test_a_compressed_message_that_is_damaged_ends_the_reading(tmp_path):
    path = bags.bag(tmp_path / 'bag', storage='sqlite3', compression='message')
    with sqlite3.connect(storage_file(path)) as database:
        database.execute("UPDATE messages SET data = x'28b52ffd00' WHERE id = 6")
    (path / 'metadata.yaml').unlink()
    with storage_file(path).open('ab') as end:
        end.write(bytes(100))
    storage_file(path).with_name('bag.db3-wal').write_bytes(b'no journal')
    bag = Bag(path)
    assert len(list(bag.messages(['/spikes']))) < 10
    assert 'what follows is lost' in ' '.join(bag.damage)


def test_compressed_files_are_expanded_within_the_free_space(tmp_path, monkeypatch):
    path = bags.bag(tmp_path / 'bag', storage='sqlite3', compression='file')
    usage = type('usage', (), {'free': 60_000})
    monkeypatch.setattr(bag_module.shutil, 'disk_usage', lambda _: usage)
    with pytest.raises(BagError, match='expands to more than half of the free space'):
        Bag(path)


@pytest.mark.parametrize(('code', 'length'), [*itertools.product((3, 4, 5), (0, 1, 5)), (5, 21)])
def test_a_record_shorter_than_its_fields_ends_the_reading(tmp_path, code, length):
    path = bags.bag(tmp_path / 'bag')
    file = storage_file(path)
    whole = file.read_bytes()
    end = whole.rindex(b'\x0f\x04\x00\x00\x00\x00\x00\x00\x00')
    file.write_bytes(whole[:end] + record(code, bytes(length)))
    bag = Bag(file)
    assert len(list(bag.messages(['/spikes']))) == 10
    (damage,) = bag.damage
    assert re.search(r'bag\.mcap: .+; 11 messages of 0\.020 s can be read; to recover', damage)
    first = whole.index(b'\x06')
    file.write_bytes(whole[:first] + record(code, bytes(length)) + whole[first:end])
    with pytest.raises(BagError, match=r'nothing can be read: bag\.mcap: '):
        Bag(file)


def test_chunks_that_overlap_beyond_the_budget_are_refused(tmp_path):
    (tmp_path / 'a.mcap').write_bytes(b'')
    span = Span(0, 0, '')
    chunks = [Chunk(span, MAX_RECORD_BYTES, first, first + 15) for first in range(0, 60, 10)]
    check_chunks(tmp_path / 'a.mcap', chunks, {span})
    chunks += [Chunk(span, MAX_RECORD_BYTES, 30, 31)] * 3
    with pytest.raises(BagError, match='chunks overlap in time by more than 1024 MiB'):
        check_chunks(tmp_path / 'a.mcap', chunks, {span})


@pytest.mark.parametrize('level', [1, 9])
@pytest.mark.parametrize('size', [1, 300, 70_000, 3 * MIB])
@pytest.mark.parametrize('checksum', [0, 1])
def test_sizes_of_frames_are_those_that_they_expand_to(monkeypatch, level, size, checksum):
    content = bytes(bags.np.random.default_rng(size).integers(0, 3, size, 'u1'))
    options = {
        zstd.CompressionParameter.compression_level: level,
        zstd.CompressionParameter.checksum_flag: checksum,
    }
    packed = zstd.compress(content, options=options) + zstd.compress(content)
    check(monkeypatch, packed, 'zstd', 2 * size)
    packed = lz4.frame.compress(content, content_checksum=bool(checksum))
    check(monkeypatch, packed, 'lz4', size)


def check(monkeypatch, packed, compression, size):
    monkeypatch.setattr(limits, 'MAX_RECORD_BYTES', size)
    if compression == 'zstd':
        check_packed(io.BytesIO(packed), Span(0, len(packed), compression))
    monkeypatch.setattr(limits, 'MAX_RECORD_BYTES', size - 1)
    with pytest.raises(BagError):
        check_packed(io.BytesIO(packed), Span(0, len(packed), compression))


@pytest.mark.parametrize(
    ('change', 'damage'),
    [
        (('name: /spikes', 'name: [/spikes]'), [UNKNOWN_COUNTS]),
        (('type: sensor_msgs/msg/Image', 'type: 5'), []),
        (('message_count: 10', 'message_count: [10]'), [UNKNOWN_COUNTS]),
        (('message_count: 10', 'message_count: .inf'), [UNKNOWN_COUNTS]),
    ],
)
def test_metadata_of_other_types_does_not_end_the_reading(tmp_path, change, damage):
    path = bags.bag(tmp_path / 'bag')
    content = (path / 'metadata.yaml').read_text()
    assert change[0] in content
    (path / 'metadata.yaml').write_text(content.replace(*change))
    bag = Bag(path)
    assert len(list(bag.messages(['/spikes']))) == 10
    assert bag.damage == damage


def in_journal(path):
    """A view that only the journal of a database holds, of which a page is damaged."""
    for number, head in enumerate((bytes(100), limits.MCAP_MAGIC + bytes(92))):
        bag = bags.bag(path / f'journal_{number}', storage='sqlite3')
        with contextlib.closing(sqlite3.connect(storage_file(bag))) as database:
            database.execute('PRAGMA journal_mode = WAL')
            database.executescript(ENDLESS)
            crashed = path / f'crashed_{number}'
            shutil.copytree(bag, crashed)
        (crashed / f'{storage_file(bag).name}-shm').unlink()
        with (crashed / storage_file(bag).name).open('r+b') as file:
            file.write(head)  # the journal has this page, too
        yield f'a view of the journal {number}', crashed


CHANGES = (
    ('row 3 of its table messages', 'UPDATE messages SET data = NULL WHERE id = 3'),
    ('row 4 of its table messages', "UPDATE messages SET data = 'text' WHERE id = 4"),
    ('row 3 of its table messages', "UPDATE messages SET topic_id = x'00' WHERE id = 3"),
    ('row 3 of its table messages', "UPDATE messages SET timestamp = 'now' WHERE id = 3"),
    ('row 1 of its table topics', "UPDATE topics SET name = x'00' WHERE id = 1"),
    ('row 1 of its table topics', "UPDATE topics SET type = x'00' WHERE id = 1"),
)
COMPUTED = (
    'DROP TABLE messages; CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, '
    'timestamp INTEGER, data AS (zeroblob(900000000)));'
    'INSERT INTO messages(topic_id, timestamp) VALUES (1, 1)'
)
CALLED_A_TABLE = (
    "PRAGMA writable_schema = ON;UPDATE sqlite_master SET type = 'table' WHERE name = 'messages'"
)
YAMLS = {
    'nested lists': '[' * 50_000,
    'nested items': '- ' * 50_000,
    'a long text': 'a: ' + 'b' * MIB,
    'aliases': 'a: &a [1, 1, 1]\n' + ''.join(
        f'{chr(98 + n)}: &{chr(98 + n)} [{", ".join(["*" + chr(97 + n)] * 9)}]\n'
        for n in range(9)),
    'many values': '[' + '[], ' * 200_000,
}  # fmt: skip


def databases(folder):
    """Bags in SQLite that would hang, and what is named."""
    table = 'messages is not a plain table'

    def bag(name, *scripts, compression=None):
        path = bags.bag(folder / name, storage='sqlite3', compression=compression)
        with contextlib.closing(sqlite3.connect(storage_file(path))) as database:
            for script in scripts:
                database.executescript(script)
        return path

    yield 'a view', table, bag('view', ENDLESS)
    without = bag('without', ENDLESS)
    (without / 'metadata.yaml').unlink()
    yield 'a view without metadata', table, without
    yield 'a view that is called a table', table, bag('called', ENDLESS, CALLED_A_TABLE)
    yield 'a computed column', table, bag('computed', COMPUTED)
    renamed = bag('renamed', ENDLESS)
    file = storage_file(renamed)
    file.rename(renamed / 'bag.bin')
    content = renamed / 'metadata.yaml'
    content.write_text(content.read_text().replace(file.name, 'bag.bin'))
    yield 'a view of another suffix', 'no .mcap or .db3 file', renamed
    for number, script in enumerate((ENDLESS, CHANGES[4][1])):
        path = bag(f'catalogue_{number}', script)
        content = storage_file(path).read_bytes()
        assert content.count(b'schema_version INTEGER') == 1
        damaged = content.replace(b'schema_version INTEGER', b'schema_versio\xcf INTEGER')
        storage_file(path).write_bytes(damaged)
        yield f'a catalogue that is no text {number}', (table, CHANGES[4][0])[number], path
    for name, path in in_journal(folder):
        yield name, table, path
    for number, (named, change) in enumerate(CHANGES):
        yield change, named, bag(f'change_{number}', LOOSE, change)
        file = storage_file(bag(f'journalled_{number}', LOOSE, change))
        file.with_name(f'{file.name}-wal').write_bytes(b'no journal')
        (file.parent / 'metadata.yaml').unlink()
        yield f'{change}, without metadata', f'{file.name}: {named}', file

    packed = bags.bag(folder / 'packed', storage='sqlite3', compression='file')
    (file,) = packed.glob('*.zstd')
    (folder / 'plain.db3').write_bytes(zstd.decompress(file.read_bytes()))
    with contextlib.closing(sqlite3.connect(folder / 'plain.db3')) as database:
        database.executescript(ENDLESS)
    file.write_bytes(zstd.compress((folder / 'plain.db3').read_bytes()))
    yield 'a view in a compressed file', table, packed
    long = bags.bag(folder / 'names', storage='sqlite3')
    with contextlib.closing(sqlite3.connect(storage_file(long))) as database, database:
        database.execute('UPDATE topics SET name = ?', ('/a\nb\x1b[2J' + 'x' * 5000,))
    (long / 'metadata.yaml').unlink()
    yield 'a long name of two lines', r'/a b\x1b[2Jxxx', long


def test_bags_that_would_hang_are_refused(tmp_path, refusals):
    """In one line that is not long, before they are read; a pipe is not opened."""
    rows = {}

    def row(name, named, path):
        def call():
            with pytest.raises(BagError) as caught:
                Bag(path).known.camera()
            assert len(str(caught.value)) < 600 + len(str(tmp_path))
            raise caught.value

        rows[name] = named, call

    for name, named, path in databases(tmp_path):
        row(name, named, path)
    for name, content in YAMLS.items():
        path = bags.bag(tmp_path / f'yaml_{name}')
        (path / 'metadata.yaml').write_text(content)
        row(name, 'metadata.yaml', path)
    for name in ('metadata.yaml', 'more.mcap', 'more.db3'):
        path = bags.bag(tmp_path / f'pipe_{name}')
        (path / name).unlink(missing_ok=True)
        os.mkfifo(path / name)
        row(f'a pipe as {name}', name, path)
    differing = {r'x{9,}': 'x', r'\S+/spike_depth_bag_\w+': '<unpacked>'}
    refusals('hostile_bag', rows, BagError, differing)


def of_little_memory(path):
    """Open a bag and read it, which takes little memory."""
    tracemalloc.start()
    try:
        list(Bag(path).messages(['/spikes']))
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 100 * MIB


def test_data_that_expand_beyond_the_budget_are_refused(tmp_path, refusals):
    rows = {}
    for kind, declared, cut, summary in itertools.product(
        ('zstd', 'stream', 'frames', 'lz4'), (EXPANDED, MIB), (False, True), (True, False)
    ):
        name = f'{kind} that declares {declared}, {"cut" if cut else "whole"}'
        name += ', with a summary' if summary else ''
        compression = kind if kind == 'lz4' else 'zstd'
        folder = tmp_path / str(len(rows))
        path = expanding_bag(folder, bomb(kind), compression, declared, summary)
        if cut:
            path.write_bytes(path.read_bytes()[:-20])
        rows[name] = '268435456', functools.partial(of_little_memory, path)
    for storage in ('sqlite3', 'mcap'):
        path = bag_of_bombs(tmp_path / storage, storage)
        for where in (path, storage_file(path)):
            rows[f'a message of {storage}, {"file" if where != path else "folder"}'] = (
                f'compressed data of {EXPANDED} bytes or more',
                functools.partial(of_little_memory, where),
            )
    refusals('expanding_bag', rows, BagError)


def bag_of_bombs(path, storage):
    with Writer(path, version=8, storage_plugin=StoragePlugin[storage.upper()]) as writer:
        spikes = writer.add_connection('/spikes', bags.IMAGE, typestore=bags.TYPES)
        camera = writer.add_connection('/camera_info', bags.CAMERA_INFO, typestore=bags.TYPES)
        content = bags.TYPES.serialize_cdr(bags.camera(), bags.CAMERA_INFO)
        writer.write(camera, bags.START, zstd.compress(bytes(content)))
        writer.write(spikes, bags.START, bomb('zstd'))
    metadata = (path / 'metadata.yaml').read_text()
    for key, value in (('format', 'zstd'), ('mode', 'MESSAGE')):
        metadata = re.sub(f'compression_{key}:.*', f'compression_{key}: {value}', metadata)
    (path / 'metadata.yaml').write_text(metadata)
    return path
