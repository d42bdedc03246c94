# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A depth node in another process: what it publishes, its services, and a driver for it."""

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image

from spike_depth_ros.nodes.conversions import spikes_msg
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry, SpikeChunk

WIDTH, HEIGHT = 64, 48
RATE = 20_000
PERIOD = 50_000
T0 = 10**18
QUEUE = QoSProfile(depth=100)
SENSOR = {'sensor_width': WIDTH, 'sensor_height': HEIGHT, 'spike_rate_hz': float(RATE)}


def moving_bars(planes):
    columns = np.arange(WIDTH)[None, :] + np.arange(planes)[:, None] / 8
    rate = 0.3 + 0.25 * np.sin(columns / 5)
    lit = np.random.default_rng(0).random((planes, HEIGHT, WIDTH)) < rate[:, None, :]
    return lit.astype(np.uint8)


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


class Listener:
    """What the depth node says, by topic."""

    def __init__(self, node):
        self.depth, self.cameras, self.uncertainty, self.preview = [], [], [], []
        self.status = {}
        node.create_subscription(Image, 'depth/image', self.depth.append, QUEUE)
        node.create_subscription(CameraInfo, 'depth/camera_info', self.cameras.append, QUEUE)
        node.create_subscription(Image, 'depth/uncertainty', self.uncertainty.append, QUEUE)
        node.create_subscription(Image, 'spikes/image', self.preview.append, QUEUE)
        node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, QUEUE)

    def _on_diagnostics(self, msg):
        for status in msg.status:
            self.status[status.name.split(': ')[1]] = status

    def values(self, name):
        return {p.key: p.value for p in self.status[name].values} if name in self.status else {}

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
        self._next = self._before = 0

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

    def give_depth(self, listener):
        """Send the next packet; whether depth came out after this driver began."""
        self._before = len(listener.depth) if self._next == 0 else self._before
        self.send(self._next)
        self._next += 40
        return len(listener.depth) > self._before


def call(node, spin, kind, name, request):
    client = node.create_client(kind, name)
    spin(client.service_is_ready, what=name)
    future = client.call_async(request)
    spin(future.done, what=f'an answer of {name}')
    node.destroy_client(client)
    return future.result()


def change_state(node, spin, transition):
    request = ChangeState.Request(transition=Transition(id=transition))
    return call(node, spin, ChangeState, '/spike_depth/change_state', request).success


def state(node, spin, name='/spike_depth'):
    return call(node, spin, GetState, f'{name}/get_state', GetState.Request()).current_state.label


def set_parameter(ros_node, spin, name, value, node='/spike_depth'):
    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    return call(ros_node, spin, SetParameters, f'{node}/set_parameters', request).results[0]
