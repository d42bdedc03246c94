# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded stream of one spike camera in a bag, read in order or at random.

A :class:`RecordedStream` decodes each message of a bag; a :class:`SizedStream` says which planes
it holds, or why it is no packet. :func:`index` and :class:`Section` find planes by their stamps.
Gaps, late packets and restarts are found by who follows the stream:
:class:`~.stamps.StampTracker` in a node and in replay, the sections here in training, where what
has no gap is one recording.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from spike_depth_ros.geometry.calibration import Calibration, CalibrationError
from spike_depth_ros.io.bags.bag import Bag, BagError, BagMessage, decode
from spike_depth_ros.io.bags.ordering import SORT_NS
from spike_depth_ros.io.topics import CAMERA_INFO, IMAGE
from spike_depth_ros.stream.chunk import BitOrder, Geometry, PackedPlanes, SpikeChunk
from spike_depth_ros.stream.decode import PacketError, chunk_from_msg, stamp_ns

GIVE_SIZE = 'give it, for example --size 400x250'
"""Advice to the user of a command whose bag does not tell the size of the sensor."""


class Packet(NamedTuple):
    """Packet of a stream.

    Attributes:
        chunk: Its planes.
        recorded_ns: When it was recorded, nanoseconds.
        frame_id: Its frame.
    """

    chunk: SpikeChunk
    recorded_ns: int
    frame_id: str

    @property
    def stamp_ns(self) -> int:
        """Time of its first plane, nanoseconds."""
        return self.chunk.t0_ns


class Refused(NamedTuple):
    """Message that cannot be used.

    Attributes:
        reason: Why, one line.
        recorded_ns: When it was recorded, nanoseconds.
        stamp_ns: Its stamp, nanoseconds; None: it cannot be decoded.
    """

    reason: str
    recorded_ns: int
    stamp_ns: int | None


class RecordedStream:
    """Messages of one spike camera in a bag, also where the size of its sensor is not known.

    Args:
        bag: The bag.
        spikes: Topic of the packets.
        camera_info: Topic of the calibration; None: there is none.

    Attributes:
        bag: The bag.
        topic: Topic of the packets.
        topics: The same, and that of the calibration if there is one.
    """

    def __init__(self, bag: Bag, spikes: str, camera_info: str | None = None) -> None:
        self.bag, self.topic = bag, spikes
        self.topics = [spikes] if camera_info is None else [spikes, camera_info]

    def message(self, entry: BagMessage) -> Any | Refused:
        """Decode a message of one of the topics: spikes as an image, or a camera_info."""
        try:
            return decode(entry.data, IMAGE if entry.topic == self.topic else CAMERA_INFO)
        except BagError as error:
            return Refused(str(error), entry.time_ns, None)

    def cameras(self) -> Iterator[Any | Refused]:
        """Yield each camera_info, in the order in which they were recorded."""
        return map(self.message, self.bag.messages(self.topics[1:]))


class SizedStream(RecordedStream):
    """Packed planes of one camera in a bag, which tells the size of its sensor, or the user does.

    Args:
        bag: The bag.
        spikes: Topic of the packets.
        camera_info: Topic of the calibration; None: there is none.
        size: Sensor (width, height) in pixels, where the bag has no calibration.
        give_size: How to give the size.

    Attributes:
        camera_message: First message of the calibration, see :func:`.decode`; None: there is none.
        calibration: The calibration; None: there is none.
        height: Rows of the sensor.
        width: Columns of the sensor.

    Raises:
        BagError: Nothing tells the size of the sensor, or the calibration cannot be used.
    """

    def __init__(
        self,
        bag: Bag,
        spikes: str,
        camera_info: str | None = None,
        size: tuple[int, int] | None = None,
        give_size: str = GIVE_SIZE,
    ) -> None:
        super().__init__(bag, spikes, camera_info)
        self.camera_message = first_message(bag, camera_info)
        self.calibration: Calibration | None = None
        if self.camera_message is None:
            if size is None:
                raise BagError(
                    f'{bag.path}: has no camera_info, so that the sensor size is unknown; '
                    f'{give_size}'
                )
            self.width, self.height = size
            return
        try:
            found = self.calibration = Calibration.from_message(self.camera_message)
        except CalibrationError as error:
            raise BagError(f'{bag.path}: camera_info: {error}') from error
        self.width, self.height = found.width, found.height

    def check_size(self, size: tuple[int, int] | None) -> None:
        """Refuse a given (width, height) that is not the calibration's, pixels.

        Raises:
            BagError: They differ.
        """
        found = self.calibration
        if found is not None and size is not None and size != (self.width, self.height):
            raise BagError(
                f'{self.bag.path}: its camera_info has {found.size_text}; expected '
                f'{size[0]}x{size[1]} as given: leave out --size'
            )

    def packet(self, entry: BagMessage) -> Packet | Refused:
        """Read a message of the spikes as a packet."""
        message = self.message(entry)
        if isinstance(message, Refused):
            return message
        try:
            chunk = chunk_from_msg(message, self.height, self.width)
        except PacketError as error:
            cut = '' if self.calibration is None else self.calibration.cut
            reason = f'{error} ({cut})' if cut else str(error)
            return Refused(reason, entry.time_ns, stamp_ns(message.header.stamp))
        return Packet(chunk, entry.time_ns, str(message.header.frame_id))

    def packets(self, entries: Iterable[BagMessage] | None = None) -> Iterator[Packet | Refused]:
        """Yield the messages of the spikes.

        Args:
            entries: Some of these messages; None: all, in the order of their stamps.
        """
        found = self.bag.in_order([self.topic]) if entries is None else entries
        return map(self.packet, found)


