# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Node that reads topics, messages, parameters and services of other nodes."""

from __future__ import annotations

import collections
import difflib
import importlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import rclpy
from rclpy.exceptions import InvalidTopicNameException
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo

from spike_depth_ros.base.errors import one_line
from spike_depth_ros.io.topics import KnownTopics
from spike_depth_ros.nodes.parts.process import UserError

POLL_S = 0.05
"""Time between two checks of the graph while nothing arrives, seconds."""

SETTLE_S = 0.3
"""Pause between finding a service and calling it, seconds: a response to a client that the server
has not discovered yet is lost."""

REPEAT_S = 3.0
"""Shortest time after which a request without side effects is repeated, seconds."""

NOTHING_KNOWN = 'none is known here: use the ROS_DOMAIN_ID and the DDS profile of the other nodes'

HIDDEN = '_spike_inspect_'
"""Prefix of the names of these nodes."""

ANY_PUBLISHER = QoSProfile(depth=100, reliability=QoSReliabilityPolicy.BEST_EFFORT)
"""QoS that matches every publisher, without retransmission."""

KEPT_MESSAGES = QoSProfile(
    depth=10,
    reliability=QoSReliabilityPolicy.RELIABLE,
    durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
)
"""QoS that also requests earlier messages, of publishers that keep them."""


