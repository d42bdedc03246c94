# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decoding of messages to planes and depth (docs/reference/wire_format.md), without ROS.

The nodes pass messages of rclpy, the evaluation those of rosbags; both have the same fields.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base.errors import OneLineError
from spike_depth_ros.geometry.depth_values import FloatImage, no_depth, resolve
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry, PackedPlanes, SpikeChunk

PACKED = '8UC1'
SINGLE_PLANE = 'mono8'

METRES = '32FC1'
MILLIMETRES = '16UC1'


class Time(Protocol):
    """Fields of builtin_interfaces/Time."""

    sec: int
    nanosec: int


class Header(Protocol):
    """Fields of std_msgs/Header."""

    @property
    def stamp(self) -> Time: ...  # noqa: D102
    @property
    def frame_id(self) -> str: ...  # noqa: D102


class ImageMessage(Protocol):
    """Fields of sensor_msgs/Image; ``data`` has a buffer of bytes."""

    @property
    def header(self) -> Header: ...  # noqa: D102

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


class CameraInfoMessage(Protocol):
    """Used fields of sensor_msgs/CameraInfo."""

    height: int
    width: int
    distortion_model: str
    d: Any
    k: Any
    r: Any
    p: Any


class PacketError(OneLineError):
    """Error of an invalid message; names field, value and expectation."""


def stamp_ns(stamp: Time) -> int:
    """Convert a stamp to integer nanoseconds."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def chunk_from_msg(msg: ImageMessage, height: int, width: int) -> SpikeChunk:
    """Read the planes of a spike message; packed ones are a view of its data.

    Args:
        msg: Packed planes (``8UC1``) or one unpacked plane (``mono8``); see
            docs/reference/wire_format.md.
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


def _packed_planes(msg: ImageMessage, geometry: Geometry) -> PackedPlanes:
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


def _single_plane(msg: ImageMessage, geometry: Geometry) -> PackedPlanes:
    if (msg.width, msg.height) != (geometry.width, geometry.height) or msg.step < msg.width:
        raise PacketError(
            f'one unpacked plane of {msg.width}x{msg.height}, step {msg.step}; expected the '
            f'sensor size {geometry.width}x{geometry.height}: check camera_info, sensor_width and '
            'sensor_height'
        )
    _check_length(msg, msg.height * msg.step)
    rows = np.frombuffer(msg.data, np.uint8).reshape(msg.height, msg.step)
    return packing.pack(rows[:, : msg.width])[None]


def depth_from_msg(msg: ImageMessage) -> FloatImage:
    """Read a depth image that a node publishes, in metres (REP 118).

    Args:
        msg: ``32FC1`` in metres or ``16UC1`` in millimetres; 0, and 65535 of the latter: no
            measurement.

    Returns:
        ``[height, width]`` float32 metres; infinities of REP 117 are kept, NaN: unknown.

    Raises:
        PacketError: Another encoding, or a size that does not fit the data.
    """
    values, metres = _depth_values(msg)
    metres[(metres == 0) | ((metres < 0) & np.isfinite(metres))] = np.nan
    if values.dtype.kind == 'u':
        metres[no_depth(values)] = np.nan
    return metres


def truth_from_msg(msg: ImageMessage) -> FloatImage:
    """Read an image of measured or rendered depth, see :func:`depth_values.resolve`.

    Args:
        msg: ``32FC1`` in metres or ``16UC1`` in millimetres.

    Returns:
        ``[height, width]`` float32 metres above 0; NaN: unknown; +Inf: beyond the range, or sky.

    Raises:
        PacketError: Another encoding, or a size that does not fit the data.
    """
    return resolve(*_depth_values(msg))


def _depth_values(msg: ImageMessage) -> tuple[npt.NDArray[Any], FloatImage]:
    """Return the values of a depth image as they are stored, and in metres."""
    kinds = {METRES: 'f4', MILLIMETRES: 'u2'}
    if msg.encoding not in kinds:
        raise PacketError(
            f'encoding {msg.encoding!r}; expected {METRES!r} (metres) or {MILLIMETRES!r} '
            '(millimetres)'
        )
    kind = np.dtype(('>' if msg.is_bigendian else '<') + kinds[msg.encoding])
    if msg.step < msg.width * kind.itemsize or not msg.width:
        raise PacketError(
            f'width {msg.width} and step {msg.step} bytes; expected at least {kind.itemsize} '
            f'bytes a pixel ({msg.encoding})'
        )
    _check_length(msg, msg.height * msg.step)
    rows = np.frombuffer(msg.data, np.uint8).reshape(msg.height, msg.step)
    values = rows[:, : msg.width * kind.itemsize].copy().view(kind)
    metres: FloatImage = values.astype(np.float32)
    if msg.encoding == MILLIMETRES:
        metres *= np.float32(0.001)
    return values, metres


def grey_from_msg(msg: ImageMessage) -> npt.NDArray[np.uint8]:
    """Read a grey picture.

    Args:
        msg: ``mono8``.

    Returns:
        ``[height, width]`` uint8, a view of its data.

    Raises:
        PacketError: Another encoding, or a size that does not fit the data.
    """
    if msg.encoding != 'mono8' or not 0 < msg.width <= msg.step:
        raise PacketError(
            f'encoding {msg.encoding!r}, width {msg.width} and step {msg.step}; expected mono8'
        )
    _check_length(msg, msg.height * msg.step)
    rows = np.frombuffer(msg.data, np.uint8).reshape(msg.height, msg.step)
    return rows[:, : msg.width]


def points_from_msg(msg: Any) -> FloatImage:
    """Read the points of a sensor_msgs/PointCloud2.

    Args:
        msg: Its fields x, y and z are 32-bit floats of the machine's byte order.

    Returns:
        ``[N, 3]`` float32, metres.

    Raises:
        PacketError: Other fields, or a size that does not fit the data.
    """
    places = {one.name: one.offset for one in msg.fields if one.datatype == 7 and one.count == 1}
    step, number = int(msg.point_step), int(msg.height) * int(msg.width)
    at = [places.get(name, step) for name in 'xyz']
    if msg.is_bigendian or step < 12 or max(at) + 4 > step:
        raise PacketError(
            f'fields {[one.name for one in msg.fields]} of {step} bytes a point; expected x, y '
            'and z as 32-bit floats, little-endian'
        )
    if len(msg.data) != number * step:
        raise PacketError(
            f'data holds {len(msg.data)} bytes; expected {number} points of {step} bytes'
        )
    rows = np.frombuffer(msg.data, np.uint8).reshape(number, step)
    found = [rows[:, one : one + 4].copy().view(np.float32) for one in at]
    return np.concatenate(found, axis=1)


def _check_length(msg: ImageMessage, expected: int) -> None:
    if len(msg.data) != expected:
        raise PacketError(
            f'data holds {len(msg.data)} bytes; expected height {msg.height} x step {msg.step} = '
            f'{expected}'
        )
