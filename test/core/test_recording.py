# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import io
import os
from pathlib import Path

import numpy as np
import pytest

from spike_depth_ros import packing
from spike_depth_ros.chunk import Geometry
from spike_depth_ros.recording import RecordingError, open_recording, read_pipe
from spike_depth_ros.vidar import TruncatedError, read_dat


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


def test_a_truncated_dat_names_both_numbers_and_the_remedy(tmp_path):
    path = tmp_path / 'cut.dat'
    path.write_bytes(as_dat(spikes())[:-3])
    with pytest.raises(
        TruncatedError, match=r'107 bytes are 10 planes of 10 bytes \(13x5\) and 7'
    ):
        read_dat(path, Geometry(5, 13))
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
    with pytest.raises(RecordingError, match='planes are 13x5, but 400x250 was asked for'):
        open_recording(tmp_path / 'a.npy', (400, 250))


def test_an_archive_carries_rate_camera_and_truth(tmp_path):
    stream = spikes()
    np.savez(
        tmp_path / 'a.npz',
        packed=packing.pack(stream, 'big'),
        width=13,
        bit_order='big',
        rate_hz=20_000.0,
        K=np.eye(3),
        depth=np.array([np.full((5, 13), 1500), np.zeros((5, 13))], np.uint16),
        depth_planes=[2, 9],
    )
    recording = open_recording(tmp_path / 'a.npz')
    assert recording.geometry == Geometry(5, 13, 'big')
    assert recording.rate_hz == 20_000
    np.testing.assert_array_equal(recording.camera_matrix, np.eye(3))
    np.testing.assert_allclose(recording.truth.nearest(5), 1.5)
    assert np.isnan(recording.truth.nearest(6)).all()


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
            r'"depth" is \[2, 3, 8\], expected \[1, 3, 8\]',
        ),
    ],
)
def test_an_archive_that_is_no_stream_is_refused(tmp_path, arrays, message):
    np.savez(tmp_path / 'a.npz', **arrays)
    with pytest.raises(RecordingError, match=message) as caught:
        open_recording(tmp_path / 'a.npz')
    assert str(caught.value).count('a.npz') == 1


@pytest.mark.parametrize('name', ['a.npz', 'a.npy', 'a.dat'])
def test_missing_and_damaged_files_get_one_line(tmp_path, name):
    with pytest.raises(RecordingError, match='no such file'):
        open_recording(tmp_path / name, (13, 5))
    (tmp_path / name).write_bytes(b'')
    with pytest.raises(RecordingError, match=name) as caught:
        open_recording(tmp_path / name, (13, 5))
    assert '\n' not in str(caught.value)


class Trickle(io.RawIOBase):
    """A pipe that hands out a few bytes at a time."""

    def __init__(self, data):
        self._data = data

    def read(self, size=-1):
        piece, self._data = self._data[: min(size, 7)], self._data[min(size, 7) :]
        return piece


def test_a_pipe_is_cut_into_blocks_of_whole_planes():
    stream = spikes()
    blocks = list(read_pipe(Trickle(as_dat(stream)), Geometry(5, 13), planes=4))
    assert [len(b) for b in blocks] == [4, 4, 3]
    np.testing.assert_array_equal(packing.unpack(np.concatenate(blocks), 13), stream)


def test_a_pipe_that_ends_within_a_plane_gives_the_whole_planes_first():
    blocks = read_pipe(io.BytesIO(as_dat(spikes())[:-3]), Geometry(5, 13), planes=4)
    assert [len(next(blocks)) for _ in range(3)] == [4, 4, 2]
    with pytest.raises(TruncatedError, match='7 of 10 bytes'):
        next(blocks)


def shared_data():
    folder = os.environ.get('SPIKE_DEPTH_DATA')
    if not folder:
        pytest.skip('SPIKE_DEPTH_DATA is not set: no real recordings here')
    return Path(folder)


def test_the_real_vidar_recording():
    path = shared_data() / 'spikes' / 'vidar_car_400x250.dat'
    recording = open_recording(path, (400, 250))
    assert recording.planes.shape == (200, 250, 50)
    decoded = np.unpackbits(np.fromfile(path, np.uint8), bitorder='little')
    expected = decoded.reshape(-1, 250, 400)[:, ::-1]
    np.testing.assert_array_equal(packing.unpack(recording.planes, 400), expected)
    # Whole, upper half, left half, first half.
    parts = [expected, expected[:, :125], expected[:, :, :200], expected[:100]]
    assert [int(part.sum()) for part in parts] == [7324316, 2755063, 4127519, 3630638]


def test_the_real_unpacked_recording():
    recording = open_recording(shared_data() / 'spikes' / 'uhsr.npz')
    assert recording.planes.shape == (200, 250, 32)
    assert packing.unpack(recording.planes, 250).mean() == pytest.approx(0.031, abs=0.0005)
