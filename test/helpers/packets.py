# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Spike packets and cameras as messages, decoded by nobody in particular; settings for them."""

import dataclasses
from types import SimpleNamespace

from spike_depth_ros.stream.decode import PACKED
from spike_depth_ros.stream.ingest import StreamSettings

SETTINGS = StreamSettings(window=8, policy='every', ring_planes=64, spike_rate_hz=20_000.0)
SIZED = dataclasses.replace(SETTINGS, sensor_width=13, sensor_height=5)


RATE_UNKNOWN = dataclasses.replace(SIZED, spike_rate_hz=0.0)


def packet(first, planes=4, bit_order='little', frame='frame'):
    """Planes without a spike of a sensor of 13x5 pixels, as sensor_msgs/Image has them."""
    sec, nanosec = divmod(10**18 + round(first * 50_000), 10**9)
    return SimpleNamespace(
        header=SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=nanosec), frame_id=frame),
        height=5 * planes,
        width=2,
        step=2,
        encoding=PACKED,
        is_bigendian=int(bit_order == 'big'),
        data=bytes(10 * planes),
    )


def camera_info(height=5, width=13, fx=0.0):
    """A camera as sensor_msgs/CameraInfo has it; of zeros where it is not calibrated."""
    k = [fx, 0, (width - 1) / 2, 0, fx, (height - 1) / 2, 0, 0, bool(fx)]
    zeros = {'d': [], 'r': [0.0] * 9, 'p': [0.0] * 12}
    return SimpleNamespace(height=height, width=width, k=k, distortion_model='', **zeros)
