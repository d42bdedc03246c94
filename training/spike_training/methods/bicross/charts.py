# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the page of a run shows of BiCross: charts of scalars, and what is exported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from spike_training.methods.bicross.settings import AdaptConfig, CrossDomainConfig, JointConfig
from spike_training.settings.method import ScalarChart, last_weights, of_a_guess


def _kept(settings: Any) -> list[tuple[float, str]]:
    if not isinstance(settings, CrossDomainConfig | JointConfig):
        return []
    low, high = settings.adapt.kept_fraction_bounds
    return [(low, 'bounds'), (high, '')]


def _drift(settings: Any) -> list[tuple[float, str]]:
    bound = math.log(settings.adapt.drift_bound)
    return [(bound, 'bounds'), (-bound, '')]


def _collapse(settings: Any) -> list[tuple[float, str]]:
    return [(settings.adapt.uncertainty_bound, 'bound')]


CHARTS = (
    ScalarChart(
        'Relative error',
        'mean of |d − t| / t',
        {'error': 'this network', 'teacher_error': 'teacher of RGB'},
        'On labelled source scenes.',
    ),
    ScalarChart('Depth on labels, L_sup', 'loss', {'sup': ''}),
    ScalarChart(
        'Uncertainty, L_unc', 'loss', {'unc': 'on labels', 'unc_pseudo': 'on pseudo labels'}
    ),
    ScalarChart(
        'Depth on pseudo labels, L_SCP', 'loss', {'scp': ''}, 'Of the target; no label is read.'
    ),
    ScalarChart('Coarse distillation, L_CKD', 'divergence, nats', {'ckd': ''}),
    ScalarChart('Fine distillation, L_FKD', 'loss', {'fkd': ''}),
    ScalarChart(
        'What there is to distil',
        'nats',
        {'spread': 'between images', 'fit': 'left to learn'},
        'Near 0 between images, the coarse distillation means nothing.',
    ),
    ScalarChart(
        'What the teacher knows better',
        'relative error of the student, less that of the teacher',
        {'gain_distilled': 'where distilled', 'gain_elsewhere': 'elsewhere'},
        'On labelled source scenes. A filter that chooses well distils where more can be learnt.',
    ),
    ScalarChart(
        'Kept by the filter',
        'share of positions',
        {'kept_coarse': 'coarse', 'kept_fine': 'fine', 'kept': 'pseudo labels'},
        limits=(0, 1),
        levels=_kept,
        marks_warnings=True,
    ),
    ScalarChart(
        'Alignment, L_SCA',
        'sign as in the paper',
        {'sca': ''},
        'At chance level −1.386 for each discriminator.',
    ),
    ScalarChart(
        'Discriminator',
        'share it gets right',
        {'discriminator_accuracy': ''},
        'Near 1 it wins: the domains are not aligned.',
        limits=(0, 1),
        levels=of_a_guess,
    ),
    ScalarChart(
        'Criterion without target labels',
        'lower is better',
        {'teacher_criterion': 'teacher', 'student_criterion': 'student'},
        'Error on the source plus disagreement of views of the target.',
    ),
    ScalarChart(
        'Drift of the scale',
        'log of median depth / source model',
        {
            'log_depth_drift': 'of the teacher',
            'student_log_depth_drift': 'of the student',
            'drift': 'removed',
        },
        'On the target.',
        levels=_drift,
        marks_warnings=True,
        draws_zeros=False,
    ),
    ScalarChart('Median uncertainty', 'relative', {'median_uncertainty': ''}, 'On the target.'),
    ScalarChart(
        'Uncertainty / source model',
        'ratio',
        {'uncertainty_ratio': 'teacher', 'student_uncertainty_ratio': 'student'},
        'Towards 0 it collapses.',
        levels=_collapse,
        marks_warnings=True,
    ),
    ScalarChart(
        'Teacher from student', 'relative distance', {'ema_distance': ''}, 'Of the parameters.'
    ),
)


def exported(settings: Any, selection: Mapping[str, Any] | None) -> str:
    """Describe the exported network, teacher or student, see :attr:`Method.exported`."""
    adapt: AdaptConfig | None = getattr(settings, 'adapt', None)
    if adapt is None:
        return last_weights(settings, selection)
    if selection is not None and 'criteria' in selection:
        criteria = ', '.join(f'{name} {v:.4f}' for name, v in selection['criteria'].items())
        if 'fit' in selection:
            return (
                f'The {selection["selected"]} of {settings.name} is exported. Errors on held-out '
                f'source windows through the view that was fitted to the target: {criteria}. '
                f'The view: {selection["fit"]}.'
            )
        return (
            f'Of the two networks of {settings.name} the {selection["selected"]} is exported, by '
            f'a criterion that sees no label of the target, lower is better: {criteria}.'
        )
    if adapt.deploy == 'label_free' or adapt.source_views == 'matched':
        return f'Between the networks of {settings.name} the end of the stage decides.'
    return (
        f'The {adapt.deploy} of {settings.name} at its last step is exported: the settings '
        'say so. Nothing was selected by a figure.'
    )
