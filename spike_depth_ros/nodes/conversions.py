# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages to chunks and predictions to messages: the only place that knows encodings."""

from __future__ import annotations

import array
import copy
from typing import Any

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Time
from cv_bridge import CvBridge
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from spike_depth_ros import packing
from spike_depth_ros.chunk import Geometry, PackedPlanes, SpikeChunk
from spike_depth_ros.estimator import Prediction
from spike_depth_ros.metrics import BEYOND

PACKED = '8UC1'
SINGLE_PLANE = 'mono8'

TOO_NEAR = 1.02
"""A depth up to this multiple of the model's minimum is published as -Inf (REP 117)."""

_BRIDGE = CvBridge()


class PacketError(ValueError):
    """A message that is no spike packet; the message names field, value and expectation."""


def stamp_ns(stamp: Time) -> int:
    """A stamp as integer nanoseconds."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def stamp_msg(ns: int) -> Time:
    """Integer nanoseconds as a stamp."""
    sec, nanosec = divmod(ns, 1_000_000_000)
    return Time(sec=sec, nanosec=nanosec)


def chunk_from_msg(msg: Image, height: int, width: int) -> SpikeChunk:
    """The planes of a spike message; packed ones as a view of the message's data.

    Args:
        msg: Packed planes (``8UC1``) or one unpacked plane (``mono8``); see docs/wire_format.md.
        height: Sensor height in pixels.
        width: Sensor width in pixels.

    Raises:
        PacketError: A field does not fit the wire format or the sensor size.
    """
    if msg.encoding == PACKED:
        geometry = Geometry(height, width, 'big' if msg.is_bigendian else 'little')
        data = _packed_planes(msg, geometry)
    elif msg.encoding == SINGLE_PLANE:
        geometry = Geometry(height, width)
        data = _single_plane(msg, geometry)
    else:
        raise PacketError(
            f'encoding {msg.encoding!r}; expected {PACKED!r} (packed planes) or '
            f'{SINGLE_PLANE!r} (one unpacked plane)'
        )
    return SpikeChunk(data, geometry, stamp_ns(msg.header.stamp))


def _packed_planes(msg: Image, geometry: Geometry) -> PackedPlanes:
    if msg.width != geometry.row_bytes or msg.step != geometry.row_bytes:
        raise PacketError(
            f'width {msg.width} and step {msg.step} bytes; expected {geometry.row_bytes} for a '
            f'sensor {geometry.width} pixels wide: check camera_info or sensor_width'
        )
    planes, rest = divmod(msg.height, geometry.height)
    if planes == 0 or rest:
        raise PacketError(
            f'height {msg.height} does not divide by the sensor height {geometry.height}; '
            'expected planes x sensor height: check camera_info or sensor_height'
        )
    _check_length(msg, msg.height * msg.step)
    data = np.frombuffer(msg.data, np.uint8)
    return data.reshape(planes, geometry.height, geometry.row_bytes)


def _single_plane(msg: Image, geometry: Geometry) -> PackedPlanes:
    if (msg.width, msg.height) != (geometry.width, geometry.height) or msg.step < msg.width:
        raise PacketError(
            f'one unpacked plane of {msg.width}x{msg.height}, step {msg.step}; expected the '
            f'sensor size {geometry.width}x{geometry.height}: check camera_info, sensor_width and '
            'sensor_height'
        )
    _check_length(msg, msg.height * msg.step)
    rows = np.frombuffer(msg.data, np.uint8).reshape(msg.height, msg.step)
    return packing.pack(rows[:, : msg.width])[None]


def _check_length(msg: Image, expected: int) -> None:
    if len(msg.data) != expected:
        raise PacketError(
            f'data holds {len(msg.data)} bytes; expected height {msg.height} x step {msg.step} = '
            f'{expected}'
        )


def spikes_msg(chunk: SpikeChunk, frame_id: str) -> Image:
    """Packed planes as a message (the wire format of docs/wire_format.md)."""
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


def depth_msg(prediction: Prediction, header: Header, max_relative: float = 0.0) -> Image:
    """Depth as 32FC1 metres along the optical axis (REP 118).

    Args:
        prediction: What the estimator said.
        header: Header of the result: time of the reference plane, optical frame.
        max_relative: Depth is NaN where uncertainty / depth is above this; 0 masks nothing.

    Returns:
        -Inf too near, +Inf beyond range, NaN invalid or masked (REP 117).
    """
    near, far = prediction.depth_range
    depth = prediction.depth.copy()
    if max_relative > 0:
        depth[prediction.uncertainty > max_relative * prediction.depth] = np.nan
    depth[depth <= TOO_NEAR * near] = -np.inf
    depth[depth >= BEYOND * far] = np.inf
    return _image(depth, '32FC1', header)


def uncertainty_msg(prediction: Prediction, header: Header) -> Image:
    """Half-width of the 68 % interval as 32FC1 metres."""
    return _image(prediction.uncertainty, '32FC1', header)


def preview_msg(image: npt.NDArray[np.uint8], header: Header) -> Image:
    """A grey preview as mono8."""
    return _image(image, 'mono8', header)


def array_from_msg(msg: Image) -> npt.NDArray[Any]:
    """The pixels of a 32FC1 or mono8 image."""
    return np.asarray(_BRIDGE.imgmsg_to_cv2(msg, msg.encoding))


def _image(
    pixels: npt.NDArray[np.float32] | npt.NDArray[np.uint8], kind: str, head: Header
) -> Image:
    height, width = pixels.shape
    msg = Image(header=head, height=height, width=width, encoding=kind)
    msg.step = width * pixels.itemsize
    msg._data = _byte_array(pixels)
    return msg


def _byte_array(pixels: npt.NDArray[np.generic]) -> array.array[int]:
    """What a message holds as ``data``, for ``_data``: the setter would look at every byte."""
    content = array.array('B')
    content.frombytes(np.ascontiguousarray(pixels).data.cast('B'))
    return content


def camera_info_msg(
    source: CameraInfo | None, header: Header, size: tuple[int, int], pixel_binning: int
) -> CameraInfo:
    """The camera of a depth image.

    Args:
        source: The spike camera's own; None where none was received (an uncalibrated camera).
        header: The very header of the depth image.
        size: (height, width) of the depth image in pixels.
        pixel_binning: Sensor pixels per depth pixel along each axis.

    Returns:
        A copy with the depth image's size, and K and P scaled to it.
    """
    info = copy.deepcopy(source) if source is not None else CameraInfo()
    info.header = header
    info.height, info.width = size
    if pixel_binning != 1:
        info.k = scaled_matrix(info.k, 3, pixel_binning)
        info.p = scaled_matrix(info.p, 4, pixel_binning)
    return info


def scaled_matrix(values: npt.ArrayLike, columns: int, binning: int) -> list[float]:
    """A camera matrix for an image whose pixels are ``binning`` x ``binning`` sensor pixels.

    Pixel centres are at whole numbers, so the principal point moves by half a pixel.
    """
    matrix = np.array(values, np.float64).reshape(3, columns)
    if matrix[0, 0] != 0:  # zeros mean uncalibrated
        matrix[:2, 2] = (matrix[:2, 2] + 0.5) / binning - 0.5
        matrix[[0, 1], [0, 1]] /= binning
        if columns == 4:
            matrix[:2, 3] /= binning
    return [float(value) for value in matrix.ravel()]
