# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings to adapt to: what is refused, the bit order, and the split in time."""

import dataclasses
import functools
import os
import shutil
import sys
import time

import numpy as np
import pytest

from kit import streams
from kit.programs import run_program
from spike_depth_ros.stream.chunk import Geometry
from spike_training.adaptation.recordings import (
    BLOCK_BYTES,
    GAP_SHARE,
    find_recordings,
    fingerprint,
    fingerprint_beside,
    open_recordings,
    read_clips,
    split_in_time,
)
from spike_training.datasets.clip import SpikeClip
from spike_training.datasets.readers import dat
from spike_training.datasets.row_length import check_row_bytes, measure_row_bytes
from spike_training.datasets.suitability import MIN_DURATION_S
from spike_training.errors import DataSetError, FrameError

WHERE = ('96x64', 400.0)


def numbered(planes, name='numbered', rate_hz=1000.0):
    """A recording whose planes hold their own number."""

    def load(start, stop):
        numbers = np.arange(start, stop).astype('<u4')
        return numbers.view(np.uint8).reshape(-1, 1, 4)

    geometry = Geometry(1, 32)
    return SpikeClip(name, geometry, planes, rate_hz, None, load, (), ())


def numbers(clip):
    return clip.load(0, clip.planes).view('<u4').ravel()


@pytest.mark.parametrize('planes', [1000, 1001, 5003])
def test_parts_share_no_plane_and_leave_a_gap(planes):
    ((first,), (second,)) = split_in_time([[numbered(planes)]], 100)
    early, late = numbers(first), numbers(second)
    assert early[0] == 0
    assert late[-1] == planes - 1
    assert np.array_equal(np.diff(early), np.ones(len(early) - 1))
    assert np.array_equal(np.diff(late), np.ones(len(late) - 1))
    assert late[0] - early[-1] > max(100, GAP_SHARE * planes - 1)


def test_depth_stays_with_its_planes():
    where = (50, 699, 700, 999)
    maps = tuple(functools.partial(np.full, (1, 32), plane) for plane in where)
    clip = dataclasses.replace(numbered(1000), depth_planes=where, depths=maps)
    parts = split_in_time([[clip]], 100)
    for part, expected in zip(parts, ([50], [700, 999]), strict=True):
        found = part[0]
        assert [depth()[0, 0] for depth in found.depths] == expected
        assert [numbers(found)[plane] for plane in found.depth_planes] == expected


def test_recordings_that_are_too_short_for_both_parts_are_left_out():
    parts = split_in_time([[numbered(300)], [numbered(2000, 'long')]], 100)
    assert [clip.name for clip in parts.adaptation] == ['long']
    with pytest.raises(DataSetError, match='300 planes, expected windows of 100 planes in both'):
        split_in_time([[numbered(300)]], 100)


def test_a_recording_with_losses_is_split_once():
    clips = [numbered(planes, str(planes)) for planes in (400, 90, 500, 110, 900)]
    early, late = split_in_time([clips], 100)
    assert [(one.name, one.planes) for one in early] == [
        ('400', 400),
        ('500', 500),
        ('110', 110),
        ('900', 200),
    ]
    assert [(one.name, numbers(one)[0]) for one in late] == [('900', 300)]


def test_a_recording_is_opened_with_its_duration(moving_wall):
    opened = open_recordings([moving_wall], *WHERE)
    assert opened.duration_s == 6.0
    assert not opened.corrected_bit_order
    folder = open_recordings([moving_wall.parent], *WHERE)
    assert [clip.name for clip in folder.clips] == ['dat/wall']


def test_recordings_of_all_folders_in_a_folder_are_found(tmp_path):
    for name in ('one.dat', 'day/two.dat', 'day/bag/metadata.yaml', '.part/unfinished.dat'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / 'day/bag/0.mcap').touch()
    found = [str(one.relative_to(tmp_path)) for one in find_recordings(tmp_path)]
    assert found == ['day/bag', 'day/two.dat', 'one.dat']


def test_links_are_followed_once(tmp_path):
    (tmp_path / 'day').mkdir()
    (tmp_path / 'day/one.dat').touch()
    (tmp_path / 'day/again').symlink_to(tmp_path)
    (tmp_path / 'copy.dat').symlink_to(tmp_path / 'day/one.dat')
    (tmp_path / 'self').symlink_to(tmp_path / 'self')
    assert find_recordings(tmp_path) == [tmp_path / 'copy.dat']


