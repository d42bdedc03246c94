# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Results of a table by row and seed, small enough to be committed (docs/reference/tables.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from spike_training.runs.sessions import read_sessions
from spike_training.tables.metrics import RowMetrics, Summary
from spike_training.tables.page import TablePage
from spike_training.tables.units import Training

DIGITS = 5
"""Significant digits of metrics."""

Session = Mapping[str, Any]


def results_of(page: TablePage) -> dict[str, Any]:
    """Return the results of the seeds that are done, for JSON.

    Args:
        page: Table with its metrics.

    Returns:
        Names of table and base, and by row and seed:

        - ``metrics``: by name; ``scaled_`` are median-scaled. Null: not known.
        - ``commit``: that the stages were trained at, 12 digits; ``with changes`` of files.
        - ``device``: name of GPU or CPU.
        - ``core_seconds``: seconds of training times threads of the CPU, over all stages of the
          row, those that other rows share included. The seconds of a process that was killed are
          counted up to its last completed stage. 0 for the median-depth baseline.
        - ``settings``: hash of all settings of stages, data, evaluation and seed, without the
          version of the package.

        Estimates without learning, of pictures, are rows like the median-depth baseline.
    """
    rows = {row.name: _of_row(row, page.metrics_of(row)) for row in page.rows if row.reports}
    for name, metrics in page.estimates().items():
        rows[name] = _of_row(page.reference, metrics, trained=False)
    return {'table': page.table.path.name, 'base': page.table.settings.base, 'rows': rows}


def encode(results: Mapping[str, Any]) -> bytes:
    """Encode results as the contents of their file, with a line for each row and seed."""
    rows = []
    for name, seeds in results['rows'].items():
        lines = [f'   {json.dumps(seed)}: {_compact(found)}' for seed, found in seeds.items()]
        rows.append(f'  {json.dumps(name)}: {{\n' + ',\n'.join(lines) + '\n  }')
    head = [f' {json.dumps(k)}: {json.dumps(v)},' for k, v in results.items() if k != 'rows']
    return '\n'.join(['{', *head, ' "rows": {', ',\n'.join(rows), ' }', '}', '']).encode()


def _compact(found: Mapping[str, Any]) -> str:
    return json.dumps(found, allow_nan=False, separators=(', ', ': '))


def _of_row(
    row: RowMetrics, metrics: Mapping[str, Summary], trained: bool = True
) -> dict[str, Any]:
    trained = trained and bool(row.row.config.stages)
    return {
        str(seed): {
            'metrics': {name: _rounded(found, seed) for name, found in metrics.items()},
            **_training(row.scorings[seed].needs, trained),
            'settings': row.scorings[seed].settings_hash,
        }
        for seed in row.reports
    }


def _rounded(summary: Summary, seed: int) -> float | None:
    value = summary.values.get(seed)
    return None if value is None else float(f'{value:.{DIGITS}g}')


def _training(units: Sequence[Training], trained: bool) -> dict[str, Any]:
    """Return commit, device and core-seconds of trainings.

    Args:
        units: The trainings of a row; of the median-depth baseline those of the reference.
        trained: False for the baseline.
    """
    sessions = [session for unit in units for session in read_sessions(unit.folder)]
    spent = sum(each['seconds'] * each['threads'] * each['processes'] for each in sessions)
    return {
        'commit': ', '.join(sorted({_commit(session) for session in sessions})),
        'device': ', '.join(sorted({str(session['device']) for session in sessions})),
        'core_seconds': round(spent, 1) if trained else 0.0,
    }


def _commit(session: Session) -> str:
    commit = str(session['commit'] or 'unknown')[:12]
    return f'{commit} with changes' if session['changed'] else commit
