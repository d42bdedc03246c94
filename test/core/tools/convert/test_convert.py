# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spike_convert`` as a user runs it: a file in, a bag out, and back."""

import errno
import functools
import json
import math
import os
import signal
import stat
import struct
from importlib import resources

import cv2
import numpy as np
import pytest

from kit import bags, cameras, large_files, pictures, streams
from kit.refusals import refused
from spike_depth_ros.base import results as result_files
from spike_depth_ros.io.arrays import write_depth
from spike_depth_ros.io.bags.bag import CAMERA_INFO, IMAGE, Bag, decode
from spike_depth_ros.io.recording import open_recording
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.decode import chunk_from_msg, depth_from_msg, stamp_ns
from spike_depth_ros.tools.convert import convert, spike_bag
from spike_depth_ros.tools.convert.command import main

PLANES, HEIGHT, WIDTH = 210, 12, 21
SIZE = ('--size', f'{WIDTH}x{HEIGHT}', '--rate', 20_000)
MATRIX = '[40.0, 0, 10, 0, 41.0, 6, 0, 0, 1]'
CALIBRATION = (
    f'image_width: {WIDTH}\nimage_height: {HEIGHT}\ndistortion_model: plumb_bob\n'
    f'camera_matrix: {{rows: 3, cols: 3, data: {MATRIX}}}\n'
    'distortion_coefficients: {rows: 1, cols: 5, data: [0.1, 0, 0, 0, 0]}\n'
)


@pytest.fixture
def spikes():
    return np.random.default_rng(0).random((PLANES, HEIGHT, WIDTH)) < 0.3


@pytest.fixture
def dat(spikes, tmp_path):
    path = tmp_path / 'some.dat'
    path.write_bytes(streams.by_rows(spikes))
    return path


@pytest.fixture
def bag(dat, tmp_path):
    assert convert_(dat, *SIZE, '--out', tmp_path / 'bag') == 0
    return tmp_path / 'bag'


def convert_(*arguments):
    return main([str(argument) for argument in arguments])


def messages(path, topic, kind=IMAGE):
    bag = Bag(path)
    return [decode(one.data, kind) for one in bag.messages([topic])]


def test_a_file_becomes_packets_with_stamps_and_a_camera(dat, spikes, tmp_path, capsys):
    (tmp_path / 'camera.yaml').write_text(CALIBRATION)
    given = ('--camera-info', tmp_path / 'camera.yaml', '--planes-per-packet', 100)
    assert convert_(dat, *SIZE, *given, '--out', tmp_path / 'bag') == 0
    assert (
        f'bag: {PLANES} planes of {WIDTH}x{HEIGHT} little at 20000 Hz' in capsys.readouterr().out
    )
    packets = messages(tmp_path / 'bag', '/spikes')
    chunks = [chunk_from_msg(packet, HEIGHT, WIDTH) for packet in packets]
    np.testing.assert_array_equal(
        np.concatenate([one.data for one in chunks]), packing.pack(spikes)
    )
    assert [one.planes for one in chunks] == [100, 100, 10]
    assert np.diff([one.t0_ns for one in chunks]).tolist() == [5_000_000] * 2
    assert chunks[0].t0_ns == 1_000_000_000
    (info,) = messages(tmp_path / 'bag', '/camera_info', CAMERA_INFO)
    assert (info.width, info.height, info.k[4], info.d[0]) == (WIDTH, HEIGHT, 41.0, 0.1)
    assert info.header.frame_id == packets[0].header.frame_id == 'spike_camera_optical_frame'
    assert '/depth/truth' not in Bag(tmp_path / 'bag').topics


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('layout', [(), ('--bit-order', 'big', '--row-order', 'top_down')])
def test_there_and_back_is_byte_identical(dat, tmp_path, storage, layout, capsys):
    bag = tmp_path / 'bag'
    assert convert_(dat, *SIZE, *layout, '--storage', storage, '--out', bag) == 0
    capsys.readouterr()
    assert convert_(bag, *layout, '--out', tmp_path / 'back.dat') == 0
    assert (tmp_path / 'back.dat').read_bytes() == dat.read_bytes()
    told = capsys.readouterr().out
    assert f'{PLANES} planes' in told
    assert f'--size {WIDTH}x{HEIGHT} --rate 20000' in told
    assert all(str(option) in told for option in layout)


def test_the_layout_can_change(dat, tmp_path, spikes):
    bag = tmp_path / 'bag'
    assert convert_(dat, *SIZE, '--out', bag) == 0
    layout = ('--bit-order', 'big', '--row-order', 'top_down')
    assert convert_(bag, *layout, '--out', tmp_path / 'other.dat') == 0
    other = np.fromfile(tmp_path / 'other.dat', np.uint8)
    np.testing.assert_array_equal(other, packing.pack(spikes, 'big').ravel())


