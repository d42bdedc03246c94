# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Subscriptions of a perception node: spikes of each camera, as reliable as they are published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.callback_groups import CallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.event_handler import (
    QoSRequestedIncompatibleQoSInfo,
    SubscriptionEventCallbacks,
    UnsupportedEventTypeError,
)
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSPolicyKind, QoSProfile, QoSReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo
from sensor_msgs.msg import CameraInfo, Image

from spike_depth_ros.nodes.parts import diagnostic_values as keys
from spike_depth_ros.nodes.parts import parameters, process
from spike_depth_ros.nodes.parts.depth_parameters import PerceptionParameters
from spike_depth_ros.nodes.parts.diagnostics import StreamTask
from spike_depth_ros.nodes.parts.executor_reader import (
    ExecutorReader,
    make_reader,
    problem,
    reader_group,
)
from spike_depth_ros.nodes.parts.internal_errors import INTERNAL_ERRORS
from spike_depth_ros.nodes.parts.losses import ActiveRemedies
from spike_depth_ros.nodes.parts.spike_topics import (
    policy_name,
    publisher_name,
    several_publishers,
)
from spike_depth_ros.nodes.parts.topic_reader import Input, LossAttribution, TopicReader
from spike_depth_ros.stream.ingest import Ingest

LOOK_EVERY_S = 0.1
"""Time between two checks of the publishers' reliability, seconds."""


def offers_reliable(publisher: TopicEndpointInfo) -> bool:
    """Return True if a publisher is reliable."""
    return publisher.qos_profile.reliability is QoSReliabilityPolicy.RELIABLE


def best_reliability(publishers: Sequence[TopicEndpointInfo], now: bool) -> bool:
    """Choose the reliability that every publisher offers.

    Args:
        publishers: Publishers of the topic.
        now: Present reliability, which is kept while there is no publisher.

    Returns:
        True: subscribe reliably; False: best effort.
    """
    return all(map(offers_reliable, publishers)) if publishers else now


class _Spikes(NamedTuple):
    """Subscription of spikes.

    Attributes:
        subscription: The subscription.
        losses: Attribution of its losses.
        reliable: True if it requests reliable transport.
    """

    subscription: Subscription
    losses: LossAttribution
    reliable: bool


