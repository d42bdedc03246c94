# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Node ``spike_player``: publishes recordings, a bag or a pipe as live spike topics."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from spike_depth_ros.base import cli
from spike_depth_ros.base.cli import POSITIONAL
from spike_depth_ros.base.errors import one_line
from spike_depth_ros.base.results import has_keys, write_atomically
from spike_depth_ros.base.values import Count, NotNegative, Number
from spike_depth_ros.io.bags.limits import BagError
from spike_depth_ros.io.recording import WaitingPipe
from spike_depth_ros.io.vidar import TruncatedError
from spike_depth_ros.nodes.parts import process, shared_memory
from spike_depth_ros.nodes.parts.conversions import image_msg, spikes_msg, stamp_msg
from spike_depth_ros.nodes.parts.player_packets import Frame, Packet, TrueDepth
from spike_depth_ros.nodes.parts.player_source import open_source
from spike_depth_ros.nodes.parts.spike_topics import SpikeTopics
from spike_depth_ros.stereo import EYES
from spike_depth_ros.stream.chunk import SpikeChunk
from spike_depth_ros.stream.plane_clock import NANOSECONDS
from spike_depth_ros.tools.arguments import CameraOptions, PairOptions, RecordingOptions

EVENTS_EVERY_S = 0.5
LATE_S = 0.5
"""Delay from which the player warns, once, that it cannot keep the rate, seconds."""


@dataclasses.dataclass
class Sent:
    """What was sent of one camera, under the names of the report."""

    planes_sent: int = 0
    packets_sent: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlayerOptions(PairOptions, CameraOptions, RecordingOptions):
    """Publish a recorded or piped spike stream as ROS 2 topics spikes and camera_info.

    The messages: docs/reference/wire_format.md. A live camera:
    vendor_dump | spike_player - --size 400x250 --rate 20000 --speed 0

    Two files play by one clock as left/spikes and right/spikes, each with its camera_info. So does
    a bag that has both, with left/depth/truth, unless --topic names one; its stamps keep their
    differences. Frames: as in the bag, else left_spike_camera_optical_frame and
    right_spike_camera_optical_frame; --frame-id is the left one.
    """

    source: Annotated[str, POSITIONAL]
    """.dat, .npy, .npz, a bag (rosbag2), a named pipe, or - for standard input."""
    planes_per_packet: Count | None = None
    """Planes of a packet. Default: 40; of a bag: as recorded."""
    loop: bool = False
    """Start a file again at its end; stamps go on."""
    planes: Number = 0
    """Stop after this many planes; 0: at the end."""
    speed: NotNegative = 1.0
    """Times real time; 0: as fast as the source gives (a live camera)."""
    frame_id: str | None = None
    """Optical frame of the stamps. Default: a bag's own, else spike_camera_optical_frame."""
    topic: str | None = None
    """Topic of the stream in a bag. Default: the one called spikes."""
    truth: str | None = None
    """Topic of true depth in a bag, published as depth/truth. Default: depth/truth beside it, if
    there is one; none: leave it out."""
    image: str | None = None
    """Topic of frames in a bag, published as image. Default: image beside the spikes, if there is
    one; none: leave them out."""
    with_truth: bool = False
    """Wait for a subscriber to depth/truth, too: an evaluation."""
    reliability: Literal['reliable', 'best_effort'] = 'reliable'
    """Reliability of the publishers."""
    queue: Count = process.QUEUE_PACKETS
    """Packets that wait at most for subscribers; fewer where memory is short."""
    wait: NotNegative = 10.0
    """Wait for a subscriber, s."""
    report: Path | None = None
    """File, JSON, for the time of the first plane (at the start) and what was sent (at the
    end)."""


