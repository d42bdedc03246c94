# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import functools
import math
import os
import shutil
import sqlite3
import stat

import numpy as np
import pytest
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from kit.clips import CAMERA, FRAME_S, HEIGHT, WIDTH, Sliding, write_folder
from spike_depth_ros.stream.decode import chunk_from_msg, depth_from_msg, stamp_ns
from spike_depth_ros.stream.ingest import Ingest, StreamSettings
from spike_depth_ros.stream.packing import spike_counts, unpack
from spike_training.commands.bag import bag
from spike_training.disk import check_room
from spike_training.errors import ConfigError, DataSetError
from spike_training.simulation.bag import ClipBag, choose_clip, choose_span
from spike_training.simulation.clip_camera import ClipCamera, frame_clips
from spike_training.simulation.settings import CameraSettings

TYPES = get_typestore(Stores.ROS2_JAZZY)
RATE = 1500.0
SIZE = f'{WIDTH}x{HEIGHT}'
SECOND = 1_000_000_000


@pytest.fixture(scope='module')
def recording(tmp_path_factory):
    """Six frames, a thirtieth of a second apart, of which the reader makes a clip."""
    root = tmp_path_factory.mktemp('data') / 'made'
    write_folder(root, Sliding(6))
    return root


def read(path):
    """Messages by topic, each with the time at which it was recorded."""
    messages = {}
    with Reader(path) as reader:
        for connection, time, data in reader.messages():
            message = TYPES.deserialize_cdr(data, connection.msgtype)
            messages.setdefault(connection.topic, []).append((time, message))
    return messages


def planes_of(messages):
    chunks = [chunk_from_msg(message, HEIGHT, WIDTH) for _, message in messages['/spikes']]
    return chunks, np.concatenate([chunk.data for chunk in chunks])


@pytest.fixture(scope='module', params=['sqlite3', 'mcap'])
def written(request, recording, tmp_path_factory):
    out = tmp_path_factory.mktemp('bags') / 'made'
    bag({'folder': str(recording)}, out, size=SIZE, rate=RATE, storage=request.param)
    assert [path.suffix for path in out.iterdir() if path.name != 'metadata.yaml'] == [
        {'sqlite3': '.db3', 'mcap': '.mcap'}[request.param]
    ]
    return read(out)


def test_the_stream_is_continuous_and_stamped_by_counting_planes(written):
    chunks, planes = planes_of(written)
    assert len(planes) == round(5 / 30 * RATE)
    assert {chunk.planes for chunk in chunks[:-1]} == {40}
    done = 0
    for chunk in chunks:
        assert chunk.t0_ns == SECOND + done * SECOND // int(RATE)
        done += chunk.planes
    header = written['/spikes'][0][1].header
    assert header.frame_id == 'spike_camera_optical_frame'


def test_the_planes_are_those_of_the_simulated_camera(written, recording):
    _, planes = planes_of(written)
    clip = frame_clips('folder', str(recording))[0]
    camera = ClipCamera(clip, CameraSettings(HEIGHT, WIDTH, RATE))
    expected = np.concatenate(list(camera.planes(float(clip.times_s[0]), len(planes))))
    np.testing.assert_array_equal(planes, expected)


def test_true_depth_has_the_stamps_of_its_frames(written):
    truths = [message for _, message in written['/depth/truth']]
    stamps = [stamp_ns(message.header.stamp) - SECOND for message in truths]
    np.testing.assert_allclose(stamps, np.arange(6) * SECOND / 30, atol=2)
    for index, message in enumerate(truths):
        assert message.encoding == '32FC1'
        np.testing.assert_allclose(
            depth_from_msg(message), Sliding(6).depth(index), atol=1e-3, equal_nan=True
        )


def test_the_camera_is_told_from_the_start(written):
    times = [time for time, _ in written['/camera_info']]
    info = written['/camera_info'][0][1]
    assert (info.width, info.height) == (WIDTH, HEIGHT)
    np.testing.assert_allclose(info.k.reshape(3, 3), CAMERA)
    assert times[0] <= written['/spikes'][0][0]
    assert len(times) == 2


def test_messages_are_recorded_when_they_would_have_been_sent(written):
    for time, message in written['/spikes']:
        planes = message.height // HEIGHT
        assert time == pytest.approx(
            stamp_ns(message.header.stamp) + planes / RATE * SECOND, abs=2
        )
    everything = sorted(time for of_topic in written.values() for time, _ in of_topic)
    assert everything[0] == SECOND


