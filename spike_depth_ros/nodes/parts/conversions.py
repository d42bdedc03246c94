# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Conversion of predictions to messages; ``spike_depth_ros.stream.decode`` reads messages."""

from __future__ import annotations

import array
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Time
from cv_bridge import CvBridge
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_msgs.msg import Header

from spike_depth_ros.estimator import Prediction
from spike_depth_ros.geometry.calibration import Calibration
from spike_depth_ros.geometry.rectification import Rectification
from spike_depth_ros.nodes.parts.calibration import set_fields
from spike_depth_ros.stream.chunk import SpikeChunk
from spike_depth_ros.stream.decode import METRES, PACKED, ImageMessage

_BRIDGE = CvBridge()


def stamp_msg(ns: int) -> Time:
    """Convert integer nanoseconds to a stamp."""
    sec, nanosec = divmod(ns, 1_000_000_000)
    return Time(sec=sec, nanosec=nanosec)


def spikes_msg(chunk: SpikeChunk, frame_id: str) -> Image:
    """Make the message of packed planes (docs/reference/wire_format.md)."""
    geometry = chunk.geometry
    msg = Image(
        header=Header(stamp=stamp_msg(chunk.t0_ns), frame_id=frame_id),
        height=chunk.planes * geometry.height,
        width=geometry.row_bytes,
        encoding=PACKED,
        is_bigendian=int(geometry.bit_order == 'big'),
        step=geometry.row_bytes,
    )
    msg._data = _byte_array(chunk.data)
    return msg


def depth_msg(depth: npt.NDArray[np.float32], header: Header) -> Image:
    """Make the depth image: 32FC1, metres along the optical axis (REP 118).

    Args:
        depth: See :meth:`.Prediction.published_depth`.
        header: Header of the result: time of the reference plane, optical frame.
    """
    return _image(depth, METRES, header)


def colour_msg(image: npt.NDArray[np.uint8], header: Header) -> Image:
    """Make the rgb8 message of a coloured image, ``[H, W, 3]`` uint8."""
    return _image(image, 'rgb8', header)


def uncertainty_msg(prediction: Prediction, header: Header) -> Image:
    """Make the uncertainty image: half-width of the 68 % interval, 32FC1 metres."""
    return _image(prediction.uncertainty, METRES, header)


def preview_msg(image: npt.NDArray[np.uint8], header: Header) -> Image:
    """Make the mono8 message of a grey preview, ``[H, W]`` uint8."""
    return _image(image, 'mono8', header)


def image_msg(source: ImageMessage, header: Header) -> Image:
    """Convert an image that another library decoded, with another header."""
    msg = Image(
        header=header,
        height=source.height,
        width=source.width,
        encoding=source.encoding,
        is_bigendian=source.is_bigendian,
        step=source.step,
    )
    msg._data = _byte_array(np.asarray(source.data))
    return msg


def points_msg(prediction: Prediction, k: Sequence[float], header: Header) -> PointCloud2:
    """Make the message of the points of a correction by motion.

    Args:
        prediction: The corrected prediction.
        k: Camera matrix of the depth image, row by row, pixels.
        header: Header of the depth image: points lie in its optical frame.
    """
    motion = prediction.motion
    places, depth = (
        (np.empty((0, 2)), np.empty(0)) if motion is None else (motion.places, motion.depth)
    )
    x, y = ((places[:, i] - k[3 * i + 2]) / k[4 * i] * depth for i in (0, 1))
    return cloud_msg(np.stack([x, y, depth], 1).astype(np.float32), header)


def cloud_msg(points: npt.NDArray[np.float32], header: Header) -> PointCloud2:
    """Make the message of points.

    Args:
        points: x, y and z, metres, and maybe intensity: ``[N, 3 or 4]``, all finite; organised
            ``[height, width, 3 or 4]``, with NaN.
        header: Header of the depth image: points lie in its optical frame.
    """
    height, width, numbers = points.shape if points.ndim == 3 else (1, *points.shape)
    fields = [
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate(('x', 'y', 'z', 'intensity')[:numbers])
    ]
    msg = PointCloud2(
        header=header, height=height, width=width, fields=fields, point_step=4 * numbers,
        row_step=4 * numbers * width, is_dense=points.ndim == 2,
    )  # fmt: skip
    msg._data = _byte_array(points)
    return msg


def array_from_msg(msg: Image) -> npt.NDArray[Any]:
    """Return the pixels of a 32FC1 or mono8 image, ``[H, W]``."""
    return np.asarray(_BRIDGE.imgmsg_to_cv2(msg, msg.encoding))


def _image(
    pixels: npt.NDArray[np.float32] | npt.NDArray[np.uint8], kind: str, head: Header
) -> Image:
    height, width = pixels.shape[:2]
    msg = Image(header=head, height=height, width=width, encoding=kind)
    msg.step = pixels[0].nbytes
    msg._data = _byte_array(pixels)
    return msg


def _byte_array(pixels: npt.NDArray[np.generic]) -> array.array[int]:
    """Return the array for a message's ``_data``; the setter of ``data`` checks every byte."""
    content = array.array('B')
    content.frombytes(np.ascontiguousarray(pixels).reshape(-1).view(np.uint8).data)
    return content


def camera_info_msg(
    source: CameraInfo | None,
    header: Header,
    prediction: Prediction,
    rectification: Rectification | None = None,
) -> CameraInfo:
    """Make the camera info of a depth image.

    Args:
        source: Camera info of the spike camera; None: not received, uncalibrated.
        header: Header of the depth image.
        prediction: The prediction, for the depth image's size and binning.
        rectification: Rectification of the depth image; None: none.

    Returns:
        That camera, with its P as K where nothing is rectified (:attr:`.Calibration.of_pictures`),
        or the rectified one, with the depth image's size, and K and P scaled to it;
        region and binning, which K and P have, are zeros.
    """
    height, width = prediction.depth.shape
    info = CameraInfo(header=header, height=height, width=width)
    if rectification is not None:
        set_fields(info, rectification.rectified)
    elif source is not None:
        set_fields(info, Calibration.from_message(source).of_pictures)
    info.k = prediction.camera_matrix(info.k, 3)
    info.p = prediction.camera_matrix(info.p, 4)
    return info
