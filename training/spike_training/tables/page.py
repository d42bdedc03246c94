# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Output of a table: on the terminal, as table.md and as table.json."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, get_args

from spike_depth_ros.pages import blocks
from spike_depth_ros.pages.terminal import print_table
from spike_training.evaluation.preparation import TRUE_LOOK
from spike_training.evaluation.published import METRICS
from spike_training.evaluation.report import domain_sets
from spike_training.tables.metrics import Claim, RowMetrics, Summary
from spike_training.tables.paper import Printed
from spike_training.tables.plan import Table
from spike_training.tables.settings import Domain
from spike_training.tables.units import Training
from spike_training.tasks.depth_table import (
    DEPTH,
    OF_NETWORKS,
    PICTURES,
    SCALE_ERROR,
    UNCERTAINTY,
    Scale,
)

NO_VALUE = '-'

HEADLINE = ('abs_rel', 'delta1')
"""Metrics of the main columns."""

SCALES = {
    'raw': 'as predicted, in metres',
    'median_scaled': "scaled by each image's median",
}


@dataclasses.dataclass(frozen=True)
class TablePage(ABC):
    """Table with its metrics.

    Attributes:
        table: The table and its settings.
        rows: Results of each row.
        claims: Evaluated claims.
    """

    table: Table
    rows: Sequence[RowMetrics]
    claims: Sequence[Claim] = ()

    KIND: ClassVar[str]
    ABOUT: ClassVar[str]

    @property
    def reference(self) -> RowMetrics:
        """Row from which the differences of the other rows are taken."""
        return next(row for row in self.rows if row.name == self.table.settings.reference)

    def show(self) -> None:
        """Print the main columns, failures and claims."""
        caption = 'paper: of its own data' if self._note() else ''
        header, *rows = self._headline()
        print_table(blocks.Table(header, rows, self._title(), caption=caption))
        for line in [*failures_of(self.rows), *(claim.sentence() for claim in self.claims)]:
            print(line)

    def page(self) -> blocks.Page:
        """Return the complete table as blocks."""
        settings = self.table.settings
        seeds = ', '.join(map(str, settings.seeds))
        header, *rows = self._headline()
        note = self._note()
        sections = [
            blocks.Section(
                '', [*([blocks.Text(note)] if note else ()), blocks.Table(header, rows)]
            )
        ]
        for title, lines in (
            ('Not done', failures_of(self.rows)),
            ('Claims', [claim.sentence() for claim in self.claims]),
        ):
            if lines:
                sections.append(blocks.Section(title, [blocks.Items(lines)]))
        for title, found in self._sections():
            header, *rows = found
            own = title.startswith('## ')  # else beside the table before
            table = blocks.Table(header, rows, '' if own else title)
            sections.append(blocks.Section(title.removeprefix('## ') if own else '', [table]))
        origin = blocks.Text(f'Made of {origin_of(self.rows)}.')
        return blocks.Page(
            title=self._title(),
            subtitle=f'Mean and standard deviation over seeds {seeds}; differences to '
            f'`{settings.reference}` within each seed. {self.ABOUT}',
            sections=[*sections, blocks.Section('', [origin])],
        )

    def _title(self) -> str:
        base = self.table.settings.base.rpartition('/')[2]
        return f'{self.table.path.stem}: {self._kind()}, {base}'

    def _kind(self) -> str:
        """Return what the table is of, for its title."""
        return self.KIND

    def _seeds(self, row: RowMetrics) -> str:
        return f'{len(row.reports)} of {len(row.scorings)}'

    def _data(self) -> str:
        """Return the data that rows are trained and scored on."""
        config = self.reference.row.config
        domains = [data for data in (config.data, config.target_data) if data is not None]
        return ' to '.join(
            f'{"" if data.recordings else "procedural "}{" and ".join(data.parts)}'
            for data in domains
        )

    @abstractmethod
    def _headline(self) -> Iterator[list[str]]:
        """Yield the rows of the main columns, the first of which is their header."""

    def _note(self) -> str:
        """Describe data and networks of the paper's results and of these; empty without paper."""
        paper = self.table.paper
        if paper is None:
            return ''
        numbers: dict[str, list[str]] = {}
        for number in self._numbers():
            numbers.setdefault(paper.table(number).caption, []).append(number)
        theirs = '; '.join(f'{caption} (Table {", ".join(of)})' for caption, of in numbers.items())
        return (
            f'*Paper*: what {paper.cited} print **of their data**: {theirs}, with '
            f'{paper.network}. **Here**: {self._data()}, with '
            f'{self.reference.row.config.model.architecture}. '
            'Where data or network are others, compare the order of rows, not the metrics.'
        )

    def _sections(self) -> Iterator[tuple[str, Iterator[list[str]]]]:
        """Yield title and rows of further tables."""
        yield from ()

    def _rows(self) -> Iterator[list[str]]:
        yield ['row', 'is', 'stages (steps)', 'steps in all', 'seconds a step']
        for row in self.rows:
            trainings = trainings_of(row)
            stages = ' > '.join(f'{unit.stage.name} ({unit.steps})' for unit in trainings)
            yield [
                row.name,
                row.row.settings.about or NO_VALUE,
                ' + '.join([stages or NO_VALUE, *row.row.settings.preparation.describe()]),
                str(sum(unit.steps for unit in trainings)),
                ' > '.join(_speed(unit) for unit in trainings) or NO_VALUE,
            ]

    def _numbers(self) -> Sequence[str]:
        """Return the numbers of the paper's tables that rows are looked up in."""
        return [] if self.table.settings.paper is None else self.table.settings.paper.tables

    def _found(self, row: RowMetrics) -> Printed | None:
        """Return what the paper prints of a row; None if nothing."""
        name, paper = row.row.settings.paper, self.table.paper
        return None if name is None or paper is None else paper.find(self._numbers(), name)

    def _in_each_table(self, row: RowMetrics) -> list[Printed]:
        """Return what the paper prints of a row in each of its tables."""
        name, paper = row.row.settings.paper, self.table.paper
        if name is None or paper is None:
            return []
        return [one for number in self._numbers() if (one := paper.find([number], name))]

    def _printed(self) -> Iterator[list[str]]:
        """Yield all metrics that the paper prints of these rows, with the remarks on them."""
        assert self.table.paper is not None  # or nothing is printed
        titles = METRICS | self.table.paper.titles(self._numbers())
        yield ['row', 'of the paper', *titles.values(), 'remarks']
        for row in self.rows:
            for found in self._in_each_table(row):
                remarks = '; '.join(
                    f'{titles[name]}: {text}' for name, text in found.notes.items()
                )
                yield [
                    row.name,
                    f'{row.row.settings.paper} ({found.number})',
                    *(printed_cell(found, name) for name in titles),
                    remarks,
                ]

    @abstractmethod
    def _row_to_json(self, row: RowMetrics) -> dict[str, Any]:
        """Return metrics of a row."""

    @abstractmethod
    def metrics_of(self, row: RowMetrics) -> dict[str, Summary]:
        """Return the main metrics of a row, by name."""

    def estimates(self) -> dict[str, dict[str, Summary]]:
        """Return the main metrics of estimates without learning that count as rows, by name."""
        return {}

    def to_json(self) -> dict[str, Any]:
        """Return the complete table, for table.json."""
        settings, paper = self.table.settings, self.table.paper
        rows = [
            {
                'name': row.name,
                'about': row.row.settings.about,
                'seeds_done': [*row.reports],
                'complete': len(row.reports) == len(row.scorings),
                'failures': dict(row.failures),
                **self._row_to_json(row),
            }
            for row in self.rows
        ]
        return {
            'table': self.table.path.name,
            'base': settings.base,
            'seeds': settings.seeds,
            'reference': settings.reference,
            'rows': rows,
            'paper': None if paper is None else {'authors': paper.authors, 'title': paper.title},
            'claims': [claim.to_json() for claim in self.claims],
        }