def test_a_recording_given_twice_is_read_once(moving_wall):
    opened = open_recordings([moving_wall, moving_wall.parent], *WHERE)
    assert opened.duration_s == 6.0


def test_a_name_that_is_not_utf_8_is_refused(tmp_path):
    (tmp_path / 'caf\udce9.dat').touch()
    with pytest.raises(DataSetError, match='is not valid UTF-8: rename the file'):
        find_recordings(tmp_path)


@pytest.mark.parametrize(
    ('option', 'value', 'words'),
    [
        ('rate_hz', 1e-300, 'option rate_hz is 1e-300, expected 0.001 to 1e'),
        ('rate_hz', float('nan'), 'option rate_hz is nan'),
        ('fx', float('inf'), 'option fx is inf, expected pixels, above 1 and at most 1e'),
        ('fx', 0.9, r'option fx is 0\.9'),
        ('fx', -1.0, 'option fx is -1'),
        ('fx', float('nan'), 'option fx is nan'),
        ('fx', 1e300, 'option fx is 1e'),
    ],
)
def test_options_of_raw_files_out_of_range_are_refused(moving_wall, option, value, words):
    with pytest.raises(DataSetError, match=words):
        dat.read(moving_wall, WHERE[0], **{option: value})


def test_a_raw_file_that_is_cut_meanwhile_is_an_error_of_its_planes(moving_wall, tmp_path):
    path = tmp_path / 'wall.dat'
    path.write_bytes(moving_wall.read_bytes())
    (clip,) = dat.read(path, WHERE[0])
    os.truncate(path, 100 * 64 * 12 + 1)
    assert clip.load(90, 100).shape == (10, 64, 12)
    with pytest.raises(FrameError, match='100 planes are left, expected 101 or more'):
        clip.load(90, 101)


def swapped(path, out):
    planes = np.fromfile(path, np.uint8)
    np.packbits(np.unpackbits(planes, bitorder='little'), bitorder='big').tofile(out)


def test_the_wrong_bit_order_is_corrected_in_all_recordings(moving_wall, tmp_path):
    swapped(moving_wall, tmp_path / 'swapped.dat')
    # Its planes show no order: the others decide.
    even = np.fromfile(moving_wall, np.uint8)[: 12 * 64 * 500].copy()
    even[:] = np.random.default_rng(0).integers(0, 256, even.size)
    even.tofile(tmp_path / 'even.dat')
    opened = open_recordings([tmp_path], *WHERE)
    assert len(opened.clips) == 2
    assert opened.corrected_bit_order
    assert {clip.geometry.bit_order for clip in opened.clips} == {'big'}


def laid_out(source, out, row_bytes, filling=0, height=64, shift=0):
    """Write the wall again with rows of another length: padded, or cut at their end."""
    planes = np.fromfile(source, np.uint8).reshape(-1, 64, 12)[:, :height]
    rows = np.full((*planes.shape[:2], row_bytes), filling, np.uint8)
    width = min(12, row_bytes)
    rows[..., shift : shift + width] = planes[..., :width]
    rows.tofile(out)
    return out


@pytest.mark.parametrize(('row_bytes', 'filling'), [(13, 0), (14, 255), (16, 0)])
def test_padding_of_rows_is_left_out(moving_wall, tmp_path, row_bytes, filling):
    path = laid_out(moving_wall, tmp_path / 'padded.dat', row_bytes, filling)
    opened = open_recordings([path], *WHERE)
    assert opened.padded_row_bytes == row_bytes
    ((clip,), (plain,)) = opened.clips, open_recordings([moving_wall], *WHERE).clips
    assert (clip.geometry, clip.planes) == (plain.geometry, plain.planes)
    assert np.array_equal(clip.load(100, 500), plain.load(100, 500))
    assert np.array_equal(
        read_clips(path, *WHERE, row_bytes=row_bytes)[0].load(7, 9), plain.load(7, 9)
    )


def test_files_of_one_camera_share_the_padding(moving_wall, tmp_path):
    laid_out(moving_wall, tmp_path / 'one.dat', 14)
    dark = np.zeros((700, 64, 14), np.uint8)
    dark[..., :12] = np.random.default_rng(0).random((700, 64, 12)) < 0.01  # shows no rows
    dark.tofile(tmp_path / 'two.dat')
    opened = open_recordings([tmp_path], *WHERE)
    assert opened.padded_row_bytes == 14
    assert [clip.planes for clip in opened.clips] == [2400, 700]


