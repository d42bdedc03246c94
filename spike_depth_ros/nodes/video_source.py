# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Node ``video_source``: publishes a video file or a webcam as a live spike topic.

Publishes (relative names, remap them): ``spikes`` (sensor_msgs/Image,
docs/reference/wire_format.md), ``camera_info``, ``/diagnostics``. Parameters:
``VideoParameters``; see docs/tasks/video.md.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from rcl_interfaces.msg import SetParametersResult
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter
from sensor_msgs.msg import CameraInfo

from spike_depth_ros.base.schema import Problems, across
from spike_depth_ros.base.values import within
from spike_depth_ros.io.video.frames import (
    Bgr,
    Packet,
    VideoError,
    VideoFile,
    Webcam,
    packets,
    steps,
)
from spike_depth_ros.io.video.light import Light, luminance
from spike_depth_ros.io.video.placement import Placement
from spike_depth_ros.io.video.spiking import IntegrateAndFire
from spike_depth_ros.nodes.parts import diagnostic_values as keys
from spike_depth_ros.nodes.parts import parameters, process
from spike_depth_ros.nodes.parts.calibration import (
    CalibrationError,
    camera_info_from_matrix,
    camera_info_from_yaml,
)
from spike_depth_ros.nodes.parts.conversions import spikes_msg
from spike_depth_ros.nodes.parts.diagnostics import Rate, StatusBuilder, StatusPublisher
from spike_depth_ros.nodes.parts.parameters import LIVE
from spike_depth_ros.nodes.parts.spike_topics import SpikeTopics
from spike_depth_ros.stream.chunk import Geometry, SpikeChunk
from spike_depth_ros.stream.plane_clock import PlaneClock

EVENTS_EVERY_S = 0.05

LONGEST_STEP_S = 0.25
"""Longest step between a webcam's frames, seconds; a longer one leaves a gap."""

SLOW = 0.95
"""Share of the requested rate below which diagnostics warn."""

FIXED = 'is read at the start: start the node again with it'
"""What is said of a parameter that may not change while the node runs."""


@dataclasses.dataclass(frozen=True)
class VideoParameters:
    """Parameters of the node ``video_source``."""

    video: str = ''
    """Video file to play; empty: the webcam."""
    webcam: Annotated[int, within(-1, 99)] = -1
    """Number of the webcam, 0 is /dev/video0; -1: the video."""
    rate_hz: Annotated[float, within(1, 100_000)] = 2000.0
    """Planes per second."""
    sensor_width: Annotated[int, within(1, 16_384)] = 400
    """Columns of the spike camera."""
    sensor_height: Annotated[int, within(1, 16_384)] = 250
    """Rows of the spike camera."""
    white_rate: Annotated[float, within(0.001, 1), LIVE] = 0.8
    """Share of the planes in which a white pixel fires; light counts in proportion."""
    frame_rate: Annotated[float, within(0, 1000)] = 0.0
    """Frames per second; 0: from the video file."""
    loop: bool = True
    """Begin the video again at its end; stamps go on."""
    planes_per_packet: Annotated[int, within(1, 10_000)] = 40
    """Planes in one message at most."""
    wait_s: Annotated[float, within(0, 3600)] = 10.0
    """A video waits at most this long for a subscriber, s."""
    camera_info: str = ''
    """Calibration of the sensor image as camera_calibration writes it; empty: uncalibrated."""
    frame_id: str = 'spike_camera_optical_frame'
    """Optical frame of the stamps."""
    reliability: Literal['reliable', 'best_effort'] = 'reliable'
    """QoS of the spikes."""
    seed: Annotated[int, within(0, 2**31 - 1)] = 0
    """Of the charge that pixels begin with."""

    @across('video', 'webcam')
    def _source(self) -> Problems:
        if bool(self.video) == (self.webcam >= 0):
            yield (
                'expected either the parameter video (a file) or the parameter webcam (0 is '
                '/dev/video0): --ros-args -p video:=my.mp4'
            )