class CameraInput:
    """Subscriptions of one camera: its spikes and its camera_info.

    With ``spikes.reliability`` ``auto`` the reliability follows the publishers. When it changes, a
    new subscription replaces the old one at its first message.

    Args:
        node: The node.
        prefix: Text before the names of the topics.
        ingest: Handler of the messages.
        settings: The node's parameters.
        depth: Packets in the queue of spikes.
        group: Callback group of the reader.
        warn: Called with kind and text of each warning.

    Attributes:
        ingest: The same.
        incompatible_qos: Description of a publisher with incompatible QoS; empty: none.
        resubscriptions: Number of new subscriptions of spikes with another reliability.
    """

    def __init__(
        self,
        node: LifecycleNode,
        prefix: str,
        ingest: Ingest,
        settings: PerceptionParameters,
        depth: int,
        group: CallbackGroup,
        warn: Callable[[str, str], object],
    ) -> None:
        self.ingest = ingest
        self.incompatible_qos = ''
        self.resubscriptions = 0
        self._node, self._depth, self._group, self._warn = node, depth, group, warn
        self._topic = f'{prefix}spikes'
        self._info_topic = f'{prefix}camera_info'
        self._overridden = self._overridden_policies()
        asked = settings.spikes.reliability
        self._auto = asked == 'auto' and QoSPolicyKind.RELIABILITY not in self._overridden
        reliable = best_reliability(self._publishers(), False) if self._auto else False
        # Both are created and handled in this order: the sensor size first.
        self._camera_info = self._subscribe(
            CameraInfo,
            self._info_topic,
            QoSProfile(depth=10, reliability=QoSReliabilityPolicy.BEST_EFFORT),
            QoSOverridingOptions.with_default_policies(),
            None,
        )
        self._spikes = self._subscribe_spikes(reliable or asked == 'reliable')
        self._next: _Spikes | None = None
        self._retired: list[Subscription] = []
        self._reader: TopicReader | ExecutorReader | None = None
        self._task = StreamTask(settings.input_timeout_s, ActiveRemedies.here(self.reliable))

    def inputs(self) -> list[Input]:
        """Return the subscriptions and their handlers, for a reader."""
        return [
            Input(self._camera_info, lambda msg, _: self.ingest.on_camera_info(msg)),
            self._input(self._spikes),
        ]

    def status(self, name: str, *others: str) -> DiagnosticStatus:
        """Build the status of the stream.

        Args:
            name: Name of the status.
            others: Other problems, one line each; empty: none.
        """
        self._task.active = ActiveRemedies.here(self.reliable)
        self._task.incompatible_qos = self.incompatible_qos
        found = [several_publishers(self._node, one) for one in (self._topic, self._info_topic)]
        problems = [*found, *others, self._mixed_publishers()]
        values = {
            keys.RELIABILITY: 'reliable' if self.reliable else 'best_effort',
            keys.RESUBSCRIPTIONS: self.resubscriptions,
        }
        return self._task.status(name, self.ingest, [text for text in problems if text], values)

    @property
    def reliable(self) -> bool:
        """True if the newest subscription of spikes requests reliable transport."""
        return (self._next or self._spikes).reliable

    def destroy(self) -> None:
        """Destroy the subscriptions, which nothing reads any more."""
        pending = [self._next.subscription] if self._next is not None else []
        for subscription in (
            self._camera_info,
            self._spikes.subscription,
            *pending,
            *self._retired,
        ):
            self._node.destroy_subscription(subscription)

    def _mixed_publishers(self) -> str:
        """Report best-effort publishers of spikes beside reliable ones.

        Returns:
            One line; empty if all have one reliability, or a parameter sets it.
        """
        publishers = self._publishers() if self._auto else []
        others = sorted(publisher_name(one) for one in publishers if not offers_reliable(one))
        if len(others) in (0, len(publishers)):
            return ''
        return (
            f'publishers of spikes differ in reliability: subscribed best effort because of '
            f'{", ".join(others)}; make every publisher reliable'
        )

    # Subscriptions

    def _publishers(self) -> list[TopicEndpointInfo]:
        found = self._node.get_publishers_info_by_topic(self._topic)
        return [one for one in found if one.topic_type == 'sensor_msgs/msg/Image']

    def _overridden_policies(self) -> list[QoSPolicyKind]:
        """Return the policies that parameters override at start.

        Others are not declared, as rclpy would keep their first value for a new subscription.
        """
        prefix = f'qos_overrides.{self._node.resolve_topic_name(self._topic)}.subscription.'
        given = parameters.given_at_start(self._node)
        kinds = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY)
        return [kind for kind in kinds if prefix + kind.name.lower() in given]

    def _subscribe_spikes(self, reliable: bool, before: LossAttribution | None = None) -> _Spikes:
        qos = QoSProfile(
            depth=self._depth,
            reliability=(
                QoSReliabilityPolicy.RELIABLE if reliable else QoSReliabilityPolicy.BEST_EFFORT
            ),
        )
        options = QoSOverridingOptions(self._overridden)
        losses = LossAttribution(before=before)
        try:
            subscription = self._subscribe(Image, self._topic, qos, options, losses)
        except UnsupportedEventTypeError:
            losses = LossAttribution(has_event=False, before=before)
            subscription = self._subscribe(Image, self._topic, qos, options, None)
        in_force = qos.reliability is QoSReliabilityPolicy.RELIABLE  # overrides are applied to it
        return _Spikes(subscription, losses, in_force)

    def _subscribe(
        self,
        kind: Any,
        topic: str,
        qos: QoSProfile,
        options: QoSOverridingOptions,
        losses: LossAttribution | None,
    ) -> Subscription:
        return self._node.create_subscription(
            kind,
            topic,
            lambda msg: None,  # messages go to the reader
            qos,
            callback_group=self._group,
            qos_overriding_options=options,
            event_callbacks=SubscriptionEventCallbacks(
                incompatible_qos=lambda event: self._on_incompatible_qos(topic, event),
                message_lost=losses.on_message_lost if losses is not None else None,
            ),
        )

    def _input(self, spikes: _Spikes) -> Input:
        def on_spikes(msg: Image, number: int | None) -> None:
            assert self._reader is not None  # it calls this
            cause = spikes.losses.cause(number, self._reader.handle_events)
            self.ingest.on_spikes(msg, cause)

        return Input(spikes.subscription, on_spikes)

    def _on_incompatible_qos(self, topic: str, event: QoSRequestedIncompatibleQoSInfo) -> None:
        policy = policy_name(event.last_policy_kind)
        if topic == self._topic and self._auto and policy == 'RELIABILITY':
            return  # the next check finds that publisher
        self.incompatible_qos = (
            f'{topic}: a publisher offers other QoS ({policy}) than this '
            'node requests; set spikes.reliability to auto, or make the publisher reliable'
        )
        self._warn('qos', self.incompatible_qos)

    # Changes of the publishers

    def follow(self, reader: TopicReader | ExecutorReader) -> None:
        """Follow the publishers' reliability.

        Args:
            reader: The reader of :meth:`inputs`.
        """
        self._reader = reader
        if not self._auto:
            return
        self._finish_hand_over(reader)
        reliable = best_reliability(self._publishers(), self.reliable)
        if reliable == self.reliable:
            return
        if self._next is not None:
            reader.keep(self._spikes.subscription)
            self._finish_hand_over(reader)
            if self._next is not None:  # not yet handed over
                self._retired.append(self._next.subscription)
                self._next = None
            return
        self.resubscriptions += 1
        kind = 'reliable' if reliable else 'best effort'
        self._node.get_logger().info(f'{self._topic}: subscribing {kind}, as their publishers are')
        self._next = self._subscribe_spikes(reliable, self._spikes.losses)
        reader.hand_over(self._spikes.subscription, self._input(self._next))

    def _finish_hand_over(self, reader: TopicReader | ExecutorReader) -> None:
        """Destroy subscriptions that are no longer read."""
        if self._next is not None and reader.reads(self._next.subscription):
            self._retired.append(self._spikes.subscription)
            self._spikes, self._next = self._next, None
        for subscription in [one for one in self._retired if not reader.uses(one)]:
            self._retired.remove(subscription)
            self._node.destroy_subscription(subscription)


