# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sources of the player: recordings, a pipe or a bag, as packets with their times."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sensor_msgs.msg import CameraInfo

from spike_depth_ros.arguments import MAX_FX_PX, MIN_FX_PX
from spike_depth_ros.calibration import Calibration, read_calibration
from spike_depth_ros.nodes import process
from spike_depth_ros.nodes.calibration import (
    CalibrationError,
    camera_info_from_matrix,
    set_fields,
)
from spike_depth_ros.stereo.rig import SAME_FOCAL, StereoRig
from spike_depth_ros.stream.chunk import Geometry, PackedPlanes
from spike_depth_ros.stream.decode import ImageMessage, PacketError, chunk_from_msg, stamp_ns
from spike_depth_ros.stream.plane_clock import (
    FRAME_ID,
    NANOSECONDS,
    PLANES_PER_PACKET,
    PlaneClock,
)
from spike_depth_ros.stream.recording import (
    Recording,
    RecordingError,
    WaitingPipe,
    is_bag,
    open_recording,
    read_pipe,
)

MAX_JUMP_S = 10
"""Largest step between stamps of a bag, seconds, as the player waits for each stamp."""

EYES = ('left', 'right')
"""Two cameras, in the order of their numbers."""

MIN_BASELINE_M, MAX_BASELINE_M = 1e-3, 100.0
"""Valid distances of two cameras, metres."""

SAME_RATE = 0.1
"""Largest relative difference of plane rates of a bag that are equal: each is of two stamps."""


class Packet(NamedTuple):
    """Planes of one message.

    Attributes:
        data: Packed planes, ``[planes, height, row_bytes]`` uint8.
        start_ns: Time of the first plane since the stream's first plane, nanoseconds.
        end_ns: End of the last plane, likewise.
        eye: Number of the camera: 0, the left or only one; 1, the right one.
    """

    data: PackedPlanes
    start_ns: int
    end_ns: int
    eye: int = 0


class TrueDepth(NamedTuple):
    """True depth image of a bag.

    Attributes:
        message: Its message.
        at_ns: Its time since the stream's first plane, nanoseconds.
    """

    message: ImageMessage
    at_ns: int


@dataclasses.dataclass
class Source:
    """Opened source of planes, of one camera or of a left and a right one.

    Attributes:
        items: Packets and true depth, in the order to send.
        geometry: Sensor size and bit order of each camera.
        rate_hz: Planes a second.
        cameras: Camera info of each camera; its frame is that of the camera's messages.
        ahead_ns: Time by which a camera's stamps are ahead of its packets, for each camera,
            nanoseconds; not 0 for one of two clocks.
        pipe: The pipe; None: a file or bag.
        has_truth: True if items may be true depth.
        damage: Parts that could not be read so far, one line each.
        warnings: What the user should know before the start, one line each.
    """

    items: Iterator[Packet | TrueDepth]
    geometry: Geometry
    rate_hz: float
    cameras: Sequence[CameraInfo]
    ahead_ns: Sequence[int] = (0, 0)
    pipe: WaitingPipe | None = None
    has_truth: bool = False
    damage: list[str] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)

    @property
    def prefixes(self) -> list[str]:
        """Prefix of the topics of each camera."""
        return [''] if len(self.cameras) == 1 else [f'{eye}/' for eye in EYES]


def open_source(options: argparse.Namespace, keep_going: Callable[[], bool]) -> Source:
    """Open the source on the command line.

    Args:
        options: The parsed command line.
        keep_going: Called while a pipe has no bytes; False ends its packets.

    Raises:
        process.UserError: It cannot be played.
    """
    try:
        source = _open(options, keep_going)
        if given := _given_calibrations(source, options):
            source.cameras = [
                _calibrated(*pair) for pair in zip(source.cameras, given, strict=True)
            ]
    except (RecordingError, CalibrationError, OSError) as error:
        raise process.UserError(str(error)) from error
    if options.frame_id:
        source.cameras[0].header.frame_id = options.frame_id
    if options.planes:
        source.items = _limited(source.items, options.planes, len(source.cameras))
    return source


