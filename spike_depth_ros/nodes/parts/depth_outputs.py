# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Publishers that the perception nodes share: depth, its camera, colours, points, uncertainty."""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from rclpy.event_handler import PublisherEventCallbacks, UnsupportedEventTypeError
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from spike_depth_ros.estimator import Prediction, binned_picture
from spike_depth_ros.filters.flying_pixels import find_flying_pixels
from spike_depth_ros.geometry.depth_values import FloatImage
from spike_depth_ros.geometry.points import points_of_depth
from spike_depth_ros.nodes.parts import conversions
from spike_depth_ros.nodes.parts.depth_parameters import PerceptionParameters
from spike_depth_ros.observation import Observation
from spike_depth_ros.pages.depth_colours import DepthColours
from spike_depth_ros.stream import preview
from spike_depth_ros.stream.window import Window


class DepthOutputs(abc.ABC):
    """Publishers of depth.

    Attributes:
        matched: Called when a subscriber comes or goes, by the node's executor.
        has_matched_events: False: this rclpy or middleware has no such events.

    Args:
        node: Node of the publishers.
        settings: Its parameters.
        warn: Called with kind and text of each warning.
    """

    def __init__(
        self,
        node: LifecycleNode,
        settings: PerceptionParameters,
        warn: Callable[[str, str], object],
    ) -> None:
        self.matched: Callable[[], object] = lambda: None
        self.has_matched_events = True
        self._node = node
        self._publishers: list[Any] = []
        self._settings = settings
        self._warn = warn
        self._colours = DepthColours(settings.colour.min_depth, settings.colour.max_depth)
        self._depth = self._publisher(Image, 'depth/image')
        self._camera_info = self._publisher(CameraInfo, 'depth/camera_info')
        self._uncertainty = self._publisher(Image, 'depth/uncertainty')
        self._colour = self._publisher(Image, 'depth/colour')
        self._cloud: Any = None
        if settings.pointcloud != 'none':
            self._cloud = self._publisher(PointCloud2, 'depth/points')
        # The newest preview, and its window.
        self._shown: tuple[npt.NDArray[np.uint8], Window] | None = None

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
        """Return True if depth, its camera, colours, points or uncertainty have a subscriber."""
        images = self._depth, self._uncertainty, self._camera_info, self._colour
        return subscribed(*images) or self._cloud_wanted()

    def _cloud_wanted(self) -> bool:
        return self._cloud is not None and subscribed(self._cloud)

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
        """Publish depth, its camera, colours, points and uncertainty with one header."""
        window = observation.window
        header = self._header(window)
        limits = self._settings.filter
        depth = prediction.published_depth(
            self._settings.uncertainty.max_relative, limits.min_depth, limits.max_depth
        )
        if limits.flying:
            depth[find_flying_pixels(prediction.depth)] = np.nan
        self._depth.publish(conversions.depth_msg(depth, header))
        info = conversions.camera_info_msg(
            window.camera.info, header, prediction, observation.rectification
        )
        self._camera_info.publish(info)
        if subscribed(self._uncertainty):
            self._uncertainty.publish(conversions.uncertainty_msg(prediction, header))
        if subscribed(self._colour):
            self._colour.publish(conversions.colour_msg(self._colours.paint(depth), header))
        if self._cloud_wanted():
            self._publish_cloud(depth, info, self._picture(observation, prediction))

    def _publish_cloud(
        self, depth: FloatImage, info: CameraInfo, picture: npt.NDArray[np.uint8]
    ) -> None:
        if not info.k[0]:
            self._warn(
                'depth/points',
                'depth/points: no focal length: set K of camera_info',
            )
            return
        organised = self._settings.pointcloud == 'organised'
        points = points_of_depth(depth, info.k, picture, organised)
        self._cloud.publish(conversions.cloud_msg(points, info.header))

    def _picture(self, observation: Observation, prediction: Prediction) -> npt.NDArray[np.uint8]:
        """Return the preview of the window, else its firing rate, of the pixels of depth."""
        window, shown = observation.window, self._shown
        if shown is not None and shown[1] is window:
            picture = shown[0]
        else:
            picture = preview.render(window, 'short')  # takes a third of rate's time
        if observation.rectification is not None:
            picture = observation.rectification.remap_picture(picture)
        return binned_picture(picture, prediction.pixel_binning)

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
