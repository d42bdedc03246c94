# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node of two cameras, over DDS: from planes to metres, and what it says of bad input."""

import dataclasses
import signal

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from std_msgs.msg import Header

from kit.nodes import (
    BASELINE_M,
    FX_PX,
    PERIOD,
    RIG,
    SENSORS,
    T0,
    TRUE_M,
    StereoListener,
    TwoCameras,
    assert_balanced,
)
from spike_depth_ros.nodes.parts.conversions import array_from_msg
from spike_depth_ros.nodes.parts.parameters import parameters_of
from spike_depth_ros.nodes.parts.stereo_outputs import disparity_msg
from spike_depth_ros.nodes.parts.stereo_parameters import StereoParameters
from spike_depth_ros.stereo import EYES
from spike_depth_ros.stereo.estimator import StereoPrediction
from spike_depth_ros.stream import decode

pytestmark = pytest.mark.dds

EVERY = {
    'policy': 'every', 'window': 80, 'fill': 'none', 'min_depth_m': 0.4,
    'spikes.reliability': 'reliable', 'spike_rate_hz': 20_000.0,
}  # fmt: skip


@pytest.fixture
def heard(ros_node):
    return StereoListener(ros_node)


@pytest.fixture
def stereo_node(processes, depth_parameters, heard, spin):
    def start(**values):
        processes.start('stereo', *depth_parameters(**{**EVERY, **values}))
        spin(lambda: 'left stream' in heard.status, what='the first diagnostics')

    return start


@pytest.fixture
def cameras(ros_node, spin):
    def make(**values):
        made = TwoCameras(ros_node, **values)
        made.connect(spin)
        return made

    return make


def accounting(heard, eye):
    keys = 'expected received lost_in_transport lost_in_queue missed_resubscribing windowed'
    keys += ' skipped_by_policy overwritten refused pending'
    values = heard.values(f'{eye} stream')
    return {key: int(float(values.get(f'planes_{key}', 0))) for key in keys.split()}


def inner(image):
    """Pixels whose block is inside both pictures."""
    return image[4:-4, 8:-8]


def test_a_shift_of_three_pixels_is_that_depth(stereo_node, cameras, heard, spin):
    stereo_node()
    driver = cameras()
    driver.send(8)
    spin(lambda: len(heard.depth) == 4 and len(heard.disparity) == 4, what='four depth images')
    depth = array_from_msg(heard.depth[-1])
    assert np.nanmedian(inner(depth)) == pytest.approx(TRUE_M, rel=0.02)
    assert np.isfinite(inner(depth)).mean() > 0.8
    assert heard.depth[-1].header.frame_id == 'left_frame'
    stamps = [decode.stamp_ns(one.header.stamp) for one in heard.depth]
    assert [stamp - T0 for stamp in stamps] == [(40 + 80 * n) * PERIOD for n in range(4)]
    spin(lambda: len(heard.cameras) == 4, what='cameras of depth')
    assert [one.header.stamp for one in heard.cameras] == [o.header.stamp for o in heard.depth]
    assert heard.cameras[0].p[3] == 0

    message = heard.disparity[-1]
    found = array_from_msg(message.image)
    answered = found >= message.min_disparity
    assert np.array_equal(answered, np.isfinite(depth))
    np.testing.assert_allclose(message.f * message.t / found[answered], depth[answered], rtol=1e-5)
    assert (message.f, message.t) == (FX_PX, pytest.approx(BASELINE_M))
    assert message.max_disparity - message.min_disparity == 47  # as wide as the picture allows
    assert message.delta_d == 1 / 16

    spin(lambda: len(heard.infos['right']) == 4, what='cameras of pictures')
    for eye in EYES:
        pictures = heard.pictures[f'{eye}/image_rect']
        for kind in (pictures, heard.pictures[f'{eye}/spikes/image'], heard.infos[eye]):
            assert [one.header.stamp for one in kind] == [one.header.stamp for one in heard.depth]
        assert {one.header.frame_id for one in pictures} == {'left_frame'}
    assert heard.pictures['right/spikes/image'][0].header.frame_id == 'right_frame'

    for eye in EYES:
        spin(lambda e=eye: accounting(heard, e)['windowed'] == 320, what='the accounting')
        assert_balanced(accounting(heard, eye), sent=320)
    spin(lambda: heard.values('stereo').get('pairs') == '4', what='the status of pairs')
    values = heard.values('stereo')
    assert values['stamp_difference_us'] == '0'
    assert float(values['baseline_m']) == pytest.approx(BASELINE_M)
    assert float(values['matched_share']) > 0.7