def test_messages_lie_in_the_file_in_that_order(recording, tmp_path):
    bag({'folder': str(recording)}, tmp_path / 'out', size=SIZE, rate=RATE)
    database = sqlite3.connect(tmp_path / 'out' / 'out.db3')
    times = [row[0] for row in database.execute('SELECT timestamp FROM messages ORDER BY id')]
    database.close()
    assert times == sorted(times)


def test_the_nodes_ingest_takes_every_plane(written):
    settings = StreamSettings(window=32, policy='every', ring_planes=4096)
    ingest = Ingest(settings, lambda kind, text: pytest.fail(text))
    ingest.on_camera_info(written['/camera_info'][0][1])
    for _, message in written['/spikes']:
        ingest.on_spikes(message)
    accounting = ingest.accounting()
    assert (accounting.received, accounting.dropped, accounting.restarts) == (250, 0, 0)
    assert 1e9 / ingest.ring.period_ns == pytest.approx(RATE, rel=1e-3)
    assert ingest.camera.fx_px == CAMERA[0, 0]


def test_a_part_in_another_size_and_at_another_rate(recording, tmp_path):
    out = tmp_path / 'deep' / 'part'
    where = {'folder': str(recording)}
    bag(where, out, size='30x20', rate=600.0, start=0.05, seconds=0.1, planes_per_packet=7)
    messages = read(out)
    chunks = [chunk_from_msg(message, 20, 30) for _, message in messages['/spikes']]
    assert sum(chunk.planes for chunk in chunks) == 60
    assert chunks[0].t0_ns == SECOND + 50_000_000
    stamps = [stamp_ns(message.header.stamp) for _, message in messages['/depth/truth']]
    np.testing.assert_allclose(stamps, SECOND + np.arange(2, 5) * SECOND / 30, atol=2)
    info = messages['/camera_info'][0][1]
    assert info.k[0] == pytest.approx(CAMERA[0, 0] / 3)
    # The picture is that of the frames then.
    packed = np.concatenate([chunk.data for chunk in chunks])
    rate = spike_counts(packed[20:40], 30) / 20
    shown = ClipCamera(Sliding(6), CameraSettings(20, 30)).light(3)
    assert np.corrcoef(rate.ravel(), shown.ravel())[0, 1] > 0.8
    assert unpack(packed, 30).mean() == pytest.approx(0.2, abs=0.05)


def test_stamps_are_the_clips_own():
    times = 1_700_000_000.25 + FRAME_S * np.arange(3)
    part = choose_span(times, 1000.0, 0.0, None)
    assert part.stamp_ns == pytest.approx(1_700_000_000_250_000_000, abs=300)
    assert (part.planes, part.start_s) == (200, times[0])


@pytest.mark.parametrize(
    ('start', 'seconds'), [(-0.1, None), (0.5, None), (0.0, 0.0), (math.nan, None)]
)
def test_parts_outside_the_clip_are_refused(start, seconds):
    with pytest.raises(ConfigError, match=r'expected a part of the 0\.50 s between'):
        choose_span(FRAME_S * np.arange(6), 1000.0, start, seconds)


def test_a_recording_is_chosen_by_name():
    first, second = Sliding(), Sliding()
    first.name = 'made/first'
    assert choose_clip([first, second], 'made/first') is first
    assert choose_clip([second], '') is second
    with pytest.raises(ConfigError, match='2 recordings: expected --clip with one of made/first'):
        choose_clip([first, second], '')
    with pytest.raises(ConfigError, match="clip is 'x': expected --clip with one of"):
        choose_clip([first, second], 'x')


