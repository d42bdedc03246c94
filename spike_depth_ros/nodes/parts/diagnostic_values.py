# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Values of diagnostics: their keys, and the one way in which they are written and read."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from spike_depth_ros.estimator import HeightScale, MotionRefinement
from spike_depth_ros.stream.accounting import PlaneAccounting

# Tasks: the ends of the names of statuses.
STREAM, INFERENCE, MODEL = 'stream', 'inference', 'model'
LEFT_STREAM, RIGHT_STREAM, STEREO = 'left stream', 'right stream', 'stereo'
EVALUATION, PROCESS = 'evaluation', 'process'
FRAMES, MOTION = 'frames', 'motion'

# Stream.
RELIABILITY, RESUBSCRIPTIONS = 'reliability', 'resubscriptions'
POLICY, WINDOW_PLANES, HOP_PLANES = 'policy', 'window_planes', 'hop_planes'
PLANES_PER_S, SENSOR, PLANE_RATE_HZ = 'planes_per_s', 'sensor', 'plane_rate_hz'
PLANES_DROPPED, PACKETS_REFUSED = 'planes_dropped', 'packets_refused'
CAMERA_INFO_REFUSED = 'camera_info_refused'
COUNTERS = {
    field.name: field.name if field.name in ('gaps', 'restarts') else f'planes_{field.name}'
    for field in dataclasses.fields(PlaneAccounting)
}
"""Key of each counter of the plane accounting, by its name."""

# Stream of a video source or camera.
PLANES_PER_S_ASKED, PLANES_SENT, PACKETS_SENT = 'planes_per_s_asked', 'planes_sent', 'packets_sent'
PLANES_PASSED_OVER, FRAMES_READ, BEHIND_S = 'planes_passed_over', 'frames_read', 'behind_s'

# Inference.
WINDOWS_PER_S, WINDOWS_OUT, WINDOWS_FAILED = 'windows_per_s', 'windows_out', 'windows_failed'
COLOUR_NEAR_M, COLOUR_FAR_M = 'colour_near_m', 'colour_far_m'
PERCENTILES = ('_ms_p50', '_ms_p99')
"""Ends of the keys of a stage's latency: median and 99th percentile, milliseconds."""

# Model.
CHECKPOINT, WEIGHTS_SHA256, ARCHITECTURE = 'checkpoint', 'weights_sha256', 'architecture'
STAGE, BACKEND, DEVICE, SCALE = 'stage', 'backend', 'device', 'scale'
UNCERTAINTY_CALIBRATED, CORRECTED_PIXELS = 'uncertainty_calibrated', 'corrected_pixels'
UNCERTAINTY_M_MEDIAN = 'uncertainty_m_median'

# Scale from the height of the camera.
SCALE_FACTOR, SCALE_UNCERTAINTY = 'scale_factor', 'scale_uncertainty'
SCALE_INLIERS, SCALE_AGE_S, SCALE_TILT_RAD = 'scale_inliers', 'scale_age_s', 'scale_tilt_rad'

# Motion of the camera.
MOTION_POINTS, MOTION_PARALLAX_PX = 'motion_points', 'motion_parallax_px'
MOTION_EPIPOLAR_PX, MOTION_FACTOR = 'motion_epipolar_px', 'motion_factor'
MOTION_FACTOR_UNCERTAINTY, MOTION_AGE_S = 'motion_factor_uncertainty', 'motion_age_s'
WINDOWS_REFINED, WINDOWS_TRACKED = 'windows_refined', 'windows_tracked'
ODOMETRY_RECEIVED, ODOMETRY_REFUSED = 'odometry_received', 'odometry_refused'
ODOMETRY_RESTARTS, MOTION_REASON = 'odometry_restarts', 'motion_reason'

# Two cameras.
PAIRS, PAIRS_PER_S, WINDOWS_ALONE = 'pairs', 'pairs_per_s', 'windows_alone'
RIGS_REFUSED = 'rigs_refused'
BASELINE_M, RECTIFIED_FX_PX = 'baseline_m', 'rectified_fx_px'
STAMP_DIFFERENCE_US, VERTICAL_OFFSET_PX = 'stamp_difference_us', 'vertical_offset_px'
MATCHED_SHARE, FILL_FACTOR = 'matched_share', 'fill_factor'