def _open(options: argparse.Namespace, keep_going: Callable[[], bool]) -> Source:
    path = Path(options.source)
    if options.right is not None:
        _check_pair(options)
        return _open_files([path, Path(options.right)], options)
    if _is_pipe(options.source):
        return _open_pipe(options, keep_going)
    return _open_bag(path, options) if is_bag(path) else _open_files([path], options)


def _is_pipe(source: str) -> bool:
    path = Path(source)
    return source == '-' or (path.exists() and stat.S_ISFIFO(path.stat().st_mode))


def _check_pair(options: argparse.Namespace) -> None:
    """Refuse what does not play beside another camera.

    Raises:
        process.UserError: A source is a pipe or a bag, or the option of a bag is given.
    """
    if options.topic is not None:
        raise process.UserError(
            '--topic is a stream of a bag, --right a second file: leave one of them out'
        )
    for source in (options.source, options.right):
        if _is_pipe(source):
            raise process.UserError(
                f'{Path(source)}: is a pipe; expected files of both cameras with --right: record '
                'it first'
            )
        if is_bag(Path(source)):
            raise process.UserError(
                f'{Path(source)}: is a bag; expected files of both cameras with --right: leave it '
                'out to play left/spikes and right/spikes of one bag'
            )


def _given_calibrations(source: Source, options: argparse.Namespace) -> Sequence[Calibration]:
    """Return the calibrations of the command line, which replace the recording's.

    Returns:
        One for each camera; none: they are not given.

    Raises:
        CalibrationError: They cannot be used.
        process.UserError: The options do not fit together, or do not fit the source.
    """
    size = source.geometry.width, source.geometry.height
    if len(source.cameras) == len(EYES):
        rig = _given_rig(source, options, *size)
        return () if rig is None else (rig.left, rig.right)
    if options.baseline is not None or options.right_camera_info is not None:
        raise process.UserError(
            f'{options.source}: plays as one camera, --baseline and --right-camera-info are of '
            'two: leave them out, or play two files with --right, or a bag with left/spikes and '
            'right/spikes'
        )
    if options.camera_info:
        return (read_calibration(options.camera_info, *size),)
    return (Calibration.from_focal_length(options.fx, *size),) if options.fx else ()


def _given_rig(
    source: Source, options: argparse.Namespace, width: int, height: int
) -> StereoRig | None:
    """Return the rig of the command line; None: a bag plays with its own calibrations."""
    values = {
        '--baseline': options.baseline,
        '--fx': options.fx,
        '--camera-info': options.camera_info,
        '--right-camera-info': options.right_camera_info,
    }
    given = [name for name, value in values.items() if value is not None]
    if given == ['--camera-info', '--right-camera-info']:
        files = options.camera_info, options.right_camera_info
        return StereoRig.from_files(*files, width, height)
    if given in (['--baseline'], ['--baseline', '--fx']):
        if not MIN_BASELINE_M <= options.baseline <= MAX_BASELINE_M:
            raise process.UserError(
                f'--baseline {options.baseline:g}: expected {MIN_BASELINE_M:g} to '
                f'{MAX_BASELINE_M:g} metres from the left to the right camera'
            )
        fx_px = options.fx or _known_focal_length(source, options)
        return StereoRig.from_baseline(options.baseline, fx_px, width, height)
    if given or options.right is not None:  # a bag may hold both calibrations
        raise process.UserError(
            f'two cameras with {" and ".join(given) or "no calibration"}; expected either '
            '--baseline and --fx, or --camera-info and --right-camera-info'
        )
    return None


