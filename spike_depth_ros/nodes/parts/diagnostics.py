# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Diagnostics of the depth node: stream, inference, model (REP 107)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_msgs.msg import Header

from spike_depth_ros.estimator import DepthEstimator, Prediction
from spike_depth_ros.filters.refine_by_motion import NO_FOCAL_LENGTH, MotionStatus
from spike_depth_ros.motion.points import MISFIT, NO_ODOMETRY
from spike_depth_ros.nodes.parts import diagnostic_values as keys
from spike_depth_ros.nodes.parts.inference import Inference
from spike_depth_ros.nodes.parts.internal_errors import INTERNAL_ERRORS
from spike_depth_ros.nodes.parts.losses import ActiveRemedies, losses
from spike_depth_ros.nodes.parts.odometry_input import OdometryInput
from spike_depth_ros.stream.accounting import PlaneAccounting
from spike_depth_ros.stream.ingest import UNKNOWN_SIZE, Ingest

PERIOD_S = 1.0
"""Time between two publications of the statuses of a node."""

FAILURES_FOR_ERROR = 5
"""Failed predictions in a row from which inference is reported as an error."""

_SEVERITY = (DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR)


class StatusBuilder:
    """Builder of a status from warnings and errors.

    Args:
        ok: Message without warnings and errors.
    """

    def __init__(self, ok: str) -> None:
        self._ok = ok
        self._level = 0
        self._texts: list[str] = []

    def warn(self, text: str) -> None:
        """Add a warning."""
        self._add(1, text)

    def error(self, text: str) -> None:
        """Add an error."""
        self._add(2, text)

    def _add(self, level: int, text: str) -> None:
        self._level = max(self._level, level)
        self._texts.append(text)

    def status(
        self, name: str, hardware_id: str, values: Mapping[str, object]
    ) -> DiagnosticStatus:
        """Build the status, of the worst level, with key-value pairs."""
        return DiagnosticStatus(
            level=_SEVERITY[self._level],
            name=name,
            message='; '.join(self._texts) or self._ok,
            hardware_id=hardware_id,
            values=keys.pairs(values),
        )


