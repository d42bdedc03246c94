# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Report of an evaluation: its JSON file and its printed summary."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spike_depth_ros.evaluation.controls import (
    ALIGNED,
    NETWORK,
    comparison_sentence,
    control_name,
)
from spike_depth_ros.evaluation.metrics import STRUCTURE_METRICS, without_nan
from spike_depth_ros.evaluation.results import INTERVAL
from spike_depth_ros.pages.blocks import Table
from spike_depth_ros.pages.terminal import print_table
from spike_training.errors import ConfigError, one_line

TOLERANCE = 0.05
"""Distance of the interval's coverage from ``INTERVAL`` above which it is not calibrated."""

LEAST_SHARE = 0.005
"""Ranges of depth that hold a smaller share of the pixels are not printed."""

FORMAT = 2
"""Version of the reports' format; version 1 had a tree for each kind of evaluation."""

BASELINE = 'median_depth_map'
"""Key of the median-depth baseline of a style or data set among its predictors."""

ONE_DEPTH = 'median_depth'
"""Key of the baseline that is the median of that one, the same depth everywhere."""

ALIGNMENTS = {
    '': 'raw',
    '_recording_scaled': 'recording_scaled',
    '_median_scaled': 'median_scaled',
}
"""Suffix of a metric's name -> key of its table: unscaled, or one scale a recording or image."""

COLUMNS = {
    'abs_rel': 'AbsRel',
    'delta1': 'delta1',
    'abs_rel_recording_scaled': 'AbsRel, one scale',
    'delta1_recording_scaled': 'delta1, one scale',
    'abs_rel_median_scaled': 'AbsRel, scaled',
    'delta1_median_scaled': 'delta1, scaled',
    **{name: name.replace('_', ' ') for name in STRUCTURE_METRICS},
}
"""Metrics of a predictor that are printed, with their column titles."""

OF_RELATIVE = {ALIGNED: 'AbsRel, aligned', 'delta1_aligned': 'delta1, aligned'}
"""The same for relative depth."""


def read_report(path: Path) -> dict[str, Any]:
    """Read a report from a file.

    Raises:
        ConfigError: The report is damaged, or has another format version.
    """
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ConfigError(f'{path}: it is damaged ({one_line(error)}): write it again') from error
    if report.get('format') != FORMAT:
        raise ConfigError(
            f'{path}: format {report.get("format", 1)}, expected {FORMAT}: write it again with '
            'run.py evaluate --checkpoint FILE --config CONFIG --out FILE'
        )
    return report


def domain_sets(report: Mapping[str, Any], domain: str) -> dict[str, Mapping[str, Any]]:
    """Return the sets of a domain by their part: a style, or the name of a data set."""
    return {
        scores['part']: scores for scores in report['sets'].values() if scores['domain'] == domain
    }


def checkpoint_metrics(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that are stored in a checkpoint, by set and name."""
    metrics = {}
    for scores in report['sets'].values():
        part = '' if scores['domain'] == 'source' else f'{scores["domain"]}_'
        for predictor, infix in ((NETWORK, ''), (BASELINE, f'{BASELINE}_')):
            own = scores['predictors'][predictor]
            stored = ('abs_rel', 'delta1', 'abs_rel_median_scaled', 'delta1_median_scaled')
            for name in OF_RELATIVE if scores.get('relative') else stored:
                metrics[f'{part}{scores["part"]}_{infix}{name}'] = own[name]
        covered = scores['uncertainty']['interval_coverage']
        metrics[f'{part}{scores["part"]}_interval_coverage'] = covered
    return {name: round(value, 4) for name, value in metrics.items() if value is not None}


def finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics that a checkpoint can store: not the infinite PSNR of equal pictures."""
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def show(report: Mapping[str, Any]) -> None:
    """Print whether each control is beaten, then the metrics and omissions of each set."""
    if not report['sets']:
        print('nothing is scored: no test recordings have depth')
        return
    who = report.get('scored', 'prediction' if 'predictions' in report else NETWORK)
    for scores in report['sets'].values():
        print(comparison_sentence(f'{scores["title"]}: the {who}', scores))
    print(
        f'{report["stage"]}: AbsRel and delta1, means over pixels; then with one scale for each '
        'recording, and scaled for each image: both borrow from the truth.'
    )
    if any(scores.get('relative') for scores in report['sets'].values()):
        print('Relative depth: after a fit of scale and shift of 1 / depth to each image.')
    for scores in report['sets'].values():
        _show_set(scores, who)


def _show_set(scores: Mapping[str, Any], who: str) -> None:
    by_reason = [scores['skipped'], *scores['left_out_by_reader'].values()]
    left_out = sum(len(names) for reasons in by_reason for names in reasons.values())
    title = (
        f'{scores["title"]}, {scores["role"]}: {scores["windows"]} windows of '
        f'{len(scores["scales"])} recordings, {left_out} left out'
    )
    relative = scores.get('relative')
    columns = OF_RELATIVE if relative else COLUMNS
    tables = {
        predictor: scores['tables'][predictor]['aligned' if relative else 'raw']
        for predictor in scores['predictors']
    }
    whole = all(one['complete'] for one in tables.values())
    rows = []
    for predictor, metrics in scores['predictors'].items():
        one = tables[predictor]
        mark = '' if one['complete'] else f'INCOMPLETE: {cell(one["coverage"])}'
        name = who if predictor == NETWORK else control_name(predictor)
        rows.append([name, *([] if whole else [mark]), *(cell(metrics[key]) for key in columns)])
    header = ['', *([] if whole else ['coverage']), *columns.values()]
    print_table(Table(header, rows, title))
    if relative:
        return
    found, sky = scores['uncertainty'], scores['tables'][NETWORK]['raw']['sky']
    print(
        f'68 % interval holds {coverage_cell(found["interval_coverage"])}, AUSE '
        f'{cell(found["ause"])}, rank correlation with the error '
        f'{cell(found["rank_correlation"])}; sky recall {cell(sky["recall"])}, precision '
        f'{cell(sky["precision"])}'
    )
    for row in scores['by_distance']:
        if row['share'] >= LEAST_SHARE:
            print(
                f'  at {_depth_range(row)} ({100 * row["share"]:.1f} % of the pixels): '
                f'{coverage_cell(row["interval_coverage"])}'
            )


def _depth_range(row: Mapping[str, float | None]) -> str:
    """Format the limits of a bin of true depth; the last bin is open."""
    low, high = row['from'], row['to']
    return f'{low:g} m and more' if high is None else f'{low:g} to {high:g} m'


def coverage_cell(coverage: float | None) -> str:
    """Format the coverage of the 68 % interval; mark it where it is off by over ``TOLERANCE``."""
    # Rounded, so that 0.73 is no miss by its last bits.
    missed = coverage is not None and round(abs(coverage - INTERVAL), 6) > TOLERANCE
    return cell(coverage) + (', not calibrated here' if missed else '')


def cell(value: float | None) -> str:
    """Format a metric for a table; None becomes a dash."""
    return '-' if value is None else f'{value:.3f}'


def to_json(report: Mapping[str, Any]) -> bytes:
    """Encode a report as the contents of its JSON file; None for NaN and infinities."""
    return (json.dumps(without_nan(report), indent=2, allow_nan=False) + '\n').encode()
