# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of the controls in reports and in texts."""

from __future__ import annotations

CONTROLS = {
    'constant': 'median-depth baseline',
    'other_spikes': 'shuffled input',
    'mean_prediction': 'mean prediction',
}
"""Key in reports -> name in texts; the keys are those of earlier reports."""


def control_name(predictor: str) -> str:
    """The name in texts of a predictor's key in reports.

    Args:
        predictor: ``network``, a key of ``CONTROLS``, or ``constant_`` and a style.
    """
    if predictor.startswith('constant_'):
        return f'{CONTROLS["constant"]}, {predictor.removeprefix("constant_")}'
    return CONTROLS.get(predictor, predictor)
