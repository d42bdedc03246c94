# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Subscriptions of spike topics and their camera_infos, whose messages are written to a bag."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, Image

from spike_depth_ros.bags.bag import CAMERA_INFO, IMAGE, BagError, BagMessage, decode
from spike_depth_ros.bags.recorder import BagRecorder
from spike_depth_ros.nodes import process
from spike_depth_ros.nodes.executor_reader import make_reader, problem, reader_group
from spike_depth_ros.nodes.graph import ANY_PUBLISHER, KEPT_MESSAGES, Graph
from spike_depth_ros.nodes.internal_errors import INTERNAL_ERRORS
from spike_depth_ros.nodes.topic_inputs import best_reliability
from spike_depth_ros.nodes.topic_reader import Input, LossAttribution
from spike_depth_ros.stream.decode import stamp_ns
from spike_depth_ros.stream.ingest import Ingest, StreamSettings

STOPPED_S = 1.0
"""Time without packets from which a stream counts as stopped, seconds."""

LOOK_EVERY_S = 0.5

_WINDOW = 256  # of the ring that accounts for the planes; nothing takes its windows


def _camera_qos(graph: Graph, topic: str) -> QoSProfile:
    """Return the QoS for a topic of camera_info, which may be sent once and kept."""
    kept = {one.qos_profile.durability for one in graph.publishers(topic)}
    return KEPT_MESSAGES if kept == {KEPT_MESSAGES.durability} else ANY_PUBLISHER


class _Stream:
    """Recorded topic of spikes and its camera_info, and the accounting of its planes.

    Args:
        graph: Node of the subscriptions.
        topic: Full name of the topic of spikes, which has a publisher.
        camera_topic: Full name of the topic of camera_info.
        bag: Where messages are written.
        depth: Packets that may wait.
        group: Callback group of the subscriptions.

    Attributes:
        topic: Full name of the topic of spikes.
        camera_topic: Full name of the topic of camera_info.
        inputs: What the reader reads.
        handle_events: Function of the reader that handles their events.
        packets: Number of recorded messages of spikes.
        cameras: Number of recorded messages of camera_info.
        first_s: Monotonic time of the first message of spikes, seconds; None before it.
        problems: Texts about a stream that is incomplete or useless, by kind.
    """

    def __init__(
        self,
        graph: Graph,
        topic: str,
        camera_topic: str,
        bag: BagRecorder,
        depth: int,
        group: CallbackGroup,
    ) -> None:
        self.topic, self.camera_topic = topic, camera_topic
        self.packets = self.cameras = 0
        self.first_s: float | None = None
        self.problems: dict[str, str] = {}
        self.handle_events: Callable[[], object] = lambda: None
        self._graph, self._bag, self._last_s, self._last_ns = graph, bag, 0.0, 0
        self._nbytes, self._longest_s, self._unstamped, self._backward = 0, 0.0, 0, 0
        self._arrived: int | None = None  # packets; None: the bag holds all that were written
        self._planes_held = 0
        settings = StreamSettings(_WINDOW, ring_planes=4 * _WINDOW, rectify=False)
        self._warnings: dict[str, str] = {}
        self._ingest = Ingest(settings, self._warnings.setdefault)
        reliable = self._reliable = best_reliability(graph.publishers(topic), False)
        qos = QoSProfile(depth=depth, reliability=ANY_PUBLISHER.reliability)
        if reliable:
            qos.reliability = QoSReliabilityPolicy.RELIABLE

        def subscribe(kind: Any, name: str, qos: QoSProfile, **given: Any) -> Subscription:
            return graph.create_subscription(
                kind, name, lambda _: None, qos, callback_group=group, raw=True, **given
            )

        camera = subscribe(CameraInfo, camera_topic, _camera_qos(graph, camera_topic))
        self._losses = LossAttribution()
        try:
            events = SubscriptionEventCallbacks(message_lost=self._losses.on_message_lost)
            spikes = subscribe(Image, topic, qos, event_callbacks=events)
        except UnsupportedEventTypeError:
            self._losses = LossAttribution(has_event=False)
            spikes = subscribe(Image, topic, qos)
        self.inputs = [Input(camera, self._on_camera_info), Input(spikes, self._on_spikes)]

    def look(self) -> None:
        """Update the problems, and print those that are new."""
        before = {*self.problems}
        publishers = self._graph.publishers(self.topic)
        if not publishers:
            self.problems['publisher'] = 'its publisher has gone'
        if self._reliable and not best_reliability(publishers, True):
            self.problems['qos'] = (
                'a publisher has become best effort, whose packets do not arrive here: record anew'
            )
        now = time.monotonic()
        if self.first_s is not None and now - self._last_s > STOPPED_S:
            self._longest_s = max(self._longest_s, now - self._last_s)
        self._describe_stream()
        for kind in self.problems.keys() - before:
            print(f'warning: {self.topic}: {self.problems[kind]}', file=sys.stderr, flush=True)

    def _describe_stream(self) -> None:
        """Update the problems of the packets themselves."""
        if self._longest_s:
            self.problems['pause'] = f'no packet for {self._longest_s:.1f} s'
        if self._unstamped:
            self.problems['unstamped'] = f'{self._unstamped} packets with a stamp of 0'
        if self._backward:
            self.problems['backward'] = f'{self._backward} packets with a stamp that goes back'

    def begin_count(self) -> None:
        """Forget the counts: what a bag on a full disk holds is counted anew."""
        self._arrived, self._planes_held = self.packets, 0
        self.packets = self.cameras = self._nbytes = 0

    def count(self, entry: BagMessage) -> None:
        """Count a message that the bag holds, if it is one of these topics."""
        if entry.topic not in (self.topic, self.camera_topic):
            return
        self._nbytes += len(entry.data)
        if entry.topic == self.camera_topic:
            self.cameras += 1
            return
        self.packets += 1
        if geometry := self._ingest.geometry:
            self._planes_held += decode(entry.data, IMAGE).height // geometry.height

    def describe(self) -> str:
        """Describe what was recorded and what was lost, in one line."""
        held = ''
        if self._arrived is not None:
            held = f', {self._planes_held} planes'
            if self._arrived > self.packets:
                more = self._arrived - self.packets
                held += f'; {more} packets more arrived and are not in the bag'
        files = f' in {self._bag.files} files' if self._bag.files > 1 else ''
        text = f'{self.packets} packets, {self._nbytes / 1e6:.0f} MB{files}{held}'
        self._describe_stream()
        if self.problems:
            text += f'; {"; ".join(self.problems.values())}'
        if not self.cameras:
            text += f', no {self.camera_topic} (a reader of the bag needs the sensor size)'
        if self._ingest.geometry is None:
            reason = '; '.join(self._warnings.values()) or 'no sensor size'
            return f'{text}; losses unknown: {reason}'
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
        if self._bag.write(self.camera_topic, CAMERA_INFO, time.time_ns(), data):
            self.cameras += 1
            self._nbytes += len(data)
            self._ingest.on_camera_info(decode(data, CAMERA_INFO))

    def _on_spikes(self, data: bytes, number: int | None) -> None:
        cause = self._losses.cause(number, self.handle_events)
        if not self._bag.write(self.topic, IMAGE, time.time_ns(), data):
            return
        self.packets += 1
        self._nbytes += len(data)
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


