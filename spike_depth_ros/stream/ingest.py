# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ingest of spike messages into the ring of planes, without waiting for the model."""

from __future__ import annotations

import collections
import dataclasses
import math
import time
from collections.abc import Callable

from spike_depth_ros.stream.accounting import LostBy, PlaneAccounting
from spike_depth_ros.stream.chunk import SpikeChunk
from spike_depth_ros.stream.decode import (
    CameraInfoMessage,
    ImageMessage,
    PacketError,
    chunk_from_msg,
)
from spike_depth_ros.stream.ring import PlaneRing
from spike_depth_ros.stream.stamps import Arrival
from spike_depth_ros.stream.window import UNKNOWN_CAMERA, Camera, Policy, ReferencePlane

MAX_WAITING_PACKETS = 32
"""Packets kept at most while the sensor size is unknown, or may change."""

DEFAULT_RING: dict[Policy, int] = {'latest': 1024, 'every': 8192}
"""Default capacity by policy, planes; that of ``every`` bridges 0.4 s at 20 kHz."""

SETTLE_AFTER_S = 0.5
"""Time without packets after which planes missing at the end count as lost, seconds."""

UNKNOWN_SIZE = (
    'the sensor size is unknown: publish camera_info beside the spikes, or set sensor_width and '
    'sensor_height'
)

ARRIVAL_WARNINGS = {
    Arrival.GAP: 'planes are missing between stamps: see the status "stream" on /diagnostics for '
    'the cause and the remedy',
    Arrival.RESTART: 'the stream restarted: its clock was set back or it paused',
    Arrival.NEW_RATE: 'the stamps agree on another plane rate, which is used from now on',
    Arrival.BACKWARD: 'a packet is older than the stream: late, repeated, or two publishers on '
    'one topic; its planes are refused',
    Arrival.OTHER_GEOMETRY: 'a packet has another bit order than the first one; its planes are '
    'refused: restart the node if the camera changed',
}


@dataclasses.dataclass(frozen=True)
class StreamSettings:
    """Settings of the ring; see the node's parameters of the same names."""

    window: int
    hop: int = 0
    policy: Policy = 'latest'
    reference: ReferencePlane = 'middle'
    ring_planes: int = 0
    spike_rate_hz: float = 0.0
    stamp_tolerance_planes: float = 0.5
    sensor_width: int = 0
    sensor_height: int = 0

    @property
    def capacity(self) -> int:
        """Capacity of the ring, planes."""
        if self.ring_planes:
            return max(self.ring_planes, self.window)
        return max(DEFAULT_RING[self.policy], 2 * self.window)


