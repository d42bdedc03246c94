# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth that the motion of the camera corrects, with odometry over a real DDS."""

import json

import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from kit import bags
from kit import moving_walls as walls
from kit.nodes import QUEUE, T0, set_parameter
from spike_depth_ros.geometry.calibration import Calibration
from spike_depth_ros.nodes.parts.calibration import set_fields
from spike_depth_ros.nodes.parts.conversions import array_from_msg, spikes_msg, stamp_msg
from spike_depth_ros.nodes.parts.depth_topics import DepthTopics
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry, SpikeChunk
from spike_depth_ros.stream.decode import points_from_msg
from spike_depth_ros.tools.convert.spike_bag import odometry_message
from spike_depth_ros.tools.evaluate.command import main as evaluate_bag

pytestmark = pytest.mark.dds

WINDOWS, PER_PACKET = 20, 64
MOTION = '--refine', 'motion'
GIVEN = {
    'refine': 'motion',
    'policy': 'every',
    'device': 'cpu',
    'threads': 1,
    'window': 128,
    'camera_pose': list(walls.MOUNTING),
    'odometry': 'odom',
}


class MovingCamera:
    """Publishes what a camera between two walls sees, and where it is."""

    def __init__(self, node, kind=Odometry):
        self.spikes = node.create_publisher(Image, 'spikes', QUEUE)
        self.info = node.create_publisher(CameraInfo, 'camera_info', QUEUE)
        self.odometry = node.create_publisher(kind, 'odom', QUEUE)
        self.points = []
        node.create_subscription(PointCloud2, 'depth/motion_points', self.points.append, QUEUE)
        self.kind, self.planes = kind, 0

    def connect(self, spin):
        ends = self.spikes, self.info, self.odometry
        spin(lambda: all(one.get_subscription_count() for one in ends), what='subscribers')

    def send(self, windows=WINDOWS, jump_m=0.0):
        calibration = Calibration.from_matrix(walls.camera(), walls.WIDTH, walls.HEIGHT)
        info = CameraInfo(width=walls.WIDTH, height=walls.HEIGHT)
        set_fields(info, calibration)
        for _ in range(windows * 128 // PER_PACKET):
            stamp = T0 + self.planes * walls.PERIOD
            for ahead in (0, 32, 64):
                self.tell(self.planes + ahead, jump_m)
            info.header.stamp = stamp_msg(stamp)
            info.header.frame_id = 'eye'
            self.info.publish(info)
            packed = packing.pack(walls.planes(self.planes, PER_PACKET))
            chunk = SpikeChunk(packed, Geometry(walls.HEIGHT, walls.WIDTH), stamp)
            self.spikes.publish(spikes_msg(chunk, 'eye'))
            self.planes += PER_PACKET

    def tell(self, plane, jump_m=0.0):
        msg = self.kind()
        msg.header.stamp = stamp_msg(T0 + plane * walls.PERIOD)
        pose = msg.pose
        if self.kind is Odometry:
            msg.child_frame_id, pose = 'base_link', msg.pose.pose
        pose.position.y = walls.pose(plane / walls.RATE)[1]
        pose.position.x = jump_m
        pose.orientation.w = 1.0
        self.odometry.publish(msg)


@pytest.mark.timed  # windows that come while the processor is busy are not refined
@pytest.mark.parametrize('kind', [Odometry, PoseStamped])
def test_odometry_gives_metres_and_the_shape_of_two_walls(
    ros_node, depth_node, listener, spin, kind
):
    camera = MovingCamera(ros_node, kind)
    depth_node(scale_from='odometry', **GIVEN)
    viewed = DepthTopics(ros_node)
    camera.connect(spin)
    camera.send()
    spin(lambda: len(listener.depth) >= WINDOWS - 1, what='every window')
    spin(lambda: int(listener.values('motion')['windows_refined']) > 8, what='refined windows')
    values = listener.values('motion')
    assert listener.values('model')['scale'] == 'odometry'
    assert int(values['odometry_received']) > 100
    depth = array_from_msg(listener.depth[-1])
    left, right = depth[:, : walls.WIDTH // 2], depth[:, walls.WIDTH // 2 :]
    assert np.nanmedian(left) == pytest.approx(walls.NEAR_M, rel=0.15)
    assert np.nanmedian(right) == pytest.approx(walls.FAR_M, rel=0.15)
    points = points_from_msg(camera.points[-1])
    x, _, z = points.T
    assert len(points) > 60
    assert np.median(z[x < -0.1]) == pytest.approx(walls.NEAR_M, rel=0.05)
    assert np.median(z[x > 0.2]) == pytest.approx(walls.FAR_M, rel=0.05)
    frame = viewed.take()
    assert len(frame.measured) > 60
    assert frame.values['scale']['factor'] != 1
    stamps = [one.header for one in listener.depth]
    assert all(one.header in stamps for one in camera.points[:-1])


def test_bad_odometry_is_said_in_the_status(ros_node, depth_node, listener, spin):
    camera = MovingCamera(ros_node)
    depth_node(scale_from='odometry', **GIVEN)
    spin(lambda: 'no odometry on odom' in listener.status['motion'].message, what='silence')
    camera.connect(spin)
    camera.send(2)
    camera.send(2, jump_m=7.0)
    spin(lambda: listener.values('motion')['odometry_restarts'] == '1', what='the jump')
    wrong = Odometry(child_frame_id='base_link')
    wrong.pose.pose.orientation.w = 2.0
    camera.odometry.publish(wrong)
    spin(
        lambda: listener.values('motion').get('odometry_refused_damaged') == '1', what='quaternion'
    )
    camera.odometry.publish(Odometry(child_frame_id='other', pose=wrong.pose))
    for name, value, reason in (
        ('scale_from', 'odometry', ''),
        ('refine', 'none', 'refine is none: expected motion with scale_from odometry'),
        ('camera_pose', [0.0] * 7, 'quaternion'),
    ):
        answer = set_parameter(ros_node, spin, name, value)
        assert reason in answer.reason
        assert answer.successful == (not reason)
    assert set_parameter(ros_node, spin, 'scale_from', 'model').successful
    assert set_parameter(ros_node, spin, 'refine', 'none').successful
    listener.status.clear()
    spin(lambda: 'model' in listener.status, what='diagnostics')
    assert 'motion' not in listener.status


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    """A bag of the walls, with odometry and true depth."""
    given = Calibration.from_matrix(walls.camera(), walls.WIDTH, walls.HEIGHT)
    messages = [('/camera_info', bags.START, bags.lens_camera(given))]
    for first in range(0, 128 * WINDOWS, PER_PACKET):
        stamp = bags.START + first * walls.PERIOD
        for ahead in (0, 32):
            at = stamp + ahead * walls.PERIOD
            messages.append(
                ('/odom', at, odometry_message(at, at, walls.pose((at - bags.START) / 1e9))[2])
            )
        messages.append(('/spikes', stamp, bags.packet(stamp, walls.planes(first, PER_PACKET))))
        if first % 128:
            messages.append(('/depth/truth', stamp, bags.image(stamp, walls.depth(), '32FC1')))
    return bags.write(
        tmp_path_factory.mktemp('bag') / 'walls', sorted(messages, key=lambda m: m[1])
    )


def evaluated(bag, out, *options):
    given = ['--device', 'cpu', '--threads', '1', '--window', '128', *options]
    assert evaluate_bag([str(bag), '--out', str(out), *given]) == 0
    return json.loads((out / 'metrics.json').read_text())['models']


def test_a_bag_is_evaluated_with_the_points_that_a_node_would_have_had(bag, tmp_path, capsys):
    mounting = ' '.join(map(str, walls.MOUNTING))
    by_motion = *MOTION, '--odometry', '/odom', '--camera-pose', mounting
    network, refined, at_once = evaluated(bag, tmp_path / 'one', *by_motion)
    names = [one['label'] for one in (network, refined, at_once)]
    assert names == ['unet_lite', 'unet_lite_motion', 'unet_lite_motion_at_once']
    errors = [one['metrics']['abs_rel'] for one in (network, refined, at_once)]
    assert errors[1] < 0.7 * errors[0]
    assert errors[2] < 0.7 * errors[0]
    assert [one['scale'] for one in (network, refined)] == ['metric', 'odometry']
    assert refined['motion']['refined'] > WINDOWS / 2
    assert at_once['motion']['refined'] > refined['motion']['refined']
    assert 'unet_lite_motion less unet_lite: AbsRel -' in capsys.readouterr().out
    evaluated(bag, tmp_path / 'two', *by_motion)
    for name in names:
        windows = [(tmp_path / out / f'windows_{name}.csv').read_bytes() for out in ('one', 'two')]
        assert windows[0] == windows[1]
    both = evaluated(bag, tmp_path / 'both', *MOTION, '--refine-delay-ms', '0')
    assert [one['scale'] for one in both] == ['metric', 'metric']


@pytest.mark.parametrize(
    ('options', 'reason'),
    [
        (['--odometry', '/odom'], '--odometry without a correction: give --refine motion'),
        ([*MOTION, '--odometry', '/other'], 'topic /other of odometry: there is none'),
        ([*MOTION, '--odometry', '/spikes'], 'it is sensor_msgs/msg/Image; expected'),
        ([*MOTION, '--camera-pose', '0 0 0 0 0 0 1'], 'name its topic with --odometry'),
        ([*MOTION, '--odometry', '/odom', '--camera-pose', '1 2'], 'x y z qx qy qz qw'),
        ([*MOTION, '--stereo'], 'expected of one camera'),
    ],
)
def test_options_that_do_not_go_together_are_refused(bag, tmp_path, capsys, options, reason):
    try:
        status = evaluate_bag([str(bag), '--out', str(tmp_path / 'out'), *options])
    except SystemExit as ended:
        status = ended.code
    assert status in (1, 2)
    assert reason in capsys.readouterr().err


def test_a_bag_without_a_focal_length_is_refused(tmp_path, capsys):
    uncalibrated = bags.write(tmp_path / 'no_fx', bags.stream(300, fx=0.0))
    out = ['--out', str(tmp_path / 'out'), *MOTION, '--threads', '1']
    assert evaluate_bag([str(uncalibrated), *out]) == 1
    assert 'no focal length for depth from the motion of the camera' in capsys.readouterr().err