class Page(TablePage):
    """Table of depth with its metrics."""

    KIND = 'depth'
    ABOUT = (
        'Figures are means over images, over test scenes that no training saw; SqRel and RMSE in '
        'metres at the canonical focal length. Rows with fewer seeds than the others do not '
        'compare with them.'
    )

    def _kind(self) -> str:
        return f'{self.KIND} on the target' if self._has_target else self.KIND

    @property
    def _has_target(self) -> bool:
        return self.table.domain == 'target'

    def _sections(self) -> Iterator[tuple[str, Iterator[list[str]]]]:
        scenes = 'Target' if self._has_target else 'Test scenes'
        for scale in get_args(Scale):
            yield f'## {scenes}, {SCALES[scale]}', self._metrics(scale)
            title = f'Differences to `{self.table.settings.reference}`:'
            yield title, self._metrics(scale, differences=True)
        if self._printed_needs_table():
            yield '## Paper', self._printed()
        if any(self._pictures(row) for row in self.rows):
            yield "## Pictures of the target in the source's look", self._looks()
        yield (
            f'## {"Source, styles" if self._has_target else "Styles"}, uncertainty',
            self._beside(),
        )
        yield '## Rows', self._rows()

    def _headline(self) -> Iterator[list[str]]:
        yield [
            'row', 'seeds', 'AbsRel', 'difference', 'delta1', 'scaled AbsRel', 'difference',
            'scaled delta1', 'paper AbsRel', 'paper delta1',
        ]  # fmt: skip
        for row in self.rows:
            cells = [row.name, self._seeds(row)]
            for scale in get_args(Scale):
                abs_rel = row.summary('abs_rel', scale)
                cells += [
                    cell(abs_rel),
                    self._difference(row, 'abs_rel', scale),
                    cell(row.summary('delta1', scale)),
                ]
            yield cells + self._paper(row)

    def _metrics(self, scale: Scale, differences: bool = False) -> Iterator[list[str]]:
        """Yield the rows of all metrics, or of their differences to the reference."""
        yield ['row', 'seeds', *METRICS.values()]
        for row in self.rows:
            cells = [
                self._difference(row, metric, scale)
                if differences
                else cell(row.summary(metric, scale))
                for metric in METRICS
            ]
            yield [row.name, self._seeds(row), *cells]

    def _beside(self) -> Iterator[list[str]]:
        styles, domain = self._styles(), self.table.domain
        source = ('source AbsRel', 'source delta1', 'source scaled AbsRel')
        yield [
            'row', *(source if self._has_target else ()),
            *(f'{domain} {style} AbsRel' for style in styles),
            *(f'{domain} {style} scaled' for style in styles),
            *(f'{metric.title}, {domain}' for metric in OF_NETWORKS.values()),
        ]  # fmt: skip
        for row in self.rows:
            cells = [
                cell(row.summary('abs_rel', domain='source')),
                cell(row.summary('delta1', domain='source')),
                cell(row.summary('abs_rel', 'median_scaled', 'source')),
            ]
            yield [
                row.name,
                *(cells if self._has_target else ()),
                *(cell(row.summary('abs_rel', style=style)) for style in styles),
                *(cell(row.summary('abs_rel', 'median_scaled', style=style)) for style in styles),
                *(cell(row.summary(name)) for name in OF_NETWORKS),
            ]

    @staticmethod
    def _pictures(row: RowMetrics) -> dict[str, Summary]:
        """Return the metrics of the pictures that a row translates; none if it does not."""
        if row.row.settings.translate in (None, TRUE_LOOK):
            return {}
        return {name: row.metric(name) for name in PICTURES}

    def _looks(self) -> Iterator[list[str]]:
        yield ['row', 'seeds', *(metric.title for metric in PICTURES.values())]
        for row in self.rows:
            if found := self._pictures(row):
                yield [row.name, self._seeds(row), *map(cell, found.values())]

    def _styles(self) -> Sequence[str]:
        """Return the styles of the scenes that rows are compared on."""
        domain = self.table.domain
        reports = [report for row in self.rows for report in row.reports.values()]
        return [
            *dict.fromkeys(style for report in reports for style in domain_sets(report, domain))
        ]

    def _difference(self, row: RowMetrics, metric: str, scale: Scale) -> str:
        if row.name == self.reference.name:
            return NO_VALUE
        reference = self.reference.summary(metric, scale)
        return cell(row.summary(metric, scale).minus(reference), signed=True)

    def _paper(self, row: RowMetrics) -> list[str]:
        found = self._found(row)
        if found is None:
            return [NO_VALUE, NO_VALUE]
        abs_rel, delta1 = (printed_cell(found, metric) for metric in HEADLINE)
        return [abs_rel if abs_rel == NO_VALUE else f'{abs_rel} ({found.number})', delta1]

    def _printed_needs_table(self) -> bool:
        """Return True if the main columns lack metrics that the paper prints, or remarks."""
        return any(
            len(found) > 1 or one.notes or one.metrics.keys() - {*HEADLINE}
            for found in map(self._in_each_table, self.rows)
            for one in found
        )

    def to_json(self) -> dict[str, Any]:
        """Return the complete table, for table.json."""
        return {**super().to_json(), 'mean_over': 'images'}

    def metrics_of(self, row: RowMetrics) -> dict[str, Summary]:
        """Return the metrics on the scenes compared, and median-scaled ones as ``scaled_``."""
        return {name: row.metric(name) for name in DEPTH | OF_NETWORKS} | self._pictures(row)

    def _row_to_json(self, row: RowMetrics) -> dict[str, Any]:
        trainings, found = trainings_of(row), self._found(row)
        metrics: dict[str, Any] = {}
        for domain in get_args(Domain) if self._has_target else (self.table.domain,):
            metrics[domain] = {
                scale: {
                    metric: {
                        **row.summary(metric, scale, domain).to_json(),
                        'difference': row.summary(metric, scale, domain)
                        .minus(self.reference.summary(metric, scale, domain))
                        .to_json(),
                    }
                    for metric in METRICS
                }
                for scale in get_args(Scale)
            }
            metrics[domain] |= {
                f'uncertainty_{name}': row.summary(name, domain=domain).to_json()
                for name in UNCERTAINTY
            }
            metrics[domain][SCALE_ERROR] = row.summary(SCALE_ERROR, domain=domain).to_json()
        return {
            'stages': [{'name': unit.stage.name, 'steps': unit.steps} for unit in trainings],
            'adabn': row.row.settings.adabn,
            'matched_scale': row.row.settings.matched_scale,
            'post_process': row.row.settings.post_process,
            'translate': row.row.settings.translate,
            'pictures': {name: found.to_json() for name, found in self._pictures(row).items()},
            **metrics,
            'paper': None if found is None else found.to_json(),
            'folders': {seed: unit.folder.name for seed, unit in row.scorings.items()},
        }


