# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sources of the player: a recording, a pipe or a bag, as packets with their times."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sensor_msgs.msg import CameraInfo

from spike_depth_ros.calibration import Calibration
from spike_depth_ros.nodes import process
from spike_depth_ros.nodes.calibration import (
    CalibrationError,
    camera_info_from_matrix,
    camera_info_from_yaml,
    set_fields,
)
from spike_depth_ros.stream.chunk import Geometry, PackedPlanes
from spike_depth_ros.stream.decode import ImageMessage, PacketError, chunk_from_msg, stamp_ns
from spike_depth_ros.stream.plane_clock import (
    FRAME_ID,
    NANOSECONDS,
    PLANES_PER_PACKET,
    PlaneClock,
)
from spike_depth_ros.stream.recording import (
    RecordingError,
    WaitingPipe,
    is_bag,
    open_recording,
    read_pipe,
)

MAX_JUMP_S = 10
"""Largest step between stamps of a bag, seconds, as the player waits for each stamp."""


class Packet(NamedTuple):
    """Planes of one message.

    Attributes:
        data: Packed planes, ``[planes, height, row_bytes]`` uint8.
        start_ns: Time of the first plane since the stream's first plane, nanoseconds.
        end_ns: End of the last plane, likewise.
    """

    data: PackedPlanes
    start_ns: int
    end_ns: int


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
    """Opened source of planes.

    Attributes:
        items: Packets and true depth, in the order to send.
        geometry: Sensor size and bit order.
        rate_hz: Planes a second.
        camera: Camera info; its frame is that of all messages.
        pipe: The pipe; None: a file or bag.
        has_truth: True if items may be true depth.
        damage: Parts that could not be read so far, one line each.
    """

    items: Iterator[Packet | TrueDepth]
    geometry: Geometry
    rate_hz: float
    camera: CameraInfo
    pipe: WaitingPipe | None = None
    has_truth: bool = False
    damage: list[str] = dataclasses.field(default_factory=list)


def open_source(options: argparse.Namespace, keep_going: Callable[[], bool]) -> Source:
    """Open the source on the command line.

    Args:
        options: The parsed command line.
        keep_going: Called while a pipe has no bytes; False ends its packets.

    Raises:
        process.UserError: It cannot be played.
    """
    path = Path(options.source)
    try:
        if options.source == '-' or (path.exists() and stat.S_ISFIFO(path.stat().st_mode)):
            source = _open_pipe(options, keep_going)
        elif is_bag(path):
            source = _open_bag(path, options)
        else:
            source = _open_file(path, options)
        if options.camera_info or options.fx:
            frame = source.camera.header.frame_id
            source.camera = _given_camera(options, source.geometry)
            source.camera.header.frame_id = frame
    except (RecordingError, CalibrationError, OSError) as error:
        raise process.UserError(str(error)) from error
    if options.frame_id:
        source.camera.header.frame_id = options.frame_id
    if options.planes:
        source.items = _limited(source.items, options.planes)
    return source


def _given_camera(options: argparse.Namespace, geometry: Geometry) -> CameraInfo:
    """Return the camera info of the command line, which replaces the recording's."""
    width, height = geometry.width, geometry.height
    if options.camera_info:
        return camera_info_from_yaml(options.camera_info, width, height)
    info = CameraInfo(width=width, height=height)
    set_fields(info, Calibration.from_focal_length(options.fx, width, height))
    return info


def _open_file(path: Path, options: argparse.Namespace) -> Source:
    recording = open_recording(
        path, options.size, options.bit_order, options.row_order, options.allow_partial
    )
    geometry = recording.geometry
    rate_hz = options.rate or recording.rate_hz
    if rate_hz is None:
        raise _unknown_rate(options)
    size = options.planes_per_packet or PLANES_PER_PACKET
    starts = range(0, len(recording.planes), size)
    blocks = (
        recording.read(start, start + size)
        for start in (itertools.cycle(starts) if options.loop else starts)
    )
    camera = camera_info_from_matrix(recording.camera_matrix, geometry.width, geometry.height)
    camera.header.frame_id = FRAME_ID
    return Source(_counted(blocks, rate_hz), geometry, float(rate_hz), camera)


def _open_pipe(options: argparse.Namespace, keep_going: Callable[[], bool]) -> Source:
    if options.size is None:
        raise process.UserError(
            'the sensor size of a pipe is unknown; give it, for example --size 400x250'
        )
    width, height = options.size
    geometry = Geometry(height, width, options.bit_order)
    if options.rate is None:
        raise _unknown_rate(options)
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
    return Source(_counted(blocks, options.rate), geometry, options.rate, camera, pipe)


def _unknown_rate(options: argparse.Namespace) -> process.UserError:
    return process.UserError(
        f'{options.source}: the plane rate is not in the recording; give it, for example '
        '--rate 20000'
    )


def _counted(blocks: Iterable[PackedPlanes], rate_hz: float) -> Iterator[Packet]:
    """Yield blocks as packets, with times from the count of planes."""
    clock, planes = PlaneClock(rate_hz), 0
    for block in blocks:
        start_ns = clock.since_start_ns(planes)
        planes += len(block)
        yield Packet(block, start_ns, clock.since_start_ns(planes))


