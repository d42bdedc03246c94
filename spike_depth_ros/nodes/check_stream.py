# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``check_stream``: checks one or two spike topics, and prints problems with remedies."""

from __future__ import annotations

import abc
import collections
import dataclasses
import os
import statistics
import sys
import time
from collections.abc import Sequence

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo
from sensor_msgs.msg import CameraInfo, Image

from spike_depth_ros.arguments import Amount, Size
from spike_depth_ros.base import cli
from spike_depth_ros.calibration import Calibration, CalibrationError
from spike_depth_ros.nodes import process
from spike_depth_ros.nodes.spike_topics import UNKNOWN_NAME, UNNAMED
from spike_depth_ros.stereo import EYES
from spike_depth_ros.stereo.pairing import PAIR_WAIT_S
from spike_depth_ros.stereo.rig import StereoRig
from spike_depth_ros.stream import health as stream_health
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.accounting import PlaneAccounting
from spike_depth_ros.stream.ingest import UNKNOWN_SIZE, Ingest, StreamSettings
from spike_depth_ros.stream.layout import FLIP, stripes
from spike_depth_ros.stream.stamps import Arrival, differs
from spike_depth_ros.stream.window import Window

WINDOW = 256
"""Planes whose exposure and bit order are checked."""

WATCH_S = 1.0
"""Time between two lines of a watched stream, seconds."""

MOST_LOOKS = 10_000
"""Comparisons of the newest stamps that are kept."""

WAIT_S = 15.0
"""Longest wait for the first packets, seconds."""

LEAST_SHARE = 0.9
"""Least share of its stamped rate at which a stream is not slow."""

SILENT_S = 1.0
"""Time without a packet at the end after which a stream has stopped, seconds."""

BUSY_PROCESS, BUSY_MACHINE = 0.8, 0.9
"""Share of a core that this process uses, and of all cores that are busy, from which on the
machine is too slow for the stream."""

OFTEN = 1000
"""Packets a second above which they cost CPU time."""

PACKED = 40
"""Planes of a packet that are few and many enough."""


FASTER = 'close other programs, lower the plane rate, or take a faster machine'
"""Remedy where a machine is too slow."""


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


class Check(abc.ABC):
    """Check that prints its findings.

    Args:
        label: Label of each line; empty: none.

    Attributes:
        problems: Number of problems so far.
    """

    def __init__(self, label: str) -> None:
        self.problems = 0
        self._label = f'{label:<5}  ' if label else ''

    @abc.abstractmethod
    def report(self) -> None:
        """Print the findings."""

    def _fine(self, what: str, text: str) -> None:
        print(f'ok       {self._label}{what:<10} {text}')

    def _problem(self, what: str, text: str) -> None:
        self.problems += 1
        print(f'PROBLEM  {self._label}{what:<10} {text}')


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