class SpikePlayer(Node):
    """Node that publishes ``spikes`` and ``camera_info``, or those of ``left`` and ``right``.

    Args:
        options: The parsed command line.
    """

    def __init__(self, options: PlayerOptions) -> None:
        _check_report(options.report)
        self._source = open_source(options, rclpy.ok)
        super().__init__('spike_player')
        self.first_stamp_ns = 0
        self.behind_s = 0.0  # at most, behind the clock
        self._told_behind = False
        self._options = options
        self._geometry, self._cameras = self._source.geometry, self._source.cameras
        self.sent = [Sent() for _ in self._cameras]
        self._started_s = 0.0
        remedy = 'play with --reliability reliable'
        self._eyes = [
            SpikeTopics(self, camera, options.reliability, remedy, options.queue, prefix)
            for camera, prefix in zip(self._cameras, self._source.prefixes, strict=True)
        ]
        self._topics = self._eyes[0]
        self._truth_publisher = (
            self.create_publisher(
                Image,
                f'{self._source.prefixes[0]}depth/truth',
                self._topics.qos,
                qos_overriding_options=self._topics.overriding,
            )
            if self._source.has_truth
            else None
        )
        self.frames_sent = 0
        self._frame_publishers = [
            self.create_publisher(
                kind, topic, self._topics.qos, qos_overriding_options=self._topics.overriding
            )
            for kind, topic in ((CameraInfo, 'image/camera_info'), (Image, 'image'))
            if self._source.frames is not None
        ]

    def play(self) -> int:
        """Publish the whole stream at its rate; return the exit status."""
        shared_memory.warn(self.get_logger().warning)
        self._warn()
        self._wait_for_subscriber()
        if self._source.pipe is not None:
            self._wait_for_writer(self._source.pipe)
        self.first_stamp_ns = self.get_clock().now().nanoseconds
        self._started_s = time.monotonic()
        problem = None
        try:
            self._write_report(0.0)
            for item in self._source.items:
                if isinstance(item, Packet):
                    self._publish_when_due(item)
                elif isinstance(item, TrueDepth):
                    self._publish_truth(item)
                else:
                    self._publish_frame(item)
                self._warn()
                if not rclpy.ok():
                    break
        except (TruncatedError, BagError, OSError) as error:
            problem = one_line(error)
        problem = problem or '; '.join(self._source.damage)
        self._warn()
        return 1 if self._finish(time.monotonic() - self._started_s, problem) else 0

    def _warn(self) -> None:
        """Log what the user was not told yet."""
        while self._source.warnings:
            self.get_logger().warning(self._source.warnings.pop(0))

    def _publish_when_due(self, packet: Packet) -> None:
        """Publish a packet at the time of its last plane, as a camera would."""
        stamp_ns = self.first_stamp_ns + packet.start_ns
        chunk = SpikeChunk(packet.data, self._geometry, stamp_ns)
        message = spikes_msg(chunk, self._cameras[packet.eye].header.frame_id)
        self._wait_until_due(packet.end_ns - self._source.ahead_ns[packet.eye])
        if not rclpy.ok():
            return
        self._eyes[packet.eye].publish(message, stamp_ns)
        self.sent[packet.eye].planes_sent += len(packet.data)
        self.sent[packet.eye].packets_sent += 1
        if self._topics.is_due('events', EVENTS_EVERY_S):
            rclpy.spin_once(self, timeout_sec=0.0)

    def _publish_truth(self, truth: TrueDepth) -> None:
        """Publish true depth in the order of the bag, with the time offset of the planes."""
        assert self._truth_publisher is not None
        header = Header(
            stamp=stamp_msg(self.first_stamp_ns + truth.at_ns),
            frame_id=self._cameras[0].header.frame_id,
        )
        self._truth_publisher.publish(image_msg(truth.message, header))

    def _publish_frame(self, frame: Frame) -> None:
        """Publish a frame and its camera_info, as true depth."""
        camera = self._source.frames
        assert camera is not None
        infos, images = self._frame_publishers
        header = Header(
            stamp=stamp_msg(self.first_stamp_ns + frame.at_ns),
            frame_id=frame.message.header.frame_id,
        )
        if camera.width:
            camera.header = header
            infos.publish(camera)
        images.publish(image_msg(frame.message, header))
        self.frames_sent += 1

    def _wait_until_due(self, since_start_ns: int) -> None:
        """Sleep until a time of the stream, at the speed of playback."""
        speed = self._options.speed
        if not speed:
            return
        due_s = self._started_s + since_start_ns / NANOSECONDS / speed
        while (wait_s := due_s - time.monotonic()) > 0 and rclpy.ok():
            time.sleep(min(wait_s, 0.2))
        self.behind_s = max(self.behind_s, -wait_s)
        if -wait_s > LATE_S and not self._told_behind:
            self._told_behind = True
            remedy = f'play more slowly, as by --speed {speed / 2:g}'
            if self._source.pipe is not None:
                remedy += ', or a live camera by --speed 0'
            self.get_logger().warning(
                f'{-wait_s:.1f} s behind: this machine or the source does not reach '
                f'{self._source.rate_hz * speed:.0f} planes/s: {remedy}'
            )

    def _wait_for_subscriber(self) -> None:
        """Wait for subscribers, so that the start of a short recording is not lost."""
        until = time.monotonic() + self._options.wait
        wanted = [eye.spikes for eye in self._eyes]
        names = [publisher.topic_name for publisher in wanted]
        if self._options.with_truth and self._truth_publisher is not None:
            wanted.append(self._truth_publisher)

        def missing() -> list[str]:
            return [one.topic_name for one in wanted if not one.get_subscription_count()]

        if self._options.wait:
            self.get_logger().info(
                f'{self._geometry} at {self._source.rate_hz:g} planes/s; waiting up to '
                f'{self._options.wait:g} s for a subscriber to {" and ".join(names)}'
            )
        while rclpy.ok() and missing() and time.monotonic() < until:
            rclpy.spin_once(self, timeout_sec=0.05)
        if self._options.wait and (without := missing()) and rclpy.ok():
            of = f' to {" and ".join(without)}' if len(names) > 1 else ''
            self.get_logger().warning(f'no subscriber{of}; playing without one')
        for eye in self._eyes:
            eye.settle(until)

    def _wait_for_writer(self, pipe: WaitingPipe) -> None:
        """Wait for the first bytes of a pipe, which begin the stream."""
        ready = pipe.ready()
        if not ready and rclpy.ok():
            name = 'standard input' if self._options.source == '-' else self._options.source
            self.get_logger().info(f'{name}: waiting for a writer')
        while not ready and rclpy.ok():
            ready = pipe.ready()

    def _finish(self, took_s: float, problem: str) -> str:
        """Write the report and the last lines; return the problem, which may be a new one."""
        unacknowledged = False
        if rclpy.ok() and self._options.reliability == 'reliable':
            longest = Duration(seconds=5.0)
            acknowledged = [eye.spikes.wait_for_all_acked(longest) for eye in self._eyes]
            unacknowledged = not all(acknowledged)
        try:
            self._write_report(took_s)
        except OSError as error:
            problem = problem or one_line(error)
        if rclpy.ok():
            self.get_logger().info(self._summary(took_s))
            if unacknowledged:
                self.get_logger().warning('the last packets were not acknowledged by a subscriber')
            if problem:
                self.get_logger().error(problem)
        return problem

    def _rate(self, took_s: float) -> float:
        """Return the planes a second of each camera."""
        return self.sent[0].planes_sent / took_s if took_s > 0 else 0.0

    def _summary(self, took_s: float) -> str:
        of = [''] if len(self._eyes) == 1 else [f' of {eye}' for eye in EYES]
        counts = ' and '.join(
            f'{sent.planes_sent} planes{name} in {sent.packets_sent} packets'
            for sent, name in zip(self.sent, of, strict=True)
        )
        return f'{counts} sent in {took_s:.2f} s, {self._rate(took_s):.0f} planes/s'

    def _write_report(self, took_s: float) -> None:
        """Write the report: the time of the first plane and, at the end, the sent planes."""
        path: Path | None = self._options.report
        if path is None:
            return
        left, *right = map(dataclasses.asdict, self.sent)
        report = {
            **left,
            'planes_per_s': self._rate(took_s),
            'rate_hz': self._source.rate_hz,
            'speed': self._options.speed,
            'behind_s_max': self.behind_s,
            'first_stamp_ns': self.first_stamp_ns,
            'seconds': took_s,
        }
        if right:
            (report['right'],) = right
        if self._source.frames is not None:
            report['frames_sent'] = self.frames_sent
        # A stream does not wait for the disk.
        write_atomically(path, (json.dumps(report) + '\n').encode(), sync=False)


def _check_report(path: Path | None) -> None:
    if path is None:
        return
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise process.UserError(
            f'--report {path}: cannot be written; expected a file in a folder that exists'
        )
    if os.path.lexists(path) and not has_keys(path, 'planes_sent'):
        raise process.UserError(
            f'--report {path}: exists and is no report of the player: choose another name'
        )


def main(args: list[str] | None = None) -> int:
    """Run the console script ``spike_player``; return the exit status."""
    given = sys.argv if args is None else args
    options = cli.options(PlayerOptions, 'spike_player', process.own_arguments(given))
    return process.run(lambda: SpikePlayer(options), given, SpikePlayer.play)


if __name__ == '__main__':
    sys.exit(main())
