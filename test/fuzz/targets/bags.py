# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags: MCAP and SQLite files with and without metadata.yaml, read, replayed and played."""

import functools
import itertools
import sqlite3
import struct
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import mutations
import yaml
from backports import zstd
from judging import ContractError, Target, check_text

from kit import bags
from spike_depth_ros.base import cli
from spike_depth_ros.evaluation.lockstep import Replay, TruthTopic
from spike_depth_ros.io.bags.bag import CAMERA_INFO, IMAGE, Bag, BagError, decode
from spike_depth_ros.nodes.parts import process
from spike_depth_ros.nodes.parts.player_source import open_source
from spike_depth_ros.nodes.player import PlayerOptions

MOST_MESSAGES = 1000
COMPRESSIONS = (None, 'message', 'file', 'storage')


@functools.cache
def _written(storage: str, compression: str | None) -> dict[str, bytes]:
    """The files of a small recording."""
    with tempfile.TemporaryDirectory() as scratch:
        if storage == 'sqlite3' and compression == 'storage':
            compression = None
        messages = bags.stream(48, 8, truths=(4, 30))
        path = bags.write(Path(scratch) / 'bag', messages, storage, compression)
        return {file.name: file.read_bytes() for file in sorted(path.iterdir())}


def _make(random: Random, storage: str) -> dict[str, Any]:
    files = dict(_written(storage, random.choice(COMPRESSIONS)))
    (name,) = files.keys() - {'metadata.yaml'}
    changed = False
    if random.random() < 0.3:
        files['metadata.yaml'] = _metadata(random, files['metadata.yaml'])
        changed = True
    if random.random() < 0.3:
        del files['metadata.yaml']
    if random.random() < 0.8 or not changed:
        change = _change_records if name.endswith('.mcap') else _change_database
        if name.endswith('.zstd') and random.random() < 0.5:
            # Of what is in it; else the packed bytes are changed.
            suffix = Path(name.removesuffix('.zstd')).suffix
            change = _change_records if suffix == '.mcap' else _change_database
            files[name] = zstd.compress(change(random, zstd.decompress(files[name])))
        elif name.endswith('.zstd') or random.random() < 0.5:
            files[name] = mutations.corrupt(random, files[name])
        else:
            files[name] = change(random, files[name])
    if random.random() < 0.03:
        files[f'{name}-wal'] = random.randbytes(random.choice((0, 40, 5000)))
    if random.random() < 0.03:
        files[random.choice(('bag_1.mcap', 'bag_1.db3', 'x.zstd'))] = files[name][:500]
    if random.random() < 0.05:
        wrong = {'.mcap': '.db3', '.db3': '.mcap'}.get(Path(name).suffix, '.mcap')
        files[str(Path(name).with_suffix(wrong))] = files.pop(name)
    return {**files, 'alone': random.random() < 0.2}


def _metadata(random: Random, data: bytes) -> bytes:
    if random.random() < 0.5:
        return mutations.corrupt(random, data)
    tree = mutations.mutate_tree(random, yaml.safe_load(data))
    return yaml.dump(tree).encode(errors='surrogatepass')


def _change_records(random: Random, data: bytes) -> bytes:
    """Change the records of an MCAP file: lengths, kinds, fields and their order."""
    place, records = 8, []
    while place + 9 <= len(data) - 8:
        code, length = struct.unpack_from('<BQ', data, place)
        records.append([code, length, data[place + 9 : place + 9 + length]])
        place += 9 + length
    for _ in range(random.choice((1, 1, 2))):
        number = random.randrange(len(records))
        record = records[number]
        kind = random.randrange(7)
        if kind == 0:
            record[0] = random.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 255))
        elif kind == 1:
            record[1] = random.choice((*mutations.INTEGERS, record[1] - 1)) % (1 << 64)
        elif kind == 2:
            records.insert(random.randrange(len(records)), list(record))
        elif kind == 3 and len(records) > 1:
            del records[number]
        elif kind == 4:
            record[2] = mutations.corrupt(random, record[2][:64]) + record[2][64:]
            record[1] = len(record[2])
        elif kind == 5:
            # The strings, with their lengths.
            new = random.choice(mutations.TEXTS)[:100].encode(errors='replace')
            old = random.choice((b'/spikes', b'/camera_info', IMAGE.encode(), b'cdr', b'ros2msg'))
            record[2] = record[2].replace(old, new, 1)
            record[1] = len(record[2])
        else:
            record[2] = mutations.corrupt(random, record[2])
            record[1] = len(record[2])
    body = b''.join(struct.pack('<BQ', code, size) + rest for code, size, rest in records)
    return data[:8] + body + data[-8:]


