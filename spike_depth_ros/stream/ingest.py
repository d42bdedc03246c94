# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ingest of spike messages into the ring of planes, without waiting for the model."""

from __future__ import annotations

import collections
import dataclasses
import threading
import time
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

from spike_depth_ros.base.values import within
from spike_depth_ros.geometry.calibration import Calibration, CalibrationError
from spike_depth_ros.geometry.rectification import NewestLens, Rectification, check_camera
from spike_depth_ros.stream.accounting import LostBy, PlaneAccounting
from spike_depth_ros.stream.chunk import Geometry, SpikeChunk
from spike_depth_ros.stream.decode import (
    CameraInfoMessage,
    ImageMessage,
    PacketError,
    chunk_from_msg,
)
from spike_depth_ros.stream.ring import PlaneRing
from spike_depth_ros.stream.stamps import Arrival, infer_period
from spike_depth_ros.stream.window import UNKNOWN_CAMERA, Camera, Policy, ReferencePlane

MAX_WAITING_PACKETS = 32
"""Packets kept at most while sensor size or plane rate are unknown, or the size may change."""

DEFAULT_RING: dict[Policy, int] = {'latest': 1024, 'every': 8192}
"""Default capacity by policy, planes; that of ``every`` bridges 0.4 s at 20 kHz."""

MAX_WAITING_BYTES = 1 << 28
"""Memory of those packets; the newest one may have more."""

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class StreamOptions:
    """How a stream is read: parameters of the nodes and settings of the ring."""

    hop: Annotated[int, within(0, 1_000_000)] = 0
    """Planes between the starts of windows (policy latest: at least); 0: the window length."""
    policy: Policy = 'latest'
    """Which windows are used: latest (newest full window) or every (each hop, for replay)."""
    ring_planes: Annotated[int, within(0, 10_000_000)] = 0
    """Planes that wait at most for inference; 0: 1024 with policy latest, 8192 with every, and at
    least two windows."""
    sensor_width: Annotated[int, within(0, 16_384)] = 0
    """Sensor width in pixels; 0: from camera_info."""
    sensor_height: Annotated[int, within(0, 16_384)] = 0
    """Sensor height in pixels; 0: from camera_info."""
    spike_rate_hz: Annotated[float, within(0, 1_000_000)] = 0.0
    """Planes a second; 0: inferred from stamps."""
    stamp_tolerance_planes: Annotated[float, within(0, 10_000)] = 0.5
    """How far a packet stamp may be off before it is a gap, in planes; raise it for a driver that
    stamps by its clock."""

    @property
    def of_stream(self) -> dict[str, Any]:
        """These options by name."""
        return {one.name: getattr(self, one.name) for one in dataclasses.fields(StreamOptions)}


@dataclasses.dataclass(frozen=True)
class StreamSettings(StreamOptions):
    """Settings of the ring.

    Attributes:
        window: Planes in a window.
        reference: Plane of a window that its depth belongs to.
        rectify: True: lens distortion of camera_info is taken out of counts and preview.
    """

    window: int
    reference: ReferencePlane = 'middle'
    rectify: bool = True

    @property
    def capacity(self) -> int:
        """Capacity of the ring, planes."""
        if self.ring_planes:
            return max(self.ring_planes, self.window)
        return max(DEFAULT_RING[self.policy], 2 * self.window)


class _Packet(NamedTuple):
    """Packet that waits, with its planes once the sensor size is known."""

    msg: ImageMessage
    lost_by: LostBy
    camera: Camera
    chunk: SpikeChunk | None = None


