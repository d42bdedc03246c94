# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metres from the height of the camera, from a node and from a bag of the street that ships."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from kit import bags
from kit.nodes import set_parameter
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.nodes.parts.conversions import array_from_msg
from spike_depth_ros.observation import Observation
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.stream.window import Window
from spike_depth_ros.tools.evaluate.command import main as evaluate_bag

pytestmark = pytest.mark.dds

STREET = Path(__file__).parents[2] / 'spike_depth_ros/assets/street.npz'
POSE = {'camera_height_m': 1.41, 'camera_pitch_rad': 0.025, 'camera_roll_rad': 0.012}
OUT_OF_RANGE = (
    'parameter camera_height_m: expected a number with a decimal point such as 1.0, 0 to 1000'
)


def model_depth():
    """Depth of the first window of 128 planes by the model alone."""
    with np.load(STREET) as street:
        packed, fx = street['packed'][:128], float(street['K'][0, 0])
    window = Window(packed, Geometry(250, 400), 0, 50_000, 64, 64 * 50_000)
    estimator = DepthEstimator.from_checkpoint(device='cpu', threads=1)
    return estimator.predict(Observation(window, fx)).depth


def test_a_node_publishes_scaled_depth_and_takes_other_heights(
    ros_node, depth_node, listener, play, spin
):
    depth_node(scale_from='height', policy='every', device='cpu', threads=1, **POSE)
    windows = play(STREET)['planes_sent'] // 128
    spin(lambda: len(listener.depth) == windows, what='every window')
    spin(lambda: 'scale_factor' in listener.values('model'), what='the factor')
    values, model = listener.values('model'), model_depth()
    ratio = np.median(array_from_msg(listener.depth[0]) / model)
    assert values['scale'] == 'height'
    assert ratio == pytest.approx(float(values['scale_factor']), rel=0.1)
    assert float(values['scale_inliers']) > 0.5
    for height, reason in ((0.0, 'is 0: expected above 0'), (math.nan, 'out of range')):
        refused = set_parameter(ros_node, spin, 'camera_height_m', height)
        assert not refused.successful
        assert f'camera_height_m {reason}' in refused.reason
    assert set_parameter(ros_node, spin, 'camera_height_m', 2.82).successful
    play(STREET)
    spin(lambda: len(listener.depth) > windows, what='depth')
    twice = np.median(array_from_msg(listener.depth[windows]) / model)
    assert twice == pytest.approx(2 * ratio, rel=0.02)
    assert set_parameter(ros_node, spin, 'camera_pitch_rad', -0.9).successful
    play(STREET)
    spin(lambda: 'sees no floor' in listener.status['model'].message, what='the warning')


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ([], 'camera_height_m is 0: expected above 0'),
        (['-p', 'camera_height_m:=-1.0'], OUT_OF_RANGE),
        (['-p', 'camera_height_m:=.nan'], OUT_OF_RANGE),
    ],
)
def test_an_impossible_height_is_refused_at_start(run_here, given, message):
    status, output = run_here('depth', '--ros-args', '-p', 'scale_from:=height', *given)
    assert status == 1
    assert message in output


def test_a_bag_is_evaluated_at_the_stated_height(tmp_path, capsys):
    with np.load(STREET) as street:
        bits = np.unpackbits(street['packed'][:256], axis=2, bitorder='little')
        fx = float(street['K'][0, 0])
    messages = [('/camera_info', bags.START, bags.camera(fx=fx, width=400, height=250))]
    truth = np.full((250, 400), 5.0, np.float32)
    for first in range(0, 256, 32):
        stamp = bags.START + first * bags.PERIOD
        messages.append(('/spikes', stamp, bags.packet(stamp, bits[first : first + 32])))
    stamp = bags.START + 64 * bags.PERIOD
    messages.append(('/depth/truth', stamp, bags.image(stamp, truth, '32FC1')))
    bag = bags.write(tmp_path / 'street', sorted(messages, key=lambda message: message[1]))
    factors = []
    for height in ('1.41', '2.82'):
        out = tmp_path / height
        options = ['--camera-height-m', height, '--camera-pitch-rad', '0.025', '--threads', '1']
        assert evaluate_bag([str(bag), '--out', str(out), '--device', 'cpu', *options]) == 0
        (model,) = json.loads((out / 'metrics.json').read_text())['models']
        assert model['scale'] == 'height'
        factors.append(model['height']['factor'])
    assert factors[1] == pytest.approx(2 * factors[0])
    capsys.readouterr()
    assert evaluate_bag([str(bag), '--out', str(tmp_path), '--camera-pitch-rad', '0.1']) == 1
    assert '--camera-pitch-rad without a height: give --camera-height-m' in capsys.readouterr().err
    uncalibrated = bags.write(tmp_path / 'no_fx', bags.stream(300, fx=0.0))
    assert evaluate_bag([str(uncalibrated), '--out', str(tmp_path), *options]) == 1
    assert 'no focal length for metres from the height' in capsys.readouterr().err
