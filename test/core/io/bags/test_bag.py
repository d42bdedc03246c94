# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags of every kind, whole and damaged."""

import contextlib
import functools
import os
import shutil
import sqlite3
import tracemalloc

import numpy as np
import pytest

from kit import bags
from spike_depth_ros.io.bags import ordering
from spike_depth_ros.io.bags.bag import IMAGE, Bag, BagError, decode
from spike_depth_ros.stream.decode import stamp_ns

KINDS = [
    ('sqlite3', None),
    ('sqlite3', 'message'),
    ('sqlite3', 'file'),
    ('mcap', None),
    ('mcap', 'storage'),
    ('mcap', 'message'),
    ('mcap', 'file'),
]


def long_stream():
    """Packets of 24 kB for two seconds."""
    rows = np.random.default_rng(0).integers(0, 256, (32, 750), np.uint8)
    for number in range(1000):
        at = bags.START + number * 2_000_000
        yield '/spikes', at, bags.image(at, rows, '8UC1')


def peak_of(bag):
    """Largest memory while the packets of a bag are read in order, bytes; stamps of these."""
    tracemalloc.start()
    stamps = [stamp_ns(decode(one.data, IMAGE).header.stamp) for one in bag.in_order(['/spikes'])]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, stamps


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_packets_in_order_do_not_wait_in_memory(tmp_path, storage):
    bag = Bag(bags.write(tmp_path / 'bag', long_stream(), storage))
    peak, stamps = peak_of(bag)
    assert stamps == [bags.START + number * 2_000_000 for number in range(1000)]
    assert peak < 6e6  # a second of packets has 12 MB; a chunk of MCAP one, twice


def test_compressed_packets_wait_within_the_bound(tmp_path, monkeypatch):
    bag = Bag(bags.write(tmp_path / 'bag', long_stream(), 'mcap', 'storage'))
    monkeypatch.setattr(ordering, 'SORT_BYTES', 3_000_000)
    peak, stamps = peak_of(bag)
    assert stamps == [bags.START + number * 2_000_000 for number in range(1000)]
    assert 3e6 < peak < 9e6


def packets(path, topic='/spikes'):
    bag = Bag(path)
    return bag, [decode(m.data, IMAGE) for m in bag.messages([topic])]


def sent(messages, topic='/spikes'):
    return [message for name, _, message in messages if name == topic]


def same(one, other):
    return one.header == other.header and np.array_equal(one.data, other.data)


@pytest.mark.parametrize(('storage', 'compression'), KINDS)
def test_every_storage_gives_the_messages_that_were_written(tmp_path, storage, compression):
    messages = bags.stream(400, truths=[100])
    path = bags.write(tmp_path / 'bag', messages, storage, compression)
    bag, read = packets(path)
    assert len(read) == 10
    assert all(map(same, read, sent(messages)))
    assert not bag.damage
    assert {name: topic.messages for name, topic in bag.topics.items()} == {
        '/camera_info': 1,
        '/depth/truth': 1,
        '/spikes': 10,
    }


@pytest.mark.parametrize(('storage', 'compression'), KINDS)
def test_two_readers_of_one_bag_do_not_disturb_each_other(tmp_path, storage, compression):
    messages = bags.stream(400, truths=[0, 100, 200, 300])
    bag = Bag(bags.write(tmp_path / 'bag', messages, storage, compression))
    spikes, truths = bag.messages(['/spikes']), bag.messages(['/depth/truth'])
    mixed = [(next(spikes), next(spikes), next(truths)) for _ in range(4)]
    assert all(
        same(decode(pair[k].data, IMAGE), sent(messages)[2 * n + k])
        for n, pair in enumerate(mixed)
        for k in (0, 1)
    )
    assert [same(decode(t.data, IMAGE), m) for (*_, t), m in zip(
        mixed, sent(messages, '/depth/truth'), strict=True
    )] == [True] * 4  # fmt: skip


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_a_storage_file_alone_is_read_even_if_its_messages_are_compressed(tmp_path, storage):
    messages = bags.stream(400)
    path = bags.write(tmp_path / 'bag', messages, storage, 'message')
    file = bags.storage_file(path)
    _, read = packets(file)
    assert all(map(same, read, sent(messages)))
    assert len(read) == 10


