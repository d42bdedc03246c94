# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``spike_record``: records a spike topic and its camera_info as a bag."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import rclpy
from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
from rclpy.executors import ExternalShutdownException
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, Image

from spike_depth_ros.arguments import positive
from spike_depth_ros.bags.bag import CAMERA_INFO, IMAGE, BagError, decode
from spike_depth_ros.bags.recorder import BagRecorder
from spike_depth_ros.bags.writing import check_replaceable, replace_bag
from spike_depth_ros.errors import one_line
from spike_depth_ros.nodes import process
from spike_depth_ros.nodes.executor_reader import make_reader, problem, reader_group
from spike_depth_ros.nodes.graph import ANY_PUBLISHER, KEPT_MESSAGES, Graph
from spike_depth_ros.nodes.internal_errors import INTERNAL_ERRORS
from spike_depth_ros.nodes.process import UserError
from spike_depth_ros.nodes.topic_inputs import best_reliability
from spike_depth_ros.nodes.topic_reader import Input, LossAttribution
from spike_depth_ros.result_files import move_to_new
from spike_depth_ros.stream.decode import stamp_ns
from spike_depth_ros.stream.ingest import Ingest, StreamSettings

STOPPED_S = 1.0
"""Time without packets from which a stream counts as stopped, seconds."""

LOOK_EVERY_S = 0.5

_TEMPORARY = '.incomplete_'
"""Beginning of the name of the folder of a bag that is to replace another one."""

_WINDOW = 256  # of the ring that accounts for the planes; nothing takes its windows


