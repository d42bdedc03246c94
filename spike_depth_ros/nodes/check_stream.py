# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``check_stream``: checks a spike topic and prints problems with their remedies."""

from __future__ import annotations

import argparse
import sys
import time

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from spike_depth_ros.arguments import DefaultsFormatter, positive, sensor_size
from spike_depth_ros.nodes import process
from spike_depth_ros.stream import health as stream_health
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.accounting import PlaneAccounting
from spike_depth_ros.stream.ingest import UNKNOWN_SIZE, Ingest, StreamSettings
from spike_depth_ros.stream.window import Window

WINDOW = 256
"""Planes whose exposure and bit order are checked."""

WATCH_S = 1.0
"""Time between two lines of a watched stream, seconds."""


class StreamCheck(Node):
    """Node that subscribes for a while, then prints its findings, each with a remedy.

    Args:
        options: The parsed command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__('check_stream')
        self._options = options
        self._problems = 0
        self._texts: dict[str, str] = {}
        self._packets = 0
        self._window: Window | None = None
        width, height = options.size or (0, 0)
        settings = StreamSettings(
            WINDOW, ring_planes=4 * WINDOW, sensor_width=width, sensor_height=height
        )
        self._ingest = Ingest(settings, self._texts.setdefault)
        qos = QoSProfile(depth=32, reliability=QoSReliabilityPolicy.BEST_EFFORT)
        self.create_subscription(CameraInfo, 'camera_info', self._ingest.on_camera_info, qos)
        self._spikes = self.create_subscription(Image, 'spikes', self._on_spikes, qos)

    def _on_spikes(self, msg: Image) -> None:
        self._packets += 1
        self._ingest.on_spikes(msg)
        if self._ingest.ring is not None:
            self._window = self._ingest.ring.take() or self._window

    def run(self) -> int:
        """Check the stream, or watch it; return the exit status."""
        return self._watch() if self._options.watch else self._check()

    def _watch(self) -> int:
        """Print a line each second until interrupted."""
        before, packets, since = PlaneAccounting(), 0, time.monotonic()
        while rclpy.ok():
            rclpy.spin_once(self, timeout_sec=0.1)
            now = time.monotonic()
            if now - since < WATCH_S:
                continue
            accounting = self._ingest.accounting()
            passed, since = now - since, now
            planes = accounting.received - before.received
            lost = accounting.lost_in_transport - before.lost_in_transport
            parts = [
                time.strftime('%H:%M:%S'),
                f'{(self._packets - packets) / passed:6.0f} packets/s',
                f'{planes / passed:8.0f} planes/s',
                f'{lost:6} lost',
            ]
            if (window := self._window) is not None and planes:
                geometry = window.geometry
                counts = packing.spike_counts(window.data, geometry.width, geometry.bit_order)
                exposure = stream_health.measure_exposure(counts, window.planes)
                parts.append(f'{exposure.mean_rate:.3f} spikes per pixel and plane')
            elif self._texts:
                parts.append(next(iter(self._texts.values())))
            print('  '.join(parts), flush=True)
            before, packets = accounting, self._packets
        return 0

    def _check(self) -> int:
        """Subscribe and print the findings; return the exit status, 0 if the stream is fine."""
        until = time.monotonic() + self._options.duration
        while rclpy.ok() and time.monotonic() < until:
            rclpy.spin_once(self, timeout_sec=0.1)
        self._ingest.settle()  # counts gaps before the last packets, too
        self._report_publishers()
        if self._packets:
            self._report_packets()
            self._report_planes()
        if self._window is not None:
            self._report_picture(self._window)
        for text in self._texts.values():
            if not text.endswith(
                f'refused: {UNKNOWN_SIZE}'
            ):  # reported above, with another remedy
                self._problem('input', text)
        many = f'{self._problems} problem{"s" if self._problems > 1 else ""}'
        print('the stream is fine' if not self._problems else many)
        return 1 if self._problems else 0

    def _fine(self, what: str, text: str) -> None:
        print(f'ok       {what:<10} {text}')

    def _problem(self, what: str, text: str) -> None:
        self._problems += 1
        print(f'PROBLEM  {what:<10} {text}')

    def _report_publishers(self) -> None:
        topic = self._spikes.topic_name
        publishers = self.get_publishers_info_by_topic(topic)
        if not publishers:
            self._problem(
                'topic',
                f'no publisher of {topic}: start the driver or spike_player, or remap with '
                '--ros-args -r spikes:=/your/topic',
            )
        for publisher in publishers:
            if publisher.topic_type != 'sensor_msgs/msg/Image':
                self._problem(
                    'topic',
                    f'{topic} is {publisher.topic_type}; expected sensor_msgs/msg/Image '
                    '(docs/wire_format.md)',
                )
            reliability = publisher.qos_profile.reliability.name.lower()
            self._fine('publisher', f'{publisher.node_name}: {reliability}')
        if len(publishers) > 1:
            self._problem(
                'publisher', f'{len(publishers)} nodes publish {topic}; stop all but one'
            )
        if publishers and not self._packets:
            self._problem('packets', 'none arrived: start the camera, use one DDS profile for all')

    def _report_packets(self) -> None:
        geometry = self._ingest.geometry
        rate = self._packets / self._options.duration
        if geometry is None:
            self._problem('packets', f'{self._packets} arrived ({rate:.0f}/s), none could be read')
            if self._ingest.size is None:
                self._problem('sensor', f'{UNKNOWN_SIZE}, or check_stream --size WxH')
            return
        planes = self._ingest.accounting().received / self._packets
        text = f'{rate:.0f}/s of {planes:.0f} planes'
        if rate > 1000:
            self._problem(
                'packets', f'{text}: above 1000/s costs CPU time; pack 40 or more planes'
            )
        else:
            self._fine('packets', text)
        self._fine('sensor', f'{geometry.width}x{geometry.height} pixels')
        if self._ingest.camera.fx_px is None:
            self._problem(
                'camera',
                'no focal length (camera_info absent or K of zeros): the scale of depth is '
                'assumed; calibrate the camera',
            )
        else:
            self._fine('camera', f'focal length {self._ingest.camera.fx_px:.1f} pixels')

    def _report_planes(self) -> None:
        if self._ingest.geometry is None:
            return
        ring = self._ingest.ring
        if ring is None:
            self._problem(
                'rate',
                'unknown: the steps between stamps do not agree; stamp each packet with the time '
                'of its first plane, counted in planes (docs/driver.md)',
            )
            return
        accounting = self._ingest.accounting()
        arriving = accounting.received / self._options.duration
        self._fine(
            'rate', f'{1e9 / ring.period_ns:.1f} planes/s by stamps, {arriving:.0f}/s arrived here'
        )
        if accounting.lost_in_transport:
            share = accounting.lost_in_transport / accounting.expected
            self._problem(
                'loss',
                f'{accounting.lost_in_transport} of {accounting.expected} planes ({share:.2%}) in '
                f'{accounting.gaps} gaps: reliable QoS, our DDS profile (docs/reliability.md), or '
                'packets of at most 40 planes',
            )
        else:
            self._fine('loss', f'none of {accounting.expected} planes')

    def _report_picture(self, window: Window) -> None:
        geometry = window.geometry
        counts = packing.spike_counts(window.data, geometry.width, geometry.bit_order)
        misfit = stream_health.bit_order_misfit(counts)
        fits = stream_health.bit_order_fits(misfit)
        if fits is False:
            self._problem(
                'bit order',
                f'the picture has 8-pixel stripes ({misfit:.1f} times rougher than with the other '
                'order): flip is_bigendian in the publisher',
            )
        elif fits:
            self._fine('bit order', f'{geometry.bit_order}: fits the picture ({misfit:.2f})')
        else:
            self._fine('bit order', f'{geometry.bit_order}: cannot be checked on this picture')
        exposure = stream_health.measure_exposure(counts, window.planes)
        text = (
            f'{exposure.mean_rate:.3f} spikes per pixel and plane; {exposure.always:.1%} of '
            f'pixels always fire, {exposure.never:.1%} never'
        )
        if exposure.too_dark:
            self._problem('light', f'{text}: too dark; open the iris, add light, lower the rate')
        elif exposure.saturated:
            self._problem('light', f'{text}: saturated; close the iris or raise the plane rate')
        else:
            self._fine('light', text)


def main(args: list[str] | None = None) -> int:
    """Run the console script ``check_stream``; return the exit status."""
    parser = argparse.ArgumentParser(
        prog='check_stream',
        description='Check a spike topic, and print its problems with their remedies.',
        epilog='Another topic: check_stream --ros-args -r spikes:=/camera/spikes '
        '-r camera_info:=/camera/camera_info',
        formatter_class=DefaultsFormatter,
    )
    parser.add_argument('--duration', type=positive, default=3.0, metavar='S', help='of the check')
    parser.add_argument(
        '--watch', action='store_true', help='print a line a second until interrupted instead'
    )
    parser.add_argument(
        '--size', type=sensor_size, metavar='WxH', help='sensor size if there is no camera_info'
    )
    given = sys.argv if args is None else args
    options = parser.parse_args(process.own_arguments(given))
    return process.run(lambda: StreamCheck(options), given, StreamCheck.run)


if __name__ == '__main__':
    sys.exit(main())
