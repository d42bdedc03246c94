# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Status of two cameras: their rig, their pairs, and what is matched."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticStatus

from spike_depth_ros.estimator import Prediction
from spike_depth_ros.nodes.parts import diagnostic_values as keys
from spike_depth_ros.nodes.parts.diagnostics import Rate, StatusBuilder
from spike_depth_ros.stereo.estimator import ONE_EYE, StereoPrediction
from spike_depth_ros.stereo.source import PairSource

NO_DEPTH = 'the right camera has stopped: no depth; restart it, or set fill to mono'


def only_pictures(reason: str) -> str:
    """Return the line of a rig that cannot be used."""
    return f'only pictures are published: {reason}'


class StereoTask:
    """Status of the pairs of two cameras."""

    def __init__(self) -> None:
        self._pairs = Rate()
        self._alone = Rate()

    def status(
        self, name: str, hardware_id: str, source: PairSource, prediction: Prediction | None
    ) -> DiagnosticStatus:
        """Build the status of rig, pairs and matches.

        Args:
            name: Name of the status.
            hardware_id: Frame of the left camera.
            source: The pairs.
            prediction: The newest prediction; None before it.
        """
        rate, _ = self._pairs.update(source.pairs)
        _, alone = self._alone.update(source.alone)
        builder = StatusBuilder('pairs arrive' if rate else 'idle')
        # Read once: the thread of inference changes them.
        problem, rig, difference_ns = source.problem, source.rig, source.difference_ns
        if problem:
            builder.error(problem)
        if source.problem_of_rig and rig is None:
            builder.error(only_pictures(source.problem_of_rig))
        elif source.problem_of_rig:
            builder.warn(source.problem_of_rig)
        if alone and not problem and not source.fills:
            builder.error(NO_DEPTH)
        elif alone and not problem and rig is not None:
            builder.warn(ONE_EYE)
        values: dict[str, object] = {
            keys.PAIRS: source.pairs,
            keys.PAIRS_PER_S: rate,
            keys.WINDOWS_ALONE: source.alone,
            keys.RIGS_REFUSED: source.rigs.refused,
        }
        if difference_ns is not None:
            values[keys.STAMP_DIFFERENCE_US] = difference_ns / 1e3
        if rig is not None:
            values[keys.BASELINE_M] = rig.baseline_m
            values[keys.RECTIFIED_FX_PX] = rig.fx_px
        if isinstance(prediction, StereoPrediction):
            for note in prediction.notes:
                if note != ONE_EYE:
                    builder.warn(note)
            values[keys.MATCHED_SHARE] = prediction.matched
            if prediction.fill_factor is not None:
                values[keys.FILL_FACTOR] = prediction.fill_factor
            if prediction.vertical_offset_px is not None:
                values[keys.VERTICAL_OFFSET_PX] = prediction.vertical_offset_px
        return builder.status(name, hardware_id, values)
