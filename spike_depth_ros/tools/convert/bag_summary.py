# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Summary of a bag: its topics, its stream of spikes, its camera and its true depth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spike_depth_ros.geometry.calibration import Calibration, CalibrationError
from spike_depth_ros.io.bags.bag import Bag, BagError
from spike_depth_ros.io.streams import first_message
from spike_depth_ros.io.topics import CameraTopics
from spike_depth_ros.tools.convert.raw_file import RawFile

_SHOWN = 10  # irregularities


def summarise(
    path: Path,
    topic: str | None = None,
    size: tuple[int, int] | None = None,
    rate_hz: float | None = None,
) -> dict[str, Any]:
    """Return the content of a bag by name, for YAML; all packets of the spikes are read.

    Args:
        path: The bag.
        topic: Topic of the spikes; None: the one called ``spikes``.
        size: Sensor (width, height) in pixels, where the bag has no camera_info.
        rate_hz: Planes a second; None: by the stamps.

    Raises:
        BagError: It cannot be read.
        OSError: A file cannot be read.
    """
    bag = Bag(path)
    found: dict[str, Any] = {
        'bag': str(path),
        'topics': {
            one.name: {'type': one.kind, 'messages': one.messages} for one in bag.topics.values()
        },
    }
    try:
        topics = bag.known.camera(topic)
        found['spikes'] = _stream(RawFile(bag, topics, size, rate_hz))
        found['camera'] = _camera(bag, topics)
        if topics.truth is not None:
            found['true_depth'] = bag.topics[topics.truth].messages
    except BagError as error:
        if topic is not None:
            raise
        found['spikes'] = f'cannot be used: {error}'
    if bag.damage:
        found['damage'] = list(bag.damage)
    return found


def _stream(raw: RawFile) -> dict[str, Any]:
    orders, packets = set(), 0
    for chunk in raw.packets(allow_gaps=True):
        orders.add(chunk.geometry.bit_order)
        packets += 1
    return {
        'topic': raw.topic,
        'frame': raw.frame_id,
        'size': f'{raw.geometry.width}x{raw.geometry.height}',
        'bit_order': ' and '.join(sorted(orders)),
        'planes_per_s': float(f'{raw.rate_hz:.7g}'),
        'planes': raw.planes,
        'seconds': round(raw.planes / raw.rate_hz, 3),
        'planes_per_packet': round(raw.planes / packets, 1),
        'planes_lost': raw.planes_lost,
        'packets_left_out': raw.packets_left_out,
        **({'packets_sorted': raw.packets_sorted} if raw.packets_sorted else {}),
        'irregularities': [
            f'after {one["planes"]} planes: {one["text"]}' for one in raw.irregularities[:_SHOWN]
        ],
    }


def _camera(bag: Bag, topics: CameraTopics) -> Any:
    message = first_message(bag, topics.camera_info)
    if message is None:
        return 'no camera_info'
    try:
        info = Calibration.from_message(message)
    except CalibrationError as error:
        return f'cannot be used: {error}'
    if not info.k[0] > 0:
        return 'not calibrated'
    lens = info.distortion_model if any(info.d) else 'none'
    found = {'fx_px': round(info.k[0], 3), 'fy_px': round(info.k[4], 3), 'lens': lens}
    return found | ({'cut': info.cut} if info.cut else {})