class CameraCheck(Check):
    """Check of the stream of one camera; each problem has a remedy.

    Args:
        node: Node of the subscriptions.
        options: The parsed command line.
        eye: ``left`` or ``right``; empty: the only one.

    Attributes:
        ingest: Ingest of its planes.
        packets: Packets so far.
    """

    def __init__(self, node: Node, options: CheckOptions, eye: str) -> None:
        super().__init__(eye)
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
            f'{self._label}{(self.packets - packets) / passed_s:6.0f} packets/s',
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

    def report(self, busy: str = '') -> None:
        """Print the findings.

        Args:
            busy: Why this machine can be too slow for the stream; empty: it is not.
        """
        ended_s = time.monotonic()
        self.ingest.settle()  # counts gaps before the last packets, too
        publishers = self._report_publishers()
        if self.packets:
            self._report_packets(ended_s)
            self._report_planes(publishers, busy)
        for topic, frame_id in self._slashed.items():
            self._problem(
                'frame',
                f'{topic} has frame_id {frame_id!r}, which tf2 refuses for its slash; expected '
                f'{frame_id.lstrip("/")!r}: correct the driver (depth comes without the slash)',
            )
        if self._window is not None:
            self._report_picture(self._window)
        told = {Arrival.GAP.name}  # as lost planes
        if len(publishers) > 1:
            told.add(Arrival.BACKWARD.name)
        for kind, text in self._texts.items():
            # An unknown size is reported above, with another remedy.
            if kind not in told and not text.endswith(f'refused: {UNKNOWN_SIZE}'):
                self._problem('input', text)

    def _report_publishers(self) -> list[TopicEndpointInfo]:
        topic = self.topic
        publishers = self._node.get_publishers_info_by_topic(topic)
        if not publishers:
            self._problem(
                'topic',
                f'no publisher of {topic}: start the driver or spike_player, or remap with '
                f'--ros-args -r {self._prefix}spikes:=/your/topic',
            )
        for publisher in publishers:
            if publisher.topic_type != 'sensor_msgs/msg/Image':
                self._problem(
                    'topic',
                    f'{topic} is {publisher.topic_type}; expected sensor_msgs/msg/Image '
                    '(docs/wire_format.md)',
                )
            reliability = publisher.qos_profile.reliability.name.lower()
            unknown = publisher.node_name == UNKNOWN_NAME
            self._fine(
                'publisher', f'{UNNAMED if unknown else publisher.node_name}: {reliability}'
            )
        if len(publishers) > 1:
            self._problem(
                'publisher', f'{len(publishers)} nodes publish {topic}; stop all but one'
            )
        if publishers and not (self.packets or self.problems):
            self._problem('packets', 'none arrived: start the camera, use one DDS profile for all')
        return list(publishers)

    def _report_packets(self, ended_s: float) -> None:
        geometry = self.ingest.geometry
        if geometry is None:
            if self.ingest.size is None:
                self._problem(
                    'sensor',
                    f'{self.packets} packets arrived, none could be read: {UNKNOWN_SIZE}, or '
                    'check_stream --size WxH',
                )
            elif not self._texts:
                self._problem('packets', f'{self.packets} arrived, none could be read')
            return
        rate = self._a_second(self.packets)
        text = f'{rate:.0f}/s of {self._planes_a_packet:.0f} planes'
        if ended_s - self._last_s > SILENT_S:
            self._problem(
                'packets',
                f'{text}, none in the last {ended_s - self._last_s:.1f} s: the publisher has '
                'stopped',
            )
        elif rate > OFTEN and not self.ingest.accounting().lost_in_transport:
            self._problem(
                'packets', f'{text}: above {OFTEN}/s costs CPU time; pack {PACKED} or more planes'
            )
        else:
            self._fine('packets', text)
        self._fine('sensor', f'{geometry.width}x{geometry.height} pixels')
        if self.ingest.camera.fx_px is None:
            self._problem(
                'camera',
                'no focal length (camera_info absent or K of zeros): the scale of depth is '
                'assumed; calibrate the camera',
            )
        else:
            self._fine('camera', f'focal length {self.ingest.camera.fx_px:.1f} pixels')

    def _report_planes(self, publishers: Sequence[TopicEndpointInfo], busy: str) -> None:
        if self.ingest.geometry is None:
            return
        ring = self.ingest.ring
        if ring is None:
            self._problem(
                'rate',
                'unknown: the steps between stamps do not agree; stamp each packet with the time '
                'of its first plane, counted in planes (docs/driver.md)',
            )
            return
        accounting = self.ingest.accounting()
        stamped = 1e9 / ring.period_ns
        arriving = self._a_second(accounting.received)
        takes = f'{arriving:,.0f} of {stamped:,.0f} planes/s'
        lost = accounting.lost_in_transport
        if lost:
            cause = self._cause_of_loss(publishers, takes, busy)
            self._problem(
                'loss',
                f'{lost} of {accounting.expected} planes ({lost / accounting.expected:.2%}) in '
                f'{accounting.gaps} gaps: {cause}',
            )
        else:
            self._fine('loss', f'none of {accounting.expected} planes')
        if lost or self.packets < 2 or arriving >= LEAST_SHARE * stamped:
            self._fine('rate', f'{stamped:.1f} planes/s by stamps, {arriving:.0f}/s arrived here')
        else:
            # A best-effort subscriber that is too slow loses planes, it slows no publisher down.
            where = f', perhaps as this machine is too slow ({busy})' if busy else ''
            self._problem(
                'rate',
                f'{takes} arrive and none are lost: the publisher is behind{where}, or its stamps '
                'are not the times of planes (docs/driver.md); spike_player: --speed',
            )

    def _cause_of_loss(
        self, publishers: Sequence[TopicEndpointInfo], takes: str, busy: str
    ) -> str:
        """Return the cause of lost planes with its remedy."""
        few = self._a_second(self.packets) > OFTEN
        packing_remedy = f'pack {PACKED} planes into a packet' if few else ''
        if busy:
            return f'this machine takes {takes} ({busy}): {packing_remedy or FASTER}'
        remedies = [packing_remedy] if few else []
        if any(one.qos_profile.reliability != QoSReliabilityPolicy.RELIABLE for one in publishers):
            remedies.append('let the publisher be reliable')
        if not process.given_profile():
            remedies.append('use our DDS profile at both ends (docs/reliability.md)')
        if self._planes_a_packet > PACKED:
            remedies.append(f'send packets of at most {PACKED} planes')
        if remedies:
            return ', or '.join(remedies)
        return (
            f'{takes} arrive and this machine has time left: they are lost before DDS, in the '
            'driver or its link (docs/driver.md)'
        )

    @property
    def _planes_a_packet(self) -> float:
        return self.ingest.accounting().received / self.packets

    def _a_second(self, number: float) -> float:
        """Return how many of what came in equal parts with all packets came in a second."""
        passed_s = self._last_s - self._first_s
        return number * (1 - 1 / self.packets) / passed_s if passed_s > 0 else 0.0

    def _report_picture(self, window: Window) -> None:
        geometry = window.geometry
        counts = packing.spike_counts(window.data, geometry.width, geometry.bit_order)
        misfit = stream_health.bit_order_misfit(counts)
        fits = stream_health.bit_order_fits(misfit)
        if fits is False:
            self._problem(
                'bit order',
                f'{stripes(misfit)}: {FLIP}',
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


class PairCheck(Check):
    """Check of two streams as those of a rig; what a stream itself lacks is found there.

    Args:
        left: Stream of the left camera.
        right: That of the right one.
    """

    def __init__(self, left: CameraCheck, right: CameraCheck) -> None:
        super().__init__('pair')
        self._left, self._right = left.ingest, right.ingest
        self._ahead_ns: collections.deque[int] = collections.deque(maxlen=MOST_LOOKS)

    def look(self) -> None:
        """Compare the newest stamps."""
        newest = [one.ring.newest_ns for one in (self._left, self._right) if one.ring is not None]
        if len(newest) == 2 and newest[0] is not None and newest[1] is not None:
            self._ahead_ns.append(newest[0] - newest[1])

    def report(self) -> None:
        """Print the findings."""
        if not self._report_sizes():
            return
        self._report_rates()
        self._report_stamps()
        self._report_rig()

    def _report_sizes(self) -> bool:
        """Report the sizes; return False if they differ."""
        sizes = [
            f'{one.geometry.width}x{one.geometry.height}'
            for one in (self._left, self._right)
            if one.geometry is not None
        ]
        if len(sizes) == 2 and sizes[0] != sizes[1]:
            self._problem(
                'sensor',
                f'left {sizes[0]}, right {sizes[1]} pixels; expected one size: use two cameras of '
                'one kind',
            )
            return False
        if len(sizes) == 2:
            self._fine('sensor', f'both {sizes[0]} pixels')
        return True

    def _report_rates(self) -> None:
        rings = [one.ring for one in (self._left, self._right) if one.ring is not None]
        if len(rings) < 2:
            return
        left, right = (1e9 / ring.period_ns for ring in rings)
        if differs(left, right):
            self._problem(
                'rate',
                f'left {left:.1f}, right {right:.1f} planes/s; expected one rate: set both '
                'cameras to it',
            )
        else:
            self._fine('rate', f'both {left:.1f} planes/s')

    def _report_stamps(self) -> None:
        if not self._ahead_ns or self._left.ring is None:
            return
        ahead_ns = statistics.median(self._ahead_ns)
        order = 'behind' if ahead_ns > 0 else 'ahead of'
        # As WindowPairs has it: what a node keeps of the left stream, and waits for the right one.
        kept_ns = self._left.ring.capacity * self._left.ring.period_ns
        if -kept_ns <= ahead_ns <= min(kept_ns, 1e9 * PAIR_WAIT_S):
            self._fine(
                'stamps', f'newest of right {abs(ahead_ns) / 1e6:.1f} ms {order} that of left'
            )
        else:
            self._problem(
                'stamps',
                f'do not overlap: right is {abs(ahead_ns) / 1e9:.3f} s {order} left: stamp both '
                'by one clock, or set right.offset_s',
            )

    def _report_rig(self) -> None:
        infos = {'left': self._left.camera.info, 'right': self._right.camera.info}
        silent = [one for one in (self._left, self._right) if one.last_packet_s is None]
        if lacking := [eye for eye, info in infos.items() if info is None]:
            if silent:
                return  # the camera itself is
            self._problem(
                'rig',
                f'no camera_info of {" and ".join(lacking)}: calibrate both together and publish '
                'left/camera_info and right/camera_info',
            )
            return
        try:
            rig = StereoRig(*map(Calibration.from_message, infos.values()))
        except CalibrationError as error:
            self._problem('rig', str(error))
            return
        strength = max(rig.fx_px * rig.baseline_m, sys.float_info.min)
        means = ', '.join(f'{z * z / strength:.2g} m at {z} m' for z in (1, 5, 10))
        self._fine(
            'rig',
            f'baseline {rig.baseline_m:.3f} m, fx {rig.fx_px:.1f} pixels; one pixel of disparity '
            f'is {means}',
        )


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
        for camera in self._cameras:
            camera.report(busy)
        checks: list[Check] = [*self._cameras]
        if pair is not None:
            pair.report()
            checks.append(pair)
        problems = sum(check.problems for check in checks)
        many = f'{problems} problem{"s" if problems > 1 else ""}'
        fine = 'the stream is fine' if pair is None else 'both streams are fine, as a pair, too'
        print(many if problems else fine)
        return 1 if problems else 0

    def _wait(self) -> None:
        """Wait for the first packet of each camera, for a while."""
        since = time.monotonic()
        told = False
        while rclpy.ok() and (waited_s := time.monotonic() - since) < self._options.wait:
            silent = [one.topic for one in self._cameras if not one.packets]
            if not silent:
                return
            if waited_s > SILENT_S and not told:
                told = True
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