@pytest.mark.parametrize('rate', [30_000, 39_999.5, 1_000_000 / 3])
def test_the_rate_is_that_of_all_stamps(dat, tmp_path, capsys, rate):
    assert (
        convert_(dat, '--size', f'{WIDTH}x{HEIGHT}', '--rate', rate, '--out', tmp_path / 'b') == 0
    )
    assert convert_(tmp_path / 'b', '--out', tmp_path / 'back.dat') == 0
    told = float(capsys.readouterr().out.partition('--rate ')[2].partition(';')[0])
    assert told == pytest.approx(rate, rel=3e-6)


def test_arrays_keep_what_they_hold(spikes, tmp_path):
    depth = np.stack([bags.slope(HEIGHT, WIDTH), 2 * bags.slope(HEIGHT, WIDTH)])
    np.savez(
        tmp_path / 'scene.npz',
        packed=packing.pack(spikes), width=WIDTH, bit_order='little', rate_hz=40_000.0,
        K=np.array([[30.0, 0, 10], [0, 30, 6], [0, 0, 1]]), depth=depth, depth_planes=[3, 200],
    )  # fmt: skip
    assert convert_(tmp_path / 'scene.npz', '--out', tmp_path / 'bag') == 0
    truths = messages(tmp_path / 'bag', '/depth/truth')
    np.testing.assert_array_equal([depth_from_msg(one) for one in truths], depth)
    stamps = [stamp_ns(one.header.stamp) - 1_000_000_000 for one in truths]
    assert stamps == [3 * 25_000, 200 * 25_000]
    (info,) = messages(tmp_path / 'bag', '/camera_info', CAMERA_INFO)
    assert info.k[0] == 30.0


def test_a_folder_of_depth(dat, tmp_path):
    folder = tmp_path / 'depth'
    folder.mkdir()
    metres = bags.slope(HEIGHT, WIDTH)
    np.save(folder / 'depth_000150.npy', metres)
    cv2.imwrite(str(folder / '20.png'), np.full((HEIGHT, WIDTH), 1500, np.uint16) * (metres < 4))
    (folder / 'notes.txt').write_text('not depth')
    assert convert_(dat, *SIZE, '--depth', folder, '--out', tmp_path / 'bag') == 0
    truths = messages(tmp_path / 'bag', '/depth/truth')
    first, second = (depth_from_msg(one) for one in truths)
    np.testing.assert_array_equal(first, np.where(metres < 4, np.float32(1.5), np.nan))
    np.testing.assert_array_equal(second, metres)
    assert [stamp_ns(one.header.stamp) for one in truths] == [1_001_000_000, 1_007_500_000]


