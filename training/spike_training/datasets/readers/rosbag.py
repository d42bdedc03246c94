# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of rosbag2 recordings (SQLite or MCAP) of a packed spike stream, with depth if recorded.

See docs/wire_format.md for the stream. A gap in the stream begins another clip. Planes are counted
by stamps; a depth image belongs to the plane that is nearest to its stamp. Of two eyes, a clip is
a time in which both streams have no gap; windows are paired by their middle planes, as
:mod:`spike_depth_ros.stereo.pairing` does it.
"""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rosbags.highlevel import AnyReader

from spike_depth_ros.arguments import OptionalFocalLength
from spike_depth_ros.bags.bag import typestore
from spike_depth_ros.bags.ordering import SORT_NS
from spike_depth_ros.calibration import Calibration, CalibrationError
from spike_depth_ros.io.topics import CAMERA_INFO, IMAGE, KnownTopics
from spike_depth_ros.rectification import Rectification, check_camera
from spike_depth_ros.stereo.rig import StereoRig
from spike_depth_ros.stream.chunk import BitOrder, Geometry, PackedPlanes, SpikeChunk
from spike_depth_ros.stream.decode import PacketError, chunk_from_msg, stamp_ns, truth_from_msg
from spike_depth_ros.stream.stamps import differs
from spike_depth_ros.stream.window import reference_index
from spike_training.datasets.clip import Depth, Matrix, RightSpikes, SpikeClip
from spike_training.datasets.readers import files, pairs, recordings
from spike_training.datasets.readers.options import checked
from spike_training.errors import DataSetError, FrameError, one_line

TREE = """\
  ROOT/metadata.yaml and ROOT/*.db3 or ROOT/*.mcap, with the topics
    spikes        sensor_msgs/Image, packed planes
    camera_info   sensor_msgs/CameraInfo, sensor size and camera matrix
    depth/truth   sensor_msgs/Image, 32FC1 metres or 16UC1 millimetres
  and of pairs, by the options spikes and right, left/spikes, left/camera_info, right/spikes and
  right/camera_info"""

_Load = Callable[[int, int], PackedPlanes]

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


class _Eye(NamedTuple):
    """Stream of one camera, and where it was found."""

    topics: list[str]  # its own, then those of all cameras
    geometry: Geometry
    calibration: Calibration | None
    packets: list[_Packet]
    refused: list[str]
    period_ns: float

    @property
    def parts(self) -> list[_Part]:
        """Its parts without gaps."""
        parts = _parts(self.packets, self.period_ns)
        return [_Part(self.geometry, part, self.period_ns) for part in parts]


@checked
def read(
    root: Path,
    spikes: str = 'spikes',
    camera_info: str = 'camera_info',
    depth: str = 'depth/truth',
    size: str = '',
    fx: OptionalFocalLength = 0.0,
    right: str = '',
    right_camera_info: str = 'camera_info',
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
        right: Topic of the packed stream of the right eye of pairs, as ``spikes``; none unless
            given. Both need a calibration, made together.
        right_camera_info: Topic of the right calibration, as ``camera_info``.

    Raises:
        DataSetError: There is no such bag or stream, it is damaged, there are streams of several
            cameras, or two eyes are no calibrated pair of one size, rate and clock.
    """
    if right and fx > 0:
        raise DataSetError('option fx is of one eye; expected camera_info of both with right')
    names = _Names(spikes, camera_info, depth, right, right_camera_info)
    return _read(root, names, size, fx, None)


def read_pairs(root: Path, spikes: str, right: str, rig: StereoRig) -> list[SpikeClip]:
    """Read the recordings of two eyes of a bag whose calibrations are given, not recorded.

    Args:
        root: As for :func:`read`.
        spikes: As there.
        right: As there.
        rig: Calibrations of both eyes.

    Raises:
        DataSetError: As there, or the streams are of another size than the calibrations.
    """
    size = f'{rig.left.width}x{rig.left.height}'
    return _read(root, _Names(spikes, right=right), size, 0.0, rig)


def sensor_size(root: Path, spikes: str, size: str = '') -> Geometry:
    """Return the size of the sensor of a bag, without reading its packets.

    Args:
        root: As for :func:`read`.
        spikes: As there.
        size: As there.

    Raises:
        DataSetError: There is no such bag or stream, or nothing tells the size.
    """
    with _opened(_checked_bag(root)) as reader:
        known = _known(reader, root)
        info = known.nearest('camera_info', CAMERA_INFO, _streams(known, spikes))
        return _calibration(reader, info, size)[0]


class _Names(NamedTuple):
    """Topics of a bag, as in :func:`read`."""

    spikes: str
    camera_info: str = 'camera_info'
    depth: str = 'depth/truth'
    right: str = ''
    right_camera_info: str = 'camera_info'


def _read(
    root: Path, names: _Names, size: str, fx: float, given: StereoRig | None
) -> list[SpikeClip]:
    """Read the recordings of a bag, with the rig that is given, or that of the bag."""
    with _opened(_checked_bag(root)) as reader:
        left = _eye(reader, root, names.spikes, names.camera_info, size)
        other = None
        if names.right:
            other = _eye(reader, root, names.right, names.right_camera_info, size)
        depth = _known(reader, root).nearest(names.depth, IMAGE, left.topics)
        maps, unread = ({}, []) if depth is None else _stamps(reader, depth)
    refused = left.refused + ([] if other is None else other.refused)
    skipped = {'not a packet of planes': refused} if refused else {}
    skipped |= (
        {'true depth of an encoding other than 32FC1 (metres) and 16UC1 (millimetres)': unread}
        if unread
        else {}
    )
    total = len(left.packets) + (0 if other is None else len(other.packets)) + len(maps)
    files.check_share(skipped, total + len(refused) + len(unread), str(root))
    if other is None:
        camera, lens = _camera(root, left, fx)
        clips = [_clip(root, left.topics[0], part, camera, maps) for part in left.parts]
    else:
        rig = _rig(root, left, other, given)
        lens = rig.rectifications[0]
        camera = np.array(rig.left.p, np.float64).reshape(3, 4)[:, :3]
        clips = _paired(root, (left, other), camera, rig, maps)
    titles = [f'rosbag/{root.stem}/{number}' for number in range(len(clips))]
    if len(clips) == 1:
        titles = [f'rosbag/{root.stem}']
    clips = [
        dataclasses.replace(clip, name=title, rectification=lens)
        for clip, title in zip(clips, titles, strict=True)
    ]
    clips[0].skipped.update(skipped)
    if first := next((clip for clip in clips if clip.depths), None):
        recordings.check_depth(first.name, first.depths[0], PLAUSIBLE_M)
    if other is not None:
        pairs.check_alignment(clips)
    return clips


def _checked_bag(root: Path) -> Path:
    """Return the folder or file of a bag; refuse what is none."""
    bag = root / 'metadata.yaml' if root.is_dir() else root
    if not bag.is_file():
        raise files.missing(bag, TREE)
    return root


def _eye(reader: AnyReader, root: Path, spikes: str, camera_info: str, size: str) -> _Eye:
    """Return the stream of a camera, of its topic and that of its calibration."""
    known = _known(reader, root)
    topics = _streams(known, spikes)
    info = known.nearest(camera_info, CAMERA_INFO, topics)
    geometry, calibration = _calibration(reader, info, size)
    cut = '' if calibration is None else calibration.cut
    bit_order, packets, refused = _packets(reader, topics[0], geometry, cut)
    if not packets:
        files.check_share({'not a packet of planes': refused}, len(refused), str(root))
        raise DataSetError(f'{root}: topic {spikes} holds no packet, expected one or more')
    geometry = dataclasses.replace(geometry, bit_order=bit_order)
    return _Eye(topics, geometry, calibration, packets, refused, _period(packets))


def _camera(root: Path, eye: _Eye, fx: float) -> tuple[Matrix | None, Rectification | None]:
    """Return camera matrix and rectification of one eye.

    The matrix is None if K[0] = 0, which means uncalibrated; that of rectified pictures where
    there is a rectification.
    """
    if fx or eye.calibration is None:
        return recordings.centred_camera(fx, eye.geometry), None
    given = eye.calibration
    try:
        check_camera(given)
        lens = Rectification(given) if any(given.d) else None
    except CalibrationError as error:
        raise DataSetError(f'{root}: {eye.topics[0]}, camera_info: {error}') from error
    matrix: Matrix = np.array(given.k if lens is None else lens.rectified.k).reshape(3, 3)
    return matrix if matrix[0, 0] > 0 else None, lens


def _rig(root: Path, left: _Eye, right: _Eye, given: StereoRig | None) -> StereoRig:
    """Return the rig of two eyes: the given one, or that of their calibrations."""
    names = left.topics[0], right.topics[0]
    if names[0] == names[1]:
        raise DataSetError(f'{root}: spikes and right are both {names[0]}; expected two streams')
    rig = _recorded_rig(root, left, right) if given is None else given
    for eye, name in zip((left, right), names, strict=True):
        if (eye.geometry.width, eye.geometry.height) != (rig.left.width, rig.left.height):
            raise DataSetError(
                f'{root}: {name} has {eye.geometry}; expected {rig.left.width}x{rig.left.height}, '
                'as the calibrations'
            )
    if differs(left.period_ns, right.period_ns):
        rates = [1e9 / eye.period_ns for eye in (left, right)]
        raise DataSetError(
            f'{root}: {names[0]} has {rates[0]:.6g} planes a second, {names[1]} {rates[1]:.6g}; '
            'expected one rate'
        )
    orders = [eye.geometry.bit_order for eye in (left, right)]
    if orders[0] != orders[1]:
        raise DataSetError(f'{root}: bit orders {orders[0]} and {orders[1]}, expected one')
    return rig


def _recorded_rig(root: Path, left: _Eye, right: _Eye) -> StereoRig:
    """Return the rig of the calibrations of a bag."""
    names, found = (left.topics[0], right.topics[0]), []
    for eye, name in zip((left, right), names, strict=True):
        if eye.calibration is None:
            raise DataSetError(
                f'{root}: {name} has no camera_info; expected those of both eyes, calibrated '
                'together'
            )
        found.append(eye.calibration)
    try:
        return StereoRig(*found)
    except CalibrationError as error:
        raise DataSetError(f'{root}: {" and ".join(names)}, camera_info: {error}') from error


def _paired(
    root: Path,
    eyes: tuple[_Eye, _Eye],
    camera: Matrix,
    rig: StereoRig,
    maps: dict[int, _DepthAt],
) -> list[SpikeClip]:
    """Return the clips of the times in which both streams have no gap."""
    left, right = eyes
    clips = []
    for part, other in itertools.product(left.parts, right.parts):
        times = _Times(part, other)
        if times.planes:
            clip = _clip(root, left.topics[0], part, camera, maps)
            clip = clip.between(times.first, times.first + times.planes)
            load = times.paired(_load(root, right.topics[0], other))
            clips.append(dataclasses.replace(clip, right=RightSpikes(load, rig)))
    if not clips:
        behind_s = (left.packets[-1].stamp_ns - right.packets[-1].stamp_ns) / 1e9
        raise DataSetError(
            f'{root}: stamps do not overlap: those of {right.topics[0]} end {abs(behind_s):.6g} s '
            f'{"before" if behind_s > 0 else "after"} those of {left.topics[0]}: stamp both by '
            'one clock'
        )
    return clips


class _Part:
    """Part of a stream: packets that follow one another without a gap."""

    def __init__(self, geometry: Geometry, packets: list[_Packet], period_ns: float) -> None:
        self.geometry, self.packets = geometry, packets
        self.starts = [0, *itertools.accumulate(packet.planes for packet in packets)]
        self.period_ns = period_ns
        self._stamps = [packet.stamp_ns for packet in packets]

    @property
    def planes(self) -> int:
        """Number of planes."""
        return self.starts[-1]

    def plane_at(self, stamp_ns: float) -> int:
        """Return the plane nearest to a stamp; outside 0 to ``planes - 1`` if none is near."""
        k = max(bisect.bisect_right(self._stamps, stamp_ns) - 1, 0)
        return self.starts[k] + round((stamp_ns - self._stamps[k]) / self.period_ns)

    def stamp_of(self, plane: int) -> float:
        """Return the stamp of a plane, nanoseconds."""
        k = bisect.bisect_right(self.starts, plane, hi=len(self.packets)) - 1
        return self._stamps[k] + (plane - self.starts[k]) * self.period_ns


class _Times:
    """Time that a left and a right part have in common.

    Args:
        left: Part of the left stream.
        right: Part of the right stream.

    Attributes:
        first: First left plane that has a right one.
        planes: Number of planes that both have; 0: there is no such time.
    """

    def __init__(self, left: _Part, right: _Part) -> None:
        self._left, self._right = left, right
        self.first = max(0, left.plane_at(right.stamp_of(0)))
        last = min(left.planes - 1, left.plane_at(right.stamp_of(right.planes - 1)))
        ends = [self._beside(plane) for plane in (self.first, last)]
        # Where clocks drift, one eye has fewer planes than the other.
        self.planes = max(0, min(last - self.first, ends[1] - ends[0]) + 1)

    def paired(self, load: _Load) -> _Load:
        """Return the function that loads right planes by the numbers of the left ones.

        Planes count from :attr:`first`. The middle ones are paired, at most half a plane apart;
        those beside them follow. Where clocks drift, the planes at an end are the first or last
        ones that there are.

        Args:
            load: Function that loads planes of the right part by their own numbers.
        """

        def load_paired(start: int, stop: int) -> PackedPlanes:
            middle = start + reference_index('middle', stop - start)
            begin = self._beside(self.first + middle) - (middle - start)
            begin = min(max(begin, 0), self._right.planes - (stop - start))
            return load(begin, begin + stop - start)

        return load_paired

    def _beside(self, plane: int) -> int:
        """Return the right plane nearest in time to a left one."""
        return self._right.plane_at(self._left.stamp_of(plane))


def _load(root: Path, topic: str, part: _Part) -> _Load:
    """Return a function that loads planes of a part of a stream."""

    def load(start: int, stop: int) -> PackedPlanes:
        first = bisect.bisect_right(part.starts, start) - 1
        last = bisect.bisect_left(part.starts, stop)
        wanted = part.packets[first:last]
        times = [packet.recorded_ns for packet in wanted]
        try:
            with _opened(root) as reader:
                messages = _messages(reader, topic, min(times), max(times) + 1)
                chunks = [_chunk(message, part.geometry) for _, message in messages]
            found = {chunk.t0_ns: chunk.data for chunk in chunks if chunk is not None}
            planes = np.concatenate([found[packet.stamp_ns] for packet in wanted])
        except (DataSetError, KeyError) as error:
            raise FrameError(f'{root}: planes {start} to {stop} cannot be read') from error
        return planes[start - part.starts[first] : stop - part.starts[first]]

    return load


def _clip(
    root: Path, topic: str, part: _Part, camera: Matrix | None, maps: dict[int, _DepthAt]
) -> SpikeClip:
    places = {part.plane_at(stamp): place for stamp, place in maps.items()}
    labelled = tuple(sorted(plane for plane in places if 0 <= plane < part.planes))
    return SpikeClip(
        f'rosbag/{root.stem}',
        part.geometry,
        part.planes,
        1e9 / part.period_ns,
        camera,
        _load(root, topic, part),
        labelled,
        tuple(_depth(root, places[plane], part.geometry) for plane in labelled),
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
                for _, message in _messages(reader, place.topic, start, stop):
                    if stamp_ns(message.header.stamp) == place.stamp_ns:
                        name = f'{root}: depth at {place.stamp_ns} ns'
                        try:
                            depth = _checked(truth_from_msg(message), geometry)
                        except PacketError as error:
                            raise FrameError(f'{name}: {error}') from error
                        files.check_unit(name, depth)
                        return depth
        except FrameError:
            raise
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
    return depth


@contextlib.contextmanager
def _opened(root: Path) -> Iterator[AnyReader]:
    """Open a bag for reading; errors of rosbags on damaged ones become one line."""
    try:
        with AnyReader([root], default_typestore=typestore()) as reader:
            yield reader
    except DataSetError:
        raise
    except Exception as error:  # rosbags, SQLite and the decompressors have many kinds
        raise DataSetError(
            f'{root}: cannot be read: {one_line(error)}: write the planes that can be read to a '
            '.dat file with spike_convert --allow-gaps, or recover the bag (docs/evaluation.md)'
        ) from error


def _known(reader: AnyReader, root: Path) -> KnownTopics:
    """Return the topics to choose from."""
    return KnownTopics(
        {name: topic.msgtype or 'of several types' for name, topic in reader.topics.items()},
        {name: topic.msgcount for name, topic in reader.topics.items()},
        str(root),
        DataSetError,
    )


def _streams(known: KnownTopics, spikes: str) -> list[str]:
    """Return the topic of the stream that a name tells, then those of all cameras."""
    if not known.ending(spikes, IMAGE):
        raise DataSetError(
            f'{known.place}: no topic {spikes} of {IMAGE}; it has {known.describe()}; expected\n'
            f'{TREE}'
        )
    stream = known.only(spikes, IMAGE, 'give the full name of one')
    return [stream, *known.ending(stream.rpartition('/')[2], IMAGE)]


def _messages(
    reader: AnyReader, topic: str | None, start_ns: int | None = None, stop_ns: int | None = None
) -> Iterator[tuple[int, Any]]:
    """Yield recording times and decoded messages of a topic within a span of these times."""
    wanted = [connection for connection in reader.connections if connection.topic == topic]
    if wanted:
        for connection, recorded_ns, data in reader.messages(wanted, start_ns, stop_ns):
            yield recorded_ns, reader.deserialize(data, connection.msgtype)


def _calibration(
    reader: AnyReader, topic: str | None, size: str
) -> tuple[Geometry, Calibration | None]:
    """Return sensor size and calibration; None: the bag has none, the option tells the size."""
    for _, message in _messages(reader, topic):
        try:
            given = Calibration.from_message(message)
        except CalibrationError as error:
            raise DataSetError(f'{topic}: {error}') from error
        return Geometry(given.height, given.width), given
    if not size:
        raise DataSetError(
            'the bag has no camera_info, which tells the size of the sensor; give it with the '
            'option size, for instance 400x250'
        )
    width, height = recordings.parse_size(size)
    return Geometry(height, width), None


def _packets(
    reader: AnyReader, topic: str, geometry: Geometry, cut: str
) -> tuple[BitOrder, list[_Packet], list[str]]:
    """Return bit order, packets in the order of their stamps, and names of invalid messages.

    Args:
        reader: The bag.
        topic: Topic of the stream.
        geometry: Size of the sensor.
        cut: How pictures are made of the full sensor; empty: they are it.
    """
    where = f'{reader.paths[0]}: {topic}'
    packets, orders, frames, refused = [], set(), set(), []
    for recorded_ns, message in _messages(reader, topic):
        stamp = stamp_ns(message.header.stamp)
        try:
            chunk = chunk_from_msg(message, geometry.height, geometry.width)
        except PacketError as error:
            why = f'{error} ({cut})' if cut else str(error)
            refused.append(f'{topic} at {stamp} ns: {why}')
            continue
        packets.append(_Packet(recorded_ns, stamp, chunk.planes))
        orders.add(chunk.geometry.bit_order)
        frames.add(message.header.frame_id.lstrip('/'))
    if len(frames) > 1:
        raise DataSetError(
            f'{where}: packets of the frames {", ".join(sorted(map(repr, frames)))}: expected '
            'one camera; record each camera by a topic of its own'
        )
    if len(orders) > 1:
        raise DataSetError(f'{where}: bit orders {sorted(orders)}, expected one')
    if back_ns := _set_back_ns(packets):
        raise DataSetError(
            f'{where}: the clock was set back by {back_ns / 1e9:.3g} s within the bag, so that '
            'planes of two times have one stamp: expected one run; record each into its own bag'
        )
    packets.sort(key=lambda packet: packet.stamp_ns)
    if _are_interleaved(packets):
        raise DataSetError(
            f'{where}: packets of two streams in turn, or the same loss after every other packet: '
            'expected one camera; record each camera by a topic of its own'
        )
    once = {packet.stamp_ns: packet for packet in packets}
    return 'big' if 'big' in orders else 'little', [*once.values()], refused


def _set_back_ns(packets: list[_Packet]) -> int:
    """Return by how much the clock was set back as packets were recorded, ns; 0: never.

    Within :data:`SORT_NS` it is a matter of order, and of a single packet of its stamp.
    """
    newest_ns: list[int] = []  # two, as a single one may be wrong
    for before, packet in itertools.pairwise(packets):
        newest_ns = sorted([*newest_ns, before.stamp_ns])[-2:]
        back_ns = newest_ns[0] - packet.stamp_ns
        if back_ns > SORT_NS and newest_ns[0] - before.stamp_ns > SORT_NS:
            return back_ns
    return 0


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


def _stamps(reader: AnyReader, topic: str) -> tuple[dict[int, _DepthAt], list[str]]:
    """Return the locations of depth images by stamp, and names of messages of other encodings."""
    found, refused = {}, []
    for recorded_ns, message in _messages(reader, topic):
        stamp = stamp_ns(message.header.stamp)
        if message.encoding in ('32FC1', '16UC1'):
            found[stamp] = _DepthAt(topic, recorded_ns, stamp)
        else:
            refused.append(f'{topic} at {stamp} ns ({message.encoding!r})')
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
