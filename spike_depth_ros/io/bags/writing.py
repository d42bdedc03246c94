# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""New rosbag2 recordings and the messages in them, without ROS."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from rosbags.rosbag2 import StoragePlugin, Writer

from spike_depth_ros.geometry.calibration import Calibration
from spike_depth_ros.io.bags.bag import CAMERA_INFO, IMAGE, BagError, typestore
from spike_depth_ros.io.bags.mcap_writer import LargeMessageWriter, LiveWriter
from spike_depth_ros.io.recording import STORAGE_SUFFIXES

Storage = Literal['mcap', 'sqlite3']

Metadata = dict[str, Any]
"""Content of a bag's metadata.yaml."""

VERSION: Literal[8] = 8
"""The newest form of metadata.yaml that Humble reads too: version 9 has other QoS profiles."""


def bag_writer(path: Path, storage: Storage, live: bool = False) -> Writer:
    """Return what writes a bag.

    Args:
        path: Folder to make; must not exist.
        storage: ``mcap`` or ``sqlite3``.
        live: Write past the page cache, as for a live stream; a reader waits for the disk then.

    Raises:
        WriterError: The folder exists.
    """
    plugin = StoragePlugin.MCAP if storage == 'mcap' else StoragePlugin.SQLITE3
    kind = LiveWriter if live else LargeMessageWriter
    return kind(path, version=VERSION, storage_plugin=plugin)


def merge_metadata(parts: Sequence[Metadata]) -> Metadata:
    """Return the metadata of one bag of several files.

    Args:
        parts: Those of each file, as that of a bag of its own, in their order. At least one has
            a message.
    """
    infos = [part['rosbag2_bagfile_information'] for part in parts]
    files = [file for info in infos for file in info['files']]
    topics: dict[str, Metadata] = {}
    counts: collections.Counter[str] = collections.Counter()
    for topic in (topic for info in infos for topic in info['topics_with_message_count']):
        name = topic['topic_metadata']['name']
        topics[name] = topic
        counts[name] += topic['message_count']
    times = [
        (file['starting_time']['nanoseconds_since_epoch'], file['duration']['nanoseconds'])
        for file in files
        if file['message_count']
    ]
    start_ns = min(start for start, _ in times)
    end_ns = max(start + duration for start, duration in times)
    merged = {
        **infos[0],
        'relative_file_paths': [file['path'] for file in files],
        'duration': {'nanoseconds': end_ns - start_ns},
        'starting_time': {'nanoseconds_since_epoch': start_ns},
        'message_count': counts.total(),
        'topics_with_message_count': [
            {**topic, 'message_count': counts[name]} for name, topic in topics.items()
        ],
        'files': files,
    }
    return {'rosbag2_bagfile_information': merged}


def check_replaceable(path: Path) -> None:
    """Refuse to replace what is no bag.

    Args:
        path: What exists under the name of a new bag.

    Raises:
        BagError: It is a link, a file, or a folder that holds anything else.
    """
    if path.is_symlink() or not path.is_dir() or not all(map(_is_of_bag, path.iterdir())):
        raise BagError(f'{path}: --overwrite: expected a folder that holds a bag alone')


def _is_of_bag(path: Path) -> bool:
    return path.name == 'metadata.yaml' or path.suffix in STORAGE_SUFFIXES


def message_type(name: str) -> Any:
    """Return the class of a message type, such as ``sensor_msgs/msg/Image``."""
    return typestore().types[name]


def make_header(stamp_ns: int, frame_id: str) -> Any:
    """Return a std_msgs/Header of integer nanoseconds and a frame."""
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    stamp = message_type('builtin_interfaces/msg/Time')(sec=sec, nanosec=nanosec)
    return message_type('std_msgs/msg/Header')(stamp=stamp, frame_id=frame_id)


def make_image(
    pixels: npt.NDArray[np.float32] | npt.NDArray[np.uint8],
    encoding: str,
    header: Any,
    is_bigendian: bool = False,
) -> Any:
    """Return a sensor_msgs/Image of ``[height, width]`` values.

    Args:
        pixels: The values.
        encoding: Encoding of a pixel.
        header: Header of the image.
        is_bigendian: Of packed planes: the leftmost pixel is the highest bit.
    """
    height, width = pixels.shape
    return message_type(IMAGE)(
        header=header,
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=int(is_bigendian),
        step=width * pixels.itemsize,
        data=np.ascontiguousarray(pixels).view(np.uint8).ravel(),
    )


def make_camera_info(calibration: Calibration, header: Any) -> Any:
    """Return a sensor_msgs/CameraInfo."""
    return message_type(CAMERA_INFO)(
        header=header,
        height=calibration.height,
        width=calibration.width,
        distortion_model=calibration.distortion_model,
        d=np.array(calibration.d, np.float64),
        k=np.array(calibration.k, np.float64),
        r=np.array(calibration.r, np.float64),
        p=np.array(calibration.p, np.float64),
        binning_x=0,
        binning_y=0,
        roi=message_type('sensor_msgs/msg/RegionOfInterest')(0, 0, 0, 0, False),
    )