def failures_of(rows: Sequence[RowMetrics]) -> list[str]:
    """Describe each failure once, with the rows that it concerns."""
    found: dict[str, list[str]] = {}
    for row in rows:
        for reason in row.failures.values():
            found.setdefault(reason, []).append(row.name)
    return [f'{reason} (missing in {", ".join(names)})' for reason, names in found.items()]


def origin_of(rows: Sequence[RowMetrics]) -> str:
    """Describe commits and devices, with a warning if there are several commits."""
    scorings = [scoring for row in rows for scoring in row.scorings.values()]
    units = {unit.folder: unit for scoring in scorings for unit in scoring.needs}
    results = [unit.result for unit in units.values() if unit.done]
    commits = sorted({str(result['commit'])[:12] for result in results})
    devices = sorted({str(result['device']) for result in results})
    text = f'commit {", ".join(commits) or NO_VALUE} on {", ".join(devices) or NO_VALUE}'
    return f'{text}: NOT OF ONE STATE of the code' if len(commits) > 1 else text


def cell(summary: Summary, signed: bool = False) -> str:
    """Format the mean and standard deviation of a metric as a table cell."""
    if summary.mean is None:
        return NO_VALUE
    sign = '+' if signed else ''
    spread = '' if summary.std is None else f' ± {summary.std:.3f}'
    return f'{summary.mean:{sign}.3f}{spread}'


def printed_cell(found: Printed, metric: str) -> str:
    """Format a printed metric as a table cell; an asterisk marks one with a remark."""
    if metric not in found.metrics:
        return NO_VALUE
    return f'{found.metrics[metric]:.3f}{"*" if metric in found.notes else ""}'


def trainings_of(row: RowMetrics) -> Sequence[Training]:
    """Return the training stages of a row's first seed; none for the median-depth baseline."""
    if not row.row.config.stages:
        return ()
    return next(iter(row.scorings.values())).needs


def _speed(unit: Training) -> str:
    seconds = unit.result['seconds_per_step'] if unit.done else None
    return NO_VALUE if seconds is None else f'{seconds:.3f}'