def first_message(bag: Bag, topic: str | None) -> Any:
    """Return the first camera_info of a topic; None: there is no such topic, or it is empty.

    Raises:
        BagError: Its bytes are damaged.
    """
    first = next(bag.messages([topic]), None) if topic is not None else None
    return None if first is None else decode(first.data, CAMERA_INFO)


# --- Planes by their stamps.


class Place(NamedTuple):
    """Place of a packet in a bag.

    Attributes:
        recorded_ns: When it was recorded, nanoseconds.
        stamp_ns: Time of its first plane, nanoseconds.
        planes: Number of its planes.
    """

    recorded_ns: int
    stamp_ns: int
    planes: int


@dataclasses.dataclass(frozen=True)
class Index:
    """Packets of a stream by their stamps.

    Attributes:
        stream: The stream.
        geometry: Size of the sensor, and the bit order of all packets.
        places: Places of the packets, in the order of their stamps, each stamp once.
        refused: Messages that are no packets.
    """

    stream: SizedStream
    geometry: Geometry
    places: Sequence[Place]
    refused: Sequence[Refused]

    @property
    def period_ns(self) -> float:
        """Median time between planes, nanoseconds.

        Raises:
            BagError: There are fewer than two packets.
        """
        if len(self.places) < 2:
            raise BagError(
                'the stream is one packet, expected two or more: its plane rate is not known'
            )
        steps = [
            (after.stamp_ns - before.stamp_ns) / before.planes
            for before, after in itertools.pairwise(self.places)
        ]
        return float(np.median(steps))

    def sections(self) -> list[Section]:
        """Split the stream where a stamp is not that of the next plane."""
        period_ns = self.period_ns
        parts = [[self.places[0]]]
        for before, place in itertools.pairwise(self.places):
            step_ns = place.stamp_ns - before.stamp_ns
            if abs(step_ns - before.planes * period_ns) > period_ns / 2:
                parts.append([])
            parts[-1].append(place)
        return [Section(self.stream, self.geometry, part, period_ns) for part in parts]


def index(stream: SizedStream) -> Index:
    """Find all packets of a stream.

    Raises:
        BagError: They are of several cameras or bit orders, or the clock was set back.
    """
    where = f'{stream.bag.path}: {stream.topic}'
    places: list[Place] = []
    refused: list[Refused] = []
    orders: set[BitOrder] = set()
    frames: set[str] = set()
    for packet in stream.packets(stream.bag.messages([stream.topic])):
        if isinstance(packet, Refused):
            refused.append(packet)
            continue
        chunk = packet.chunk
        places.append(Place(packet.recorded_ns, chunk.t0_ns, chunk.planes))
        orders.add(chunk.geometry.bit_order)
        frames.add(packet.frame_id.lstrip('/'))
    if len(frames) > 1:
        raise BagError(
            f'{where}: packets of the frames {", ".join(sorted(map(repr, frames)))}: expected '
            'one camera; record each camera by a topic of its own'
        )
    if len(orders) > 1:
        raise BagError(f'{where}: bit orders {sorted(orders)}, expected one')
    if back_ns := _set_back_ns(places):
        raise BagError(
            f'{where}: the clock was set back by {back_ns / 1e9:.3g} s within the bag, so that '
            'planes of two times have one stamp: expected one run; record each into its own bag'
        )
    places.sort(key=lambda place: place.stamp_ns)
    if _are_interleaved(places):
        raise BagError(
            f'{where}: packets of two streams in turn, or the same loss after every other packet: '
            'expected one camera; record each camera by a topic of its own'
        )
    once = {place.stamp_ns: place for place in places}
    geometry = Geometry(stream.height, stream.width, *orders)
    return Index(stream, geometry, [*once.values()], refused)


