# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Subscription of the camera's odometry, of either type of message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Odometry
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription

from spike_depth_ros.motion.odometry import TYPES, Poses
from spike_depth_ros.nodes.parts.internal_errors import INTERNAL_ERRORS
from spike_depth_ros.nodes.parts.spike_topics import several_publishers

LOOK_EVERY_S = 0.1
"""Time between two checks of the type that is published, seconds."""

QUEUE = 100
"""Messages that wait for the node, at most: half a second at 200 Hz."""

_KINDS = dict(zip(TYPES, (Odometry, PoseStamped), strict=True))


class OdometryInput:
    """Subscription of odometry, made once its type is known.

    Args:
        node: The node.
        topic: Name of the topic.
        poses: Where poses go; may be replaced.
        warn: Called with kind and text of each warning.
    """

    def __init__(
        self,
        node: LifecycleNode,
        topic: str,
        poses: Poses,
        warn: Callable[[str, str], object],
    ) -> None:
        self.poses = poses
        self._node, self._topic, self._warn = node, topic, warn
        self._subscription: Subscription | None = None
        self._other = ''
        self._timer = node.create_timer(
            LOOK_EVERY_S, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._look()

    def stop(self) -> None:
        """Unsubscribe."""
        self._node.destroy_timer(self._timer)
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)

    @property
    def problem(self) -> str:
        """What is wrong with the topic, one line; empty: nothing."""
        if self._other:
            return self._other
        if not self.poses.received:
            return f'no odometry on {self._topic}: start its publisher, or name its topic'
        return several_publishers(self._node, self._topic)

    def _look(self) -> None:
        """Subscribe once there is a publisher; called by a timer."""
        if self._subscription is not None:
            return
        found = self._node.get_publishers_info_by_topic(self._topic)
        types = sorted({one.topic_type for one in found})
        kind = next((_KINDS[one] for one in types if one in _KINDS), None)
        self._other = ''
        if kind is not None:
            self._subscription = self._node.create_subscription(
                kind,
                self._topic,
                self._on_message,
                QoSProfile(depth=QUEUE, reliability=QoSReliabilityPolicy.BEST_EFFORT),
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
        elif types:
            self._other = f'{self._topic} is {" and ".join(types)}: expected {" or ".join(TYPES)}'

    def _on_message(self, message: Any) -> None:
        try:
            if problem := self.poses.on_message(message):
                self._warn('odometry', problem)
        except Exception as error:
            INTERNAL_ERRORS.add(error, 'odometry')
