# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Newest images of a depth node, joined by stamp, with its diagnostics."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from spike_depth_ros.nodes.parts import diagnostic_values as keys
from spike_depth_ros.nodes.parts.diagnostic_values import Values
from spike_depth_ros.stream.decode import (
    PacketError,
    depth_from_msg,
    grey_from_msg,
    points_from_msg,
    stamp_ns,
)
from spike_depth_ros.tools.view.frame import ViewFrame

Pixels = TypeVar('Pixels')

_JOINED = ('depth', 'uncertainty', 'camera_info')

_PICTURE, _RECTIFIED = 'spikes/image', 'spikes/image_rect'
"""Topics of pictures; depth is of the camera of the second, where there is one."""

_PAST_NS = 10**9
"""Age of a picture from which on its topic counts as silent."""

_QOS = QoSProfile(depth=4, reliability=QoSReliabilityPolicy.BEST_EFFORT)
"""Of all topics: the newest few, which the node never waits for."""


class DepthTopics:
    """Newest messages of a depth node.

    Args:
        node: Node of the subscriptions.
    """

    def __init__(self, node: Node) -> None:
        self._namespace = node.get_namespace().strip('/')
        self._stream, self._inference, self._model = Values(), Values(), Values()
        self._stereo, self._right_stream, self._motion = Values(), Values(), Values()
        self._messages: dict[str, dict[int, Any]] = {name: {} for name in _JOINED}
        self._pictures: dict[str, Image] = {}
        self._names: dict[str, str] = {}
        self._notes: dict[str, tuple[str, ...]] = {}
        subscribe = node.create_subscription
        for kind, name, topic in (
            (Image, 'depth', 'depth/image'),
            (Image, 'uncertainty', 'depth/uncertainty'),
            (CameraInfo, 'camera_info', 'depth/camera_info'),
        ):
            subscription = subscribe(kind, topic, self._keeper(name), _QOS)
            self._names[name] = subscription.topic_name
        for topic in (_PICTURE, _RECTIFIED):
            keep = functools.partial(self._pictures.__setitem__, topic)
            self._names[topic] = subscribe(Image, topic, keep, _QOS).topic_name
        self._points: PointCloud2 | None = None
        kept = subscribe(PointCloud2, 'depth/motion_points', self._keep_points, _QOS)
        self._names['points'] = kept.topic_name
        # All tasks of a node's diagnostics are in one message a second.
        subscribe(DiagnosticArray, '/diagnostics', self._on_diagnostics, QoSProfile(depth=10))

    @property
    def name(self) -> str:
        """Full name of the topic of depth."""
        return self._names['depth']

    def _keeper(self, name: str) -> Any:
        messages = self._messages[name]

        def keep(msg: Any) -> None:
            messages[stamp_ns(msg.header.stamp)] = msg
            while len(messages) > _QOS.depth:
                del messages[next(iter(messages))]

        return keep

    def _keep_points(self, msg: PointCloud2) -> None:
        self._points = msg

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            start, _, task = status.name.rpartition(': ')
            kept = {
                keys.STREAM: self._stream,
                keys.LEFT_STREAM: self._stream,
                keys.RIGHT_STREAM: self._right_stream,
                keys.STEREO: self._stereo,
                keys.INFERENCE: self._inference,
                keys.MODEL: self._model,
                keys.MOTION: self._motion,
            }.get(task)
            # The topic has the nodes of all namespaces.
            if kept is None or start.rpartition('/')[0] != self._namespace:
                continue
            values = Values.of(status)
            if values.of_source:
                continue
            kept.clear()
            kept.update(values)
            bad = status.level != DiagnosticStatus.OK
            self._notes[task] = (f'{start} {task}: {status.message}',) if bad else ()

    def complete(self) -> int | None:
        """Return the newest stamp that all images have, nanoseconds; None: there is none."""
        stamps = set.intersection(*(set(kept) for kept in self._messages.values()))
        return max(stamps, default=None)

    def take(self) -> ViewFrame | None:
        """Take the newest complete frame, if there is one since the last call.

        Raises:
            PacketError: A message is not what a depth node publishes; the text names its topic.
        """
        stamp = self.complete()
        if stamp is None:
            return None
        depth, uncertainty, camera = (kept[stamp] for kept in self._messages.values())
        for kept in self._messages.values():
            for older in [each for each in kept if each <= stamp]:
                del kept[older]
        lost = self._stream.accounting()
        factor = self._model.number(keys.SCALE_FACTOR)
        if keys.MOTION_FACTOR in self._motion and keys.SCALE_FACTOR not in self._model:
            factor = self._motion.number(keys.MOTION_FACTOR)
        if keys.FILL_FACTOR in self._stereo:
            factor = self._stereo.number(keys.FILL_FACTOR)
        return ViewFrame(
            stamp_ns=stamp,
            depth=self._read('depth', depth_from_msg, depth),
            uncertainty=self._read('uncertainty', depth_from_msg, uncertainty),
            picture=self._picture(stamp),
            measured=self._measured(stamp),
            matrix=tuple(float(value) for value in camera.k),
            values={
                'latency': _latency(self._inference.latencies()),
                'lost': {
                    'in transport': float(lost.lost_in_transport),
                    'in queue': float(lost.lost_in_queue),
                },
                'scale': {'factor': factor if factor == factor else 1.0},
            },
            notes=tuple(note for notes in self._notes.values() for note in notes),
        )

    @property
    def depth_name(self) -> str:
        """Full name of the topic of depth."""
        return self._names['depth']

    def _picture(self, stamp: int) -> npt.NDArray[np.uint8] | None:
        """Return the newest picture of the camera of the depth image; None: there is none."""
        topic, found = _RECTIFIED, self._pictures.get(_RECTIFIED)
        if found is None or stamp_ns(found.header.stamp) < stamp - _PAST_NS:
            topic, found = _PICTURE, self._pictures.get(_PICTURE)
        return None if found is None else self._read(topic, grey_from_msg, found)

    def _measured(self, stamp: int) -> npt.NDArray[np.float32] | None:
        """Return the newest points of a correction by motion; None: there are none."""
        found = self._points
        if found is None or stamp_ns(found.header.stamp) < stamp - _PAST_NS:
            return None
        return self._read('points', points_from_msg, found)

    def _read(self, name: str, read: Callable[[Any], Pixels], msg: Any) -> Pixels:
        try:
            return read(msg)
        except PacketError as error:
            raise PacketError(f'{self._names[name]}: {error}') from None


def _latency(stages: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Return the curves of latency: age at publication, and time of the network, ms."""
    curves = {}
    if age := stages.get('age'):
        curves = {'age, median': age[0], 'age, 99 %': age[1]}
    if predict := stages.get('predict'):
        curves['network, median'] = predict[0]
    return curves
