# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of rosbag2 recordings (SQLite or MCAP) of a packed spike stream, with depth if recorded.

See docs/reference/wire_format.md for the stream. A gap in the stream begins another clip. Planes
are counted
by stamps; a depth image belongs to the plane that is nearest to its stamp. Of two eyes, a clip is
a time in which both streams have no gap; windows are paired by their middle planes, as
:mod:`spike_depth_ros.stereo.pairing` does it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spike_depth_ros.geometry.calibration import Calibration, CalibrationError
from spike_depth_ros.geometry.rectification import Rectification, check_camera
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.io.bags.bag import Bag, BagError, decode
from spike_depth_ros.io.streams import Index, Load, Section, SizedStream, index
from spike_depth_ros.io.topics import CAMERA_INFO, IMAGE
from spike_depth_ros.stream.chunk import Geometry, PackedPlanes
from spike_depth_ros.stream.decode import (
    METRES,
    MILLIMETRES,
    PacketError,
    stamp_ns,
    truth_from_msg,
)
from spike_depth_ros.stream.stamps import differs
from spike_depth_ros.stream.window import reference_index
from spike_depth_ros.tools.arguments import OptionalFocalLength, parse_size
from spike_training.datasets.clip import Depth, Matrix, RightSpikes, SpikeClip
from spike_training.datasets.readers import files, pairs, recordings
from spike_training.datasets.readers.options import checked
from spike_training.errors import DataSetError, FrameError

TREE = """\
  ROOT/metadata.yaml and ROOT/*.db3 or ROOT/*.mcap, with the topics
    spikes        sensor_msgs/Image, packed planes
    camera_info   sensor_msgs/CameraInfo, sensor size and camera matrix
    depth/truth   sensor_msgs/Image, 32FC1 metres or 16UC1 millimetres
  and of pairs, by the options spikes and right, left/spikes, left/camera_info, right/spikes and
  right/camera_info"""

SET = files.DataSet('rosbag', TREE)

PLAUSIBLE_M = (files.INDOOR_M[0], files.OUTDOOR_M[1])

GIVE_SIZE = 'give it with the option size, for instance 400x250'

RECOVER = (
    'write the planes that can be read to a .dat file with spike_convert --allow-gaps, or recover '
    'the bag (docs/tasks/record.md)'
)


class _Eye(NamedTuple):
    """Stream of one camera, and where it was found."""

    topics: list[str]  # its own, then those of all cameras
    packets: Index
    sections: list[Section]

    @property
    def geometry(self) -> Geometry:
        return self.packets.geometry

    @property
    def calibration(self) -> Calibration | None:
        return self.packets.stream.calibration

    @property
    def period_ns(self) -> float:
        return self.sections[0].period_ns


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
    with _opened(root) as bag:
        stream, _ = _stream(bag, spikes, 'camera_info', size)
        return Geometry(stream.height, stream.width)


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
    with _opened(root) as bag:
        left = _eye(bag, names.spikes, names.camera_info, size)
        other = _eye(bag, names.right, names.right_camera_info, size) if names.right else None
        maps, unread = _depth_maps(bag, bag.known.nearest(names.depth, IMAGE, left.topics))
    refused = _refused(left.packets) + ([] if other is None else _refused(other.packets))
    skipped = {'not a packet of planes': refused} if refused else {}
    skipped |= (
        {'true depth of an encoding other than 32FC1 (metres) and 16UC1 (millimetres)': unread}
        if unread
        else {}
    )
    total = (
        len(left.packets.places) + (0 if other is None else len(other.packets.places)) + len(maps)
    )
    files.check_share(skipped, total + len(refused) + len(unread), str(root))
    if other is None:
        camera, lens = _camera(root, left, fx)
        clips = [_clip(bag, part, camera, maps) for part in left.sections]
    else:
        rig = _rig(root, left, other, given)
        lens = rig.rectifications[0]
        camera = np.array(rig.left.p, np.float64).reshape(3, 4)[:, :3]
        clips = _paired(bag, (left, other), camera, rig, maps)
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


@contextlib.contextmanager
def _opened(root: Path) -> Iterator[Bag]:
    """Open a bag of which all can be read; errors become those of a data set.

    Raises:
        DataSetError: It is no bag, or damaged.
    """
    file = root / 'metadata.yaml' if root.is_dir() else root
    if not file.is_file():
        raise SET.missing(file)
    try:
        bag = Bag(root)
        yield bag
    except BagError as error:
        raise DataSetError(str(error)) from error
    if bag.damage:
        raise DataSetError(f'{root}: cannot be read: {bag.damage[0]}: {RECOVER}')


def _stream(bag: Bag, spikes: str, camera_info: str, size: str) -> tuple[SizedStream, list[str]]:
    """Return the stream of a camera, and its topic with those of other cameras."""
    topics = _streams(bag, spikes)
    info = bag.known.nearest(camera_info, CAMERA_INFO, topics)
    given = parse_size(size, DataSetError) if size else None
    return SizedStream(bag, topics[0], info, given, GIVE_SIZE), topics


def _eye(bag: Bag, spikes: str, camera_info: str, size: str) -> _Eye:
    """Return the stream of a camera, of its topic and that of its calibration."""
    stream, topics = _stream(bag, spikes, camera_info, size)
    found = index(stream)
    if not found.places:
        refused = _refused(found)
        files.check_share({'not a packet of planes': refused}, len(refused), str(bag.path))
        raise DataSetError(f'{bag.path}: topic {spikes} holds no packet, expected one or more')
    return _Eye(topics, found, found.sections())