def test_rectified_pictures_and_their_cameras_alone_give_metres(stereo_node, cameras, heard, spin):
    k = dataclasses.replace(RIG.right, p=(*RIG.right.p[:2], RIG.right.p[2] - 2, *RIG.right.p[3:]))
    stereo_node()  # the principal points of both projections are two pixels apart
    cameras(rig=dataclasses.replace(RIG, right=k)).send(4)
    spin(lambda: len(heard.infos['right']) == 2 and heard.depth, what='rectified pictures')
    left, right = (array_from_msg(heard.pictures[f'{eye}/image_rect'][-1]) for eye in EYES)
    of_left, of_right = (np.array(heard.infos[eye][-1].p).reshape(3, 4) for eye in EYES)
    matcher = cv2.StereoSGBM.create(0, 16, 5, P1=200, P2=800)
    disparity = matcher.compute(left, right) / 16.0
    fx_b = -of_right[0, 3]
    metres = fx_b / (np.median(disparity[8:-8, 24:-8]) - (of_left[0, 2] - of_right[0, 2]))
    depth = array_from_msg(heard.depth[-1])
    assert np.nanmedian(inner(depth)) == pytest.approx(metres, rel=0.05)
    assert metres == pytest.approx(TRUE_M, rel=0.05)
    assert of_left[0, 2] - of_right[0, 2] == 2