def converted_depth(tmp_path, depth, *camera, size=(WIDTH, HEIGHT)):
    """Depth in a bag of three planes, of a map that was stored along the rays."""
    width, height = size
    row_bytes = -(-width // 8)
    (tmp_path / 'rays.dat').write_bytes(bytes(3 * height * row_bytes))
    (tmp_path / 'rays').mkdir()
    np.save(tmp_path / 'rays' / '1.npy', depth)
    done = convert_(
        tmp_path / 'rays.dat', '--size', f'{width}x{height}', '--rate', 20_000, *camera,
        '--depth', tmp_path / 'rays', '--depth-along', 'ray', '--out', tmp_path / 'bag_of_rays',
    )  # fmt: skip
    assert done == 0
    (truth,) = messages(tmp_path / 'bag_of_rays', '/depth/truth')
    return depth_from_msg(truth)


def test_depth_along_the_ray_becomes_depth_along_the_axis(tmp_path):
    """A wall 2 m away, seen by a rangefinder: its distance by hand, pixel by pixel."""
    stored = np.full((HEIGHT, WIDTH), np.nan, np.float32)
    for v in range(HEIGHT):
        for u in range(WIDTH):  # the principal point is the centre, (10, 5.5)
            stored[v, u] = 2 * math.sqrt(1 + ((u - 10) / 15) ** 2 + ((v - 5.5) / 15) ** 2)
    stored[0, :3] = np.nan, np.inf, np.nan
    found = converted_depth(tmp_path, stored, '--fx', 15)
    np.testing.assert_array_equal(found[0, :3], [np.nan, np.inf, np.nan])
    np.testing.assert_allclose(found[1:], 2.0, rtol=2e-7)
    assert stored[-1, -1] > 2.4  # what was stored, and would be read without the option


def ray_of(camera, pixel):
    """The ray of a pixel, x and y at a depth of 1, by Newton's method on the lens's formula."""

    def seen(ray):
        return cameras.project(camera, np.array([*ray, 1.0]))

    ray, step = np.zeros(2), 1e-6
    for _ in range(50):
        slopes = [(seen(ray + step * axis) - seen(ray)) / step for axis in np.eye(2)]
        ray = ray - 0.5 * np.linalg.solve(np.transpose(slopes), seen(ray) - pixel)
    assert np.abs(seen(ray) - pixel).max() < 1e-6
    return ray


@pytest.mark.parametrize('model', cameras.ALL)
def test_rays_of_a_distorted_camera_are_those_of_its_pixels(tmp_path, model):
    camera = cameras.ALL[model]
    cameras.write_calibration(tmp_path / 'camera.yaml', camera)
    stored = np.full((cameras.HEIGHT, cameras.WIDTH), 3.0, np.float32)
    size = cameras.WIDTH, cameras.HEIGHT
    given = '--camera-info', tmp_path / 'camera.yaml'
    found = converted_depth(tmp_path, stored, *given, size=size)
    for u, v in ((0, 0), (399, 0), (0, 249), (399, 249), (200, 124), (30, 200), (301, 17)):
        x, y = ray_of(camera, (u, v))
        assert found[v, u] == pytest.approx(3 / math.sqrt(1 + x * x + y * y), rel=1e-4), (u, v)


CODES = {  # stored values of a map, and what they mean
    '.npy': ([2, np.nan, 0, -1, -5, -np.inf, 65535, np.inf, 65504, 1e6, 1e38], 7),
    '.png': ([2000, 0, 65535], 3),
    '.npz': ([2, np.nan, 0, -1, -5, -np.inf, 65535, np.inf, 65504, 1e6, 1e38], 7),
    'uint16.npz': ([2000, 0, 65535], 3),
}


@pytest.mark.parametrize('name', CODES)
def test_what_is_no_depth_is_nan_and_what_is_beyond_is_infinite(spikes, dat, tmp_path, name):
    values, beyond_from = CODES[name]
    integers = name in ('.png', 'uint16.npz')
    stored = np.full((HEIGHT, WIDTH), values[0], np.uint16 if integers else np.float32)
    stored[3, : len(values)] = values
    if name.endswith('.npz'):
        arrays = {'packed': packing.pack(spikes), 'width': WIDTH, 'rate_hz': 40e3}
        np.savez(tmp_path / 'a.npz', **arrays, depth=stored[None])
        source = [tmp_path / 'a.npz']
    else:
        (tmp_path / 'depth').mkdir()
        path = tmp_path / f'depth/0{name}'
        cv2.imwrite(str(path), stored) if integers else np.save(path, stored)
        source = [dat, *SIZE, '--depth', tmp_path / 'depth']
    assert convert_(*source, '--out', tmp_path / 'bag') == 0
    (truth,) = messages(tmp_path / 'bag', '/depth/truth')
    expected = np.full((HEIGHT, WIDTH), 2, np.float32)
    expected[3, 1 : len(values)], expected[3, beyond_from : len(values)] = np.nan, np.inf
    np.testing.assert_array_equal(truth.data.view('<f4').reshape(HEIGHT, WIDTH), expected)


@pytest.mark.parametrize('code', [1e6, 1e10, np.finfo(np.float32).max, 65504, np.inf])
def test_a_map_of_sky_alone_is_infinite(dat, tmp_path, code):
    (tmp_path / 'depth').mkdir()
    np.save(tmp_path / 'depth/0.npy', np.full((HEIGHT, WIDTH), code, np.float32))
    assert convert_(dat, *SIZE, '--depth', tmp_path / 'depth', '--out', tmp_path / 'bag') == 0
    (truth,) = messages(tmp_path / 'bag', '/depth/truth')
    assert np.isposinf(truth.data.view('<f4')).all()


def test_what_is_beyond_in_a_png_of_ours_is_infinite(dat, tmp_path):
    metres = np.full((HEIGHT, WIDTH), 2, np.float32)
    metres[3, :4], metres[4, 4] = np.inf, np.nan
    (tmp_path / 'depth').mkdir()
    write_depth(tmp_path / 'depth/0.png', metres, 1000)
    assert convert_(dat, *SIZE, '--depth', tmp_path / 'depth', '--out', tmp_path / 'bag') == 0
    (truth,) = messages(tmp_path / 'bag', '/depth/truth')
    np.testing.assert_array_equal(truth.data.view('<f4').reshape(HEIGHT, WIDTH), metres)


def write_messages(path, packets):
    """Write packets and the camera of them."""
    sent = [('/spikes', bags.START + k * 1_000_000, made) for k, made in enumerate(packets)]
    bags.write(path, [('/camera_info', bags.START, bags.camera()), *sent])


def write(path, packets):
    """Write a bag of packets ``(first plane, planes)`` of one stream, which is returned."""
    spikes = bags.moving_bars(400)
    made = [
        bags.packet(bags.START + first * bags.PERIOD, spikes[first : first + number])
        for first, number in packets
    ]
    write_messages(path, made)
    return packing.pack(spikes)[:, ::-1]


@pytest.mark.parametrize(
    ('packets', 'reason', 'planes', 'lost', 'left_out'),
    [
        ([(0, 40), (40, 40), (80, 40), (160, 40)], '40 planes lost', 160, 40, 0),
        ([(0, 40), (40, 40), (80, 40), (80, 40), (120, 40)], 'a stamp 40 planes back', 160, 0, 1),
        ([(0, 40), (40, 40), (80, 40), (0, 40)], 'a stamp 120 planes back', 120, 0, 1),
    ],
)
def test_a_stream_that_is_not_whole_is_refused_or_listed(
    tmp_path, capsys, packets, reason, planes, lost, left_out
):
    stream = write(tmp_path / 'bag', packets)
    out = tmp_path / 'out.dat'
    line = refused(capsys, main, tmp_path / 'bag', '--out', out, keeps=tmp_path)
    assert reason in line
    assert '--allow-gaps' in line
    assert convert_(tmp_path / 'bag', '--out', out, '--allow-gaps') == 0
    listed = json.loads((tmp_path / 'out.dat.gaps.json').read_text())
    assert (listed['planes'], listed['planes_lost']) == (planes, lost)
    assert listed['packets_left_out'] == left_out
    (found,) = listed['irregularities']
    assert reason in found['text']
    kept = [
        first for number, (first, _) in enumerate(packets) if number != found['packet'] or lost
    ]
    expected = np.concatenate([stream[first : first + 40] for first in kept])
    assert out.read_bytes() == expected.tobytes()
    assert 'irregularities' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('shifts', 'kinds', 'lost'),
    [
        ({3: 100_000}, ['gap', 'restart'], 0),  # one wrong stamp
        (dict.fromkeys(range(4, 10), -80), ['restart'], 0),  # a clock that was set back
        (dict.fromkeys(range(4, 10), 72_000_000), ['restart'], 0),  # a pause of an hour
        (dict.fromkeys(range(4, 10), 40), ['gap'], 40),
    ],
    ids=['wrong', 'back', 'pause', 'gap'],
)
def test_stamps_that_jump_leave_no_packet_out(tmp_path, capsys, shifts, kinds, lost):
    spikes = bags.moving_bars(400)
    made = [
        bags.packet(
            bags.START + (40 * k + shifts.get(k, 0)) * bags.PERIOD, spikes[40 * k : 40 * k + 40]
        )
        for k in range(10)
    ]
    write_messages(tmp_path / 'bag', made)
    out = tmp_path / 'out.dat'
    assert convert_(tmp_path / 'bag', '--out', out, '--allow-gaps') == 0
    listed = json.loads((tmp_path / 'out.dat.gaps.json').read_text())
    assert [one['kind'] for one in listed['irregularities']] == kinds
    assert (listed['planes_lost'], listed['packets_left_out']) == (lost, 0)
    assert out.read_bytes() == packing.pack(spikes)[:, ::-1].tobytes()