def _known_focal_length(source: Source, options: argparse.Namespace) -> float:
    """Return the focal length that the recordings hold, pixels.

    Raises:
        process.UserError: They hold none, or none that both cameras can have.
    """
    known = [float(camera.k[0]) for camera in source.cameras if camera.k[0]]
    if not known:
        raise process.UserError(
            f'{options.source}: --baseline needs a focal length, which is not in the recording; '
            'give it, for example --fx 430'
        )
    low, high = min(known), max(known)
    if not MIN_FX_PX <= low <= high <= min(MAX_FX_PX, low * (1 + SAME_FOCAL)):
        raise process.UserError(
            f'{options.source}: the recorded focal lengths are '
            f'{" and ".join(format(one, "g") for one in known)} pixels; expected equal ones of '
            f'{MIN_FX_PX:g} to {MAX_FX_PX:g}: give --fx, or --camera-info and '
            '--right-camera-info in place of --baseline'
        )
    return known[0]


def _calibrated(camera: CameraInfo, calibration: Calibration) -> CameraInfo:
    """Return the camera info of a calibration, in the frame of another one."""
    info = CameraInfo(header=camera.header, width=calibration.width, height=calibration.height)
    set_fields(info, calibration)
    return info


def _open_files(paths: Sequence[Path], options: argparse.Namespace) -> Source:
    """Open the file of one camera, or those of a left and a right one."""
    recordings = [
        open_recording(
            path, options.size, options.bit_order, options.row_order, options.allow_partial
        )
        for path in paths
    ]
    geometry = _same_geometry(paths, [recording.geometry for recording in recordings])
    rate_hz = options.rate or _same_rate(paths, recordings)
    planes, warnings = _same_length(paths, recordings)
    size = options.planes_per_packet or PLANES_PER_PACKET
    starts = range(0, planes, size)
    blocks = (
        [recording.read(start, min(start + size, planes)) for recording in recordings]
        for start in (itertools.cycle(starts) if options.loop else starts)
    )
    frames = [FRAME_ID] if len(paths) == 1 else [f'{eye}_{FRAME_ID}' for eye in EYES]
    cameras = []
    for recording, frame in zip(recordings, frames, strict=True):
        matrix = recording.camera_matrix
        cameras.append(camera_info_from_matrix(matrix, geometry.width, geometry.height))
        cameras[-1].header.frame_id = frame
    items = _counted(blocks, rate_hz)
    return Source(items, geometry, float(rate_hz), cameras, warnings=warnings)


def _same_geometry(names: Sequence[object], geometries: Sequence[Geometry]) -> Geometry:
    """Return the sensor size and bit order of all streams.

    Raises:
        process.UserError: They differ.
    """
    if geometries[0] != geometries[-1]:
        raise process.UserError(
            f'{names[-1]}: its planes are {geometries[-1]}; expected {geometries[0]} as of '
            f'{names[0]}: choose the streams of one pair, or play each alone'
        )
    return geometries[0]


def _same_rate(paths: Sequence[Path], recordings: Sequence[Recording]) -> float:
    """Return the plane rate that all files hold.

    Raises:
        process.UserError: One does not hold it, or they differ.
    """
    rates = []
    for path, recording in zip(paths, recordings, strict=True):
        if recording.rate_hz is None:
            raise _unknown_rate(str(path))
        rates.append(recording.rate_hz)
    if rates[0] != rates[-1]:
        raise process.UserError(
            f'{paths[-1]}: has {rates[-1]:.12g} planes/s; expected {rates[0]:.12g} as of '
            f'{paths[0]}: two cameras have one rate; where a file is wrong, give the true one '
            'with --rate'
        )
    return rates[0]


def _same_length(paths: Sequence[Path], recordings: Sequence[Recording]) -> tuple[int, list[str]]:
    """Return the planes to play of each file, and a warning if others are left out."""
    lengths = [len(recording.planes) for recording in recordings]
    planes = min(lengths)
    if planes == max(lengths):
        return planes, []
    found = ' and '.join(map('{} has {} planes'.format, paths, lengths))
    return planes, [f'{found}: only the first {planes} of both are played']