@pytest.mark.parametrize(
    ('storage', 'compression', 'count'),
    [
        ('sqlite3', None, range(174, 181)),
        # rosbags writes chunks of a megabyte: the cut lies within the second of two.
        ('mcap', None, range(130, 140)),
        ('mcap', 'storage', range(130, 140)),
    ],
)
@pytest.mark.parametrize('metadata', [True, False])
def test_a_bag_that_was_cut_short_is_read_up_to_the_cut(
    tmp_path, storage, compression, count, metadata
):
    messages = bags.stream(8000)
    path = bags.write(tmp_path / 'bag', messages, storage, compression)
    if not metadata:
        (path / 'metadata.yaml').unlink()
    file = bags.cut_short(path, 9)
    bag, read = packets(path)
    assert len(read) in count
    assert all(map(same, read, sent(messages)))
    missing = 'metadata.yaml is missing: the recorder did not end properly'
    lost = f'/spikes: {200 - len(read)} of 200 messages are lost'
    (damage,) = set(bag.damage) - {missing, lost}
    assert (missing in bag.damage, lost in bag.damage) == (not metadata, metadata)
    # One camera_info lies before the packets; of 40 planes each.
    span = len(read) * 40 * bags.PERIOD / 1e9
    remedy = {
        'mcap': 'mcap recover bag.mcap -o recovered.mcap',
        'sqlite3': 'sqlite3 bag.db3 .recover | sqlite3 recovered.db3',
    }[storage]
    expected = f'{len(read) + 1} messages of {span:.3f} s can be read; to recover more: {remedy}'
    assert damage.startswith(f'{file.name}: ')
    assert damage.endswith(f'; {expected}')


def many_packets(count):
    """Packets that lie within a page of SQLite's, and such that need several, in turn."""
    blocks = [bags.moving_bars(planes) for planes in (8, 40, 8, 43)]
    for number in range(count):
        stamp = bags.START + number * 1_000_000
        yield '/spikes', stamp, bags.packet(stamp, blocks[number % 4])


@pytest.mark.parametrize('tenths', [2, 9])
def test_an_sqlite_file_is_read_up_to_the_first_page_that_is_missing(tmp_path, tenths):
    messages = list(many_packets(1400))
    path = bags.write(tmp_path / 'bag', messages, 'sqlite3')
    bags.cut_short(path, tenths)
    if tenths == 2:
        # The pages that lead to the rows, some hundred messages apart, are behind the cut.
        with pytest.raises(BagError, match=r'0 messages .* sqlite3 bag\.db3 \.recover') as caught:
            Bag(path)
        assert '\n' not in str(caught.value)
        return
    bag, read = packets(path)
    assert 1000 < len(read) <= 1260
    assert all(map(same, read, sent(messages)))
    assert f'/spikes: {1400 - len(read)} of 1400 messages are lost' in bag.damage


def test_a_message_that_lost_a_page_ends_the_reading(tmp_path):
    messages = list(many_packets(40))
    path = bags.write(tmp_path / 'bag', messages, 'sqlite3')
    (file,) = path.glob('*.db3')
    content = bytearray(file.read_bytes())
    with sqlite3.connect(file) as database:
        ((data,),) = database.execute('SELECT data FROM messages WHERE id = 12').fetchall()
    # Of its three pages the second, which names the third.
    page = content.index(data[3000:3100], content.index(data[:40])) // 4096 * 4096
    content[page : page + 4096] = b'\xff' * 4096
    file.write_bytes(content)
    bag, read = packets(path)
    assert len(read) == 11
    assert all(map(same, read, sent(messages)))
    assert bag.damage == [
        'bag.db3: database disk image is malformed; what follows is lost; to recover more: '
        'sqlite3 bag.db3 .recover | sqlite3 recovered.db3',
        '/spikes: 29 of 40 messages are lost',
    ]


