# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node ``spike_player``: a recording, a pipe or standard input becomes a live spike topic."""

from __future__ import annotations

import argparse
import fractions
import itertools
import json
import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import rclpy
from rclpy.duration import Duration
from rclpy.event_handler import PublisherEventCallbacks, QoSOfferedIncompatibleQoSInfo
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image

from spike_depth_ros.arguments import count, not_negative, positive, sensor_size
from spike_depth_ros.chunk import Geometry, PackedPlanes, SpikeChunk
from spike_depth_ros.nodes import process
from spike_depth_ros.nodes.calibration import (
    CalibrationError,
    camera_info_from_matrix,
    camera_info_from_yaml,
)
from spike_depth_ros.nodes.conversions import spikes_msg, stamp_msg
from spike_depth_ros.recording import RecordingError, WaitingPipe, open_recording, read_pipe
from spike_depth_ros.vidar import TruncatedError

QUEUE = 128
CAMERA_INFO_EVERY_S = 0.1
EVENTS_EVERY_S = 0.5
SETTLE_S = 0.3
WARN_EVERY_S = 5.0
LATE_S = 0.5
"""Behind the clock by this much, the player says that it cannot keep the rate."""

NANOSECONDS = 1_000_000_000


class PlaneClock:
    """Time of each plane by counting: exact for any rate, so that stamps never drift.

    Args:
        rate_hz: Planes a second.
    """

    def __init__(self, rate_hz: float) -> None:
        self._period = NANOSECONDS / fractions.Fraction(rate_hz).limit_denominator(1_000_000)

    def since_start_ns(self, plane: int) -> int:
        """Nanoseconds from plane 0 to ``plane``, rounded down."""
        return int(plane * self._period)