def test_a_disk_without_room_is_not_filled(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    check_room(tmp_path, free / 2, 'less')
    with pytest.raises(
        ConfigError, match=r'MB free, \d+ MB are needed: choose another disk, less'
    ):
        check_room(tmp_path, 2 * free, 'less')


def test_a_place_that_cannot_be_written_to_is_refused(recording, tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(ConfigError, match='file/deep: cannot be made: Not a directory'):
        bag({'folder': str(recording)}, tmp_path / 'file' / 'deep' / 'out', size=SIZE)


def test_a_damaged_frame_is_left_out_and_named(tmp_path, capsys):
    write_folder(tmp_path / 'data', Sliding(8, damaged=(2,)))
    bag({'folder': str(tmp_path / 'data')}, tmp_path / 'out', size=SIZE, rate=600.0)
    assert 'left out: data, frame 2' in capsys.readouterr().out.replace('folder/', '')
    messages = read(tmp_path / 'out')
    assert sum(m.height for _, m in messages['/spikes']) == round(7 / 30 * 600) * HEIGHT


def test_nothing_is_left_behind_when_it_fails(tmp_path):
    # They are read while the bag is being written, not before.
    write_folder(tmp_path / 'data', Sliding(60, damaged=(17, 18, 19, 21)))
    with pytest.raises(DataSetError, match='cannot be used, expected at most 5%'):
        bag({'folder': str(tmp_path / 'data')}, tmp_path / 'out', size=SIZE, rate=600.0)
    assert [path.name for path in tmp_path.iterdir()] == ['data']


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        ({'size': '400'}, "size is '400': expected WIDTHxHEIGHT"),
        ({'rate': 0}, 'rate is 0: expected planes a second'),
        ({'start': 9}, r'expected a part of the 0\.17 s between'),
        ({'planes_per_packet': 0}, 'planes_per_packet is 0: expected 1 or more'),
        (
            {'planes_per_packet': 300, 'rate': 6000.0, 'size': '4096x4096'},
            '300 planes of 4096x4096 little in a packet; expected at most .*: lower --planes',
        ),
        ({'transform': 'authors'}, "images of 90x60: expected at least 1216x352 for the authors'"),
        ({'clip': 'x'}, "clip is 'x': expected --clip with one of"),
        ({'data': {}}, r'0 data sets: expected one, --data\.NAME PATH'),
    ],
)
def test_wrong_settings_are_named_before_anything_is_written(recording, tmp_path, wrong, message):
    settings = {'data': {'folder': str(recording)}, 'out': tmp_path / 'out', 'size': SIZE}
    with pytest.raises((ConfigError, DataSetError), match=message):
        bag(**{**settings, **wrong})
    assert list(tmp_path.iterdir()) == []


def test_the_command_ends_with_one_line(recording, tmp_path, command):
    done = command('bag', f'--data.folder={recording}', f'--out={tmp_path}')
    assert done.returncode == 2
    words = 'which exists: choose another one, or give --overwrite true'
    assert done.stderr == f'run.py: out is {tmp_path}, {words}\n'


@pytest.mark.parametrize('umask', [0o077, 0o002, 0o022])
def test_a_bag_has_the_umask_of_the_user(recording, tmp_path, umask):
    before = os.umask(umask)
    try:
        bag({'folder': str(recording)}, tmp_path / 'made', size=SIZE, rate=600.0)
    finally:
        os.umask(before)
    modes = {path.suffix: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob('*')}
    file = 0o666 & ~umask
    assert modes == {'': 0o777 & ~umask, '.db3': file, '.yaml': file}


