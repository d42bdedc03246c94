# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import functools
import io
import os
import sys
import tracemalloc
import zipfile
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from kit.programs import run_program
from spike_depth_ros.io import recording
from spike_depth_ros.io.recording import (
    NpyFile,
    RecordingError,
    WaitingPipe,
    open_recording,
    read_pipe,
)
from spike_depth_ros.io.vidar import RawLayout, TruncatedError
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry


def spikes(planes=11, height=5, width=13, seed=0):
    return np.random.default_rng(seed).integers(0, 2, (planes, height, width), dtype=np.uint8)


def as_dat(stream):
    """The Vidar layout, byte by byte."""
    width = stream.shape[2]
    raw = bytearray()
    for plane in stream:
        for row in plane[::-1]:
            for first in range(0, width, 8):
                raw.append(
                    sum(int(bit) << place for place, bit in enumerate(row[first : first + 8]))
                )
    return bytes(raw)


def test_a_dat_file_is_bottom_up_with_the_lowest_bit_leftmost(tmp_path):
    stream = spikes()
    path = tmp_path / 'a.dat'
    path.write_bytes(as_dat(stream))
    recording = open_recording(path, (13, 5))
    np.testing.assert_array_equal(packing.unpack(recording.planes, 13), stream)
    upside_down = open_recording(path, (13, 5), row_order='top_down')
    np.testing.assert_array_equal(packing.unpack(upside_down.planes, 13), stream[:, ::-1])
    with pytest.raises(ValueError, match='read-only'):
        recording.planes[0, 0, 0] = 1


def test_a_truncated_dat_is_read_up_to_its_last_plane_if_asked_to(tmp_path):
    path = tmp_path / 'cut.dat'
    path.write_bytes(as_dat(spikes())[:-3])
    assert len(open_recording(path, (13, 5), allow_partial=True).planes) == 10


def test_unpacked_arrays_are_packed(tmp_path):
    stream = spikes()
    np.save(tmp_path / 'a.npy', stream)
    np.savez_compressed(tmp_path / 'b.npz', spk=stream.astype(bool), name='x')
    for name in ('a.npy', 'b.npz'):
        recording = open_recording(tmp_path / name)
        assert recording.geometry == Geometry(5, 13)
        np.testing.assert_array_equal(packing.unpack(recording.planes, 13), stream)


def test_an_archive_carries_rate_camera_and_truth(tmp_path):
    stream = spikes()
    np.savez(
        tmp_path / 'a.npz',
        packed=packing.pack(stream, 'big'),
        width=13,
        bit_order='big',
        rate_hz=20_000.0,
        K=np.diag([40, 40, 1]),
        depth=np.array([np.full((5, 13), 1500), np.zeros((5, 13))], np.uint16),
        depth_planes=[2, 9],
    )
    recording = open_recording(tmp_path / 'a.npz')
    assert recording.geometry == Geometry(5, 13, 'big')
    assert recording.rate_hz == 20_000
    np.testing.assert_array_equal(recording.camera_matrix, np.diag([40, 40, 1]))
    np.testing.assert_allclose(recording.truth.nearest(5), 1.5)
    assert np.isnan(recording.truth.nearest(6)).all()


def test_true_depth_may_have_the_other_byte_order(tmp_path):
    depth = np.full((1, 3, 8), 1500, '>u2')
    np.savez(tmp_path / 'a.npz', **own(depth=depth))
    truth = open_recording(tmp_path / 'a.npz').truth
    assert truth.depth.dtype == np.float32
    np.testing.assert_allclose(truth.depth, 1.5)


def two_eyes(**changed):
    """The arrays of an archive of two eyes; None leaves one out."""
    camera = np.array([[30.0, 0, 6], [0, 30, 2], [0, 0, 1]])
    shifted = camera + np.array([[0, 0, 4.0], [0, 0, 0], [0, 0, 0]])
    given = {
        'packed': packing.pack(spikes()), 'packed_right': packing.pack(spikes(seed=1)),
        'width': 13, 'rate_hz': 20_000.0, 'K': camera, 'K_right': shifted, 'baseline_m': 0.12,
        'depth': np.full((1, 5, 13), 1.5, np.float32), 'depth_planes': [4],
    } | changed  # fmt: skip
    return {name: value for name, value in given.items() if value is not None}


