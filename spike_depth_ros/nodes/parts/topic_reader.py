# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Thread that takes messages, which no other callback of the node can block."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import rclpy
from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import QoSMessageLostInfo
from rclpy.node import Node
from rclpy.subscription import Subscription

from spike_depth_ros.nodes.parts import private_rclpy
from spike_depth_ros.stream.accounting import LostBy

WAIT_NS = 100_000_000
"""Longest wait for a message before the reader checks for its stop, nanoseconds."""

MOST = 32
"""Messages of a topic that are taken before those of the others, which would wait without end for
a topic that is never empty."""


class ReaderGroup(CallbackGroup):
    """Callback group of entities that a :class:`TopicReader` handles instead of an executor."""

    def can_execute(self, entity: Any) -> bool:
        """Return False, so that executors leave the entities out of their wait sets."""
        return False

    def beginning_execution(self, entity: Any) -> bool:
        """Return False, as :meth:`can_execute`."""
        return False

    def ending_execution(self, entity: Any) -> None:
        """Do nothing, as no execution begins."""


class Input(NamedTuple):
    """Subscription of a :class:`ReaderGroup` and the handler of its messages.

    Attributes:
        subscription: Created in the group.
        handle: Called in the reader's thread with each message and its publication sequence
            number; None if the middleware does not number messages.
    """

    subscription: Subscription
    handle: Callable[[Any, int | None], object]


class Source:
    """Input that is read, and identities of its newest handled messages.

    Args:
        given: The input.
    """

    def __init__(self, given: Input) -> None:
        self.subscription, self.handle = given
        # A message has the same number and source time in every subscription.
        self.newest: collections.deque[tuple[int | None, int]] = collections.deque(
            maxlen=2 * given.subscription.qos_profile.depth
        )
        self.copies: set[tuple[int | None, int]] = set()

    def follow(self, before: Source) -> None:
        """Skip messages that the previous subscription has handled."""
        self.copies = set(before.newest)

    def is_copy(self, info: dict[str, int | None]) -> bool:
        """Return True if a message was already handled; store its identity."""
        identity = (info.get('publication_sequence_number'), info['source_timestamp'] or 0)
        if identity in self.copies:
            return True
        self.newest.append(identity)
        return False


class Reader:
    """Subscriptions that are read, and those that replace them.

    Args:
        inputs: Subscriptions, in the order in which they are drained.
        failed: Called with an exception of a handler and its place; reading goes on.
    """

    def __init__(
        self, inputs: Sequence[Input], failed: Callable[[Exception, str], object]
    ) -> None:
        self._failed = failed
        self._changing = threading.RLock()
        self._sources = [Source(given) for given in inputs]
        self._successors: list[tuple[Source, Source]] = []

    def hand_over(self, subscription: Subscription, successor: Input) -> None:
        """Replace one of the inputs by another subscription of its topic.

        The old one is read until a message has reached the new one. Messages that both have
        received are handled once.

        Args:
            subscription: The old subscription.
            successor: The new one, of the same topic.
        """
        with self._changing:
            old = next(one for one in self._sources if one.subscription is subscription)
            self._successors.append((old, Source(successor)))

    def keep(self, subscription: Subscription) -> None:
        """Cancel the pending hand-over of a subscription, which stays."""
        with self._changing:
            self._successors = [
                pair for pair in self._successors if pair[0].subscription is not subscription
            ]

    def reads(self, subscription: Subscription) -> bool:
        """Return True if messages of a subscription are handled."""
        with self._changing:
            return any(source.subscription is subscription for source in self._sources)

    def _handle(self, source: Source, message: Any, info: dict[str, int | None]) -> None:
        if source.is_copy(info):
            return
        try:
            source.handle(message, info.get('publication_sequence_number'))
        except Exception as error:
            self._failed(error, f'the handler of {source.subscription.topic_name}')


