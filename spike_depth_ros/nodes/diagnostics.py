# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Diagnostics of the depth node: stream, inference, model (REP 107)."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.nodes.inference import Inference
from spike_depth_ros.nodes.internal_errors import INTERNAL_ERRORS
from spike_depth_ros.nodes.losses import ActiveRemedies, losses
from spike_depth_ros.stream.accounting import PlaneAccounting
from spike_depth_ros.stream.ingest import UNKNOWN_SIZE, Ingest

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
            values=[KeyValue(key=key, value=_text(value)) for key, value in values.items()],
        )


def _text(value: object) -> str:
    return f'{value:.6g}' if isinstance(value, float) else str(value)


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
        if ingest.ring is not None and ingest.ring.stamped_period_ns:
            stamped = 1e9 / ingest.ring.stamped_period_ns
            builder.warn(f'the stamps have {stamped:.1f} planes/s: correct or unset spike_rate_hz')
        values = {**(subscription or {}), **_stream_values(rate, accounting, ingest)}
        return builder.status(name, ingest.camera.frame_id, values)


def _stream_values(rate: float, accounting: PlaneAccounting, ingest: Ingest) -> dict[str, object]:
    ring, settings = ingest.ring, ingest.settings
    values: dict[str, object] = {
        'policy': settings.policy,
        'window_planes': settings.window,
        'hop_planes': settings.hop or settings.window,
        'planes_per_s': rate,
        'sensor': ingest.geometry or 'unknown',
        'plane_rate_hz': 1e9 / ring.period_ns if ring is not None else 0.0,
        'planes_expected': accounting.expected,
        'planes_received': accounting.received,
        'planes_lost_in_transport': accounting.lost_in_transport,
        'planes_lost_in_queue': accounting.lost_in_queue,
        'planes_missed_resubscribing': accounting.missed_resubscribing,
        'planes_windowed': accounting.windowed,
        'planes_skipped_by_policy': accounting.skipped_by_policy,
        'planes_overwritten': accounting.overwritten,
        'planes_refused': sum(accounting.refused.values()),
    }
    values |= {f'planes_refused_{reason}': n for reason, n in sorted(accounting.refused.items())}
    values |= {
        'planes_pending': accounting.pending,
        'planes_dropped': accounting.dropped,
        'gaps': accounting.gaps,
        'restarts': accounting.restarts,
        'packets_refused': ingest.packets_refused.total(),
    }
    refused = sorted(ingest.packets_refused.items())
    return values | {f'packets_refused_{reason}': count for reason, count in refused}


def read_accounting(values: Mapping[str, str]) -> PlaneAccounting:
    """Read the plane accounting from the key-value pairs of a depth node's stream status.

    Args:
        values: Text by key; a missing counter is 0.
    """
    plain = {field.name for field in dataclasses.fields(PlaneAccounting)} - {'refused'}
    keys = {name: name if name in ('gaps', 'restarts') else f'planes_{name}' for name in plain}
    return PlaneAccounting(
        **{name: read_count(values.get(key, '0')) for name, key in keys.items()},
        refused=read_counts(values, 'planes_refused_'),
    )


def read_counts(values: Mapping[str, str], prefix: str) -> dict[str, int]:
    """Read the counters whose keys begin with a prefix, by the rest of their keys."""
    return {
        key.removeprefix(prefix): read_count(value)
        for key, value in values.items()
        if key.startswith(prefix)
    }


def read_number(text: str) -> float:
    """Read a number of a status; NaN if it is not a number."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def read_count(text: str) -> int:
    """Read a counter of a status; 0 if it is not a counter."""
    number = read_number(text)
    return int(number) if 0 <= number < 2**63 else 0


class InferenceTask:
    """Status of inference: rate, latency and failures."""

    def __init__(self) -> None:
        self._windows = Rate()

    def status(self, name: str, hardware_id: str, inference: Inference) -> DiagnosticStatus:
        """Build the status of window rate, latency, age and failures."""
        rate, _ = self._windows.update(inference.windows)
        builder = StatusBuilder('windows are predicted' if rate else 'idle')
        if inference.failures_in_row >= FAILURES_FOR_ERROR:
            builder.error(f'{inference.failures_in_row} predictions failed in a row: see the log')
        elif inference.failures_in_row:
            builder.warn(f'{inference.failures_in_row} predictions failed')
        values: dict[str, object] = {
            'windows_per_s': rate,
            'windows_out': inference.windows,
            'windows_failed': inference.failures,
        }
        for stage, (median, high) in inference.latency.percentiles().items():
            values[f'{stage}_ms_p50'] = median
            values[f'{stage}_ms_p99'] = high
        return builder.status(name, hardware_id, values)


def process_status(name: str) -> DiagnosticStatus:
    """Build the status of internal errors; a recent one is an error."""
    builder = StatusBuilder('no internal error')
    if INTERNAL_ERRORS.recent:
        builder.error(
            f'{INTERNAL_ERRORS.count} internal errors, the newest: {INTERNAL_ERRORS.newest} '
            '(see the log)'
        )
    return builder.status(name, '', {'internal_errors': INTERNAL_ERRORS.count})


def model_status(
    name: str, hardware_id: str, estimator: DepthEstimator, inference: Inference, swap: str
) -> DiagnosticStatus:
    """Build the status of the model: its file, backend, device and scale.

    Args:
        name: Name of the status.
        hardware_id: Frame of the camera.
        estimator: The model.
        inference: Inference with its newest prediction.
        swap: Error of the newest change of the model; empty: none.
    """
    info = estimator.info
    builder = StatusBuilder('ready')
    if swap:
        builder.error(swap)
    if info.stage == 'random':
        builder.warn('random weights: depth is meaningless')
    prediction = inference.last
    if prediction is not None:
        for note in prediction.notes:
            builder.warn(note)
    values: dict[str, object] = {
        'checkpoint': estimator.checkpoint or '',
        'weights_sha256': info.weights_sha256,
        'architecture': info.architecture,
        'stage': info.stage,
        'backend': estimator.backend,
        'device': estimator.device,
        'uncertainty_calibrated': info.uncertainty_calibrated,
        'scale': prediction.scale if prediction is not None else 'unknown',
    }
    if estimator.correction is not None:
        values['corrected_pixels'] = int(estimator.correction.faulty.sum())
    if prediction is not None:
        values['uncertainty_m_median'] = float(np.nanmedian(prediction.uncertainty[::4, ::4]))
    return builder.status(name, hardware_id, values)
