# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import functools
import os
from pathlib import Path

import numpy as np
import pytest

from kit.clips import CAMERA, FRAME_S, HEIGHT, SCENE, STEP, WIDTH, Sliding
from spike_depth_ros.io.video.light import luminance
from spike_depth_ros.stream import packing
from spike_depth_ros.tools.arguments import parse_size
from spike_training.errors import ConfigError, DataSetError
from spike_training.simulation.clip_camera import BLOCK, ClipCamera, frame_clips
from spike_training.simulation.settings import CameraSettings

SETTINGS = CameraSettings(HEIGHT, WIDTH, rate_hz=1000.0)
PER_FRAME = round(FRAME_S * SETTINGS.rate_hz)


def planes(camera, start_s, count, stream=0):
    packed = np.concatenate(list(camera.planes(start_s, count, stream)))
    return packing.unpack(packed, camera.settings.width)


def rate(spikes):
    return spikes.mean(0)


def likeness(first, second):
    return np.corrcoef(first.ravel(), second.ravel())[0, 1]


@pytest.mark.parametrize('frame', [0, 2, 5])
def test_the_firing_rate_around_a_frame_shows_that_frame(frame):
    camera = ClipCamera(Sliding(), SETTINGS)
    around = planes(camera, float(camera.clip.times_s[frame]) - 0.01, 20)
    light = [luminance(Sliding().image(k)) for k in range(6)]
    scores = [likeness(rate(around), image) for image in light]
    assert int(np.argmax(scores)) == frame
    assert scores[frame] > 0.95


def test_the_rate_is_the_light_times_the_gain():
    clip = Sliding()
    camera = ClipCamera(clip, SETTINGS)
    still = planes(camera, float(clip.times_s[-1]), 1000)
    light = luminance(clip.image(5))
    mean = np.mean([luminance(clip.image(k)).mean() for k in range(6)])
    np.testing.assert_allclose(rate(still), np.clip(light * 0.2 / mean, 0, 1), atol=2e-3)


def test_between_frames_the_scene_moves():
    camera = ClipCamera(Sliding(), SETTINGS)
    half = planes(camera, 2.5 * FRAME_S - 0.01, 20)
    shift = 2 * STEP + STEP // 2
    truth = luminance(np.ascontiguousarray(SCENE[:, shift : shift + WIDTH]))
    blend = (luminance(Sliding().image(2)) + luminance(Sliding().image(3))) / 2
    # Away from the borders, of which one frame each knows nothing.
    seen = np.s_[:, 8:-8]
    assert likeness(rate(half)[seen], truth[seen]) > 0.95
    linear = ClipCamera(Sliding(), CameraSettings(HEIGHT, WIDTH, 1000.0, interpolation='linear'))
    blended = planes(linear, 2.5 * FRAME_S - 0.01, 20)
    assert likeness(rate(blended)[seen], blend[seen]) > 0.95
    assert likeness(rate(half)[seen], truth[seen]) > likeness(rate(blended)[seen], truth[seen])