class Ingest:
    """Ingest: decodes messages and appends their planes to a ring.

    The ring is made once the geometry is known. Refused packets are counted.

    Args:
        settings: Settings of the ring.
        warn: Called with kind and text of each warning.
        capacity: Function from the planes of the first packet to the capacity of the ring; None:
            by the settings.
        settle_after_s: Time without packets after which :meth:`accounting` counts planes missing
            at the end of the stream, seconds; infinity: never.

    Attributes:
        ring: The ring; None before the first packet.
        camera: Optical frame of the newest packet, and the newest camera_info.
        packets_refused: Packets whose planes could not be counted, by reason.
        last_packet_s: Monotonic time of the newest packet, seconds; None before it.
        size_problem: Reason to ignore the size of the newest camera_info; empty if it is used.
        camera_problem: Reason to ignore the matrix of the newest camera_info; empty if it is used.
    """

    def __init__(
        self,
        settings: StreamSettings,
        warn: Callable[[str, str], object],
        capacity: Callable[[int], int] | None = None,
        settle_after_s: float = SETTLE_AFTER_S,
    ) -> None:
        self.settings = settings
        self.ring: PlaneRing | None = None
        self.camera: Camera = UNKNOWN_CAMERA
        self.packets_refused: collections.Counter[str] = collections.Counter()
        self.last_packet_s: float | None = None
        self._warn = warn
        self._capacity = capacity
        self._settle_after_s = settle_after_s
        self.size_problem = ''
        self.camera_problem = ''
        # The newest packets, until the size is known and a window was taken.
        self._waiting: collections.deque[tuple[ImageMessage, LostBy]] = collections.deque()
        self._in_ring = 0  # packets; counted while the ring may be replaced
        self._size = self._size_from_parameters()  # (height, width)

    def _size_from_parameters(self) -> tuple[int, int] | None:
        given = (self.settings.sensor_height, self.settings.sensor_width)
        return given if all(given) else None

    @property
    def size(self) -> tuple[int, int] | None:
        """Sensor (height, width) in pixels, from camera_info or parameters; None: unknown."""
        return self._size

    @property
    def size_known(self) -> bool:
        """True if the sensor size is known from camera_info or parameters."""
        return self._size is not None

    def accounting(self) -> PlaneAccounting:
        """Return the plane accounting; final after ``settle_after_s`` without packets."""
        if self.ring is None:
            return PlaneAccounting()
        last_s = self.last_packet_s
        if last_s is not None and time.monotonic() - last_s > self._settle_after_s:
            self.ring.settle()
        return self.ring.accounting()

    def on_camera_info(self, msg: CameraInfoMessage) -> None:
        """Set the sensor size and the camera matrix of later packets.

        Both also apply to packets that waited for the size. Another size than before makes a new
        ring, unless a window was taken from the old one.
        """
        size = (int(msg.height), int(msg.width))
        if not all(size):
            self._warn(
                'camera_info', f'camera_info: size {msg.width}x{msg.height}; {UNKNOWN_SIZE}'
            )
            return
        self.size_problem = ''
        if self.ring is not None and size != self._size and not self._give_up_ring(size):
            self.size_problem = (
                f'camera_info: size {msg.width}x{msg.height}, expected {self.ring.geometry} as '
                'before: ignored; restart the node if the camera changed'
            )
            self._warn('camera_info', self.size_problem)
            return
        self.camera_problem = _problem_of_matrix(msg)
        if self.camera_problem:
            self._warn('camera_info', self.camera_problem)
        else:
            self.camera = Camera(self.camera.frame_id, float(msg.k[0]) or None, msg)
        self._size = size
        if self.ring is None:
            waiting, self._waiting = self._waiting, collections.deque()
            for packet, lost_by in waiting:
                self._append(packet, size, lost_by)

    def _give_up_ring(self, size: tuple[int, int]) -> bool:
        """Discard the ring for one of another sensor size, unless a window was taken.

        Returns:
            False if the ring stays.
        """
        assert self.ring is not None
        try:
            chunk_from_msg(self._waiting[-1][0], *size)
        except (IndexError, PacketError):
            return False  # a window was taken, or the packets are not of that size
        if not self.ring.close_unused():
            return False
        self._warn(
            'camera_info',
            f'camera_info: size {size[1]}x{size[0]} instead of {self.ring.geometry}, before the '
            'first window: the planes are counted again',
        )
        if forgotten := self._in_ring - len(self._waiting):
            self.packets_refused['other sensor size'] += forgotten
        self.ring = None
        self._in_ring = 0
        return True

    def on_spikes(self, msg: ImageMessage, lost_by: LostBy = 'transport') -> None:
        """Append a packet to the ring, or keep it until the sensor size is known.

        Args:
            msg: The packet.
            lost_by: Cause of missing planes before this packet.
        """
        self.last_packet_s = time.monotonic()
        self._note_frame(msg)
        if self._size is not None:
            self._append(msg, self._size, lost_by)
            return
        self._waiting.append((msg, lost_by))
        if len(self._waiting) > MAX_WAITING_PACKETS:
            self._waiting.popleft()
            self._refuse('unknown sensor size', UNKNOWN_SIZE)

    def _append(self, msg: ImageMessage, size: tuple[int, int], lost_by: LostBy) -> None:
        try:
            chunk = chunk_from_msg(msg, *size)
            if self.ring is None:
                self.ring = self._make_ring(chunk)
        except PacketError as error:
            self._refuse('format', str(error))
            return
        except (ValueError, MemoryError) as error:
            self._refuse('ring', f'no ring of planes can be made ({error}): lower ring_planes')
            return
        self._note_frame(msg)  # of a packet that waited, too
        self._keep(msg, lost_by)
        arrival = self.ring.append(chunk, lost_by, self.camera)
        if arrival in ARRIVAL_WARNINGS:
            self._warn(arrival.name, f'spikes: {ARRIVAL_WARNINGS[arrival]}')

    def _keep(self, msg: ImageMessage, lost_by: LostBy) -> None:
        """Keep a packet while the sensor size may change."""
        if self.ring is not None and self.ring.used:
            self._waiting.clear()
            return
        self._in_ring += 1
        self._waiting.append((msg, lost_by))
        if len(self._waiting) > MAX_WAITING_PACKETS:
            self._waiting.popleft()

    def _note_frame(self, msg: ImageMessage) -> None:
        frame_id = msg.header.frame_id
        if frame_id != self.camera.frame_id:
            self.camera = dataclasses.replace(self.camera, frame_id=frame_id)

    def _make_ring(self, first: SpikeChunk) -> PlaneRing:
        rate = self.settings.spike_rate_hz
        by_rule = self._capacity(first.planes) if self._capacity is not None else 0
        return PlaneRing(
            first.geometry,
            self.settings.window,
            self.settings.hop,
            self.settings.policy,
            by_rule or self.settings.capacity,
            period_ns=round(1e9 / rate) if rate else 0,
            reference=self.settings.reference,
            stamp_tolerance=self.settings.stamp_tolerance_planes,
        )

    def _refuse(self, reason: str, text: str) -> None:
        self.packets_refused[reason] += 1
        self._warn(reason, f'spikes: packet refused: {text}')


def _problem_of_matrix(msg: CameraInfoMessage) -> str:
    """Return the reason to refuse a camera's matrix K; empty if it is valid."""
    values = [float(value) for value in msg.k]
    if all(map(math.isfinite, values)) and values[0] >= 0 and values[4] >= 0:
        return ''
    return (
        f'camera_info: focal lengths {values[0]:g} and {values[4]:g} in K, expected finite '
        'values, not negative; the camera matrix stays as it was'
    )