class StreamRecorder:
    """Thread that writes the messages of both topics, and the accounting of the planes.

    Args:
        graph: Node of the subscriptions.
        topic: Full name of the topic of spikes, which has a publisher.
        camera_topic: Full name of the topic of camera_info.
        bag: Where messages are written.

    Attributes:
        packets: Number of recorded messages of spikes.
        cameras: Number of recorded messages of camera_info.
        first_s: Monotonic time of the first message of spikes, seconds; None before it.
        problems: Texts about a stream that is incomplete or useless, by kind.
    """

    def __init__(self, graph: Graph, topic: str, camera_topic: str, bag: BagRecorder) -> None:
        self.packets = self.cameras = 0
        self.first_s: float | None = None
        self.problems: dict[str, str] = {}
        self._graph, self._last_s, self._last_ns, self._looked_s = graph, 0.0, 0, 0.0
        self._longest_s, self._unstamped, self._backward = 0.0, 0, 0
        self._bag, self._topic, self._camera_topic = bag, topic, camera_topic
        settings = StreamSettings(_WINDOW, ring_planes=4 * _WINDOW, rectify=False)
        self._warnings: dict[str, str] = {}
        self._ingest = Ingest(settings, self._warnings.setdefault)
        reliable = self._reliable = best_reliability(graph.publishers(topic), False)
        depth, warning = process.queue_depth()
        if warning:
            print(f'warning: {warning}', file=sys.stderr)
        qos = QoSProfile(depth=depth, reliability=ANY_PUBLISHER.reliability)
        if reliable:
            qos.reliability = QoSReliabilityPolicy.RELIABLE
        kept = {one.qos_profile.durability for one in graph.publishers(camera_topic)}
        camera_qos = KEPT_MESSAGES if kept == {KEPT_MESSAGES.durability} else ANY_PUBLISHER
        lacking = problem(graph)
        group = reader_group(lacking)

        def subscribe(kind: Any, name: str, qos: QoSProfile, **given: Any) -> Subscription:
            return graph.create_subscription(
                kind, name, lambda _: None, qos, callback_group=group, raw=True, **given
            )

        camera = subscribe(CameraInfo, camera_topic, camera_qos)
        self._losses = LossAttribution()
        try:
            events = SubscriptionEventCallbacks(message_lost=self._losses.on_message_lost)
            spikes = subscribe(Image, topic, qos, event_callbacks=events)
        except UnsupportedEventTypeError:
            self._losses = LossAttribution(has_event=False)
            spikes = subscribe(Image, topic, qos)
        self._reader = make_reader(
            graph,
            [Input(camera, self._on_camera_info), Input(spikes, self._on_spikes)],
            INTERNAL_ERRORS.add,
            lacking,
        )
        self._reader.start()

    def stop(self) -> None:
        """End the thread; no message is written afterwards."""
        self._reader.stop()
        if sys.stderr.isatty():
            print('\r\x1b[K', end='', file=sys.stderr, flush=True)

    def look(self) -> None:
        """Update the problems twice a second, and print those that are new."""
        if (now := time.monotonic()) - self._looked_s < LOOK_EVERY_S:
            return
        self._looked_s = now
        before = {*self.problems}
        publishers = self._graph.publishers(self._topic)
        if not publishers:
            self.problems['publisher'] = 'its publisher has gone'
        if self._reliable and not best_reliability(publishers, True):
            self.problems['qos'] = (
                'a publisher has become best effort, whose packets do not arrive here: record anew'
            )
        if self.first_s is not None and now - self._last_s > STOPPED_S:
            self._longest_s = max(self._longest_s, now - self._last_s)
        self._describe_stream()
        for kind in self.problems.keys() - before:
            print(f'warning: {self._topic}: {self.problems[kind]}', file=sys.stderr, flush=True)
        if sys.stderr.isatty():
            text = '; '.join([f'{self.packets} packets', *self.problems.values()])
            print(f'\r{text}\x1b[K', end='', file=sys.stderr, flush=True)

    def _describe_stream(self) -> None:
        """Update the problems of the packets themselves."""
        if self._longest_s:
            self.problems['pause'] = f'no packet for {self._longest_s:.1f} s'
        if self._unstamped:
            self.problems['unstamped'] = f'{self._unstamped} packets with a stamp of 0'
        if self._backward:
            self.problems['backward'] = f'{self._backward} packets with a stamp that goes back'

    def count_held(self) -> str:
        """Count the messages anew that a bag on a full disk holds; describe those it does not."""
        written, self.packets, self.cameras = self.packets, 0, 0
        nbytes = planes = 0
        with contextlib.suppress(BagError):  # which holds nothing
            for entry in self._bag.held():
                nbytes += len(entry.data)
                if entry.topic == self._camera_topic:
                    self.cameras += 1
                    continue
                self.packets += 1
                geometry = self._ingest.geometry
                planes += decode(entry.data, IMAGE).height // geometry.height if geometry else 0
        self._bag.nbytes = nbytes
        more = f'; {written - self.packets} packets more arrived and are not in the bag'
        return f', {planes} planes{more if written > self.packets else ""}'

    def describe(self) -> str:
        """Describe what was recorded and what was lost, in one line."""
        held = self.count_held() if self._bag.disk_failed else ''
        text = f'{self.packets} packets, {self._bag.nbytes / 1e6:.0f} MB{held}'
        self._describe_stream()
        if self.problems:
            text += f'; {"; ".join(self.problems.values())}'
        if not self.cameras:
            text += f', no {self._camera_topic} (a reader of the bag needs the sensor size)'
        if self._ingest.geometry is None:
            return f'{text}; losses unknown: {"; ".join(self._warnings.values())}'
        self._ingest.settle()
        planes = self._ingest.accounting()
        lost = planes.lost_in_transport + planes.lost_in_queue
        text += f', {planes.received} planes{" received" if held else ""}; lost: {lost or "none"}'
        if lost:
            text += (
                f' of {planes.expected} planes in {planes.gaps} gaps, {planes.lost_in_transport} '
                f'in transport, {planes.lost_in_queue} as this machine was too slow '
                '(docs/reliability.md)'
            )
        for reason, packets in self._ingest.packets_refused.items():
            text += f'; {packets} packets not accounted for: {reason}'
        return text

    def _on_camera_info(self, data: bytes, _: int | None) -> None:
        if self._bag.write(self._camera_topic, CAMERA_INFO, time.time_ns(), data):
            self.cameras += 1
            self._ingest.on_camera_info(decode(data, CAMERA_INFO))

    def _on_spikes(self, data: bytes, number: int | None) -> None:
        cause = self._losses.cause(number, self._reader.handle_events)
        if not self._bag.write(self._topic, IMAGE, time.time_ns(), data):
            return
        self.packets += 1
        now, message = time.monotonic(), decode(data, IMAGE)
        if self.first_s is None:
            self.first_s = now
        elif now - self._last_s > STOPPED_S:
            self._longest_s = max(self._longest_s, now - self._last_s)
        at_ns = stamp_ns(message.header.stamp)
        self._unstamped += not at_ns
        self._backward += 0 < at_ns < self._last_ns
        self._last_s, self._last_ns = now, at_ns
        self._ingest.on_spikes(message, cause)


