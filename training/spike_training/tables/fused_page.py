# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Output of a table of networks of spikes and a frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from spike_training.sampling.frames import CONDITIONS
from spike_training.tables.metrics import RowMetrics, Summary
from spike_training.tables.page import NO_VALUE, SCALES, TablePage, cell, trainings_of
from spike_training.tasks.depth_table import SCALED
from spike_training.tasks.fused import METRICS

MEDIAN_SCALED = [f'{SCALED}abs_rel_{condition}' for condition in CONDITIONS]
"""Metrics of the main columns."""

IN_METRES = [f'abs_rel_{condition}' for condition in CONDITIONS]
"""Metrics of depth as it is predicted."""


class FusedPage(TablePage):
    """Table of depth from spikes and a frame; a column for each condition of these."""

    KIND = 'AbsRel by condition of spikes and frame'
    ABOUT = (
        'AbsRel, means over images of test scenes that no training saw, the same in all columns; '
        'columns are what is wrong with spikes or frame. The first table is '
        f'{SCALES["median_scaled"]}.'
    )

    def _headline(self) -> Iterator[list[str]]:
        yield from self._metrics(MEDIAN_SCALED)

    def _sections(self) -> Iterator[tuple[str, Iterator[list[str]]]]:
        title = f'Differences to `{self.table.settings.reference}`:'
        yield title, self._metrics(MEDIAN_SCALED, differences=True)
        yield f'## AbsRel, {SCALES["raw"]}', self._metrics(IN_METRES)
        yield title, self._metrics(IN_METRES, differences=True)
        if any(self._found(row) is not None for row in self.rows):
            yield '## Paper', self._printed()
        yield '## Rows', self._rows()

    def _metrics(self, names: Sequence[str], differences: bool = False) -> Iterator[list[str]]:
        """Yield metrics of all conditions, or their differences to the reference."""
        yield ['row', 'seeds', *(condition.replace('_', ' ') for condition in CONDITIONS)]
        for row in self.rows:
            cells = [
                self._difference(row, name) if differences else cell(row.metric(name))
                for name in names
            ]
            yield [row.name, self._seeds(row), *cells]

    def _difference(self, row: RowMetrics, name: str) -> str:
        if row.name == self.reference.name:
            return NO_VALUE
        return cell(row.metric(name).minus(self.reference.metric(name)), signed=True)

    def metrics_of(self, row: RowMetrics) -> dict[str, Summary]:
        """Implement :meth:`TablePage.metrics_of`."""
        return {name: row.metric(name) for name in METRICS}

    def _row_to_json(self, row: RowMetrics) -> dict[str, Any]:
        found = self._found(row)
        return {
            'stages': [
                {'name': unit.stage.name, 'steps': unit.steps} for unit in trainings_of(row)
            ],
            'mean_with': row.row.settings.mean_with,
            'metrics': {
                name: {
                    **summary.to_json(),
                    'difference': summary.minus(self.reference.metric(name)).to_json(),
                }
                for name, summary in self.metrics_of(row).items()
            },
            'paper': None if found is None else found.to_json(),
            'folders': {seed: unit.folder.name for seed, unit in row.scorings.items()},
        }

    def to_json(self) -> dict[str, Any]:
        """Return the complete table, for table.json."""
        return {**super().to_json(), 'mean_over': 'images'}
