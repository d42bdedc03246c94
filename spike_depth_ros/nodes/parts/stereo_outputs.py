# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Publishers of the node ``spike_stereo``: depth, disparity, and the pictures of both eyes."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
from std_msgs.msg import Header
from stereo_msgs.msg import DisparityImage

from spike_depth_ros.estimator import Prediction
from spike_depth_ros.geometry.calibration import Calibration
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.nodes.parts import conversions
from spike_depth_ros.nodes.parts.calibration import set_fields
from spike_depth_ros.nodes.parts.depth_outputs import DepthOutputs, subscribed
from spike_depth_ros.nodes.parts.stereo_parameters import StereoParameters
from spike_depth_ros.observation import Observation
from spike_depth_ros.stereo import EYES
from spike_depth_ros.stereo.estimator import StereoPrediction
from spike_depth_ros.stereo.sgbm import STEPS
from spike_depth_ros.stream import preview


class StereoOutputs(DepthOutputs):
    """Publishers of depth, disparity and pictures.

    Args:
        node: Node of the publishers.
        settings: Its parameters.
        warn: Called with kind and text of each warning.
    """

    def __init__(
        self,
        node: LifecycleNode,
        settings: StereoParameters,
        warn: Callable[[str, str], object],
    ) -> None:
        super().__init__(node, settings, warn)
        self._method = settings.picture
        self._disparity = self._publisher(DisparityImage, 'disparity')
        self._pictures = [self._publisher(Image, f'{eye}/spikes/image') for eye in EYES]
        self._rectified = [self._publisher(Image, f'{eye}/image_rect') for eye in EYES]
        self._infos = [
            self._publisher(CameraInfo, f'{eye}/image_rect/camera_info') for eye in EYES
        ]

    def depth_wanted(self) -> bool:
        """Return True if depth or disparity have a subscriber."""
        return super().depth_wanted() or subscribed(self._disparity)

    def preview_wanted(self) -> bool:
        """Return True if a picture, or the camera of a rectified one, has a subscriber."""
        return subscribed(*self._pictures, *self._rectified, *self._infos)

    def publish_depth(self, observation: Observation, prediction: Prediction) -> None:
        """Publish depth and disparity with one header."""
        super().publish_depth(observation, prediction)
        rig = observation.rig
        if rig is None or not isinstance(prediction, StereoPrediction):
            return
        if observation.right is not None and subscribed(self._disparity):
            header = self._header(observation.window)
            self._disparity.publish(disparity_msg(prediction, rig, header))

    def publish_preview(self, observation: Observation, done: Callable[[float], object]) -> None:
        """Publish the pictures of a pair, all with the stamp of the left window."""
        started = time.perf_counter()
        header, rig = self._header(observation.window), observation.rig
        for eye, window in enumerate((observation.window, observation.right)):
            if window is None:
                continue
            picture = preview.render(window, self._method)
            if eye == 0:
                self._shown = picture, window
            if subscribed(self._pictures[eye]):
                own = Header(stamp=header.stamp, frame_id=window.camera.frame_id)
                self._pictures[eye].publish(conversions.preview_msg(picture, own))
            if rig is None or not subscribed(self._rectified[eye], self._infos[eye]):
                continue
            rectification = rig.rectifications[eye]
            if rectification is not None:
                picture = rectification.remap_picture(picture)
            # Both in the left frame, in which P places the right camera.
            self._rectified[eye].publish(conversions.preview_msg(picture, header))
            self._infos[eye].publish(rectified_info_msg(rig, eye, header))
        done(1e3 * (time.perf_counter() - started))


def rectified_info_msg(rig: StereoRig, eye: int, header: Header) -> CameraInfo:
    """Make the camera info of a rectified picture, whose P places the right camera.

    Args:
        rig: Both cameras.
        eye: 0: the left one, 1: the right one.
        header: Header of the picture.
    """
    rectification = rig.rectifications[eye]
    camera: Calibration = (rig.left, rig.right)[eye]
    if rectification is not None:
        camera = rectification.rectified
    info = CameraInfo(header=header, height=camera.height, width=camera.width)
    set_fields(info, camera)
    return info


def disparity_msg(prediction: StereoPrediction, rig: StereoRig, header: Header) -> DisparityImage:
    """Make the disparity image, in which depth is ``f * t / d``.

    Where the principal points of both projections differ, values are less the disparity of what is
    infinitely far.

    Args:
        prediction: Depth of a pair.
        rig: Its cameras.
        header: Header of the depth image.

    Returns:
        The message; pixels without an answer are below its minimum.
    """
    lowest, number = prediction.search
    least = lowest - rig.offset_px
    disparity = prediction.disparity - np.float32(rig.offset_px)
    disparity[np.isnan(disparity)] = least - 1
    height, width = disparity.shape
    return DisparityImage(
        header=header,
        image=conversions.depth_msg(disparity, header),
        f=rig.fx_px,
        t=rig.baseline_m,
        valid_window=RegionOfInterest(width=width, height=height),
        min_disparity=float(least),
        max_disparity=float(least + number - 1),
        delta_d=1 / STEPS,
    )
