# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of a bag beside its spikes."""

import csv
import json

import numpy as np
import pytest

from kit import bags, checkpoints
from kit.bags import START
from spike_depth_ros.evaluation.frames import FrameTopic
from spike_depth_ros.evaluation.lockstep import Replay
from spike_depth_ros.fusion.frames import FrameSettings
from spike_depth_ros.io.bags.bag import Bag
from spike_depth_ros.tools.evaluate.command import main

MS = 1_000_000
WINDOW = 40
"""Planes of a window: 2 ms at 20 kHz, whose reference plane is 1 ms after its first one."""

OFF = FrameSettings(max_offset_px=0.0)


def frame(after_ns, grey):
    pixels = np.full((bags.HEIGHT, bags.WIDTH), grey, np.uint8)
    return START + after_ns, bags.image(START + after_ns, pixels, 'mono8')


def recording(folder, frames, late_ns=0, calibrated=True):
    """A bag of 10 windows with frames, recorded some time after their stamps."""
    messages = bags.stream(planes=400)
    start = messages[0][0].rsplit('/', 1)[0]
    beside = [(f'{start}/image', at + late_ns, message) for at, message in frames]
    if calibrated:
        beside.append((f'{start}/image/camera_info', START, bags.camera()))
    return bags.write(folder, sorted(messages + beside, key=lambda one: one[1]))


def pairs(path, settings=OFF):
    """Grey value and age in ms of the frame of each window; None: none."""
    bag = Bag(path)
    topics = bag.known.camera()
    topic = FrameTopic(bag, bag.known.frames([topics], None), settings, 0.1)
    found = []
    for sample in Replay(bag, topics, WINDOW).windows():
        image = topic.take(sample.window)
        found.append(None if image is None else (int(image.pixels[0, 0]), image.age_s * 1e3))
    return found, topic