class _Beside:
    """Topic that is recorded as it is, beside the spikes.

    Args:
        graph: Node of the subscription.
        topic: Full name of the topic.
        message: Its type.
        kind: Name of the type.
        bag: Where messages are written.
        group: Callback group of the subscription.

    Attributes:
        topic: Full name of the topic.
        messages: Number of recorded messages.
        lost: Messages that are missing between those that came.
        problems: Texts about what is wrong with the topic, by kind.
        input: What the reader reads.
    """

    def __init__(
        self,
        graph: Graph,
        topic: str,
        message: Any,
        kind: str,
        bag: BagRecorder,
        group: CallbackGroup,
    ) -> None:
        self.topic, self.messages, self.lost = topic, 0, 0
        self._nbytes = 0
        self.problems: dict[str, str] = {}
        self._graph, self._kind, self._bag = graph, kind, bag
        self._last_s, self._longest_s, self._newest = time.monotonic(), 0.0, 0
        self._arrived: int | None = None  # None: the bag holds all that were written
        if kind == CAMERA_INFO:
            qos = _camera_qos(graph, topic)
        else:
            qos = QoSProfile(depth=ANY_PUBLISHER.depth, reliability=ANY_PUBLISHER.reliability)
            if best_reliability(graph.publishers(topic), False):
                qos.reliability = QoSReliabilityPolicy.RELIABLE
        subscription = graph.create_subscription(
            message, topic, lambda _: None, qos, callback_group=group, raw=True
        )
        self.input = Input(subscription, self._on_message)

    def look(self) -> None:
        """Update the problems, and print those that are new."""
        before = {*self.problems}
        if self._kind == IMAGE:
            if not self._graph.publishers(self.topic):
                self.problems['publisher'] = 'its publisher has gone'
            self._longest_s = max(self._longest_s, time.monotonic() - self._last_s)
        self._describe_messages()
        for kind in self.problems.keys() - before:
            print(f'warning: {self.topic}: {self.problems[kind]}', file=sys.stderr, flush=True)

    def _describe_messages(self) -> None:
        """Update the problems of the messages themselves."""
        if self._longest_s > STOPPED_S:
            self.problems['pause'] = f'no message for {self._longest_s:.1f} s'
        if self.lost:
            self.problems['lost'] = f'{self.lost} lost'

    def begin_count(self) -> None:
        """Forget the count: what a bag on a full disk holds is counted anew."""
        self._arrived = self.messages
        self.messages = self._nbytes = 0

    def count(self, entry: BagMessage) -> None:
        """Count a message that the bag holds, if it is of this topic."""
        if entry.topic == self.topic:
            self.messages += 1
            self._nbytes += len(entry.data)

    def describe(self) -> str:
        """Describe what was recorded and what was lost."""
        self._describe_messages()
        texts = [*self.problems.values()]
        if self._kind == CAMERA_INFO and not self.messages:
            texts.append('a reader of the frames needs it')
        if self._arrived is not None and self._arrived > self.messages:
            texts.append(f'{self._arrived - self.messages} more arrived and are not in the bag')
        wrong = f' ({"; ".join(texts)})' if texts else ''
        size = f', {self._nbytes / 1e6:.0f} MB' if self._kind == IMAGE else ''
        return f'{self.messages} messages of {self.topic}{size}{wrong}'

    def _on_message(self, data: bytes, number: int | None) -> None:
        now = time.monotonic()
        if self._kind == IMAGE:
            self._longest_s = max(self._longest_s, now - self._last_s)
        self._last_s = now
        if number is not None:
            # Numbers of several publishers interleave and go back.
            if self._newest and number > self._newest:
                self.lost += number - self._newest - 1
            self._newest = number
        if self._bag.write(self.topic, self._kind, time.time_ns(), data):
            self.messages += 1
            self._nbytes += len(data)