class VideoSource(Node):
    """Node that converts frames to spikes and publishes them in real time."""

    def __init__(self) -> None:
        super().__init__('video_source')
        parameters.declare(self, VideoParameters)
        try:
            self._settings = parameters.values(self, VideoParameters)
            self._source = _open_source(self._settings)
            read = self._settings
            self._geometry = Geometry(read.sensor_height, read.sensor_width)
            self._camera_info = _camera_info(read.camera_info, self._geometry)
        except (VideoError, CalibrationError, ValueError) as error:
            raise process.UserError(str(error)) from error
        self._placement = Placement.aspect(
            self._source.size, self._geometry.height, self._geometry.width
        )
        self._rate_hz = self._settings.rate_hz
        self._clock_of_planes = PlaneClock(self._rate_hz)
        self._camera_info.header.frame_id = self._settings.frame_id
        self.planes_sent = self.packets_sent = self.planes_passed_over = self.frames_read = 0
        self._behind_s = 0.0
        self._start_ns = 0
        self._started_s: float | None = None
        self._planes_rate = Rate()
        self.add_on_set_parameters_callback(self._review_parameters)
        self.add_post_set_parameters_callback(self._apply_parameters)
        self._topics = SpikeTopics(
            self, self._camera_info, read.reliability, 'set reliability to reliable'
        )
        self._publisher = self._topics.spikes
        StatusPublisher(self, self._statuses)

    def play(self) -> int:
        """Publish until the video or the process ends; return the exit status."""
        height, width = self._source.size
        self.get_logger().info(
            f'frames of {width}x{height} become planes of {self._geometry} at {self._rate_hz:g} Hz'
        )
        if not self._source.live:
            self._wait_for_subscriber()
        self._start_ns = self.get_clock().now().nanoseconds
        self._started_s = time.monotonic()
        try:
            for packet in self._packets():
                if not self._publish_when_due(packet):
                    break
        except VideoError as error:
            raise process.UserError(str(error)) from error
        if rclpy.ok() and self._settings.reliability == 'reliable':
            self._publisher.wait_for_all_acked(Duration(seconds=5.0))
        if rclpy.ok():
            took_s = time.monotonic() - self._started_s
            self.get_logger().info(
                f'{self.planes_sent} planes in {self.packets_sent} packets sent in {took_s:.2f} s'
            )
        return 0

    def _packets(self) -> Iterator[Packet]:
        """Yield the planes of the frames, in packets."""
        height, width = self._geometry.height, self._geometry.width
        camera = IntegrateAndFire.shuffled(height, width, self._settings.seed)
        longest_s = LONGEST_STEP_S if self._source.live else math.inf
        between = steps(self._frames(), self._rate_hz, longest_s)
        return packets(between, camera, self._settings.planes_per_packet)

    def _frames(self) -> Iterator[tuple[float, Light]]:
        """Yield frames as light on the sensor, thresholds per plane."""
        for at, image in self._source.frames(self._settings.loop):
            self.frames_read += 1
            yield at, self._light(image)

    def _light(self, image: Bgr) -> Light:
        placed = self._placement.image(luminance(image, 'bgr'))
        light: Light = np.clip(placed * np.float32(self._settings.white_rate), 0, 1)
        return light

    def _publish_when_due(self, packet: Packet) -> bool:
        """Publish a packet at the end of its last plane; return False to end."""
        stamp_ns = self._start_ns + self._clock_of_planes.since_start_ns(packet.first)
        chunk = SpikeChunk(packet.planes, self._geometry, stamp_ns)
        message = spikes_msg(chunk, self._settings.frame_id)
        self._wait_until_due(packet.first + len(packet.planes))
        if not rclpy.ok():
            return False
        self._topics.publish(message, stamp_ns)
        self.planes_passed_over = packet.first - self.planes_sent
        self.planes_sent += len(packet.planes)
        self.packets_sent += 1
        return True

    def _wait_until_due(self, planes: int) -> None:
        """Handle events until this many planes have passed since the start."""
        assert self._started_s is not None
        due_s = self._started_s + self._clock_of_planes.since_start_ns(planes) / 1e9
        self._behind_s = max(0.0, time.monotonic() - due_s)
        while rclpy.ok():
            wait_s = due_s - time.monotonic()
            if self._topics.is_due('events', EVENTS_EVERY_S):
                rclpy.spin_once(self, timeout_sec=0.0)
            elif wait_s > 0:
                time.sleep(min(wait_s, EVENTS_EVERY_S))
            else:
                return

    def _wait_for_subscriber(self) -> None:
        """Wait for a subscriber, so that the start of a video is not lost."""
        until = time.monotonic() + self._settings.wait_s
        while (
            rclpy.ok()
            and not self._publisher.get_subscription_count()
            and time.monotonic() < until
        ):
            rclpy.spin_once(self, timeout_sec=0.05)
        self._topics.settle(until)

    def _review_parameters(self, changes: list[RosParameter]) -> SetParametersResult:
        reason = parameters.review(VideoParameters, changes, True, FIXED)
        return SetParametersResult(successful=not reason, reason=reason)

    def _apply_parameters(self, changes: list[RosParameter]) -> None:
        self._settings = parameters.values(self, VideoParameters)

    def _statuses(self, start: str) -> list[DiagnosticStatus]:
        """Build the status of requested and actual rate, and of sent planes."""
        rate = 0.0
        if self.planes_sent == 0:
            builder = StatusBuilder(
                'starting' if self._source.live else 'waiting for a subscriber'
            )
        else:
            builder = StatusBuilder('planes are published')
            rate, _ = self._planes_rate.update(self.planes_sent)
        if 0 < rate < SLOW * self._rate_hz:
            builder.warn(
                f'{rate:.0f} of {self._rate_hz:g} planes/s: this machine or the webcam does not '
                'reach the rate; lower rate_hz or the size of the sensor'
            )
        values = {
            keys.PLANES_PER_S: rate,
            keys.PLANES_PER_S_ASKED: self._rate_hz,
            keys.PLANES_SENT: self.planes_sent,
            keys.PACKETS_SENT: self.packets_sent,
            keys.PLANES_PASSED_OVER: self.planes_passed_over,
            keys.FRAMES_READ: self.frames_read,
            keys.BEHIND_S: self._behind_s,
            keys.SENSOR: str(self._geometry),
        }
        return [builder.status(start + keys.STREAM, self._settings.frame_id, values)]


def _open_source(settings: VideoParameters) -> VideoFile | Webcam:
    if settings.video:
        return VideoFile(Path(settings.video), settings.frame_rate)
    return Webcam(settings.webcam)


def _camera_info(path: str, geometry: Geometry) -> CameraInfo:
    if path:
        return camera_info_from_yaml(Path(path), geometry.width, geometry.height)
    return camera_info_from_matrix(None, geometry.width, geometry.height)


def main(args: list[str] | None = None) -> int:
    """Run the console script ``video_source``; return the exit status."""
    given = parameters.parse_command_line(
        'video_source',
        'Publish a video file or a webcam as a live spike stream: ROS 2 topics spikes and '
        'camera_info (docs/tasks/video.md).',
        VideoParameters,
        args,
    )
    return process.run(VideoSource, given, VideoSource.play)


if __name__ == '__main__':
    sys.exit(main())
