# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Subscriptions of spike topics and their camera_infos, whose messages are written to a bag."""

from __future__ import annotations

import abc
import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from spike_depth_ros.io.bags.bag import CAMERA_INFO, IMAGE, BagError, BagMessage, decode
from spike_depth_ros.io.bags.recorder import BagRecorder
from spike_depth_ros.nodes.parts import process
from spike_depth_ros.nodes.parts.executor_reader import make_reader, problem, reader_group
from spike_depth_ros.nodes.parts.graph import ANY_PUBLISHER, KEPT_MESSAGES, Graph
from spike_depth_ros.nodes.parts.internal_errors import INTERNAL_ERRORS
from spike_depth_ros.nodes.parts.topic_inputs import best_reliability
from spike_depth_ros.nodes.parts.topic_reader import Input, LossAttribution
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


def _image_qos(graph: Graph, topic: str, depth: int) -> QoSProfile:
    """Return the QoS for a topic of images: reliable, if every publisher is."""
    qos = QoSProfile(depth=depth, reliability=ANY_PUBLISHER.reliability)
    if best_reliability(graph.publishers(topic), False):
        qos.reliability = QoSReliabilityPolicy.RELIABLE
    return qos


class RecordedTopic(abc.ABC):
    """Topic whose messages are written to a bag, and what is wrong with it.

    Args:
        graph: Node of the subscriptions.
        topic: Full name of the topic.
        kind: Name of its type; images are expected all the time, a camera_info perhaps once.
        bag: Where messages are written.
        group: Callback group of the subscriptions.

    Attributes:
        word: What a message is called.
        topic: Full name of the topic.
        messages: Number of recorded messages.
        problems: Texts about what is incomplete or useless, by kind.
        inputs: What the reader reads.
    """

    word = 'message'

    def __init__(
        self, graph: Graph, topic: str, kind: str, bag: BagRecorder, group: CallbackGroup
    ) -> None:
        self.topic, self.messages = topic, 0
        self.problems: dict[str, str] = {}
        self.inputs: list[Input] = []
        self._graph, self._kind, self._bag, self._group = graph, kind, bag, group
        self._nbytes, self._longest_s = 0, 0.0
        self._last_s: float | None = None  # monotonic; None: not waited for
        self._arrived: int | None = None  # messages; None: the bag holds all that were written

    def look(self) -> None:
        """Update the problems, and print those that are new."""
        before = {*self.problems}
        if self._kind == IMAGE:
            self._look_at_publishers()
            self._find_pause(time.monotonic())
        self._find_problems()
        for kind in self.problems.keys() - before:
            print(f'warning: {self.topic}: {self.problems[kind]}', file=sys.stderr, flush=True)

    def begin_count(self) -> None:
        """Forget the counts: what a bag on a full disk holds is counted anew."""
        self._arrived = self.messages
        self.messages = self._nbytes = 0

    def count(self, entry: BagMessage) -> None:
        """Count a message that the bag holds, if it is of this topic."""
        if entry.topic == self.topic:
            self.messages += 1
            self._nbytes += len(entry.data)

    @abc.abstractmethod
    def describe(self) -> str:
        """Describe what was recorded and what was lost, in one line."""

    def _look_at_publishers(self) -> None:
        """Update the problems of the publishers."""
        if not self._graph.publishers(self.topic):
            self.problems['publisher'] = 'its publisher has gone'

    def _find_pause(self, now_s: float) -> None:
        if self._last_s is not None:
            self._longest_s = max(self._longest_s, now_s - self._last_s)

    def _find_problems(self) -> None:
        """Update the problems of the messages themselves."""
        if self._longest_s > STOPPED_S:
            self.problems['pause'] = f'no {self.word} for {self._longest_s:.1f} s'

    @property
    def _not_held(self) -> int:
        """Number of messages that arrived and are not in the bag."""
        return 0 if self._arrived is None else max(0, self._arrived - self.messages)

    def _subscribe(
        self,
        message: Any,
        topic: str,
        qos: QoSProfile,
        handle: Callable[[bytes, int | None], object],
        **given: Any,
    ) -> None:
        subscription = self._graph.create_subscription(
            message, topic, lambda _: None, qos, callback_group=self._group, raw=True, **given
        )
        self.inputs.append(Input(subscription, handle))

    def _write(self, topic: str, kind: str, data: bytes) -> bool:
        """Write a message; return False if it is not in the bag."""
        if not self._bag.write(topic, kind, time.time_ns(), data):
            return False
        self._nbytes += len(data)
        return True