@pytest.mark.parametrize(('start_s', 'shift'), [(-0.05, -STEP // 2), (0.15, 3 * STEP // 2)])
def test_motion_goes_on_before_and_after_the_frames_where_a_clip_says_so(start_s, shift):
    class Later(Sliding):
        def image(self, index):
            return super().image(index + 1)

    clip = Later(2)
    still = planes(ClipCamera(clip, SETTINGS), start_s - 0.01, 20)
    clip.goes_on = True
    moving = planes(ClipCamera(clip, SETTINGS), start_s - 0.01, 20)
    first = STEP + shift
    truth = luminance(np.ascontiguousarray(SCENE[:, first : first + WIDTH]))
    seen = np.s_[:, 8:-8]
    assert likeness(rate(moving)[seen], truth[seen]) > 0.95
    assert likeness(rate(moving)[seen], truth[seen]) > likeness(rate(still)[seen], truth[seen])


def test_of_single_pictures_each_stands_still_around_its_time():
    clip = Sliding()
    clip.video = False
    camera = ClipCamera(clip, SETTINGS)
    # All the time that is nearer to picture 2 than to another, and some of the one after it.
    start = 1.5 * FRAME_S
    around = planes(camera, start, PER_FRAME)
    mean = np.mean([luminance(clip.image(k)).mean() for k in range(6)])
    expected = np.clip(luminance(clip.image(2)) * 0.2 / mean, 0, 1)
    assert np.abs(rate(around) - expected).max() < 1.01 / PER_FRAME
    both = planes(camera, start, PER_FRAME + 20)
    np.testing.assert_array_equal(both[:PER_FRAME], around)
    next_one = np.clip(luminance(clip.image(3)) * 0.2 / mean, 0, 1)
    assert likeness(rate(both[PER_FRAME:]), next_one) > 0.95


def test_parts_of_a_clip_are_what_is_asked_for():
    camera = ClipCamera(Sliding(), SETTINGS)
    for start, count in ((-0.05, 100), (0.0, 500), (0.123, 77), (0.49, 300), (0.2, 1)):
        blocks = list(camera.planes(start, count))
        assert sum(map(len, blocks)) == count
        assert max(map(len, blocks)) <= BLOCK


def test_no_frame_is_passed_over_at_a_rate_below_theirs():
    slow = CameraSettings(HEIGHT, WIDTH, rate_hz=4.0)
    spikes = planes(ClipCamera(Sliding(), slow), 0.0, 3)
    assert len(spikes) == 3


def test_the_same_stream_is_the_same_and_another_one_is_not():
    camera = ClipCamera(Sliding(), SETTINGS)
    first, again, other = (planes(camera, 0.1, 50, stream) for stream in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.05
    assert likeness(rate(first), rate(other)) > 0.9


def test_camera_and_depth_are_of_the_sensors_size():
    clip = Sliding()
    camera = ClipCamera(clip, CameraSettings(20, 30))
    np.testing.assert_allclose(camera.matrix[0], [CAMERA[0, 0] / 3, 0, 45 / 3 - 0.5])
    depth = camera.depth(1)
    assert depth.shape == (20, 30)
    np.testing.assert_array_equal(depth[5], clip.depth(1)[5, 1::3])
    assert ClipCamera(Sliding(labelled=(0,)), SETTINGS).depth(1) is None


def test_a_damaged_frame_is_left_out_and_counted_by_name():
    clip = Sliding(6, damaged=(3,))
    camera = ClipCamera(clip, SETTINGS)
    whole = ClipCamera(Sliding(6), SETTINGS)
    spikes, sound = planes(camera, 0.0, 600), planes(whole, 0.0, 600)
    assert camera.skipped == {
        '3.png: cannot be read: truncated': ['made/sliding, frame 3'],
    }
    # Its neighbours lead over the gap.
    gap = np.s_[3 * PER_FRAME - 10 : 3 * PER_FRAME + 10]
    assert likeness(rate(spikes[gap])[:, 15:-15], rate(sound[gap])[:, 15:-15]) > 0.9


def test_a_part_that_begins_in_a_gap_goes_on_from_the_frame_before_it():
    camera = ClipCamera(Sliding(6, damaged=(3,)), SETTINGS)
    around = rate(planes(camera, 3.25 * FRAME_S - 0.01, 20))
    shifts = np.arange(8, 20)  # of the texture; frame 2 is at 8, frame 4 at 16
    scores = [
        likeness(around[:, 12:-12], luminance(SCENE[:, shift : shift + WIDTH])[:, 12:-12])
        for shift in shifts
    ]
    assert abs(shifts[np.argmax(scores)] - 3.25 * STEP) <= 1


@pytest.mark.parametrize('damaged', [(0,), (5,)])
def test_first_and_last_frames_may_be_damaged(damaged):
    spikes = planes(ClipCamera(Sliding(6, damaged=damaged), SETTINGS), -0.1, 900)
    assert len(spikes) == 900
    assert spikes.any((1, 2)).all()


def test_a_clip_may_have_a_rate_of_its_own():
    clip = Sliding()
    own = dataclasses.replace(ClipCamera(clip, SETTINGS).settings, mean_rate=0.05)
    clip.mean_rate = 0.05
    kept, asked = (planes(ClipCamera(one, given), 0.0, 100) for one, given in
                   ((clip, SETTINGS), (Sliding(), own)))  # fmt: skip
    np.testing.assert_array_equal(kept, asked)


def test_sizes_are_width_by_height():
    assert parse_size('400x250') == (400, 250)


class Black(Sliding):
    def image(self, index):
        return np.zeros((HEIGHT, WIDTH, 3), np.uint8)


def test_clips_and_settings_that_cannot_be_simulated_are_refused(refusals):
    few = Sliding(6, damaged=(1, 2, 4))
    rows = {
        'damaged frames': ('2 of 6', lambda: planes(ClipCamera(few, SETTINGS), 0.0, 600)),
        'no frame': ('no frame', functools.partial(
            ClipCamera, Sliding(1, damaged=(0,)), SETTINGS
        )),
        'black frames': ('black', functools.partial(ClipCamera, Black(), SETTINGS)),
        'frames too small': ('made/sliding', functools.partial(
            ClipCamera, Sliding(), CameraSettings(transform='authors')
        )),
        'half a size': ('size', functools.partial(parse_size, '400', ConfigError)),
    }  # fmt: skip
    known = {'height': 'size', 'width': 'size', 'rate_hz': 'rate'}
    bad = {'height': 0, 'width': 0, 'rate_hz': 0, 'mean_rate': 1.5, 'seed': 1 << 64,
           'transform': 'x', 'interpolation': 'x'}  # fmt: skip
    # The sensor has a table of its own.
    assert bad.keys() == {field.name for field in dataclasses.fields(CameraSettings)} - {'sensor'}
    for name, value in bad.items():
        for given in (value, -1):
            call = functools.partial(CameraSettings, **{name: given})
            rows[f'{name} {given}'] = known.get(name, name), call
    refusals('clip_camera', rows, (ConfigError, DataSetError))


@pytest.mark.skipif('SPIKE_DEPTH_DATA' not in os.environ, reason='SPIKE_DEPTH_DATA is not set')
@pytest.mark.parametrize('data', ['kitti/kitti_0926', 'sevenscenes/sevenscenes_kitchen'])
def test_the_spikes_of_a_real_recording_show_its_frame(data):
    name, folder = data.split('/')
    root = Path(os.environ['SPIKE_DEPTH_DATA']) / 'rgbd' / folder
    if not root.is_dir():
        pytest.skip(f'{root} is missing')
    (clip,) = frame_clips(name, str(root))
    camera = ClipCamera(clip, CameraSettings())
    shown = rate(planes(camera, float(clip.times_s[20]) - 64 / 20_000, 128))
    frame, next_frame = camera.light(20), camera.light(25)
    assert likeness(shown, frame) > 0.99
    assert likeness(shown, frame) > likeness(shown, next_frame)
    assert shown.mean() == pytest.approx(frame.mean(), rel=0.02)