def _limited(items: Iterator[Packet | TrueDepth], planes: int) -> Iterator[Packet | TrueDepth]:
    """Yield the items up to a number of planes; the last packet is cut."""
    for item in items:
        if isinstance(item, Packet):
            share = min(planes, len(item.data))
            length_ns = item.end_ns - item.start_ns
            end_ns = item.start_ns + length_ns * share // len(item.data)
            yield Packet(item.data[:share], item.start_ns, end_ns)
            planes -= share
            if not planes:
                return
        else:
            yield item


def _open_bag(path: Path, options: argparse.Namespace) -> Source:
    try:
        # Imported here: files are played without rosbags.
        from spike_depth_ros.bags.bag import Bag, BagError
        from spike_depth_ros.evaluation.lockstep import choose_topics
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
        topics = choose_topics(bag, options.topic, None, options.truth)
        camera = _bag_camera(bag, topics.camera_info, options)
        stream = _BagStream(bag, topics, (camera.height, camera.width))
    except BagError as error:
        raise process.UserError(str(error)) from error
    camera.header.frame_id = stream.frame_id
    return Source(
        stream.items(options.loop),
        stream.geometry,
        NANOSECONDS / stream.period_ns,
        camera,
        has_truth=topics.truth is not None,
        damage=bag.damage,
    )


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


class _BagStream:
    """Packets and true depth of a bag, with times since the first plane.

    Raises:
        process.UserError: The bag has no two packets to compute the plane rate from.
    """

    def __init__(self, bag: Any, topics: Any, size: tuple[int, int]) -> None:
        self._bag = bag
        self._topics = topics
        self._size = size
        packets = bag.messages([topics.spikes])
        first, second = self._message(next(packets, None)), self._message(next(packets, None))
        if first is None or second is None:
            raise process.UserError(
                f'{bag.path}: topic {topics.spikes} has fewer than two packets: expected at least '
                'two, whose stamps give the plane rate'
            )
        try:
            chunk = chunk_from_msg(first, *size)
        except PacketError as error:
            raise process.UserError(f'{bag.path}: topic {topics.spikes}: {error}') from error
        self.geometry = chunk.geometry
        self.frame_id = str(first.header.frame_id)
        self._first_ns = chunk.t0_ns
        step_ns = stamp_ns(second.header.stamp) - chunk.t0_ns
        if not 0 < step_ns <= MAX_JUMP_S * NANOSECONDS:
            raise process.UserError(
                f'{bag.path}: topic {topics.spikes}: the stamps of its first two packets are '
                f'{step_ns / NANOSECONDS:g} s apart; expected above 0 and at most {MAX_JUMP_S} s: '
                'a stamp is wrong, cut the bag after it or correct it'
            )
        self.period_ns = max(1.0, step_ns / chunk.planes)

    def items(self, loop: bool) -> Iterator[Packet | TrueDepth]:
        """Yield the items of the bag in order; with ``loop`` repeatedly, with continued times."""
        offset_ns = 0
        while True:
            end_ns = offset_ns
            for item in self._once():
                if isinstance(item, Packet):
                    packet = Packet(item.data, item.start_ns + offset_ns, item.end_ns + offset_ns)
                    end_ns = packet.end_ns
                    yield packet
                else:
                    yield TrueDepth(item.message, item.at_ns + offset_ns)
            if not loop or end_ns == offset_ns:
                return
            offset_ns = end_ns

    def _once(self) -> Iterator[Packet | TrueDepth]:
        wanted = [name for name in (self._topics.spikes, self._topics.truth) if name is not None]
        last_ns, jumped = 0, False
        for entry in self._bag.messages(wanted):
            message = self._message(entry)
            if message is None:
                continue
            at_ns = stamp_ns(message.header.stamp) - self._first_ns
            step_s = (at_ns - last_ns) / NANOSECONDS
            if abs(step_s) > MAX_JUMP_S:
                if not jumped:  # one line, however many follow
                    self._note(
                        f'its stamp is {step_s:g} s after the packet before it, expected at most '
                        f'{MAX_JUMP_S} s either way: where the recording paused, play the parts '
                        'from bags of their own'
                    )
                jumped = True
                continue
            if entry.topic == self._topics.truth:
                yield TrueDepth(message, at_ns)
                continue
            try:
                chunk = chunk_from_msg(message, *self._size)
            except PacketError as error:
                self._note(str(error))
                continue
            last_ns = at_ns
            yield Packet(chunk.data, at_ns, at_ns + round(chunk.planes * self.period_ns))

    def _message(self, entry: Any) -> Any:
        """Decode the image of a bag's entry; None without an entry, or if it is damaged."""
        from spike_depth_ros.bags.bag import IMAGE, BagError, decode

        try:
            return decode(entry.data, IMAGE) if entry is not None else None
        except BagError as error:
            self._note(str(error))
            return None

    def _note(self, text: str) -> None:
        text = f'a packet was left out: {text}'
        if text not in self._bag.damage:
            self._bag.damage.append(text)
