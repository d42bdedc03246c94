# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inference thread of a perception node: from observations to published depth."""

from __future__ import annotations

import collections
import functools
import threading
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np

from spike_depth_ros.estimator import Prediction
from spike_depth_ros.filters.scale_from_height import ScaleFromHeight
from spike_depth_ros.filters.temporal_filter import TemporalFilter
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.nodes.parts.internal_errors import INTERNAL_ERRORS
from spike_depth_ros.nodes.parts.motion_thread import MotionThread
from spike_depth_ros.observation import Observation
from spike_depth_ros.stream.window import Window

IDLE_S = 0.05
"""Time between two checks without a stream, or a subscriber that no event reports, seconds."""

LONG_IDLE_S = 1.0
"""Time between two checks without a subscriber whose coming is an event, seconds."""


class Estimator(Protocol):
    """Estimator of depth."""

    def predict(self, observation: Observation) -> Prediction:
        """Predict depth."""


class Observations(Protocol):
    """Source of observations."""

    def is_ready(self) -> bool:
        """Return True once planes arrive that can be used."""

    def discard(self) -> None:
        """Skip the planes so far: there is no subscriber."""

    def take(self, timeout_s: float) -> Observation | None:
        """Return the next observation; None if there is none after a wait, seconds."""

    def has_depth(self, observation: Observation) -> bool:
        """Return True if depth can be predicted, and not only pictures published."""


class Outputs(Protocol):
    """Publishers of predictions."""

    def alive(self) -> bool:
        """Return True while messages can be published."""

    def depth_wanted(self) -> bool:
        """Return True if depth or uncertainty have a subscriber."""

    def preview_wanted(self) -> bool:
        """Return True if the preview has a subscriber."""

    def publish_depth(self, observation: Observation, prediction: Prediction) -> None:
        """Publish depth, its camera and uncertainty."""

    def publish_preview(self, observation: Observation, done: Callable[[float], object]) -> None:
        """Publish the preview, maybe later; then call ``done`` with its duration, ms."""

    def age_ms(self, window: Window) -> float:
        """Return the time since the window's last plane by the node's clock, milliseconds."""


class LatencyStats:
    """Newest durations of each stage, milliseconds.

    Args:
        newest: Number of durations that are kept for each stage.
    """

    def __init__(self, newest: int = 500) -> None:
        self._newest = newest
        self._times: dict[str, collections.deque[float]] = {}

    def add(self, stage: str, milliseconds: float) -> None:
        """Add one duration."""
        times = self._times.setdefault(stage, collections.deque(maxlen=self._newest))
        times.append(milliseconds)

    def percentiles(self) -> dict[str, tuple[float, float]]:
        """Return median and 99th percentile of each stage, milliseconds."""
        copied = {stage: list(times) for stage, times in list(self._times.items())}
        return {stage: _median_and_p99(times) for stage, times in copied.items()}


def _median_and_p99(times: list[float]) -> tuple[float, float]:
    median, high = np.percentile(times, [50, 99])
    return float(median), float(high)