def _change_database(random: Random, data: bytes) -> bytes:
    """Change rows and tables of an SQLite file by its own means."""
    value = random.choice(
        (None, -1, 0, 2**63 - 1, -(2**63), 1.5, b'', b'\0' * 5, random.randbytes(300), '',
         'x' * 900, '/a\nb', 'sensor_msgs/msg/Image', b'\x28\xb5\x2f\xfd\x00')
    )  # fmt: skip
    column = random.choice(
        ('messages.data', 'messages.data', 'messages.timestamp', 'messages.topic_id',
         'messages.id', 'topics.name', 'topics.type', 'topics.serialization_format', 'topics.id',
         'topics.offered_qos_profiles', 'schema.schema_version', 'metadata.metadata',
         'topics.type_description_hash', 'message_definitions.encoded_message_definition')
    )  # fmt: skip
    table, name = column.split('.')
    row = random.randint(1, 9)
    statements = (
        (f'UPDATE {table} SET {name} = ? WHERE rowid = {row}', (value,)),
        (f'UPDATE {table} SET {name} = ?', (value,)),
        (f'DELETE FROM {table} WHERE rowid = {row}', ()),
        (f'DROP TABLE {table}', ()),
        (f'ALTER TABLE {table} RENAME COLUMN {name} TO other', ()),
        (f'CREATE TABLE IF NOT EXISTS more AS SELECT * FROM {table}', ()),
        (f'INSERT INTO {table} SELECT * FROM {table}', ()),
    )
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / 'bag.db3'
        path.write_bytes(data)
        database = sqlite3.connect(path)
        try:
            statement, values = random.choice(statements)
            database.execute(statement, values)
            database.commit()
        except sqlite3.Error:
            pass  # it is not possible with this column: the file is as it was
        finally:
            database.close()
        data = path.read_bytes()
    return mutations.corrupt(random, data) if random.random() < 0.2 else data


def use(case: dict[str, Any], folder: Path) -> None:
    """Read every message, replay the windows, and play the packets."""
    path = folder / 'bag'
    path.mkdir()
    for name, data in case.items():
        if name != 'alone':
            (path / name).write_bytes(data)
    if case['alone']:
        path = next((file for file in path.iterdir() if file.suffix in ('.mcap', '.db3')), path)
    bag = Bag(path)
    try:
        check_text(bag.known.describe(), 1)
        for message in itertools.islice(bag.messages(list(bag.topics)), MOST_MESSAGES):
            kind = bag.topics[message.topic].kind
            if kind in (IMAGE, CAMERA_INFO):
                try:
                    decode(message.data, kind)
                except BagError as error:
                    check_text(str(error))
        _replay(bag)
        options = cli.options(PlayerOptions, 'spike_player', [str(path)])
        source = open_source(options, lambda: True)
        for _ in itertools.islice(source.items, MOST_MESSAGES):
            pass
        bag.damage += source.damage
    finally:
        for line in bag.damage:
            check_text(line.replace(str(folder), ''))


def _replay(bag: Bag) -> None:
    topics = bag.known.camera()
    replay = Replay(bag, topics, window=8)
    truth = TruthTopic(bag, topics.truth, 200_000)
    for taken in itertools.islice(replay.windows(), MOST_MESSAGES):
        truth.take(taken.window.reference_ns)
    for _, line in replay.warnings.values():
        check_text(line)
    if replay.accounting.check() != (0, 0):
        raise ContractError(f'the accounting is wrong: {replay.accounting}')


def make_mcap(random: Random) -> dict[str, Any]:
    """A recording in an MCAP file, changed."""
    return _make(random, 'mcap')


def make_sqlite(random: Random) -> dict[str, Any]:
    """A recording in an SQLite file, changed."""
    return _make(random, 'sqlite3')


def prepare() -> None:
    """Write the recordings."""
    for storage, compression in itertools.product(('mcap', 'sqlite3'), COMPRESSIONS):
        _written(storage, compression)


REFUSALS = (BagError, process.UserError)
MCAP = Target(make_mcap, use, REFUSALS, prepare=prepare)
SQLITE = Target(make_sqlite, use, REFUSALS, prepare=prepare)
