# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags for tests: a moving scene's spikes, its camera and its depth."""

import functools
import itertools
import os

import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from spike_depth_ros.stream import packing

TYPES = get_typestore(Stores.ROS2_JAZZY)
IMAGE, CAMERA_INFO = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CameraInfo'

WIDTH, HEIGHT = 48, 32
RATE, PERIOD = 20_000, 50_000
FX = 40.0
START = 1_700_000_000_000_000_000


@functools.lru_cache(maxsize=4)
def moving_bars(planes, height=HEIGHT, width=WIDTH):
    """Spikes of bars that drift to the left, ``[planes, height, width]``, read-only."""
    columns = np.arange(width)[None, :] + np.arange(planes)[:, None] / 8
    rate = 0.3 + 0.25 * np.sin(columns / 5)
    random, lit = np.random.default_rng(0), np.empty((planes, height, width), np.uint8)
    for first in range(0, planes, 500):  # all of them at once are a lot of memory
        part = lit[first : first + 500]
        part[:] = random.random(part.shape) < rate[first : first + 500, None, :]
    lit.flags.writeable = False
    return lit


def slope(height=HEIGHT, width=WIDTH):
    """True depth: a slope from 2 to 6 m, with a hole and a piece of sky."""
    depth = np.tile(np.linspace(2, 6, width, dtype=np.float32), (height, 1))
    depth[:4, :4] = np.nan
    depth[-4:, -4:] = np.inf
    return depth


def header(stamp_ns, frame='spike_camera_optical_frame'):
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    time = TYPES.types['builtin_interfaces/msg/Time'](sec, nanosec)
    return TYPES.types['std_msgs/msg/Header'](time, frame)


def image(stamp_ns, pixels, encoding, height=None, width=None):
    """A message of any image; ``pixels`` are its bytes."""
    data = np.ascontiguousarray(pixels)
    height, width = height or data.shape[0], width or data.shape[1]
    raw = data.view(np.uint8).reshape(-1)
    return TYPES.types[IMAGE](
        header(stamp_ns), height, width, encoding, 0, len(raw) // height, raw
    )


def packet(stamp_ns, spikes, encoding='8UC1'):
    """Unpacked planes as one packet."""
    packed = packing.pack(spikes)
    return image(stamp_ns, packed.reshape(-1, packed.shape[2]), encoding)


def camera(stamp_ns=START, fx=FX, width=WIDTH, height=HEIGHT):
    region = TYPES.types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
    k = np.array([fx, 0, (width - 1) / 2, 0, fx, (height - 1) / 2, 0, 0, 1.0])
    p = np.hstack([k.reshape(3, 3), np.zeros((3, 1))]).ravel()
    return TYPES.types[CAMERA_INFO](
        header(stamp_ns), height, width, 'plumb_bob', np.zeros(5), k, np.eye(3).ravel(), p, 0, 0,
        region,
    )  # fmt: skip


def lens_camera(calibration, stamp_ns=START):
    """A camera by a calibration with distortion."""
    message = camera(stamp_ns, width=calibration.width, height=calibration.height)
    message.distortion_model = calibration.distortion_model
    for name in 'dkrp':
        setattr(message, name, np.array(getattr(calibration, name), np.float64))
    return message


def write(path, messages, storage='mcap', compression=None, kinds=None):
    """Write a bag.

    Args:
        path: Folder to make.
        messages: (topic, time in ns, message) in the order to write.
        storage: ``mcap`` or ``sqlite3``.
        compression: None, ``message``, ``file`` or ``storage``.
        kinds: Types of topics that are not images or camera_info.
    """
    writer = Writer(path, version=8, storage_plugin=StoragePlugin[storage.upper()])
    if compression:
        writer.set_compression(CompressionMode[compression.upper()], CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for topic, time_ns, message in messages:
            if topic not in connections:
                kind = (kinds or {}).get(topic, message.__msgtype__)
                connections[topic] = writer.add_connection(topic, kind, typestore=TYPES)
            data = TYPES.serialize_cdr(message, message.__msgtype__)
            writer.write(connections[topic], time_ns, data)
    return path


def stream(planes=1000, per_packet=40, truths=(), leave_out=(), encoding='32FC1', gap=0, fx=FX,
           lens=None, height=HEIGHT, width=WIDTH):  # fmt: skip
    """The messages of a recording.

    Args:
        planes: How many.
        per_packet: Planes in a packet.
        truths: Planes that have a true depth, ascending; stamps may lie between planes.
        leave_out: Numbers of packets that are missing.
        encoding: Of the true depth.
        gap: Truths are recorded this many packets late.
        fx: Focal length, pixels; 0: not calibrated.
        lens: Calibration with distortion, instead of it; None: none.
        height: Rows of a plane.
        width: Columns of a plane.
    """
    spikes = moving_bars(planes, height, width)
    depth = slope(height, width)
    pixels = depth if encoding == '32FC1' else np.nan_to_num(1000 * depth, posinf=0).astype('u2')
    first_camera = camera(START, fx, width, height) if lens is None else lens_camera(lens)
    messages = [('/camera_info', START, first_camera)]
    for number, first in enumerate(range(0, planes, per_packet)):
        block = spikes[first : first + per_packet]
        stamp = START + first * PERIOD
        if number not in leave_out:
            messages.append(('/spikes', stamp + len(block) * PERIOD, packet(stamp, block)))
    late = gap * per_packet * PERIOD
    for plane in truths:
        stamp = START + round(plane * PERIOD)
        messages.append(('/depth/truth', stamp + late, image(stamp, pixels, encoding)))
    return sorted(messages, key=lambda message: message[1])


def bag(path, camera=None, at_ns=START, planes=400, storage='mcap', compression=None, **options):
    """Write the bag of a recording; its folder.

    Args:
        path: Folder to make.
        camera: CameraInfo in place of the stream's own; None: its own.
        at_ns: When ``camera`` was recorded.
        planes: How many.
        storage: As :func:`write` has it.
        compression: As :func:`write` has it.
        options: Those of :func:`stream`.
    """
    messages = stream(planes, **options)
    if camera is not None:
        others = [one for one in messages if one[0] != '/camera_info']
        messages = [('/camera_info', at_ns, camera), *others]
    return write(path, messages, storage, compression)


OVERTAKEN = (9, 0, 0, 31, 2, 400, 0, 990)
"""Milliseconds by which messages in turn are recorded late: they overtake each other."""


def overtaken(messages, topics=('/spikes', '/depth/truth'), late_ms=OVERTAKEN):
    """The messages as they are recorded if those of some topics arrive late by times in turn."""
    late = {topic: itertools.cycle(late_ms) for topic in topics}
    moved = [
        (topic, at + 1_000_000 * next(late[topic]) if topic in late else at, message)
        for topic, at, message in messages
    ]
    return sorted(moved, key=lambda message: message[1])


def storage_file(folder):
    """The one file of a bag that holds its messages."""
    (file,) = (file for file in folder.iterdir() if file.suffix != '.yaml')
    return file


def cut_short(folder, tenths):
    """Cut the storage file of a bag, which then has so many tenths of its bytes; the file."""
    file = storage_file(folder)
    os.truncate(file, file.stat().st_size * tenths // 10)
    return file