class Inference(threading.Thread):
    """Thread that takes windows while there is a subscriber, predicts and publishes.

    A failed prediction is counted and reported, and the thread goes on with the next window.

    Args:
        estimator: The model; see :meth:`replace`.
        source: Source of observations.
        outputs: Publishers of the results.
        warn: Called with kind and text of each warning.
        prepare: Called once in the thread before its first window.
        idle_s: Time between two checks for a subscriber, seconds, unless :meth:`wake` is called.
        scale: Scale from the height of the camera; None: that of the model.
        temporal: Filter of the model's depth; None: none.
        motion: Correction by the motion of the camera; None: none.

    Attributes:
        estimator: The model in use.
        scale: The scale in use; may be replaced at any time.
        motion: The correction in use; may be replaced at any time, and the old one stopped.
        windows: Windows predicted and published.
        failures: Windows whose prediction failed.
        failures_in_row: Failures since the last success.
        latency: Durations of predict, publish and preview, and the age at publication, ms.
        last: The newest prediction; None before it.
    """

    def __init__(
        self,
        estimator: Estimator,
        source: Observations,
        outputs: Outputs,
        warn: Callable[[str, str], object],
        prepare: Callable[[], object] = lambda: None,
        idle_s: float = IDLE_S,
        scale: ScaleFromHeight | None = None,
        temporal: TemporalFilter | None = None,
        motion: MotionThread | None = None,
    ) -> None:
        super().__init__(name='inference', daemon=True)
        self.estimator = estimator
        self.scale = scale
        self.motion = motion
        self._temporal = temporal or TemporalFilter(0.0)
        self.windows = 0
        self.failures = 0
        self.failures_in_row = 0
        self.latency = LatencyStats()
        self.last: Prediction | None = None
        self._source = source
        self._rig: StereoRig | None = None
        self._outputs = outputs
        self._warn = warn
        self._prepare = prepare
        self._idle_s = idle_s
        self._stopping = threading.Event()
        self._waking = threading.Event()
        self._between_windows = threading.Lock()

    def stop(self) -> None:
        """End the thread after the current window."""
        self._stopping.set()
        self.wake()
        if self.is_alive():
            self.join()

    def wake(self) -> None:
        """Check for a subscriber now."""
        self._waking.set()

    def replace(self, estimator: Estimator) -> None:
        """Use another model from the next window on; the old one may then be closed."""
        with self._between_windows:
            self.estimator = estimator
            self._temporal.reset()
            if self.motion is not None:
                self.motion.refiner.forget_factor()
            if self.scale is not None:
                self.scale.reset()

    def run(self) -> None:
        """Handle windows until :meth:`stop`."""
        self._prepare()
        while not self._stopping.is_set():
            try:
                self._step()
            except Exception as error:
                # At shutdown the publishers vanish before this thread is stopped.
                if not self._stopping.wait(IDLE_S) and self._outputs.alive():
                    INTERNAL_ERRORS.add(error, 'inference')

    def _step(self) -> None:
        """Handle a window, or wait for one."""
        self._waking.clear()  # before the check, so that no later change is missed
        if self._stopping.is_set():
            return
        ready = self._source.is_ready()
        depth, preview = self._outputs.depth_wanted(), self._outputs.preview_wanted()
        if not ready or not (depth or preview):
            self._source.discard()
            self._waking.wait(self._idle_s if ready else IDLE_S)
            return
        observation = self._source.take(timeout_s=0.1)
        if observation is not None:
            self._handle(observation, depth, preview)

    def _handle(self, observation: Observation, depth: bool, preview: bool) -> None:
        try:
            if preview:
                self._outputs.publish_preview(
                    observation, functools.partial(self.latency.add, 'preview')
                )
            if depth and self._source.has_depth(observation):
                self._predict(observation)
        except Exception as error:
            if self._stopping.is_set():
                return  # publishers vanish at shutdown
            self.failures += 1
            self.failures_in_row += 1
            text = ' '.join(str(error).split()) or type(error).__name__
            window = observation.window
            self._warn(
                'prediction',
                f'prediction failed on a window of {window.planes} planes, {window.geometry}: '
                f'{text}',
            )

    def _predict(self, observation: Observation) -> None:
        window = observation.window
        started = time.perf_counter()
        with self._between_windows:
            if observation.rig is not self._rig:
                self._rig = observation.rig
                self._temporal.reset()
            motion = self.motion  # another thread may replace it
            if motion is not None:
                motion.begin(window)
            prediction = self.estimator.predict(observation)
            if motion is not None:
                prediction = motion.finish(prediction, window)
            prediction = self._scaled(window, self._temporal.apply(prediction, window))
        predicted = time.perf_counter()
        self._outputs.publish_depth(observation, prediction)
        self.latency.add('predict', 1e3 * (predicted - started))
        self.latency.add('publish', 1e3 * (time.perf_counter() - predicted))
        self.latency.add('age', self._outputs.age_ms(window))
        self.windows += 1
        self.failures_in_row = 0
        self.last = prediction

    def _scaled(self, window: Window, prediction: Prediction) -> Prediction:
        """Scale a prediction from the height of the camera, if wanted, and log its problems."""
        scale = self.scale
        if scale is None:
            return prediction
        scaled = scale.apply(prediction, window.camera.matrix, window.reference_ns)
        for note in scaled.notes[len(prediction.notes) :]:
            self._warn(note, note)
        return scaled