class TopicReader(Reader, threading.Thread):
    """Thread that takes the messages of a few subscriptions, and handles their events.

    An executor makes a wait set of all entities of a node for each message, and handles one
    callback after the other: 30 entities take more time than the message itself, and a parameter
    callback delays the stream. This thread waits only for its own subscriptions, and takes all
    queued messages before it waits again. A replaced subscription is drained before the first
    message of its successor is handled.

    Args:
        node: Node of the subscriptions.
        inputs: Subscriptions, in the order in which they are drained.
        failed: Called with an exception of a handler and its place; the thread goes on.
    """

    def __init__(
        self,
        node: Node,
        inputs: Sequence[Input],
        failed: Callable[[Exception, str], object],
    ) -> None:
        Reader.__init__(self, inputs, failed)
        threading.Thread.__init__(self, name='topic_reader', daemon=True)
        self._context = node.context
        self._stopping = threading.Event()
        self._watched: list[Source] = []
        self._watch()

    def uses(self, subscription: Subscription) -> bool:
        """Return True if a subscription must not yet be destroyed."""
        with self._changing:
            new = [new for _, new in self._successors]
            used = [*self._sources, *self._watched, *new]
            return self.is_alive() and any(one.subscription is subscription for one in used)

    def stop(self) -> None:
        """End the thread after the current message."""
        self._stopping.set()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        """Take messages until stopped or until ROS is shut down."""
        while not self._stopping.is_set() and self._context.ok():
            try:
                with self._changing:
                    self._watch()
                self._wait_set.wait(WAIT_NS)
                for source in self._sources:
                    self._drain(source, MOST)
                with self._changing:
                    self._take_over()
            except Exception as error:
                if self._stopping.is_set() or not rclpy.ok(context=self._context):
                    return
                self._failed(error, 'the reader of topics')
                self._stopping.wait(0.1)  # so that a permanent failure does not take a core

    def handle_events(self) -> None:
        """Handle pending events, for handlers that need their counts."""
        self._wait_set.wait(0)

    def _watch(self) -> None:
        """Rebuild the wait set if the subscriptions have changed."""
        watched = [*self._sources, *(new for _, new in self._successors)]
        if watched == self._watched:
            return
        self._watched = watched
        self._wait_set = private_rclpy.WaitSet(
            [one.subscription for one in watched], self._context
        )

    def _take_over(self) -> None:
        """Switch to each successor that a message has reached."""
        for pair in list(self._successors):
            old, new = pair
            first = private_rclpy.take(new.subscription)
            if first is None:
                continue
            # All messages from before that one are in its queue; later ones reach both.
            self._drain(old, old.subscription.qos_profile.depth)
            new.follow(old)
            self._sources = [new if source is old else source for source in self._sources]
            self._successors.remove(pair)
            self._handle(new, *first)

    def _drain(self, source: Source, most: int) -> None:
        """Take some queued messages without waiting."""
        for _ in range(most):
            if self._stopping.is_set():
                return
            taken = private_rclpy.take(source.subscription)
            if taken is None:
                return
            self._handle(source, *taken)


class LossAttribution:
    """Attribution of missing messages to their cause.

    Publication sequence numbers give the total of missing messages. The middleware's message-lost
    event counts those that never reached the subscription's queue. The rest were overwritten in
    the queue, because they were not taken in time.

    Args:
        has_event: The middleware has that event. Without it all losses are attributed to the
            transport.
        before: Attribution of the replaced subscription; None: it replaces none.
    """

    def __init__(self, has_event: bool = True, before: LossAttribution | None = None) -> None:
        self._has_event = has_event
        self._lost_before_queue = 0
        self._attributed = 0
        self._newest = 0
        self._before = before

    def on_message_lost(self, event: QoSMessageLostInfo) -> None:
        """Store the event's count."""
        self._lost_before_queue = int(event.total_count)

    def cause(self, number: int | None, handle_events: Callable[[], object]) -> LostBy:
        """Attribute the messages missing before one.

        Args:
            number: Its publication sequence number; None: not numbered.
            handle_events: Called if messages are missing, to update the event's count.

        Returns:
            ``resubscribing`` for the first message of a subscription that replaces another,
            ``queue`` if most of the missing messages were overwritten in the subscription's queue,
            else ``transport``, also if none is missing.
        """
        before, self._before = self._before, None
        if before is not None:
            handle_events()  # its earlier counts are attributed hereby
            self._attributed = self._lost_before_queue
            self._newest = number or 0
            # The first message of a publisher, or the next one: none is missing.
            return 'transport' if number in (1, before._newest + 1) else 'resubscribing'
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
