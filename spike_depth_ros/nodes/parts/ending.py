# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Signals that ask a process to end, and a bound on the time that the end takes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType

from spike_depth_ros.nodes.parts import shared_memory

CLOSING_S = 10.0
"""Longest time in which a node closes, seconds."""

_PACKAGE = str(Path(__file__).parents[2])


class EndRequests:
    """Handlers of SIGINT, SIGTERM and SIGHUP, of which the first signal alone interrupts.

    A second one would interrupt the clean-up after the first. SIGHUP counts as SIGTERM: a closed
    terminal must not leave shared memory behind either.

    Args:
        exceptions: Exceptions to raise in the main thread, by signal; others raise none.

    Attributes:
        raised: Signal whose exception was raised; 0: none was. Native code may have put an error
            of its own in its place.
    """

    def __init__(self, exceptions: Mapping[int, type[BaseException]]) -> None:
        self._exceptions = exceptions
        self.raised = 0
        self._asked = False
        self._raising = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))

    def raise_them(self) -> None:
        """Raise the exception of the next signal.

        Raises:
            KeyboardInterrupt: There was a signal before.
        """
        self._raising = True
        if self._asked:
            raise KeyboardInterrupt

    def ignore(self) -> None:
        """Raise no exception from now on."""
        self._raising = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        first, self._asked = not self._asked, True
        if first and self._raising and number in self._exceptions:
            self.raised = number
            sys.unraisablehook = _tell_unless_half_built
            raise self._exceptions[number]


def _tell_unless_half_built(unraisable: sys.UnraisableHookArgs) -> None:
    """Tell of an exception in a destructor, but for an attribute that is not there.

    An object that a signal's exception has left half built, such as a task of rclpy, has a
    destructor that misses attributes.
    """
    if not isinstance(unraisable.exc_value, AttributeError):
        sys.__unraisablehook__(unraisable)


@contextlib.contextmanager
def bounded(what: str) -> Iterator[None]:
    """Context that ends the process with status 1 if it takes longer than :data:`CLOSING_S`.

    One line then names where the main thread hangs, and the shared memory of this process is
    removed. Native code that holds the interpreter's lock is ended by SIGALRM, without that line.

    Args:
        what: What is done in the context, for the line.
    """
    main = threading.get_ident()
    timer = threading.Timer(CLOSING_S, lambda: _give_up(what, sys._current_frames().get(main)))
    timer.daemon = True
    before = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 1.5 * CLOSING_S)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _give_up(what: str, frame: FrameType | None) -> None:
    """End the process at once."""
    print(
        f'{Path(sys.argv[0]).name}: error: {what} took more than {CLOSING_S:g} s and was given up '
        f'in {_place(frame)}: report this line',
        file=sys.stderr,
        flush=True,
    )
    shared_memory.remove_own()
    os._exit(1)


def _place(frame: FrameType | None) -> str:
    """Return file, line and function of the innermost frame of a node, or of all."""
    place = ''
    while frame is not None:
        code = frame.f_code
        here = f'{Path(code.co_filename).name}, line {frame.f_lineno} ({code.co_name})'
        if code.co_filename.startswith(_PACKAGE) and Path(code.co_filename).name != 'process.py':
            return here
        place, frame = place or here, frame.f_back
    return place or 'unknown code'