def _open_pipe(options: argparse.Namespace, keep_going: Callable[[], bool]) -> Source:
    if options.size is None:
        raise process.UserError(
            'the sensor size of a pipe is unknown; give it, for example --size 400x250'
        )
    width, height = options.size
    geometry = Geometry(height, width, options.bit_order)
    if options.rate is None:
        raise _unknown_rate(options.source)
    if options.source != '-':
        pipe = WaitingPipe(Path(options.source))
    elif sys.stdin is not None:
        pipe = WaitingPipe(sys.stdin.fileno())
    else:
        raise process.UserError('standard input is closed; pipe the planes into it')
    size = options.planes_per_packet or PLANES_PER_PACKET
    blocks = read_pipe(pipe, geometry, size, options.row_order, keep_going)
    camera = camera_info_from_matrix(None, width, height)
    camera.header.frame_id = FRAME_ID
    items = _counted(([block] for block in blocks), options.rate)
    return Source(items, geometry, options.rate, [camera], pipe=pipe)


def _unknown_rate(name: str) -> process.UserError:
    return process.UserError(
        f'{name}: the plane rate is not in the recording; give it, for example --rate 20000'
    )


def _counted(blocks: Iterable[Sequence[PackedPlanes]], rate_hz: float) -> Iterator[Packet]:
    """Yield blocks of all cameras as packets, with times from the count of planes.

    Args:
        blocks: Planes of one time, as many of each camera.
        rate_hz: Planes a second.
    """
    clock, planes = PlaneClock(rate_hz), 0
    for eyes in blocks:
        start_ns = clock.since_start_ns(planes)
        planes += len(eyes[0])
        end_ns = clock.since_start_ns(planes)
        for eye, block in enumerate(eyes):
            yield Packet(block, start_ns, end_ns, eye)


def _limited(
    items: Iterator[Packet | TrueDepth], planes: int, cameras: int
) -> Iterator[Packet | TrueDepth]:
    """Yield the items up to a number of planes of each camera; the last packet is cut."""
    remaining = [planes] * cameras
    for item in items:
        if not isinstance(item, Packet):
            yield item
            continue
        share = min(remaining[item.eye], len(item.data))
        if share:
            length_ns = (item.end_ns - item.start_ns) * share // len(item.data)
            yield item._replace(data=item.data[:share], end_ns=item.start_ns + length_ns)
        remaining[item.eye] -= share
        if not any(remaining):
            return


def _open_bag(path: Path, options: argparse.Namespace) -> Source:
    try:
        # Imported here: files are played without rosbags.
        from spike_depth_ros.bags.bag import Bag, BagError
    except ImportError as error:
        raise process.UserError(
            f'{path}: reading bags needs {error.name}, which is missing: pip install rosbags'
        ) from error
    for name, given in (('rate', options.rate), ('planes-per-packet', options.planes_per_packet)):
        if given:
            raise process.UserError(
                f'{path}: --{name} does not apply to a bag, whose packets are played as recorded: '
                'leave it out '
                '(--speed makes them slower or faster)'
            )
    try:
        bag = Bag(path)
        topics = _bag_topics(bag, options)
        cameras = [_bag_camera(bag, one.camera_info, options) for one in topics]
        eyes = [
            _BagEye(bag, one.spikes, (camera.height, camera.width))
            for one, camera in zip(topics, cameras, strict=True)
        ]
        names = [f'{path}: topic {eye.topic}' for eye in eyes]
        geometry = _same_geometry(names, [eye.geometry for eye in eyes])
        stream = _BagStream(bag, eyes, topics[0].truth)
    except BagError as error:
        raise process.UserError(str(error)) from error
    for camera, eye in zip(cameras, eyes, strict=True):
        camera.header.frame_id = eye.frame_id
    return Source(
        stream.items(options.loop),
        geometry,
        eyes[0].rate_hz,
        cameras,
        stream.ahead_ns,
        has_truth=topics[0].truth is not None,
        damage=bag.damage,
        warnings=_other_rates(eyes),
    )


