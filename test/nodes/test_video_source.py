# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import functools
import itertools
import re
import signal

import cv2
import numpy as np
import pytest

from kit.nodes import Heard, set_parameter
from kit.videos import write_mp4
from spike_depth_ros.io.video.light import luminance
from spike_depth_ros.stream.decode import chunk_from_msg
from spike_depth_ros.stream.packing import spike_counts

pytestmark = pytest.mark.dds

WIDTH, HEIGHT = 43, 30  # no whole number of bytes; the video's shape but for its columns
FRAME_RATE, RATE = 20.0, 1000.0
PER_FRAME = 50


def pictures(count):
    """Smooth bluish pictures, each unlike the others."""
    for seed in range(count):
        noise = np.random.default_rng(seed).random((6, 10)).astype(np.float32)
        picture = cv2.resize(noise, (100, 60), interpolation=cv2.INTER_CUBIC).clip(0, 1)
        yield np.rint(picture[..., None] * np.float32([255, 150, 60])).astype(np.uint8)


@pytest.fixture
def video(tmp_path):
    path = tmp_path / 'made.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), FRAME_RATE, (100, 60))
    for picture in pictures(6):
        writer.write(picture)
    writer.release()
    return path


@pytest.fixture
def heard(ros_node):
    return Heard(ros_node)


def arguments(video, **values):
    settings = {
        'video': video,
        'sensor_width': WIDTH,
        'sensor_height': HEIGHT,
        'rate_hz': RATE,
        'loop': 'false',
        **values,
    }
    return ['--ros-args', *(part for k, v in settings.items() for part in ('-p', f'{k}:={v}'))]


def chunks_of(packets):
    return [chunk_from_msg(msg, HEIGHT, WIDTH) for msg in packets]


def newest(diagnoses):
    status = diagnoses[-1].status[0]
    return status, {pair.key: pair.value for pair in status.values}


def test_a_video_becomes_a_spike_stream(processes, spin, heard, video):
    packets, cameras = heard.packets, heard.cameras
    source = processes.start('video_source', *arguments(video))
    spin(lambda: source.poll() is not None, what='the end of the video')
    status, output = processes.finish('video_source')
    assert status == 0, output
    heard.wait(spin, packets=8)
    chunks = chunks_of(packets)
    planes = np.concatenate([chunk.data for chunk in chunks])
    # Six frames of 50 planes each: the last one lasts as long as the others.
    assert len(planes) == 6 * PER_FRAME
    assert '300 planes in 8 packets sent' in output
    assert [chunk.planes for chunk in chunks] == [40] * 7 + [20]
    steps = [b.t0_ns - a.t0_ns for a, b in itertools.pairwise(chunks)]
    assert steps == [40_000_000] * 7
    assert (cameras[0].width, cameras[0].height, cameras[0].k[0]) == (WIDTH, HEIGHT, 0.0)
    assert packets[0].header.frame_id == 'spike_camera_optical_frame'
    # Around the time of each frame, rates are its light, and lie between frames in between.
    light = [
        cv2.resize(luminance(p, 'bgr')[:, 7:93], (WIDTH, HEIGHT)).ravel() for p in pictures(6)
    ]
    for frame in range(1, 6):
        around = planes[frame * PER_FRAME - 5 : frame * PER_FRAME + 5]
        rate = spike_counts(around, WIDTH).ravel() / 10
        scores = [np.corrcoef(rate, picture)[0, 1] for picture in light]
        assert int(np.argmax(scores)) == frame, scores
    between = spike_counts(planes[PER_FRAME : 2 * PER_FRAME], WIDTH).ravel() / PER_FRAME
    blend = 0.8 * (light[1] + light[2]) / 2
    np.testing.assert_allclose(between, blend, atol=0.05)
    assert between.mean() == pytest.approx(blend.mean(), rel=0.1)


