# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bag of recordings: packets of their planes, camera_info and true depth."""

from __future__ import annotations

import heapq
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base.errors import check_regular
from spike_depth_ros.geometry.calibration import Calibration
from spike_depth_ros.geometry.depth_values import to_metres, unit_problem
from spike_depth_ros.io.arrays import ArrayFileError, read_stored
from spike_depth_ros.io.bags.bag import typestore
from spike_depth_ros.io.bags.mcap_writer import MAX_MESSAGE_BYTES
from spike_depth_ros.io.bags.writing import (
    Storage,
    bag_writer,
    make_camera_info,
    make_header,
    make_image,
    message_type,
)
from spike_depth_ros.io.recording import Recording, RecordingError, TrueDepth
from spike_depth_ros.io.topics import ODOMETRY, TOPICS
from spike_depth_ros.stream.chunk import Geometry, PackedPlanes
from spike_depth_ros.stream.decode import METRES, PACKED
from spike_depth_ros.stream.plane_clock import FRAME_ID, PlaneClock

START_NS = 1_000_000_000
"""Stamp of the first plane, nanoseconds: one of 0 means in ROS that there is none."""

TimedMessage = tuple[int, str, Any]
"""When a message is recorded, nanoseconds; its topic, without a slash before it; the message."""

_CAMERA_INFO_EVERY_NS = 100_000_000
_MESSAGE_BYTES = 512
_LONGEST_S = 2e9  # stamps have 32 bits of seconds


class PacketStream:
    """Stream of a camera's packets, stamped by counting planes.

    Args:
        geometry: Sensor of the camera.
        rate_hz: Planes a second.
        calibration: Its calibration.
        start_ns: Stamp of the first plane, nanoseconds.
    """

    def __init__(
        self, geometry: Geometry, rate_hz: float, calibration: Calibration, start_ns: int
    ) -> None:
        self._big = geometry.bit_order == 'big'
        self._calibration, self._start_ns = calibration, start_ns
        self._clock = PlaneClock(rate_hz)

    def stamp_ns(self, plane: int) -> int:
        """Return the stamp of a plane, nanoseconds."""
        return self._start_ns + self._clock.since_start_ns(plane)

    def messages(
        self, packets: Iterable[PackedPlanes], advance: Callable[[int], object]
    ) -> Iterator[TimedMessage]:
        """Yield packets of spikes, preceded by camera_info ten times a second.

        Args:
            packets: Planes of each packet.
            advance: Called with the number of planes of each packet.
        """
        done, next_info = 0, 0
        for packet in packets:
            # A packet is sent when its last plane is over.
            stamp, sent_ns = self.stamp_ns(done), self.stamp_ns(done + len(packet))
            header = make_header(stamp, FRAME_ID)
            if stamp >= next_info:
                yield sent_ns, 'camera_info', make_camera_info(self._calibration, header)
                next_info = stamp + _CAMERA_INFO_EVERY_NS
            rows = packet.reshape(-1, packet.shape[2])
            yield sent_ns, 'spikes', make_image(rows, PACKED, header, self._big)
            done += len(packet)
            advance(len(packet))


def packet_problem(geometry: Geometry, planes: int) -> str:
    """Return why no reader would take packets of a size; empty if they do.

    Args:
        geometry: Sensor of the camera.
        planes: Planes in one message.
    """
    most = (MAX_MESSAGE_BYTES - _MESSAGE_BYTES) // geometry.plane_bytes
    if planes <= most:
        return ''
    return f'{planes} planes of {geometry} in a packet; expected at most {most}'


def depth_message(sent_ns: int, stamp_ns: int, depth: npt.NDArray[np.float32]) -> TimedMessage:
    """Return a message of true depth, ``[height, width]`` metres."""
    return sent_ns, 'depth/truth', make_image(depth, METRES, make_header(stamp_ns, FRAME_ID))


