# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Source of the player from a bag: one camera, or a left and a right one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sensor_msgs.msg import CameraInfo, RegionOfInterest

from spike_depth_ros.io.bags.bag import IMAGE, Bag, BagError, BagMessage, decode
from spike_depth_ros.io.streams import Packet as RecordedPacket
from spike_depth_ros.io.streams import Refused, SizedStream, first_message
from spike_depth_ros.io.topics import CameraTopics, FrameTopics
from spike_depth_ros.nodes.parts import process
from spike_depth_ros.nodes.parts.calibration import camera_info_from_matrix
from spike_depth_ros.nodes.parts.player_packets import (
    Frame,
    Item,
    Packet,
    Source,
    TrueDepth,
    same_geometry,
)
from spike_depth_ros.stream.decode import stamp_ns
from spike_depth_ros.stream.plane_clock import NANOSECONDS
from spike_depth_ros.tools.arguments import LAYOUT_OPTIONS

MAX_JUMP_S = 10
"""Largest step between stamps of a bag, seconds, as the player waits for each stamp."""

SAME_RATE = 0.1
"""Largest relative difference of plane rates of a bag that are equal: each is of two stamps."""


def open_bag(path: Path, options: Any) -> Source:
    """Open a bag.

    Args:
        path: The bag.
        options: The parsed command line.

    Raises:
        process.UserError: It cannot be played.
    """
    for name in ('rate', 'planes_per_packet', *LAYOUT_OPTIONS):
        if getattr(options, name):
            raise process.UserError(
                f'{path}: --{name.replace("_", "-")} does not apply to a bag, whose packets are '
                'played as recorded: leave it out (--speed makes them slower or faster)'
            )
    try:
        bag = Bag(path)
        topics = _bag_topics(bag, options)
        streams = [SizedStream(bag, one.spikes, one.camera_info, options.size) for one in topics]
        for one in streams:
            one.check_size(options.size)
        eyes = [_BagEye(one) for one in streams]
        names = [f'{path}: topic {eye.topic}' for eye in eyes]
        geometry = same_geometry(names, [eye.geometry for eye in eyes])
        frames = bag.known.frames(topics, options.image)
        stream = _BagStream(bag, eyes, topics[0].truth, frames)
        frame_info = None if frames is None else _bag_info(bag, frames.camera_info)
    except BagError as error:
        raise process.UserError(str(error)) from error
    return Source(
        stream.items(options.loop),
        geometry,
        eyes[0].rate_hz,
        [eye.camera for eye in eyes],
        stream.ahead_ns,
        has_truth=topics[0].truth is not None,
        frames=frame_info,
        damage=bag.damage,
        warnings=_other_rates(eyes),
    )


def _bag_topics(bag: Bag, options: Any) -> Sequence[CameraTopics]:
    """Return the topics of each camera to play: of the named one, of two, or of the only one."""
    # An eye without planes cannot be played beside the other.
    left = bag.known.only_pair(2) if options.topic is None else None
    if left is not None:
        return bag.known.pair(left, options.truth, calibrated=False)
    return [bag.known.camera(options.topic, None, options.truth)]


def _bag_info(bag: Any, topic: str | None) -> CameraInfo:
    """Return the first camera_info of frames; one without a size if there is none."""
    message = first_message(bag, topic)
    return CameraInfo() if message is None else _camera_info(message)


def _camera_info(message: Any) -> CameraInfo:
    """Return a camera_info of a bag as a message to publish: as the driver sent it."""
    roi = message.roi
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
        roi=RegionOfInterest(
            x_offset=roi.x_offset,
            y_offset=roi.y_offset,
            height=roi.height,
            width=roi.width,
            do_rectify=bool(roi.do_rectify),
        ),
    )


