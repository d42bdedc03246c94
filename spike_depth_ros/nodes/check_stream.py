# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``check_stream``: checks one or two spike topics, and prints problems with remedies."""

from __future__ import annotations

import collections
import dataclasses
import os
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from spike_depth_ros.base import cli
from spike_depth_ros.geometry.calibration import Calibration, CalibrationError
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.nodes.parts import process
from spike_depth_ros.nodes.parts.spike_topics import UNKNOWN_NAME, UNNAMED
from spike_depth_ros.nodes.parts.stream_findings import (
    CAMERA,
    PAIR,
    RELIABLE,
    SILENT_S,
    CameraFacts,
    Facts,
    Group,
    InputWarning,
    PairFacts,
    Picture,
    Publisher,
    ReadStream,
    Rig,
    SlashedFrame,
    Stamps,
    judge,
)
from spike_depth_ros.stereo import EYES
from spike_depth_ros.stream import health as stream_health
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.accounting import PlaneAccounting
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.stream.ingest import Ingest, StreamSettings
from spike_depth_ros.stream.window import Window
from spike_depth_ros.tools.arguments import Amount, Size

WINDOW = 256
"""Planes whose exposure and bit order are checked."""

WATCH_S = 1.0
"""Time between two lines of a watched stream, seconds."""

MOST_LOOKS = 10_000
"""Comparisons of the newest stamps that are kept."""

WAIT_S = 15.0
"""Longest wait for the first packets, seconds."""

BUSY_PROCESS, BUSY_MACHINE = 0.8, 0.9
"""Share of a core that this process uses, and of all cores that are busy, from which on the
machine is too slow for the stream."""


class Load:
    """Load of this machine since the object was made."""

    def __init__(self) -> None:
        self._before = self._times()

    def describe(self) -> str:
        """Return why the machine can be too slow; empty: it has time left."""
        wall, own, idle, cores = (
            now - before for now, before in zip(self._times(), self._before, strict=True)
        )
        if own > BUSY_PROCESS * wall:
            return f'check_stream uses {own / wall:.0%} of a core'
        busy = 1 - idle / cores if cores > 0 else 0.0
        return f'its cores are {busy:.0%} busy' if busy > BUSY_MACHINE else ''

    @staticmethod
    def _times() -> tuple[float, float, float, float]:
        """Return wall time, CPU time of this process, idle time and time of all cores, seconds."""
        try:
            with open('/proc/stat', encoding='ascii') as file:
                ticks = [int(word) for word in file.readline().split()[1:9]]
        except (OSError, ValueError):
            ticks = [0] * 8
        hz = os.sysconf('SC_CLK_TCK')
        idle = sum(ticks[3:5])  # idle, and waiting for a disk
        return time.monotonic(), time.process_time(), idle / hz, sum(ticks) / hz


def report(label: str, check: Sequence[Group[Facts, Any]], facts: Facts) -> int:
    """Print what is found.

    Args:
        label: Label of each line; empty: none.
        check: Table of what is looked for.
        facts: What was seen.

    Returns:
        Number of problems.
    """
    lines = judge(check, facts)
    for line in lines:
        kind = 'PROBLEM' if line.problem else 'ok'
        print(f'{kind:<7}  {_label(label)}{line.subject:<10} {line.text}')
    return sum(bool(line.problem) for line in lines)


def _label(label: str) -> str:
    return f'{label:<5}  ' if label else ''


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """Check a spike topic, or those of two cameras, and print problems with their remedies.

    Another topic: check_stream --ros-args -r spikes:=/camera/spikes
    -r camera_info:=/camera/camera_info. Two cameras in a namespace: check_stream --stereo
    --ros-args -r __ns:=/rig
    """

    stereo: bool = False
    """Check left/spikes, right/spikes and the camera_info of each, and both as a pair."""
    duration: Amount = 3.0
    """Duration of the check, s."""
    wait: Amount = WAIT_S
    """Longest wait for a packet, s."""
    watch: bool = False
    """Print a line a second until interrupted instead."""
    size: Size | None = None
    """Sensor size if there is no camera_info, WIDTHxHEIGHT."""


