# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Publishers of the depth node: depth, its camera, uncertainty, and a preview of the spikes."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from rclpy.event_handler import PublisherEventCallbacks, UnsupportedEventTypeError
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from spike_depth_ros import preview
from spike_depth_ros.backends import choose
from spike_depth_ros.checkpoint import IMAGE_MODEL, find_checkpoint, onnx_path
from spike_depth_ros.depth_colours import DepthColours
from spike_depth_ros.estimator import ImageEstimator, Prediction
from spike_depth_ros.nodes import conversions
from spike_depth_ros.nodes.learnt_preview import LEARNT, THREADS, Done, LearntPreview
from spike_depth_ros.stream.window import Window

_LIMITS = ('uncertainty.max_relative', 'filter.min_depth', 'filter.max_depth')
"""Parameters of :meth:`.Prediction.published_depth`, in its order."""


class TopicOutputs:
    """Publishers of the depth node.

    Attributes:
        matched: Called when a subscriber comes or goes, by the node's executor.
        has_matched_events: False: this rclpy or middleware has no such events.
        preview: Method of the preview; ``learnt``: by a network.

    Args:
        node: Node of the publishers.
        settings: Its parameters.
        warn: Called with kind and text of each warning.
    """

    def __init__(
        self,
        node: LifecycleNode,
        settings: dict[str, Any],
        warn: Callable[[str, str], object],
    ) -> None:
        self.matched: Callable[[], object] = lambda: None
        self.has_matched_events = True
        self.preview: str = settings['preview']
        self._limits = {name: settings[name] for name in _LIMITS}
        self._colours = DepthColours(settings['colour.min_depth'], settings['colour.max_depth'])
        self._settings = settings
        self._warn = warn
        self._learnt: LearntPreview | None = None
        self._ending: list[LearntPreview] = []
        self._clock = node.get_clock()
        self._context = node.context
        qos = QoSProfile(
            depth=5,
            reliability=QoSReliabilityPolicy.RELIABLE,
            durability=QoSDurabilityPolicy.VOLATILE,
        )
        options = QoSOverridingOptions.with_default_policies()

        def publisher(kind: Any, topic: str) -> Any:
            make = functools.partial(
                node.create_lifecycle_publisher, kind, topic, qos, qos_overriding_options=options
            )
            try:
                return make(event_callbacks=PublisherEventCallbacks(matched=self._on_matched))
            except (TypeError, UnsupportedEventTypeError):  # an older rclpy, another middleware
                self.has_matched_events = False
                return make()

        self._depth = publisher(Image, 'depth/image')
        self._camera_info = publisher(CameraInfo, 'depth/camera_info')
        self._uncertainty = publisher(Image, 'depth/uncertainty')
        self._colour = publisher(Image, 'depth/colour')
        self._preview = publisher(Image, 'spikes/image')
        self._rectified: Any = None
        if settings['rectify']:
            self._rectified = publisher(Image, 'spikes/image_rect')

    def _on_matched(self, _: object) -> None:
        self.matched()

    def destroy(self, node: LifecycleNode) -> None:
        """Destroy the publishers."""
        self.stop()
        for publisher in (
            self._depth, self._camera_info, self._uncertainty, self._colour, self._preview,
            self._rectified,
        ):  # fmt: skip
            if publisher is not None:
                node.destroy_lifecycle_publisher(publisher)

    def alive(self) -> bool:
        """Return True until ROS is shut down."""
        return bool(self._context.ok())

    def depth_wanted(self) -> bool:
        """Return True if depth, its camera, its colours or uncertainty have a subscriber."""
        topics = self._depth, self._uncertainty, self._camera_info, self._colour
        return any(publisher.get_subscription_count() for publisher in topics)

    def change(self, name: str, value: Any) -> None:
        """Use another value of a parameter that may change while the node runs."""
        if name in self._limits:
            self._limits[name] = value
        elif name == 'colour.min_depth':
            self._colours.near_m = value
        elif name == 'colour.max_depth':
            self._colours.far_m = value
        elif name == 'preview':
            self.preview = value

    def preview_wanted(self) -> bool:
        """Return True if the preview has a subscriber."""
        return bool(self._preview.get_subscription_count() or self._rectified_wanted())

    def _rectified_wanted(self) -> bool:
        return self._rectified is not None and self._rectified.get_subscription_count() > 0

    def publish_depth(self, window: Window, prediction: Prediction) -> None:
        """Publish depth, its camera, its colours and uncertainty with one header."""
        header = self._header(window)
        depth = prediction.published_depth(*self._limits.values())
        self._depth.publish(conversions.depth_msg(depth, header))
        self._camera_info.publish(
            conversions.camera_info_msg(
                window.camera.info, header, prediction, window.camera.rectification
            )
        )
        if self._uncertainty.get_subscription_count():
            self._uncertainty.publish(conversions.uncertainty_msg(prediction, header))
        if self._colour.get_subscription_count():
            self._colour.publish(conversions.colour_msg(self._colours.paint(depth), header))

    def publish_preview(self, window: Window, done: Done) -> None:
        """Publish the firing rate as grey images; a network does so in its own thread."""
        if self.preview == LEARNT:
            self._started().offer(window, done)
            return
        self._end_learnt()
        started = time.perf_counter()
        self._publish_grey(preview.render(window, self.preview), window)  # type: ignore[arg-type]
        done(1e3 * (time.perf_counter() - started))

    def stop(self) -> None:
        """End the threads of the network's preview, and wait for them."""
        self._end_learnt()
        for thread in self._ending:
            thread.join()
        self._ending = []

    def _end_learnt(self) -> None:
        """End the thread of the network's preview, if it runs; depth does not wait for it."""
        if self._learnt is not None:
            self._learnt.end()
            self._ending = [*(old for old in self._ending if old.is_alive()), self._learnt]
        self._learnt = None

    def _started(self) -> LearntPreview:
        """Return the thread of the network's preview, started if needed."""
        if self._learnt is None:
            self._learnt = LearntPreview(
                self._load,
                self._settings['preview.max_hz'],
                self._publish_grey,
                self._warn,
                self.alive,
            )
            self._learnt.start()
        return self._learnt

    def _load(self) -> ImageEstimator:
        path = find_checkpoint(self._settings['preview.checkpoint'] or IMAGE_MODEL)
        device, backend = self._settings['device'], self._settings['backend']
        name, _ = choose(backend, device, onnx_path(path).is_file())
        # torch has one number of threads for the whole process, also for a depth network.
        threads = THREADS if name == 'onnx' else 0
        return ImageEstimator.from_checkpoint(path, device, backend, threads)

    def _publish_grey(self, image: npt.NDArray[np.uint8], window: Window) -> None:
        header, camera = self._header(window), window.camera
        self._preview.publish(conversions.preview_msg(image, header))
        # Without a calibration nothing is known of the lens.
        if self._rectified_wanted() and camera.fx_px is not None:
            if camera.rectification is not None:
                image = camera.rectification.remap_picture(image)
            self._rectified.publish(conversions.preview_msg(image, header))

    def age_ms(self, window: Window) -> float:
        """Return the time since the window's last plane by the node's clock, milliseconds."""
        last_ns = window.t0_ns + (window.planes - 1) * window.period_ns
        return (self._clock.now().nanoseconds - last_ns) / 1e6

    def _header(self, window: Window) -> Header:
        return Header(
            stamp=conversions.stamp_msg(window.reference_ns), frame_id=window.camera.frame_id
        )