@pytest.mark.parametrize(
    ('storage', 'compression', 'late_ms'),
    [
        *(('mcap', kind, bags.OVERTAKEN) for kind in (None, 'storage', 'message', 'file')),
        *(('sqlite3', kind, bags.OVERTAKEN) for kind in (None, 'message')),
        *((kind, None, (0, 5)) for kind in ('mcap', 'sqlite3')),
        *((kind, None, (0, 0, 0, 1, 0, 999)) for kind in ('mcap', 'sqlite3')),
    ],
)
def test_packets_that_overtake_each_other_within_a_second_are_sorted(
    tmp_path, capsys, storage, compression, late_ms
):
    messages = bags.overtaken(bags.stream(4000), late_ms=late_ms)
    bag = bags.write(tmp_path / 'bag', messages, storage, compression)
    assert convert_(bag, '--out', tmp_path / 'out.dat') == 0
    expected = packing.pack(bags.moving_bars(4000))[:, ::-1]
    assert (tmp_path / 'out.dat').read_bytes() == expected.tobytes()
    told = capsys.readouterr()
    assert '4000 planes (0.20 s)' in told.out
    assert '--rate 20000;' in told.out
    assert told.err == ''


def test_packets_overtake_each_other_across_files_of_a_bag(tmp_path):
    (tmp_path / 'bag').mkdir()
    messages = bags.overtaken(bags.stream(4000))
    for number in range(4):
        part = messages[number * 26 : (number + 1) * 26]
        folder = bags.write(tmp_path / f'{number}', part)
        bags.storage_file(folder).rename(tmp_path / 'bag' / f'bag_{number}.mcap')
    # Without metadata.yaml, as the recorder leaves it that is killed.
    assert convert_(tmp_path / 'bag', '--out', tmp_path / 'out.dat', '--allow-gaps') == 0
    expected = packing.pack(bags.moving_bars(4000))[:, ::-1]
    assert (tmp_path / 'out.dat').read_bytes() == expected.tobytes()
    assert json.loads((tmp_path / 'out.dat.gaps.json').read_text())['irregularities'] == []


