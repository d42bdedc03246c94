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
from spike_depth_ros.bags import bag as bag_module
from spike_depth_ros.bags import limits
from spike_depth_ros.bags.bag import Bag, BagError
from spike_depth_ros.bags.limits import MAX_RECORD_BYTES, Chunk, Span, check_chunks, check_packed
from spike_depth_ros.evaluation.command import main

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


def refused(path, capsys):
    """What ``evaluate_bag`` prints of a bag that it refuses."""
    assert main([str(path), '--out', str(path.parent / 'out'), '--device', 'cpu']) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert len(lines[0]) < 600
    return lines[0]


@pytest.mark.parametrize('metadata', [True, False])
@pytest.mark.parametrize('suffix', ['.db3', '.bin'])
def test_a_view_in_place_of_a_table_is_refused(tmp_path, metadata, suffix, capsys):
    path = bags.write(tmp_path / 'bag', bags.stream(400), 'sqlite3')
    with sqlite3.connect(storage_file(path)) as database:
        database.executescript(ENDLESS)
    if suffix == '.bin' and metadata:
        storage_file(path).rename(path / 'bag.bin')
        content = path / 'metadata.yaml'
        content.write_text(content.read_text().replace('bag.db3', 'bag.bin'))
        assert 'no bag: it has no .mcap or .db3 file' in refused(path, capsys)
        return
    if not metadata:
        (path / 'metadata.yaml').unlink()
    assert 'messages is not a plain table (a view, virtual' in refused(path, capsys)


def test_a_view_whose_catalogue_calls_it_a_table_is_refused(tmp_path, capsys):
    path = bags.write(tmp_path / 'bag', bags.stream(400), 'sqlite3')
    with sqlite3.connect(storage_file(path)) as database:
        database.executescript(ENDLESS)
        database.execute('PRAGMA writable_schema = ON')
        database.execute("UPDATE sqlite_master SET type = 'table' WHERE name = 'messages'")
    assert 'messages is not a plain table' in refused(path, capsys)


@pytest.mark.parametrize(
    ('hostile', 'line'),
    [
        (ENDLESS, 'messages is not a plain table'),
        ("UPDATE topics SET name = x'00' WHERE id = 1", 'row 1 of its table topics'),
    ],
)
def test_a_catalogue_that_is_no_text_hides_nothing(tmp_path, hostile, line, capsys):
    path = bags.write(tmp_path / 'bag', bags.stream(400), 'sqlite3')
    with sqlite3.connect(storage_file(path)) as database:
        database.executescript(hostile)
    content = storage_file(path).read_bytes()
    assert content.count(b'schema_version INTEGER') == 1
    damaged = content.replace(b'schema_version INTEGER', b'schema_versio\xcf INTEGER')
    storage_file(path).write_bytes(damaged)
    assert line in refused(path, capsys)


@pytest.mark.parametrize('head', [bytes(100), limits.MCAP_MAGIC + bytes(92)])
def test_a_view_that_only_the_journal_holds_is_refused(tmp_path, head, capsys):
    path = bags.write(tmp_path / 'bag', bags.stream(400), 'sqlite3')
    with contextlib.closing(sqlite3.connect(storage_file(path))) as database:
        database.execute('PRAGMA journal_mode = WAL')
        database.executescript(ENDLESS)
        crashed = tmp_path / 'crashed'
        shutil.copytree(path, crashed)
    (crashed / 'bag.db3-shm').unlink()
    with (crashed / 'bag.db3').open('r+b') as file:
        file.write(head)  # the journal has this page, too
    assert 'messages is not a plain table' in refused(crashed, capsys)


def test_a_computed_column_is_refused(tmp_path, capsys):
    path = bags.write(tmp_path / 'bag', bags.stream(400), 'sqlite3')
    with sqlite3.connect(storage_file(path)) as database:
        database.executescript(
            'DROP TABLE messages; CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, '
            'timestamp INTEGER, data AS (zeroblob(900000000)));'
            'INSERT INTO messages(topic_id, timestamp) VALUES (1, 1)'
        )
    assert 'messages is not a plain table (a view, virtual or computed)' in refused(path, capsys)


@pytest.mark.parametrize('journal', [True, False])
@pytest.mark.parametrize(
    ('change', 'line'),
    [
        ('UPDATE messages SET data = NULL WHERE id = 3', 'row 3 of its table messages'),
        ("UPDATE messages SET data = 'text' WHERE id = 4", 'row 4 of its table messages'),
        ("UPDATE messages SET topic_id = x'00' WHERE id = 3", 'row 3 of its table messages'),
        ("UPDATE messages SET timestamp = 'now' WHERE id = 3", 'row 3 of its table messages'),
        ("UPDATE topics SET name = x'00' WHERE id = 1", 'row 1 of its table topics'),
        ("UPDATE topics SET type = x'00' WHERE id = 1", 'row 1 of its table topics'),
    ],
)
def test_values_of_other_types_are_refused(tmp_path, change, line, journal, capsys):
    path = bags.write(tmp_path / 'bag', bags.stream(400), 'sqlite3')
    with sqlite3.connect(storage_file(path)) as database:
        database.executescript(LOOSE)
        database.execute(change)
    if journal:
        storage_file(path).with_name('bag.db3-wal').write_bytes(b'no journal')
        (path / 'metadata.yaml').unlink()
        line = f'bag.db3: {line}'
        path = path / 'bag.db3'
    assert line in refused(path, capsys)


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


