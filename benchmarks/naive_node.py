# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pipeline that ours is compared with: depth as a newcomer to ROS 2 and torch would write it.

A plain rclpy node. It subscribes as our node does (reliable, the same queue, the same DDS profile
and the same malloc settings: they belong to the transport, and without them it would be slower
still). The callback unpacks each packet with ``np.unpackbits`` and keeps the newest planes in a
deque. A thread takes the newest window whenever it is ready for one, stacks it to float32 NCHW,
sums planes to the network's bins, pads the image by repeating its edge, runs the very same network
with the very same weights in eager torch (float32, NCHW, ``eval``, ``no_grad``, torch's default
threads), and publishes depth as 32FC1 through cv_bridge.

It does less than our node, to its advantage: no plane accounting beyond a counter, no diagnostics,
no camera_info, no uncertainty, no focal length, one sensor size, one rate, no error handling.
Nothing in it is slow on purpose.
"""

from __future__ import annotations

import collections
import sys
import threading

import numpy as np
import torch
import torch.nn.functional as F
from cv_bridge import CvBridge
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import UInt64

from spike_depth_ros.checkpoint import default_checkpoint, load
from spike_depth_ros.networks.registry import build_with_weights
from spike_depth_ros.nodes.parts import process
from spike_depth_ros.nodes.parts.conversions import stamp_msg
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.decode import stamp_ns
from spike_depth_ros.stream.window import reference_index


class NaiveDepthNode(Node):
    """Subscribes ``spikes``; publishes ``depth/image`` and, each second, ``planes_in``."""

    def __init__(self) -> None:
        super().__init__('naive_depth')
        self.width = self.declare_parameter('width', 400).value
        self.height = self.declare_parameter('height', 250).value
        self.period_ns = round(1e9 / self.declare_parameter('rate_hz', 20_000.0).value)
        self.info, weights = load(default_checkpoint())
        self.network = build_with_weights(self.info, weights).eval()
        self.reference = reference_index(self.info.reference_plane, self.info.planes)
        self.bridge = CvBridge()
        # (time in ns, plane of 0 and 1), oldest first
        self.planes: collections.deque = collections.deque(maxlen=self.info.planes)
        self.planes_in = 0
        self.arrived = threading.Condition()
        self.running = True
        self.depth_publisher = self.create_publisher(Image, 'depth/image', 5)
        self.count_publisher = self.create_publisher(UInt64, 'planes_in', 5)
        qos = QoSProfile(depth=process.QUEUE_PACKETS, reliability=QoSReliabilityPolicy.RELIABLE)
        self.create_subscription(Image, 'spikes', self.on_spikes, qos)
        self.create_timer(1.0, self.publish_count)
        self.thread = threading.Thread(target=self.infer)
        self.thread.start()

    def on_spikes(self, msg: Image) -> None:
        """Unpack a packet into single planes."""
        packed = np.frombuffer(msg.data, np.uint8).reshape(-1, self.height, msg.step)
        spikes = np.unpackbits(packed, axis=2, bitorder='little')[:, :, : self.width]
        first_ns = stamp_ns(msg.header.stamp)
        with self.arrived:
            for number, plane in enumerate(spikes):
                self.planes.append((first_ns + number * self.period_ns, plane))
            self.planes_in += len(spikes)
            self.arrived.notify()

    def publish_count(self) -> None:
        """Say how many planes have arrived."""
        self.count_publisher.publish(UInt64(data=self.planes_in))

    def infer(self) -> None:
        """Predict from the newest planes, again and again."""
        done_ns = 0  # no plane is used twice: neither does our node with policy latest
        while self.running:
            with self.arrived:
                self.arrived.wait(timeout=0.1)
                planes = list(self.planes)
            if len(planes) == self.info.planes and planes[0][0] > done_ns:
                done_ns = planes[-1][0]
                self.publish_depth(planes[self.reference][0], self.predict(planes))

    def predict(self, planes: list[tuple[int, np.ndarray]]) -> np.ndarray:
        """Depth in metres, ``[height, width]`` float32."""
        spikes = torch.from_numpy(np.stack([plane for _, plane in planes]).astype(np.float32))
        edges = packing.bin_edges(self.info.planes, self.info.bins)
        counts = torch.stack([spikes[first:last].sum(dim=0) for first, last in edges])[None]
        step = self.info.multiple
        padding = (0, -self.width % step, 0, -self.height % step)
        counts = F.pad(counts, padding, mode='replicate')
        with torch.no_grad():
            output = self.network(counts, torch.from_numpy(edges[:, 1] - edges[:, 0]))
        return output.depth[0, 0, : self.height, : self.width].numpy()

    def publish_depth(self, reference_ns: int, depth: np.ndarray) -> None:
        """Publish, stamped with the reference plane's time."""
        msg = self.bridge.cv2_to_imgmsg(depth, '32FC1')
        msg.header.stamp = stamp_msg(reference_ns)
        self.depth_publisher.publish(msg)

    def close(self) -> None:
        """End the thread."""
        self.running = False
        self.thread.join()


if __name__ == '__main__':
    sys.exit(process.run(NaiveDepthNode))
