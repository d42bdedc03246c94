# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Charts of the scalars that stages of aligned features log."""

from __future__ import annotations

from spike_training.settings.method import ScalarChart, of_a_guess

CHARTS = (
    ScalarChart('Relative error', 'mean of |d − t| / t', {'error': ''}, 'On labelled scenes.'),
    ScalarChart('Depth on labels, L_sup', 'loss', {'sup': ''}),
    ScalarChart('Uncertainty, L_unc', 'loss', {'unc': ''}),
    ScalarChart(
        'Discriminators',
        'share that they get right',
        {
            'features_accuracy': 'features',
            'depth_accuracy': 'depth',
            'token_accuracy': 'class token',
            'positions_accuracy': 'positions',
        },
        'Near 1 they win: the domains are not aligned.',
        limits=(0, 1),
        levels=of_a_guess,
    ),
    ScalarChart(
        'Content', 'mean absolute difference', {'content': ''}, 'To the features of the teacher.'
    ),
)