class Graph(Node):
    """Node that offers neither services of its own nor a log topic.

    Args:
        name: Name of the node; None: a hidden one.
    """

    def __init__(self, name: str | None = None) -> None:
        super().__init__(
            name or f'{HIDDEN}{os.getpid()}',
            start_parameter_services=False,
            enable_rosout=False,
            parameter_overrides=[Parameter('start_type_description_service', value=False)],
        )
        self._spinner = SingleThreadedExecutor()
        self._spinner.add_node(self)
        self._pause: Callable[[float], object] = self._spinner.spin_once

    def close(self) -> None:
        """Stop handling callbacks."""
        self._spinner.shutdown()

    def wait_until(self, condition: Callable[[], object], seconds: float) -> bool:
        """Handle callbacks until a condition holds.

        Returns:
            True if it holds, False after the timeout.

        Raises:
            UserError: The process was asked to end.
        """
        end = time.monotonic() + seconds
        while rclpy.ok():
            if condition():
                return True
            left = end - time.monotonic()
            if left <= 0:
                return False
            self._pause(min(left, POLL_S))
        raise UserError

    def spin_for(self, seconds: float) -> None:
        """Handle callbacks for some seconds."""
        self.wait_until(lambda: False, seconds)

    # Topics

    def topics(self) -> dict[str, str]:
        """Return the type of each topic that another node publishes or subscribes to."""
        return {
            name: types[0]
            for name, types in self.get_topic_names_and_types()
            if self.publishers(name) or self.subscribers(name)
        }

    def published(self) -> KnownTopics:
        """Return the topics that another node publishes, to choose from."""
        kinds = {name: kind for name, kind in self.topics().items() if self.publishers(name)}
        return KnownTopics(kinds, error=UserError)

    def publishers(self, topic: str) -> list[TopicEndpointInfo]:
        """Return the publishers of a topic, those of nodes like this one left out."""
        return self._others(self.get_publishers_info_by_topic(topic))

    def subscribers(self, topic: str) -> list[TopicEndpointInfo]:
        """Return the subscribers of a topic, those of nodes like this one left out."""
        return self._others(self.get_subscriptions_info_by_topic(topic))

    def _others(self, endpoints: Iterable[TopicEndpointInfo]) -> list[TopicEndpointInfo]:
        return [each for each in endpoints if not each.node_name.startswith(HIDDEN)]

    def full_name(self, topic: str) -> str:
        """Return the full name of a topic.

        Raises:
            UserError: It is no name of a topic.
        """
        try:
            return str(self.resolve_topic_name(topic))
        except (InvalidTopicNameException, RuntimeError) as error:
            raise UserError(f'{topic}: {one_line(error)}') from None

    def find_topic(self, name: str, timeout_s: float, expected: str = '') -> tuple[str, str]:
        """Wait for a topic that a node publishes.

        Args:
            name: Its name.
            timeout_s: Longest wait, seconds.
            expected: Its type; empty: any.

        Returns:
            Its full name and its type.

        Raises:
            UserError: There is none in that time, or it is of another type.
        """
        topic = self.full_name(name)
        if not self.wait_until(lambda: self.publishers(topic), timeout_s):
            if self.subscribers(topic):
                raise UserError(f'no node published {topic} within {timeout_s:g} s')
            raise UserError(_unknown('topic', topic, self.topics(), timeout_s))
        kind = str(self.publishers(topic)[0].topic_type)
        if expected and kind != expected:
            raise UserError(f'{topic} is {kind}; expected {expected}: name another topic')
        return topic, kind

    def messages(self, topic: str, kind: str, timeout_s: float) -> Iterator[Any]:
        """Yield the messages of a topic, also earlier ones that its publishers kept.

        Args:
            topic: Its full name.
            kind: Its type.
            timeout_s: Longest wait for each, seconds.

        Raises:
            UserError: None arrived in that time, or the type is not installed.
        """
        arrived: collections.deque[Any] = collections.deque()
        offered = {publisher.qos_profile.durability for publisher in self.publishers(topic)}
        subscription = self.create_subscription(
            message_class(kind),
            topic,
            lambda message: arrived.append(message),
            KEPT_MESSAGES if offered == {KEPT_MESSAGES.durability} else ANY_PUBLISHER,
        )
        try:
            while True:
                if not self.wait_until(lambda: arrived, timeout_s):
                    raise UserError(f'no message on {topic} within {timeout_s:g} s')
                yield arrived.popleft()
        finally:
            self.destroy_subscription(subscription)

    # Nodes

    def nodes(self) -> list[str]:
        """Return the full names of the other nodes; hidden ones are left out."""
        found = self.get_node_names_and_namespaces()
        return sorted(
            f'{space.rstrip("/")}/{name}' for name, space in found if not name.startswith('_')
        )

    def find_node(self, name: str, timeout_s: float) -> str:
        """Wait for a node and return its full name.

        Raises:
            UserError: There is none in that time.
        """
        node = '/' + name.lstrip('/')
        if not self.wait_until(lambda: node in self.nodes(), timeout_s):
            raise UserError(_unknown('node', node, self.nodes(), timeout_s))
        return node

    def parameter_client(self, node: str, timeout_s: float) -> AsyncParameterClient:
        """Return a client of a node's parameter services.

        Raises:
            UserError: The node does not offer them.
        """
        client = AsyncParameterClient(self, node)
        if not self.wait_until(client.services_are_ready, timeout_s):
            raise UserError(f'{node} offers no parameter services')
        self.wait_until(lambda: False, SETTLE_S)
        return client

    def call(
        self, kind: Any, service: str, request: Any, timeout_s: float, repeat: bool = False
    ) -> Any:
        """Call a service and return its response.

        Args:
            kind: Class of the service.
            service: Its name.
            request: The request.
            timeout_s: Longest wait for the service, and for its response.
            repeat: Repeat the request without a response; it must have no side effects.

        Raises:
            UserError: The service is missing, or does not respond.
        """
        client = self.create_client(kind, service)
        try:
            if not self.wait_until(client.service_is_ready, timeout_s):
                raise UserError(f'no service {service}; expected a lifecycle node')
            self.wait_until(lambda: False, SETTLE_S)
            tries = max(int(timeout_s / REPEAT_S), 1) if repeat else 1
            for _ in range(tries):
                future = client.call_async(request)
                if self.wait_until(future.done, timeout_s / tries):
                    return future.result()
            raise UserError(f'{service} did not answer within {timeout_s:g} s')
        finally:
            self.destroy_client(client)

    def answer(self, future: Any, service: str, timeout_s: float) -> Any:
        """Wait for the response to a request that was sent.

        Raises:
            UserError: There is none in that time.
        """
        if not self.wait_until(future.done, timeout_s):
            raise UserError(f'{service} did not answer within {timeout_s:g} s')
        return future.result()


def message_class(kind: str) -> Any:
    """Import the class of a message type such as ``sensor_msgs/msg/Image``.

    Raises:
        UserError: Its package is not installed.
    """
    package, _, name = kind.partition('/msg/')
    try:
        return getattr(importlib.import_module(f'{package}.msg'), name)
    except (ImportError, AttributeError):
        raise UserError(f'{kind}: the Python package {package} is not installed') from None


def printable(text: str) -> str:
    """Replace unprintable characters by spaces, as texts come from other nodes."""
    return ''.join(sign if sign.isprintable() else ' ' for sign in text)


def _unknown(what: str, name: str, known: Iterable[str], timeout_s: float) -> str:
    nearest = difflib.get_close_matches(name, known, 1, cutoff=0.0)
    hint = f'the nearest known is {printable(nearest[0])}' if nearest else NOTHING_KNOWN
    return f'no {what} {name} within {timeout_s:g} s; {hint}'
