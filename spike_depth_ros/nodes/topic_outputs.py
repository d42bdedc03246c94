# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Publishers of the depth node: depth, its camera, uncertainty, and a preview of the spikes."""

from __future__ import annotations

from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from spike_depth_ros import preview
from spike_depth_ros.estimator import Prediction
from spike_depth_ros.nodes import conversions
from spike_depth_ros.stream.window import Window


class TopicOutputs:
    """Publishers of the depth node.

    Attributes:
        max_relative: Ratio of uncertainty to depth above which depth is masked; 0: none.
        preview: Method of the preview.
    """

    def __init__(self, node: LifecycleNode, settings: dict[str, Any]) -> None:
        self.max_relative: float = settings['uncertainty.max_relative']
        self.preview: preview.Method = settings['preview']
        self._clock = node.get_clock()
        self._context = node.context
        qos = QoSProfile(
            depth=5,
            reliability=QoSReliabilityPolicy.RELIABLE,
            durability=QoSDurabilityPolicy.VOLATILE,
        )
        options = QoSOverridingOptions.with_default_policies()

        def publisher(kind: Any, topic: str) -> Any:
            return node.create_lifecycle_publisher(
                kind, topic, qos, qos_overriding_options=options
            )

        self._depth = publisher(Image, 'depth/image')
        self._camera_info = publisher(CameraInfo, 'depth/camera_info')
        self._uncertainty = publisher(Image, 'depth/uncertainty')
        self._preview = publisher(Image, 'spikes/image')

    def destroy(self, node: LifecycleNode) -> None:
        """Destroy the publishers."""
        for publisher in (self._depth, self._camera_info, self._uncertainty, self._preview):
            node.destroy_lifecycle_publisher(publisher)

    def alive(self) -> bool:
        """Return True until ROS is shut down."""
        return bool(self._context.ok())

    def depth_wanted(self) -> bool:
        """Return True if depth, its camera or uncertainty have a subscriber."""
        return any(
            p.get_subscription_count() for p in (self._depth, self._uncertainty, self._camera_info)
        )

    def preview_wanted(self) -> bool:
        """Return True if the preview has a subscriber."""
        return bool(self._preview.get_subscription_count())

    def publish_depth(self, window: Window, prediction: Prediction) -> None:
        """Publish depth, its camera and uncertainty with one header."""
        header = self._header(window)
        self._depth.publish(conversions.depth_msg(prediction, header, self.max_relative))
        self._camera_info.publish(
            conversions.camera_info_msg(window.camera.info, header, prediction)
        )
        if self._uncertainty.get_subscription_count():
            self._uncertainty.publish(conversions.uncertainty_msg(prediction, header))

    def publish_preview(self, window: Window) -> None:
        """Publish the firing rate as a grey image."""
        self._preview.publish(
            conversions.preview_msg(preview.render(window, self.preview), self._header(window))
        )

    def age_ms(self, window: Window) -> float:
        """Return the time since the window's last plane by the node's clock, milliseconds."""
        last_ns = window.t0_ns + (window.planes - 1) * window.period_ns
        return (self._clock.now().nanoseconds - last_ns) / 1e6

    def _header(self, window: Window) -> Header:
        return Header(
            stamp=conversions.stamp_msg(window.reference_ns), frame_id=window.camera.frame_id
        )
