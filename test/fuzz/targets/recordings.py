# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings in files: raw planes and archives of numpy, opened and played as ``spike_player``."""

import io
import itertools
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import mutations
import numpy as np
from judging import ContractError, Target

from spike_depth_ros.base import cli
from spike_depth_ros.io.recording import RecordingError, read_pipe
from spike_depth_ros.io.vidar import RawLayout, TruncatedError
from spike_depth_ros.nodes.parts import process
from spike_depth_ros.nodes.parts.player_packets import Packet
from spike_depth_ros.nodes.parts.player_source import open_source
from spike_depth_ros.nodes.player import PlayerOptions
from spike_depth_ros.stream.chunk import Geometry

WIDTH, HEIGHT, PLANES = 13, 5, 24
ROW_BYTES = 2
MOST_PACKETS = 40
KINDS = ('u1', 'i8', 'u2', '<f4', '>f8', '?', 'O', 'U3', 'c16', 'M8[s]', 'V4', 'f2', 'S0')


def make_dat(random: Random) -> dict[str, Any]:
    """A raw file, and options of the player for it."""
    data = bytes(PLANES * HEIGHT * ROW_BYTES)
    if random.random() < 0.8:
        data = mutations.corrupt(random, data)
    size = random.choice(((WIDTH, HEIGHT), (WIDTH, HEIGHT), (1, 1), (16384, 16384), (10**9, 1)))
    options = ['--size', f'{size[0]}x{size[1]}', '--rate', random.choice(('20000', '1e-6', '1e6'))]
    options += random.choice(([], ['--allow-partial'], ['--planes', '7'], ['--loop']))
    options += random.choice(([], ['--bit-order', 'big', '--row-order', 'top_down']))
    return {'input.dat': data, 'options': options}


def make_npz(random: Random) -> dict[str, Any]:
    """An archive of arrays, or one array, with changes from its values to its bytes."""
    if random.random() < 0.15:
        data = io.BytesIO()
        np.save(data, np.zeros((PLANES, HEIGHT, WIDTH), bool))
        return {'input.npy': _corrupt_array(random, data.getvalue()), 'options': []}
    arrays: dict[str, Any] = {
        'packed': np.zeros((PLANES, HEIGHT, ROW_BYTES), np.uint8),
        'width': np.array(WIDTH),
        'bit_order': np.array('little'),
        'rate_hz': np.array(20_000.0),
        'K': np.diag((40.0, 40.0, 1.0)),
        'depth': np.ones((2, HEIGHT, WIDTH), np.float32),
        'depth_planes': np.array([3, 12]),
    }
    if random.random() < 0.5:
        for _ in range(random.choice((1, 1, 2))):
            _change_array(random, arrays)
    files = {}
    for name, array in arrays.items():
        content = io.BytesIO()
        np.save(content, array, allow_pickle=True)
        files[f'{name}.npy'] = content.getvalue()
    if files and random.random() < 0.4:
        name = random.choice(list(files))
        files[name] = _corrupt_array(random, files[name])
    data = io.BytesIO()
    packing = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(data, 'w', packing) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
            if random.random() < 0.01:
                archive.writestr(name, content)  # twice
    whole = data.getvalue()
    if random.random() < 0.4:
        whole = mutations.corrupt(random, whole)
    options = random.choice(([], [], ['--size', '13x5'], ['--rate', '100'], ['--loop']))
    return {'input.npz': whole, 'options': options}


def _change_array(random: Random, arrays: dict[str, Any]) -> None:
    name = random.choice(list(arrays))
    kind = random.randrange(6)
    if kind == 0:
        del arrays[name]
        arrays['other'] = np.zeros(random.choice(((3, 4, 5), (2,), ())), random.choice(KINDS))
    elif kind == 1:
        shape = random.choice(((), (0,), (1,), (3, 3), (2, HEIGHT, WIDTH), (0, HEIGHT, ROW_BYTES)))
        arrays[name] = np.zeros(shape, random.choice(KINDS))
    elif kind == 2:
        value = mutations.value(random)
        arrays[name] = np.empty((), object)
        arrays[name][()] = value
    elif kind == 3:
        arrays[name] = np.array(random.choice((*mutations.FLOATS, *mutations.INTEGERS[:20])))
    elif kind == 4 and arrays[name].dtype.kind in 'iuf':
        arrays[name] = arrays[name].astype(random.choice(('i2', '>f4', 'U8', 'u8')), order='F')
    else:
        arrays[name] = arrays[name][..., None]


def _corrupt_array(random: Random, data: bytes) -> bytes:
    """Change a .npy file, most often the text of its header."""
    texts = (
        (b'True', b'False'), (b'(', b'(99999999999, '), (b'|u1', b'|O'), (b'|u1', b'<f8'),
        (b'descr', b'dexcr'), (b"'", b'"'), (b'\x01\x00', b'\x03\x00'), (b', ', b', -1, '),
        (b'(', b'((((((((('), (b'{', b'[' * 500), (b'24', b'2' * 500),
    )  # fmt: skip
    if random.random() < 0.6:
        return data.replace(*random.choice(texts), random.choice((1, 9)))
    return mutations.corrupt(random, data)


def use(case: dict[str, Any], folder: Path) -> None:
    """Open a file and play it, without a node."""
    (name,) = case.keys() - {'options'}
    path = folder / name
    path.write_bytes(case[name])
    try:
        options = PlayerOptions(**cli.parse(PlayerOptions, [str(path), *case['options']]))
    except cli.OptionsError as error:
        raise process.UserError(str(error)) from error
    source = open_source(options, lambda: True)
    height, row_bytes = source.geometry.height, source.geometry.row_bytes
    last_ns = 0
    for item in itertools.islice(source.items, MOST_PACKETS):
        assert isinstance(item, Packet)
        if item.data.shape[1:] != (height, row_bytes) or not len(item.data):
            raise ContractError(f'a packet of {item.data.shape}')
        if not last_ns <= item.start_ns <= item.end_ns:
            raise ContractError(f'times {last_ns}, {item.start_ns}, {item.end_ns}')
        last_ns = item.end_ns
        item.data.sum()
    if path.suffix == '.dat':
        _use_pipe(case[name], options)


def _use_pipe(data: bytes, options: Any) -> None:
    width, height = options.size
    planes = 0
    try:
        for block in read_pipe(io.BytesIO(data), RawLayout(Geometry(height, width)), 7):
            planes += len(block)
    except TruncatedError as error:
        raise RecordingError(str(error)) from error
    if planes * Geometry(height, width).plane_bytes != len(data):
        raise ContractError(f'{planes} planes came through a pipe')


REFUSALS = (RecordingError, process.UserError)
DAT = Target(make_dat, use, REFUSALS)
NPZ = Target(make_npz, use, REFUSALS)