def without_index(path):
    """Leave the records of messages of an MCAP file alone, as writers without chunks do."""
    content, place = path.read_bytes(), 8
    records = []
    while place + 9 <= len(content) - 8:
        code, length = struct.unpack_from('<BQ', content, place)
        record = content[place : place + 9 + length]
        place += 9 + length
        if code == 0x06:  # a chunk, not compressed
            (name,) = struct.unpack_from('<I', record, 9 + 28)
            records.append(record[9 + 32 + name + 8 :])
        elif code in (0x01, 0x0F):  # header, end of data
            records.append(record)
    footer = struct.pack('<BQQQI', 0x02, 20, 0, 0, 0)
    path.write_bytes(content[:8] + b''.join(records) + footer + content[-8:])


def test_a_file_without_an_index_whose_times_are_not_in_order_is_read(tmp_path, capsys):
    messages = bags.stream(400)
    messages = [
        messages[0],
        *(messages[k ^ 1 if k < 10 else k] for k in range(2, 10)),
        *messages[1:2],
        messages[10],
    ]
    bag = bags.write(tmp_path / 'bag', messages)
    without_index(bags.storage_file(bag))
    assert convert_(bag, '--out', tmp_path / 'out.dat') == 0
    expected = packing.pack(bags.moving_bars(400))[:, ::-1]
    assert (tmp_path / 'out.dat').read_bytes() == expected.tobytes()
    assert capsys.readouterr().err == ''


@pytest.mark.parametrize(('late_ms', 'left_out'), [(1001, 0), (1005, 1)])
def test_a_packet_further_back_than_a_second_is_listed(tmp_path, late_ms, left_out):
    stream = bags.stream(40_000, height=2, width=8)
    messages = bags.overtaken(stream, late_ms=[0] * 300 + [late_ms] + [0] * 700)
    bag = bags.write(tmp_path / 'bag', messages)
    assert convert_(bag, '--out', tmp_path / 'out.dat', '--allow-gaps') == 0
    listed = json.loads((tmp_path / 'out.dat.gaps.json').read_text())
    assert listed['packets_left_out'] == left_out
    assert listed['planes_lost'] == 40 * left_out
    assert listed['planes'] == 40_000 - 40 * left_out


@pytest.mark.parametrize('back_ms', [300.013, 900, 1200, 30_000])
def test_a_clock_that_was_set_back_leaves_all_planes_in_the_order_of_the_file(tmp_path, back_ms):
    messages = bags.stream(40_000, height=2, width=8)
    for _, _, message in messages[501:]:
        at = stamp_ns(message.header.stamp) - round(1e6 * back_ms)
        message.header = bags.header(at)
    bag = bags.write(tmp_path / 'bag', messages)
    assert convert_(bag, '--out', tmp_path / 'out.dat', '--allow-gaps') == 0
    listed = json.loads((tmp_path / 'out.dat.gaps.json').read_text())
    assert [one['kind'] for one in listed['irregularities']] == ['restart']
    assert (listed['planes_lost'], listed['packets_left_out']) == (0, 0)
    expected = packing.pack(bags.moving_bars(40_000, 2, 8))[:, ::-1]
    assert (tmp_path / 'out.dat').read_bytes() == expected.tobytes()


def test_damaged_packets_are_refused_or_listed(tmp_path, capsys):
    spikes = bags.moving_bars(200)
    made = [
        bags.packet(bags.START + k * bags.PERIOD, spikes[k : k + 40]) for k in range(0, 200, 40)
    ]
    made[3].step = 3
    write_messages(tmp_path / 'bag', made)
    assert 'packet 3 of /spikes' in refused(
        capsys, main, tmp_path / 'bag', '--out', tmp_path / 'o.dat'
    )
    assert convert_(tmp_path / 'bag', '--out', tmp_path / 'o.dat', '--allow-gaps') == 0
    listed = json.loads((tmp_path / 'o.dat.gaps.json').read_text())
    assert [one['kind'] for one in listed['irregularities']] == ['refused', 'gap']
    assert (listed['planes'], listed['planes_lost'], listed['packets_left_out']) == (160, 40, 1)


def test_a_cut_bag_is_refused_or_its_damage_listed(tmp_path, capsys):
    bag = bags.bag(tmp_path / 'bag', planes=20_000)
    bags.cut_short(bag, 5)
    line = refused(capsys, main, bag, '--out', tmp_path / 'out.dat', keeps=tmp_path)
    assert '--allow-gaps' in line
    assert convert_(bag, '--out', tmp_path / 'out.dat', '--allow-gaps') == 0
    listed = json.loads((tmp_path / 'out.dat.gaps.json').read_text())
    assert listed['damage']
    assert 0 < listed['planes'] < 20_000
    size = listed['planes'] * bags.HEIGHT * bags.WIDTH // 8
    assert (tmp_path / 'out.dat').stat().st_size == size


