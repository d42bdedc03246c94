# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Subscriptions of the frames beside the spikes, for models that take them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, Image

from spike_depth_ros.fusion.frames import Frames, FrameSettings
from spike_depth_ros.nodes.parts import diagnostic_values as keys
from spike_depth_ros.nodes.parts.diagnostics import Rate, StatusBuilder
from spike_depth_ros.nodes.parts.internal_errors import INTERNAL_ERRORS
from spike_depth_ros.nodes.parts.spike_topics import several_publishers

TOPIC, INFO_TOPIC = 'image', 'image/camera_info'

LOOK_EVERY_S = 0.1
"""Time between two checks of what the model takes, seconds."""

QUEUE = 10
"""Frames that wait for the node, at most."""


class FrameInputs:
    """Subscriptions of frames, there while the model takes them.

    Args:
        node: The node.
        settings: Its parameters of frames.
        takes: Returns the largest age of frames in the training of the model in use, seconds;
            None: it takes none.
        warn: Called with kind and text of each warning.

    Attributes:
        frames: Frames received; None: the model takes none.
    """

    def __init__(
        self,
        node: LifecycleNode,
        settings: FrameSettings,
        takes: Callable[[], float | None],
        warn: Callable[[str, str], object],
    ) -> None:
        self.frames: Frames | None = None
        self._node, self._takes, self._warn = node, takes, warn
        self._settings = settings
        self._subscriptions: list[Subscription] = []
        self._warned = False
        self._received, self._used, self._lost = Rate(), Rate(), Rate()
        self._look()
        self._timer = node.create_timer(
            LOOK_EVERY_S, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def stop(self) -> None:
        """Unsubscribe."""
        self._node.destroy_timer(self._timer)
        self._unsubscribe()

    def _look(self) -> None:
        """Follow the model; called by a timer."""
        age_s = self._takes()
        if age_s is None:
            self._unsubscribe()
            if not self._warned and self._node.count_publishers(TOPIC):
                self._warned = True
                self._node.get_logger().info(
                    f'{TOPIC} is published, but the model takes spikes alone: frames are not used'
                )
        elif self.frames is None or self.frames.max_age_s != (self._settings.max_age_s or age_s):
            self._unsubscribe()
            self.frames = Frames(self._settings, age_s, self._warn)
            qos = QoSProfile(depth=QUEUE, reliability=QoSReliabilityPolicy.BEST_EFFORT)
            self._subscriptions = [
                self._node.create_subscription(
                    kind,
                    topic,
                    handler,
                    qos,
                    qos_overriding_options=QoSOverridingOptions.with_default_policies(),
                )
                for kind, topic, handler in (
                    (CameraInfo, INFO_TOPIC, _guarded(self.frames.on_camera_info)),
                    (Image, TOPIC, _guarded(self.frames.on_image)),
                )
            ]

    def _unsubscribe(self) -> None:
        self.frames = None
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def status(self, name: str) -> list[DiagnosticStatus]:
        """Build the status of frames; none if the model takes none."""
        frames = self.frames
        if frames is None:
            return []
        store = frames.store
        rate, _ = self._received.update(frames.received)
        used_rate, _ = self._used.update(frames.used)
        _, lost = self._lost.update(store.missing + store.stale)
        builder = StatusBuilder('windows have frames' if used_rate else 'idle')
        others = several_publishers(self._node, TOPIC)
        for text in (others, store.problem, frames.problem, frames.camera_problem):
            if text:
                builder.warn(text)
        if not frames.received:
            builder.warn(f'no frames on {TOPIC}: depth is of the spikes alone')
        elif lost:
            builder.warn(f'{lost} windows without a frame of {frames.max_age_s:g} s or less')
        offset = frames.offset.median
        values = {
            keys.FRAMES_PER_S: rate,
            keys.FRAMES_RECEIVED: frames.received,
            keys.FRAMES_DROPPED: store.dropped,
            keys.WINDOWS_WITH_FRAME: frames.used,
            keys.WINDOWS_WITHOUT_FRAME: store.missing,
            keys.WINDOWS_WITH_STALE_FRAME: store.stale,
            **keys.of_counts(keys.FRAMES_REFUSED, frames.refused),
            keys.FRAME_OFFSET_PX: 'unknown' if offset is None else '{:.2f} {:.2f}'.format(*offset),
        }
        return [builder.status(name, '', values)]


def _guarded(handle: Callable[[Any], object]) -> Callable[[Any], None]:
    """Return a handler whose errors are counted and told, not raised into the executor."""

    def guarded(msg: Any) -> None:
        try:
            handle(msg)
        except Exception as error:
            INTERNAL_ERRORS.add(error, 'frames')

    return guarded