def odometry_message(sent_ns: int, stamp_ns: int, values: Sequence[float]) -> TimedMessage:
    """Return a message of the camera's pose in the frame ``odom``; its speed is not known.

    Args:
        sent_ns: When it is recorded, nanoseconds.
        stamp_ns: Time of the pose, nanoseconds.
        values: x, y, z in metres, and the quaternion qx, qy, qz, qw.
    """

    def make(name: str, *fields: Any) -> Any:
        return message_type(f'geometry_msgs/msg/{name}')(*fields)

    pose = make('Pose', make('Point', *values[:3]), make('Quaternion', *values[3:]))
    still, unknown = make('Vector3', 0.0, 0.0, 0.0), np.zeros(36)
    message = message_type(ODOMETRY)(
        header=make_header(stamp_ns, 'odom'),
        child_frame_id=FRAME_ID,
        pose=make('PoseWithCovariance', pose, unknown),
        twist=make('TwistWithCovariance', make('Twist', still, still), unknown),
    )
    return sent_ns, 'odom', message


def frame_messages(
    sent_ns: int, stamp_ns: int, pixels: npt.NDArray[np.uint8], calibration: Calibration
) -> list[TimedMessage]:
    """Return the messages of a frame beside the spikes: its camera_info, and the frame itself.

    Args:
        sent_ns: When they are recorded, nanoseconds.
        stamp_ns: Time of the frame, nanoseconds.
        pixels: ``[height, width, 3]`` RGB.
        calibration: Calibration of its camera.
    """
    header = make_header(stamp_ns, FRAME_ID)
    height, width, _ = pixels.shape
    image = make_image(pixels.reshape(height, 3 * width), 'rgb8', header)
    image.width = width
    return [
        (sent_ns, 'image/camera_info', make_camera_info(calibration, header)),
        (sent_ns, 'image', image),
    ]


def write_messages(
    path: Path, storage: Storage, topics: Mapping[str, str], *sources: Iterable[TimedMessage]
) -> None:
    """Write a bag of messages from several sources.

    Args:
        path: Folder to make.
        storage: Kind of bag.
        topics: Types of the topics that the bag has.
        sources: Messages in the order of time; of equal times, an earlier source's come first.
    """
    types = typestore()
    with bag_writer(path, storage) as writer:
        connections = {
            topic: writer.add_connection(f'/{topic}', kind, typestore=types)
            for topic, kind in topics.items()
        }
        for time_ns, topic, message in heapq.merge(*sources, key=operator.itemgetter(0)):
            writer.write(connections[topic], time_ns, types.serialize_cdr(message, topics[topic]))


class DepthFolder:
    """True depth of a recording in a folder of images.

    A file holds the depth of the plane whose number its name ends with: ``.png``, uint16
    millimetres, or ``.npy``, metres. Values are resolved by
    :func:`spike_depth_ros.geometry.depth_values.resolve`.

    Args:
        folder: The folder; other files in it are left out.
        geometry: Sensor of the recording.
        planes: Its planes.
        rays: Lengths of the rays of pixels, see :func:`.ray_lengths`, that depth is stored along;
            None: it is stored along the optical axis.

    Raises:
        RecordingError: There is no such file, or one whose plane the recording does not have.
    """

    def __init__(
        self,
        folder: Path,
        geometry: Geometry,
        planes: int,
        rays: npt.NDArray[np.float32] | None = None,
    ) -> None:
        self._shape, self._rays = (geometry.height, geometry.width), rays
        self._files: dict[int, Path] = {}
        try:
            files = sorted(one for one in folder.iterdir() if one.suffix in ('.png', '.npy'))
        except OSError as error:
            raise RecordingError(f'--depth {folder}: {error.strerror}') from error
        for file in files:
            check_regular(file)
            number = re.search(r'(\d{1,18})$', file.stem)
            if number is None:
                raise RecordingError(f'{file}: its name does not end with the number of its plane')
            plane = int(number[1])
            if plane in self._files:
                raise RecordingError(f'{file}: {self._files[plane].name} is of plane {plane} too')
            if plane >= planes:
                raise RecordingError(
                    f'{file}: plane {plane}: expected 0 to {planes - 1}, those of the recording'
                )
            self._files[plane] = file
        if not self._files:
            raise RecordingError(f'--depth {folder}: no .png or .npy file')

    def __len__(self) -> int:
        return len(self._files)

    def maps(self) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        """Yield plane and depth, ``[height, width]`` metres, in the order of planes.

        Raises:
            RecordingError: A file is damaged, of another size or in another unit.
        """
        for plane, file in sorted(self._files.items()):
            depth = _read_depth(file)
            if depth.shape != self._shape:
                found = ' x '.join(map(str, depth.shape))
                raise RecordingError(
                    f'{file}: {found} values; expected {self._shape[0]} x {self._shape[1]}, rows '
                    'and columns of the sensor'
                )
            if problem := unit_problem(depth):
                raise RecordingError(
                    f'{file}: {problem}: store metres in .npy, NaN where unknown, or millimetres '
                    'in .png'
                )
            yield plane, depth if self._rays is None else depth / self._rays