def _refused(packets: Index) -> list[str]:
    """Return the messages of a stream that are no packets, with the reason of each."""
    topic = packets.stream.topic
    return [
        f'{topic} at {one.recorded_ns if one.stamp_ns is None else one.stamp_ns} ns: {one.reason}'
        for one in packets.refused
    ]


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
    matrix: Matrix = (given if lens is None else lens.rectified).matrix
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
    bag: Bag,
    eyes: tuple[_Eye, _Eye],
    camera: Matrix,
    rig: StereoRig,
    maps: dict[int, _DepthAt],
) -> list[SpikeClip]:
    """Return the clips of the times in which both streams have no gap."""
    left, right = eyes
    clips = []
    for part, other in itertools.product(left.sections, right.sections):
        times = _Times(part, other)
        if times.planes:
            clip = _clip(bag, part, camera, maps)
            clip = clip.between(times.first, times.first + times.planes)
            load = times.paired(_loader(other))
            clips.append(dataclasses.replace(clip, right=RightSpikes(load, rig)))
    if not clips:
        behind_s = (left.packets.places[-1].stamp_ns - right.packets.places[-1].stamp_ns) / 1e9
        raise DataSetError(
            f'{bag.path}: stamps do not overlap: those of {right.topics[0]} end '
            f'{abs(behind_s):.6g} s {"before" if behind_s > 0 else "after"} those of '
            f'{left.topics[0]}: stamp both by one clock'
        )
    return clips


class _Times:
    """Time that a left and a right part have in common.

    Args:
        left: Part of the left stream.
        right: Part of the right stream.

    Attributes:
        first: First left plane that has a right one.
        planes: Number of planes that both have; 0: there is no such time.
    """

    def __init__(self, left: Section, right: Section) -> None:
        self._left, self._right = left, right
        self.first = max(0, left.plane_at(right.stamp_of(0)))
        last = min(left.planes - 1, left.plane_at(right.stamp_of(right.planes - 1)))
        ends = [self._beside(plane) for plane in (self.first, last)]
        # Where clocks drift, one eye has fewer planes than the other.
        self.planes = max(0, min(last - self.first, ends[1] - ends[0]) + 1)

    def paired(self, load: Load) -> Load:
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


def _loader(part: Section) -> Load:
    """Return the function that loads planes of a section, whose errors are those of a frame."""

    def load(start: int, stop: int) -> PackedPlanes:
        try:
            return part.load(start, stop)
        except BagError as error:
            raise FrameError(str(error)) from error

    return load


def _clip(bag: Bag, part: Section, camera: Matrix | None, maps: dict[int, _DepthAt]) -> SpikeClip:
    places = {part.plane_at(stamp): place for stamp, place in maps.items()}
    labelled = tuple(sorted(plane for plane in places if 0 <= plane < part.planes))
    return SpikeClip(
        f'rosbag/{bag.path.stem}',
        part.geometry,
        part.planes,
        1e9 / part.period_ns,
        camera,
        _loader(part),
        labelled,
        tuple(_depth(bag, places[plane], part.geometry) for plane in labelled),
    )


class _DepthAt(NamedTuple):
    """Location of a depth image in the bag."""

    topic: str
    recorded_ns: int
    stamp_ns: int


def _depth_maps(bag: Bag, topic: str | None) -> tuple[dict[int, _DepthAt], list[str]]:
    """Return the locations of depth images by stamp, and names of messages of other encodings."""
    found, refused = {}, []
    for entry in bag.messages([topic]) if topic is not None else ():
        message = decode(entry.data, IMAGE)
        stamp = stamp_ns(message.header.stamp)
        if message.encoding in (METRES, MILLIMETRES):
            found[stamp] = _DepthAt(entry.topic, entry.time_ns, stamp)
        else:
            refused.append(f'{entry.topic} at {stamp} ns ({message.encoding!r})')
    return found, refused


def _depth(bag: Bag, place: _DepthAt, geometry: Geometry) -> Callable[[], Depth]:
    """Return a function that reads a depth image, which must be of the sensor's size."""
    name = f'{bag.path}: depth at {place.stamp_ns} ns'

    def read_it() -> Depth:
        try:
            for entry in bag.messages([place.topic], place.recorded_ns, place.recorded_ns + 1):
                message = decode(entry.data, IMAGE)
                if stamp_ns(message.header.stamp) == place.stamp_ns:
                    depth = _checked(truth_from_msg(message), geometry)
                    files.check_unit(name, depth)
                    return depth
        except (BagError, PacketError) as error:
            raise FrameError(f'{name}: {error}') from error
        raise FrameError(f'{name}: it is gone')

    return read_it


def _checked(depth: Depth, geometry: Geometry) -> Depth:
    if depth.shape != (geometry.height, geometry.width):
        raise FrameError(
            f'depth of {list(depth.shape)} pixels, expected the size of the sensor, '
            f'{[geometry.height, geometry.width]}'
        )
    return depth


def _streams(bag: Bag, spikes: str) -> list[str]:
    """Return the topic of the stream that a name tells, then those of all cameras."""
    known = bag.known
    if not known.ending(spikes, IMAGE):
        raise DataSetError(
            f'{known.place}: no topic {spikes} of {IMAGE}; it has {known.describe()}; expected\n'
            f'{TREE}'
        )
    stream = known.only(spikes, IMAGE, 'give the full name of one')
    return [stream, *known.ending(stream.rpartition('/')[2], IMAGE)]
