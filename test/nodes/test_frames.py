# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames beside the spikes, over DDS: what windows get, what is refused, other models."""

import re

import numpy as np
import pytest
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image

from kit import bags, checkpoints
from kit.nodes import HEIGHT, QUEUE, RATE, T0, WIDTH, Driver, moving_bars, set_parameter
from spike_depth_ros.checkpoint import default_checkpoint
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.geometry.calibration import Calibration
from spike_depth_ros.io.bags.bag import Bag
from spike_depth_ros.nodes.parts.conversions import array_from_msg
from spike_depth_ros.observation import Frame, Observation
from spike_depth_ros.stream.window import Window

pytestmark = pytest.mark.dds

FX = 80.0
HOP = 40
MS = 1_000_000


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    # Without an export, which takes longer than all tests: the node runs it by torch.
    path = tmp_path_factory.mktemp('fused') / 'fused.safetensors'
    return checkpoints.checkpoint(path, 'fused', planes=40, planes_range=(40, 40))


@pytest.fixture
def rig(ros_node, depth_node, listener, spin, checkpoint):
    return Rig(ros_node, depth_node, listener, spin, checkpoint)


class Rig:
    """A node of windows of 40 planes, and the drivers of both cameras."""

    def __init__(self, node, start, listener, spin, checkpoint):
        self.node, self.start, self.listener, self.spin = node, start, listener, spin
        self.checkpoint = checkpoint
        self.cameras, self.infos = (
            node.create_publisher(CameraInfo, topic, QUEUE)
            for topic in ('camera_info', 'image/camera_info')
        )
        self.images = node.create_publisher(Image, 'image', QUEUE)
        self.driver = Driver(node)

    def begin(self, **values):
        given = {'policy': 'every', 'window': 40, 'checkpoint': self.checkpoint,
                 'spike_rate_hz': float(RATE), 'image.max_offset_px': 0.0}  # fmt: skip
        self.start(**(given | values))
        self.driver.connect(self.spin)
        calibration = Calibration.centred(FX, WIDTH, HEIGHT)
        self.calibration = CameraInfo(
            height=HEIGHT, width=WIDTH, k=calibration.k, r=calibration.r, p=calibration.p,
            d=calibration.d, distortion_model='plumb_bob',
        )  # fmt: skip

        def known():
            self.cameras.publish(self.calibration)
            return self.listener.values('stream').get('sensor', 'unknown') != 'unknown'

        self.driver.send(0, planes=1)
        self.spin(known, what='a camera_info')

    def connect_frames(self):
        self.spin(lambda: self.images.get_subscription_count() > 0, what='a subscriber of frames')

        def heard():
            self.infos.publish(self.calibration)
            return self.listener.count('frames_received', 'frames') > 0

        self.send_frame(-1000 * MS, 0)
        self.spin(heard, what='the first frame')

    def send_frame(self, after_ns, grey, **changes):
        """Publish a frame of one grey, a time after the first plane."""
        at = T0 + after_ns
        msg = Image(height=HEIGHT, width=WIDTH, encoding='mono8', step=WIDTH)
        msg.header.stamp.sec, msg.header.stamp.nanosec = divmod(at, 10**9)
        msg.data = np.full(HEIGHT * WIDTH, grey, np.uint8).tobytes()
        for name, value in changes.items():
            setattr(msg, name, value)
        self.images.publish(msg)

    def count(self, name):
        return self.listener.count(name, 'frames')


def expected(checkpoint, greys, age_s):
    """Depth of the window beside a frame of each grey; None: beside none."""
    estimator = DepthEstimator.from_checkpoint(checkpoint)
    window = Window.from_planes(moving_bars(40), RATE)
    for grey in greys:
        image = None if grey is None else Frame(np.full((HEIGHT, WIDTH), grey, np.uint8), age_s)
        yield estimator.predict(Observation(window, FX, image=image)).depth


