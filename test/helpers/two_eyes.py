# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A driver of two cameras, and what the node of two cameras says."""

import dataclasses
import time

import numpy as np
from depth_node import HEIGHT, PERIOD, QUEUE, T0, WIDTH
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CameraInfo, Image
from stereo_msgs.msg import DisparityImage

from spike_depth_ros.nodes.calibration import set_fields
from spike_depth_ros.nodes.conversions import spikes_msg
from spike_depth_ros.nodes.spike_topics import SETTLE_S
from spike_depth_ros.stereo.rig import StereoRig
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry, SpikeChunk

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


class StereoListener:
    """What the node says, by topic."""

    def __init__(self, node):
        self.status, self.pictures, self.infos = {}, {}, {}
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
        node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, QUEUE)

    def _on_diagnostics(self, msg):
        for status in msg.status:
            self.status[status.name.split(': ')[1]] = status

    def values(self, name):
        return {p.key: p.value for p in self.status[name].values} if name in self.status else {}

    def says(self, name, text):
        return name in self.status and text in self.status[name].message
