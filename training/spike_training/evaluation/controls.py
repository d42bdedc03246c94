# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Controls of an evaluation: their names, and which of them a predictor does not beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spike_depth_ros.evaluation.controls import MARGIN

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


def not_beaten(predictors: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Controls that a predictor does not beat.

    Args:
        predictors: Report of the predictor (``network``) and of each control, see
            :meth:`spike_training.evaluation.evaluate.Score.report`.

    Returns:
        Keys of the controls whose median-scaled AbsRel (mean over pixels) is not above that of
        the predictor by ``MARGIN`` or more. A control without a figure counts as beaten; a
        predictor without one beats none.
    """
    errors = {
        name: tables['median_scaled']['mean_over_pixels']['abs_rel']
        for name, tables in predictors.items()
    }
    own = errors.pop('network')
    return [
        name
        for name, error in errors.items()
        if error is not None and (own is None or not own < (1 - MARGIN) * error)
    ]


def comparison_line(who: str, where: str, controls: list[str]) -> str:
    """Whether a predictor beats the controls, in one line.

    Args:
        who: The predictor.
        where: The scenes or the data set.
        controls: Keys of those that it does not beat.
    """
    if not controls:
        return f'{where}: the {who} beat{"" if who.endswith("s") else "s"} all controls'
    verb = 'do not' if who.endswith('s') else 'does not'
    names = '; '.join(map(control_name, controls))
    return f'{where}: the {who} {verb} beat: {names} (median-scaled AbsRel)'
