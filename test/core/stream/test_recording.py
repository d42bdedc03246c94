# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import io
import os
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest

from kit.programs import run_program
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.stream.recording import (
    NpyFile,
    RecordingError,
    WaitingPipe,
    open_recording,
    read_pipe,
)
from spike_depth_ros.stream.vidar import RawLayout, TruncatedError


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


@pytest.mark.parametrize(
    'given', [{'bit_order': 'little'}, {'row_order': 'top_down'}, {'allow_partial': True}]
)
@pytest.mark.parametrize('name', ['a.npy', 'a.npz'])
def test_options_of_raw_files_are_refused_for_others(tmp_path, name, given):
    np.save(tmp_path / 'a.npy', spikes())
    np.savez(tmp_path / 'a.npz', **own())
    option = next(iter(given)).replace('_', '-')
    with pytest.raises(RecordingError, match=f'expected a raw file with --{option}: leave it out'):
        open_recording(tmp_path / name, **given)


def test_a_truncated_dat_names_both_numbers_and_the_remedy(tmp_path):
    path = tmp_path / 'cut.dat'
    path.write_bytes(as_dat(spikes())[:-3])
    with pytest.raises(
        RecordingError,
        match=r'107 bytes are 10 planes of 10 bytes \(13x5\) and 7 .*--allow-partial',
    ):
        open_recording(path, (13, 5))
    assert len(open_recording(path, (13, 5), allow_partial=True).planes) == 10
    with pytest.raises(RecordingError, match='107 bytes are less than one plane of 12500 bytes'):
        open_recording(path, (400, 250))


def test_a_raw_recording_needs_its_size(tmp_path):
    path = tmp_path / 'a.dat'
    path.write_bytes(bytes(100))
    with pytest.raises(RecordingError, match='give it, for example --size 400x250'):
        open_recording(path)


def test_unpacked_arrays_are_packed(tmp_path):
    stream = spikes()
    np.save(tmp_path / 'a.npy', stream)
    np.savez_compressed(tmp_path / 'b.npz', spk=stream.astype(bool), name='x')
    for name in ('a.npy', 'b.npz'):
        recording = open_recording(tmp_path / name)
        assert recording.geometry == Geometry(5, 13)
        np.testing.assert_array_equal(packing.unpack(recording.planes, 13), stream)
    with pytest.raises(RecordingError, match='planes are 13x5; expected 400x250 as given'):
        open_recording(tmp_path / 'a.npy', (400, 250))


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


@pytest.mark.parametrize('eye', ['left', 'right'])
@pytest.mark.parametrize(
    ('changed', 'message'),
    [
        ({'baseline_m': None}, '"packed_right" without baseline_m; expected'),
        ({'K': None, 'K_right': None}, '"packed_right" without K, K_right; expected'),
        ({'packed': None}, '"packed_right" without packed; expected'),
        ({'baseline_m': 0}, '"baseline_m" is 0; expected metres from the left to the right eye'),
        ({'baseline_m': float('nan')}, '"baseline_m" is nan; expected metres'),
        ({'baseline_m': -0.1}, '"baseline_m" is -0.1; expected .* 0.001 to 10$'),
        ({'baseline_m': [0.1, 0.2]}, r'"baseline_m" is float64 \[2\]; expected metres'),
        (
            {'packed_right': packing.pack(spikes(planes=7))},
            r'"packed_right" is \[7, 5, 2\], expected \[11, 5, 2\], that of "packed"',
        ),
    ],
)
def test_eyes_that_are_no_pair_are_refused(tmp_path, changed, message, eye):
    np.savez(tmp_path / 'a.npz', **two_eyes(**changed))
    with pytest.raises(RecordingError, match=message) as caught:
        open_recording(tmp_path / 'a.npz', eye=eye)
    assert str(caught.value).count('a.npz') == 1
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('changed', 'message'),
    [
        ({'packed_right': packing.pack(spikes()).astype(int)}, '"packed_right" is int64'),
        ({'K_right': np.eye(2)}, r'"K_right" is float64 \[2, 2\]; expected finite numbers'),
        ({'packed_right': None}, 'expected two eyes, "packed" and "packed_right"'),
    ],
)
def test_a_damaged_right_eye_is_refused_where_it_is_read(tmp_path, changed, message):
    np.savez(tmp_path / 'a.npz', **two_eyes(**changed))
    assert len(open_recording(tmp_path / 'a.npz').planes) == 11
    with pytest.raises(RecordingError, match=message):
        open_recording(tmp_path / 'a.npz', eye='right')


