# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames from image messages: grey, colours and Bayer patterns of 8 bits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spike_depth_ros.stream.decode import ImageMessage, PacketError

CHANNELS = {'mono8': 1, 'rgb8': 3, 'bgr8': 3}
"""Channels of each encoding without a pattern."""

BAYER = {'bayer_rggb8': 'BG', 'bayer_bggr8': 'RG', 'bayer_gbrg8': 'GR', 'bayer_grbg8': 'GB'}
"""OpenCV's name of each pattern: that of the second row's second and third pixel."""

ENCODINGS = (*CHANNELS, *BAYER)


def check_image(msg: ImageMessage) -> None:
    """Refuse a message that is no frame, by its fields alone.

    Raises:
        PacketError: Encoding, size, step or number of bytes cannot be.
    """
    if msg.encoding not in ENCODINGS:
        raise PacketError(
            f'frame of encoding {msg.encoding!r}: expected one of {", ".join(ENCODINGS)}'
        )
    row = msg.width * CHANNELS.get(msg.encoding, 1)
    if not (msg.height > 0 and msg.width > 0 and msg.step >= row):
        raise PacketError(
            f'frame of {msg.width}x{msg.height} pixels with a step of {msg.step} bytes: expected '
            f'one pixel or more, and {row} bytes a row or more'
        )
    if msg.encoding in BAYER and min(msg.height, msg.width) < 4:
        raise PacketError(
            f'frame of {msg.width}x{msg.height} pixels of {msg.encoding}: expected 4x4 or more'
        )
    expected = (msg.height - 1) * msg.step + row
    if len(msg.data) < expected:
        raise PacketError(
            f'frame of {len(msg.data)} bytes: expected {expected} or more for {msg.height} rows '
            f'with a step of {msg.step}'
        )


def pixels_from_msg(msg: ImageMessage) -> npt.NDArray[np.uint8]:
    """Return the pixels of a frame.

    Args:
        msg: sensor_msgs/Image, of rclpy or of rosbags, of one of :data:`ENCODINGS`.

    Returns:
        RGB, ``[height, width, 3]`` uint8; of ``mono8`` grey, ``[height, width]``.

    Raises:
        PacketError: As :func:`check_image`.
    """
    check_image(msg)
    channels = CHANNELS.get(msg.encoding, 1)
    row = msg.width * channels
    # The last row may have no padding.
    found: npt.NDArray[np.uint8] = np.lib.stride_tricks.as_strided(
        np.frombuffer(msg.data, np.uint8), (msg.height, row), (msg.step, 1), writeable=False
    )
    if msg.encoding in BAYER:
        import cv2

        code = getattr(cv2, f'COLOR_Bayer{BAYER[msg.encoding]}2RGB')
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(found), code), np.uint8)
    if channels == 1:
        return np.ascontiguousarray(found)
    colours = found.reshape(msg.height, msg.width, channels)
    return np.ascontiguousarray(colours if msg.encoding == 'rgb8' else colours[..., ::-1])