def test_an_archive_of_two_eyes_is_read_as_either(tmp_path):
    np.savez(tmp_path / 'two.npz', **two_eyes())
    one = two_eyes(packed_right=None, K_right=None, baseline_m=None)
    np.savez(tmp_path / 'one.npz', **one)
    left, right, alone = (
        open_recording(tmp_path / 'two.npz'),
        open_recording(tmp_path / 'two.npz', (13, 5), eye='right'),
        open_recording(tmp_path / 'one.npz'),
    )
    for name in ('geometry', 'rate_hz'):
        assert getattr(left, name) == getattr(alone, name) == getattr(right, name)
    for name in ('planes', 'camera_matrix'):
        np.testing.assert_array_equal(getattr(left, name), getattr(alone, name))
    np.testing.assert_array_equal(left.truth.depth, alone.truth.depth)
    np.testing.assert_array_equal(packing.unpack(right.planes, 13), spikes(seed=1))
    np.testing.assert_array_equal(right.camera_matrix, two_eyes()['K_right'])
    assert right.truth is None
    assert left.baseline_m == right.baseline_m == 0.12
    assert alone.baseline_m is None


OWN = np.zeros((2, 3, 1), np.uint8)
MAPS = np.ones((1, 3, 8), np.float32)


def own(**more):
    return {'packed': OWN, 'width': 8, **more}