def test_an_mcap_file_without_index_and_end_is_read_whole(tmp_path):
    messages = bags.stream(400)
    path = bags.write(tmp_path / 'bag', messages, 'mcap', 'storage')
    (file,) = path.glob('*.mcap')
    content = file.read_bytes()
    file.write_bytes(content[: content.rindex(b'\x0f\x04\x00\x00\x00\x00\x00\x00\x00')])
    bag, read = packets(file)
    assert all(map(same, read, sent(messages)))
    assert len(read) == 10
    assert 'it has no end: the recorder did not close it, or' in ' '.join(bag.damage)


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_damage_in_the_middle_ends_the_reading_and_is_told(tmp_path, storage):
    messages = bags.stream(8000)
    path = bags.write(tmp_path / 'bag', messages, storage)
    file = bags.storage_file(path)
    with file.open('r+b') as middle:
        middle.seek(file.stat().st_size * 8 // 10)
        middle.write(b'\xff' * 100_000)
    bag, read = packets(path)
    assert 50 < len(read) < 200
    assert all(map(same, read, sent(messages)))
    assert f'/spikes: {200 - len(read)} of 200 messages are lost' in ' '.join(bag.damage)


def test_messages_that_sqlite_still_keeps_in_its_journal_are_read(tmp_path):
    messages = bags.stream(400)
    path = bags.write(tmp_path / 'bag', messages, 'sqlite3')
    (file,) = path.glob('*.db3')
    with contextlib.closing(sqlite3.connect(file)) as recorder:
        recorder.execute('PRAGMA journal_mode = WAL')
        recorder.execute('PRAGMA wal_autocheckpoint = 0')
        row = recorder.execute('SELECT topic_id, timestamp, data FROM messages').fetchall()[-1]
        recorder.execute('INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)', row)
        recorder.commit()
        crashed = tmp_path / 'crashed'
        shutil.copytree(path, crashed)
    bag, read = packets(crashed)
    assert len(read) == 11
    assert 'the recorder did not end properly' in bag.damage[0]


def test_the_files_of_a_split_bag_are_read_in_their_order(tmp_path):
    messages = bags.stream(1200)
    split = tmp_path / 'split'
    split.mkdir()
    spikes = [message for message in messages if message[0] == '/spikes']
    for number, first in ((2, 0), (10, 10), (11, 20)):
        part = bags.write(tmp_path / f'p{number}', spikes[first : first + 10])
        os.replace(part / f'p{number}.mcap', split / f'split_{number}.mcap')
    bag, read = packets(split)
    assert all(map(same, read, sent(messages)))
    assert bag.topics['/spikes'].messages == len(read) == 30


def test_files_are_those_that_metadata_names_unless_one_is_missing(tmp_path):
    messages = [one for one in bags.stream(800) if one[0] == '/spikes']
    path = bags.write(tmp_path / 'bag', messages[:10])
    other = bags.write(tmp_path / 'other', messages[10:])
    (other / 'other.mcap').rename(path / 'recovered.mcap')
    bag, read = packets(path)
    assert (len(read), bag.damage) == (10, [])
    (path / 'bag.mcap').rename(path / 'a.mcap')
    bag, read = packets(path)
    assert len(read) == 20
    assert bag.damage == ['metadata.yaml names bag.mcap: not in the folder']


def test_what_is_no_bag_is_refused_in_one_line(tmp_path, refusals):
    (tmp_path / 'text.txt').write_text('no bag')
    (tmp_path / 'old.bag').write_bytes(b'#ROSBAG V2.0')
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'packed').mkdir()
    (tmp_path / 'packed/a.db3.zstd').write_bytes(b'')
    (tmp_path / 'zero.mcap').write_bytes(b'')
    names = ('nothing', 'text.txt', 'old.bag', 'empty', 'packed', 'zero.mcap')
    rows = {name: (name, functools.partial(Bag, tmp_path / name)) for name in names}
    other = b'\x00\x01\x00\x00' + b'\xff' * 20
    rows['a message of other bytes'] = IMAGE, functools.partial(decode, other, IMAGE)
    rows['a message that was cut'] = IMAGE, functools.partial(decode, other[:6], IMAGE)
    refusals('bag', rows, BagError, {r'(?<=Image) \(.*?\)(?=;|:|$)': ' (REASON)'})
