# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Publishers of a source of spikes: ``spikes`` and ``camera_info``."""

from __future__ import annotations

import time
from typing import Any

import rclpy
from rclpy.event_handler import PublisherEventCallbacks, QoSOfferedIncompatibleQoSInfo
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.topic_endpoint_info import TopicEndpointInfo
from sensor_msgs.msg import CameraInfo, Image

from spike_depth_ros.nodes.parts import process
from spike_depth_ros.nodes.parts.conversions import stamp_msg

CAMERA_INFO_EVERY_S = 0.1
SETTLE_S = 0.3

UNKNOWN_NAME = '_NODE_NAME_UNKNOWN_'
"""Name that ROS gives to a node of which only a topic has been discovered."""

UNNAMED = 'a node whose name has not arrived yet'


def publisher_name(publisher: TopicEndpointInfo) -> str:
    """Return the full name of a publisher's node."""
    if publisher.node_name == UNKNOWN_NAME:
        return UNNAMED
    return f'{publisher.node_namespace.rstrip("/")}/{publisher.node_name}'


def policy_name(kind: Any) -> str:
    """Return the name of a QoS policy, as ``RELIABILITY``."""
    return str(kind.name).removeprefix('RMW_QOS_POLICY_')


def several_publishers(node: Node, topic: str) -> str:
    """Report a topic with more than one publisher.

    Args:
        node: Any node.
        topic: Name of the topic, before remapping.

    Returns:
        One line with the names of the publishers' nodes; empty for at most one publisher.
    """
    publishers = node.get_publishers_info_by_topic(topic)
    if len(publishers) < 2:
        return ''
    names = sorted(map(publisher_name, publishers))
    return f'{len(names)} publishers of {topic}: {", ".join(names)}; stop all but one'


class SpikeTopics:
    """Publishers of a node that is a source of spikes.

    Args:
        node: The node.
        camera: Calibration that is published; its stamp is set.
        reliability: ``reliable`` or ``best_effort``.
        remedy: Remedy for a subscriber that requests more than is offered.
        queue: Packets that wait for subscribers at most; fewer, with a logged warning, if memory
            is short.
        prefix: Prefix of the topics, such as ``left/``.

    Attributes:
        qos: QoS of the publishers.
        overriding: Policies that parameters may override.
        spikes: Publisher.
    """

    def __init__(
        self,
        node: Node,
        camera: CameraInfo,
        reliability: str,
        remedy: str,
        queue: int = process.QUEUE_PACKETS,
        prefix: str = '',
    ) -> None:
        self._node = node
        self._camera = camera
        self._next_s: dict[str, float] = {}
        self._remedy = remedy
        self._prefix = prefix
        depth, warning = process.queue_depth(queue)
        if warning:
            node.get_logger().warning(warning, once=True)  # a node may have two cameras
        self.qos = QoSProfile(
            depth=depth,
            reliability=(
                QoSReliabilityPolicy.RELIABLE
                if reliability == 'reliable'
                else QoSReliabilityPolicy.BEST_EFFORT
            ),
        )
        self.overriding = QoSOverridingOptions.with_default_policies()
        # Made first, so that a subscriber's executor handles it first.
        self._camera_info = node.create_publisher(
            CameraInfo, f'{prefix}camera_info', self.qos, qos_overriding_options=self.overriding
        )
        self.spikes = node.create_publisher(
            Image,
            f'{prefix}spikes',
            self.qos,
            qos_overriding_options=self.overriding,
            event_callbacks=PublisherEventCallbacks(incompatible_qos=self._on_incompatible_qos),
        )

    def is_due(self, what: str, every_s: float) -> bool:
        """Return True at most once in each period of ``every_s`` seconds, for each ``what``."""
        now = time.monotonic()
        if now < self._next_s.get(what, 0.0):
            return False
        self._next_s[what] = now + every_s
        return True

    def publish(self, spikes: Image, stamp_ns: int) -> None:
        """Publish a packet, and before it camera_info if that is due."""
        if self.is_due('camera_info', CAMERA_INFO_EVERY_S):
            self._publish_camera_info(stamp_ns)
        self.spikes.publish(spikes)

    def _publish_camera_info(self, stamp_ns: int) -> None:
        self._camera.header.stamp = stamp_msg(stamp_ns)
        self._camera_info.publish(self._camera)

    def destroy(self) -> None:
        """Destroy the publishers."""
        for publisher in (self._camera_info, self.spikes):
            self._node.destroy_publisher(publisher)

    def settle(self, until_s: float) -> None:
        """Wait until new subscribers have discovered these publishers.

        A subscriber may discover a publisher a little later than the publisher the subscriber, and
        may request camera_info best effort. It is therefore published several times before the
        planes.

        Args:
            until_s: Latest end, monotonic time in seconds.
        """
        until_s = min(until_s, time.monotonic() + SETTLE_S)
        while rclpy.ok() and time.monotonic() < until_s:
            self._publish_camera_info(self._node.get_clock().now().nanoseconds)
            rclpy.spin_once(self._node, timeout_sec=CAMERA_INFO_EVERY_S)

    def _on_incompatible_qos(self, event: QoSOfferedIncompatibleQoSInfo) -> None:
        self._node.get_logger().warning(
            f'{self._prefix}spikes: a subscriber requests other QoS '
            f'({policy_name(event.last_policy_kind)}) than is offered and receives nothing: '
            f'{self._remedy}'
        )