def test_a_video_of_a_varying_rate_keeps_its_times(processes, spin, heard, tmp_path):
    """Six frames in 0.6 s, five of them in the first 0.1 s."""
    times = [0.0, 0.02, 0.04, 0.06, 0.08, 0.5, 0.6]
    path = write_mp4(tmp_path / 'made.mp4', [*pictures(6)], times)
    source = processes.start('video_source', *arguments(path))
    spin(lambda: source.poll() is not None, what='the end of the video')
    status, output = processes.finish('video_source')
    assert status == 0, output
    heard.wait(spin, packets=15)
    planes = np.concatenate([chunk.data for chunk in chunks_of(heard.packets)])
    assert len(planes) == pytest.approx(0.6 * RATE, abs=2)
    light = [
        cv2.resize(luminance(p, 'bgr')[:, 7:93], (WIDTH, HEIGHT)).ravel() for p in pictures(6)
    ]
    for frame in (3, 4):
        at = round(times[frame] * RATE)
        rate = spike_counts(planes[at - 8 : at + 8], WIDTH).ravel() / 16
        scores = [np.corrcoef(rate, picture)[0, 1] for picture in light]
        assert int(np.argmax(scores)) == frame, scores


def test_a_loop_keeps_its_rate_and_takes_another_brightness(
    processes, spin, heard, video, ros_node
):
    packets, diagnoses = heard.packets, heard.diagnoses
    processes.start('video_source', *arguments(video, loop='true'))

    def rate_held():
        return diagnoses and abs(float(newest(diagnoses)[1]['planes_per_s']) - RATE) < 0.05 * RATE

    spin(rate_held, what='the plane rate in the diagnostics')
    status, values = newest(diagnoses)
    assert status.name == 'video_source: stream'
    assert float(values['planes_per_s_asked']) == RATE
    assert (status.level, status.message) == (b'\x00', 'planes are published')
    assert int(values['planes_passed_over']) == 0
    spin(lambda: len(packets) > 12, what='more packets than one run through the video has')

    asked = functools.partial(set_parameter, ros_node, spin, node='/video_source')
    refused = asked('rate_hz', 500.0)
    assert not refused.successful
    assert refused.reason == 'rate_hz is read at the start: start the node again with it'
    assert asked('white_rate', 0.05).successful

    def dark():
        planes = chunks_of(packets[-1:])[0].data
        return spike_counts(planes, WIDTH).mean() / len(planes) < 0.05

    spin(dark, what='a darker stream')
    processes.stop('video_source', signal.SIGINT)
    steps = {b.t0_ns - a.t0_ns for a, b in itertools.pairwise(chunks_of(packets))}
    assert steps == {40_000_000}
    assert 'Traceback' not in processes.log('video_source')


def test_a_rate_that_is_too_high_is_told(processes, spin, ros_node, video):
    diagnoses = Heard(ros_node).diagnoses
    large = {'sensor_width': 1000, 'sensor_height': 600, 'rate_hz': 50_000.0}
    processes.start('video_source', *arguments(video, loop='true', **large))

    def warned():
        return diagnoses and newest(diagnoses)[0].level == b'\x01'

    spin(warned, what='a warning')
    status, values = newest(diagnoses)
    assert 'of 50000 planes/s: this machine or the webcam does not reach' in status.message
    assert float(values['behind_s']) > 0


def test_what_cannot_be_used_is_refused(refused_here, video):
    size = {'sensor_width': 64, 'sensor_height': 48}
    rows = {
        'neither': ('webcam', (), {'video': "''", **size}),
        'rate 0': ('rate_hz', (), {'video': video, 'rate_hz': 0.0, **size}),
        'no file': ('absent.mp4', (), {'video': video.with_name('absent.mp4'), **size}),
    }
    refused_here('video_source', 'video_source', rows)


def test_a_file_that_is_no_video_gets_one_line(processes, tmp_path):
    text = tmp_path / 'text.mp4'
    text.write_text('no video')
    status, output = processes.run('video_source', *arguments(text))
    assert status == 1
    (line,) = output.strip().splitlines()  # none of FFmpeg's
    assert 'expected a video that OpenCV reads' in line


def test_a_damaged_video_ends_with_one_line_at_its_frame(processes, video):
    content = video.read_bytes()
    fourth = [at.start() for at in re.finditer(b'\xff\xd8\xff', content)][3]  # frame, of six
    video.write_bytes(content[:fourth])
    status, output = processes.run('video_source', *arguments(video, wait_s=0.0))
    assert status == 1
    error = output.strip().splitlines()[-1]
    assert re.search(r'error: .*made\.avi: is damaged or was cut: it ends after frame 3,', error)
    assert 'Traceback' not in output