def _bag_topics(bag: Any, options: argparse.Namespace) -> list[Any]:
    """Return the topics of each camera to play: of the named one, of two, or of the only one."""
    from spike_depth_ros.evaluation.lockstep import NO_TRUTH, choose_topics

    # An eye without planes cannot be played beside the other.
    used = [name for name, topic in bag.topics.items() if topic.messages > 1]
    pair = [[name for name in used if name.endswith(f'/{eye}/spikes')] for eye in EYES]
    if options.topic is None and all(len(names) == 1 for names in pair):
        (left,), (right,) = pair
        return [
            choose_topics(bag, left, None, options.truth),
            choose_topics(bag, right, None, NO_TRUTH),
        ]
    return [choose_topics(bag, options.topic, None, options.truth)]


def _bag_camera(bag: Any, topic: str | None, options: argparse.Namespace) -> CameraInfo:
    """Return the first camera_info of a bag; an uncalibrated one if there is none."""
    from spike_depth_ros.bags.bag import CAMERA_INFO, decode

    first = next(bag.messages([topic]), None) if topic is not None else None
    if first is None:
        if options.size is None:
            raise process.UserError(
                f'{bag.path}: has no camera_info, so that the sensor size is unknown; give it, '
                'for example --size 400x250'
            )
        return camera_info_from_matrix(None, *options.size)
    message = decode(first.data, CAMERA_INFO)
    found = (message.width, message.height)
    if options.size not in (None, found):
        raise process.UserError(
            f'{bag.path}: its camera_info has {found[0]}x{found[1]}; expected '
            f'{options.size[0]}x{options.size[1]} as given: leave out --size'
        )
    return CameraInfo(
        height=message.height,
        width=message.width,
        distortion_model=message.distortion_model,
        d=message.d.tolist(),
        k=message.k.tolist(),
        r=message.r.tolist(),
        p=message.p.tolist(),
        binning_x=message.binning_x,
        binning_y=message.binning_y,
    )


class _BagEye:
    """Camera of a bag.

    Attributes:
        topic: Topic of its packets.
        size: Sensor (height, width), pixels.
        geometry: Sensor size and bit order.
        frame_id: Its frame.
        first_ns: Stamp of its first packet, nanoseconds.
        recorded_ns: When that was recorded, nanoseconds.
        period_ns: Time between planes, nanoseconds, at least 1.

    Raises:
        process.UserError: The bag has no two packets to compute the plane rate from.
    """

    def __init__(self, bag: Any, topic: str, size: tuple[int, int]) -> None:
        self.topic, self.size = topic, size
        packets = bag.messages([topic])
        entry = next(packets, None)
        first, second = _image(bag, entry), _image(bag, next(packets, None))
        if entry is None or first is None or second is None:
            raise process.UserError(
                f'{bag.path}: topic {topic} has fewer than two packets: expected at least '
                'two, whose stamps give the plane rate'
            )
        try:
            chunk = chunk_from_msg(first, *size)
        except PacketError as error:
            raise process.UserError(f'{bag.path}: topic {topic}: {error}') from error
        self.geometry = chunk.geometry
        self.frame_id = str(first.header.frame_id)
        self.first_ns, self.recorded_ns = chunk.t0_ns, entry.time_ns
        step_ns = stamp_ns(second.header.stamp) - chunk.t0_ns
        if not 0 < step_ns <= MAX_JUMP_S * NANOSECONDS:
            raise process.UserError(
                f'{bag.path}: topic {topic}: the stamps of its first two packets are '
                f'{step_ns / NANOSECONDS:g} s apart; expected above 0 and at most {MAX_JUMP_S} s: '
                'a stamp is wrong, cut the bag after it or correct it'
            )
        self.period_ns = max(1.0, step_ns / chunk.planes)

    @property
    def rate_hz(self) -> float:
        """Planes a second."""
        return NANOSECONDS / self.period_ns


def _other_rates(eyes: Sequence[_BagEye]) -> list[str]:
    """Return a warning if two cameras of a bag have other rates by their first stamps."""
    left, right = eyes[0], eyes[-1]
    if abs(right.rate_hz / left.rate_hz - 1) <= SAME_RATE:
        return []
    return [
        f'{left.topic} begins with {left.rate_hz:g} planes/s, {right.topic} with '
        f'{right.rate_hz:g}; expected one rate: they are played as recorded'
    ]


