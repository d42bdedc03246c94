# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Findings of ``check_stream``: facts about streams, and rows that say what is wrong with them.

``check_stream`` collects facts from ROS, :func:`judge` finds the lines to print. Nothing here
imports ROS, so that each row can be judged from facts alone.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from spike_depth_ros.io.layout_check import FLIP, stripes
from spike_depth_ros.stereo.pairing import PAIR_WAIT_S
from spike_depth_ros.stream.accounting import PlaneAccounting
from spike_depth_ros.stream.chunk import BitOrder
from spike_depth_ros.stream.health import Exposure, bit_order_fits
from spike_depth_ros.stream.ingest import UNKNOWN_SIZE
from spike_depth_ros.stream.stamps import Arrival, differs

LEAST_SHARE = 0.9
"""Least share of its stamped rate at which a stream is not slow."""

SILENT_S = 1.0
"""Time without a packet at the end after which a stream has stopped, seconds."""

OFTEN = 1000
"""Packets a second above which they cost CPU time."""

PACKED = 40
"""Planes of a packet that are few and many enough."""

FASTER = 'close other programs, lower the plane rate, or take a faster machine'
"""Remedy where a machine is too slow."""

IMAGE_TYPE = 'sensor_msgs/msg/Image'
"""Type of a topic of spikes."""

RELIABLE = 'reliable'
"""Reliability of a publisher that sends lost packets again."""

Facts = TypeVar('Facts')
Part = TypeVar('Part')


@dataclasses.dataclass(frozen=True)
class Finding(Generic[Part]):
    """Row: a problem and its remedy, or that all is fine.

    Of the rows of a group that have the same subject, the first that applies is told.

    Attributes:
        name: Name of the problem, one of its table; empty: all is fine.
        subject: Name in front of the line.
        applies: True for facts that it is told of.
        says: Text of what is wrong, or fine.
        remedy: Text of what to do, or of the cause; empty: the problem says it.
        joint: Text between problem and remedy.
        ends: What is not judged after it: the rest of its ``group``, or of the ``check``; empty:
            all is.
        is_last_resort: True: it is told only if no problem was found before it.
    """

    name: str
    subject: str
    applies: Callable[[Part], bool]
    says: Callable[[Part], str]
    remedy: str | Callable[[Part], str] = ''
    _: dataclasses.KW_ONLY
    joint: str = ': '
    ends: Literal['', 'group', 'check'] = ''
    is_last_resort: bool = False

    def line(self, part: Part) -> Line:
        """Return the line that tells it, with the remedy."""
        remedy = self.remedy if isinstance(self.remedy, str) else self.remedy(part)
        text = f'{self.says(part)}{self.joint}{remedy}' if remedy else self.says(part)
        return Line(self.subject, text, self.name)


def fine(subject: str, says: Callable[[Part], str]) -> Finding[Part]:
    """Return the row that all is fine, for the end of those of its subject."""
    return Finding('', subject, lambda _: True, says)


class Line(NamedTuple):
    """Line to print.

    Attributes:
        subject: Name of what it is about.
        text: What is said of it.
        problem: Name of the problem; empty: it is fine.
    """

    subject: str
    text: str
    problem: str


Rows = tuple[Finding[Part], ...]
"""Rows of a group, in the order of their lines."""


@dataclasses.dataclass(frozen=True)
class Group(Generic[Facts, Part]):
    """Rows that are judged by the same part of the facts.

    Attributes:
        parts: Returns these parts, each of which is judged; none: the group is left out.
        rows: The rows.
    """

    parts: Callable[[Facts], Iterable[Part]]
    rows: Rows[Part]


def judge(check: Sequence[Group[Facts, Any]], facts: Facts) -> list[Line]:
    """Judge facts by the rows of a table.

    Args:
        check: The table: :data:`CAMERA` or :data:`PAIR`.
        facts: Facts of one camera, or of a pair.

    Returns:
        The lines to print, in order.
    """
    lines: list[Line] = []
    for group in check:
        for part in group.parts(facts):
            told: set[str] = set()
            for row in group.rows:
                late = row.is_last_resort and any(line.problem for line in lines)
                if late or row.subject in told or not row.applies(part):
                    continue
                told.add(row.subject)
                lines.append(row.line(part))
                if row.ends == 'check':
                    return lines
                if row.ends == 'group':
                    break
    return lines