def npy(shape, kind='|u1'):
    """The header of an array in .npy format."""
    file = io.BytesIO()
    header = {'descr': kind, 'fortran_order': False, 'shape': shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


def zipped(path, **members):
    """An archive of members, each an array or (header, MiB of zeros).

    The table of contents gives members of 24 MiB as 3 GiB, which would take long to deflate.
    """
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, value in members.items():
            with archive.open(f'{name}.npy', 'w', force_zip64=True) as file:
                if isinstance(value, tuple):
                    file.write(value[0])
                    for _ in range(value[1]):
                        file.write(bytes(1 << 20))
                else:
                    np.save(file, value)
            if isinstance(value, tuple) and value[1] == 24:
                archive.getinfo(f'{name}.npy').file_size = 3 << 30
    return path


FEW = np.zeros((2, 3, 8), bool)


NO_PAIR = {
    'eyes without a baseline': ('baseline_m', {'baseline_m': None}),
    'eyes without cameras': ('K, K_right', {'K': None, 'K_right': None}),
    'eyes without the left one': ('packed_right', {'packed': None}),
    'baseline 0': ('baseline_m', {'baseline_m': 0}),
    'baseline nan': ('baseline_m', {'baseline_m': float('nan')}),
    'baseline below 0': ('baseline_m', {'baseline_m': -0.1}),
    'two baselines': ('baseline_m', {'baseline_m': [0.1, 0.2]}),
    'right eye of fewer planes': ('packed_right', {'packed_right': np.zeros((7, 5, 2), 'u1')}),
}
"""Arrays of two eyes, of which neither is read."""

NO_RIGHT_EYE = {
    'right eye of integers': (
        'packed_right',
        {'packed_right': packing.pack(spikes()).astype(int)},
    ),
    'right eye without its camera matrix': ('K_right', {'K_right': np.eye(2)}),
    'one eye': ('packed_right', {'packed_right': None}),
}
"""Arrays of two eyes, of which the left one is read."""

NO_STREAM = {
    'a vector': ('packed', {'a': np.zeros(3)}),
    'two streams': ('a, b', {'a': np.zeros((2, 3, 4)), 'b': np.zeros((2, 3, 4))}),
    'a stream of floats': ('float64', {'a': np.zeros((2, 3, 4))}),
    'a stream of grey levels': ('a: values', {'a': np.full((2, 3, 4), 7)}),
    'no width': ('width', {'packed': OWN}),
    'a width unlike the rows': ('packed', own(width=33)),
    'a width of two numbers': ('width', own(width=[8, 8])),
    'a width of text': ('width', own(width='wide')),
    'another bit order': ("'lsb'", own(bit_order='lsb')),
    'rate 0': ('rate_hz', own(rate_hz=0)),
    'rate nan': ('rate_hz', own(rate_hz=float('nan'))),
    'rate below 0': ('rate_hz', own(rate_hz=-20_000.0)),
    'rate inf': ('rate_hz', own(rate_hz=float('inf'))),
    'two rates': ('rate_hz', own(rate_hz=[1, 2])),
    'a rate of text': ('rate_hz', own(rate_hz='fast')),
    'K of 2x2': ('"K"', own(K=np.eye(2))),
    'K nan': ('"K"', own(K=np.full((3, 3), np.nan))),
    'K of another unit': ('"K"', own(K=np.diag([0.5, 0.8, 1]))),
    'K of text': ('"K"', own(K='K')),
    'depth without its planes': ('"depth"', own(depth=np.zeros((2, 3, 8)))),
    'depth of text': ('"depth"', own(depth=MAPS.astype(str))),
    **{
        f'depth of {kind}': ('"depth"', own(depth=MAPS.astype(kind)))
        for kind in ('int16', 'int32', 'uint8', 'uint32')
    },
    'one plane of depth': ('depth_planes', own(depth=MAPS, depth_planes=0)),
    'planes of depth of floats': ('depth_planes', own(depth=MAPS, depth_planes=[0.5])),
    'no planes of depth': ('depth_planes', own(depth=MAPS[:0], depth_planes=np.zeros(0, int))),
    **{
        f'planes of depth {planes}': (
            'depth_planes',
            own(depth=MAPS[[0] * len(planes)], depth_planes=planes),
        )
        for planes in ([-1], [2], [np.iinfo(np.int64).min], [1, 0], [1, 1])
    },
    'planes of objects': ('"packed"', {'packed': np.array([None])}),
}

TOO_MUCH = {
    'planes of 3 GB': ('3221', {'packed': (npy((3 << 10, 1 << 10, 1 << 10)), 24), 'width': 8}),
    'a stream of 3 GB': ('3221', {'spk': (npy((3 << 10, 1 << 10, 1 << 10)), 24)}),
    'another file of 3 GB': ('3221', {'spk': FEW, 'other': (b'no array', 24)}),
    'planes that declare 1 TB': (
        '"packed"',
        {'packed': (npy((1 << 20, 1 << 10, 1 << 10)), 1), 'width': 8},
    ),
    'a stream that declares 1 TB': ('"spk"', {'spk': (npy((1 << 20, 1 << 10, 1 << 10)), 1)}),
    'another array that declares 1 TB': ('"x"', {'spk': FEW, 'x': (npy((1 << 40,)), 1)}),
    'depth that declares 96 GB': ('"depth"', own(depth=(npy((1 << 30, 3, 8), '<f4'), 1))),
    'K that declares 4 GB': ('"K"', own(K=(npy((), '<U1000000000'), 0))),
}
"""Archives that are refused before they are read."""


LIBRARIES = {
    r'format \((No data left|EOF)[^)]*\)': 'format (REASON)',
    r'has \d{3}\)': 'has N)',  # bytes of a pickled object
    r'declares (-294967296|4000000000) ': 'declares N ',  # numpy counts them in 32 bits, or 64
}


def of_little_memory(path):
    """Open a recording, which takes little memory."""
    tracemalloc.start()
    try:
        open_recording(path)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 10 << 20


def test_what_is_no_recording_is_refused(tmp_path, refusals):
    rows, opened = {}, functools.partial(functools.partial, open_recording)

    def new(name):
        (tmp_path / str(len(rows))).mkdir()
        return tmp_path / str(len(rows)) / name

    def saved(arrays):
        np.savez(new('a.npz'), **arrays)
        return tmp_path / str(len(rows)) / 'a.npz'

    def raw(name, named, content, *given, **options):
        path = new('a.dat')
        path.write_bytes(content)
        rows[name] = named, opened(path, *given, **options)

    np.save(tmp_path / 'a.npy', spikes())
    np.savez(tmp_path / 'a.npz', **own())
    for name in ('a.npz', 'a.npy', 'a.dat'):
        rows[f'no {name}'] = name, opened(tmp_path / 'none' / name)
        path = new(name)
        path.write_bytes(b'')
        rows[f'empty {name}'] = name, opened(path, (13, 5))
    for name in ('a.npy', 'a.npz'):
        for given in ({'bit_order': 'little'}, {'row_order': 'top_down'}, {'allow_partial': True}):
            option = f'--{next(iter(given))}'.replace('_', '-')
            rows[f'{option} of {name}'] = option, opened(tmp_path / name, **given)
    rows['another size'] = 'a.npy', opened(tmp_path / 'a.npy', (400, 250))
    for wrong, stored in (('a.npz', 'a.npy'), ('a.npy', 'a.npz')):
        path = new(wrong)
        path.write_bytes((tmp_path / stored).read_bytes())
        rows[f'{stored} as {wrong}'] = wrong, opened(path)

    dat, size = as_dat(spikes()), (13, 5)
    raw('a part of a plane', '--allow-partial', dat[:-3], size)
    raw('less than a plane', '12500', dat[:-3], (400, 250))
    raw('no size', '--size 400x250', bytes(100))
    office = resources.files('spike_depth_ros') / 'assets' / 'office.npz'
    vidar = np.ascontiguousarray(open_recording(office).planes[:20, ::-1]).tobytes()
    raw('no size, which its bytes show', '400x250', vidar)
    raw('a size unlike its bytes', '--size 400x250', vidar, (500, 200))
    raw('no size, noise', '--size 400x250', np.random.default_rng(0).bytes(100_000))
    os.mkfifo(tmp_path / 'pipe.dat')
    for given in (None, (400, 250)):
        rows[f'a pipe of size {given}'] = 'pipe.dat', opened(tmp_path / 'pipe.dat', given)
    rows['a device'] = '/dev/zero', opened(Path('/dev/zero'), (400, 250))

    for name, (named, arrays) in NO_STREAM.items():
        rows[name] = named, opened(saved(arrays))
    for name, (named, members) in TOO_MUCH.items():
        path = zipped(new('a.npz'), **members)
        rows[name] = named, functools.partial(of_little_memory, path)
    for name, (named, changes) in NO_PAIR.items():
        path = saved(two_eyes(**changes))
        rows[name] = named, opened(path)
        rows[f'{name}, right'] = named, opened(path, eye='right')
    for name, (named, changes) in NO_RIGHT_EYE.items():
        path = saved(two_eyes(**changes))
        assert len(open_recording(path).planes) == 11
        rows[name] = named, opened(path, eye='right')
    raw('right eye of a.dat', 'a.dat', dat, size, eye='right')
    rows['right eye of a.npy'] = 'a.npy', opened(tmp_path / 'a.npy', size, eye='right')
    rows['another eye'] = "'up'", opened(tmp_path / 'a.npy', eye='up')
    refusals('recording', rows, RecordingError, LIBRARIES)


def test_each_array_of_another_type_is_named(tmp_path, monkeypatch):
    arrays = two_eyes(bit_order='little', relative_depth=np.ones((1, 5, 13), np.float32))
    read, whole = set(), recording._array
    monkeypatch.setattr(recording, '_array', lambda *args: read.add(args[1]) or whole(*args))
    for eye in ('left', 'right'):
        read.clear()
        np.savez(tmp_path / 'a.npz', **arrays)
        open_recording(tmp_path / 'a.npz', eye=eye)
        assert {'width', 'rate_hz', 'bit_order'} < read <= {*arrays}
        for name in read.copy():
            np.savez(tmp_path / 'a.npz', **arrays | {name: np.array(['x', 'y'])})
            with pytest.raises(RecordingError, match=r'a\.npz') as caught:
                open_recording(tmp_path / 'a.npz', eye=eye)
            assert name.replace('_', ' ') in str(caught.value).replace('_', ' ')


def test_unpacked_planes_are_packed_in_little_more_memory_than_they_take(tmp_path):
    stream = np.zeros((100, 1 << 10, 1 << 10), bool)
    stream[::7, ::3, ::5] = True
    path = tmp_path / 'a.npz'
    np.savez(path, spk=stream)
    tracemalloc.start()
    recording = open_recording(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(recording.planes, packing.pack(stream))
    assert peak < 1.4 * stream.nbytes


def test_arrays_in_either_order_are_read(tmp_path):
    stream = spikes()
    for name, order in (('c', 'C'), ('f', 'F')):
        np.save(tmp_path / f'{name}.npy', np.array(stream, order=order))
        recording = open_recording(tmp_path / f'{name}.npy')
        np.testing.assert_array_equal(recording.planes, packing.pack(stream))


def one_line_or_read(path):
    """Whether the recording was refused, which takes one line."""
    try:
        open_recording(path)
    except RecordingError as error:
        lines = str(error).splitlines()
    else:
        return False
    assert len(lines) == 1
    return True


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
def test_flipped_bytes_give_a_recording_or_one_line(tmp_path, save):
    random = np.random.default_rng(0)
    path = tmp_path / 'a.npz'
    save(path, **own(packed=random.integers(0, 256, (9, 3, 1), np.uint8), rate_hz=20_000.0))
    whole = path.read_bytes()
    refused = 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= int(random.integers(1, 256))
        path.write_bytes(damaged)
        refused += one_line_or_read(path)
    assert refused > len(whole) / 4


def test_flipped_bytes_of_an_array_give_a_recording_or_one_line(tmp_path):
    path = tmp_path / 'a.npy'
    np.save(path, spikes())
    whole = path.read_bytes()
    for place in range(140):  # its header
        for flip in (1, 32, 128, 255):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
            one_line_or_read(path)


class Trickle(io.RawIOBase):
    """A pipe that hands out a few bytes at a time."""

    def __init__(self, data):
        self._data = data

    def read(self, size=-1):
        piece, self._data = self._data[: min(size, 7)], self._data[min(size, 7) :]
        return piece


def test_a_pipe_is_cut_into_blocks_of_whole_planes():
    stream = spikes()
    blocks = list(read_pipe(Trickle(as_dat(stream)), RawLayout(Geometry(5, 13)), planes=4))
    assert [len(b) for b in blocks] == [4, 4, 3]
    np.testing.assert_array_equal(packing.unpack(np.concatenate(blocks), 13), stream)


def test_a_pipe_that_ends_within_a_plane_gives_the_whole_planes_first():
    blocks = read_pipe(io.BytesIO(as_dat(spikes())[:-3]), RawLayout(Geometry(5, 13)), planes=4)
    assert [len(next(blocks)) for _ in range(3)] == [4, 4, 2]
    with pytest.raises(TruncatedError, match='7 of 10 bytes'):
        next(blocks)


def test_a_silent_pipe_ends_when_asked_to(tmp_path):
    path = tmp_path / 'pipe'
    os.mkfifo(path)
    pipe = WaitingPipe(path, wait_s=0.01)  # does not wait for a writer
    assert not pipe.ready()
    data = as_dat(spikes())
    with path.open('wb', buffering=0) as writer:
        writer.write(data[:45])
        asked = iter([True, True, False])
        blocks = list(
            read_pipe(pipe, RawLayout(Geometry(5, 13)), 4, keep_going=lambda: next(asked))
        )
        assert [len(b) for b in blocks] == [4]
        assert next(asked, None) is None
        assert pipe.read(10) is None
    assert pipe.read(10) == b''


def test_the_real_vidar_recording(real_data):
    path = real_data / 'spikes' / 'vidar_car_400x250.dat'
    recording = open_recording(path, (400, 250))
    assert recording.planes.shape == (200, 250, 50)
    decoded = np.unpackbits(np.fromfile(path, np.uint8), bitorder='little')
    expected = decoded.reshape(-1, 250, 400)[:, ::-1]
    np.testing.assert_array_equal(packing.unpack(recording.planes, 400), expected)
    # Whole, upper half, left half, first half.
    parts = [expected, expected[:, :125], expected[:, :, :200], expected[:100]]
    assert [int(part.sum()) for part in parts] == [7324316, 2755063, 4127519, 3630638]


def test_the_real_unpacked_recording(real_data):
    recording = open_recording(real_data / 'spikes' / 'uhsr.npz')
    assert recording.planes.shape == (200, 250, 32)
    assert packing.unpack(recording.planes, 250).mean() == pytest.approx(0.031, abs=0.0005)


def test_an_array_that_is_cut_while_it_is_read_is_one_line(tmp_path):
    path = tmp_path / 'long.npy'
    np.save(path, np.zeros((64, 1024, 1024), bool))  # in blocks of 16 planes
    code = (
        'import os, sys\n'
        'from spike_depth_ros.stream import packing\n'
        'from spike_depth_ros.io import recording\n'
        'def cut(block, pack=packing.pack):\n'
        '    os.truncate(sys.argv[1], 4_000_000)\n'
        '    return pack(block)\n'
        'packing.pack = cut\n'
        'try:\n'
        '    recording.open_recording(recording.Path(sys.argv[1]))\n'
        'except recording.RecordingError as error:\n'
        '    sys.exit(str(error))\n'
    )
    done = run_program(sys.executable, '-c', code, path)
    assert done.returncode == 1, done.returncode  # not by a signal
    assert done.stderr == (
        f'{path}: was cut while it was read: 4000000 bytes are left: copy or record it again\n'
    )


def test_an_array_that_was_cut_after_its_header_was_read_is_one_line(tmp_path):
    for order in ('C', 'F'):
        path = tmp_path / 'a.npy'
        np.save(path, np.array(spikes(), order=order))
        array = NpyFile(path)
        np.testing.assert_array_equal(array.read(2, 99), spikes()[2:])
        os.truncate(path, 300)
        with pytest.raises(TruncatedError, match=r'a\.npy: was cut while it was read: 300 bytes'):
            array.read(2, 99)


def test_a_raw_file_that_is_cut_while_it_is_read_is_one_line(tmp_path):
    path = tmp_path / 'a.dat'
    planes = np.arange(10 * 4 * 2, dtype=np.uint8).reshape(10, 4, 2)
    path.write_bytes(planes.tobytes())
    recording = open_recording(path, (16, 4))
    np.testing.assert_array_equal(recording.read(7, 99), planes[7:, ::-1])
    os.truncate(path, 3 * 8 + 5)
    np.testing.assert_array_equal(recording.read(0, 3), planes[:3, ::-1])
    words = r'a\.dat: was cut while it was read: 3 planes are left, expected 6 or more'
    with pytest.raises(TruncatedError, match=words):
        recording.read(2, 6)


def test_true_depth_is_expanded_once(tmp_path):
    stored = np.full((100, 100, 160), 1500, np.uint16)  # 3.2 MB, 6.4 MB as floats
    packed = np.zeros((100, 100, 20), np.uint8)
    planes = np.arange(100)
    arrays = {'packed': packed, 'width': 160, 'depth': stored, 'depth_planes': planes}
    np.savez_compressed(tmp_path / 'a.npz', **arrays)
    tracemalloc.start()
    found = open_recording(tmp_path / 'a.npz')
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.truth.depth == np.float32(1500) * np.float32(0.001)).all()
    # Stored, as floats, and what one map and zipfile need.
    assert peak < (1 + 2 + 1) * stored.nbytes
