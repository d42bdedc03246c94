# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Charts of the scalars that stages of translated pictures log."""

from __future__ import annotations

from typing import Any

from spike_training.methods.translate.settings import LEAST_EDGES
from spike_training.settings.method import ScalarChart, of_a_guess


def _bound(settings: Any) -> list[tuple[float, str]]:
    return [(LEAST_EDGES, 'bound')]


CHARTS = (
    ScalarChart('Relative error', 'mean of |d − t| / t', {'error': ''}, 'On labelled scenes.'),
    ScalarChart('Depth on labels, L_sup', 'loss', {'sup': ''}),
    ScalarChart('Uncertainty, L_unc', 'loss', {'unc': ''}),
    ScalarChart(
        'Change of pictures',
        'mean absolute difference',
        {
            'cycle': 'after both translations',
            'identity': 'of those that have the look',
            'changed': 'of those that are to get it',
            'apart': 'from the true look',
        },
    ),
    ScalarChart('Look, for the translator', 'squared error', {'look': ''}),
    ScalarChart(
        'Discriminators',
        'share that they get right',
        {
            'source_accuracy': 'look of the source',
            'target_accuracy': 'look of the target',
            'features_accuracy': 'features',
        },
        'Near 1 they win.',
        limits=(0, 1),
        levels=of_a_guess,
    ),
    ScalarChart("Slope of the target's log-depth", 'a pixel', {'slope': ''}),
    ScalarChart(
        'Edges that stay',
        'F1 of translated against input',
        {'edges': ''},
        limits=(0, 1),
        levels=_bound,
        marks_warnings=True,
    ),
)