class _Spikes(RecordedTopic):
    """Recorded topic of spikes and its camera_info, and the accounting of its planes.

    Args:
        graph: Node of the subscriptions.
        topic: Full name of the topic of spikes, which has a publisher.
        camera_topic: Full name of the topic of camera_info.
        bag: Where messages are written.
        depth: Packets that may wait.
        group: Callback group of the subscriptions.

    Attributes:
        camera_topic: Full name of the topic of camera_info.
        handle_events: Function of the reader that handles the events of the inputs.
        cameras: Number of recorded messages of camera_info.
        first_s: Monotonic time of the first message of spikes, seconds; None before it.
    """

    word = 'packet'

    def __init__(
        self,
        graph: Graph,
        topic: str,
        camera_topic: str,
        bag: BagRecorder,
        depth: int,
        group: CallbackGroup,
    ) -> None:
        super().__init__(graph, topic, IMAGE, bag, group)
        self.camera_topic, self.cameras = camera_topic, 0
        self.first_s: float | None = None
        self.handle_events: Callable[[], object] = lambda: None
        self._last_ns = self._unstamped = self._backward = self._planes_held = 0
        settings = StreamSettings(_WINDOW, ring_planes=4 * _WINDOW, rectify=False)
        self._warnings: dict[str, str] = {}
        self._ingest = Ingest(settings, self._warnings.setdefault)
        qos = _image_qos(graph, topic, depth)
        self._reliable = qos.reliability == QoSReliabilityPolicy.RELIABLE
        camera_qos = _camera_qos(graph, camera_topic)
        self._subscribe(CameraInfo, camera_topic, camera_qos, self._on_camera_info)
        self._losses = LossAttribution()
        try:
            events = SubscriptionEventCallbacks(message_lost=self._losses.on_message_lost)
            self._subscribe(Image, topic, qos, self._on_spikes, event_callbacks=events)
        except UnsupportedEventTypeError:
            self._losses = LossAttribution(has_event=False)
            self._subscribe(Image, topic, qos, self._on_spikes)

    def _look_at_publishers(self) -> None:
        super()._look_at_publishers()
        if self._reliable and not best_reliability(self._graph.publishers(self.topic), True):
            self.problems['qos'] = (
                'a publisher has become best effort, whose packets do not arrive here: record anew'
            )

    def _find_problems(self) -> None:
        super()._find_problems()
        if self._unstamped:
            self.problems['unstamped'] = f'{self._unstamped} packets with a stamp of 0'
        if self._backward:
            self.problems['backward'] = f'{self._backward} packets with a stamp that goes back'

    def begin_count(self) -> None:
        """Forget the counts, also those of planes and camera_info."""
        super().begin_count()
        self.cameras = self._planes_held = 0

    def count(self, entry: BagMessage) -> None:
        """Count a message that the bag holds, if it is one of these topics."""
        super().count(entry)
        if entry.topic == self.camera_topic:
            self.cameras += 1
            self._nbytes += len(entry.data)
        elif entry.topic == self.topic and (geometry := self._ingest.geometry):
            self._planes_held += decode(entry.data, IMAGE).height // geometry.height

    def describe(self) -> str:
        """Describe what was recorded and what was lost, in one line."""
        held = '' if self._arrived is None else f', {self._planes_held} planes'
        if more := self._not_held:
            held += f'; {more} packets more arrived and are not in the bag'
        files = f' in {self._bag.files} files' if self._bag.files > 1 else ''
        text = f'{self.messages} packets, {self._nbytes / 1e6:.0f} MB{files}{held}'
        self._find_problems()
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
                '(docs/tasks/robot.md)'
            )
        for reason, packets in self._ingest.packets_refused.items():
            text += f'; {packets} packets not accounted for: {reason}'
        return text

    def _on_camera_info(self, data: bytes, _: int | None) -> None:
        if self._write(self.camera_topic, CAMERA_INFO, data):
            self.cameras += 1
            self._ingest.on_camera_info(decode(data, CAMERA_INFO))

    def _on_spikes(self, data: bytes, number: int | None) -> None:
        cause = self._losses.cause(number, self.handle_events)
        if not self._write(self.topic, IMAGE, data):
            return
        self.messages += 1
        now_s, message = time.monotonic(), decode(data, IMAGE)
        if self.first_s is None:
            self.first_s = now_s
        self._find_pause(now_s)
        at_ns = stamp_ns(message.header.stamp)
        self._unstamped += not at_ns
        self._backward += 0 < at_ns < self._last_ns
        self._last_s, self._last_ns = now_s, at_ns
        self._ingest.on_spikes(message, cause)