class _BagEye:
    """Camera of a bag.

    Args:
        stream: Its packets.

    Attributes:
        stream: The same.
        topic: Topic of its packets.
        geometry: Sensor size and bit order.
        camera: Its camera_info, in the frame of its packets.
        first_ns: Stamp of its first packet, nanoseconds.
        recorded_ns: When that was recorded, nanoseconds.
        period_ns: Time between planes, nanoseconds, at least 1.

    Raises:
        process.UserError: The bag has no two packets to compute the plane rate from.
    """

    def __init__(self, stream: SizedStream) -> None:
        self.stream, self.topic = stream, stream.topic
        where, found = f'{stream.bag.path}: topic {stream.topic}', stream.packets()
        # A packet between two that cannot be read would double the period.
        whole = (pair for pair in itertools.pairwise(found) if not _is_damaged(*pair))
        if (pair := next(whole, None)) is None:
            raise process.UserError(
                f'{where} has fewer than two packets in turn that can be read: '
                'expected at least two, whose stamps give the plane rate'
            )
        first, second = pair
        if isinstance(first, Refused):
            raise process.UserError(f'{where}: {first.reason}')
        chunk = first.chunk
        self.geometry = chunk.geometry
        message = stream.camera_message
        self.camera = (
            camera_info_from_matrix(None, stream.width, stream.height)
            if message is None
            else _camera_info(message)
        )
        self.camera.header.frame_id = first.frame_id
        self.first_ns, self.recorded_ns = chunk.t0_ns, first.recorded_ns
        assert second.stamp_ns is not None  # both can be decoded
        step_ns = second.stamp_ns - chunk.t0_ns
        if not 0 < step_ns <= MAX_JUMP_S * NANOSECONDS:
            raise process.UserError(
                f'{where}: the stamps of its first two packets are '
                f'{step_ns / NANOSECONDS:g} s apart; expected above 0 and at most {MAX_JUMP_S} s: '
                'a stamp is wrong, cut the bag after it or correct it'
            )
        self.period_ns = max(1.0, step_ns / chunk.planes)

    @property
    def rate_hz(self) -> float:
        """Planes a second."""
        return NANOSECONDS / self.period_ns


def _is_damaged(*packets: RecordedPacket | Refused) -> bool:
    """Return True if any cannot be decoded."""
    return any(one.stamp_ns is None for one in packets)


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
    """Packets, true depth and frames of a bag, with times since its first plane.

    Args:
        bag: The bag.
        eyes: Its only camera, or its left and its right one.
        truth: Topic of true depth of the first camera; None: none.
        frames: Topics of frames beside it; None: none.

    Attributes:
        ahead_ns: See :class:`Source`.

    Raises:
        process.UserError: Two cameras begin too far apart to be played together.
    """

    def __init__(
        self,
        bag: Any,
        eyes: Sequence[_BagEye],
        truth: str | None,
        frames: FrameTopics | None,
    ) -> None:
        self._bag = bag
        self._eyes = eyes
        self._truth = truth
        self._image = None if frames is None else frames.image
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

    def items(self, loop: bool) -> Iterator[Item]:
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
                    yield item._replace(at_ns=item.at_ns + offset_ns)
            if not loop or not length_ns:
                return
            offset_ns += length_ns

    def _once(self) -> Iterator[Item]:
        numbers = {eye.topic: number for number, eye in enumerate(self._eyes)}
        wanted = [*numbers, *(one for one in (self._truth, self._image) if one is not None)]
        last_ns, jumped = list(self._first_ns), set[str]()
        for entry in self._bag.in_order(wanted):
            number = numbers.get(entry.topic, 0)  # true depth and frames are of the first camera
            eye = self._eyes[number]
            image: Any = None
            packet: RecordedPacket | Refused | None = None
            if entry.topic in numbers:
                packet = eye.stream.packet(entry)
                stamp = packet.stamp_ns
            else:
                image = _image(self._bag, entry)
                stamp = None if image is None else stamp_ns(image.header.stamp)
            if stamp is None:
                if isinstance(packet, Refused):
                    _note(self._bag, packet.reason)
                continue
            at_ns = stamp - self._start_ns
            step_s = (at_ns - last_ns[number]) / NANOSECONDS
            if abs(step_s) > MAX_JUMP_S:
                if entry.topic not in jumped:  # one line a topic, however many follow
                    _note(
                        self._bag,
                        f'its stamp is {step_s:g} s after the packet before it, expected at most '
                        f'{MAX_JUMP_S} s either way: where the recording paused, play the parts '
                        'from bags of their own',
                        'packet' if entry.topic in numbers else f'message of {entry.topic}',
                    )
                jumped.add(entry.topic)
                continue
            if packet is None:
                yield (TrueDepth if entry.topic == self._truth else Frame)(image, at_ns)
                continue
            if isinstance(packet, Refused):
                _note(self._bag, packet.reason)
                continue
            last_ns[number] = at_ns
            end_ns = at_ns + round(packet.chunk.planes * eye.period_ns)
            yield Packet(packet.chunk.data, at_ns, end_ns, number)


def _image(bag: Any, entry: BagMessage) -> Any:
    """Decode an image beside the spikes; None: it is damaged."""
    try:
        return decode(entry.data, IMAGE)
    except BagError as error:
        _note(bag, str(error))
        return None


def _note(bag: Any, text: str, what: str = 'packet') -> None:
    text = f'a {what} was left out: {text}'
    if text not in bag.damage:
        bag.damage.append(text)
