# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of rosbag2 recordings (SQLite or MCAP) of a packed spike stream, with depth if recorded.

See docs/wire_format.md for the stream. A gap in the stream begins another clip. Planes are counted
by stamps; a depth image belongs to the plane that is nearest to its stamp.
"""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rosbags.highlevel import AnyReader

from spike_depth_ros.bags.bag import CAMERA_INFO, IMAGE, typestore
from spike_depth_ros.calibration import CalibrationError
from spike_depth_ros.rectification import NewestLens, Rectification
from spike_depth_ros.stream.chunk import BitOrder, Geometry, PackedPlanes, SpikeChunk
from spike_depth_ros.stream.decode import PacketError, chunk_from_msg, depth_from_msg, stamp_ns
from spike_training.datasets.clip import Depth, Matrix, SpikeClip
from spike_training.datasets.readers import files, recordings
from spike_training.errors import DataSetError, FrameError, one_line

TREE = """\
  ROOT/metadata.yaml and ROOT/*.db3 or ROOT/*.mcap, with the topics
    spikes        sensor_msgs/Image, packed planes
    camera_info   sensor_msgs/CameraInfo, sensor size and camera matrix
    depth/truth   sensor_msgs/Image, 32FC1 metres or 16UC1 millimetres"""

PLAUSIBLE_M = (files.INDOOR_M[0], files.OUTDOOR_M[1])


UNEVEN = 0.1
"""Difference of the times of a plane in two packets, over their sum, above which it is uneven."""

LEAST_PACKETS = 100
"""Packets from which on two streams in turn are told from losses of one."""

EVEN_PAIRS = 0.02
"""Relative deviation of the time of a plane in two packets together below which it is even."""


class _Packet(NamedTuple):
    """Recording time and stamp of a message of the stream, nanoseconds, and its planes."""

    recorded_ns: int
    stamp_ns: int
    planes: int


def read(
    root: Path,
    spikes: str = 'spikes',
    camera_info: str = 'camera_info',
    depth: str = 'depth/truth',
    size: str = '',
    fx: float = 0.0,
) -> list[SpikeClip]:
    """Read the recordings of a bag, one for each part without gaps.

    Args:
        root: Folder of the bag, or one of its .mcap or .db3 files.
        spikes: Topic of the packed stream, its full name or the end of it.
        camera_info: Topic of the calibration, likewise; where several end so, that whose name
            begins most like the stream's. One that begins more like that of another stream (a
            topic with the same last part) is used only by its full name.
        depth: Topic of true depth, likewise; a bag may have none.
        size: Width and height of the sensor, where the bag has no calibration.
        fx: Focal length in pixels, with the principal point in the middle, instead of the
            calibration's.

    Raises:
        DataSetError: There is no such bag or stream, it is damaged, or there are streams of
            several cameras.
    """
    bag = root / 'metadata.yaml' if root.is_dir() else root
    if not bag.is_file():
        raise files.missing(bag, TREE)
    with _opened(root) as reader:
        streams = _streams(reader, root, spikes)
        infos = _topics(reader, camera_info, CAMERA_INFO, streams)
        geometry, camera, lens = _calibration(reader, infos, size)
        if fx > 0:
            camera, lens = recordings.centred_camera(fx, geometry), None
        bit_order, packets, refused = _packets(reader, streams[0], geometry)
        maps, unread = _stamps(reader, _topics(reader, depth, IMAGE, streams))
    geometry = dataclasses.replace(geometry, bit_order=bit_order)
    skipped = {'not a packet of planes': refused} if refused else {}
    skipped |= {'not an image of depth': unread} if unread else {}
    files.check_share(skipped, len(packets) + len(maps) + len(refused) + len(unread), str(root))
    if not packets:
        raise DataSetError(f'{root}: topic {spikes} holds no packet, expected one or more')
    period = _period(packets)
    parts = _parts(packets, period)
    clips = []
    for number, part in enumerate(parts):
        name = f'rosbag/{root.stem}' if len(parts) == 1 else f'rosbag/{root.stem}/{number}'
        clips.append(
            _clip(name, root, streams[0], _Part(geometry, part, period), camera, maps, skipped)
        )
        skipped = {}  # told once
    clips = [dataclasses.replace(clip, rectification=lens) for clip in clips]
    if first := next((clip for clip in clips if clip.depths), None):
        recordings.check_depth(first.name, first.depths[0], PLAUSIBLE_M)
    return clips


class _Part:
    """Part of a stream: packets that follow one another without a gap."""

    def __init__(self, geometry: Geometry, packets: list[_Packet], period_ns: float) -> None:
        self.geometry, self.packets = geometry, packets
        self.starts = [0, *itertools.accumulate(packet.planes for packet in packets)]
        self.period_ns = period_ns

    @property
    def planes(self) -> int:
        """Number of planes."""
        return self.starts[-1]

    def plane_at(self, stamp_ns: int) -> int:
        """Return the plane nearest to a stamp; outside 0 to ``planes - 1`` if none is near."""
        k = bisect.bisect_right([packet.stamp_ns for packet in self.packets], stamp_ns) - 1
        k = max(k, 0)
        return self.starts[k] + round((stamp_ns - self.packets[k].stamp_ns) / self.period_ns)


def _clip(
    name: str,
    root: Path,
    topic: str,
    part: _Part,
    camera: Matrix | None,
    maps: dict[int, _DepthAt],
    skipped: dict[str, list[str]],
) -> SpikeClip:
    def load(start: int, stop: int) -> PackedPlanes:
        first = bisect.bisect_right(part.starts, start) - 1
        last = bisect.bisect_left(part.starts, stop)
        wanted = part.packets[first:last]
        times = [packet.recorded_ns for packet in wanted]
        try:
            with _opened(root) as reader:
                messages = _messages(reader, [topic], min(times), max(times) + 1)
                chunks = [_chunk(message, part.geometry) for _, message in messages]
            found = {chunk.t0_ns: chunk.data for chunk in chunks if chunk is not None}
            planes = np.concatenate([found[packet.stamp_ns] for packet in wanted])
        except (DataSetError, KeyError) as error:
            raise FrameError(f'{root}: planes {start} to {stop} cannot be read') from error
        return planes[start - part.starts[first] : stop - part.starts[first]]

    places = {part.plane_at(stamp): place for stamp, place in maps.items()}
    labelled = tuple(sorted(plane for plane in places if 0 <= plane < part.planes))
    depths = tuple(_depth(root, places[plane], part.geometry) for plane in labelled)
    rate_hz = 1e9 / part.period_ns
    return SpikeClip(
        name, part.geometry, part.planes, rate_hz, camera, load, labelled, depths, skipped
    )


class _DepthAt(NamedTuple):
    """Location of a depth image in the bag."""

    topic: str
    recorded_ns: int
    stamp_ns: int


def _depth(root: Path, place: _DepthAt, geometry: Geometry) -> Callable[[], Depth]:
    """Return a function that reads a depth image, which must be of the sensor's size."""

    def read_it() -> Depth:
        start, stop = place.recorded_ns, place.recorded_ns + 1
        try:
            with _opened(root) as reader:
                for _, message in _messages(reader, [place.topic], start, stop):
                    if stamp_ns(message.header.stamp) == place.stamp_ns:
                        return _checked(depth_from_msg(message), geometry)
        except DataSetError as error:
            raise FrameError(str(error)) from error
        raise FrameError(f'{root}: the depth at {place.stamp_ns} ns is gone')

    return read_it


def _checked(depth: Depth, geometry: Geometry) -> Depth:
    if depth.shape != (geometry.height, geometry.width):
        raise FrameError(
            f'depth of {list(depth.shape)} pixels, expected the size of the sensor, '
            f'{[geometry.height, geometry.width]}'
        )
    return np.where(np.isneginf(depth), np.float32(np.nan), depth)


@contextlib.contextmanager
def _opened(root: Path) -> Iterator[AnyReader]:
    """Open a bag for reading; errors of rosbags on damaged ones become one line."""
    try:
        with AnyReader([root], default_typestore=typestore()) as reader:
            yield reader
    except DataSetError:
        raise
    except Exception as error:  # rosbags, SQLite and the decompressors have many kinds
        raise DataSetError(f'{root}: cannot be read: {one_line(error)}') from error


def _streams(reader: AnyReader, root: Path, spikes: str) -> list[str]:
    """Return the topic of the stream that a name tells, then those of other cameras."""
    streams = _topics(reader, spikes, IMAGE)
    if not streams:
        raise DataSetError(
            f'{root}: no topic {spikes} of {IMAGE}; it has {_known(reader)}; expected\n{TREE}'
        )
    if len(streams) > 1 and streams[0] != f'/{spikes.lstrip("/")}':
        raise DataSetError(
            f'{root}: topics {" and ".join(streams)}: expected one that ends with {spikes}; '
            'give its full name'
        )
    return [streams[0], *_topics(reader, streams[0].rpartition('/')[2], IMAGE)]


def _topics(reader: AnyReader, name: str, kind: str, streams: Sequence[str] = ('',)) -> list[str]:
    """Return the full names of the topics of a type that end with a name.

    Those that begin most like the first stream come first, then the shortest. Those that begin
    more like another stream are left out, unless the name is their full one.
    """
    full_name = f'/{name.lstrip("/")}'
    found = {
        connection.topic
        for connection in reader.connections
        if connection.msgtype == kind and f'/{connection.topic.lstrip("/")}'.endswith(full_name)
    }
    likeness = {topic: [_likeness(topic, stream) for stream in streams] for topic in found}
    return sorted(
        (one for one in found if one == full_name or likeness[one][0] == max(likeness[one])),
        key=lambda topic: (-likeness[topic][0], len(topic), topic),
    )


def _likeness(topic: str, other: str) -> int:
    """Return the number of leading parts that two names of topics share."""
    pairs = zip(topic.split('/'), other.split('/'), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _known(reader: AnyReader) -> str:
    told = {f'{one.topic} ({one.msgtype})' for one in reader.connections}
    return ', '.join(sorted(told)) or 'none'


def _messages(
    reader: AnyReader, topics: list[str], start_ns: int | None = None, stop_ns: int | None = None
) -> Iterator[tuple[int, Any]]:
    """Yield recording times and decoded messages of topics within a span of these times."""
    wanted = [connection for connection in reader.connections if connection.topic in topics]
    if wanted:
        for connection, recorded_ns, data in reader.messages(wanted, start_ns, stop_ns):
            yield recorded_ns, reader.deserialize(data, connection.msgtype)


def _calibration(
    reader: AnyReader, topics: list[str], size: str
) -> tuple[Geometry, Matrix | None, Rectification | None]:
    """Return sensor size, camera matrix and rectification.

    The matrix is None if K[0] = 0, which means uncalibrated; that of rectified pictures where
    there is a rectification.
    """
    for _, message in _messages(reader, topics[:1]):
        try:
            lens = NewestLens().update(message)
        except CalibrationError as error:
            raise DataSetError(f'{reader.paths[0]}: {topics[0]}: {error}') from error
        k = message.k if lens is None else lens.rectified.k
        matrix: Matrix = np.array(k, np.float64).reshape(3, 3)
        geometry = Geometry(message.height, message.width)
        return geometry, matrix if matrix[0, 0] > 0 else None, lens
    if not size:
        raise DataSetError(
            'the bag has no camera_info, which tells the size of the sensor; give it with the '
            'option size, for instance 400x250'
        )
    width, height = recordings.parse_size(size)
    return Geometry(height, width), None, None


def _packets(
    reader: AnyReader, topic: str, geometry: Geometry
) -> tuple[BitOrder, list[_Packet], list[str]]:
    """Return bit order, packets in the order of their stamps, and names of invalid messages."""
    where = f'{reader.paths[0]}: {topic}'
    packets, orders, frames, refused = [], set(), set(), []
    for recorded_ns, message in _messages(reader, [topic]):
        stamp = stamp_ns(message.header.stamp)
        chunk = _chunk(message, geometry)
        if chunk is None:
            refused.append(f'{topic} at {stamp} ns')
            continue
        packets.append(_Packet(recorded_ns, stamp, chunk.planes))
        orders.add(chunk.geometry.bit_order)
        frames.add(message.header.frame_id)
    if len(frames) > 1:
        raise DataSetError(
            f'{where}: packets of the frames {", ".join(sorted(map(repr, frames)))}: expected '
            'one camera; record each camera by a topic of its own'
        )
    if len(orders) > 1:
        raise DataSetError(f'{where}: bit orders {sorted(orders)}, expected one')
    packets.sort(key=lambda packet: packet.stamp_ns)
    if _are_interleaved(packets):
        raise DataSetError(
            f'{where}: packets of two streams in turn, or the same loss after every other packet: '
            'expected one camera; record each camera by a topic of its own'
        )
    once = {packet.stamp_ns: packet for packet in packets}
    return 'big' if 'big' in orders else 'little', [*once.values()], refused


def _are_interleaved(packets: list[_Packet]) -> bool:
    """Return True if packets, in the order of their stamps, are of two streams in turn.

    The time of a plane is then uneven from packet to packet, while that of two packets together is
    always the same. Not found: packets halfway between those of the other stream, or of another
    number of planes; more than two streams; fewer than :data:`LEAST_PACKETS` packets.
    """
    if len(packets) < LEAST_PACKETS:
        return False
    planes = np.array([packet.planes for packet in packets[:-1]])
    steps = np.diff([packet.stamp_ns for packet in packets])
    pairs = (steps[:-1] + steps[1:]) / (planes[:-1] + planes[1:])
    even = np.abs(pairs - np.median(pairs)) <= EVEN_PAIRS * np.median(pairs)
    periods = steps / planes
    uneven = np.abs(np.diff(periods)) > UNEVEN * (periods[:-1] + periods[1:])
    return bool((even & uneven).mean() > 0.5)


def _stamps(reader: AnyReader, topics: list[str]) -> tuple[dict[int, _DepthAt], list[str]]:
    """Return the locations of depth images by stamp, and names of messages of other encodings."""
    found, refused = {}, []
    for recorded_ns, message in _messages(reader, topics[:1]):
        stamp = stamp_ns(message.header.stamp)
        if message.encoding in ('32FC1', '16UC1'):
            found[stamp] = _DepthAt(topics[0], recorded_ns, stamp)
        else:
            refused.append(f'{topics[0]} at {stamp} ns')
    return found, refused


def _chunk(message: Any, geometry: Geometry) -> SpikeChunk | None:
    try:
        return chunk_from_msg(message, geometry.height, geometry.width)
    except PacketError:
        return None


def _parts(packets: list[_Packet], period_ns: float) -> list[list[_Packet]]:
    """Split packets where a stamp is not that of the next plane."""
    parts = [[packets[0]]]
    for before, packet in itertools.pairwise(packets):
        expected = before.stamp_ns + before.planes * period_ns
        if abs(packet.stamp_ns - expected) > period_ns / 2:
            parts.append([])
        parts[-1].append(packet)
    return parts


def _period(packets: list[_Packet]) -> float:
    """Return the median time between planes, nanoseconds."""
    if len(packets) < 2:
        raise DataSetError(
            'the stream is one packet, expected two or more: its plane rate is not known'
        )
    steps = [
        (after.stamp_ns - before.stamp_ns) / before.planes
        for before, after in itertools.pairwise(packets)
    ]
    return float(np.median(steps))