class _FrameTopic(RecordedTopic):
    """Recorded topic of frames beside the spikes, or of their camera_info.

    Args:
        graph: Node of the subscription.
        topic: Full name of the topic.
        kind: Name of its type.
        bag: Where messages are written.
        group: Callback group of the subscription.
    """

    def __init__(
        self, graph: Graph, topic: str, kind: str, bag: BagRecorder, group: CallbackGroup
    ) -> None:
        super().__init__(graph, topic, kind, bag, group)
        self._last_s = time.monotonic()  # frames are waited for from the beginning
        self._lost = self._newest = 0
        if kind == IMAGE:
            qos = _image_qos(graph, topic, ANY_PUBLISHER.depth)
            self._subscribe(Image, topic, qos, self._on_message)
        else:
            self._subscribe(CameraInfo, topic, _camera_qos(graph, topic), self._on_message)

    def _find_problems(self) -> None:
        super()._find_problems()
        if self._lost:
            self.problems['lost'] = f'{self._lost} lost'

    def describe(self) -> str:
        """Describe what was recorded and what was lost."""
        self._find_problems()
        texts = [*self.problems.values()]
        if self._kind == CAMERA_INFO and not self.messages:
            texts.append('a reader of the frames needs it')
        if more := self._not_held:
            texts.append(f'{more} more arrived and are not in the bag')
        wrong = f' ({"; ".join(texts)})' if texts else ''
        size = f', {self._nbytes / 1e6:.0f} MB' if self._kind == IMAGE else ''
        return f'{self.messages} messages of {self.topic}{size}{wrong}'

    def _on_message(self, data: bytes, number: int | None) -> None:
        now_s = time.monotonic()
        if self._kind == IMAGE:
            self._find_pause(now_s)
        self._last_s = now_s
        if number is not None:
            # Numbers of several publishers interleave and go back.
            if self._newest and number > self._newest:
                self._lost += number - self._newest - 1
            self._newest = number
        if self._write(self.topic, self._kind, data):
            self.messages += 1


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
        self._streams = [_Spikes(graph, *names, bag, depth, group) for names in topics]
        self._beside = [
            _FrameTopic(graph, name, kind, bag, group)
            for name, kind in zip(frames or (), (IMAGE, CAMERA_INFO), strict=False)
        ]
        self._recorded: list[RecordedTopic] = [*self._streams, *self._beside]
        self._inputs = [one for topic in self._recorded for one in topic.inputs]
        self._reader = make_reader(graph, self._inputs, INTERNAL_ERRORS.add, lacking)
        for stream in self._streams:
            stream.handle_events = self._reader.handle_events
        self._reader.start()

    @property
    def first_s(self) -> float | None:
        """Monotonic time from which spikes of each camera have come, seconds; None before it."""
        found = [stream.first_s for stream in self._streams]
        times = [one for one in found if one is not None]
        return max(times) if len(times) == len(found) else None

    @property
    def silent(self) -> str:
        """Name of a topic of spikes without a recorded message; empty: none."""
        return next((stream.topic for stream in self._streams if not stream.messages), '')

    @property
    def empty(self) -> bool:
        """True if no message of spikes is recorded."""
        return not any(stream.messages for stream in self._streams)

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
                '; '.join([f'{stream.messages} packets', *stream.problems.values()])
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