class _BagStream:
    """Packets and true depth of a bag, with times since its first plane.

    Args:
        bag: The bag.
        eyes: Its only camera, or its left and its right one.
        truth: Topic of true depth of the first camera; None: none.

    Attributes:
        ahead_ns: See :class:`Source`.

    Raises:
        process.UserError: Two cameras begin too far apart to be played together.
    """

    def __init__(self, bag: Any, eyes: Sequence[_BagEye], truth: str | None) -> None:
        self._bag = bag
        self._eyes = eyes
        self._truth = truth
        self._start_ns = min(eye.first_ns for eye in eyes)
        self._first_ns = [eye.first_ns - self._start_ns for eye in eyes]
        recorded_ns = min(eye.recorded_ns for eye in eyes)
        self.ahead_ns = [
            first_ns - (eye.recorded_ns - recorded_ns)
            for first_ns, eye in zip(self._first_ns, eyes, strict=True)
        ]
        apart_s = max(map(abs, (*self._first_ns, *self.ahead_ns))) / NANOSECONDS
        if apart_s > MAX_JUMP_S:
            raise process.UserError(
                f'{bag.path}: the stamps of {eyes[0].topic} and {eyes[-1].topic} begin '
                f'{apart_s:g} s apart, or apart from when they were recorded; expected at most '
                f'{MAX_JUMP_S} s: stamp both by one clock, or play one with --topic'
            )

    def items(self, loop: bool) -> Iterator[Packet | TrueDepth]:
        """Yield the items of the bag in order; with ``loop`` repeatedly, with continued times."""
        offset_ns = 0
        while True:
            length_ns = 0
            for item in self._once():
                if isinstance(item, Packet):
                    length_ns = max(length_ns, item.end_ns - self._first_ns[item.eye])
                    yield item._replace(
                        start_ns=item.start_ns + offset_ns, end_ns=item.end_ns + offset_ns
                    )
                else:
                    yield TrueDepth(item.message, item.at_ns + offset_ns)
            if not loop or not length_ns:
                return
            offset_ns += length_ns

    def _once(self) -> Iterator[Packet | TrueDepth]:
        numbers = {eye.topic: number for number, eye in enumerate(self._eyes)}
        wanted = [*numbers, *([] if self._truth is None else [self._truth])]
        last_ns, jumped = list(self._first_ns), False
        for entry in self._bag.messages(wanted):
            message = _image(self._bag, entry)
            if message is None:
                continue
            number = numbers.get(entry.topic, 0)  # true depth is of the first camera
            at_ns = stamp_ns(message.header.stamp) - self._start_ns
            step_s = (at_ns - last_ns[number]) / NANOSECONDS
            if abs(step_s) > MAX_JUMP_S:
                if not jumped:  # one line, however many follow
                    _note(
                        self._bag,
                        f'its stamp is {step_s:g} s after the packet before it, expected at most '
                        f'{MAX_JUMP_S} s either way: where the recording paused, play the parts '
                        'from bags of their own',
                    )
                jumped = True
                continue
            if entry.topic == self._truth:
                yield TrueDepth(message, at_ns)
                continue
            eye = self._eyes[number]
            try:
                chunk = chunk_from_msg(message, *eye.size)
            except PacketError as error:
                _note(self._bag, str(error))
                continue
            last_ns[number] = at_ns
            end_ns = at_ns + round(chunk.planes * eye.period_ns)
            yield Packet(chunk.data, at_ns, end_ns, number)


def _image(bag: Any, entry: Any) -> Any:
    """Decode the image of a bag's entry; None without an entry, or if it is damaged."""
    from spike_depth_ros.bags.bag import IMAGE, BagError, decode

    try:
        return decode(entry.data, IMAGE) if entry is not None else None
    except BagError as error:
        _note(bag, str(error))
        return None


def _note(bag: Any, text: str) -> None:
    text = f'a packet was left out: {text}'
    if text not in bag.damage:
        bag.damage.append(text)
