# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of messages by the node's executor, where rclpy lacks what :class:`TopicReader` needs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.callback_groups import CallbackGroup, MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.subscription import Subscription

from spike_depth_ros.nodes.parts import private_rclpy
from spike_depth_ros.nodes.parts.topic_reader import (
    Input,
    Reader,
    ReaderGroup,
    Source,
    TopicReader,
)


class ExecutorReader(Reader):
    """Reader with the methods of :class:`TopicReader`, whose messages an executor takes.

    Callbacks of the node delay it, so that messages may be lost. The executor handles the events.

    Args:
        inputs: Subscriptions; their callbacks are replaced.
        failed: Called with an exception of a handler and its place.
    """

    def __init__(
        self, inputs: Sequence[Input], failed: Callable[[Exception, str], object]
    ) -> None:
        super().__init__(inputs, failed)
        self._running = False
        for source in self._sources:
            self._connect(source)

    def start(self) -> None:
        """Handle messages from now on."""
        self._running = True

    def stop(self) -> None:
        """Handle no message after the current one."""
        with self._changing:
            self._running = False

    def hand_over(self, subscription: Subscription, successor: Input) -> None:
        """Replace one of the inputs at the first message of another subscription."""
        with self._changing:
            super().hand_over(subscription, successor)
            self._connect(self._successors[-1][1])

    def uses(self, subscription: Subscription) -> bool:
        """Return True if a subscription must not yet be destroyed."""
        with self._changing:
            used = [*self._sources, *(new for _, new in self._successors)]
            return self._running and any(one.subscription is subscription for one in used)

    def handle_events(self) -> None:
        """Do nothing: counts of events are those that the executor has handled."""

    def _connect(self, source: Source) -> None:
        # Of two arguments: rclpy then gives the message's info, too.
        source.subscription.callback = functools.partial(self._on_message, source)

    def _on_message(self, source: Source, message: Any, info: dict[str, Any]) -> None:
        with self._changing:  # executors have several threads, and stop() is called by another
            if not self._running:
                return
            for pair in [one for one in self._successors if one[1] is source]:
                old, new = pair
                new.follow(old)
                self._sources = [new if each is old else each for each in self._sources]
                self._successors.remove(pair)
            if source in self._sources:
                self._handle(source, message, info)


def reader_group(lacking: str) -> CallbackGroup:
    """Return a callback group for the subscriptions of :func:`make_reader`.

    Args:
        lacking: Output of :func:`problem`.
    """
    return MutuallyExclusiveCallbackGroup() if lacking else ReaderGroup()


def make_reader(
    node: Node,
    inputs: Sequence[Input],
    failed: Callable[[Exception, str], object],
    lacking: str,
) -> TopicReader | ExecutorReader:
    """Make the best reader that this rclpy allows, and log a warning if it is not a thread.

    Args:
        node: Node of the subscriptions.
        inputs: Subscriptions of a :func:`reader_group`.
        failed: Called with an exception of a handler and its place.
        lacking: Output of :func:`problem`.
    """
    if lacking:
        node.get_logger().warning(lacking)
        return ExecutorReader(inputs, failed)
    return TopicReader(node, inputs, failed)


def problem(node: Node) -> str:
    """Return what this rclpy lacks for a thread of its own, one line; empty: nothing."""
    names = private_rclpy.missing(node.context)
    if not names:
        return ''
    return (
        f'this rclpy lacks {", ".join(names)}: the executor of the node reads the topics, and '
        'planes may be lost while it is busy; use ROS 2 Jazzy'
    )