def test_a_right_eye_is_looked_for_in_archives_alone(tmp_path):
    np.save(tmp_path / 'a.npy', spikes())
    (tmp_path / 'a.dat').write_bytes(as_dat(spikes()))
    for name in ('a.npy', 'a.dat'):
        with pytest.raises(RecordingError, match='has one eye; expected an archive of two'):
            open_recording(tmp_path / name, (13, 5), eye='right')
    with pytest.raises(RecordingError, match="eye 'up'; expected left or right"):
        open_recording(tmp_path / 'a.npy', eye='up')


OWN = np.zeros((2, 3, 1), np.uint8)
MAPS = np.ones((1, 3, 8), np.float32)


def own(**more):
    return {'packed': OWN, 'width': 8, **more}


@pytest.mark.parametrize(
    ('arrays', 'message'),
    [
        ({'a': np.zeros(3)}, 'holds a; expected "packed"'),
        ({'a': np.zeros((2, 3, 4)), 'b': np.zeros((2, 3, 4))}, 'holds a, b'),
        ({'a': np.zeros((2, 3, 4))}, 'float64'),
        ({'a': np.full((2, 3, 4), 7)}, 'values 7 to 7; expected 0 and 1'),
        ({'packed': np.zeros((2, 3, 4), np.uint8)}, 'an integer "width"'),
        ({'packed': np.zeros((2, 3, 4), np.uint8), 'width': 33}, r'expected \[planes, 3, 5\]'),
        (
            {'packed': np.zeros((2, 3, 4), np.uint8), 'width': 32, 'bit_order': 'lsb'},
            "bit order 'lsb'",
        ),
        (
            {'packed': np.zeros((2, 3, 1), np.uint8), 'width': 8, 'depth': np.zeros((2, 3, 8))},
            r'"depth" is float64 \[2, 3, 8\], expected metres as float, or .* \[1, 3, 8\]',
        ),
        ({'packed': OWN, 'width': [8, 8]}, r'"width" is int64 \[2\]; expected an integer'),
        ({'packed': OWN, 'width': 'wide'}, r'"width" is <U4 \[\]; expected an integer'),
        ({**own(), 'rate_hz': 0}, '"rate_hz" is 0; expected planes a second, 0.001 to 1e'),
        ({**own(), 'rate_hz': float('nan')}, '"rate_hz" is nan; expected planes a second'),
        ({**own(), 'rate_hz': -20_000.0}, '"rate_hz" is -20000; expected planes a second'),
        ({**own(), 'rate_hz': float('inf')}, '"rate_hz" is inf; expected planes a second'),
        ({**own(), 'rate_hz': [1, 2]}, r'"rate_hz" is int64 \[2\]; expected planes a second'),
        ({**own(), 'rate_hz': 'fast'}, '"rate_hz" is <U4'),
        ({**own(), 'K': np.eye(2)}, r'"K" is float64 \[2, 2\]; expected finite numbers \[3, 3\]'),
        ({**own(), 'K': np.full((3, 3), np.nan)}, 'expected finite numbers'),
        ({**own(), 'K': np.diag([0.5, 0.8, 1])}, '"K" has focal lengths 0.5 and 0.8; expected'),
        ({**own(), 'K': 'K'}, r'"K" is <U1 \[\]'),
        (
            {**own(), 'depth': MAPS, 'depth_planes': 0},
            r'"depth_planes" is int64 \[\]; expected int',
        ),
        ({**own(), 'depth': MAPS, 'depth_planes': [0.5]}, '"depth_planes" is float64'),
        *(
            (
                {**own(), 'depth': MAPS[[0] * len(planes)], 'depth_planes': planes},
                'expected ascending ones of 0 to 1',
            )
            for planes in ([-1], [2], [np.iinfo(np.int64).min], [1, 0], [1, 1])
        ),
        ({**own(), 'depth': MAPS[:0], 'depth_planes': np.zeros(0, int)}, r'int64 \[0\]; expected'),
        ({**own(), 'depth': MAPS.astype(str)}, '"depth" is <U'),
        *(
            ({**own(), 'depth': MAPS.astype(kind)}, f'"depth" is {kind}.* expected metres as fl')
            for kind in ('int16', 'int32', 'uint8', 'uint32')
        ),
        ({'packed': np.array([None])}, '"packed" is damaged or in another format'),
    ],
)
def test_an_archive_that_is_no_stream_is_refused(tmp_path, arrays, message):
    np.savez(tmp_path / 'a.npz', **arrays)
    with pytest.raises(RecordingError, match=message) as caught:
        open_recording(tmp_path / 'a.npz')
    assert str(caught.value).count('a.npz') == 1


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


