# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import functools
import itertools

import cv2
import numpy as np
import pytest

from kit.videos import MATRICES, write_mp4
from spike_depth_ros.io.video.frames import VideoError, VideoFile, Webcam, packets, steps
from spike_depth_ros.io.video.spiking import IntegrateAndFire


def write_video(path, greys, frame_rate=10.0, code='MJPG'):
    """Frames of 64 x 48 pixels, each of one grey."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), frame_rate, (64, 48))
    for grey in greys:
        writer.write(np.full((48, 64, 3), grey, np.uint8))
    writer.release()
    return path


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / 'a.avi', [20, 120, 220])


def seen(frames):
    """Times, and greys to the nearest ten."""
    return [(round(time, 6), round(float(image.mean()), -1)) for time, image in frames]


def test_frames_come_at_the_frame_rate_and_the_last_one_lasts(video):
    file = VideoFile(video)
    assert (file.size, file.frame_rate, file.live) == ((48, 64), 10.0, False)
    assert seen(file.frames()) == [(0.0, 20), (0.1, 120), (0.2, 220), (0.3, 220)]


def test_a_loop_begins_again_where_the_end_was(video):
    frames = seen(itertools.islice(VideoFile(video).frames(loop=True), 7))
    assert frames[3:] == [(0.3, 220), (0.3, 20), (0.4, 120), (0.5, 220)]


def test_another_frame_rate_may_be_given(video):
    assert seen(VideoFile(video, 5.0).frames())[1] == (0.2, 120)


@pytest.mark.parametrize('damage', ['cut', 'zeros'])
@pytest.mark.parametrize('loop', [False, True])
def test_a_damaged_video_is_an_error_after_its_last_frame(tmp_path, damage, loop):
    path = write_video(tmp_path / 'a.avi', [20, 120, 220] * 10)
    content, half = path.read_bytes(), path.stat().st_size // 2
    path.write_bytes(content[:half] + (b'' if damage == 'cut' else bytes(len(content) - half)))
    frames, found = VideoFile(path).frames(loop), []
    with pytest.raises(VideoError) as raised:
        found.extend(next(frames) for _ in range(100))
    assert seen(found)[:3] == [(0.0, 20), (0.1, 120), (0.2, 220)]
    assert len(found) < 20
    words = f'a.avi: is damaged or was cut: it ends after frame {len(found)}, expected 28'
    assert words in str(raised.value)


def light(value):
    return np.full((2, 3), value, np.float32)


def laid(times, rate, longest_s=np.inf):
    frames = [(time, light(number)) for number, time in enumerate(times)]
    return [
        (step.first, step.planes, step.before[0, 0], step.after[0, 0])
        for step in steps(frames, rate, longest_s)
    ]


def test_planes_lie_between_the_frames_without_gap_or_overlap():
    assert laid([0.0, 0.1, 0.2], 50) == [(0, 5, 0, 1), (5, 5, 1, 2)]
    # Frames at a third of a plane: no plane is lost, none is doubled.
    plan = laid([k / 30 for k in range(301)], 2000)
    assert sum(planes for _, planes, *_ in plan) == 20_000
    assert all(a[0] + a[1] == b[0] for a, b in itertools.pairwise(plan))


def test_fewer_planes_than_frames():
    plan = laid([k / 30 for k in range(31)], 10)
    assert [first for first, *_ in plan] == list(range(10))
    assert {planes for _, planes, *_ in plan} == {1}


def test_two_frames_at_one_time_are_a_cut():
    assert laid([0.0, 0.1, 0.1, 0.2], 10) == [(0, 1, 0, 1), (1, 1, 2, 3)]


def test_what_a_late_camera_missed_is_passed_over():
    assert laid([0.0, 0.1, 1.1, 1.2], 100, longest_s=0.25) == [
        (0, 10, 0, 1),
        (85, 25, 1, 2),
        (110, 10, 2, 3),
    ]


@pytest.mark.parametrize('size', [1, 7, 10, 40])
def test_packets_hold_every_plane_once(size):
    bright = [(k / 10, light(0.1 + 0.2 * (k % 3))) for k in range(6)]
    sent = list(packets(steps(bright, 100), IntegrateAndFire.shuffled(2, 3), size))
    assert [packet.first for packet in sent] == list(range(0, 50, size))
    assert {len(packet.planes) for packet in sent[:-1]} <= {size}
    camera = IntegrateAndFire.shuffled(2, 3)
    expected = [camera.expose(s.before, s.after, s.planes) for s in steps(bright, 100)]
    planes = np.concatenate([packet.planes for packet in sent])
    if size >= 10:  # cut up, light is rounded otherwise
        np.testing.assert_array_equal(planes, np.concatenate(expected))
    assert len(planes) == 50


def test_a_packet_ends_where_planes_were_passed_over():
    frames = [(0.0, light(0.5)), (0.1, light(0.5)), (1.1, light(0.5)), (1.2, light(0.5))]
    camera = IntegrateAndFire.shuffled(2, 3)
    sent = list(packets(steps(frames, 100, longest_s=0.25), camera, 30))
    assert [(packet.first, len(packet.planes)) for packet in sent] == [(0, 10), (85, 30), (115, 5)]


TIMES = [0.0, 0.04, 0.08, 0.5, 0.51, 1.9]
"""By no clock; the last frame lasts a tenth of a second."""


def grey(value, size=(48, 64)):
    return np.full((*size, 3), value, np.uint8)


def test_frames_of_a_varying_rate_come_at_their_own_times(tmp_path):
    path = write_mp4(tmp_path / 'a.mp4', [grey(40 * k) for k in range(6)], [*TIMES, 2.0])
    found = list(VideoFile(path).frames())
    np.testing.assert_allclose([time for time, _ in found], [*TIMES, 2.0], atol=1e-3)
    greys = [float(image.mean()) for _, image in found]
    np.testing.assert_allclose(greys, [0, 40, 80, 120, 160, 200, 200], atol=8)
    assert [*VideoFile(path).times()] == [time for time, _ in found[:-1]]


def test_a_loop_of_a_varying_rate(tmp_path):
    path = write_mp4(tmp_path / 'a.mp4', [grey(40 * k) for k in range(6)], [*TIMES, 2.0])
    found = [time for time, _ in itertools.islice(VideoFile(path).frames(loop=True), 13)]
    expected = [*TIMES, 2.0, *(2 + time for time in TIMES)]
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_a_given_rate_wins(tmp_path):
    path = write_mp4(tmp_path / 'a.mp4', [grey(40 * k) for k in range(6)], [*TIMES, 2.0])
    assert [time for time, _ in VideoFile(path, 10.0).frames()] == [k / 10 for k in range(7)]


def test_a_constant_rate_is_exact(tmp_path):
    path = write_mp4(tmp_path / 'a.mp4', [grey(9 * k) for k in range(20)])
    assert [time for time, _ in VideoFile(path).frames()] == [k / 25 for k in range(21)]


def test_delayed_frames_without_stamps_end_a_file(tmp_path):
    """MPEG-1 delays its frames; the decoder gives the last one without its stamp."""
    path = tmp_path / 'a.mpg'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'PIM1'), 25, (64, 48))
    if not writer.isOpened():
        pytest.skip('this OpenCV writes no MPEG-1')
    for number in range(20):
        writer.write(grey(9 * number))
    writer.release()
    assert [time for time, _ in VideoFile(path).frames()] == [k / 25 for k in range(21)]


@pytest.mark.parametrize('orientation', MATRICES)
def test_frames_are_turned_as_viewers_show_them(tmp_path, orientation):
    stored = grey(20)
    stored[:24, :32] = 240  # the top left
    path = write_mp4(tmp_path / 'a.mp4', [stored] * 3, matrix=MATRICES[orientation])
    file = VideoFile(path)
    _, image = next(file.frames())
    turns = {1: None, 6: cv2.ROTATE_90_CLOCKWISE, 3: cv2.ROTATE_180}
    turns[8] = cv2.ROTATE_90_COUNTERCLOCKWISE
    how = turns[orientation]
    expected = stored if how is None else cv2.rotate(stored, how)
    assert image.shape[:2] == file.size == expected.shape[:2]
    assert np.abs(image.astype(int) - expected).mean() < 8


def test_a_file_that_does_not_tell_times_is_refused(tmp_path):
    times = [0, 0.1, 0.1, 0.3, 0.4]
    path = write_mp4(tmp_path / 'a.mp4', [grey(60 * k) for k in range(4)], times)
    with pytest.raises(VideoError, match=r'frame 2 at 0.1 s, the one before at 0.1 s\): set'):
        list(VideoFile(path).frames())
    assert [time for time, _ in VideoFile(path, 10.0).frames()] == [0, 0.1, 0.2, 0.3, 0.4]


MIRRORED = {
    'mirrored': (-1, 0, 0, 1),
    'upside down and mirrored': (1, 0, 0, -1),
    'turned and mirrored': (0, 1, 1, 0),
    'slanted': (1, 1, -1, 1),
}
"""Marks of videos that viewers do not show as they are stored."""


def test_what_is_no_video_is_refused(tmp_path, video, refusals):
    text = tmp_path / 'a.mp4'
    text.write_text('no video')
    large = write_video(tmp_path / 'large.avi', [20, 120], code='I420')
    content = large.read_bytes()
    sizes = [np.array(size, '<u4').tobytes() for size in ((64, 48), (12_000, 12_000))]
    assert content.count(sizes[0]) == 2  # of the file, and of its stream
    large.write_bytes(content.replace(*sizes))
    rows = {
        'no file': ('absent.mp4', tmp_path / 'absent.mp4'),
        'a folder': (str(tmp_path), tmp_path),
        'a name that is not UTF-8': ('caf', tmp_path / 'caf\udce9.mp4'),
        'a text': ('a.mp4', text),
        'no frames': ('none.avi', write_video(tmp_path / 'none.avi', [])),
        'large frames': ('large.avi', large),
        'a frame rate out of range': ('frame_rate', video, 5000.0),
        **{
            name: (
                f'{name}.mp4',
                write_mp4(tmp_path / f'{name}.mp4', [grey(20)] * 3, matrix=MIRRORED[name]),
            )
            for name in MIRRORED
        },
    }
    rows = {
        name: (named, functools.partial(VideoFile, *given))
        for name, (named, *given) in rows.items()
    }
    rows['no webcam'] = 'webcam 97', functools.partial(Webcam, 97)
    refusals('video', rows, VideoError)