class SpikePlayer(Node):
    """Publishes ``spikes`` and ``camera_info``.

    Args:
        options: The parsed command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__('spike_player')
        self.planes_sent = 0
        self.packets_sent = 0
        self.first_stamp_ns = 0
        self._options = options
        _check_report(options.report)
        source = _open_source(options)
        self._blocks, self._geometry = source.blocks, source.geometry
        self._pipe = source.pipe
        self._rate_hz = _chosen_rate(options, source.rate_hz)
        self._period_ns = round(NANOSECONDS / self._rate_hz)
        self._plane_clock = PlaneClock(self._rate_hz)
        self._started_s = 0.0
        self._next_s: dict[str, float] = {}
        width, height = self._geometry.width, self._geometry.height
        try:
            self._camera = (
                camera_info_from_yaml(options.camera_info, width, height)
                if options.camera_info
                else camera_info_from_matrix(source.camera_matrix, width, height)
            )
        except CalibrationError as error:
            raise process.UserError(str(error)) from error
        self._camera.header.frame_id = options.frame_id
        reliable = options.reliability == 'reliable'
        qos = QoSProfile(
            depth=QUEUE,
            reliability=(
                QoSReliabilityPolicy.RELIABLE if reliable else QoSReliabilityPolicy.BEST_EFFORT
            ),
        )
        overriding = QoSOverridingOptions.with_default_policies()
        self._camera_publisher = self.create_publisher(
            CameraInfo, 'camera_info', qos, qos_overriding_options=overriding
        )
        self._publisher = self.create_publisher(
            Image,
            'spikes',
            qos,
            qos_overriding_options=overriding,
            event_callbacks=PublisherEventCallbacks(incompatible_qos=self._on_incompatible_qos),
        )

    def _on_incompatible_qos(self, event: QoSOfferedIncompatibleQoSInfo) -> None:
        self.get_logger().warning(
            f'spikes: a subscriber asks for other QoS ({event.last_policy_kind.name}) than this '
            'player offers and receives nothing: play with --reliability reliable'
        )

    def play(self) -> int:
        """Publish the whole stream at its rate; the exit status."""
        self._wait_for_subscriber()
        if self._pipe is not None:
            self._wait_for_writer(self._pipe)
        self.first_stamp_ns = self.get_clock().now().nanoseconds
        self._started_s = time.monotonic()
        self._write_report(0.0)
        problem = None
        try:
            for block in self._blocks_to_send():
                self._publish_when_due(block)
                if not rclpy.ok():
                    break
        except TruncatedError as error:
            problem = str(error)
        self._finish(time.monotonic() - self._started_s, problem)
        return 1 if problem else 0

    def _blocks_to_send(self) -> Iterator[PackedPlanes]:
        """The source's blocks up to the number of planes asked for."""
        for block in self._blocks:
            left = self._options.planes - self.planes_sent if self._options.planes else len(block)
            yield block[:left]
            if left <= len(block) and self._options.planes:
                return

    def _publish_when_due(self, block: PackedPlanes) -> None:
        """Publish a packet once its last plane has been seen, as a camera would."""
        stamp_ns = self.first_stamp_ns + self._plane_clock.since_start_ns(self.planes_sent)
        chunk = SpikeChunk(block, self._geometry, stamp_ns, self._period_ns)
        message = spikes_msg(chunk, self._options.frame_id)
        self._wait_until_due(self.planes_sent + len(block))
        if not rclpy.ok():
            return
        if self._now_and_then('camera_info', CAMERA_INFO_EVERY_S):
            self._publish_camera_info(stamp_ns)
        self._publisher.publish(message)
        self.planes_sent += len(block)
        self.packets_sent += 1
        if self._now_and_then('events', EVENTS_EVERY_S):
            rclpy.spin_once(self, timeout_sec=0.0)

    def _wait_until_due(self, planes: int) -> None:
        """Sleep until this many planes have passed since the start, by rate and speed."""
        speed = self._options.speed
        if not speed:
            return
        due_s = self._started_s + self._plane_clock.since_start_ns(planes) / NANOSECONDS / speed
        while (wait_s := due_s - time.monotonic()) > 0 and rclpy.ok():
            time.sleep(min(wait_s, 0.2))
        if -wait_s > LATE_S and self._now_and_then('late', WARN_EVERY_S):
            self.get_logger().warning(
                f'{-wait_s:.1f} s behind: this machine or the source does not reach '
                f'{self._rate_hz * speed:.0f} planes/s'
            )

    def _now_and_then(self, what: str, every_s: float) -> bool:
        """Whether something is due again."""
        now = time.monotonic()
        if now < self._next_s.get(what, 0.0):
            return False
        self._next_s[what] = now + every_s
        return True

    def _wait_for_subscriber(self) -> None:
        """Nothing is lost at the start of a short recording."""
        until = time.monotonic() + self._options.wait
        if self._options.wait:
            self.get_logger().info(
                f'{self._geometry} at {self._rate_hz:g} planes/s; waiting up to '
                f'{self._options.wait:g} s for a subscriber to {self._publisher.topic_name}'
            )
        while (
            rclpy.ok()
            and not self._publisher.get_subscription_count()
            and time.monotonic() < until
        ):
            rclpy.spin_once(self, timeout_sec=0.05)
        if self._options.wait and not self._publisher.get_subscription_count() and rclpy.ok():
            self.get_logger().warning('nobody subscribes; playing all the same')
        # The other end may learn of this publisher a little later than this one of it, and it may
        # ask for camera_info best effort: say it more than once before the planes come.
        until = min(until, time.monotonic() + SETTLE_S)
        while rclpy.ok() and time.monotonic() < until:
            self._publish_camera_info(self.get_clock().now().nanoseconds)
            rclpy.spin_once(self, timeout_sec=CAMERA_INFO_EVERY_S)

    def _wait_for_writer(self, pipe: WaitingPipe) -> None:
        """The stream begins with its first bytes, whenever they come."""
        ready = pipe.ready()
        if not ready and rclpy.ok():
            name = 'standard input' if self._options.source == '-' else self._options.source
            self.get_logger().info(f'{name}: waiting for a writer')
        while not ready and rclpy.ok():
            ready = pipe.ready()

    def _publish_camera_info(self, stamp_ns: int) -> None:
        self._camera.header.stamp = stamp_msg(stamp_ns)
        self._camera_publisher.publish(self._camera)

    def _finish(self, took_s: float, problem: str | None) -> None:
        options = self._options
        unacknowledged = False
        if rclpy.ok() and options.reliability == 'reliable':
            unacknowledged = not self._publisher.wait_for_all_acked(Duration(seconds=5.0))
        self._write_report(took_s)
        rate = self.planes_sent / took_s if took_s > 0 else 0.0
        if rclpy.ok():
            self.get_logger().info(
                f'{self.planes_sent} planes in {self.packets_sent} packets sent in '
                f'{took_s:.2f} s, {rate:.0f} planes/s'
            )
            if unacknowledged:
                self.get_logger().warning('the last packets were not acknowledged by a subscriber')
            if problem:
                self.get_logger().error(problem)

    def _write_report(self, took_s: float) -> None:
        """Tell a waiting program when the stream began, and in the end what was sent."""
        path: Path | None = self._options.report
        if path is None:
            return
        report = {
            'planes_sent': self.planes_sent,
            'packets_sent': self.packets_sent,
            'planes_per_s': self.planes_sent / took_s if took_s > 0 else 0.0,
            'rate_hz': self._rate_hz,
            'first_stamp_ns': self.first_stamp_ns,
            'seconds': took_s,
        }
        part = path.with_name(path.name + '.part')
        part.write_text(json.dumps(report) + '\n')
        part.replace(path)


def _chosen_rate(options: argparse.Namespace, recorded: float | None) -> float:
    rate = options.rate or recorded
    if rate is None:
        raise process.UserError(
            f'{options.source}: the recording does not tell its plane rate; give it, for example '
            '--rate 20000'
        )
    return float(rate)