@pytest.mark.parametrize(
    ('members', 'message'),
    [
        ({'packed': (npy((3 << 10, 1 << 10, 1 << 10)), 24), 'width': 8}, 'expand to 3221'),
        ({'spk': (npy((3 << 10, 1 << 10, 1 << 10)), 24)}, 'expand to 3221.*expected at most 21'),
        ({'spk': FEW, 'other': (b'no array', 24)}, 'expand to 3221'),
        ({'packed': (npy((1 << 20, 1 << 10, 1 << 10)), 1), 'width': 8}, '"packed" is damaged or'),
        ({'spk': (npy((1 << 20, 1 << 10, 1 << 10)), 1)}, 'declares 1099511627776 bytes of data'),
        ({'spk': FEW, 'x': (npy((1 << 40,)), 1)}, '"x" is damaged .* the archive has 1048576'),
        ({**own(), 'depth': (npy((1 << 30, 3, 8), '<f4'), 1)}, '"depth" is damaged'),
        ({**own(), 'K': (npy((), '<U1000000000'), 0)}, '"K" is damaged'),
    ],
)
def test_an_archive_that_declares_too_much_is_refused_unread(tmp_path, members, message):
    path = zipped(tmp_path / 'a.npz', **members)
    tracemalloc.start()
    with pytest.raises(RecordingError, match=message) as caught:
        open_recording(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert '\n' not in str(caught.value)
    assert peak < 10 << 20


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


@pytest.mark.parametrize('name', ['a.npz', 'a.npy', 'a.dat'])
def test_missing_and_damaged_files_get_one_line(tmp_path, name):
    with pytest.raises(RecordingError, match='no such file'):
        open_recording(tmp_path / name)
    (tmp_path / name).write_bytes(b'')
    with pytest.raises(RecordingError, match=name) as caught:
        open_recording(tmp_path / name, (13, 5))
    assert '\n' not in str(caught.value)


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


def test_a_wrong_suffix_is_named(tmp_path):
    np.save(tmp_path / 'a.npy', spikes())
    (tmp_path / 'a.npy').rename(tmp_path / 'a.npz')
    with pytest.raises(RecordingError, match=r'holds one array.*suffix \.npy'):
        open_recording(tmp_path / 'a.npz')
    np.savez(tmp_path / 'b.npz', **own())
    (tmp_path / 'b.npz').rename(tmp_path / 'b.npy')
    with pytest.raises(RecordingError, match=r'holds an archive.*suffix \.npz'):
        open_recording(tmp_path / 'b.npy')


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
        'from spike_depth_ros.stream import packing, recording\n'
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