class Section:
    """Part of a stream: packets that follow one another without a gap.

    Args:
        stream: The stream.
        geometry: Size of the sensor and bit order.
        places: Places of its packets.
        period_ns: Time between planes, nanoseconds.

    Attributes:
        geometry: Size of the sensor and bit order.
        period_ns: Time between planes, nanoseconds.
    """

    def __init__(
        self,
        stream: SizedStream,
        geometry: Geometry,
        places: Sequence[Place],
        period_ns: float,
    ) -> None:
        self.geometry, self.period_ns = geometry, period_ns
        self._stream, self._places = stream, places
        self._starts = [0, *itertools.accumulate(place.planes for place in places)]
        self._stamps = [place.stamp_ns for place in places]

    @property
    def planes(self) -> int:
        """Number of planes."""
        return self._starts[-1]

    def plane_at(self, stamp_ns: float) -> int:
        """Return the plane nearest to a stamp; outside 0 to ``planes - 1`` if none is near."""
        k = max(bisect.bisect_right(self._stamps, stamp_ns) - 1, 0)
        return self._starts[k] + round((stamp_ns - self._stamps[k]) / self.period_ns)

    def stamp_of(self, plane: int) -> int:
        """Return the stamp of a plane, nanoseconds."""
        k = bisect.bisect_right(self._starts, plane, hi=len(self._places)) - 1
        return self._stamps[k] + round((plane - self._starts[k]) * self.period_ns)

    def load(self, start: int, stop: int) -> PackedPlanes:
        """Read planes.

        Args:
            start: The first.
            stop: The one after the last, above ``start``.

        Returns:
            ``[stop - start, height, row_bytes]`` uint8.

        Raises:
            BagError: They cannot be read.
        """
        first = bisect.bisect_right(self._starts, start) - 1
        last = bisect.bisect_left(self._starts, stop)
        wanted = self._places[first:last]
        stream = self._stream
        times = [place.recorded_ns for place in wanted]
        entries = stream.bag.messages([stream.topic], min(times), max(times) + 1)
        found = {
            packet.stamp_ns: packet.chunk.data
            for packet in stream.packets(entries)
            if isinstance(packet, Packet)
        }
        missing = [place.stamp_ns for place in wanted if place.stamp_ns not in found]
        if missing:
            raise BagError(f'{stream.bag.path}: planes {start} to {stop} cannot be read')
        planes: PackedPlanes = np.concatenate([found[place.stamp_ns] for place in wanted])
        return planes[start - self._starts[first] : stop - self._starts[first]]


Load = Callable[[int, int], PackedPlanes]
"""Function that reads planes, see :meth:`Section.load`."""

UNEVEN = 0.1
"""Difference of the times of a plane in two packets, over their sum, above which it is uneven."""

LEAST_PACKETS = 100
"""Packets from which on two streams in turn are told from losses of one."""

EVEN_PAIRS = 0.02
"""Relative deviation of the time of a plane in two packets together below which it is even."""


def _set_back_ns(places: Sequence[Place]) -> int:
    """Return by how much the clock was set back as packets were recorded, ns; 0: never.

    Within :data:`SORT_NS` it is a matter of order, and of a single packet of its stamp.
    """
    newest_ns: list[int] = []  # two, as a single one may be wrong
    for before, place in itertools.pairwise(places):
        newest_ns = sorted([*newest_ns, before.stamp_ns])[-2:]
        back_ns = newest_ns[0] - place.stamp_ns
        if back_ns > SORT_NS and newest_ns[0] - before.stamp_ns > SORT_NS:
            return back_ns
    return 0


def _are_interleaved(places: Sequence[Place]) -> bool:
    """Return True if packets, in the order of their stamps, are of two streams in turn.

    The time of a plane is then uneven from packet to packet, while that of two packets together is
    always the same. Not found: packets halfway between those of the other stream, or of another
    number of planes; more than two streams; fewer than :data:`LEAST_PACKETS` packets.
    """
    if len(places) < LEAST_PACKETS:
        return False
    planes = np.array([place.planes for place in places[:-1]])
    steps = np.diff([place.stamp_ns for place in places])
    pairs = (steps[:-1] + steps[1:]) / (planes[:-1] + planes[1:])
    even = np.abs(pairs - np.median(pairs)) <= EVEN_PAIRS * np.median(pairs)
    periods = steps / planes
    uneven = np.abs(np.diff(periods)) > UNEVEN * (periods[:-1] + periods[1:])
    return bool((even & uneven).mean() > 0.5)
