# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of a bag beside its spikes."""

import csv
import json

import numpy as np
import pytest

pytest.importorskip('torch')
pytest.importorskip('timm')
import bags
import fused_files
from bags import START

from spike_depth_ros.bags.bag import Bag, BagError
from spike_depth_ros.evaluation.command import main
from spike_depth_ros.evaluation.frames import FrameTopic, choose_frames
from spike_depth_ros.evaluation.lockstep import Replay, choose_topics
from spike_depth_ros.fusion.frames import FrameSettings

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
    topics = choose_topics(bag)
    topic = FrameTopic(bag, choose_frames(bag, topics.spikes, None, settings), 0.1)
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


def test_topics_are_chosen_or_refused_in_one_line(tmp_path):
    recording(tmp_path / 'bag', [frame(MS, 10)])
    bag = Bag(tmp_path / 'bag')
    spikes = choose_topics(bag).spikes
    start = spikes.rsplit('/', 1)[0]
    chosen = choose_frames(bag, spikes, None, OFF)
    assert (chosen.image, chosen.camera_info) == (f'{start}/image', f'{start}/image/camera_info')
    assert choose_frames(bag, spikes, '', OFF) is None
    for name, words in (
        ('nothing', 'no topic /nothing; expected frames'),
        (f'{start}/camera_info', 'topic of sensor_msgs/msg/CameraInfo .*; expected frames'),
    ):
        with pytest.raises(BagError, match=words):
            choose_frames(bag, spikes, name, OFF)
    bags.write(tmp_path / 'without', bags.stream(planes=80))
    assert choose_frames(Bag(tmp_path / 'without'), spikes, None, OFF) is None


def test_a_bag_is_evaluated_with_its_frames_and_repeats(tmp_path):
    model = fused_files.write(tmp_path / 'fused.safetensors', planes=40, planes_range=(40, 40))
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