def test_windows_get_the_last_frame_before_them_whenever_it_was_recorded(tmp_path):
    frames = [frame(at, grey) for at, grey in ((MS // 2, 10), (4 * MS, 20), (11 * MS, 30))]
    expected = [(10, 0.5), (10, 2.5), (20, 1.0), (20, 3.0), (20, 5.0), (30, 0.0)]
    for late_ms in (0, 7):
        recording(tmp_path / f'late_{late_ms}', frames, late_ms * MS)
        found, topic = pairs(tmp_path / f'late_{late_ms}')
        assert [one[0] for one in found[:6]] == [one[0] for one in expected]
        assert [one[1] for one in found[:6]] == pytest.approx([one[1] for one in expected])
        assert len(found) == 10
        assert topic.describe() == []


def test_frames_that_overtake_each_other_are_found(tmp_path):
    frames = [frame(k * MS, k) for k in range(20)]
    frames = [(at + (900 * MS if k % 2 else 0), one) for k, (at, one) in enumerate(frames)]
    recording(tmp_path / 'bag', frames)
    found, topic = pairs(tmp_path / 'bag')
    # Reference planes are 1 ms after the first of their windows, at odd milliseconds.
    assert [one[0] for one in found] == [*range(1, 20, 2)]
    assert topic.describe() == []


def test_what_cannot_be_used_is_told(tmp_path):
    frames = [frame(MS // 2, 10)]
    recording(tmp_path / 'old', frames)
    found, topic = pairs(tmp_path / 'old', FrameSettings(max_age_s=0.005, max_offset_px=0.0))
    assert [one is None for one in found] == 3 * [False] + 7 * [True]
    assert topic.describe() == [
        '7 of 10 windows have no frame of 0.005 s or less that can be used'
    ]
    recording(tmp_path / 'bare', frames, calibrated=False)
    found, topic = pairs(tmp_path / 'bare')
    assert found == 10 * [None]
    assert any('no image/camera_info: expected the calib' in text for text in topic.describe())


@pytest.mark.parametrize('ahead_s', [0.012, 0.5, 3600.0])
def test_a_stamp_in_the_future_hides_no_other_frame(tmp_path, ahead_s):
    frames = [frame(k * MS, k) for k in range(20)]
    wrong = START + round(1e9 * ahead_s)
    frames[4] = (START + 4 * MS, bags.image(wrong, np.full((32, 48), 99, np.uint8), 'mono8'))
    recording(tmp_path / 'bag', frames)
    found, topic = pairs(tmp_path / 'bag')
    # Reference planes are 1 ms after the first of their windows, at odd milliseconds.
    assert [one[0] for one in found] == [1, 3, 5, 7, 9, 11, 13, 15, 17, 19]
    far = 'frames that are stamped more than 1.1 s before or after those around them, and are not'
    assert topic.describe() == ([f'{far} used: 1'] if ahead_s > 1.1 else [])


@pytest.mark.parametrize('apart_s', [-3600, 5, 3600])
def test_the_first_frame_alone_is_no_other_clock(tmp_path, apart_s):
    frames = [frame(k * MS, k) for k in range(20)]
    wrong = START + apart_s * 10**9
    frames[0] = (START, bags.image(wrong, np.full((32, 48), 99, np.uint8), 'mono8'))
    recording(tmp_path / 'bag', frames)
    found, topic = pairs(tmp_path / 'bag')
    assert [one[0] for one in found] == [*range(1, 20, 2)]
    assert not any('clock' in text for text in topic.describe())
    assert any('not used: 1' in text for text in topic.describe()) is (apart_s > 0)


def test_frames_of_another_clock_wait_within_their_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr('spike_depth_ros.evaluation.frames.MOST_BYTES', 10 * 32 * 48)
    ahead = np.full((32, 48), 10, np.uint8)
    at = START + 3600 * 10**9
    frames = [(START + k * MS, bags.image(at + k * MS, ahead, 'mono8')) for k in range(20)]
    recording(tmp_path / 'bag', frames)
    found, topic = pairs(tmp_path / 'bag')
    assert found == 10 * [None]
    assert len(topic._later) == 10


@pytest.mark.parametrize('hours', [-1, 1])
def test_frames_of_another_clock_are_told_with_their_offset(tmp_path, hours):
    at = START + hours * 3600 * 10**9
    grey = np.full((32, 48), 10, np.uint8)
    frames = [(START + k * MS, bags.image(at + k * MS, grey, 'mono8')) for k in range(20)]
    recording(tmp_path / 'bag', frames)
    found, topic = pairs(tmp_path / 'bag')
    assert found == 10 * [None]
    side = 'before' if hours < 0 else 'after'
    first, second = topic.describe()
    told = 'the first frames are stamped'
    assert first.startswith((f'{told} 36', f'{told} 3599.9'))
    assert f' s {side} the first window; expected at most 1.1 s: stamp both by one clock' in first
    assert second.startswith('10 of 10 windows have no frame')


def test_messages_that_are_no_frames_do_not_count_as_windows(tmp_path):
    grey = np.full((32, 48), 10, np.float32)
    frames = [(START + k * MS, bags.image(START + k * MS, grey, '32FC1')) for k in range(20)]
    recording(tmp_path / 'bag', frames)
    _, topic = pairs(tmp_path / 'bag')
    assert topic.describe()[0].startswith('10 of 10 windows have no frame')
    assert topic.frames.refused['encoding'] > 10


def test_a_bag_is_evaluated_with_its_frames_and_repeats(tmp_path):
    model = checkpoints.checkpoint(
        tmp_path / 'fused.safetensors', 'fused', planes=40, planes_range=(40, 40)
    )
    recording(tmp_path / 'bag', [frame(k * MS, 20 * k) for k in range(10)])
    given = [str(tmp_path / 'bag'), '--model', str(model), '--device', 'cpu', '--threads', '1']
    depths = {}
    for name, options in (('with', []), ('again', []), ('without', ['--image', 'none'])):
        assert main([*given, '--out', str(tmp_path / name), *options]) == 0
        with (tmp_path / name / 'windows.csv').open() as file:
            depths[name] = list(csv.reader(file))[1:]
        told = json.loads((tmp_path / name / 'metrics.json').read_text())
        assert ('image' in told['topics']) is (name != 'without')
    assert depths['with'] == depths['again'] != depths['without']


def test_each_model_sees_frames_of_its_own_age(tmp_path):
    paths = []
    for name, age_s in (('old', 0.1), ('young', 0.0015)):
        path = tmp_path / f'{name}.safetensors'
        given = {'planes': 40, 'planes_range': (40, 40), 'max_age_s': age_s}
        paths.append(checkpoints.checkpoint(path, 'fused', **given))
    recording(tmp_path / 'bag', [frame(k * 4 * MS, 20 * k) for k in range(5)])
    found = {}
    for name, chosen in (('alone', paths[1:]), ('both', paths)):
        models = [part for path in chosen for part in ('--model', str(path))]
        out = tmp_path / name
        options = ['--device', 'cpu', '--threads', '1', '--out', str(out)]
        assert main([str(tmp_path / 'bag'), *models, *options]) == 0
        found[name] = json.loads((out / 'metrics.json').read_text())
    alone, both = found['alone']['models'][0], found['both']['models'][1]
    assert alone['metrics'] == both['metrics']
    assert found['both']['models'][0]['metrics'] != both['metrics']


def test_frames_that_no_model_takes_are_told(tmp_path, capsys):
    recording(tmp_path / 'bag', [frame(k * MS, 20 * k) for k in range(10)])
    given = [str(tmp_path / 'bag'), '--device', 'cpu', '--threads', '1', '--out']
    assert main([*given, str(tmp_path / 'named'), '--image', '/image']) == 0
    assert 'frames are not used: no model takes them' in capsys.readouterr().out
    assert main([*given, str(tmp_path / 'default')]) == 0
    assert 'frames are not used' not in capsys.readouterr().out
    model = checkpoints.checkpoint(
        tmp_path / 'fused.safetensors', 'fused', planes=40, planes_range=(40, 40)
    )
    bags.bag(tmp_path / 'without')
    given[0] = str(tmp_path / 'without')
    assert main([*given, str(tmp_path / 'bare'), '--model', str(model)]) == 0
    assert 'no frames are read: depth is of the spikes alone' in capsys.readouterr().out


@pytest.mark.parametrize(
    'given',
    [('--image-delay-s', 'nan'), ('--image-delay-s', '1e300'), ('--image-max-age-s', 'inf')],
)
def test_absurd_ages_and_delays_are_told_by_their_option(tmp_path, capsys, given):
    with pytest.raises(SystemExit, match='2'):
        main([str(tmp_path), '--out', str(tmp_path / 'out'), *given])
    error = capsys.readouterr().err
    assert f"{given[0]} is '{given[1]}': expected " in error
