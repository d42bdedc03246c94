# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the depth node says on /diagnostics: stream, inference, model (REP 107)."""

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
from spike_depth_ros.stream.accounting import PlaneAccount
from spike_depth_ros.stream.ingest import UNKNOWN_SIZE, Ingest

FAILURES_FOR_ERROR = 5
"""Predictions that fail in a row before inference is reported as an error."""

_SEVERITY = (DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR)


class Finding:
    """The worst level of several findings, and what they say.

    Args:
        ok: The message while nothing is wrong.
    """

    def __init__(self, ok: str) -> None:
        self._ok = ok
        self._level = 0
        self._texts: list[str] = []

    def warn(self, text: str) -> None:
        """Something to look at."""
        self._add(1, text)

    def error(self, text: str) -> None:
        """Something that does not work."""
        self._add(2, text)

    def _add(self, level: int, text: str) -> None:
        self._level = max(self._level, level)
        self._texts.append(text)

    def status(
        self, name: str, hardware_id: str, values: Mapping[str, object]
    ) -> DiagnosticStatus:
        """The findings as a status with its key-value pairs."""
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
    """Events a second between two looks."""

    def __init__(self) -> None:
        self._last: tuple[float, int] | None = None

    def update(self, count: int) -> tuple[float, int]:
        """Rate in Hz and number of events since the last look."""
        now = time.monotonic()
        before, self._last = self._last or (now, count), (now, count)
        new = max(0, count - before[1])
        return (new / (now - before[0]) if now > before[0] else 0.0), new


class StreamTask:
    """Is the stream whole?

    Args:
        input_timeout_s: Silence that is an error, seconds.
        active: Remedies against losses that need not be advised.

    Attributes:
        active: These remedies; they may change with the subscription.
        incompatible_qos: Why a publisher is not heard; empty if none is incompatible.
    """

    def __init__(self, input_timeout_s: float, active: ActiveRemedies) -> None:
        self._timeout_s = input_timeout_s
        self.active = active
        self._account = PlaneAccount()
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
        """Rate, plane accounting and what is wrong with the input.

        Args:
            name: Name of the status.
            ingest: The input.
            publishers: What is wrong with the publishers of the topics, one line each.
            subscription: Values of the subscription, in front of those of the stream.
        """
        account = ingest.account()
        rate, _ = self._received.update(account.received)
        lost = losses(account, self._account, self.active)
        self._account = account
        _, refused = self._refused.update(ingest.packets_refused.total())
        finding = Finding('planes arrive')
        silent_s = time.monotonic() - (ingest.last_packet_s or self._since)
        if silent_s > self._timeout_s:
            finding.error(f'no spikes for {silent_s:.1f} s: is the publisher running?')
        if self.incompatible_qos and not rate:
            finding.error(self.incompatible_qos)
        for text in publishers:
            finding.warn(text)
        for loss in lost:
            finding.warn(str(loss))
        if refused:
            finding.warn(f'{refused} packets refused')
        if ingest.size_problem:
            finding.error(ingest.size_problem)
        if ingest.camera_problem:
            finding.warn(ingest.camera_problem)
        if ingest.last_packet_s is not None and not ingest.size_known:
            finding.warn(UNKNOWN_SIZE)
        if ingest.ring is not None and ingest.ring.period_ns == 0:
            finding.warn('plane rate unknown: stamps do not agree yet, or set spike_rate_hz')
        if ingest.ring is not None and ingest.ring.stamped_period_ns:
            stamped = 1e9 / ingest.ring.stamped_period_ns
            finding.warn(f'the stamps say {stamped:.1f} planes/s, spike_rate_hz says otherwise')
        values = {**(subscription or {}), **_stream_values(rate, account, ingest)}
        return finding.status(name, ingest.camera.frame_id, values)


