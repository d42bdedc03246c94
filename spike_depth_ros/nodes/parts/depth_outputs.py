# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Publishers that the perception nodes share: depth, its camera, its colours, uncertainty."""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.event_handler import PublisherEventCallbacks, UnsupportedEventTypeError
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from spike_depth_ros.estimator import Prediction
from spike_depth_ros.filters.flying_pixels import find_flying_pixels
from spike_depth_ros.nodes.parts import conversions
from spike_depth_ros.nodes.parts.depth_parameters import PerceptionParameters
from spike_depth_ros.observation import Observation
from spike_depth_ros.pages.depth_colours import DepthColours
from spike_depth_ros.stream.window import Window


class DepthOutputs(abc.ABC):
    """Publishers of depth.

    Attributes:
        matched: Called when a subscriber comes or goes, by the node's executor.
        has_matched_events: False: this rclpy or middleware has no such events.

    Args:
        node: Node of the publishers.
        settings: Its parameters.
    """

    def __init__(self, node: LifecycleNode, settings: PerceptionParameters) -> None:
        self.matched: Callable[[], object] = lambda: None
        self.has_matched_events = True
        self._node = node
        self._publishers: list[Any] = []
        self._settings = settings
        self._colours = DepthColours(settings.colour.min_depth, settings.colour.max_depth)
        self._depth = self._publisher(Image, 'depth/image')
        self._camera_info = self._publisher(CameraInfo, 'depth/camera_info')
        self._uncertainty = self._publisher(Image, 'depth/uncertainty')
        self._colour = self._publisher(Image, 'depth/colour')

    def _publisher(self, kind: Any, topic: str) -> Any:
        """Create a publisher that :meth:`destroy` destroys."""
        qos = QoSProfile(
            depth=5,
            reliability=QoSReliabilityPolicy.RELIABLE,
            durability=QoSDurabilityPolicy.VOLATILE,
        )
        make = functools.partial(
            self._node.create_lifecycle_publisher,
            kind,
            topic,
            qos,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        try:
            made = make(event_callbacks=PublisherEventCallbacks(matched=self._on_matched))
        except (TypeError, UnsupportedEventTypeError):  # an older rclpy, another middleware
            self.has_matched_events = False
            made = make()
        self._publishers.append(made)
        return made

    def _on_matched(self, _: object) -> None:
        self.matched()

    def stop(self) -> None:
        """End the threads of the outputs, if there are any, and wait for them."""
        return

    def destroy(self) -> None:
        """Destroy the publishers."""
        self.stop()
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()

    def alive(self) -> bool:
        """Return True until ROS is shut down."""
        return bool(self._node.context.ok())

    @property
    def colour_range(self) -> tuple[float, float] | None:
        """Depths of the brightest and the darkest colour published, metres; None: none is."""
        return self._colours.newest_m if subscribed(self._colour) else None

    def depth_wanted(self) -> bool:
        """Return True if depth, its camera, its colours or uncertainty have a subscriber."""
        return subscribed(self._depth, self._uncertainty, self._camera_info, self._colour)

    @abc.abstractmethod
    def preview_wanted(self) -> bool:
        """Return True if pictures of the spikes have a subscriber."""

    @abc.abstractmethod
    def publish_preview(self, observation: Observation, done: Callable[[float], object]) -> None:
        """Publish pictures of the spikes, maybe later; then call ``done`` with the time, ms."""

    def use(self, settings: PerceptionParameters) -> None:
        """Use other values of the parameters that may change while the node runs."""
        self._settings = settings
        self._colours.near_m = settings.colour.min_depth
        self._colours.far_m = settings.colour.max_depth

    def publish_depth(self, observation: Observation, prediction: Prediction) -> None:
        """Publish depth, its camera, its colours and uncertainty with one header."""
        window = observation.window
        header = self._header(window)
        limits = self._settings.filter
        depth = prediction.published_depth(
            self._settings.uncertainty.max_relative, limits.min_depth, limits.max_depth
        )
        if limits.flying:
            depth[find_flying_pixels(prediction.depth)] = np.nan
        self._depth.publish(conversions.depth_msg(depth, header))
        self._camera_info.publish(
            conversions.camera_info_msg(
                window.camera.info, header, prediction, observation.rectification
            )
        )
        if subscribed(self._uncertainty):
            self._uncertainty.publish(conversions.uncertainty_msg(prediction, header))
        if subscribed(self._colour):
            self._colour.publish(conversions.colour_msg(self._colours.paint(depth), header))

    def age_ms(self, window: Window) -> float:
        """Return the time since the window's last plane by the node's clock, milliseconds."""
        last_ns = window.t0_ns + (window.planes - 1) * window.period_ns
        return float(self._node.get_clock().now().nanoseconds - last_ns) / 1e6

    def _header(self, window: Window) -> Header:
        return Header(
            stamp=conversions.stamp_msg(window.reference_ns), frame_id=window.camera.frame_id
        )


def subscribed(*publishers: Any) -> bool:
    """Return True if any of the publishers has a subscriber."""
    return any(publisher.get_subscription_count() for publisher in publishers)