# Evaluation, beside its metrics.
WINDOWS, WINDOWS_WITH_TRUTH = 'windows', 'windows_with_truth'
WINDOWS_INCOMPLETE, WINDOWS_LEFT_OUT = 'windows_incomplete', 'windows_left_out'
WINDOWS_WAITING = 'windows_waiting'
IMAGES_REFUSED, TRUTH_RECEIVED = 'images_refused', 'truth_received'
TRUTH_UNMATCHED, TRUTH_WITHIN_MS = 'truth_unmatched', 'truth_within_ms'
TRUTH_UNUSABLE = 'truth_unusable'

# Frames beside the spikes.
FRAMES_PER_S, FRAMES_RECEIVED, FRAMES_REFUSED = 'frames_per_s', 'frames_received', 'frames_refused'
WINDOWS_WITH_FRAME, WINDOWS_WITHOUT_FRAME = 'windows_with_frame', 'windows_without_frame'
FRAMES_DROPPED = 'frames_dropped'
WINDOWS_WITH_STALE_FRAME, FRAME_OFFSET_PX = 'windows_with_stale_frame', 'frame_offset_px'

# Process.
INTERNAL_ERRORS = 'internal_errors'


def pairs(values: Mapping[str, object]) -> list[KeyValue]:
    """Write values as the pairs of a status, in their order."""
    return [KeyValue(key=key, value=_text(value)) for key, value in values.items()]


def _text(value: object) -> str:
    return f'{value:.6g}' if isinstance(value, float) else str(value)


def of_counts(key: str, counts: Mapping[str, int]) -> dict[str, object]:
    """Return the values of counts by reason: their sum, and each."""
    each = {f'{key}_{reason}': count for reason, count in sorted(counts.items())}
    return {key: sum(counts.values()), **each}


def of_accounting(accounting: PlaneAccounting) -> dict[str, object]:
    """Return the values of a plane accounting."""
    values: dict[str, object] = {}
    for name, key in COUNTERS.items():
        count = getattr(accounting, name)
        values |= of_counts(key, count) if name == 'refused' else {key: count}
        if name == 'pending':
            values[PLANES_DROPPED] = accounting.dropped
    return values


def of_latencies(latencies: Mapping[str, tuple[float, float]]) -> dict[str, object]:
    """Return the values of the latencies of stages: median and 99th percentile, ms."""
    return {
        f'{stage}{end}': time
        for stage, times in latencies.items()
        for end, time in zip(PERCENTILES, times, strict=True)
    }


def of_height(scale: HeightScale) -> dict[str, object]:
    """Return the values of a scale from the height of the camera."""
    return {
        SCALE_FACTOR: scale.factor,
        SCALE_UNCERTAINTY: scale.uncertainty,
        SCALE_INLIERS: scale.inliers,
        SCALE_AGE_S: scale.age_s,
        SCALE_TILT_RAD: scale.tilt_rad,
    }


def of_motion(motion: MotionRefinement) -> dict[str, object]:
    """Return the values of a correction by the motion of the camera."""
    return {
        MOTION_FACTOR: motion.factor,
        MOTION_FACTOR_UNCERTAINTY: motion.uncertainty,
        MOTION_AGE_S: motion.age_s,
    }


class Values(dict[str, str]):
    """Values of a received status, as texts by their keys; others may have sent anything."""

    @classmethod
    def of(cls, status: DiagnosticStatus) -> Values:
        """Read the pairs of a status."""
        return cls((pair.key, pair.value) for pair in status.values)

    @property
    def of_source(self) -> bool:
        """True for the status ``stream`` of a node that sends planes, as ``video_source``."""
        return PLANES_SENT in self

    def number(self, key: str) -> float:
        """Return a number; NaN if there is none."""
        try:
            return float(self.get(key, 'nan'))
        except ValueError:
            return math.nan

    def count(self, key: str) -> int:
        """Return a counter; 0 if there is none."""
        number = self.number(key)
        return int(number) if 0 <= number < 2**63 else 0

    def counts(self, key: str) -> dict[str, int]:
        """Return counts by their reasons."""
        start = f'{key}_'
        return {
            each.removeprefix(start): self.count(each) for each in self if each.startswith(start)
        }

    def accounting(self) -> PlaneAccounting:
        """Return the plane accounting of a stream; a missing counter is 0."""
        plain = {name: self.count(key) for name, key in COUNTERS.items() if name != 'refused'}
        return PlaneAccounting(**plain, refused=self.counts(COUNTERS['refused']))

    def latencies(self) -> dict[str, tuple[float, float]]:
        """Return median and 99th percentile of each stage, milliseconds."""
        middle, high = PERCENTILES
        stages = [key.removesuffix(middle) for key in self if key.endswith(middle)]
        return {
            stage: (self.number(stage + middle), self.number(stage + high)) for stage in stages
        }