@pytest.mark.parametrize(
    ('row_bytes', 'shift', 'size', 'words'),
    [
        (10, 0, '96x64', 'planes of 80x64 pixels, not 96x64: try --size 80x64$'),
        (12, 0, '112x64', 'planes of 96x64 pixels, not 112x64: try --size 96x64$'),
        (12, 0, '80x64', 'planes of 96x64 pixels, not 80x64.*: try --size 96x64$'),
        # Not at the end of the rows: which columns belong to the sensor is not known.
        (15, 2, '96x64', 'planes of 120x64 pixels, not 96x64.*: try --size 120x64$'),
        (14, 0, '96x60', 'planes of 112x.* pixels, not 96x60: try --size 112x'),
    ],
)
def test_a_wrong_row_length_is_refused_with_the_size_that_fits(
    moving_wall, tmp_path, row_bytes, shift, size, words
):
    path = laid_out(moving_wall, tmp_path / 'other.dat', row_bytes, shift=shift)
    with pytest.raises(DataSetError, match=words):
        open_recordings([path], size, 400.0)


@pytest.mark.parametrize(
    ('write', 'option'),
    [(streams.whole, '--packing whole'), (streams.with_head, '--skip-columns 16')],
)
def test_layouts_of_other_writers_are_refused_with_their_option(tmp_path, write, option):
    data = write(streams.scene())
    path = tmp_path / 'a.dat'
    path.write_bytes(data[: len(data) // 11440 * 11440])
    with pytest.raises(DataSetError, match=f'by spike_convert, the first with {option}$'):
        open_recordings([path], '346x260', 20.0)


def test_a_row_length_that_planes_do_not_show_is_not_refused(tmp_path):
    planes = np.random.default_rng(0).integers(0, 256, (1000, 64, 12), np.uint8)
    planes.tofile(tmp_path / 'even.dat')
    assert measure_row_bytes([tmp_path / 'even.dat'], Geometry(64, 96)) == 12
    (tmp_path / 'empty.dat').touch()
    assert measure_row_bytes([tmp_path / 'empty.dat'], Geometry(64, 96)) == 12


CUT = """
import os, sys
from pathlib import Path
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.stream import raw_check
from spike_training.datasets.row_length import measure_row_bytes
from spike_training.errors import DataSetError

def cut(*given, find=raw_check.find_row_bytes):
    os.truncate(sys.argv[1], 5000)
    return find(*given)

raw_check.find_row_bytes = cut
try:
    measure_row_bytes([Path(sys.argv[1])], Geometry(64, 96))
except DataSetError as error:
    sys.exit(str(error))
"""


def test_a_raw_file_that_is_cut_while_its_rows_are_measured_is_one_line(moving_wall, tmp_path):
    rows = np.fromfile(moving_wall, np.uint8).reshape(-1, 64, 12)
    path = tmp_path / 'padded.dat'
    np.pad(rows, ((0, 0), (0, 0), (0, 4))).tofile(path)
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)}
    done = run_program(sys.executable, '-c', CUT, path, env=environment)
    assert done.returncode == 1, done.returncode  # not by a signal
    assert done.stderr == f'{path}: was cut while it was read: copy or record it again\n'


