# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Publishers of the node ``spike_depth``: depth, and previews of the spikes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image, PointCloud2

from spike_depth_ros.checkpoint import IMAGE_MODEL, find_checkpoint, onnx_path
from spike_depth_ros.estimator import ImageEstimator, Prediction
from spike_depth_ros.nodes.parts import conversions
from spike_depth_ros.nodes.parts.depth_outputs import DepthOutputs, subscribed
from spike_depth_ros.nodes.parts.depth_parameters import DepthParameters
from spike_depth_ros.nodes.parts.learnt_preview import LEARNT, THREADS, Done, LearntPreview
from spike_depth_ros.observation import Observation
from spike_depth_ros.runtime.backend import choose
from spike_depth_ros.stream import preview
from spike_depth_ros.stream.window import Window


class TopicOutputs(DepthOutputs):
    """Publishers of depth and previews.

    Args:
        node: Node of the publishers.
        settings: Its parameters.
        warn: Called with kind and text of each warning.
    """

    def __init__(
        self,
        node: LifecycleNode,
        settings: DepthParameters,
        warn: Callable[[str, str], object],
    ) -> None:
        super().__init__(node, settings, warn)
        self._settings: DepthParameters = settings
        self._learnt: LearntPreview | None = None
        self._ending: list[LearntPreview] = []
        self._preview = self._publisher(Image, 'spikes/image')
        self._points = self._publisher(PointCloud2, 'depth/motion_points')
        self._rectified: Any = None
        if settings.rectify:
            self._rectified = self._publisher(Image, 'spikes/image_rect')

    def publish_depth(self, observation: Observation, prediction: Prediction) -> None:
        """Publish depth, and the points of a correction by motion."""
        super().publish_depth(observation, prediction)
        camera = observation.window.camera
        if subscribed(self._points) and camera.matrix is not None:
            k = prediction.camera_matrix(camera.matrix, 3)
            header = self._header(observation.window)
            self._points.publish(conversions.points_msg(prediction, k, header))

    def preview_wanted(self) -> bool:
        """Return True if the preview has a subscriber."""
        return subscribed(self._preview) or self._rectified_wanted()

    def _rectified_wanted(self) -> bool:
        return self._rectified is not None and subscribed(self._rectified)

    def publish_preview(self, observation: Observation, done: Done) -> None:
        """Publish the firing rate as grey images; a network does so in its own thread."""
        window = observation.window
        method = self._settings.preview
        if method == LEARNT:
            self._started().offer(window, done)
            return
        self._end_learnt()
        started = time.perf_counter()
        picture = preview.render(window, method)
        self._shown = picture, window
        self._publish_grey(picture, window)
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
                self._settings.preview_network.max_hz,
                self._publish_grey,
                self._warn,
                self.alive,
            )
            self._learnt.start()
        return self._learnt

    def _load(self) -> ImageEstimator:
        path = find_checkpoint(self._settings.preview_network.checkpoint or IMAGE_MODEL)
        device, backend = self._settings.device, self._settings.backend
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
