# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Logging and counting of unhandled exceptions in callbacks and threads."""

from __future__ import annotations

import functools
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import rclpy
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.executors import Executor
from rclpy.node import Node

LOG_EVERY_S = 5.0
"""Shortest time between logged exceptions of one line, seconds; all are counted."""

RECENT_S = 60.0
"""Time for which an exception makes a node's diagnostics an error, seconds."""

PAUSE_S = 0.1
"""Pause after an exception, seconds, so that repeated failures do not take a core."""


class InternalErrors:
    """Counter and log of unhandled exceptions.

    Attributes:
        count: Number of exceptions.
        newest: Type and text of the newest; empty before the first.
        log: Called with the traceback of each logged one.
    """

    def __init__(self) -> None:
        self.count = 0
        self.newest = ''
        self.log: Callable[[str], object] = functools.partial(print, file=sys.stderr)
        self._newest_s = 0.0
        self._logged: dict[tuple[object, ...], float] = {}
        self._lock = threading.Lock()

    @property
    def recent(self) -> bool:
        """True if the newest is less than :data:`RECENT_S` old."""
        return self.count > 0 and time.monotonic() - self._newest_s < RECENT_S

    def add(self, error: BaseException, where: str) -> None:
        """Count an exception and log it.

        Args:
            error: The exception, with its traceback.
            where: Place of the exception, for the log.
        """
        frames = traceback.extract_tb(error.__traceback__)
        place = (where, frames[-1].filename, frames[-1].lineno) if frames else (where,)
        now = time.monotonic()
        with self._lock:
            self.count += 1
            self.newest = ' '.join(f'{type(error).__name__}: {error}'.split())[:200]
            self._newest_s = now
            due = now - self._logged.get(place, -LOG_EVERY_S) >= LOG_EVERY_S
            if due:
                self._logged[place] = now
        if due:
            text = ''.join(traceback.format_exception(error))
            self.log(f'internal error in {where}; the node goes on:\n{text}')


INTERNAL_ERRORS = InternalErrors()
"""Errors of this process, which has one node."""


def guard_executor(
    executor: Executor,
    ends: tuple[type[Exception], ...],
    interrupted: Callable[[], bool] = lambda: False,
) -> None:
    """Make an executor count exceptions of callbacks instead of raising them.

    Args:
        executor: The executor.
        ends: Exceptions that are raised, as they end the process on purpose.
        interrupted: Returns True once a signal has raised KeyboardInterrupt: within native code of
            rclpy that becomes another exception.
    """
    spin_once = executor.spin_once

    def guarded(timeout_sec: float | None = None) -> None:
        try:
            spin_once(timeout_sec)
        except ends:
            raise
        except Exception as error:
            if not rclpy.ok(context=executor.context):
                raise  # entities are destroyed during a callback at shutdown
            if interrupted():
                raise KeyboardInterrupt from error
            INTERNAL_ERRORS.add(error, 'a callback')
            time.sleep(PAUSE_S)

    executor.spin_once = guarded


def guard_services(node: Node) -> None:
    """Make the services of a node respond also if their callback raises."""
    for service in node.services:
        service.callback = functools.partial(_answer, service.callback)


def count_failed_threads() -> None:
    """Count and log exceptions that end threads."""

    def failed(failure: threading.ExceptHookArgs) -> None:
        if failure.exc_value is not None and not isinstance(failure.exc_value, SystemExit):
            name = failure.thread.name if failure.thread is not None else 'unknown'
            INTERNAL_ERRORS.add(failure.exc_value, f'the thread {name}, which ended')

    threading.excepthook = failed


def _answer(callback: Callable[[Any, Any], Any], request: Any, response: Any) -> Any:
    try:
        return callback(request, response)
    except Exception as error:
        INTERNAL_ERRORS.add(error, f'the service {type(request).__qualname__}')
        # The defaults of other responses mean that nothing was done.
        refused = SetParametersResult(reason=f'internal error: {INTERNAL_ERRORS.newest}')
        if isinstance(response, SetParameters.Response):
            response.results = [refused for _ in request.parameters]
        if isinstance(response, SetParametersAtomically.Response):
            response.result = refused
        return response