def test_frames_of_a_running_node(rig, listener, spin, ros_node, processes, checkpoint):
    """One node, as torch is seconds in coming: not subscribed, then used, then refused."""
    rig.begin(checkpoint=default_checkpoint(), **{'image.max_age_s': 0.01})
    said = 'image is published, but the model takes spikes alone: frames are not used'
    spin(lambda: said in processes.log('depth'), what='the line')
    assert rig.images.get_subscription_count() == 0
    assert 'frames' not in listener.status
    assert set_parameter(ros_node, spin, 'checkpoint', str(checkpoint)).successful
    spin(lambda: rig.images.get_subscription_count() == 1, what='a subscriber of frames')

    check_windows_get_the_last_frame_before_their_reference_plane(rig, listener, spin, checkpoint)
    check_what_cannot_be_used_is_counted_by_cause_and_depth_goes_on(rig, listener, spin)

    assert set_parameter(ros_node, spin, 'checkpoint', '').successful
    spin(lambda: rig.images.get_subscription_count() == 0, what='the end of it')
    assert processes.log('depth').count(said) == 1


def check_windows_get_the_last_frame_before_their_reference_plane(rig, listener, spin, checkpoint):
    rig.connect_frames()
    # The reference plane is the 20th of a window, 1 ms after its first one.
    for number, grey in enumerate((30, 220)):
        rig.send_frame(2 * MS * number + MS // 2, grey)
    rig.send_frame(2 * MS * 2, 128)  # decides on the window before
    # Behind a busy machine's frames a window would be decided without them.
    spin(lambda: listener.count('frames_received', 'frames') >= 4, what='the frames')
    rig.driver.send(1, planes=39)
    rig.driver.send(40, planes=40)
    spin(lambda: len(listener.depth) == 2, what='two depth images')
    wanted = [*expected(checkpoint, (30, 220, None), 0.0005)]
    for depth, grey in zip(listener.depth, (30, 220), strict=True):
        found = array_from_msg(depth)
        errors = [np.abs(found / one - 1).max() for one in wanted]
        assert min(errors) == errors[(30, 220).index(grey)] < 1e-3, errors
    spin(lambda: rig.count('windows_with_frame') == 2, what='both counted')


def check_what_cannot_be_used_is_counted_by_cause_and_depth_goes_on(rig, listener, spin):
    rig.send_frame(5 * MS, 1, encoding='32FC1')
    spin(lambda: rig.count('frames_refused_encoding') == 1, what='the encoding')
    small = CameraInfo(**{name: getattr(rig.calibration, name) for name in ('k', 'r', 'p', 'd')})
    small.height, small.width, small.distortion_model = HEIGHT, 2 * WIDTH, 'plumb_bob'
    rig.infos.publish(small)
    rig.send_frame(6 * MS, 1)
    rig.send_frame(60 * MS, 1)
    rig.driver.send(80, planes=40)
    spin(lambda: rig.count('frames_refused_calibration') == 1, what='the calibration')
    assert f'expected {2 * WIDTH}x{HEIGHT}, the size of its calibration' in (
        listener.status['frames'].message
    )
    # 20 ms later: older than the largest age.
    rig.driver.send(400, planes=40)
    spin(lambda: rig.count('windows_with_stale_frame') == 1, what='a stale frame')
    spin(lambda: len(listener.depth) == 4, what='depth of the spikes alone')


@pytest.fixture
def bag(tmp_path):
    """800 planes, and a frame with its camera_info every 4 ms."""
    start, grey = bags.START, np.full((bags.HEIGHT, bags.WIDTH), 99, np.uint8)
    frames = [
        (f'/{name}', start + at, message)
        for at in range(0, 40 * MS, 4 * MS)
        for name, message in (
            ('image', bags.image(start + at, grey, 'mono8')),
            ('image/camera_info', bags.camera(start + at)),
        )
    ]
    messages = bags.stream(800) + frames
    return bags.write(tmp_path / 'bag', sorted(messages, key=lambda one: one[1]))


def test_frames_of_a_bag_are_played_and_reach_the_windows(
    play, depth_node, listener, spin, bag, checkpoint
):
    depth_node(policy='every', window=40, checkpoint=checkpoint, **{'image.max_offset_px': 0.0})
    report = play(bag, '--speed', '0.02')
    assert (report['planes_sent'], report['frames_sent']) == (800, 10)
    spin(lambda: len(listener.depth) == 20, what='depth of each window')
    spin(lambda: listener.count('frames_received', 'frames') == 10, what='each frame')
    spin(lambda: listener.count('windows_with_frame', 'frames') == 20, what='each window')
    assert listener.count('frames_refused', 'frames') == 0


def test_frames_are_recorded_beside_the_spikes(processes, bag, tmp_path):
    processes.start('player', bag, '--loop', '--speed', '0.1')
    out = tmp_path / 'recorded'
    processes.start('recorder', '/spikes', '--image', 'image', '--out', out, '--seconds', 2)
    status, output = processes.finish('recorder')
    assert status == 0, output
    recorded = {name: topic.messages for name, topic in Bag(out).topics.items()}
    assert recorded['/image'] > 3
    # A busy machine may pause for a second, which is then told.
    frames = rf'; {recorded["/image"]} messages of /image, 0 MB( \(no message for \d\.\d s\))?; '
    assert re.search(frames, output)
    assert recorded['/image/camera_info'] > 3


@pytest.mark.parametrize('command', ['recorder', 'player'])
def test_spikes_are_no_frames(processes, bag, tmp_path, command):
    if command == 'recorder':
        processes.start('player', bag, '--loop', '--speed', '0.1')
        given = ('/spikes', '--image', '/spikes', '--out', tmp_path / 'out', '--seconds', 2)
    else:
        given = (bag, '--image', '/spikes', '--wait', 0)
    processes.start(command, *given)
    status, output = processes.finish(command)
    assert status == 1, output
    assert '/spikes has the spikes; expected frames as --image' in output


def test_a_recorder_tells_of_frames_that_stop_and_of_a_missing_calibration(
    processes, ros_node, spin, bag, tmp_path
):
    processes.start('player', bag, '--loop', '--speed', '0.1', '--image', 'none')
    images = ros_node.create_publisher(Image, '/front/image', QUEUE)
    out = tmp_path / 'recorded'
    given = ('/spikes', '--image', '/front/image', '--out', out, '--seconds', 4)
    processes.start('recorder', *given)
    spin(lambda: images.get_subscription_count() > 0, what='the recorder')
    frame = Image(height=1000, width=1200, encoding='mono8', step=1200, data=bytes(1_200_000))
    images.publish(frame)
    status, output = processes.finish('recorder')
    assert status == 0, output
    assert re.search(r'warning: /front/image: no message for \d\.\d s', output)
    assert re.search(r'; 1 messages of /front/image, 1 MB \(no message for \d\.\d s\); ', output)
    assert '0 messages of /front/image/camera_info (a reader of the frames needs it)' in output


def test_a_calibration_that_is_sent_once_is_recorded(processes, ros_node, spin, bag, tmp_path):
    processes.start('player', bag, '--loop', '--speed', '0.1', '--image', 'none')
    images = ros_node.create_publisher(Image, '/front/image', QUEUE)
    kept = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
    infos = ros_node.create_publisher(CameraInfo, '/front/image/camera_info', kept)
    infos.publish(CameraInfo(height=2, width=2))
    out = tmp_path / 'recorded'
    given = ('/spikes', '--image', '/front/image', '--out', out, '--seconds', 1)
    processes.start('recorder', *given)
    spin(lambda: images.get_subscription_count() > 0, what='the recorder')
    images.publish(Image(height=2, width=2, encoding='mono8', step=2, data=bytes(4)))
    status, output = processes.finish('recorder')
    assert status == 0, output
    assert '1 messages of /front/image/camera_info' in output


def test_a_damaged_calibration_of_frames_is_one_line(processes, bag, tmp_path):
    image = bags.image(bags.START, np.full((bags.HEIGHT, bags.WIDTH), 9, np.uint8), 'mono8')
    beside = [(f'/{name}', bags.START, image) for name in ('image', 'image/camera_info')]
    kinds = {'/image/camera_info': bags.CAMERA_INFO}
    path = bags.write(tmp_path / 'damaged', beside + bags.stream(80), kinds=kinds)
    processes.start('player', path, '--wait', 0)
    status, output = processes.finish('player')
    assert status == 1, output
    assert 'Traceback' not in output
    assert 'CameraInfo' in output
