# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Thread of the depth node that reconstructs the preview with a network."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from spike_depth_ros.estimator import ImageEstimator
from spike_depth_ros.nodes.parts import process
from spike_depth_ros.nodes.parts.internal_errors import INTERNAL_ERRORS
from spike_depth_ros.stream import preview
from spike_depth_ros.stream.window import Window

LEARNT: Final = 'learnt'
"""Value of the parameter ``preview`` for this method."""

THREADS = 1
"""CPU threads of the network: the others are for depth."""

NICENESS = 10
"""Steps of niceness below the depth network, whose threads wait for one another."""

Done = Callable[[float], object]
"""Function that is called with the duration of a preview, milliseconds, once it is published."""


class LearntPreview(threading.Thread):
    """Thread that shows the newest offered window; a picture is skipped, never a window.

    Its priority is lower than that of the thread that starts it, the depth network's.

    Args:
        load: Function that loads the network.
        max_hz: Pictures a second, at most.
        publish: Called with each picture, ``[H, W]`` uint8, and its window.
        warn: Called with kind and text of each warning.
        alive: Function that returns True until ROS is shut down.
    """

    def __init__(
        self,
        load: Callable[[], ImageEstimator],
        max_hz: float,
        publish: Callable[[npt.NDArray[np.uint8], Window], object],
        warn: Callable[[str, str], object],
        alive: Callable[[], bool],
    ) -> None:
        super().__init__(name='preview', daemon=True)
        self._load = load
        self._period_s = 1 / max_hz
        self._publish = publish
        self._warn = warn
        self._alive = alive
        self._changed = threading.Condition()
        self._offered: tuple[Window, Done] | None = None
        self._next_s = 0.0
        self._stopping = False

    def offer(self, window: Window, done: Done) -> None:
        """Show a window soon, unless the newest picture is too young.

        Args:
            window: The window; not written to by anyone.
            done: See :data:`Done`.
        """
        now = time.monotonic()
        if now < self._next_s:
            return
        # By a schedule, so that the rate is reached although windows come at times of their own.
        late = now - self._next_s
        self._next_s = now + self._period_s - (late if late < self._period_s else 0.0)
        with self._changed:
            self._offered = window, done
            self._changed.notify()

    def end(self) -> None:
        """End the thread after the current picture, without waiting for it."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def run(self) -> None:
        """Show offered windows until :meth:`end`."""
        process.lower_priority(
            lambda text: self._warn('preview priority', text), 'the preview', NICENESS
        )
        network = self._loaded()
        while (offered := self._wait()) is not None:
            try:
                self._show(network, *offered)
            except Exception as error:
                # At shutdown the publisher vanishes before this thread is ended.
                if not self._stopping and self._alive():
                    INTERNAL_ERRORS.add(error, 'preview')
        if network is not None:
            network.close()

    def _loaded(self) -> ImageEstimator | None:
        try:
            return self._load()
        except Exception as error:  # of a runtime that is imported only here, of any kind
            self._warn('preview', f'preview: short is shown, the network was not loaded: {error}')
            return None

    def _wait(self) -> tuple[Window, Done] | None:
        """Wait for a window; None once the thread is to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._offered is not None)
            offered, self._offered = self._offered, None
            return None if self._stopping else offered

    def _show(self, network: ImageEstimator | None, window: Window, done: Done) -> None:
        started = time.perf_counter()
        picture = self._picture(network, window)
        if self._stopping:  # a newer picture of another method may be out
            return
        self._publish(picture, window)
        done(1e3 * (time.perf_counter() - started))

    def _picture(self, network: ImageEstimator | None, window: Window) -> npt.NDArray[np.uint8]:
        if network is not None:
            try:
                return preview.encode(network.predict(window).rate)
            except ValueError as error:
                self._warn('preview', f'preview: short is shown: {error}')
        return preview.render(window, 'short')