def _known(part: Part | None) -> tuple[Part, ...]:
    return () if part is None else (part,)


@dataclasses.dataclass(frozen=True)
class Publisher:
    """Publisher of a topic of spikes.

    Attributes:
        topic: Full name of the topic.
        topic_type: Type that it has there.
        node: Name of its node.
        reliability: ``reliable`` or ``best_effort``.
    """

    topic: str
    topic_type: str
    node: str
    reliability: str


@dataclasses.dataclass(frozen=True)
class SlashedFrame:
    """Optical frame that begins with a slash.

    Attributes:
        topic: Topic of its messages, without the prefix.
        frame_id: The frame.
    """

    topic: str
    frame_id: str


@dataclasses.dataclass(frozen=True)
class InputWarning:
    """Warning of the ingest.

    Attributes:
        kind: Its kind.
        text: The warning.
        publishers: Publishers of the topic.
    """

    kind: str
    text: str
    publishers: int

    @property
    def is_told_elsewhere(self) -> bool:
        """True if another finding has it, with its remedy."""
        return (
            self.kind == Arrival.GAP.name
            or (self.kind == Arrival.BACKWARD.name and self.publishers > 1)
            or self.text.endswith(f'refused: {UNKNOWN_SIZE}')
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReadStream:
    """Stream whose packets could be read.

    Attributes:
        size: Size of the sensor, as ``400x250``.
        packets: Packets that arrived.
        packets_per_s: Packets that arrived in a second.
        planes_per_s: Planes that arrived in a second.
        stamped_hz: Planes a second by the stamps; 0: the stamps do not agree.
        silent_s: Time since the newest packet, seconds.
        accounting: Accounting of the planes.
        fx_px: Focal length in pixels; 0: unknown.
        is_reliable: True if every publisher is reliable.
        has_profile: True if a DDS profile is set here.
        busy: Why this machine can be too slow for the stream; empty: it has time left.
    """

    size: str
    packets: int
    packets_per_s: float
    planes_per_s: float
    stamped_hz: float
    silent_s: float
    accounting: PlaneAccounting
    fx_px: float
    is_reliable: bool
    has_profile: bool
    busy: str = ''

    @property
    def planes_a_packet(self) -> float:
        """Mean number of planes of a packet."""
        return self.accounting.received / self.packets

    @property
    def lost(self) -> int:
        """Planes that were lost on the way here."""
        return self.accounting.lost_in_transport


@dataclasses.dataclass(frozen=True)
class Picture:
    """Picture of the newest window.

    Attributes:
        bit_order: Stated order of bits.
        misfit: Misfit of this order, see :func:`~spike_depth_ros.stream.health.bit_order_misfit`.
        exposure: Exposure of the window.
    """

    bit_order: BitOrder
    misfit: float
    exposure: Exposure


@dataclasses.dataclass(frozen=True, kw_only=True)
class CameraFacts:
    """What was seen of one camera.

    Attributes:
        topic: Full name of its topic of spikes.
        prefix: Start of the relative names of its topics, as ``left/``; empty: the only camera.
        publishers: Publishers of the topic of spikes.
        packets: Packets that arrived.
        has_size: True if the size of the sensor is known.
        stream: Stream of the packets; None: none could be read.
        slashed: Frames that begin with a slash.
        picture: Picture of the newest window; None: there is none.
        warnings: Warnings of the ingest.
    """

    topic: str
    prefix: str
    publishers: tuple[Publisher, ...]
    packets: int
    has_size: bool
    stream: ReadStream | None
    slashed: tuple[SlashedFrame, ...]
    picture: Picture | None
    warnings: tuple[InputWarning, ...]


@dataclasses.dataclass(frozen=True)
class Stamps:
    """Newest stamps of a pair.

    Attributes:
        ahead_ns: How far the left one is ahead, nanoseconds.
        kept_ns: How much of the left stream a node keeps, nanoseconds.
    """

    ahead_ns: float
    kept_ns: int

    @property
    def overlap(self) -> bool:
        """True if a node finds the windows of both; as ``WindowPairs`` has it."""
        return -self.kept_ns <= self.ahead_ns <= min(self.kept_ns, 1e9 * PAIR_WAIT_S)

    @property
    def order(self) -> str:
        """Where the right one is to the left one."""
        return 'behind' if self.ahead_ns > 0 else 'ahead of'


@dataclasses.dataclass(frozen=True)
class Rig:
    """Calibration of a pair.

    Attributes:
        lacking: Eyes without ``camera_info``.
        problem: Why the two calibrations are not those of a rig; empty: they are.
        fx_px: Focal length of rectified pictures, pixels.
        baseline_m: Distance of the cameras, metres.
    """

    lacking: tuple[str, ...] = ()
    problem: str = ''
    fx_px: float = 0.0
    baseline_m: float = 0.0


@dataclasses.dataclass(frozen=True)
class PairFacts:
    """What was seen of two cameras as a pair; each is None where a camera lacks it.

    Attributes:
        sizes: Sizes of left and right sensor, as ``400x250``.
        rates_hz: Planes a second of left and right, by their stamps.
        stamps: Their newest stamps.
        rig: Their calibrations; None: a camera is silent and has none.
    """

    sizes: tuple[str, str] | None
    rates_hz: tuple[float, float] | None
    stamps: Stamps | None
    rig: Rig | None


def _packets(stream: ReadStream) -> str:
    return f'{stream.packets_per_s:.0f}/s of {stream.planes_a_packet:.0f} planes'


def _arriving(stream: ReadStream) -> str:
    return f'{stream.planes_per_s:,.0f} of {stream.stamped_hz:,.0f} planes/s'


def _lost(stream: ReadStream) -> str:
    lost, planes = stream.lost, stream.accounting
    return (
        f'{lost} of {planes.expected} planes ({lost / planes.expected:.2%}) in {planes.gaps} gaps'
    )


def _light(picture: Picture) -> str:
    exposure = picture.exposure
    return (
        f'{exposure.mean_rate:.3f} spikes per pixel and plane; {exposure.always:.1%} of pixels '
        f'always fire, {exposure.never:.1%} never'
    )


def _bit_order(picture: Picture) -> str:
    if bit_order_fits(picture.misfit):
        return f'{picture.bit_order}: fits the picture ({picture.misfit:.2f})'
    return f'{picture.bit_order}: cannot be checked on this picture'


def _depth_of_a_pixel(rig: Rig) -> str:
    strength = max(rig.fx_px * rig.baseline_m, sys.float_info.min)
    return ', '.join(f'{z * z / strength:.2g} m at {z} m' for z in (1, 5, 10))


FEWER_PACKETS = f'pack {PACKED} planes into a packet'
"""Remedy against lost planes, also where the machine is too slow."""

REMEDIES: dict[str, Callable[[ReadStream], bool]] = {
    FEWER_PACKETS: lambda stream: stream.packets_per_s > OFTEN,
    'let the publisher be reliable': lambda stream: not stream.is_reliable,
    'use our DDS profile at both ends (docs/tasks/robot.md)': lambda stream: (
        not stream.has_profile
    ),
    f'send packets of at most {PACKED} planes': lambda stream: stream.planes_a_packet > PACKED,
}
"""Remedies against planes that are lost while this machine has time left, of which all are told
that are left."""


def _remedies(stream: ReadStream) -> list[str]:
    return [remedy for remedy, is_left in REMEDIES.items() if is_left(stream)]


def _is_behind(stream: ReadStream) -> bool:
    if stream.lost or stream.packets < 2:
        return False
    return stream.planes_per_s < LEAST_SHARE * stream.stamped_hz


def _why_behind(stream: ReadStream) -> str:
    # A best-effort subscriber that is too slow loses planes, it slows no publisher down.
    where = f', perhaps as this machine is too slow ({stream.busy})' if stream.busy else ''
    return (
        f'the publisher is behind{where}, or its stamps are not the times of planes '
        '(docs/tasks/connect_camera.md); spike_player: --speed'
    )


TOPIC: Rows[CameraFacts] = (
    Finding(
        'no publisher',
        'topic',
        lambda camera: not camera.publishers,
        lambda camera: f'no publisher of {camera.topic}',
        lambda camera: (
            'start the driver or spike_player, or remap with --ros-args -r '
            f'{camera.prefix}spikes:=/your/topic'
        ),
    ),
)

PUBLISHER: Rows[Publisher] = (
    Finding(
        'another type',
        'topic',
        lambda one: one.topic_type != IMAGE_TYPE,
        lambda one: f'{one.topic} is {one.topic_type}; expected {IMAGE_TYPE}',
        '(docs/reference/wire_format.md)',
        joint=' ',
    ),
    fine('publisher', lambda one: f'{one.node}: {one.reliability}'),
)

PUBLISHERS: Rows[CameraFacts] = (
    Finding(
        'several publishers',
        'publisher',
        lambda camera: len(camera.publishers) > 1,
        lambda camera: f'{len(camera.publishers)} nodes publish {camera.topic}',
        'stop all but one',
        joint='; ',
    ),
    Finding(
        'none arrived',
        'packets',
        lambda camera: not camera.packets,
        lambda _: 'none arrived',
        'start the camera, use one DDS profile for all',
        is_last_resort=True,
    ),
)

UNREAD: Rows[CameraFacts] = (
    Finding(
        'unknown size',
        'sensor',
        lambda camera: not camera.has_size,
        lambda camera: f'{camera.packets} packets arrived, none could be read',
        f'{UNKNOWN_SIZE}, or check_stream --size WxH',
        ends='group',
    ),
    Finding(
        'unread packets',
        'packets',
        lambda camera: not camera.warnings,  # which say why
        lambda camera: f'{camera.packets} arrived, none could be read',
    ),
)

STREAM: Rows[ReadStream] = (
    Finding(
        'stopped',
        'packets',
        lambda stream: stream.silent_s > SILENT_S,
        lambda stream: f'{_packets(stream)}, none in the last {stream.silent_s:.1f} s',
        'the publisher has stopped',
    ),
    Finding(
        'small packets',
        'packets',
        lambda stream: stream.packets_per_s > OFTEN and not stream.lost,
        lambda stream: f'{_packets(stream)}: above {OFTEN}/s costs CPU time',
        f'pack {PACKED} or more planes',
        joint='; ',
    ),
    fine('packets', _packets),
    fine('sensor', lambda stream: f'{stream.size} pixels'),
    Finding(
        'no focal length',
        'camera',
        lambda stream: not stream.fx_px,
        lambda _: (
            'no focal length (camera_info absent or K of zeros): the scale of depth is assumed'
        ),
        'calibrate the camera',
        joint='; ',
    ),
    fine('camera', lambda stream: f'focal length {stream.fx_px:.1f} pixels'),
    Finding(
        'unknown rate',
        'rate',
        lambda stream: not stream.stamped_hz,
        lambda _: 'unknown: the steps between stamps do not agree',
        'stamp each packet with the time of its first plane, counted in planes '
        '(docs/tasks/connect_camera.md)',
        joint='; ',
        ends='group',
    ),
    Finding(
        'slow machine',
        'loss',
        lambda stream: bool(stream.lost and stream.busy),
        lambda stream: f'{_lost(stream)}: this machine takes {_arriving(stream)} ({stream.busy})',
        lambda stream: FEWER_PACKETS if REMEDIES[FEWER_PACKETS](stream) else FASTER,
    ),
    Finding(
        'lost on the way',
        'loss',
        lambda stream: bool(stream.lost and _remedies(stream)),
        _lost,
        lambda stream: ', or '.join(_remedies(stream)),
    ),
    Finding(
        'lost before DDS',
        'loss',
        lambda stream: stream.lost > 0,
        lambda stream: (
            f'{_lost(stream)}: {_arriving(stream)} arrive and this machine has time left'
        ),
        'they are lost before DDS, in the driver or its link (docs/tasks/connect_camera.md)',
    ),
    fine('loss', lambda stream: f'none of {stream.accounting.expected} planes'),
    Finding(
        'behind',
        'rate',
        _is_behind,
        lambda stream: f'{_arriving(stream)} arrive and none are lost',
        _why_behind,
    ),
    fine(
        'rate',
        lambda stream: (
            f'{stream.stamped_hz:.1f} planes/s by stamps, {stream.planes_per_s:.0f}/s arrived here'
        ),
    ),
)

FRAME: Rows[SlashedFrame] = (
    Finding(
        'slash',
        'frame',
        lambda _: True,
        lambda one: (
            f'{one.topic} has frame_id {one.frame_id!r}, which tf2 refuses for its slash; '
            f'expected {one.frame_id.lstrip("/")!r}'
        ),
        'correct the driver (depth comes without the slash)',
    ),
)

PICTURE: Rows[Picture] = (
    Finding(
        'other bit order',
        'bit order',
        lambda picture: bit_order_fits(picture.misfit) is False,
        lambda picture: stripes(picture.misfit),
        FLIP,
    ),
    fine('bit order', _bit_order),
    Finding(
        'dark',
        'light',
        lambda picture: picture.exposure.too_dark,
        lambda picture: f'{_light(picture)}: too dark',
        'open the iris, add light, lower the rate',
        joint='; ',
    ),
    Finding(
        'saturated',
        'light',
        lambda picture: picture.exposure.saturated,
        lambda picture: f'{_light(picture)}: saturated',
        'close the iris or raise the plane rate',
        joint='; ',
    ),
    fine('light', _light),
)

INPUT: Rows[InputWarning] = (
    Finding(
        'warning',
        'input',
        lambda warning: not warning.is_told_elsewhere,
        lambda warning: warning.text,
    ),
)

CAMERA: tuple[Group[CameraFacts, Any], ...] = (
    Group(lambda camera: (camera,), TOPIC),
    Group(lambda camera: camera.publishers, PUBLISHER),
    Group(lambda camera: (camera,), PUBLISHERS),
    Group(lambda camera: (camera,) if camera.packets and camera.stream is None else (), UNREAD),
    Group(lambda camera: _known(camera.stream), STREAM),
    Group(lambda camera: camera.slashed, FRAME),
    Group(lambda camera: _known(camera.picture), PICTURE),
    Group(lambda camera: camera.warnings, INPUT),
)
"""Check of one camera."""

SIZES: Rows[tuple[str, str]] = (
    Finding(
        'unequal sizes',
        'sensor',
        lambda sizes: sizes[0] != sizes[1],
        lambda sizes: f'left {sizes[0]}, right {sizes[1]} pixels; expected one size',
        'use two cameras of one kind',
        ends='check',
    ),
    fine('sensor', lambda sizes: f'both {sizes[0]} pixels'),
)

RATES: Rows[tuple[float, float]] = (
    Finding(
        'unequal rates',
        'rate',
        lambda rates: differs(*rates),
        lambda rates: f'left {rates[0]:.1f}, right {rates[1]:.1f} planes/s; expected one rate',
        'set both cameras to it',
    ),
    fine('rate', lambda rates: f'both {rates[0]:.1f} planes/s'),
)

STAMPS: Rows[Stamps] = (
    Finding(
        'no overlap',
        'stamps',
        lambda stamps: not stamps.overlap,
        lambda stamps: (
            f'do not overlap: right is {abs(stamps.ahead_ns) / 1e9:.3f} s {stamps.order} left'
        ),
        'stamp both by one clock, or set right.offset_s',
    ),
    fine(
        'stamps',
        lambda stamps: (
            f'newest of right {abs(stamps.ahead_ns) / 1e6:.1f} ms {stamps.order} that of left'
        ),
    ),
)

RIG: Rows[Rig] = (
    Finding(
        'no camera_info',
        'rig',
        lambda rig: bool(rig.lacking),
        lambda rig: f'no camera_info of {" and ".join(rig.lacking)}',
        'calibrate both together and publish left/camera_info and right/camera_info',
    ),
    Finding('no rig', 'rig', lambda rig: bool(rig.problem), lambda rig: rig.problem),
    fine(
        'rig',
        lambda rig: (
            f'baseline {rig.baseline_m:.3f} m, fx {rig.fx_px:.1f} pixels; one pixel of disparity '
            f'is {_depth_of_a_pixel(rig)}'
        ),
    ),
)

PAIR: tuple[Group[PairFacts, Any], ...] = (
    Group(lambda pair: _known(pair.sizes), SIZES),
    Group(lambda pair: _known(pair.rates_hz), RATES),
    Group(lambda pair: _known(pair.stamps), STAMPS),
    Group(lambda pair: _known(pair.rig), RIG),
)
"""Check of two cameras as a pair; what a camera itself lacks is found by :data:`CAMERA`."""