def _stream_values(rate: float, account: PlaneAccount, ingest: Ingest) -> dict[str, object]:
    ring, settings = ingest.ring, ingest.settings
    values: dict[str, object] = {
        'policy': settings.policy,
        'window_planes': settings.window,
        'hop_planes': settings.hop or settings.window,
        'planes_per_s': rate,
        'sensor': str(ring.geometry) if ring is not None else 'unknown',
        'plane_rate_hz': 1e9 / ring.period_ns if ring is not None and ring.period_ns else 0.0,
        'planes_expected': account.expected,
        'planes_received': account.received,
        'planes_lost_in_transport': account.lost_in_transport,
        'planes_lost_in_queue': account.lost_in_queue,
        'planes_missed_resubscribing': account.missed_resubscribing,
        'planes_windowed': account.windowed,
        'planes_skipped_by_policy': account.skipped_by_policy,
        'planes_overwritten': account.overwritten,
        'planes_refused': sum(account.refused.values()),
    }
    values |= {f'planes_refused_{reason}': n for reason, n in sorted(account.refused.items())}
    values |= {
        'planes_pending': account.pending,
        'planes_dropped': account.dropped,
        'gaps': account.gaps,
        'restarts': account.restarts,
        'packets_refused': ingest.packets_refused.total(),
    }
    refused = sorted(ingest.packets_refused.items())
    return values | {f'packets_refused_{reason}': count for reason, count in refused}


def read_account(values: Mapping[str, str]) -> PlaneAccount:
    """Read the plane accounting from the key-value pairs of a depth node's stream status.

    Args:
        values: Text by key; a counter that is not there is 0.
    """
    plain = {field.name for field in dataclasses.fields(PlaneAccount)} - {'refused'}
    keys = {name: name if name in ('gaps', 'restarts') else f'planes_{name}' for name in plain}
    return PlaneAccount(
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
    """Read a value of a status; NaN where it is no number."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def read_count(text: str) -> int:
    """Read a counter of a status; 0 where it is no count."""
    number = read_number(text)
    return int(number) if 0 <= number < 2**63 else 0


class InferenceTask:
    """Does depth come out, and how fast?"""

    def __init__(self) -> None:
        self._windows = Rate()

    def status(self, name: str, hardware_id: str, inference: Inference) -> DiagnosticStatus:
        """Window rate, stage times, age, failures."""
        rate, _ = self._windows.update(inference.windows)
        finding = Finding('windows are predicted' if rate else 'idle')
        if inference.failures_in_row >= FAILURES_FOR_ERROR:
            finding.error(f'{inference.failures_in_row} predictions failed in a row: see the log')
        elif inference.failures_in_row:
            finding.warn(f'{inference.failures_in_row} predictions failed')
        values: dict[str, object] = {
            'windows_per_s': rate,
            'windows_out': inference.windows,
            'windows_failed': inference.failures,
        }
        for stage, (median, high) in inference.stages.percentiles().items():
            values[f'{stage}_ms_p50'] = median
            values[f'{stage}_ms_p99'] = high
        return finding.status(name, hardware_id, values)


def process_status(name: str) -> DiagnosticStatus:
    """Return the count of internal errors; a recent one is an error."""
    finding = Finding('no internal error')
    if INTERNAL_ERRORS.recent:
        finding.error(
            f'{INTERNAL_ERRORS.count} internal errors, the newest: {INTERNAL_ERRORS.newest} '
            '(see the log)'
        )
    return finding.status(name, '', {'internal_errors': INTERNAL_ERRORS.count})


def model_status(
    name: str, hardware_id: str, estimator: DepthEstimator, inference: Inference, swap: str
) -> DiagnosticStatus:
    """Which model runs where, and whether its depth may be read as metres.

    Args:
        name: Name of the status.
        hardware_id: Frame of the camera.
        estimator: The model.
        inference: Where its newest prediction is.
        swap: What went wrong with the newest change of the model; empty if nothing did.
    """
    info = estimator.info
    finding = Finding('ready')
    if swap:
        finding.error(swap)
    if info.stage == 'random':
        finding.warn('random weights: depth means nothing')
    prediction = inference.last
    if prediction is not None:
        for note in prediction.notes:
            finding.warn(note)
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
    if prediction is not None:
        values['uncertainty_m_median'] = float(np.nanmedian(prediction.uncertainty[::4, ::4]))
    return finding.status(name, hardware_id, values)
