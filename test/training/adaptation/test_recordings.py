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


ROW_LENGTHS = {  # the option that is told, bytes of rows, those before the wall, the size given
    'narrower than the size': ('--size 80x64', 10, 0, '96x64'),
    'wider by two bytes': ('--size 96x64', 12, 0, '112x64'),
    'narrower by two bytes': ('--size 96x64', 12, 0, '80x64'),
    # Not at the end of the rows: which columns belong to the sensor is not known.
    'padded on both sides': ('--size 120x64', 15, 2, '96x64'),
    'padded, of other rows': ('--size 112x', 14, 0, '96x60'),
}
LIGHT = {
    'dark': ('firing rate of 0', np.zeros((2400, 64, 12), np.uint8)),
    'saturated': ('100%', np.full((2400, 64, 12), 255, np.uint8)),
    'still': ('changes', np.where(np.arange(2400) % 5, 0, 0x5A).repeat(64 * 12).astype(np.uint8)),
}


def test_bad_recordings_are_refused(moving_wall, tmp_path, refusals, monkeypatch):
    rows = {}

    def row(name, named, content, size='96x64', rate_hz=400.0):
        path = tmp_path / str(len(rows)) / 'a.dat'
        path.parent.mkdir()
        path.write_bytes(content) if isinstance(content, bytes) else content(path)
        rows[name] = named, functools.partial(open_recordings, [path], size, rate_hz)

    for name, (option, row_bytes, shift, size) in ROW_LENGTHS.items():
        write = functools.partial(laid_out, moving_wall, row_bytes=row_bytes, shift=shift)
        row(name, option, write, size)
    for write, option in (
        (streams.whole, '--packing whole'), (streams.with_head, '--skip-columns 16'),
    ):  # fmt: skip
        data = write(streams.scene())
        row(option, option, data[: len(data) // 11440 * 11440], '346x260', 20.0)
    for name, (named, planes) in LIGHT.items():
        row(name, named, planes.tofile)
    row('ten milliseconds', f'{MIN_DURATION_S:g} s', bytes(4 * 64 * 12))
    rows['nothing'] = 'nothing', lambda: open_recordings([tmp_path / 'nothing'], *WHERE)
    other = tmp_path / 'caf\udce9'
    other.mkdir()
    (other / 'caf\udce9.dat').touch()
    rows['a name that is no text'] = 'rename', lambda: find_recordings(other)
    short = [[numbered(300)]]
    rows['too short for two parts'] = '300 planes', lambda: split_in_time(short, 100)
    (clip,) = open_recordings([moving_wall], *WHERE).clips
    check_row_bytes([clip])
    planes = clip.load(0, clip.planes).reshape(-1)
    wrong = planes[: planes.size // (14 * 64) * (14 * 64)].reshape(-1, 64, 14)
    bag = dataclasses.replace(
        clip, geometry=Geometry(64, 112), planes=len(wrong), load=lambda a, b: wrong[a:b]
    )
    rows['messages of another row length'] = '12 bytes', lambda: check_row_bytes([bag])
    second = tmp_path / 'second.dat'
    shutil.copy(moving_wall, second)

    def two_cameras():
        read, rates = dat.read, iter((400.0, 500.0))
        with monkeypatch.context() as patch:
            patch.setattr(dat, 'read', lambda *given, **named: [
                dataclasses.replace(one, rate_hz=next(rates)) for one in read(*given, **named)
            ])  # fmt: skip
            open_recordings([moving_wall, second], *WHERE)

    rows['two cameras'] = '500 Hz', two_cameras
    refusals('adapt_recordings', rows, DataSetError)


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
from spike_depth_ros.io import raw_check
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