class StreamRecorder:
    """Thread that writes the messages of one or two cameras, and of frames beside one.

    Args:
        graph: Node of the subscriptions.
        topics: Of each camera the full names of spikes, which have a publisher, and camera_info.
        bag: Where messages are written.
        frames: Full names of the topics of frames beside the spikes and of their camera_info;
            None: none are recorded.
    """

    def __init__(
        self,
        graph: Graph,
        topics: Sequence[tuple[str, str]],
        bag: BagRecorder,
        frames: tuple[str, str] | None = None,
    ) -> None:
        self._graph, self._bag, self._looked_s = graph, bag, 0.0
        packets, warning = process.queue_depth(len(topics) * process.QUEUE_PACKETS)
        if warning:
            print(f'warning: {warning}', file=sys.stderr)
        lacking = problem(graph)
        group, depth = reader_group(lacking), packets // len(topics)
        self._streams = [_Stream(graph, *names, bag, depth, group) for names in topics]
        kinds = ((Image, IMAGE), (CameraInfo, CAMERA_INFO))
        self._beside = [
            _Beside(graph, name, *kind, bag, group)
            for name, kind in zip(frames or (), kinds, strict=False)
        ]
        self._inputs = [one for stream in self._streams for one in stream.inputs]
        self._inputs += [one.input for one in self._beside]
        self._reader = make_reader(graph, self._inputs, INTERNAL_ERRORS.add, lacking)
        for stream in self._streams:
            stream.handle_events = self._reader.handle_events
        self._reader.start()

    @property
    def _recorded(self) -> list[_Stream | _Beside]:
        return [*self._streams, *self._beside]

    @property
    def first_s(self) -> float | None:
        """Monotonic time from which spikes of each camera have come, seconds; None before it."""
        found = [stream.first_s for stream in self._streams]
        times = [one for one in found if one is not None]
        return max(times) if len(times) == len(found) else None

    @property
    def silent(self) -> str:
        """Name of a topic of spikes without a recorded message; empty: none."""
        return next((stream.topic for stream in self._streams if not stream.packets), '')

    @property
    def empty(self) -> bool:
        """True if no message of spikes is recorded."""
        return not any(stream.packets for stream in self._streams)

    @property
    def without_camera(self) -> list[str]:
        """Names of the topics of camera_info without a recorded message."""
        return [stream.camera_topic for stream in self._streams if not stream.cameras]

    def stop(self) -> None:
        """End the thread and its subscriptions; no message is written afterwards."""
        self._reader.stop()
        for one in self._inputs:
            self._graph.destroy_subscription(one.subscription)
        if sys.stderr.isatty():
            print('\r\x1b[K', end='', file=sys.stderr, flush=True)

    def look(self) -> None:
        """Update the problems twice a second, and print those that are new."""
        if (now := time.monotonic()) - self._looked_s < LOOK_EVERY_S:
            return
        self._looked_s = now
        for one in self._recorded:
            one.look()
        if sys.stderr.isatty():
            texts = [
                '; '.join([f'{stream.packets} packets', *stream.problems.values()])
                for stream in self._streams
            ]
            print(f'\r{" | ".join(texts)}\x1b[K', end='', file=sys.stderr, flush=True)

    def describe(self) -> str:
        """Describe what was recorded and what was lost, in one line."""
        if self._bag.disk_failed:
            self._count_held()
        texts = [(stream.topic, stream.describe()) for stream in self._streams]
        beside = ''.join(f'; {one.describe()}' for one in self._beside)
        if len(texts) == 1:
            return f'{texts[0][1]}{beside}'
        return ' | '.join(f'{topic}: {text}' for topic, text in texts)

    def _count_held(self) -> None:
        for one in self._recorded:
            one.begin_count()
        with contextlib.suppress(BagError):  # which holds nothing
            for entry in self._bag.held():
                for one in self._recorded:
                    one.count(entry)
