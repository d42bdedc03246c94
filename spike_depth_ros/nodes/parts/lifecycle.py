# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Life cycle that nodes share: transitions, their errors, parameters, logged warnings."""

from __future__ import annotations

import abc
import functools
import time
import traceback
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter as RosParameter

from spike_depth_ros.base.errors import one_line
from spike_depth_ros.nodes.parts import diagnostics, parameters, process
from spike_depth_ros.nodes.parts.private_rclpy import RCLError

WARN_EVERY_S = 5.0
"""Shortest time between logged warnings of one kind, seconds; all are counted."""

NodeT = TypeVar('NodeT', bound='ManagedNode[Any]')
SettingsT = TypeVar('SettingsT')


def log_exceptions(
    transition: Callable[[NodeT, LifecycleState], TransitionCallbackReturn],
) -> Callable[[NodeT, LifecycleState], TransitionCallbackReturn]:
    """Log exceptions of a transition; rclpy enters an error state without a log message."""

    @functools.wraps(transition)
    def reporting(node: NodeT, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except Exception:
            if rclpy.ok():  # else interrupted: the error is its consequence
                text = traceback.format_exc()
                node.get_logger().error(f'{transition.__name__} failed:\n{text}')
            raise

    return reporting


class ManagedNode(LifecycleNode, Generic[SettingsT]):
    """Lifecycle node of parameters that are a dataclass, one of them ``autostart``.

    Args:
        name: Its name.
        kind: Dataclass of its parameters.
    """

    def __init__(self, name: str, kind: type[SettingsT]) -> None:
        super().__init__(name)
        self._refuse_illegal_transitions()
        parameters.declare(self, kind)
        self._kind = kind
        self._settings = kind()
        self._warned: dict[str, float] = {}

    def _begin(self) -> None:
        """Publish diagnostics, and start if the parameters say so, once the node is complete."""
        self.add_on_set_parameters_callback(self._review_parameters)
        self.add_post_set_parameters_callback(self._apply_parameters)
        diagnostics.StatusPublisher(self, self._statuses)
        if self.get_parameter('autostart').value:
            try:
                self._start()
            except BaseException:
                self.close()  # an interrupt may come when threads run already
                self.destroy_node()  # or its topics stay until the process ends
                raise

    def _start(self) -> None:
        done = TransitionCallbackReturn.SUCCESS
        if self.trigger_configure() != done or self.trigger_activate() != done:
            raise process.UserError

    @abc.abstractmethod
    def _statuses(self, start: str) -> list[DiagnosticStatus]:
        """Return the statuses for diagnostics, whose names begin with ``start``."""

    @abc.abstractmethod
    def _stop(self) -> None:
        """End what runs between activation and deactivation, if it runs."""

    @abc.abstractmethod
    def _release(self) -> None:
        """Release what configuration made, if it is there."""

    def close(self) -> None:
        """End every thread before the node is destroyed."""
        self._stop()

    # Transitions

    def _refuse_illegal_transitions(self) -> None:
        """Answer requests of illegal transitions, for which rclpy raises."""
        for service in self.services:
            if service.srv_type is ChangeState:
                service.callback = functools.partial(self._change_state, service.callback)

    def _change_state(
        self,
        change: Callable[[ChangeState.Request, ChangeState.Response], ChangeState.Response],
        request: ChangeState.Request,
        response: ChangeState.Response,
    ) -> ChangeState.Response:
        try:
            return change(request, response)
        except RCLError as error:  # the state is as it was
            self.get_logger().warning(f'transition refused: {error}')
            response.success = False
            return response

    @log_exceptions
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End what activation began."""
        self._stop()
        return super().on_deactivate(state)

    @log_exceptions
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release what configuration made."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    @log_exceptions
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End and release everything."""
        self._stop()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    @log_exceptions
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Return to unconfigured after an exception in a transition."""
        self._stop()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    # Parameters

    @property
    @abc.abstractmethod
    def _is_configured(self) -> bool:
        """True if parameters that are read at configuration are in force."""

    def _review_parameters(self, changes: list[RosParameter]) -> SetParametersResult:
        reason = parameters.review(self._kind, changes, self._is_configured)
        reason = reason or self._refuse_changes(changes)
        return SetParametersResult(successful=not reason, reason=reason)

    def _refuse_changes(self, changes: list[RosParameter]) -> str:
        """Return the reason to refuse values, each of which may be set; empty: none."""
        if not self._is_configured:
            return ''  # all are read together
        try:
            settings = parameters.values(self, self._kind, changes)
            self._check(settings, {one.name for one in changes})
        except (ValueError, OSError) as error:
            return one_line(error)
        return ''

    def _check(self, settings: SettingsT, changed: set[str]) -> None:
        """Check values against what runs.

        Args:
            settings: Parameters.
            changed: Names of those with other values.

        Raises:
            ValueError: A file that they name cannot be used.
            OSError: It cannot be read.
        """

    def _apply_parameters(self, changes: list[RosParameter]) -> None:
        """Use new values of parameters that may change."""
        if self._is_configured:
            self._use(parameters.values(self, self._kind))

    def _use(self, settings: SettingsT) -> None:
        """Use other values of the parameters that may change while the node runs."""
        self._settings = settings

    # Warnings

    def _warn(self, kind: str, text: str) -> None:
        now = time.monotonic()
        if now - self._warned.get(kind, -WARN_EVERY_S) >= WARN_EVERY_S:
            self._warned[kind] = now
            self.get_logger().warning(text)