class Ingest:
    """Ingest: decodes messages and appends their planes to a ring.

    Packets wait until sensor size and plane rate are known, from camera_info and stamps unless
    they are set; then the ring is made. Refused packets are counted.

    Args:
        settings: Settings of the ring.
        warn: Called with kind and text of each warning.
        capacity: Function from the planes of its first packet to the capacity of the ring; None:
            by the settings.
        settle_after_s: Time without packets after which :meth:`accounting` counts planes missing
            at the end of the stream, seconds; infinity: never.
        changed: Condition of the ring, see :class:`~spike_depth_ros.stream.ring.PlaneRing`.

    Attributes:
        ring: The ring; None while packets wait.
        geometry: Sensor size and bit order of the packets; None before one could be read.
        size: Sensor (height, width) in pixels, from camera_info or parameters; None: unknown.
        camera: Optical frame of the newest packet, and the newest camera_info.
        packets_refused: Packets whose planes could not be counted, by reason.
        last_packet_s: Monotonic time of the newest packet, seconds; None before it.
        size_problem: Reason to ignore the size of the newest camera_info; empty if it is used.
        camera_problem: Reason to ignore the newest camera_info for a size of 0, its region, matrix
            or distortion; empty if it is used.
        cameras_refused: Messages of camera_info that were ignored for one of these reasons.
    """

    def __init__(
        self,
        settings: StreamSettings,
        warn: Callable[[str, str], object],
        capacity: Callable[[int], int] | None = None,
        settle_after_s: float = SETTLE_AFTER_S,
        changed: threading.Condition | None = None,
    ) -> None:
        self.settings = settings
        given = (settings.sensor_height, settings.sensor_width)
        self.size: tuple[int, int] | None = given if all(given) else None
        self.camera: Camera = UNKNOWN_CAMERA
        self.packets_refused: collections.Counter[str] = collections.Counter()
        self.last_packet_s: float | None = None
        self._warn = warn
        self._capacity = capacity
        self._settle_after_s = settle_after_s
        self._changed = changed
        self.size_problem = ''
        self.camera_problem = ''
        self.cameras_refused = 0
        self._cut = ''  # how the camera_info in use cuts pictures
        self._lens = NewestLens()
        self._rectification: Rectification | None = None
        # The newest packets, until a window was taken: the sensor size may change until then.
        self._waiting: collections.deque[_Packet] = collections.deque()
        self._forget()

    def _forget(self) -> None:
        """Begin the accounting of planes anew."""
        self.ring: PlaneRing | None = None
        self.geometry: Geometry | None = None
        rate = self.settings.spike_rate_hz
        self._period_ns = round(1e9 / rate) if rate else 0  # 0: not yet inferred
        self._accounting = PlaneAccounting()  # until there is a ring
        self._forgotten = 0  # counted packets that do not wait any more

    def accounting(self) -> PlaneAccounting:
        """Return the plane accounting; final after ``settle_after_s`` without packets."""
        ring, last_s = self.ring, self.last_packet_s
        if ring is None:
            return self._accounting
        if last_s is not None and time.monotonic() - last_s > self._settle_after_s:
            ring.settle()
        return ring.accounting()

    def settle(self) -> None:
        """Count provisional gaps as lost, as the stream has ended."""
        if self.ring is not None:
            self.ring.settle()

    def on_camera_info(self, msg: CameraInfoMessage) -> None:
        """Set sensor size, camera matrix and rectification of later packets.

        Both also apply to packets that waited for the size. Another size than before makes a new
        ring, unless a window was taken from the old one. What cannot be used is counted, and the
        camera stays as it was.
        """
        self.size_problem = self.camera_problem = ''
        try:
            given = Calibration.from_message(msg)
        except CalibrationError as error:
            stays = UNKNOWN_SIZE if self.size is None else 'the camera stays as it was'
            self.camera_problem = f'camera_info: {error}; {stays}'
            self._refuse_camera(self.camera_problem)
            return
        size = (given.height, given.width)
        if self.geometry is not None and size != self.size and not self._give_up_size(size):
            self.size_problem = (
                f'camera_info: size {given.size_text}, expected {self.geometry} as '
                'before: ignored; restart the node if the camera changed'
            )
            self._refuse_camera(self.size_problem)
            return
        self.camera_problem = problem_of_matrix(given) or self._find_rectification(given)
        if self.camera_problem:
            self._refuse_camera(self.camera_problem)
            if size != self.size:  # the camera of another size is not that of the planes
                self.camera = Camera(self.camera.frame_id)
        else:
            lens = self._rectification
            fx_px = given.k[0] or None if lens is None else lens.fx_px
            self.camera = Camera(self.camera.frame_id, fx_px, msg, lens)
        self.size, self._cut = size, given.cut
        if self.geometry is None:
            waiting = [*self._waiting]
            self._waiting.clear()
            for packet in waiting:
                self._read(packet.msg, packet.lost_by)

    def _refuse_camera(self, text: str) -> None:
        self.cameras_refused += 1
        self._warn('camera_info', text)

    def _find_rectification(self, given: Calibration) -> str:
        """Find the rectification of a camera; return the reason to refuse it, or nothing."""
        try:
            self._rectification = self._lens.update(given) if self.settings.rectify else None
        except CalibrationError as error:
            return f'camera_info: {error}, or set rectify to false; the camera stays as it was'
        return ''

    def _give_up_size(self, size: tuple[int, int]) -> bool:
        """Discard ring and accounting for another sensor size, unless a window was taken.

        Returns:
            False if they stay.
        """
        try:
            chunk_from_msg(self._waiting[-1].msg, *size)
        except (IndexError, PacketError):
            return False  # a window was taken, or the packets are not of that size
        if self.ring is not None and not self.ring.close_unused():
            return False
        self._warn(
            'camera_info',
            f'camera_info: size {size[1]}x{size[0]} instead of {self.geometry}, before the '
            'first window: the planes are counted again',
        )
        if self._forgotten:
            self.packets_refused['other sensor size'] += self._forgotten
        self._forget()
        return True

    def on_spikes(self, msg: ImageMessage, lost_by: LostBy = 'transport') -> None:
        """Append a packet to the ring, or keep it until sensor size and plane rate are known.

        Args:
            msg: The packet.
            lost_by: Cause of missing planes before this packet.
        """
        self.last_packet_s = time.monotonic()
        self._read(msg, lost_by)

    def _read(self, msg: ImageMessage, lost_by: LostBy) -> None:
        frame_id = msg.header.frame_id.lstrip('/')  # tf2 takes none that begins with a slash
        if frame_id != self.camera.frame_id:
            self.camera = dataclasses.replace(self.camera, frame_id=frame_id)
        if self.size is None:
            for _ in self._wait(_Packet(msg, lost_by, self.camera)):
                self._refuse('unknown sensor size', UNKNOWN_SIZE)
            return
        try:
            chunk = chunk_from_msg(msg, *self.size)
        except PacketError as error:
            self._refuse('format', f'{error}{self._cut and f" ({self._cut})"}')
            return
        arrival = self._append(_Packet(msg, lost_by, self.camera, chunk), chunk)
        if arrival in ARRIVAL_WARNINGS:
            self._warn(arrival.name, f'spikes: {ARRIVAL_WARNINGS[arrival]}')

    def _append(self, packet: _Packet, chunk: SpikeChunk) -> Arrival | None:
        """Append a packet to the ring, which is made as soon as the plane rate is known.

        Returns:
            Relation of the packet to the stream; None if it waits for the rate, or was refused.
        """
        if self.ring is not None:
            if self._waiting and self.ring.used:
                self._waiting.clear()
            elif self._waiting:
                self._keep(packet)
            return self.ring.append(chunk, packet.lost_by, packet.camera)
        if self.geometry not in (None, chunk.geometry):
            self._forgotten += 1
            self._count(chunk.planes, chunk.planes, 'geometry')
            return Arrival.OTHER_GEOMETRY
        packets = [*self._waiting, packet]
        chunks = [one.chunk for one in packets if one.chunk is not None]
        tolerance = self.settings.stamp_tolerance_planes
        self._period_ns = self._period_ns or infer_period(chunks, tolerance)
        arrival = None
        if self._period_ns:
            ring = self._make_ring(chunks[0])
            if ring is None:
                self._count(0, self._accounting.pending, 'ring')
                self._waiting.clear()
                self.geometry = None
                return None
            for one, waited in zip(packets, chunks, strict=True):
                arrival = ring.append(waited, one.lost_by, one.camera)
            self.ring = ring  # once it is filled, as other threads see it from now on
        else:
            self._count(chunk.planes)
        for gone in self._keep(packet):
            if self.ring is None and gone.chunk is not None:
                self._count(0, gone.chunk.planes, 'rate_unknown')
        self.geometry = chunk.geometry
        return arrival

    def _make_ring(self, first: SpikeChunk) -> PlaneRing | None:
        settings = self.settings
        by_rule = self._capacity(first.planes) if self._capacity is not None else 0
        try:
            return PlaneRing(
                first.geometry,
                self._period_ns,
                settings.window,
                settings.hop,
                settings.policy,
                by_rule or settings.capacity,
                settings.reference,
                settings.stamp_tolerance_planes,
                inferred=not settings.spike_rate_hz,
                refused=self._accounting.refused,
                changed=self._changed,
            )
        except (ValueError, MemoryError) as error:
            self._refuse('ring', f'no ring of planes can be made ({error}): lower ring_planes')
            return None

    def _keep(self, packet: _Packet) -> list[_Packet]:
        """Keep a counted packet, as the sensor size may change; return those it pushes out."""
        gone = self._wait(packet)
        self._forgotten += len(gone)
        return gone

    def _wait(self, packet: _Packet) -> list[_Packet]:
        """Let a packet wait, and return the oldest ones, for which there is no room any more."""
        gone = []
        self._waiting.append(packet)
        while len(self._waiting) > MAX_WAITING_PACKETS or (
            len(self._waiting) > 1
            and sum(len(one.msg.data) for one in self._waiting) > MAX_WAITING_BYTES
        ):
            gone.append(self._waiting.popleft())
        return gone

    def _count(self, received: int, refused: int = 0, reason: str = '') -> None:
        """Count planes that are received, and of these or earlier ones refused, without a ring."""
        pending = self._accounting.pending + received - refused
        accounting = self._accounting.snapshot(pending)
        accounting.receive(received)
        accounting.refuse(refused, reason)
        self._accounting = accounting  # replaced, not changed, as other threads read it

    def _refuse(self, reason: str, text: str) -> None:
        self.packets_refused[reason] += 1
        self._warn(reason, f'spikes: packet refused: {text}')


def problem_of_matrix(given: Calibration) -> str:
    """Return the reason to refuse a camera's matrix K; empty if it is valid."""
    try:
        check_camera(given)
    except CalibrationError as error:
        return f'camera_info: {error}; the camera matrix stays as it was'
    return ''