def test_messages_of_another_row_length_than_their_planes_are_refused(moving_wall):
    (clip,) = open_recordings([moving_wall], *WHERE).clips
    check_row_bytes([clip])
    planes = clip.load(0, clip.planes).reshape(-1)
    wrong = planes[: planes.size // (14 * 64) * (14 * 64)].reshape(-1, 64, 14)
    bag = dataclasses.replace(
        clip, geometry=Geometry(64, 112), planes=len(wrong), load=lambda a, b: wrong[a:b]
    )
    with pytest.raises(DataSetError, match=r'rows of 12 bytes, .* expected 14 .* messages'):
        check_row_bytes([bag])


@pytest.mark.parametrize('name', ['vidar_car_400x250', 'sreds/203_part3_key_id151'])
def test_rows_of_real_recordings_are_measured(real_data, name, tmp_path):
    path = real_data / 'spikes' / f'{name}.dat'
    assert measure_row_bytes([path], Geometry(250, 400)) == 50
    planes = np.fromfile(path, np.uint8).reshape(-1, 250, 50)
    np.pad(planes, ((0, 0), (0, 0), (0, 2))).tofile(tmp_path / 'padded.dat')
    assert measure_row_bytes([tmp_path / 'padded.dat'], Geometry(250, 400)) == 52
    planes[:, :, 1:49].tofile(tmp_path / 'cut.dat')
    with pytest.raises(DataSetError, match=r'of 384x250 pixels, not 400x250: try --size 384x250$'):
        measure_row_bytes([tmp_path / 'cut.dat'], Geometry(250, 400))
    with pytest.raises(DataSetError, match=r'of 400x250 pixels, not 408x250: try --size 400x250$'):
        measure_row_bytes([path], Geometry(250, 408))


def test_the_real_recording_of_ten_milliseconds_is_too_short(real_data):
    path = real_data / 'spikes' / 'vidar_car_400x250.dat'
    with pytest.raises(DataSetError, match=rf'0.01 s recorded, expected {MIN_DURATION_S:g} s'):
        open_recordings([path], '400x250', 20_000.0)


def test_dark_saturated_and_still_recordings_are_refused(tmp_path):
    planes, row = 2400, 12
    still = np.zeros((planes, 64, row), np.uint8)
    still[::5] = 0x5A
    for content, words in (
        (np.zeros_like(still), 'mean firing rate of 0'),
        (np.full_like(still, 255), '100% of the pixels fire in every plane'),
        (still, 'of the picture changes'),
    ):
        content.tofile(tmp_path / 'one.dat')
        with pytest.raises(DataSetError, match=words):
            open_recordings([tmp_path / 'one.dat'], *WHERE)


def test_recordings_of_two_cameras_are_refused(moving_wall, tmp_path, monkeypatch):
    from spike_training.adaptation import recordings

    read = recordings.dat.read
    rates = iter((400.0, 500.0))

    def other(*given, **named):
        return [dataclasses.replace(clip, rate_hz=next(rates)) for clip in read(*given, **named)]

    monkeypatch.setattr(recordings.dat, 'read', other)
    second = shutil.copy(moving_wall, tmp_path / 'second.dat')
    with pytest.raises(DataSetError, match=r'at 500 Hz, dat/wall: .* at 400 Hz'):
        open_recordings([moving_wall, second], *WHERE)


def test_what_does_not_exist_is_named(tmp_path):
    with pytest.raises(DataSetError, match='nothing: expected a bag'):
        open_recordings([tmp_path / 'nothing'], *WHERE)


def test_camera_and_depth_beside_raw_files_have_a_fingerprint(tmp_path):
    (tmp_path / 'walk.dat').write_bytes(bytes(100))
    found = {fingerprint_beside(tmp_path)}
    (tmp_path / 'K.txt').write_text('1')
    found.add(fingerprint_beside(tmp_path / 'walk.dat'))
    (tmp_path / 'depth').mkdir()
    (tmp_path / 'depth' / 'walk_00010.npy').write_bytes(b'1')
    found.add(fingerprint_beside(tmp_path))
    (tmp_path / 'depth' / 'walk_00010.npy').write_bytes(b'2')
    found.add(fingerprint_beside(tmp_path))
    assert len(found) == 4
    (tmp_path / 'walk.dat').rename(tmp_path / 'walk.mcap')  # what lies beside bags is not read
    before = fingerprint_beside(tmp_path)
    (tmp_path / 'K.txt').unlink()
    assert fingerprint_beside(tmp_path) == before


def test_the_fingerprint_of_a_large_file_reads_few_blocks_with_both_ends(tmp_path):
    path, size = tmp_path / 'large.dat', 40 << 30
    with path.open('wb') as file:
        file.truncate(size)  # sparse
    begin = time.monotonic()
    found = {fingerprint(path)}
    assert time.monotonic() - begin < 5
    for place in (0, size - 1, size - 1 - BLOCK_BYTES // 2):
        with path.open('r+b') as file:
            file.seek(place)
            file.write(b'x')
        found.add(fingerprint(path))
    with path.open('r+b') as file:
        file.truncate(size - 1)
    found.add(fingerprint(path))
    assert len(found) == 5
