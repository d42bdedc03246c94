# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Output of a table of networks that enlarge depth maps."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from spike_depth_ros.tasks.upsample import FACTORS
from spike_training.evaluation.upsampling import BASELINES, CONDITIONS, MAPS
from spike_training.tables.metrics import RowMetrics, Summary
from spike_training.tables.page import NO_VALUE, TablePage, cell, printed_cell, trainings_of
from spike_training.tables.paper import Printed
from spike_training.tasks.upsample import COLUMNS, OF_MAPS, factors_of_row, table_metrics


class UpsamplingPage(TablePage):
    """Table of enlarged maps with their metrics; MAD is that of Sun et al.

    The main columns are of the maps of a folder where it is scored, else of small maps of the
    first condition. Rows have the columns of their factors.
    """

    KIND = 'MAD of enlarged depth maps'
    ABOUT = (
        'MAD in levels of 8 bits, means over maps; generated scenes are test scenes that no '
        'training saw. The last rows are enlargement without learning.'
    )

    def _kind(self) -> str:
        maps = self.table.maps
        return f'{self.KIND}, {self._condition if maps is None else maps.root.name}'

    def _data(self) -> str:
        maps = self.table.maps
        scored = '' if maps is None else f' for training and tests, and {maps.root.name}'
        return f'{super()._data()}{scored}'

    @property
    def _condition(self) -> str:
        """Condition of the main columns."""
        return CONDITIONS[0].name if self.table.maps is None else MAPS

    @property
    def _factors(self) -> list[int]:
        """Factors of all rows, ascending."""
        return sorted({factor for row in self.rows for factor in factors_of_row(row.row.config)})

    @property
    def _maps(self) -> list[str]:
        """Names of the maps that are scored; empty until one row is done."""
        for row in self.rows:
            for report in row.reports.values():
                if MAPS in report['sets']:
                    return [*report['sets'][MAPS]['rows'][0]['by_map']]
        return []

    def _headline(self) -> Iterator[list[str]]:
        header = ['row', 'seeds']
        for factor in self._factors:
            header += [f'x{factor} MAD', 'difference']
            header += [f'paper x{factor}'] if self.table.paper else []
        yield header
        for row in self.rows:
            cells = [row.name, self._seeds(row)]
            for factor in self._factors:
                name = f'mad_{self._condition}_x{factor}'
                cells += [cell(row.metric(name)), self._difference(row, name)]
                cells += self._paper_mean(self._found(row), factor)
            yield cells
        for name in BASELINES:
            cells = [name, '']
            for factor in self._factors:
                cells += [cell(self._estimate(name, f'mad_{self._condition}_x{factor}')), '']
                cells += self._paper_mean(self._found_estimate(name), factor)
            yield cells

    def _sections(self) -> Iterator[tuple[str, Iterator[list[str]]]]:
        if self._maps:
            for factor in self._factors:
                yield f'## Maps, x{factor}, MAD', self._by_map(factor)
        for condition in CONDITIONS:
            title = f'## Generated scenes, small maps {condition.name}'
            yield title, self._generated(condition.name)
        if any(self._left(found) or found.notes for _, found in self._all_found()):
            yield '## Paper', self._others_printed()
        yield '## Rows', self._rows()

    def _by_map(self, factor: int) -> Iterator[list[str]]:
        """Yield the MAD of each map, each row followed by the paper's."""
        names = self._maps
        yield ['row', 'seeds', 'mean', *names]
        metrics = [f'mad_{name}_x{factor}' for name in (MAPS, *names)]
        for row in self.rows:
            yield [row.name, self._seeds(row), *(cell(row.metric(one)) for one in metrics)]
            yield from self._printed_by_map(self._found(row), row.row.settings.paper, factor)
        for name in BASELINES:
            yield [name, '', *(cell(self._estimate(name, one)) for one in metrics)]
            printed = self._found_estimate(name)
            yield from self._printed_by_map(printed, name.capitalize(), factor)

    def _printed_by_map(
        self, found: Printed | None, name: str | None, factor: int
    ) -> Iterator[list[str]]:
        columns = [f'{one} x{factor}' for one in self._maps]
        if found is not None and {*columns} & {*found.metrics}:
            yield [
                f'paper: {name}',
                f'Table {found.number}',
                *self._paper_mean(found, factor),
                *(printed_cell(found, column) for column in columns),
            ]

    def _generated(self, condition: str) -> Iterator[list[str]]:
        """Yield all metrics of a condition of the generated scenes."""
        header = ['row', 'seeds']
        for factor in self._factors:
            header += [f'x{factor} MAD', 'difference']
            header += [f'x{factor} {title}' for title in [*COLUMNS.values()][1:]]
        yield header
        for row in self.rows:
            cells = [row.name, self._seeds(row)]
            for factor in self._factors:
                first, *others = (f'{name}_{condition}_x{factor}' for name in COLUMNS)
                cells += [cell(row.metric(first)), self._difference(row, first)]
                cells += [cell(row.metric(name)) for name in others]
            yield cells
        for estimate in BASELINES:
            cells = [estimate, '']
            for factor in self._factors:
                first, *others = (f'{name}_{condition}_x{factor}' for name in COLUMNS)
                cells += [cell(self._estimate(estimate, first)), '']
                cells += [cell(self._estimate(estimate, name)) for name in others]
            yield cells

    def _others_printed(self) -> Iterator[list[str]]:
        """Yield what the paper prints of these rows elsewhere than beside maps, with remarks."""
        assert self.table.paper is not None  # or nothing is printed
        titles = self.table.paper.titles(self._numbers())
        shown = [
            name for name in titles if any(name in self._left(one) for _, one in self._all_found())
        ]
        yield ['row', *(titles[name] for name in shown), 'remarks']
        for name, found in self._all_found():
            if self._left(found) or found.notes:
                remarks = '; '.join(f'{titles[one]}: {text}' for one, text in found.notes.items())
                cells = [printed_cell(found, one) for one in shown]
                yield [f'{name} ({found.number})', *cells, remarks]

    def _left(self, found: Printed) -> set[str]:
        """Return the printed columns that are neither beside maps nor of factors of no row."""
        beside = {f'{name} x{factor}' for name in self._maps for factor in self._factors}
        others = {
            name
            for name in found.metrics
            for factor in {*FACTORS} - {*self._factors}
            if name.endswith(f' x{factor}')
        }
        return {*found.metrics} - beside - others

    def _all_found(self) -> list[tuple[str, Printed]]:
        """Return what the paper prints of rows and estimates, by their names."""
        found = [(row.name, self._found(row)) for row in self.rows]
        found += [(name, self._found_estimate(name)) for name in BASELINES]
        return [(name, one) for name, one in found if one is not None]

    def _found_estimate(self, name: str) -> Printed | None:
        """Return the paper's row of an estimate, found by its name; None if there is none."""
        paper = self.table.paper
        return None if paper is None else paper.find(self._numbers(), name.capitalize())

    def _paper_mean(self, found: Printed | None, factor: int) -> list[str]:
        """Return the mean of what is printed of the scenes; nothing without a paper.

        Where some of the paper's scenes are not printed there is no mean.
        """
        if self.table.paper is None:
            return []
        if found is None:
            return [NO_VALUE]
        columns = self.table.paper.table(found.number).columns
        names = [name for name in columns if name.endswith(f' x{factor}')]
        if not names or not {*names} <= {*found.metrics}:
            return [NO_VALUE]
        return [f'{statistics.fmean(found.metrics[name] for name in names):.3f}']

    def _difference(self, row: RowMetrics, name: str) -> str:
        if row.name == self.reference.name:
            return NO_VALUE
        return cell(row.metric(name).minus(self.reference.metric(name)), signed=True)

    def _estimate(self, name: str, metric: str) -> Summary:
        """Return a metric of an estimate by seed, from the reports of any row that has it."""
        values: dict[int, float] = {}
        for row in self.rows:
            values = {**row.metric(metric, estimate=name).values, **values}
        return Summary(values)

    def metrics_of(self, row: RowMetrics) -> dict[str, Summary]:
        """Return the MAD by condition and factor; with one factor also of each map."""
        names = [name for name in self._names(row) if name.startswith((*OF_MAPS,))]
        if len(factors := factors_of_row(row.row.config)) == 1:
            names += [f'{one}_{name}_x{factors[0]}' for one in OF_MAPS for name in self._maps]
        return {name: row.metric(name) for name in names}

    def _names(self, row: RowMetrics) -> Sequence[str]:
        """Return the metrics that a row has or will have, maps of a folder only where scored."""
        return [
            name
            for name in table_metrics(row.row.config, row.row.settings.preparation)
            if self.table.maps is not None or f'_{MAPS}_' not in name
        ]

    def _row_to_json(self, row: RowMetrics) -> dict[str, Any]:
        names = [
            *self._names(row),
            *(
                f'{metric}_{name}_x{one}'
                for metric in OF_MAPS
                for name in self._maps
                for one in factors_of_row(row.row.config)
            ),
        ]
        found = self._found(row)
        return {
            'stages': [
                {'name': unit.stage.name, 'steps': unit.steps} for unit in trainings_of(row)
            ],
            'metrics': {
                name: {
                    **row.metric(name).to_json(),
                    'difference': row.metric(name).minus(self.reference.metric(name)).to_json(),
                }
                for name in names
            },
            'paper': None if found is None else found.to_json(),
            'folders': {seed: unit.folder.name for seed, unit in row.scorings.items()},
        }

    def to_json(self) -> dict[str, Any]:
        """Return the complete table, for table.json."""
        names = dict.fromkeys(
            name for row in self.rows for name in self._row_to_json(row)['metrics']
        )
        return {
            **super().to_json(),
            'mean_over': 'maps',
            'maps': None if self.table.maps is None else self.table.maps.sha256,
            'estimates': {
                estimate: {name: self._estimate(estimate, name).to_json() for name in names}
                for estimate in BASELINES
            },
        }
