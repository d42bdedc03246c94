# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics of a table: mean, standard deviation over seeds and paired difference for each row.

A metric is the mean over images (docs/reference/metrics.md), as in published tables, over the
test scenes
of all styles. Rows with the same seed are scored on the same scenes, so that differences are
taken within a seed first.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from spike_depth_ros.evaluation.controls import NETWORK
from spike_training.evaluation.upsampling import MAPS
from spike_training.tables.plan import Row, Table
from spike_training.tables.settings import ClaimConfig, Domain
from spike_training.tables.units import Scoring, units_of
from spike_training.tables.verdict import Verdict, judge
from spike_training.tables.work import failure
from spike_training.tasks import depth_table
from spike_training.tasks.depth_table import Scale


@dataclasses.dataclass(frozen=True)
class Summary:
    """Values of a metric over seeds.

    Attributes:
        values: Value of each seed.
    """

    values: Mapping[int, float]

    @property
    def mean(self) -> float | None:
        """Mean over seeds; None without a seed."""
        return statistics.fmean(self.values.values()) if self.values else None

    @property
    def std(self) -> float | None:
        """Sample standard deviation over seeds; None for fewer than two seeds."""
        return statistics.stdev(self.values.values()) if len(self.values) > 1 else None

    def minus(self, other: Summary) -> Summary:
        """Subtract another summary, seed by seed, over the seeds that both have."""
        shared = [seed for seed in self.values if seed in other.values]
        return Summary({seed: self.values[seed] - other.values[seed] for seed in shared})

    def to_json(self) -> dict[str, Any]:
        """Return mean, standard deviation and values by seed, for JSON."""
        return {'mean': self.mean, 'std': self.std, 'by_seed': dict(self.values)}


@dataclasses.dataclass(frozen=True)
class RowMetrics:
    """Evaluation results of a row.

    Attributes:
        row: The row.
        scorings: Scoring of each seed; for the median-depth baseline those of the reference row,
            whose reports contain it.
        reports: Evaluation report of each seed that is done.
        failures: Cause of failure of each seed that failed.
    """

    row: Row
    scorings: Mapping[int, Scoring]
    reports: Mapping[int, Mapping[str, Any]]
    failures: Mapping[int, str]

    @property
    def name(self) -> str:
        """Name of the row."""
        return self.row.settings.name

    @property
    def predictor(self) -> str:
        """Key of the row's predictor in a report."""
        return NETWORK if self.row.config.stages else self.row.settings.baseline

    def metric(self, name: str, domain: Domain | None = None, estimate: str = '') -> Summary:
        """Return a metric by its name in OUT/results.json; empty where the row lacks it.

        Args:
            name: Name of the metric.
            domain: Domain of the test scenes of depth; None: the target, or the source where
                there is none.
            estimate: Name of an estimate without learning in the row's reports, of the tasks
                ``image`` and ``upsample``; empty: the network.
        """
        read, config = self.row.tabled.read, self.row.config
        where = domain or self.row.domain
        values = {
            seed: read(config, report, name, where, estimate or self.predictor)
            for seed, report in self.reports.items()
        }
        return Summary({seed: found for seed, found in values.items() if found is not None})

    def summary(
        self, metric: str, scale: Scale = 'raw', domain: Domain | None = None, style: str = ''
    ) -> Summary:
        """Return a metric over the seeds that are done; empty where the row lacks the metric.

        Args:
            metric: As for :func:`spike_training.tasks.depth_table.value`.
            scale: Depth as predicted, or scaled by each image's median.
            domain: Domain of the test scenes; None: the target, or the source where there is none.
            style: Style of the scenes; empty: the mean over all styles.
        """
        values = {
            seed: depth_table.value(
                report, metric, scale, domain or self.row.domain, self.predictor, style
            )
            for seed, report in self.reports.items()
        }
        return Summary({seed: found for seed, found in values.items() if found is not None})