class StatusPublisher:
    """Publisher of the statuses of a node, once a second.

    Args:
        node: The node.
        statuses: Called with the start of the names of statuses; returns them. The status of
            internal errors is added.
    """

    def __init__(self, node: Node, statuses: Callable[[str], list[DiagnosticStatus]]) -> None:
        self._node, self._statuses = node, statuses
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # By the steady clock, which runs also while simulated time stands still.
        node.create_timer(PERIOD_S, self._publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _publish(self) -> None:
        start = f'{self._node.get_fully_qualified_name().lstrip("/")}: '
        array = DiagnosticArray(header=Header(stamp=self._node.get_clock().now().to_msg()))
        array.status = [*self._statuses(start), process_status(start + keys.PROCESS)]
        self._publisher.publish(array)


class Rate:
    """Rate of events between two updates."""

    def __init__(self) -> None:
        self._last: tuple[float, int] | None = None

    def update(self, count: int) -> tuple[float, int]:
        """Return rate in Hz and number of events since the last update."""
        now = time.monotonic()
        before, self._last = self._last or (now, count), (now, count)
        new = max(0, count - before[1])
        return (new / (now - before[0]) if now > before[0] else 0.0), new


class StreamTask:
    """Status of the stream: rate and plane accounting.

    Args:
        input_timeout_s: Time without packets that is an error, seconds.
        active: Remedies against losses that are already in force.

    Attributes:
        active: These remedies; they may change with the subscription.
        incompatible_qos: Description of a publisher with incompatible QoS; empty: none.
    """

    def __init__(self, input_timeout_s: float, active: ActiveRemedies) -> None:
        self._timeout_s = input_timeout_s
        self.active = active
        self._accounting = PlaneAccounting()
        self._since = time.monotonic()
        self._received = Rate()
        self._refused = Rate()
        self.incompatible_qos = ''

    def status(
        self,
        name: str,
        ingest: Ingest,
        publishers: Sequence[str] = (),
        subscription: Mapping[str, object] | None = None,
    ) -> DiagnosticStatus:
        """Build the status of rate, plane accounting and problems of the input.

        Args:
            name: Name of the status.
            ingest: The input.
            publishers: Problems of the publishers of the topics, one line each.
            subscription: Values of the subscription, in front of those of the stream.
        """
        accounting = ingest.accounting()
        rate, _ = self._received.update(accounting.received)
        lost = losses(accounting, self._accounting, self.active)
        self._accounting = accounting
        _, refused = self._refused.update(ingest.packets_refused.total())
        builder = StatusBuilder('planes arrive')
        silent_s = time.monotonic() - (ingest.last_packet_s or self._since)
        if silent_s > self._timeout_s:
            builder.error(f'no spikes for {silent_s:.1f} s: start or restart the publisher')
        if self.incompatible_qos and not rate:
            builder.error(self.incompatible_qos)
        for text in publishers:
            builder.warn(text)
        for loss in lost:
            builder.warn(str(loss))
        if refused:
            builder.warn(f'{refused} packets refused')
        if ingest.size_problem:
            builder.error(ingest.size_problem)
        if ingest.camera_problem:
            builder.warn(ingest.camera_problem)
        if ingest.last_packet_s is not None and ingest.size is None:
            builder.warn(UNKNOWN_SIZE)
        if ingest.geometry is not None and ingest.ring is None:
            builder.warn(
                'plane rate unknown, as stamps do not agree yet: wait, or set spike_rate_hz'
            )
        ring = ingest.ring  # both may change meanwhile
        if ring is not None and (stamped_ns := ring.stamped_period_ns):
            rate_hz = 1e9 / stamped_ns
            builder.warn(f'the stamps have {rate_hz:.1f} planes/s: correct or unset spike_rate_hz')
        values = {**(subscription or {}), **_stream_values(rate, accounting, ingest)}
        return builder.status(name, ingest.camera.frame_id, values)


def _stream_values(rate: float, accounting: PlaneAccounting, ingest: Ingest) -> dict[str, object]:
    ring, settings = ingest.ring, ingest.settings
    return {
        keys.POLICY: settings.policy,
        keys.WINDOW_PLANES: settings.window,
        keys.HOP_PLANES: settings.hop or settings.window,
        keys.PLANES_PER_S: rate,
        keys.SENSOR: ingest.geometry or 'unknown',
        keys.PLANE_RATE_HZ: 1e9 / ring.period_ns if ring is not None else 0.0,
        **keys.of_accounting(accounting),
        **keys.of_counts(keys.PACKETS_REFUSED, ingest.packets_refused),
        **({keys.CAMERA_INFO_REFUSED: refused} if (refused := ingest.cameras_refused) else {}),
    }


class InferenceTask:
    """Status of inference: rate, latency and failures."""

    def __init__(self) -> None:
        self._windows = Rate()

    def status(
        self,
        name: str,
        hardware_id: str,
        inference: Inference,
        colour_range: tuple[float, float] | None = None,
    ) -> DiagnosticStatus:
        """Build the status of window rate, latency, age and failures.

        Args:
            name: Name of the status.
            hardware_id: Frame of the camera.
            inference: The thread.
            colour_range: Depths of the brightest and the darkest colour, metres; None: no colours
                are published.
        """
        rate, _ = self._windows.update(inference.windows)
        builder = StatusBuilder('windows are predicted' if rate else 'idle')
        if inference.failures_in_row >= FAILURES_FOR_ERROR:
            builder.error(f'{inference.failures_in_row} predictions failed in a row: see the log')
        elif inference.failures_in_row:
            builder.warn(f'{inference.failures_in_row} predictions failed')
        values: dict[str, object] = {
            keys.WINDOWS_PER_S: rate,
            keys.WINDOWS_OUT: inference.windows,
            keys.WINDOWS_FAILED: inference.failures,
            **keys.of_latencies(inference.latency.percentiles()),
        }
        if colour_range is not None:
            values |= zip((keys.COLOUR_NEAR_M, keys.COLOUR_FAR_M), colour_range, strict=True)
        return builder.status(name, hardware_id, values)


def not_active(name: str) -> DiagnosticStatus:
    """Build the status of a node that does not run."""
    builder = StatusBuilder('')
    builder.warn('not active')
    return builder.status(name, '', {})


def process_status(name: str) -> DiagnosticStatus:
    """Build the status of internal errors; a recent one is an error."""
    builder = StatusBuilder('no internal error')
    if INTERNAL_ERRORS.recent:
        builder.error(
            f'{INTERNAL_ERRORS.count} internal errors, the newest: {INTERNAL_ERRORS.newest} '
            '(see the log)'
        )
    return builder.status(name, '', {keys.INTERNAL_ERRORS: INTERNAL_ERRORS.count})


def motion_status(
    name: str,
    hardware_id: str,
    state: MotionStatus,
    prediction: Prediction | None,
    odometry: OdometryInput | None,
) -> DiagnosticStatus:
    """Build the status of the correction by the motion of the camera.

    Args:
        name: Name of the status.
        hardware_id: Frame of the camera.
        state: State of the correction.
        prediction: The newest prediction; None before it.
        odometry: Subscription of odometry; None: there is none.
    """
    builder = StatusBuilder(state.reason or 'windows are refined')
    if state.reason in (MISFIT, NO_ODOMETRY, NO_FOCAL_LENGTH):
        builder.warn(state.reason)
    values: dict[str, object] = {
        keys.WINDOWS_REFINED: state.refined,
        keys.WINDOWS_TRACKED: state.windows,
        keys.MOTION_POINTS: state.points,
        keys.MOTION_PARALLAX_PX: state.parallax_px,
        keys.MOTION_EPIPOLAR_PX: state.epipolar_px,
        keys.MOTION_REASON: state.reason,
    }
    if prediction is not None and prediction.motion is not None:
        values |= keys.of_motion(prediction.motion)
    if odometry is not None:
        if odometry.problem:
            builder.warn(odometry.problem)
        values |= {
            keys.ODOMETRY_RECEIVED: odometry.poses.received,
            **keys.of_counts(keys.ODOMETRY_REFUSED, odometry.poses.refused),
            keys.ODOMETRY_RESTARTS: odometry.poses.restarts,
        }
    return builder.status(name, hardware_id, values)


def model_status(
    name: str,
    hardware_id: str,
    estimator: DepthEstimator,
    prediction: Prediction | None,
    swap: str = '',
) -> DiagnosticStatus:
    """Build the status of the model: its file, backend, device and scale.

    Args:
        name: Name of the status.
        hardware_id: Frame of the camera.
        estimator: The model.
        prediction: Its newest prediction; None before it.
        swap: Error of the newest change of the model; empty: none.
    """
    info = estimator.info
    builder = StatusBuilder('ready')
    if swap:
        builder.error(swap)
    if info.stage == 'random':
        builder.warn('random weights: depth is meaningless')
    if prediction is not None:
        for note in prediction.notes:
            builder.warn(note)
    values: dict[str, object] = {
        keys.CHECKPOINT: estimator.checkpoint or '',
        keys.WEIGHTS_SHA256: info.weights_sha256,
        keys.ARCHITECTURE: info.architecture,
        keys.STAGE: info.stage,
        keys.BACKEND: estimator.backend,
        keys.DEVICE: estimator.device,
        keys.UNCERTAINTY_CALIBRATED: info.uncertainty_calibrated,
        keys.SCALE: prediction.scale if prediction is not None else 'unknown',
    }
    if estimator.correction is not None:
        values[keys.CORRECTED_PIXELS] = int(estimator.correction.faulty.sum())
    if prediction is not None:
        some = prediction.uncertainty[::4, ::4]
        if np.isfinite(some).any():
            values[keys.UNCERTAINTY_M_MEDIAN] = float(np.nanmedian(some))
        if prediction.height is not None:
            values |= keys.of_height(prediction.height)
    return builder.status(name, hardware_id, values)
