# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Private functions of rclpy that this package uses; no other module does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.context import Context
from rclpy.event_handler import EventHandler
from rclpy.subscription import Subscription

try:
    from rclpy.impl.implementation_singleton import rclpy_implementation
except ImportError:
    rclpy_implementation = None

RCLError: type[Exception] = getattr(rclpy_implementation, 'RCLError', RuntimeError)
"""Error of the ROS client library."""

Message = tuple[Any, dict[str, Any]]
"""A message, and its info: numbers and times."""


def missing(context: Context) -> list[str]:
    """Return the names of the functions that this rclpy lacks.

    Args:
        context: Initialised context, for a trial.
    """
    wait_set = getattr(rclpy_implementation, 'WaitSet', None)
    needed: list[tuple[Any, str, Sequence[str]]] = [
        (wait_set, 'WaitSet', ('add_subscription', 'clear_entities', 'wait')),
        (getattr(rclpy_implementation, 'Subscription', None), 'Subscription', ('take_message',)),
        (Subscription, 'Subscription', ('handle',)),
        (EventHandler, 'EventHandler', ('add_to_wait_set', 'is_ready', 'take_data')),
    ]
    found = [
        f'{owner}.{name}'
        for kind, owner, names in needed
        for name in names
        if not hasattr(kind, name)
    ]
    if not found:
        try:
            WaitSet([], context).wait(0)
        except Exception as error:  # of another signature
            found.append(f'WaitSet as before ({type(error).__name__})')
    return found


class WaitSet:
    """Set of subscriptions and their events, to wait for.

    Args:
        subscriptions: The subscriptions.
        context: Context of their node.
    """

    def __init__(self, subscriptions: Sequence[Subscription], context: Context) -> None:
        self._subscriptions = subscriptions
        self._events = [event for one in subscriptions for event in one.event_handlers]
        self._wait_set = rclpy_implementation.WaitSet(
            len(subscriptions), 0, 0, 0, 0, len(self._events), context.handle
        )

    def wait(self, timeout_ns: int) -> None:
        """Wait for a message or an event, and handle the events."""
        wait_set = self._wait_set
        wait_set.clear_entities()
        for subscription in self._subscriptions:
            wait_set.add_subscription(subscription.handle)
        for event in self._events:
            event.add_to_wait_set(wait_set)
        if self._subscriptions:  # an empty set is an error
            wait_set.wait(timeout_ns)
        for event in self._events:
            if event.is_ready(wait_set):
                event.callback(event.take_data())


def take(subscription: Subscription) -> Message | None:
    """Take a message without waiting; None: there is none."""
    with subscription.handle:
        taken: Message | None = subscription.handle.take_message(
            subscription.msg_type, subscription.raw
        )
    return taken