def collect(table: Table, cache: Path) -> list[RowMetrics]:
    """Collect the results of each row of a table from the cache, whichever run made them."""
    rows = {row.settings.name: row for row in table.rows}
    collected = []
    for row in table.rows:
        scored = row if row.config.stages else rows[table.settings.reference]
        scorings = {seed: units_of(scored, seed, cache) for seed in table.settings.seeds}
        reports = {seed: unit.report for seed, unit in scorings.items() if unit.done}
        reasons = {seed: failure(unit) for seed, unit in scorings.items() if not unit.done}
        failures = {seed: reason for seed, reason in reasons.items() if reason is not None}
        collected.append(RowMetrics(row, scorings, reports, failures))
    return collected


@dataclasses.dataclass(frozen=True)
class Claim:
    """Expected result of a table, compared with its metrics.

    Attributes:
        settings: The expected result.
        margins: Metric of the row minus that of the best of the others, times its factor, by seed.
        seeds: Number of seeds of the table.
        measured: Metric and data, for sentences.
        lacking: Reason why there are no margins, for sentences.
    """

    settings: ClaimConfig
    margins: Mapping[int, float]
    seeds: int
    measured: str
    lacking: str = 'no seed is done'

    @property
    def verdict(self) -> Verdict | Literal['open']:
        """Verdict of :func:`~.verdict.judge`, after ``by``; open while seeds are missing."""
        if len(self.margins) < self.seeds:
            return 'open'
        return judge([*map(self._better_by, self.margins.values())])

    @property
    def holds(self) -> bool | None:
        """True or False by the verdict; None: open or undecided."""
        return {'holds': True, 'does not hold': False}.get(self.verdict)

    def _better_by(self, margin: float) -> float:
        return (margin if self.settings.above else -margin) - self.settings.by

    def sentence(self) -> str:
        """Return the claim, its outcome and its margins as one line of text."""
        claim = self.settings
        others = claim.others[0]
        if len(claim.others) > 1:
            others = f'the best of {", ".join(claim.others)}'
        if claim.times != 1:
            others = f'{claim.times:g} times {others}'
        side = 'above' if claim.above else 'below'
        by = f' by {claim.by:g} or more' if claim.by else ''
        text = f'{claim.row} {side} {others}{by} ({self.measured}): {self.verdict}'
        if not self.margins:
            return f'{text}, {self.lacking}'
        margins = ', '.join(f'{margin:+.3f}' for margin in self.margins.values())
        better = sum(self._better_by(margin) > 0 for margin in self.margins.values())
        return f'{text}, in {better} of {len(self.margins)} seeds ({margins})'

    def to_json(self) -> dict[str, Any]:
        """Return settings, margins and outcome, for JSON."""
        return {
            **dataclasses.asdict(self.settings),
            'margin_by_seed': dict(self.margins),
            'verdict': self.verdict,
            'holds': self.holds,
        }


def claims_of(table: Table, rows: Sequence[RowMetrics]) -> list[Claim]:
    """Evaluate the claims of a table."""
    return [_claim(table, {row.name: row for row in rows}, one) for one in table.settings.claims]


def _claim(table: Table, rows: Mapping[str, RowMetrics], claim: ClaimConfig) -> Claim:
    row = rows[claim.row]
    domain = claim.domain if table.domain == 'target' else 'source'
    compared = [
        # Estimates are in the reports of the row itself.
        rows[name].metric(claim.metric, domain).values
        if name in rows
        else row.metric(claim.metric, estimate=name).values
        for name in claim.others
    ]
    best = max if claim.above else min
    margins = {}
    for seed, value in row.metric(claim.metric, domain).values.items():
        others = [values.get(seed, math.nan) for values in compared]
        # Undecided while one of the others is missing: it might be the best.
        if not any(math.isnan(other) for other in others):
            margins[seed] = value - claim.times * best(others)
    tabled = row.row.tabled
    known = tabled.metrics(row.row.config, row.row.settings.preparation)
    measured = known[claim.metric].title
    if claim.metric in tabled.by_domain:
        measured += f', {domain}'
    found = Claim(claim, margins, len(table.settings.seeds), measured)
    if table.maps is None and f'_{MAPS}_' in claim.metric and row.reports:
        return dataclasses.replace(found, lacking='not scored without --maps')
    return found