def record(graph: Graph, options: argparse.Namespace) -> int:
    """Record for some seconds; return the exit status, 1 if the process was asked to end before.

    Raises:
        UserError: There is nothing to record, or the disk is full; what is recorded stays.
    """
    topic, kind = graph.find_topic(options.topic, options.timeout)
    if kind != IMAGE:
        raise UserError(f'{topic} is {kind}, expected {IMAGE} (docs/wire_format.md)')
    camera_topic = options.camera_info or f'{topic.rpartition("/")[0]}/camera_info'
    place = _place(options)
    try:
        bag = BagRecorder(place, 1e9 * options.max_gb, options.out)
    except OSError as error:
        if place != options.out:
            place.parent.rmdir()
        raise UserError(one_line(error)) from None
    recorder: StreamRecorder | None = None
    interrupted, kept = False, options.out

    def ended() -> str:
        if recorder is not None:
            recorder.look()
        return bag.ended

    try:
        recorder = StreamRecorder(graph, topic, graph.resolve_topic_name(camera_topic), bag)
        if not graph.wait_until(lambda: recorder.first_s or ended(), options.timeout):
            raise UserError(f'no message on {topic} within {options.timeout:g} s')
        graph.wait_until(ended, options.seconds)
    except (KeyboardInterrupt, ExternalShutdownException):
        interrupted = True  # rclpy may end a moment later
    except UserError:
        interrupted = not rclpy.ok()
        if not interrupted:
            raise
    finally:
        if recorder is not None:
            recorder.stop()
        bag.close()
        text = recorder.describe() if recorder is not None and recorder.packets else ''
        recorded = recorder is not None and recorder.packets > 0  # the disk may hold none
        kept = _finish(place, options.out, recorded, bag.disk_failed)
        if text:
            print(f'{kept}: {text}')
    if interrupted or recorder is None:
        _print_interrupted(recorder, options, kept)
        return 1
    if not recorder.packets:
        raise UserError(f'{topic}: no packet fits: {bag.ended}')
    if bag.disk_failed:
        stays = '' if kept == options.out else f', {options.out} is as it was'
        raise UserError(f'{bag.ended}; {kept} has what was recorded before{stays}')
    if bag.ended:
        print(f'{options.out}: {bag.ended}')
    return 0


def _place(options: argparse.Namespace) -> Path:
    """Return where to record: beside an earlier bag, which stays until the new one is complete.

    Raises:
        UserError: What is to be replaced is no bag.
    """
    out: Path = options.out
    if not options.overwrite or not out.exists():
        return out
    try:
        check_replaceable(out)
    except BagError as error:
        raise UserError(str(error)) from None
    return Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=out.parent)) / out.name


def _finish(place: Path, out: Path, recorded: bool, disk_failed: bool) -> Path:
    """Put a recording in its place, and return that; remove one without packets.

    An earlier bag stays beside one that the disk has cut short.

    Raises:
        UserError: It cannot be put there, and stays where it is.
    """
    kept = out
    try:
        if not recorded:
            shutil.rmtree(place)
        elif place != out and disk_failed:
            kept = move_to_new(place, out.with_name(f'{out.name}_incomplete'))
        elif place != out:
            replace_bag(place, out)
        if place != out:
            place.parent.rmdir()
    except OSError as error:
        raise UserError(f'the new bag stays at {place}: {one_line(error)}') from None
    return kept


def _print_interrupted(
    recorder: StreamRecorder | None, options: argparse.Namespace, kept: Path
) -> None:
    """Print after how long the recording ended; who reads the bag must know that it is short."""
    if recorder is None or recorder.first_s is None:
        text = 'asked to end before anything was recorded'
    else:
        text = (
            f'asked to end after {time.monotonic() - recorder.first_s:.1f} s, expected '
            f'{options.seconds:g} s; {kept} has what was recorded before'
        )
    print(f'{Path(sys.argv[0]).name}: error: {text}', file=sys.stderr)


def main(args: list[str] | None = None) -> int:
    """Run the console script ``spike_record``; return the exit status."""
    parser = argparse.ArgumentParser(
        prog='spike_record',
        description='Record a topic of spikes and its camera_info as a bag (MCAP), and report '
        'lost planes.',
    )
    parser.add_argument('topic', metavar='TOPIC', help='of spikes, such as /spikes')
    parser.add_argument('--out', type=Path, required=True, metavar='FOLDER', help='bag to make')
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='replace an existing bag by a complete one',
    )
    parser.add_argument(
        '--seconds', type=positive, default=10.0, metavar='S', help='duration. Default: 10'
    )
    parser.add_argument(
        '--max-gb', type=positive, default=4.0, metavar='GB', help='largest size. Default: 4'
    )
    parser.add_argument('--camera-info', metavar='TOPIC', help='default: camera_info beside TOPIC')
    for former, kind in (('--max_gb', positive), ('--camera_info', str)):
        parser.add_argument(former, type=kind, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    parser.add_argument(
        '--timeout', type=positive, default=5.0, metavar='S', help='longest wait. Default: 5'
    )
    given = sys.argv if args is None else args
    options = parser.parse_args(process.own_arguments(given))
    statuses: list[int] = []

    def work(graph: Graph) -> int:
        statuses.append(record(graph, options))
        return statuses[0]

    status = process.run(Graph, given, work)
    if status == 0 and not statuses:  # asked to end while it waited for the topic
        _print_interrupted(None, options, options.out)
        return 1
    return status


if __name__ == '__main__':
    sys.exit(main())
