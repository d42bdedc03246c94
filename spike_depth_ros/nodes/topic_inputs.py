# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Subscriptions of the depth node: spikes, at their publishers' reliability, and camera_info."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

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

from spike_depth_ros.nodes import parameters, process
from spike_depth_ros.nodes.diagnostic_values import RELIABILITY, RESUBSCRIPTIONS
from spike_depth_ros.nodes.executor_reader import make_reader, problem, reader_group
from spike_depth_ros.nodes.internal_errors import INTERNAL_ERRORS
from spike_depth_ros.nodes.spike_topics import publisher_name
from spike_depth_ros.nodes.topic_reader import Input, LossAttribution
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


class TopicInputs:
    """Subscriptions of the node, and the thread that reads them.

    With ``spikes.reliability`` ``auto`` the reliability follows the publishers. When it changes, a
    new subscription replaces the old one at its first message.

    Args:
        node: The node.
        ingest: Handler of the messages.
        settings: The node's parameters by name.
        warn: Called with kind and text of each warning.

    Attributes:
        incompatible_qos: Description of a publisher with incompatible QoS; empty: none.
        problem_of_reader: What rclpy lacks to read without losses, one line; empty: nothing.
        resubscriptions: Number of new subscriptions of spikes with another reliability.
    """

    def __init__(
        self,
        node: LifecycleNode,
        ingest: Ingest,
        settings: dict[str, Any],
        warn: Callable[[str, str], object],
    ) -> None:
        self.incompatible_qos = ''
        self.resubscriptions = 0
        self._node = node
        self._ingest = ingest
        self._warn = warn
        self.problem_of_reader = problem(node)
        self._group = reader_group(self.problem_of_reader)
        self._depth, warning = process.queue_depth(settings['spikes.queue_packets'])
        if warning:
            node.get_logger().warning(warning)
        self._overridden = self._overridden_policies('spikes')
        asked = settings['spikes.reliability']
        self._auto = asked == 'auto' and QoSPolicyKind.RELIABILITY not in self._overridden
        reliable = best_reliability(self._publishers(), False) if self._auto else False
        # Both are created and handled in this order: the sensor size first.
        self._camera_info = self._subscribe(
            CameraInfo,
            'camera_info',
            QoSProfile(depth=10, reliability=QoSReliabilityPolicy.BEST_EFFORT),
            QoSOverridingOptions.with_default_policies(),
            None,
        )
        self._spikes = self._subscribe_spikes(reliable or asked == 'reliable')
        self._next: _Spikes | None = None
        self._retired: list[Subscription] = []
        self._reader = make_reader(
            node,
            [
                Input(self._camera_info, lambda msg, _: ingest.on_camera_info(msg)),
                self._input(self._spikes),
            ],
            INTERNAL_ERRORS.add,
            self.problem_of_reader,
        )
        self._timer = (
            node.create_timer(
                LOOK_EVERY_S, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME)
            )
            if self._auto
            else None
        )

    @property
    def reliable(self) -> bool:
        """True if the newest subscription of spikes requests reliable transport."""
        return (self._next or self._spikes).reliable

    def start(self) -> None:
        """Start the thread."""
        self._reader.start()

    def stop(self) -> None:
        """End the thread and unsubscribe."""
        self._reader.stop()
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
        pending = [self._next.subscription] if self._next is not None else []
        for subscription in (
            self._camera_info,
            self._spikes.subscription,
            *pending,
            *self._retired,
        ):
            self._node.destroy_subscription(subscription)

    def values(self) -> dict[str, object]:
        """Return the diagnostic values of the subscription of spikes."""
        reliability = 'reliable' if self.reliable else 'best_effort'
        return {RELIABILITY: reliability, RESUBSCRIPTIONS: self.resubscriptions}

    def mixed_publishers(self) -> str:
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
        found = self._node.get_publishers_info_by_topic('spikes')
        return [one for one in found if one.topic_type == 'sensor_msgs/msg/Image']

    def _overridden_policies(self, topic: str) -> list[QoSPolicyKind]:
        """Return the policies that parameters override at start.

        Others are not declared, as rclpy would keep their first value for a new subscription.
        """
        prefix = f'qos_overrides.{self._node.resolve_topic_name(topic)}.subscription.'
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
            subscription = self._subscribe(Image, 'spikes', qos, options, losses)
        except UnsupportedEventTypeError:
            losses = LossAttribution(has_event=False, before=before)
            subscription = self._subscribe(Image, 'spikes', qos, options, None)
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
            cause = spikes.losses.cause(number, self._reader.handle_events)
            self._ingest.on_spikes(msg, cause)

        return Input(spikes.subscription, on_spikes)

    def _on_incompatible_qos(self, topic: str, event: QoSRequestedIncompatibleQoSInfo) -> None:
        if topic == 'spikes' and self._auto and event.last_policy_kind.name == 'RELIABILITY':
            return  # the next check finds that publisher
        self.incompatible_qos = (
            f'{topic}: a publisher offers other QoS ({event.last_policy_kind.name}) than this '
            'node requests; set spikes.reliability to auto, or make the publisher reliable'
        )
        self._warn('qos', self.incompatible_qos)

    # Changes of the publishers

    def _look(self) -> None:
        """Follow the publishers' reliability; called by a timer."""
        self._finish_hand_over()
        reliable = best_reliability(self._publishers(), self.reliable)
        if reliable == self.reliable:
            return
        if self._next is not None:
            self._reader.keep()
            self._finish_hand_over()
            if self._next is not None:  # not yet handed over
                self._retired.append(self._next.subscription)
                self._next = None
            return
        self.resubscriptions += 1
        kind = 'reliable' if reliable else 'best effort'
        self._node.get_logger().info(f'spikes: subscribing {kind}, as their publishers are')
        self._next = self._subscribe_spikes(reliable, self._spikes.losses)
        self._reader.hand_over(self._spikes.subscription, self._input(self._next))

    def _finish_hand_over(self) -> None:
        """Destroy subscriptions that are no longer read."""
        if self._next is not None and self._reader.reads(self._next.subscription):
            self._retired.append(self._spikes.subscription)
            self._spikes, self._next = self._next, None
        for subscription in [one for one in self._retired if not self._reader.uses(one)]:
            self._retired.remove(subscription)
            self._node.destroy_subscription(subscription)