class TopicInputs:
    """Subscriptions of all cameras of a node, and the thread that reads them.

    Args:
        node: The node.
        streams: Handler of the messages of each camera, by the text before its topics' names.
        settings: The node's parameters.
        warn: Called with kind and text of each warning.

    Attributes:
        cameras: Subscriptions of each camera, by that text.
        problem_of_reader: What rclpy lacks to read without losses, one line; empty: nothing.
    """

    def __init__(
        self,
        node: LifecycleNode,
        streams: Mapping[str, Ingest],
        settings: PerceptionParameters,
        warn: Callable[[str, str], object],
    ) -> None:
        self._node = node
        self.problem_of_reader = problem(node)
        depth, warning = process.queue_depth(settings.spikes.queue_packets)
        if warning:
            node.get_logger().warning(warning)
        group = reader_group(self.problem_of_reader)
        self.cameras = {
            prefix: CameraInput(node, prefix, ingest, settings, depth, group, warn)
            for prefix, ingest in streams.items()
        }
        inputs = [one for camera in self.cameras.values() for one in camera.inputs()]
        self._reader = make_reader(node, inputs, INTERNAL_ERRORS.add, self.problem_of_reader)
        self._look()
        self._timer = node.create_timer(
            LOOK_EVERY_S, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def _look(self) -> None:
        """Follow the publishers; called by a timer."""
        for camera in self.cameras.values():
            camera.follow(self._reader)

    def start(self) -> None:
        """Start the thread."""
        self._reader.start()

    def stop(self) -> None:
        """End the thread and unsubscribe."""
        self._reader.stop()
        self._node.destroy_timer(self._timer)
        for camera in self.cameras.values():
            camera.destroy()
