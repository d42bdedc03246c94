# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages taken in a thread of their own, which no other callback of the node can block."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import rclpy
from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import QoSMessageLostInfo
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.subscription import Subscription

from spike_depth_ros.stream.accounting import LostBy

WAIT_NS = 100_000_000
"""Longest wait for a message before the reader looks whether it was stopped, nanoseconds."""


class ReaderGroup(CallbackGroup):
    """Callback group whose entities no executor handles: a :class:`TopicReader` does."""

    def can_execute(self, entity: Any) -> bool:
        """Refuse: executors leave such entities out of their wait sets."""
        return False

    def beginning_execution(self, entity: Any) -> bool:
        """Refuse, as :meth:`can_execute`."""
        return False

    def ending_execution(self, entity: Any) -> None:
        """Do nothing: no execution ever begins."""


class Input(NamedTuple):
    """A subscription of a :class:`ReaderGroup` and what handles its messages.

    Attributes:
        subscription: Created in the group.
        handle: Called in the reader's thread with each message and its publication sequence
            number; None where the middleware does not number messages.
    """

    subscription: Subscription
    handle: Callable[[Any, int | None], object]


class TopicReader(threading.Thread):
    """Thread that takes the messages of a few subscriptions, and handles their events.

    An executor gathers all entities of a node into a wait set anew for each message, and handles
    one callback after the other: 30 entities cost more than the message itself, and a parameter
    callback holds up the stream. This thread waits for its own subscriptions alone, and takes all
    that is queued before it waits again.

    Args:
        node: Node of the subscriptions.
        inputs: Subscriptions, the one to be drained first in front.
        failed: Called with an exception of a handler, and with where it happened; the thread
            goes on.
    """

    def __init__(
        self,
        node: Node,
        inputs: Sequence[Input],
        failed: Callable[[Exception, str], object],
    ) -> None:
        super().__init__(name='topic_reader', daemon=True)
        self._context = node.context
        self._inputs = list(inputs)
        self._events = [event for i in inputs for event in i.subscription.event_handlers]
        self._failed = failed
        self._stopping = threading.Event()
        self._wait_set = rclpy_implementation.WaitSet(
            len(self._inputs), 0, 0, 0, 0, len(self._events), node.context.handle
        )

    def stop(self) -> None:
        """End the thread after the message in hand."""
        self._stopping.set()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        """Take messages until stopped or until ROS is shut down."""
        while not self._stopping.is_set() and self._context.ok():
            try:
                self._wait(WAIT_NS)
                for source in self._inputs:
                    self._drain(source)
            except Exception as error:
                if self._stopping.is_set() or not rclpy.ok(context=self._context):
                    return
                self._failed(error, 'the reader of topics')
                self._stopping.wait(0.1)  # what is broken for good must not take a core

    def handle_events(self) -> None:
        """Handle the events that have happened; for handlers that need their counts now."""
        self._wait(0)

    def _wait(self, timeout_ns: int) -> None:
        """Wait for a message or an event, and handle the events."""
        wait_set = self._wait_set
        wait_set.clear_entities()
        for source in self._inputs:
            wait_set.add_subscription(source.subscription.handle)
        for event in self._events:
            event.add_to_wait_set(wait_set)
        wait_set.wait(timeout_ns)
        for event in self._events:
            if event.is_ready(wait_set):
                event.callback(event.take_data())

    def _drain(self, source: Input) -> None:
        """Take what is queued, without waiting in between."""
        subscription = source.subscription
        while not self._stopping.is_set():
            with subscription.handle:
                taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
            if taken is None:
                return
            message, info = taken
            try:
                source.handle(message, info.get('publication_sequence_number'))
            except Exception as error:
                self._failed(error, f'the handler of {subscription.topic_name}')


class LossAttribution:
    """Who lost the messages that are missing between two that were taken.

    Publication sequence numbers tell how many are missing in all. The middleware's message-lost
    event counts those that never reached the subscription's queue; the rest were overwritten
    there, because they were not taken in time.

    Args:
        has_event: Whether the middleware has that event; without it all losses are attributed to
            the transport.
    """

    def __init__(self, has_event: bool = True) -> None:
        self._has_event = has_event
        self._lost_before_queue = 0
        self._attributed = 0
        self._newest = 0

    def on_message_lost(self, event: QoSMessageLostInfo) -> None:
        """Take the event's count."""
        self._lost_before_queue = int(event.total_count)

    def cause(self, number: int | None, handle_events: Callable[[], object]) -> LostBy:
        """Attribute the messages missing before one.

        Args:
            number: Its publication sequence number; None where there is none.
            handle_events: Called where messages are missing, so that the event's count is up to
                date.

        Returns:
            ``queue`` where most of them were overwritten in the subscription's queue, else
            ``transport``, also where none is missing.
        """
        if number is None or not self._has_event:
            return 'transport'
        # Numbers of several publishers interleave and go back.
        missing = number - self._newest - 1 if self._newest and number > self._newest else 0
        self._newest = number
        if not missing:
            return 'transport'
        handle_events()
        before_queue = min(missing, self._lost_before_queue - self._attributed)
        self._attributed += before_queue
        return 'transport' if 2 * before_queue >= missing else 'queue'