def test_a_list_of_gaps_is_not_replaced_by_accident_and_none_is_left_of_another_file(
    bag, tmp_path
):
    out, gaps = tmp_path / 'out.dat', tmp_path / 'out.dat.gaps.json'
    gaps.write_text('mine')
    assert convert_(bag, '--out', out, '--allow-gaps') == 1
    assert gaps.read_text() == 'mine'
    assert convert_(bag, '--out', out, '--allow-gaps', '--overwrite') == 0
    assert json.loads(gaps.read_text())['irregularities'] == []
    assert convert_(bag, '--out', out, '--overwrite') == 0
    assert not gaps.exists()


@pytest.mark.parametrize('umask', [0o077, 0o002])
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_results_have_the_umask_of_the_user(dat, tmp_path, umask, storage):
    made, back = tmp_path / 'made', tmp_path / 'back.dat'
    before = os.umask(umask)
    try:
        for options in ((), ('--overwrite',)):
            assert convert_(dat, *SIZE, '--out', made, '--storage', storage, *options) == 0
            assert convert_(made, '--out', back, '--allow-gaps', *options) == 0
            gaps = tmp_path / 'back.dat.gaps.json'
            modes = {stat.S_IMODE(one.stat().st_mode) for one in (*made.iterdir(), back, gaps)}
            assert modes == {0o666 & ~umask}
            assert stat.S_IMODE(made.stat().st_mode) == 0o777 & ~umask
    finally:
        os.umask(before)


