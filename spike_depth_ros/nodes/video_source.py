# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Node ``video_source``: publishes a video file or a webcam as a live spike topic.

Publishes (relative names, remap them): ``spikes`` (sensor_msgs/Image, docs/wire_format.md),
``camera_info``, ``/diagnostics``. Parameters: ``VIDEO_PARAMETERS``; see docs/video_source.md.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from rcl_interfaces.msg import SetParametersResult
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter
from sensor_msgs.msg import CameraInfo

from spike_depth_ros.nodes import diagnostic_values as keys
from spike_depth_ros.nodes import parameters, process
from spike_depth_ros.nodes.calibration import (
    CalibrationError,
    camera_info_from_matrix,
    camera_info_from_yaml,
)
from spike_depth_ros.nodes.conversions import spikes_msg
from spike_depth_ros.nodes.diagnostics import Rate, StatusBuilder, StatusPublisher
from spike_depth_ros.nodes.parameters import Parameter
from spike_depth_ros.nodes.spike_topics import SpikeTopics
from spike_depth_ros.stream.chunk import Geometry, SpikeChunk
from spike_depth_ros.stream.plane_clock import PlaneClock
from spike_depth_ros.video.frames import Bgr, Packet, VideoError, VideoFile, Webcam, packets, steps
from spike_depth_ros.video.light import Light, luminance
from spike_depth_ros.video.placement import Placement
from spike_depth_ros.video.spiking import IntegrateAndFire

EVENTS_EVERY_S = 0.05

LONGEST_STEP_S = 0.25
"""Longest step between a webcam's frames, seconds; a longer one leaves a gap."""

SLOW = 0.95
"""Share of the requested rate below which diagnostics warn."""

VIDEO_PARAMETERS = (
    Parameter('video', '', 'Video file to play; empty: the webcam.'),
    Parameter('webcam', -1, 'Number of the webcam, 0 is /dev/video0; -1: the video.', -1, 99),
    Parameter('rate_hz', 2000.0, 'Planes per second.', 1.0, 100_000.0),
    Parameter('sensor_width', 400, 'Columns of the spike camera.', 1, 16_384),
    Parameter('sensor_height', 250, 'Rows of the spike camera.', 1, 16_384),
    Parameter(
        'white_rate',
        0.8,
        'Share of the planes in which a white pixel fires; light counts in proportion.',
        0.001,
        1.0,
        live=True,
    ),
    Parameter('frame_rate', 0.0, 'Frames per second; 0: from the video file.', 0.0, 1000.0),
    Parameter('loop', True, 'Begin the video again at its end; stamps go on.'),
    Parameter('planes_per_packet', 40, 'Planes in one message at most.', 1, 10_000),
    Parameter('wait_s', 10.0, 'A video waits at most this long for a subscriber, s.', 0.0, 3600.0),
    Parameter(
        'camera_info',
        '',
        'Calibration of the sensor image as camera_calibration writes it; empty: uncalibrated.',
    ),
    Parameter('frame_id', 'spike_camera_optical_frame', 'Optical frame of the stamps.'),
    Parameter(
        'reliability', 'reliable', 'QoS of the spikes.', choices=('reliable', 'best_effort')
    ),
    Parameter('seed', 0, 'Of the charge that pixels begin with.', 0, 2**31 - 1),
)