def test_a_link_is_not_replaced(recording, tmp_path):
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'link').symlink_to(tmp_path / 'mine')
    write = functools.partial(bag, {'folder': str(recording)}, tmp_path / 'link', size=SIZE)
    with pytest.raises(ConfigError, match='link, which exists: choose another one'):
        write()
    with pytest.raises(ConfigError, match='link, a link: expected the file or folder to replace'):
        write(overwrite=True)
    (tmp_path / 'mine').rmdir()
    for overwrite in (False, True):
        with pytest.raises(ConfigError, match=r'link: is a link to .*mine, which is missing'):
            write(overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ['link']


def test_a_bag_is_replaced_only_if_asked_for_and_only_by_a_whole_one(recording, tmp_path):
    out = tmp_path / 'made'
    write = functools.partial(bag, data={'folder': str(recording)}, out=out, size=SIZE, rate=600.0)
    out.mkdir()
    (out / 'mine.txt').touch()
    with pytest.raises(
        ConfigError, match='made, which exists: choose another one, or give --overw'
    ):
        write()
    with pytest.raises(ConfigError, match='made: --overwrite: expected a folder that holds a bag'):
        write(overwrite=True)
    (out / 'mine.txt').rename(out / 'old.mcap')
    damaged = tmp_path / 'damaged'
    write_folder(damaged, Sliding(60, damaged=(17, 18, 19, 21)))
    with pytest.raises(DataSetError, match='cannot be used, expected at most 5%'):
        write(data={'folder': str(damaged)}, overwrite=True)
    assert [one.name for one in out.iterdir()] == ['old.mcap']
    write(overwrite=True)
    assert read(out)['/spikes']
    assert {one.name for one in out.iterdir()} == {'made.db3', 'metadata.yaml'}
    assert {one.name for one in tmp_path.iterdir()} == {'made', 'damaged'}


def test_a_bag_that_another_process_has_made_meanwhile_is_left_as_it_is(recording, tmp_path):
    out = tmp_path / 'made'
    camera = ClipCamera(frame_clips('folder', str(recording))[0], CameraSettings(24, 32, 600.0))
    other = ClipBag(camera, choose_span(camera.clip.times_s, 600.0, 0.0, 0.1), 40)
    other.write(out, 'mcap')
    before = (out / 'made.mcap').read_bytes()
    assert other.write(out, 'sqlite3') == tmp_path / 'made_2'
    assert (out / 'made.mcap').read_bytes() == before
    assert read(tmp_path / 'made_2').keys() == read(out).keys()
    assert {one.name for one in tmp_path.iterdir()} == {'made', 'made_2'}


def test_a_link_laid_out_for_the_unfinished_bag_is_not_followed(recording, tmp_path):
    others = tmp_path / 'others'
    others.mkdir()
    (tmp_path / '.made.part').symlink_to(others)
    bag({'folder': str(recording)}, tmp_path / 'made', size=SIZE, rate=RATE)
    assert read(tmp_path / 'made')
    assert not any(others.iterdir())
    assert {one.name for one in tmp_path.iterdir()} == {'.made.part', 'made', 'others'}


def test_frames_lie_beside_the_spikes_pixel_for_pixel(recording, tmp_path):
    out = tmp_path / 'made'
    bag({'folder': str(recording)}, out, size=SIZE, rate=RATE, seconds=0.1, frames=True)
    messages = read(out)
    assert len(messages['/image']) == len(messages['/image/camera_info']) == 4
    shown = Sliding(6)
    for number, ((_, image), (_, info)) in enumerate(
        zip(messages['/image'], messages['/image/camera_info'], strict=True)
    ):
        assert (image.height, image.width, image.encoding) == (HEIGHT, WIDTH, 'rgb8')
        assert image.header.stamp == info.header.stamp
        assert list(info.k) == list(messages['/camera_info'][0][1].k)
        pixels = np.asarray(image.data).reshape(HEIGHT, WIDTH, 3)
        np.testing.assert_array_equal(pixels, shown.image(number))


def test_frames_that_are_not_there_are_told(recording, tmp_path):
    out = tmp_path / 'beside'
    with pytest.raises(ConfigError, match=r'frames is true: expected a frame of .* between 0\.01'):
        bag(
            {'folder': str(recording)}, out, size=SIZE, rate=RATE, start=0.01, seconds=0.01,
            frames=True,
        )  # fmt: skip
    assert not out.exists()


def test_a_writer_that_fails_is_one_line(recording, tmp_path, monkeypatch):
    def full(*arguments):
        raise sqlite3.OperationalError('database or disk is full')

    monkeypatch.setattr('spike_training.simulation.bag.write_messages', full)
    with pytest.raises(DataSetError, match=r'written \(database or disk is full\): free'):
        bag({'folder': str(recording)}, tmp_path / 'out', size=SIZE, rate=RATE, seconds=0.05)
    assert [*tmp_path.iterdir()] == []


def test_a_gap_in_the_names_of_frames_stays_one(tmp_path, capsys):
    """Eight frames of half a second, of which a texture moves at 200 pixels a second."""
    times = [0.0, 0.033, 0.067, 0.1, 0.4, 0.433, 0.467, 0.5]
    write_folder(tmp_path / 'walk', Sliding(8))
    for number, time in enumerate(times):
        for path in (tmp_path / 'walk').glob(f'*/{number:05d}.png'):
            path.rename(path.with_name(f'{1305031102 + time:.6f}.png'))
    bag({'folder': str(tmp_path / 'walk')}, tmp_path / 'out', size=SIZE, rate=RATE)
    printed = capsys.readouterr().out
    assert 'folder/walk: 1 gaps of up to 0.3 s between frames that are 0.033 s apart' in printed
    messages = read(tmp_path / 'out')
    _, planes = planes_of(messages)
    assert len(planes) == RATE / 2
    stamps = [stamp_ns(message.header.stamp) for _, message in messages['/depth/truth']]
    found = (np.array(stamps) - 1_305_031_102 * SECOND) / SECOND
    np.testing.assert_allclose(found, times[: len(found)], atol=1e-6)