class _Source(NamedTuple):
    """What the user named: its planes in blocks, and what it tells of itself."""

    blocks: Iterator[PackedPlanes]
    geometry: Geometry
    rate_hz: float | None = None
    camera_matrix: npt.NDArray[np.float64] | None = None
    pipe: WaitingPipe | None = None


def _check_report(path: Path | None) -> None:
    if path is not None and (path.is_dir() or not os.access(path.parent, os.W_OK)):
        raise process.UserError(
            f'--report {path}: cannot be written; expected a file in a folder that exists'
        )


def _open_source(options: argparse.Namespace) -> _Source:
    try:
        if options.source == '-' or _is_pipe(Path(options.source)):
            return _open_pipe(options)
        recording = open_recording(
            Path(options.source),
            options.size,
            options.bit_order,
            options.row_order,
            options.allow_partial,
        )
    except (RecordingError, OSError) as error:
        raise process.UserError(str(error)) from error
    blocks = _blocks(recording.planes, options.planes_per_packet, options.loop)
    return _Source(blocks, recording.geometry, recording.rate_hz, recording.camera_matrix)


def _is_pipe(path: Path) -> bool:
    return path.exists() and stat.S_ISFIFO(path.stat().st_mode)


def _open_pipe(options: argparse.Namespace) -> _Source:
    if options.size is None:
        raise process.UserError(
            'a pipe does not tell its sensor size; give --size, for example --size 400x250'
        )
    width, height = options.size
    geometry = Geometry(height, width, options.bit_order)
    if options.source != '-':
        pipe = WaitingPipe(Path(options.source))
    elif sys.stdin is not None:
        pipe = WaitingPipe(sys.stdin.fileno())
    else:
        raise process.UserError('standard input is closed; pipe the planes into it')
    blocks = read_pipe(pipe, geometry, options.planes_per_packet, options.row_order, rclpy.ok)
    return _Source(blocks, geometry, pipe=pipe)


def _blocks(planes: PackedPlanes, size: int, loop: bool) -> Iterator[PackedPlanes]:
    starts = range(0, len(planes), size)
    for start in itertools.cycle(starts) if loop else starts:
        yield planes[start : start + size]


def argument_parser() -> argparse.ArgumentParser:
    """The command line of ``spike_player``."""
    parser = argparse.ArgumentParser(
        prog='spike_player',
        description='Publish a recorded or piped spike stream as ROS 2 topics spikes and '
        'camera_info (docs/wire_format.md).',
        epilog='A live camera: vendor_dump | spike_player - --size 400x250 --rate 20000 --speed 0',
    )
    add = parser.add_argument
    add('source', help='.dat, .npy, .npz, a named pipe, or - for standard input')
    add(
        '--size',
        type=sensor_size,
        metavar='WxH',
        help='sensor size in pixels; raw files and pipes',
    )
    add('--rate', type=positive, metavar='HZ', help='planes a second; default: as recorded')
    add('--planes-per-packet', type=count, default=40, metavar='N', help='default: 40')
    add('--loop', action='store_true', help='start a file again at its end; stamps go on')
    add('--planes', type=count, default=0, metavar='N', help='stop after this many planes')
    add(
        '--speed',
        type=not_negative,
        default=1.0,
        metavar='X',
        help='times real time; 0: as fast as the source gives (a live camera). Default: 1',
    )
    add(
        '--bit-order',
        choices=('little', 'big'),
        default='little',
        help='raw input: leftmost pixel in the lowest (little, default) or highest bit of a byte',
    )
    add(
        '--row-order',
        choices=('bottom_up', 'top_down'),
        default='bottom_up',
        help='raw input: which row comes first. Default: bottom_up (Vidar)',
    )
    add('--allow-partial', action='store_true', help='play a raw file that was cut within a plane')
    add(
        '--camera-info',
        type=Path,
        metavar='YAML',
        help='calibration as camera_calibration '
        "writes it; default: the recording's, else uncalibrated",
    )
    add('--frame-id', default='spike_camera_optical_frame', help='default: %(default)s')
    add(
        '--reliability',
        choices=('reliable', 'best_effort'),
        default='reliable',
        help='default: reliable',
    )
    add(
        '--wait',
        type=not_negative,
        default=10.0,
        metavar='S',
        help='wait at most this long for a subscriber. Default: 10',
    )
    add(
        '--report',
        type=Path,
        metavar='JSON',
        help='file for the time of the first plane (at the start) and what was sent (at the end)',
    )
    return parser


def main(args: list[str] | None = None) -> int:
    """Console script ``spike_player``."""
    given = sys.argv if args is None else args
    options = argument_parser().parse_args(process.own_arguments(given))
    return process.run(lambda: SpikePlayer(options), given, SpikePlayer.play)


if __name__ == '__main__':
    sys.exit(main())
