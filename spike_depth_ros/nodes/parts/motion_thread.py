# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Thread that tracks and measures points while the network predicts."""

from __future__ import annotations

import threading
from collections.abc import Callable

from spike_depth_ros.estimator import Prediction
from spike_depth_ros.filters.refine_by_motion import RefineByMotion
from spike_depth_ros.nodes.parts.internal_errors import INTERNAL_ERRORS
from spike_depth_ros.stream.correction import SensorCorrection
from spike_depth_ros.stream.window import Window

WAIT_S = 0.05
"""Longest time that a prediction waits for the tracks of its window, seconds."""


class MotionThread(threading.Thread):
    """Thread beside that of inference, which hands each window over and takes the tracks.

    Args:
        refiner: Correction by motion.
        correction: Returns the correction of the sensor; None: none.
        prepare: Called once in the thread before its first window.

    Attributes:
        refiner: The same.
    """

    def __init__(
        self,
        refiner: RefineByMotion,
        correction: Callable[[], SensorCorrection | None],
        prepare: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(name='motion', daemon=True)
        self.refiner = refiner
        self._correction, self._prepare = correction, prepare
        self._changed = threading.Condition()
        self._offered: Window | None = None
        self._begun_ns = self._tracked_ns = 0
        self._stopping = False

    def begin(self, window: Window) -> None:
        """Start to track a window, which nobody writes to, if it is time for one."""
        if not self.refiner.wants(window):
            return
        if not self.is_alive() and not self._stopping:
            self.start()
        with self._changed:
            self._offered = window
            self._begun_ns = window.reference_ns
            self._changed.notify_all()

    def finish(self, prediction: Prediction, window: Window) -> Prediction:
        """Correct the prediction of the window that was begun last."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopping or self._tracked_ns == self._begun_ns, WAIT_S
            )
        return self.refiner.apply(prediction, window)

    def stop(self) -> None:
        """End the thread after the current window."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        """Handle windows until :meth:`stop`."""
        self._prepare()
        while (offered := self._wait()) is not None:
            try:
                self._handle(offered)
            except Exception as error:
                INTERNAL_ERRORS.add(error, 'motion')

    def _wait(self) -> Window | None:
        """Wait for a window; None once the thread is to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._offered is not None)
            offered, self._offered = self._offered, None
            return None if self._stopping else offered

    def _handle(self, window: Window) -> None:
        self.refiner.track(window, self._correction())
        with self._changed:
            self._tracked_ns = window.reference_ns
            self._changed.notify_all()
        if self.refiner.is_due():
            self.refiner.use(self.refiner.measure())