class VideoSource(Node):
    """Node that converts frames to spikes and publishes them in real time."""

    def __init__(self) -> None:
        super().__init__('video_source')
        parameters.declare(self, VIDEO_PARAMETERS)
        try:
            self._settings = parameters.values(self, VIDEO_PARAMETERS)
            self._source = _open_source(self._settings)
            read = self._settings
            self._geometry = Geometry(read['sensor_height'], read['sensor_width'])
            self._camera_info = _camera_info(read['camera_info'], self._geometry)
        except (VideoError, CalibrationError, ValueError) as error:
            raise process.UserError(str(error)) from error
        self._placement = Placement.aspect(
            self._source.size, self._geometry.height, self._geometry.width
        )
        self._rate_hz = float(self._settings['rate_hz'])
        self._clock_of_planes = PlaneClock(self._rate_hz)
        self._camera_info.header.frame_id = self._settings['frame_id']
        self.planes_sent = self.packets_sent = self.planes_passed_over = self.frames_read = 0
        self._behind_s = 0.0
        self._start_ns = 0
        self._started_s: float | None = None
        self._planes_rate = Rate()
        self.add_on_set_parameters_callback(self._review_parameters)
        self._topics = SpikeTopics(
            self, self._camera_info, read['reliability'], 'set reliability to reliable'
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
        if rclpy.ok() and self._settings['reliability'] == 'reliable':
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
        camera = IntegrateAndFire.shuffled(height, width, self._settings['seed'])
        longest_s = LONGEST_STEP_S if self._source.live else math.inf
        between = steps(self._frames(), self._rate_hz, longest_s)
        return packets(between, camera, self._settings['planes_per_packet'])

    def _frames(self) -> Iterator[tuple[float, Light]]:
        """Yield frames as light on the sensor, thresholds per plane."""
        for at, image in self._source.frames(self._settings['loop']):
            self.frames_read += 1
            yield at, self._light(image)

    def _light(self, image: Bgr) -> Light:
        placed = self._placement.image(luminance(image, 'bgr'))
        light: Light = np.clip(placed * np.float32(self._settings['white_rate']), 0, 1)
        return light

    def _publish_when_due(self, packet: Packet) -> bool:
        """Publish a packet at the end of its last plane; return False to end."""
        stamp_ns = self._start_ns + self._clock_of_planes.since_start_ns(packet.first)
        chunk = SpikeChunk(packet.planes, self._geometry, stamp_ns)
        message = spikes_msg(chunk, self._settings['frame_id'])
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
        until = time.monotonic() + self._settings['wait_s']
        while (
            rclpy.ok()
            and not self._publisher.get_subscription_count()
            and time.monotonic() < until
        ):
            rclpy.spin_once(self, timeout_sec=0.05)
        self._topics.settle(until)

    def _review_parameters(self, changes: list[RosParameter]) -> SetParametersResult:
        rows = {row.name: row for row in VIDEO_PARAMETERS}
        for change in changes:
            if change.name in rows and not rows[change.name].live:
                reason = f'{change.name} is read at the start: start the node again with it'
                return SetParametersResult(successful=False, reason=reason)
        for change in changes:
            if change.name in rows:
                self._settings[change.name] = change.value
        return SetParametersResult(successful=True)

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
        return [builder.status(start + keys.STREAM, self._settings['frame_id'], values)]


def _open_source(settings: dict[str, Any]) -> VideoFile | Webcam:
    if bool(settings['video']) == (settings['webcam'] >= 0):
        raise VideoError(
            'expected either the parameter video (a file) or the parameter webcam (0 is '
            '/dev/video0): --ros-args -p video:=my.mp4'
        )
    if settings['video']:
        return VideoFile(Path(settings['video']), settings['frame_rate'])
    return Webcam(settings['webcam'])


def _camera_info(path: str, geometry: Geometry) -> CameraInfo:
    if path:
        return camera_info_from_yaml(Path(path), geometry.width, geometry.height)
    return camera_info_from_matrix(None, geometry.width, geometry.height)


def main(args: list[str] | None = None) -> int:
    """Run the console script ``video_source``; return the exit status."""
    given = parameters.parse_command_line(
        'video_source',
        'Publish a video file or a webcam as a live spike stream: ROS 2 topics spikes and '
        'camera_info (docs/video_source.md).',
        VIDEO_PARAMETERS,
        args,
    )
    return process.run(VideoSource, given, VideoSource.play)


if __name__ == '__main__':
    sys.exit(main())