def test_pairs_are_half_a_plane_apart_at_most(stereo_node, cameras, heard, spin):
    stereo_node(**{'right.offset_s': -10.0})
    driver = cameras()
    driver.send(6, late_ns=10_000_000_000 + 7 * PERIOD + PERIOD // 3)
    spin(lambda: heard.depth, what='depth')
    spin(lambda: 'stamp_difference_us' in heard.values('stereo'), what='the difference')
    assert abs(float(heard.values('stereo')['stamp_difference_us'])) <= PERIOD / 2e3
    for eye in EYES:
        spin(lambda e=eye: accounting(heard, e)['expected'] == 240, what='the accounting')
        assert_balanced(accounting(heard, eye), sent=240)


def test_without_fill_no_depth_comes_from_one_eye(stereo_node, cameras, heard, spin):
    stereo_node(pair_wait_s=0.05)
    driver = cameras()
    driver.send(4)
    spin(lambda: len(heard.depth) == 2, what='depth of two pairs')
    driver.send(40, eyes=('left',))
    spin(lambda: heard.says('stereo', 'the right camera has stopped: no depth'), what='the error')
    assert heard.status['stereo'].level == DiagnosticStatus.ERROR
    assert len(heard.depth) == 2


def test_with_fill_one_eye_goes_on_at_the_last_factor(stereo_node, cameras, heard, spin):
    stereo_node(fill='mono', window=128, pair_wait_s=0.05)
    driver = cameras()
    driver.send(16)
    spin(lambda: len(heard.depth) == 5, what='depth of pairs')
    # One status may have been on its way before the fifth pair; the second is of all five.
    for _ in range(2):
        before = heard.status['stereo']
        spin(lambda old=before: heard.status['stereo'] is not old, what='the next status')
    factor = heard.values('stereo')['fill_factor']
    driver.send(60, eyes=('left',))
    spin(lambda: heard.says('stereo', 'depth is that of the left one'), what='the warning')
    assert heard.status['stereo'].level == DiagnosticStatus.WARN
    assert heard.values('stereo')['fill_factor'] == factor
    last = array_from_msg(heard.depth[-1])
    assert np.isfinite(last).all()
    assert heard.values('model')['scale'] == 'stereo'


def exchanged():
    return dataclasses.replace(RIG.right, p=(*RIG.right.p[:3], -RIG.right.p[3], *RIG.right.p[4:]))


class Unchecked:
    """Calibrations that are no rig."""

    def __init__(self, left, right):
        self.left, self.right = left, right


def test_depth_begins_with_a_rig_and_no_bad_camera_info_ends_it(
    stereo_node, cameras, heard, spin, processes
):
    stereo_node()
    driver = cameras(rig=Unchecked(RIG.left, exchanged()))
    driver.send(4)
    spin(lambda: heard.says('stereo', 'exchange the cameras'), what='the error')
    assert heard.status['stereo'].level == DiagnosticStatus.ERROR
    spin(lambda: len(heard.pictures['right/spikes/image']) == 2, what='pictures')
    assert not heard.depth
    assert not heard.pictures['left/image_rect']
    driver.rig = RIG
    driver.send(4)
    spin(lambda: len(heard.depth) == 2, what='depth before')
    spin(lambda: heard.status['stereo'].level == DiagnosticStatus.OK, what='no error')
    nan = dataclasses.replace(RIG.right, p=(*RIG.right.p[:3], np.nan, *RIG.right.p[4:]))
    for bad, words in ((nan, 'expected finite numbers'), (RIG.left, 'the left calibration')):
        driver.rig = Unchecked(RIG.left, bad)
        before = len(heard.depth)
        driver.send(4)
        spin(lambda n=before: len(heard.depth) == n + 2, what='depth meanwhile')
        spin(lambda w=words: heard.says('stereo', w), what='the warning')
        assert heard.says('stereo', 'the last good calibration stays in use')
        assert heard.status['stereo'].level == DiagnosticStatus.WARN
    assert np.nanmedian(inner(array_from_msg(heard.depth[-1]))) == pytest.approx(TRUE_M, rel=0.02)
    driver.rig = RIG
    driver.send(4)
    spin(lambda: len(heard.depth) == 8, what='depth after')
    spin(lambda: not heard.says('stereo', 'stays in use'), what='no warning')
    assert int(heard.values('stereo')['rigs_refused']) >= 2
    driver.send(20)
    processes.stop('stereo', signal.SIGTERM)  # while pairs arrive


def test_without_camera_info_only_pictures_are_published(stereo_node, cameras, heard, spin):
    stereo_node(**SENSORS)
    cameras(rig=None).send(4)
    spin(lambda: heard.says('stereo', 'no left and no right camera_info'), what='the error')
    spin(lambda: len(heard.pictures['left/spikes/image']) == 2, what='pictures')


def test_other_sizes_are_said(stereo_node, cameras, heard, spin):
    stereo_node()
    cameras(right_size=(40, 48)).send(4)
    spin(lambda: heard.says('stereo', 'left stream of 64x48 pixels, right one of 48x40'))
    assert heard.status['stereo'].level == DiagnosticStatus.ERROR


def test_clocks_apart_are_said_with_their_offset(stereo_node, cameras, heard, spin):
    stereo_node()
    driver = cameras()

    def is_said():
        driver.send(2, late_ns=-3_000_000_000)
        return heard.says('stereo', 'right is 3.000 s behind left')

    spin(is_said, what='the offset')


def test_a_wrong_parameter_is_refused(refused_here):
    given = {'fill': 'none', 'filter.min_depth': 1.0}
    wrong = {
        'P2 below P1': {'sgbm.P2': 10},
        'even block': {'sgbm.correlation_window_size': 4},
        'no such fill': {'fill': 'both'},
        'network without a file': {'matcher': 'network'},
        'no checkpoint': {'checkpoint': 'nowhere.safetensors', 'fill': 'mono'},
        'depths exchanged': {'filter.max_depth': 0.5},
        'below the range': {'min_depth_m': 0.0},
    }
    rows = {name: (next(iter(one)).split('.')[-1], (), given | one) for name, one in wrong.items()}
    refused_here('stereo', 'stereo', rows)


def test_the_help_lists_every_parameter(run_here):
    status, output = run_here('stereo', '--help')
    assert status == 0
    for row in parameters_of(StereoParameters):
        assert f'  {row.name} (default' in output


def test_the_disparity_message_tells_the_search_of_the_matcher():
    disparity = np.array([[5.0, np.nan]], np.float32)
    depth = RIG.depth_of(disparity)
    prediction = StereoPrediction(
        depth=depth, uncertainty=depth, depth_range=(0.1, 9.0), scale='stereo', pixel_binning=1,
        notes=(), disparity=disparity, origin=np.array([[1, 0]], np.uint8), search=(-3, 96),
    )  # fmt: skip
    message = disparity_msg(prediction, RIG, Header())
    assert (message.min_disparity, message.max_disparity) == (-3, 92)
    assert array_from_msg(message.image).tolist() == [[5.0, -4.0]]