class CameraCheck:
    """What is seen of the stream of one camera.

    Args:
        node: Node of the subscriptions.
        options: The parsed command line.
        eye: ``left`` or ``right``; empty: the only one.

    Attributes:
        eye: The same.
        ingest: Ingest of its planes.
        packets: Packets so far.
    """

    def __init__(self, node: Node, options: CheckOptions, eye: str) -> None:
        self.eye = eye
        self._node = node
        self._prefix = f'{eye}/' if eye else ''
        self._texts: dict[str, str] = {}
        self.packets = 0
        self._first_s, self._last_s = 0.0, 0.0  # monotonic time of the first and the last packet
        self._slashed: dict[str, str] = {}  # frames that begin with a slash, by topic
        self._window: Window | None = None
        self._before: tuple[PlaneAccounting, int] = PlaneAccounting(), 0
        width, height = options.size or (0, 0)
        settings = StreamSettings(
            WINDOW,
            ring_planes=4 * WINDOW,
            sensor_width=width,
            sensor_height=height,
            rectify=not eye,  # that of a pair is the rig's
        )
        self.ingest = Ingest(settings, self._texts.setdefault)
        qos = QoSProfile(depth=32, reliability=QoSReliabilityPolicy.BEST_EFFORT)
        node.create_subscription(
            CameraInfo, f'{self._prefix}camera_info', self._on_camera_info, qos
        )
        self._spikes = node.create_subscription(
            Image, f'{self._prefix}spikes', self._on_spikes, qos
        )

    def _on_camera_info(self, msg: CameraInfo) -> None:
        self._look_at_frame('camera_info', msg.header.frame_id)
        self.ingest.on_camera_info(msg)

    def _look_at_frame(self, topic: str, frame_id: str) -> None:
        if frame_id.startswith('/'):
            self._slashed[topic] = frame_id

    def _on_spikes(self, msg: Image) -> None:
        self.packets += 1
        self._look_at_frame('spikes', msg.header.frame_id)
        self._last_s = time.monotonic()
        self._first_s = self._first_s or self._last_s
        self.ingest.on_spikes(msg)
        if self.ingest.ring is not None:
            self._window = self.ingest.ring.take() or self._window

    def describe(self, passed_s: float) -> str:
        """Describe what has arrived since the last call, in one line.

        Args:
            passed_s: Time since then, seconds.
        """
        before, packets = self._before
        accounting = self.ingest.accounting()
        planes = accounting.received - before.received
        lost = accounting.lost_in_transport - before.lost_in_transport
        parts = [
            f'{_label(self.eye)}{(self.packets - packets) / passed_s:6.0f} packets/s',
            f'{planes / passed_s:8.0f} planes/s',
            f'{lost:6} lost',
        ]
        if (window := self._window) is not None and planes:
            geometry = window.geometry
            counts = packing.spike_counts(window.data, geometry.width, geometry.bit_order)
            exposure = stream_health.measure_exposure(counts, window.planes)
            parts.append(f'{exposure.mean_rate:.3f} spikes per pixel and plane')
        elif self._texts:
            parts.append(next(iter(self._texts.values())))
        self._before = accounting, self.packets
        return '  '.join(parts)

    @property
    def topic(self) -> str:
        """Name of the topic of spikes."""
        return str(self._spikes.topic_name)

    def seen(self, busy: str = '') -> CameraFacts:
        """Return what was seen.

        Args:
            busy: Why this machine can be too slow for the stream; empty: it is not.
        """
        ended_s = time.monotonic()
        self.ingest.settle()  # counts gaps before the last packets, too
        topic = self.topic
        publishers = tuple(
            Publisher(
                topic,
                one.topic_type,
                UNNAMED if one.node_name == UNKNOWN_NAME else one.node_name,
                one.qos_profile.reliability.name.lower(),
            )
            for one in self._node.get_publishers_info_by_topic(topic)
        )
        return CameraFacts(
            topic=topic,
            prefix=self._prefix,
            publishers=publishers,
            packets=self.packets,
            has_size=self.ingest.size is not None,
            stream=self._seen_stream(publishers, ended_s, busy),
            slashed=tuple(SlashedFrame(*one) for one in self._slashed.items()),
            picture=None if self._window is None else _seen_picture(self._window),
            warnings=tuple(
                InputWarning(kind, text, len(publishers)) for kind, text in self._texts.items()
            ),
        )

    def _seen_stream(
        self, publishers: Sequence[Publisher], ended_s: float, busy: str
    ) -> ReadStream | None:
        """Return what was seen of the stream; None if no packet could be read."""
        ingest = self.ingest
        if ingest.geometry is None:
            return None
        accounting = ingest.accounting()
        return ReadStream(
            size=_size_text(ingest.geometry),
            packets=self.packets,
            packets_per_s=self._a_second(self.packets),
            planes_per_s=self._a_second(accounting.received),
            stamped_hz=0.0 if ingest.ring is None else 1e9 / ingest.ring.period_ns,
            silent_s=ended_s - self._last_s,
            accounting=accounting,
            fx_px=ingest.camera.fx_px or 0.0,
            is_reliable=all(one.reliability == RELIABLE for one in publishers),
            has_profile=bool(process.given_profile()),
            busy=busy,
        )

    def _a_second(self, number: float) -> float:
        """Return how many of what came in equal parts with all packets came in a second."""
        passed_s = self._last_s - self._first_s
        return number * (1 - 1 / self.packets) / passed_s if passed_s > 0 else 0.0


def _seen_picture(window: Window) -> Picture:
    geometry = window.geometry
    counts = packing.spike_counts(window.data, geometry.width, geometry.bit_order)
    return Picture(
        geometry.bit_order,
        stream_health.bit_order_misfit(counts),
        stream_health.measure_exposure(counts, window.planes),
    )


def _size_text(geometry: Geometry) -> str:
    return f'{geometry.width}x{geometry.height}'


