# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Printed and stored scores of a network of spikes and a frame, by what is wrong with these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spike_depth_ros.evaluation.controls import NETWORK, comparison_sentence, control_name
from spike_training.evaluation.report import BASELINE, cell, coverage_cell, print_rows

COLUMNS = {
    'abs_rel': 'AbsRel',
    'delta1': 'delta1',
    'abs_rel_median_scaled': 'AbsRel, scaled',
    'delta1_median_scaled': 'delta1, scaled',
}
"""Metrics that are printed and stored, with their column titles."""


def show_fused(report: Mapping[str, Any]) -> None:
    """Print the controls that are not beaten, then a row for each condition of a report."""
    for scores in report['sets'].values():
        if scores['not_beaten']:
            print(comparison_sentence(f'{scores["title"]}: the {NETWORK}', scores))
    rows = [
        [_words(scores), *_cells(scores, NETWORK), _held(scores)]
        for scores in report['sets'].values()
    ]
    # All conditions have the same scenes, hence the same baseline.
    first = next(iter(report['sets'].values()))
    rows.append([control_name(BASELINE), *_cells(first, BASELINE), ''])
    title = f'{report["stage"]}: {first["windows"]} test scenes'
    print_rows(title, ['', *COLUMNS.values(), '68 % interval holds'], rows)
    print(
        'Means over pixels; scaled: by the median of each image, which borrows from the truth. '
        'Rows: what is wrong with spikes or frame.'
    )


def fused_metrics(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that are stored in a checkpoint, by condition and name."""
    metrics = {
        f'{scores["part"]}_{name}': value
        for scores in report['sets'].values()
        for name, value in (
            *((name, scores['predictors'][NETWORK][name]) for name in COLUMNS),
            ('interval_coverage', scores['uncertainty']['interval_coverage']),
        )
    }
    return {name: round(value, 4) for name, value in metrics.items() if value is not None}


def _words(scores: Mapping[str, Any]) -> str:
    return str(scores['part']).replace('_', ' ')


def _cells(scores: Mapping[str, Any], predictor: str) -> list[str]:
    return [cell(scores['predictors'][predictor][name]) for name in COLUMNS]


def _held(scores: Mapping[str, Any]) -> str:
    return coverage_cell(scores['uncertainty']['interval_coverage'])