def test_overwrite_replaces_a_bag_and_a_file(dat, bag, tmp_path):
    out = tmp_path / 'back.dat'
    out.write_bytes(b'old')
    assert convert_(bag, '--out', out, '--overwrite') == 0
    assert out.read_bytes() == dat.read_bytes()
    half = tmp_path / 'half.dat'
    half.write_bytes(dat.read_bytes()[: len(dat.read_bytes()) // 2])
    assert convert_(half, *SIZE, '--out', bag, '--overwrite') == 0
    chunks = [chunk_from_msg(one, HEIGHT, WIDTH) for one in messages(bag, '/spikes')]
    assert sum(one.planes for one in chunks) == PLANES // 2


OUT = ('--out', 'new')
TWO_METRES = np.full((HEIGHT, WIDTH), 2000, np.uint16)
OF_DEPTH = {
    'a picture as depth': ('5.png', np.zeros((HEIGHT, WIDTH), np.uint8)),
    'depth that is no picture': ('5.png', b'no picture'),
    'depth that viewers turn': (
        '5.png',
        pictures.turned_png(TWO_METRES, 8),
    ),
    'depth of integers': ('5.npy', np.zeros((HEIGHT, WIDTH), np.int32)),
    'depth that is no array': ('5.npy', b'no array'),
    'depth of another size': ('5.npy', np.zeros((3, 4))),
    'depth without its plane': ('depth.npy', np.zeros((HEIGHT, WIDTH))),
    'depth in millimetres': ('3.npy', np.full((HEIGHT, WIDTH), 1500.0)),
    'depth in metres as integers': ('3.png', np.full((HEIGHT, WIDTH), 2, np.uint16)),
    'depth behind the planes': ('900.npy', np.zeros((HEIGHT, WIDTH))),
    'no depth': ('depth.txt', b''),
}
"""Files of depth that cannot be used, and what they hold."""

METRES = bags.slope(HEIGHT, WIDTH)
UNITS = {
    'millimetres': 1000 * METRES,
    'millimetres in part': METRES + 9e3 * (METRES > 5),
    'kilometres': METRES / 1000,
    # Micrometres, also of a flat plane, are no map of sky.
    'micrometres': 1e6 * METRES,
    'micrometres of a plane': 0 * np.isfinite(METRES) + 2.5e6,
}


def stored(path, content):
    path.parent.mkdir(exist_ok=True)
    if content is None:
        os.mkfifo(path)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif path.suffix == '.npy':
        np.save(path, content)
    else:
        cv2.imwrite(str(path), content)


def of_depth(spikes, folder):
    """Rows of depth that cannot be used: what is named, and arguments."""
    rows = {}
    contents = {**OF_DEPTH, 'a pipe as depth': ('3.png', None)}
    for number, (row, (name, content)) in enumerate(contents.items()):
        stored(folder / f'depth_{number}' / name, content)
        rows[row] = name, 'some.dat', *SIZE, '--depth', f'depth_{number}', *OUT
    rows['depth behind the planes'] = 'plane 900', *rows['depth behind the planes'][1:]
    rows['no depth'] = 'depth_10', *rows['no depth'][1:]
    of_array = {'packed': packing.pack(spikes), 'width': WIDTH, 'rate_hz': 40e3}
    for number, (row, second) in enumerate(UNITS.items()):
        stored(folder / f'unit_{number}' / '3.npy', METRES)
        stored(folder / f'unit_{number}' / '200.npy', second)
        given = 'some.dat', *SIZE, '--depth', f'unit_{number}'
        rows[f'{row} in a folder'] = '/200.npy', *given, *OUT
        maps = {'depth': np.stack([METRES, second]), 'depth_planes': [3, 200]}
        np.savez(folder / f'unit_{number}.npz', **of_array, **maps)
        rows[f'{row} in an archive'] = 'plane 200', f'unit_{number}.npz', *OUT
    # As read from its file, of which the first plane is the one that is meant.
    np.savez(folder / 'flat.npz', **of_array, depth=np.full((1, HEIGHT, WIDTH), 1500.0))
    rows['millimetres in an archive of one map'] = 'plane 0', 'flat.npz', *OUT

    ray = 'some.dat', *SIZE, '--depth', 'unit_0', '--depth-along', 'ray'
    rows['rays without a camera'] = '--fx', *ray, *OUT
    along = '--depth-along', 'ray', '--fx', 15
    rows['rays without depth'] = '--depth-along', 'some.dat', *SIZE, *along, *OUT
    few = CALIBRATION.replace('[0.1, 0, 0, 0, 0]', '[0.1, 0, 0]')
    (folder / 'few.yaml').write_text(few)
    rows['rays of a lens of 3 numbers'] = '3 coeff', *ray, '--camera-info', 'few.yaml', *OUT
    twice = CALIBRATION.replace('[0.1, 0, 0, 0, 0]', '[]').replace('0, 10, 0', '0, 20.5, 0')
    (folder / 'twice.yaml').write_text(twice)
    rows['rays of a camera of twice the size'] = (
        'K has its principal point', *ray, '--camera-info', 'twice.yaml', *OUT,
    )  # fmt: skip
    return rows


def of_places(folder):
    """Rows of results that may replace nothing: what is named, and arguments."""
    (folder / 'folder').mkdir()
    (folder / 'folder' / 'mine.txt').write_text('mine')
    os.mkfifo(folder / 'pipe')
    (folder / 'link').symlink_to('bag/metadata.yaml')
    (folder / 'to_nothing').symlink_to('gone')
    (folder / 'gaps.dat.gaps.json').write_text('mine')
    of = {'bag': ('bag',), 'some.dat': ('some.dat', *SIZE)}
    rows = {}
    for overwrite in ((), ('--overwrite',)):
        for name, given in of.items():
            row = ' '.join((name, *overwrite))
            rows[f'{row} onto itself'] = 'the recording itself', *given, '--out', name, *overwrite
            rows[f'{row} onto a folder'] = 'folder', *given, '--out', 'folder', *overwrite
        rows[' '.join(('link to nothing', *overwrite))] = (
            'to_nothing', 'some.dat', *SIZE, '--out', 'to_nothing', *overwrite,
        )  # fmt: skip
    for name in ('pipe', 'link'):
        rows[f'onto a {name}'] = name, 'bag', '--out', name, '--overwrite'
    rows['onto a bag'] = '--overwrite', 'some.dat', *SIZE, '--out', 'bag'
    rows['onto a file'] = '--overwrite', 'bag', '--out', 'folder/mine.txt'
    rows['onto a list of gaps'] = '--overwrite', 'bag', '--out', 'gaps.dat', '--allow-gaps'
    return rows


def test_what_cannot_be_converted_is_refused_in_one_line(
    dat, bag, spikes, tmp_path, capsys, monkeypatch, refusals
):
    """And nothing is written; a pipe is not waited for."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo('pipe.dat')
    np.savez('own.npz', packed=np.zeros((20, 5, 2), np.uint8), width=13, rate_hz=2e4)
    size = SIZE[:2]
    table = {
        'no file': ('no.dat', 'no.dat', *OUT),
        'no size': ('--size', 'some.dat', *OUT),
        'no rate': ('rate', 'some.dat', *size, *OUT),
        'a file as bag': ('b.mcap', 'some.dat', *SIZE, '--out', 'b.mcap'),
        'no folder': ('no', 'some.dat', *SIZE, '--out', 'no/b'),
        'a topic of a file': ('--topic', 'some.dat', *SIZE, '--topic', '/spikes', *OUT),
        'a storage of a file': ('--storage', 'bag', '--storage', 'mcap', '--out', 'b.dat'),
        'another size': ('20x12', 'bag', '--size', '20x12', '--out', 'b.dat'),
        'an archive of a bag': ('.dat', 'bag', '--out', 'b.npz'),
        'a bag of a bag': ('b.mcap', 'bag', '--out', 'b.mcap'),
        'no topic': ('/other', 'bag', '--topic', '/other', '--out', 'b.dat'),
        'a pipe': ('pipe.dat', 'pipe.dat', *OUT),
        'a pipe with a size': ('pipe.dat', 'pipe.dat', '--size', '48x32', *OUT),
    }
    for option in (('--packing', 'whole'), ('--skip-columns', 16), ('--axes', 'hwt')):
        table[f'{option[0]} of an archive'] = option[0], 'own.npz', *option, *OUT
        table[f'{option[0]} of a bag'] = option[0], 'bag', *option, '--out', 'o.dat'
    table |= of_depth(spikes, tmp_path) | of_places(tmp_path)
    rows = {
        name: (named, functools.partial(refused, capsys, main, *given, keeps=tmp_path))
        for name, (named, *given) in table.items()
    }
    before = dat.read_bytes()
    signal.alarm(60)
    try:
        refusals('spike_convert', rows, None, {r'read: (EOF|the magic).*': 'read: REASON'})
    finally:
        signal.alarm(0)
    assert dat.read_bytes() == before


def test_packets_that_no_reader_takes_are_refused(dat, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(spike_bag, 'MAX_MESSAGE_BYTES', 512 + 30 * HEIGHT * 3)
    given = (dat, *SIZE, '--out', tmp_path / 'bag', '--planes-per-packet')
    told = refused(capsys, main, *given, 31, keeps=tmp_path)
    assert told == (
        f'spike_convert: error: 31 planes of {WIDTH}x{HEIGHT} little in a packet; expected at '
        'most 30: lower --planes-per-packet'
    )
    assert convert_(*given, 30) == 0
    monkeypatch.setattr(spike_bag, 'MAX_MESSAGE_BYTES', 512 + PLANES * HEIGHT * 3)
    assert convert_(*given, 10**9, '--overwrite') == 0  # as many as there are


@pytest.mark.parametrize('to_bag', [True, False])
def test_on_a_full_disk_nothing_half_written_stays(
    dat, bag, tmp_path, capsys, monkeypatch, to_bag
):
    arguments = (
        (dat, *SIZE, '--out', tmp_path / 'new') if to_bag else (bag, '--out', tmp_path / 'n')
    )
    capsys.readouterr()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(result_files, 'sync', full)
    told = refused(capsys, main, *arguments, keeps=tmp_path)
    assert 'No space left on device: free space there' in told
    monkeypatch.setattr(convert, 'SPARE_BYTES', 1e18)
    assert 'MB are free, expected' in refused(capsys, main, *arguments, keeps=tmp_path)


def test_two_conversions_to_one_name_both_stay(bag, tmp_path, capsys, monkeypatch):
    out = tmp_path / 'out.dat'
    sync = result_files.sync

    def meanwhile(path):
        if '.incomplete_' in str(path):
            out.write_bytes(b'of another process')
        sync(path)

    monkeypatch.setattr(result_files, 'sync', meanwhile)
    assert convert_(bag, '--out', out) == 0
    assert out.read_bytes() == b'of another process'
    assert (tmp_path / 'out_2.dat').stat().st_size == PLANES * HEIGHT * 3
    assert 'the result is' in capsys.readouterr().err


def test_every_shared_recording_comes_back_byte_by_byte(real_data, tmp_path):
    found = sorted(real_data.glob('spikes/**/*.dat'))
    assert found
    for number, file in enumerate(found):
        bag, back = tmp_path / f'bag{number}', tmp_path / f'{number}.dat'
        assert convert_(file, '--size', '400x250', '--rate', 20_000, '--out', bag) == 0
        assert convert_(bag, '--out', back) == 0
        assert back.read_bytes() == file.read_bytes()


def test_a_wrong_size_is_named(tmp_path, capsys):
    sample = resources.files('spike_depth_ros') / 'assets' / 'office.npz'
    planes = open_recording(sample).planes[:30]
    path = tmp_path / 'office.dat'
    path.write_bytes(np.ascontiguousarray(planes[:, ::-1]).tobytes())
    for size, expected in (('400x250', ''), ('400x125', 'try --size 400x250\n')):
        given = ('--size', size, '--rate', 20_000, '--out', tmp_path / size)
        assert convert_(path, *given) == 0
        found = capsys.readouterr().err
        assert found.startswith('warning: ') == bool(expected)
        assert found.endswith(expected)


def test_lack_of_memory_is_one_line(tmp_path):
    given = f'{large_files.long_npy(tmp_path)} --rate 20000 --out {tmp_path}/bag'
    done = large_files.run_limited(f'-m spike_depth_ros.tools.convert.command {given}')
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert done.stderr.startswith('spike_convert: error: not enough memory (Unable to allocate 23')
    assert done.stderr.endswith('): end other programs, or give a smaller input\n')
