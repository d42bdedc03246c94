# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import functools
import math
import os
import shutil
import sqlite3
import stat

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from kit.clips import CAMERA, FRAME_S, HEIGHT, WIDTH, Sliding, walk, write_folder, write_poses
from kit.refusals import leaving
from spike_depth_ros.motion.odometry import pose_matrix
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


def test_a_recording_is_chosen_by_name():
    first, second = Sliding(), Sliding()
    first.name = 'made/first'
    assert choose_clip([first, second], 'made/first') is first
    assert choose_clip([second], '') is second


def test_a_disk_without_room_is_not_filled(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    check_room(tmp_path, free / 2, 'less')
    with pytest.raises(ConfigError):  # its text is in the table
        check_room(tmp_path, 2 * free, 'less')


def test_a_damaged_frame_is_left_out_and_named(tmp_path, capsys):
    write_folder(tmp_path / 'data', Sliding(8, damaged=(2,)))
    bag({'folder': str(tmp_path / 'data')}, tmp_path / 'out', size=SIZE, rate=600.0)
    assert 'left out: data, frame 2' in capsys.readouterr().out.replace('folder/', '')
    messages = read(tmp_path / 'out')
    assert sum(m.height for _, m in messages['/spikes']) == round(7 / 30 * 600) * HEIGHT


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


def test_a_bag_is_replaced_if_asked_for(recording, tmp_path):
    out = tmp_path / 'made'
    out.mkdir()
    (out / 'old.mcap').touch()
    bag({'folder': str(recording)}, out, size=SIZE, rate=600.0, overwrite=True)
    assert read(out)['/spikes']
    assert {one.name for one in out.iterdir()} == {'made.db3', 'metadata.yaml'}
    assert [one.name for one in tmp_path.iterdir()] == ['made']


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


@pytest.fixture(scope='module')
def posed(tmp_path_factory):
    root = tmp_path_factory.mktemp('data') / 'posed'
    write_folder(root, Sliding(6))
    write_poses(root, walk(6))
    return root


def odometry_of(posed, out, **settings):
    """Messages of odometry in a bag: when recorded, by their stamps, and poses of the camera."""
    bag({'folder': str(posed)}, out, size='30x20', rate=600.0, **settings)
    recorded, messages = zip(*read(out)['/odom'], strict=True)
    stamps = [stamp_ns(message.header.stamp) for message in messages]
    found = []
    for message in messages:
        at, turn = message.pose.pose.position, message.pose.pose.orientation
        found.append(pose_matrix([at.x, at.y, at.z, turn.x, turn.y, turn.z, turn.w]))
    return messages, np.array(recorded), np.array(stamps), np.stack(found)


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_odometry_is_the_poses_of_the_camera(posed, tmp_path, capsys, storage):
    messages, recorded, stamps, poses = odometry_of(
        posed, tmp_path / 'made', start=0.05, seconds=0.1, storage=storage
    )
    assert ', 3 depth images, 3 poses, ' in capsys.readouterr().out
    np.testing.assert_allclose(stamps, SECOND + np.arange(2, 5) * SECOND / 30, atol=2)
    np.testing.assert_array_equal(recorded, stamps)
    np.testing.assert_allclose(poses, walk(6)[2:5], atol=1e-9)
    for message in messages:
        assert message.header.frame_id == 'odom'
        assert message.child_frame_id == 'spike_camera_optical_frame'
        for unknown in (message.pose.covariance, message.twist.covariance):
            assert np.array_equal(unknown, np.zeros(36))


def test_errors_of_odometry(posed, tmp_path):
    errors = {'odometry_length': 1.1, 'odometry_rotation_deg': 0.5, 'odometry_clock_ms': 20.0}
    _, recorded, stamps, poses = odometry_of(posed, tmp_path / 'made', **errors)
    true = walk(6)
    np.testing.assert_allclose(recorded, SECOND + np.arange(6) * SECOND / 30, atol=2)
    np.testing.assert_array_equal(stamps, recorded + 20_000_000)
    np.testing.assert_allclose(poses[:, :3, 3], 1.1 * true[:, :3, 3])
    turns = np.swapaxes(true[:, :3, :3], 1, 2) @ poses[:, :3, :3]
    turns = np.stack([cv2.Rodrigues(turn)[0][:, 0] for turn in turns])
    np.testing.assert_allclose(np.linalg.norm(turns, axis=1), np.radians(0.5), rtol=1e-6)
    axes = turns / np.radians(0.5)
    assert np.abs(axes @ axes.T - np.eye(6)).min() > 0
    assert np.linalg.norm(axes.mean(0)) < 0.7
    *_, again = odometry_of(posed, tmp_path / 'again', **errors)
    *_, other = odometry_of(posed, tmp_path / 'other', **errors, seed=1)
    np.testing.assert_array_equal(again, poses)
    assert np.abs(other - poses)[:, :3, :3].max(axis=(1, 2)).min() > 1e-4


def test_odometry_may_be_left_out(recording, posed, tmp_path):
    for root, odometry in ((posed, False), (recording, True)):
        out = tmp_path / str(odometry)
        bag({'folder': str(root)}, out, size='30x20', rate=600.0, odometry=odometry)
        assert read(out).keys() == {'/spikes', '/camera_info', '/depth/truth'}


@pytest.mark.parametrize(
    ('name', 'where'),
    [('folder', 'rgbd/hololens_000,frame_hz=10'), ('sevenscenes', 'rgbd/sevenscenes_kitchen')],
)
def test_odometry_of_real_recordings(real_data, tmp_path, name, where):
    (clip,) = frame_clips(name, str(real_data / where))
    camera = ClipCamera(clip, CameraSettings(20, 30, 600.0))
    span = choose_span(clip.times_s, 600.0, 1.0, 0.5)
    messages = read(ClipBag(camera, span, 40).write(tmp_path / 'made', 'mcap'))
    stamps = [stamp_ns(message.header.stamp) for _, message in messages['/odom']]
    assert stamps == [stamp_ns(message.header.stamp) for _, message in messages['/depth/truth']]
    at = messages['/odom'][0][1].pose.pose.position
    first = np.searchsorted(clip.times_s, span.start_s)
    np.testing.assert_allclose([at.x, at.y, at.z], clip.poses.matrices[first, :3, 3])


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


def test_what_bag_refuses(refusals, recording, tmp_path, monkeypatch, command):
    """Nothing is written, and what is there stays, unless it is replaced by a whole bag."""
    rows = {}

    def row(name, named, out=tmp_path / 'new', **changes):
        settings = {'data': {'folder': str(recording)}, 'out': out, 'size': SIZE, **changes}
        rows[name] = named, leaving(tmp_path, functools.partial(bag, **settings))

    # Settings.
    row('half a size', 'size', size='400')
    row('rate 0', 'rate', rate=0)
    row('no planes in a packet', 'planes_per_packet', planes_per_packet=0)
    row('packets too large', 'in a packet', planes_per_packet=300, rate=6000.0, size='4096x4096')
    row('a transform of large images', '1216x352', transform='authors')
    row('another clip', 'clip', clip='x')
    row('no data set', '--data.NAME', data={})
    for start, seconds in ((-0.1, None), (9, None), (0.0, 0.0), (math.nan, None)):
        named = 'start is nan' if math.isnan(start) else 'part'
        row(f'from {start} s for {seconds} s', named, start=start, seconds=seconds)
        call = functools.partial(choose_span, FRAME_S * np.arange(6), 1000.0, start, seconds)
        rows[f'of a clip from {start} s for {seconds} s'] = 'part', call
    row('no frame in the part', 'frames', rate=RATE, start=0.01, seconds=0.01, frames=True)
    for option, value in (('length', 1.1), ('rotation_deg', 0.2), ('clock_ms', 5.0)):
        row(f'no poses for {option}', 'odometry_', **{f'odometry_{option}': value})
    row('an endless way', 'odometry_length', odometry_length=math.inf)
    row('a turn below 0', 'odometry_rotation_deg', odometry_rotation_deg=-1.0)
    row('a clock that is late by a minute', 'odometry_clock_ms', odometry_clock_ms=60_000.0)
    first, second = Sliding(), Sliding()
    first.name = 'made/first'
    for clip in ('', 'x'):
        call = functools.partial(choose_clip, [first, second], clip)
        rows[f'of two clips {clip!r}'] = 'made/first', call
    # They are read while the bag is being written, not before.
    damaged = {'folder': str(tmp_path / 'damaged')}
    write_folder(tmp_path / 'damaged', Sliding(60, damaged=(17, 18, 19, 21)))
    row('frames that are damaged', '4 of 60', data=damaged, rate=600.0)

    # Where it is to lie.
    (tmp_path / 'file').touch()
    for name in ('mine', 'old'):
        (tmp_path / name).mkdir()
    (tmp_path / 'mine/mine.txt').touch()
    (tmp_path / 'old/old.mcap').touch()
    for name, to in (('link', 'mine'), ('lost', 'nowhere')):
        (tmp_path / name).symlink_to(tmp_path / to)
    row('below a file', 'file/deep', out=tmp_path / 'file/deep/new')
    row('a folder of others', 'mine', out=tmp_path / 'mine')
    row('no bag to replace', 'mine', out=tmp_path / 'mine', overwrite=True)
    row('replaced, but by damaged frames', '4 of 60', out=tmp_path / 'old', data=damaged,
        rate=600.0, overwrite=True)  # fmt: skip
    row('a link', 'link', out=tmp_path / 'link')
    row('a link to replace', 'link', out=tmp_path / 'link', overwrite=True)
    for overwrite in (False, True):
        row(f'a link of nothing, {overwrite}', 'lost', out=tmp_path / 'lost', overwrite=overwrite)
    rows['a full disk'] = 'MB', functools.partial(check_room, tmp_path, 1e18, 'less')

    def full(*arguments):
        raise sqlite3.OperationalError('database or disk is full')

    def unwritten():
        with monkeypatch.context() as patch:
            patch.setattr('spike_training.simulation.bag.write_messages', full)
            where = {'folder': str(recording)}
            bag(where, tmp_path / 'new', size=SIZE, rate=RATE, seconds=0.05)

    rows['a writer that fails'] = 'database or disk is full', leaving(tmp_path, unwritten)
    refusals('run_bag', rows, (ConfigError, DataSetError), {r'\d+ MB free': 'N MB free'})
    done = command('bag', f'--data.folder={recording}', f'--out={tmp_path / "mine"}')
    assert done.returncode == 2
    words = 'which exists: choose another one, or give --overwrite true'
    assert done.stderr == f'run.py: out is {tmp_path / "mine"}, {words}\n'
