# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Nodes in other processes: what they publish, their services, and drivers for them."""

import dataclasses
import time

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from stereo_msgs.msg import DisparityImage

from kit import bags
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.nodes.parts.calibration import set_fields
from spike_depth_ros.nodes.parts.conversions import spikes_msg
from spike_depth_ros.nodes.parts.spike_topics import SETTLE_S
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry, SpikeChunk

WIDTH, HEIGHT = 64, 48
RATE = 20_000
PERIOD = 50_000
T0 = 10**18
QUEUE = QoSProfile(depth=100)
SENSOR = {'sensor_width': WIDTH, 'sensor_height': HEIGHT, 'spike_rate_hz': float(RATE)}


def moving_bars(planes):
    return bags.moving_bars(planes, HEIGHT, WIDTH)


def save_bars(path, planes=400, **content):
    """Save a recording of moving bars."""
    packed = packing.pack(moving_bars(planes))
    np.savez(path, packed=packed, width=WIDTH, **{'rate_hz': float(RATE), **content})
    return path


class Heard:
    """What a source of spikes says, by topic."""

    def __init__(self, node):
        self.packets, self.cameras, self.truths, self.diagnoses = [], [], [], []
        queue = QoSProfile(depth=1000)
        node.create_subscription(Image, 'spikes', self.packets.append, queue)
        node.create_subscription(CameraInfo, 'camera_info', self.cameras.append, queue)
        node.create_subscription(Image, 'depth/truth', self.truths.append, queue)
        node.create_subscription(DiagnosticArray, '/diagnostics', self.diagnoses.append, queue)

    def wait(self, spin, packets, truths=0):
        """Wait for what was sent: it is handled later than its source may end."""
        spin(lambda: len(self.packets) >= packets, what=f'{packets} packets')
        spin(lambda: len(self.truths) >= truths, what=f'{truths} maps of true depth')
        spin(lambda: self.cameras, what='a camera_info')


class Statuses:
    """The newest status of each task of a node."""

    def __init__(self, node):
        self.status = {}
        node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, QUEUE)

    def _on_diagnostics(self, msg):
        for status in msg.status:
            self.status[status.name.split(': ')[1]] = status

    def values(self, name):
        return {p.key: p.value for p in self.status[name].values} if name in self.status else {}


class Listener(Statuses):
    """What the depth node says, by topic."""

    def __init__(self, node):
        super().__init__(node)
        self.depth, self.cameras, self.uncertainty, self.preview = [], [], [], []
        node.create_subscription(Image, 'depth/image', self.depth.append, QUEUE)
        node.create_subscription(CameraInfo, 'depth/camera_info', self.cameras.append, QUEUE)
        node.create_subscription(Image, 'depth/uncertainty', self.uncertainty.append, QUEUE)
        node.create_subscription(Image, 'spikes/image', self.preview.append, QUEUE)

    def count(self, key, name='stream'):
        return int(float(self.values(name).get(key, 0)))

    def accounting(self):
        keys = 'expected received lost_in_transport lost_in_queue missed_resubscribing windowed'
        keys += ' skipped_by_policy overwritten refused pending'
        return {key: self.count(f'planes_{key}') for key in keys.split()}


def assert_balanced(accounting, sent=None):
    lost = accounting['lost_in_transport'] + accounting['lost_in_queue']
    lost += accounting['missed_resubscribing']
    assert accounting['expected'] == accounting['received'] + lost
    places = ('windowed', 'skipped_by_policy', 'overwritten', 'refused', 'pending')
    assert accounting['received'] == sum(accounting[place] for place in places)
    if sent is not None:
        assert accounting['expected'] == sent


class Driver:
    """Publishes packets as a driver would, some of them broken, without camera_info."""

    def __init__(self, node):
        self.publisher = node.create_publisher(Image, 'spikes', QUEUE)
        self.planes = self._before = 0

    def connect(self, spin):
        spin(lambda: self.publisher.get_subscription_count() > 0, what='a subscriber')

    def packet(self, first, planes=40):
        spikes = packing.pack(moving_bars(planes))
        chunk = SpikeChunk(spikes, Geometry(HEIGHT, WIDTH), T0 + first * PERIOD)
        return spikes_msg(chunk, 'frame')

    def send(self, first, planes=40, **changes):
        msg = self.packet(first, planes)
        for field, value in changes.items():
            setattr(msg, field, value)
        self.publisher.publish(msg)

    def send_next(self):
        self.send(self.planes)
        self.planes += 40

    def give_depth(self, listener):
        """Send the next packet; whether depth came out after this driver began."""
        self._before = len(listener.depth) if self.planes == 0 else self._before
        self.send_next()
        return len(listener.depth) > self._before


