# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Output of a table of means, beside estimates without learning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spike_depth_ros.evaluation.controls import NETWORK
from spike_training.tables.metrics import RowMetrics, Summary
from spike_training.tables.page import NO_VALUE, TablePage, cell
from spike_training.tasks.base import Metric


class MeansPage(TablePage):
    """Table of the metrics of a task: means over sets of test scenes, and over recordings."""

    ABOUT = (
        'Means over test scenes that no training saw, and over recordings, if any; the last rows '
        'are estimates without learning.'
    )

    def _kind(self) -> str:
        return self.reference.row.tabled.what

    @property
    def _metrics(self) -> Mapping[str, Metric]:
        row = self.reference.row
        return row.tabled.metrics(row.config, row.settings.preparation)

    def _row_to_json(self, row: RowMetrics) -> dict[str, Any]:
        return {metric: found.to_json() for metric, found in self.metrics_of(row).items()}

    def metrics_of(self, row: RowMetrics) -> dict[str, Summary]:
        """Implement :meth:`TablePage.metrics_of`."""
        return {metric: row.metric(metric) for metric in self._metrics}

    def estimates(self) -> dict[str, dict[str, Summary]]:
        """Implement :meth:`TablePage.estimates`, from the reports of the reference row."""
        row, reports = self.reference, [*self.reference.reports.values()]
        if not reports:
            return {}
        scores = next(iter(reports[0]['sets'].values()))
        return {
            name: {metric: row.metric(metric, estimate=name) for metric in self._metrics}
            for name in scores['rows']
            if name != NETWORK
        }

    def _headline(self) -> Iterator[list[str]]:
        titles = [
            title for metric in self._metrics.values() for title in (metric.title, 'difference')
        ]
        yield ['row', 'is', 'seeds', *titles]
        reference = self.reference
        for row in self.rows:
            cells = [row.name, row.row.settings.about or NO_VALUE, self._seeds(row)]
            for metric in self._metrics:
                own = row.metric(metric)
                differs = own.minus(reference.metric(metric))
                cells.append(cell(own))
                cells.append(NO_VALUE if row is reference else cell(differs, signed=True))
            yield cells
        for name, metrics in self.estimates().items():
            found = [text for one in metrics.values() for text in (cell(one), '')]
            yield [name, 'without learning', '', *found]
