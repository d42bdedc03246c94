# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Raw file of the planes in a bag, one after another, as Vidar cameras write it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from spike_depth_ros.io.bags.bag import Bag, BagError
from spike_depth_ros.io.streams import Refused, SizedStream
from spike_depth_ros.io.topics import CameraTopics
from spike_depth_ros.io.vidar import RowOrder, upright
from spike_depth_ros.stream.chunk import BitOrder, Geometry, PackedPlanes, SpikeChunk
from spike_depth_ros.stream.stamps import RESTART_AFTER_NS, infer_period

TOLERANCE = 0.5
"""Largest deviation of a stamp that is not a gap, planes."""

MAX_LISTED = 1000
"""Largest number of listed irregularities; all are counted."""

_SECOND = 1_000_000_000
_REVERSED = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1])


class RawFile:
    """Planes of a bag as one raw file.

    Args:
        bag: The bag.
        topics: Topics of the spikes and of their camera.
        size: Sensor (width, height) in pixels, where the bag has no camera_info.
        rate_hz: Planes a second; None: by the stamps.

    Attributes:
        bag: The bag.
        topic: Topic of the spikes.
        planes: Planes so far.
        geometry: Size of the sensor.
        rate_hz: Planes a second.
        frame_id: Optical frame of the spikes.
        planes_lost: Planes that are missing by the stamps.
        packets_left_out: Packets that are late or cannot be read.
        packets_sorted: Packets that were recorded after a later one.
        irregularities: First gaps, late packets and so on, in the order of the stream.

    Raises:
        BagError: The size of the sensor or the plane rate is not known.
    """

    def __init__(
        self, bag: Bag, topics: CameraTopics, size: tuple[int, int] | None, rate_hz: float | None
    ) -> None:
        self.planes, self.frame_id = 0, ''
        self.irregularities: list[dict[str, Any]] = []
        self._irregular = self.planes_lost = self.packets_left_out = self.packets_sorted = 0
        self.bag, self.topic = bag, topics.spikes
        self._stream = SizedStream(bag, topics.spikes, topics.camera_info, size)
        self._stream.check_size(size)
        self.geometry = Geometry(self._stream.height, self._stream.width)
        self._given = rate_hz is not None
        self._period_ns = _SECOND / rate_hz if rate_hz else self._inferred()
        self.rate_hz = rate_hz or _SECOND / self._period_ns

    @property
    def nbytes(self) -> int:
        """Size of the messages on disk at most, bytes."""
        path = self.bag.path
        files = path.iterdir() if path.is_dir() else (path,)
        return sum(file.stat().st_size for file in files if file.is_file())

    def write(
        self,
        out: Path,
        bit_order: BitOrder,
        row_order: RowOrder,
        allow_gaps: bool,
        advance: Callable[[int], object],
    ) -> None:
        """Write the file.

        Args:
            out: The file.
            bit_order: Its bit order.
            row_order: Its row order.
            allow_gaps: Write what there is of a stream that is not whole.
            advance: Called with the number of planes of each packet.

        Raises:
            BagError: The stream is not whole, or has no planes.
            OSError: The file cannot be written.
        """
        with out.open('xb') as file:
            for chunk in self.packets(allow_gaps):
                file.write(_arranged(chunk, bit_order, row_order))
                advance(chunk.planes)

    def packets(self, allow_gaps: bool) -> Iterator[SpikeChunk]:
        """Yield the packets in order, and count what is missing.

        Where two packets in a row continue before the end of the stream, the stamps went back: it
        goes on with them. So it does more than 10 s ahead, as in the node.

        Args:
            allow_gaps: Go on where the stream is not whole.

        Raises:
            BagError: The stream is not whole, or has no planes.
        """
        start_ns = end_ns = None
        held: tuple[int, SpikeChunk] | None = None  # late, unless the next packet continues it
        ahead: tuple[float, int] | None = None  # where the packet after a gap ends without it
        for number, chunk in enumerate(self._chunks()):
            if isinstance(chunk, str):
                self._note(allow_gaps, number, None, 'refused', 0, chunk)
                self.packets_left_out += 1
                continue
            off = 0.0 if end_ns is None else (chunk.t0_ns - end_ns) / self._period_ns
            before, held = held, None
            if off < -TOLERANCE:
                if before is None or not self._continues(self._end_ns(before[1]), chunk):
                    self._leave_out(allow_gaps, before, end_ns)
                    held = number, chunk
                    continue
                wrong = ahead is not None and self._continues(ahead[0], before[1])
                missing = ahead[1] if ahead is not None and wrong else 0
                text = f'stamps go on {-off:.6g} planes back'
                text += f'; the {missing} planes before are not lost' if wrong else ''
                self._note(allow_gaps, *before, 'restart', 0, text)
                self.planes_lost -= missing
                self.planes += before[1].planes
                yield before[1]
            else:
                self._leave_out(allow_gaps, before, end_ns)
            if off * self._period_ns > RESTART_AFTER_NS:
                text = f'stamps go on {off * self._period_ns / _SECOND:.6g} s ahead'
                self._note(allow_gaps, number, chunk, 'restart', 0, text)
            elif off > TOLERANCE:
                missing = max(1, round(off))
                self._note(allow_gaps, number, chunk, 'gap', missing, f'{missing} planes lost')
                self.planes_lost += missing
                assert end_ns is not None
                ahead = end_ns + chunk.planes * self._period_ns, missing
            else:
                ahead = None
            if start_ns is None:
                start_ns = chunk.t0_ns
            elif not (self._given or self._irregular):
                # By all stamps so far: each is rounded to a nanosecond.
                self.rate_hz = _SECOND * self.planes / (chunk.t0_ns - start_ns)
            end_ns = self._end_ns(chunk)
            self.planes += chunk.planes
            yield chunk
        self._leave_out(allow_gaps, held, end_ns)
        if self.bag.damage and not allow_gaps:
            raise BagError(f'{self.bag.path}: {self.bag.damage[0]}: {_ALLOW}')
        if not self.planes:
            raise BagError(f'{self.bag.path}: topic {self.topic} holds no planes')

    def _end_ns(self, chunk: SpikeChunk) -> float:
        return chunk.t0_ns + chunk.planes * self._period_ns

    def _continues(self, end_ns: float, chunk: SpikeChunk) -> bool:
        return abs(chunk.t0_ns - end_ns) <= TOLERANCE * self._period_ns

    def _leave_out(
        self, allow_gaps: bool, late: tuple[int, SpikeChunk] | None, end_ns: float | None
    ) -> None:
        """Count a packet that no other one continues, behind the end of the stream."""
        if late is not None and end_ns is not None:
            back = (end_ns - late[1].t0_ns) / self._period_ns
            self._note(allow_gaps, *late, 'late', 0, f'a stamp {back:.6g} planes back')
            self.packets_left_out += 1

    def write_gaps(self, out: Path) -> None:
        """Write layout and irregularities of the stream as JSON."""
        content = {
            'width': self.geometry.width,
            'height': self.geometry.height,
            'rate_hz': self.rate_hz,
            'planes': self.planes,
            'planes_lost': self.planes_lost,
            'packets_left_out': self.packets_left_out,
            'irregularities': self.irregularities,
            'damage': self.bag.damage,
        }
        out.write_text(json.dumps(content, indent=1) + '\n')

    def warnings(self) -> list[str]:
        """Return what is not as in a whole stream, one line each."""
        texts = list(self.bag.damage)
        if self._irregular:
            texts.append(
                f'{self._irregular} irregularities: {self.planes_lost} planes lost, '
                f'{self.packets_left_out} packets left out'
            )
        return texts

    def _inferred(self) -> float:
        """Return the plane period by the stamps, nanoseconds."""
        chunks: list[SpikeChunk] = []
        number, reason = 0, ''
        for chunk in self._chunks():
            if isinstance(chunk, str):
                reason = reason or chunk
                continue
            chunks, number = [*chunks[-2:], chunk], number + 1
            if period_ns := infer_period(chunks, TOLERANCE):
                return period_ns
        if number == 2 and chunks[1].t0_ns > chunks[0].t0_ns:
            return (chunks[1].t0_ns - chunks[0].t0_ns) / chunks[0].planes
        if reason and not number:
            raise BagError(f'{self.bag.path}: no packet of {self.topic} can be read: {reason}')
        raise BagError(
            f'{self.bag.path}: no plane rate fits the stamps of topic {self.topic}; give it, '
            'for example --rate 20000'
        )

    def _chunks(self) -> Iterator[SpikeChunk | str]:
        """Yield the packets, or why one cannot be used."""
        entries = self.bag.in_order([self.topic])
        for packet in self._stream.packets(entries):
            if isinstance(packet, Refused):
                yield packet.reason
                continue
            self.frame_id = packet.frame_id
            yield packet.chunk
        self.packets_sorted = entries.moved[self.topic]

    def _note(
        self,
        allowed: bool,
        packet: int,
        chunk: SpikeChunk | None,
        kind: str,
        planes_lost: int,
        text: str,
    ) -> None:
        if not allowed:
            raise BagError(
                f'{self.bag.path}: packet {packet} of {self.topic}, after {self.planes} planes: '
                f'{text}: {_ALLOW}'
            )
        self._irregular += 1
        if len(self.irregularities) < MAX_LISTED:
            self.irregularities.append(
                {
                    'kind': kind,
                    'planes': self.planes,
                    'packet': packet,
                    'stamp_ns': None if chunk is None else chunk.t0_ns,
                    'planes_lost': planes_lost,
                    'text': text,
                }
            )


_ALLOW = 'add --allow-gaps to write the rest and list what is missing'


def _arranged(chunk: SpikeChunk, bit_order: BitOrder, row_order: RowOrder) -> memoryview:
    """Return the bytes of a packet's planes in the order of the file."""
    planes: PackedPlanes = upright(chunk.data, row_order)
    if chunk.geometry.bit_order != bit_order:
        planes = _REVERSED[planes]
    return np.ascontiguousarray(planes).data.cast('B')
