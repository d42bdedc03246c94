# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The publisher printed in docs/tasks/connect_camera.md works as printed."""

import re
from pathlib import Path

import numpy as np
import pytest
import rclpy
from sensor_msgs.msg import Image

from spike_depth_ros.stream.decode import chunk_from_msg

pytestmark = pytest.mark.dds

GUIDE = Path(__file__).parents[2] / 'docs' / 'tasks' / 'connect_camera.md'


def test_the_printed_publisher_follows_the_wire_format(ros_node, spin):
    (code,) = re.findall(r'```python\n(.*?)```', GUIDE.read_text(), re.DOTALL)
    printed = {}
    exec(code, printed)
    packets = []
    ros_node.create_subscription(Image, 'spikes', packets.append, 10)
    camera = printed['SpikeCamera']()
    try:
        spin(lambda: camera.spikes.get_subscription_count() > 0)
        planes = np.random.default_rng(0).integers(0, 256, (80, 250, 50), dtype=np.uint8)
        camera.publish_planes(planes[:40])
        camera.publish_planes(planes[40:])
        spin(lambda: len(packets) == 2)
    finally:
        camera.destroy_node()
    chunks = [chunk_from_msg(msg, 250, 400) for msg in packets]
    np.testing.assert_array_equal(np.concatenate([chunk.data for chunk in chunks]), planes)
    assert chunks[1].t0_ns - chunks[0].t0_ns == 40 * 50_000
    assert rclpy.ok()