def call(node, spin, kind, name, request):
    client = node.create_client(kind, name)
    spin(client.service_is_ready, what=name)
    future = client.call_async(request)
    spin(future.done, what=f'an answer of {name}')
    node.destroy_client(client)
    return future.result()


def change_state(node, spin, transition, name='/spike_depth'):
    request = ChangeState.Request(transition=Transition(id=transition))
    return call(node, spin, ChangeState, f'{name}/change_state', request).success


def state(node, spin, name='/spike_depth'):
    return call(node, spin, GetState, f'{name}/get_state', GetState.Request()).current_state.label


def set_parameter(ros_node, spin, name, value, node='/spike_depth'):
    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    return call(ros_node, spin, SetParameters, f'{node}/set_parameters', request).results[0]


SHIFT_PX, FX_PX, BASELINE_M = 3, 60.0, 0.1
RIG = StereoRig.from_baseline(BASELINE_M, FX_PX, WIDTH, HEIGHT)
TRUE_M = FX_PX * BASELINE_M / SHIFT_PX
SENSORS = {'sensor_width': WIDTH, 'sensor_height': HEIGHT}


def textured_planes(planes, shift=SHIFT_PX, width=WIDTH, height=HEIGHT):
    """Planes of both eyes of a textured wall, other noise in each: [eye, plane, row, column]."""
    rng = np.random.default_rng(1)
    rate = rng.uniform(0.1, 0.7, (height, width + abs(shift)))
    first = max(shift, 0)
    views = rate[:, max(-shift, 0) :][:, :width], rate[:, first : first + width]
    return np.stack([rng.random((planes, height, width)) < one for one in views]).astype(np.uint8)


class TwoCameras:
    """Publishes the packets of two drivers.

    Args:
        node: Its node.
        shift: Disparity of all that they see, pixels.
    """

    def __init__(self, node, shift=SHIFT_PX, rig=RIG, right_size=(HEIGHT, WIDTH)):
        self.rig = rig
        self.sent = {'left': 0, 'right': 0}
        self._sizes = {'left': (HEIGHT, WIDTH), 'right': right_size}
        self._packets = {}
        for n, eye in enumerate(self.sent):
            height, width = self._sizes[eye]
            planes = textured_planes(40, shift, width, height)[n]
            self._packets[eye] = packing.pack(planes)
        self.spikes = {
            eye: node.create_publisher(Image, f'{eye}/spikes', QUEUE) for eye in self.sent
        }
        self.infos = {
            eye: node.create_publisher(CameraInfo, f'{eye}/camera_info', QUEUE)
            for eye in self.sent
        }

    def connect(self, spin):
        for publisher in (*self.spikes.values(), *self.infos.values()):
            spin(lambda one=publisher: one.get_subscription_count() > 0, what='a subscriber')
        # The subscriber may discover these publishers later, and asks for camera_info best effort.
        end = time.monotonic() + SETTLE_S
        while time.monotonic() < end and self.rig is not None:
            for eye, publisher in self.infos.items():
                publisher.publish(self.info(eye))
            time.sleep(SETTLE_S / 6)

    def send(self, packets=1, eyes=('left', 'right'), late_ns=0, period_ns=PERIOD):
        """Send the next packets of some eyes; right stamps are late."""
        for _ in range(packets):
            for eye in eyes:
                stamp = T0 + self.sent[eye] * period_ns + (late_ns if eye == 'right' else 0)
                if self.rig is not None:
                    self.infos[eye].publish(self.info(eye))
                chunk = SpikeChunk(self._packets[eye], Geometry(*self._sizes[eye]), stamp)
                self.spikes[eye].publish(spikes_msg(chunk, f'{eye}_frame'))
                self.sent[eye] += 40

    def info(self, eye):
        height, width = self._sizes[eye]
        info = CameraInfo(width=width, height=height)
        set_fields(info, dataclasses.replace(getattr(self.rig, eye), width=width, height=height))
        return info


class StereoListener(Statuses):
    """What the node says, by topic."""

    def __init__(self, node):
        super().__init__(node)
        self.pictures, self.infos = {}, {}
        self.depth, self.cameras, self.disparity = [], [], []
        node.create_subscription(Image, 'depth/image', self.depth.append, QUEUE)
        node.create_subscription(CameraInfo, 'depth/camera_info', self.cameras.append, QUEUE)
        node.create_subscription(DisparityImage, 'disparity', self.disparity.append, QUEUE)
        for eye in ('left', 'right'):
            for topic in (f'{eye}/image_rect', f'{eye}/spikes/image'):
                self.pictures[topic] = []
                node.create_subscription(Image, topic, self.pictures[topic].append, QUEUE)
            self.infos[eye] = []
            topic = f'{eye}/image_rect/camera_info'
            node.create_subscription(CameraInfo, topic, self.infos[eye].append, QUEUE)

    def says(self, name, text):
        return name in self.status and text in self.status[name].message