class CameraMessages:
    """Messages of a recording, in the order in which a camera would send them.

    Args:
        recording: The recording.
        rate_hz: Planes a second.
        calibration: Its camera.
        depth: Its true depth; None: there is none.
        planes_per_packet: Planes in one message of spikes.
        eye: Namespace of the topics, and beginning of the frame; empty: none.

    Raises:
        RecordingError: It is longer than stamps can be, or its packets are too large.
    """

    def __init__(
        self,
        recording: Recording,
        rate_hz: float,
        calibration: Calibration,
        depth: DepthFolder | TrueDepth | None,
        planes_per_packet: int,
        eye: str = '',
    ) -> None:
        self._recording, self._rate_hz, self._eye = recording, rate_hz, eye
        self._depth, self._planes_per_packet = depth, planes_per_packet
        self._stream = PacketStream(recording.geometry, rate_hz, calibration, START_NS)
        self.planes = len(recording.planes)
        if self.planes / rate_hz > _LONGEST_S:
            raise RecordingError(
                f'{self.planes} planes at {rate_hz:g} planes a second last longer than stamps can '
                'tell: expected another --rate'
            )
        if problem := packet_problem(recording.geometry, min(planes_per_packet, self.planes)):
            raise RecordingError(f'{problem}: lower --planes-per-packet')

    @property
    def nbytes(self) -> float:
        """Approximate size of the messages, bytes."""
        geometry = self._recording.geometry
        plane = geometry.plane_bytes + _MESSAGE_BYTES / self._planes_per_packet
        return self.planes * plane + self._maps * 4 * geometry.height * geometry.width

    @property
    def topics(self) -> dict[str, str]:
        """Types of the topics."""
        return {
            self._named(name): kind
            for name, kind in TOPICS.items()
            if self._maps or name != 'depth/truth'
        }

    @property
    def _maps(self) -> int:
        if self._depth is None:
            return 0
        return len(self._depth.planes if isinstance(self._depth, TrueDepth) else self._depth)

    def describe(self) -> str:
        """Return a summary of the messages in one line."""
        return (
            f'{self._eye}{": " if self._eye else ""}{self.planes} planes of '
            f'{self._recording.geometry} at {self._rate_hz:g} Hz '
            f'({self.planes / self._rate_hz:.2f} s), {self._maps} depth images'
        )

    def messages(self, advance: Callable[[int], object]) -> Iterator[TimedMessage]:
        """Yield the messages.

        Args:
            advance: Called with the number of planes of each packet.

        Raises:
            ValueError: The recording or its depth cannot be read.
        """
        size = self._planes_per_packet
        packets = (self._recording.read(i, i + size) for i in range(0, self.planes, size))
        both = self._stream.messages(packets, advance), self._truths()
        for time_ns, name, message in heapq.merge(*both, key=operator.itemgetter(0)):
            if self._eye:
                message.header.frame_id = f'{self._eye}_{FRAME_ID}'
            yield time_ns, self._named(name), message

    def _named(self, name: str) -> str:
        return f'{self._eye}/{name}' if self._eye else name

    def _truths(self) -> Iterator[TimedMessage]:
        """Yield depth images, each just before the packet with its plane."""
        maps: Iterable[tuple[int, npt.NDArray[np.float32]]] = ()
        if isinstance(self._depth, TrueDepth):
            maps = self._depth.checked()
        elif self._depth is not None:
            maps = self._depth.maps()
        for plane, depth in maps:
            first = plane - plane % self._planes_per_packet
            yield depth_message(self._stream.stamp_ns(first), self._stream.stamp_ns(plane), depth)


def _read_depth(file: Path) -> npt.NDArray[np.float32]:
    try:
        stored = read_stored(file)
    except ArrayFileError as error:
        remedy = '; copy or record it again' if error.__cause__ is not None else ''  # damaged
        raise RecordingError(f'{error}{remedy}') from error
    kind = stored.values.dtype
    if file.suffix == '.npy' and kind.kind != 'f':
        raise RecordingError(f'{file}: {kind}; expected floating point, metres')
    return to_metres(*stored)