class PairCheck:
    """What is seen of two streams as those of a rig.

    Args:
        left: Stream of the left camera.
        right: That of the right one.
    """

    def __init__(self, left: CameraCheck, right: CameraCheck) -> None:
        self._left, self._right = left.ingest, right.ingest
        self._ahead_ns: collections.deque[int] = collections.deque(maxlen=MOST_LOOKS)

    def look(self) -> None:
        """Compare the newest stamps."""
        newest = [one.ring.newest_ns for one in (self._left, self._right) if one.ring is not None]
        if len(newest) == 2 and newest[0] is not None and newest[1] is not None:
            self._ahead_ns.append(newest[0] - newest[1])

    def seen(self) -> PairFacts:
        """Return what was seen."""
        both = self._left, self._right
        sizes = [_size_text(one.geometry) for one in both if one.geometry is not None]
        rates = [1e9 / one.ring.period_ns for one in both if one.ring is not None]
        return PairFacts(
            sizes=(sizes[0], sizes[1]) if len(sizes) == 2 else None,
            rates_hz=(rates[0], rates[1]) if len(rates) == 2 else None,
            stamps=self._seen_stamps(),
            rig=self._seen_rig(),
        )

    def _seen_stamps(self) -> Stamps | None:
        ring = self._left.ring
        if not self._ahead_ns or ring is None:
            return None
        return Stamps(statistics.median(self._ahead_ns), ring.capacity * ring.period_ns)

    def _seen_rig(self) -> Rig | None:
        infos = {'left': self._left.camera.info, 'right': self._right.camera.info}
        if lacking := tuple(eye for eye, info in infos.items() if info is None):
            silent = [one for one in (self._left, self._right) if one.last_packet_s is None]
            return None if silent else Rig(lacking)
        try:
            rig = StereoRig(*map(Calibration.from_message, infos.values()))
        except CalibrationError as error:
            return Rig(problem=str(error))
        return Rig(fx_px=rig.fx_px, baseline_m=rig.baseline_m)


class StreamCheck(Node):
    """Node that subscribes for a while, then prints its findings.

    Args:
        options: The parsed command line.
    """

    def __init__(self, options: CheckOptions) -> None:
        super().__init__('check_stream')
        self._options = options
        eyes = EYES if options.stereo else ('',)
        self._cameras = [CameraCheck(self, options, eye) for eye in eyes]

    def run(self) -> int:
        """Check the streams, or watch them; return the exit status."""
        return self._watch() if self._options.watch else self._check()

    def _watch(self) -> int:
        """Print a line of each stream each second until interrupted."""
        since = time.monotonic()
        while rclpy.ok():
            rclpy.spin_once(self, timeout_sec=0.1)
            now = time.monotonic()
            if now - since < WATCH_S:
                continue
            clock, passed_s, since = time.strftime('%H:%M:%S'), now - since, now
            for camera in self._cameras:
                print(f'{clock}  {camera.describe(passed_s)}', flush=True)
        return 0

    def _check(self) -> int:
        """Subscribe and print the findings; return the exit status, 0 if all is fine."""
        pair = PairCheck(*self._cameras) if self._options.stereo else None
        self._wait()
        load = Load()
        until = time.monotonic() + self._options.duration
        while rclpy.ok() and any(one.packets for one in self._cameras):
            rclpy.spin_once(self, timeout_sec=0.1)
            if pair is not None:
                pair.look()
            if time.monotonic() >= until:
                break
        busy = load.describe()
        problems = 0
        for camera in self._cameras:
            problems += report(camera.eye, CAMERA, camera.seen(busy))
        if pair is not None:
            problems += report('pair', PAIR, pair.seen())
        many = f'{problems} problem{"s" if problems > 1 else ""}'
        fine = 'the stream is fine' if pair is None else 'both streams are fine, as a pair, too'
        print(many if problems else fine)
        return 1 if problems else 0

    def _wait(self) -> None:
        """Wait for the first packet of each camera, for a while."""
        since = time.monotonic()
        announced = False
        while rclpy.ok() and (waited_s := time.monotonic() - since) < self._options.wait:
            silent = [one.topic for one in self._cameras if not one.packets]
            if not silent:
                return
            if waited_s > SILENT_S and not announced:
                announced = True
                until = f'for up to {self._options.wait:g} s'
                print(f'waiting {until} for {" and ".join(silent)}', file=sys.stderr)
            rclpy.spin_once(self, timeout_sec=0.1)


def main(args: list[str] | None = None) -> int:
    """Run the console script ``check_stream``; return the exit status."""
    given = sys.argv if args is None else args
    options = cli.options(CheckOptions, 'check_stream', process.own_arguments(given))
    ended: list[int] = []

    def work(check: StreamCheck) -> int:
        ended.append(check.run())
        return ended[-1]

    status = process.run(lambda: StreamCheck(options), given, work)
    if status or ended or options.watch:
        return status
    print('check_stream: error: interrupted before the check ended: run it again', file=sys.stderr)
    return 1


if __name__ == '__main__':
    sys.exit(main())