@pytest.mark.parametrize('summary', [True, False])
@pytest.mark.parametrize('cut', [True, False])
@pytest.mark.parametrize('declared', [EXPANDED, MIB])
@pytest.mark.parametrize('kind', ['zstd', 'stream', 'frames', 'lz4'])
def test_a_chunk_that_expands_beyond_the_budget_is_refused(
    tmp_path, summary, cut, declared, kind, capsys
):
    compression = kind if kind == 'lz4' else 'zstd'
    path = expanding_bag(tmp_path, bomb(kind), compression, declared, summary)
    if cut:
        path.write_bytes(path.read_bytes()[:-20])
    tracemalloc.start()
    line = refused(path, capsys)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 'or more, expected at most 268435456' in line
    assert 'record it again' in line
    assert peak < 100 * MIB


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
@pytest.mark.parametrize('alone', [True, False])
def test_a_message_that_expands_beyond_the_budget_is_refused(tmp_path, storage, alone, capsys):
    path = tmp_path / 'bag'
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
    tracemalloc.start()
    line = refused(storage_file(path) if alone else path, capsys)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert f'compressed data of {EXPANDED} bytes or more' in line
    assert peak < 100 * MIB


@pytest.mark.parametrize('tenths', [9, 10])
def test_a_message_that_is_too_large_is_refused_also_before_damage(tmp_path, monkeypatch, tenths):
    path = bags.write(tmp_path / 'bag', bags.stream(8000), 'sqlite3')
    bags.cut_short(path, tenths)
    monkeypatch.setattr(limits, 'MAX_RECORD_BYTES', 5000)
    with pytest.raises(
        BagError, match=r'a message of 7\d{3} bytes or more, expected at most 5000'
    ):
        Bag(path)


def test_a_compressed_message_that_is_damaged_ends_the_reading(tmp_path):
    path = bags.write(tmp_path / 'bag', bags.stream(400), 'sqlite3', 'message')
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
    path = bags.write(tmp_path / 'bag', bags.stream(400), 'sqlite3', 'file')
    usage = type('usage', (), {'free': 60_000})
    monkeypatch.setattr(bag_module.shutil, 'disk_usage', lambda _: usage)
    with pytest.raises(BagError, match='expands to more than half of the free space'):
        Bag(path)


def test_a_view_in_a_compressed_file_is_refused(tmp_path, capsys):
    path = bags.write(tmp_path / 'bag', bags.stream(400), 'sqlite3', 'file')
    (packed,) = path.glob('*.zstd')
    plain = tmp_path / 'plain.db3'
    plain.write_bytes(zstd.decompress(packed.read_bytes()))
    with sqlite3.connect(plain) as database:
        database.executescript(ENDLESS)
    packed.write_bytes(zstd.compress(plain.read_bytes()))
    assert 'messages is not a plain table' in refused(path, capsys)


@pytest.mark.parametrize(('code', 'length'), [*itertools.product((3, 4, 5), (0, 1, 5)), (5, 21)])
def test_a_record_shorter_than_its_fields_ends_the_reading(tmp_path, code, length, capsys):
    path = bags.write(tmp_path / 'bag', bags.stream(400), 'mcap')
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
    assert 'nothing can be read: bag.mcap: ' in refused(file, capsys)


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
    ('content', 'line'),
    [
        ('[' * 50_000, 'nested more than 32 levels deep'),
        ('- ' * 50_000, 'nested more than 32 levels deep'),
        ('a: ' + 'b' * MIB, 'larger than 1 MiB'),
        ('a: &a [1, 1, 1]\n' + ''.join(
            f'{chr(98 + n)}: &{chr(98 + n)} [{", ".join(["*" + chr(97 + n)] * 9)}]\n'
            for n in range(9)), 'more than 100000 values'),
        ('[' + '[], ' * 200_000, 'more than 100000 values'),
    ],
)  # fmt: skip
def test_metadata_beyond_the_budget_is_refused(tmp_path, content, line, capsys):
    path = bags.write(tmp_path / 'bag', bags.stream(400))
    (path / 'metadata.yaml').write_text(content)
    assert line in refused(path, capsys)


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
    path = bags.write(tmp_path / 'bag', bags.stream(400))
    content = (path / 'metadata.yaml').read_text()
    assert change[0] in content
    (path / 'metadata.yaml').write_text(content.replace(*change))
    bag = Bag(path)
    assert len(list(bag.messages(['/spikes']))) == 10
    assert bag.damage == damage


def test_names_of_topics_are_printed_in_one_line(tmp_path, capsys):
    path = bags.write(tmp_path / 'bag', bags.stream(400), 'sqlite3')
    with sqlite3.connect(storage_file(path)) as database:
        database.execute('UPDATE topics SET name = ?', ('/a\nb\x1b[2J' + 'x' * 5000,))
    (path / 'metadata.yaml').unlink()
    assert r'/a b\x1b[2Jxxx' in refused(path, capsys)


@pytest.mark.parametrize('name', ['metadata.yaml', 'more.mcap', 'more.db3'])
@pytest.mark.timeout(60)
def test_a_pipe_in_a_bag_is_refused_unopened(tmp_path, name, capsys):
    path = tmp_path / 'bag'
    bags.write(path, bags.stream())
    (path / name).unlink(missing_ok=True)
    os.mkfifo(path / name)
    line = refused(path, capsys)
    assert f'{name}: is a pipe, a socket or a device; expected a file' in line
