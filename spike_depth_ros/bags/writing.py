# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""New rosbag2 recordings and the messages in them, without ROS."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from rosbags.rosbag2 import StoragePlugin, Writer

from spike_depth_ros.bags.bag import IMAGE, typestore

Storage = Literal['mcap', 'sqlite3']

VERSION: Literal[8] = 8
"""The newest form of metadata.yaml that Humble reads too: version 9 has other QoS profiles."""


def bag_writer(path: Path, storage: Storage) -> Writer:
    """Return what writes a bag.

    Args:
        path: Folder to make; must not exist.
        storage: ``mcap`` or ``sqlite3``.

    Raises:
        WriterError: The folder exists.
    """
    plugin = StoragePlugin.MCAP if storage == 'mcap' else StoragePlugin.SQLITE3
    return Writer(path, version=VERSION, storage_plugin=plugin)


def message_type(name: str) -> Any:
    """Return the class of a message type, such as ``sensor_msgs/msg/Image``."""
    return typestore().types[name]


def make_header(stamp_ns: int, frame_id: str) -> Any:
    """Return a std_msgs/Header of integer nanoseconds and a frame."""
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    stamp = message_type('builtin_interfaces/msg/Time')(sec=sec, nanosec=nanosec)
    return message_type('std_msgs/msg/Header')(stamp=stamp, frame_id=frame_id)


def make_image(
    pixels: npt.NDArray[np.float32] | npt.NDArray[np.uint8], encoding: str, header: Any
) -> Any:
    """Return a little-endian sensor_msgs/Image of ``[height, width]`` values."""
    height, width = pixels.shape
    return message_type(IMAGE)(
        header=header,
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=width * pixels.itemsize,
        data=np.ascontiguousarray(pixels).view(np.uint8).ravel(),
    )
