# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics of a table: mean, standard deviation over seeds and paired difference for each row.

A metric is the mean over images (docs/metrics.md), as in published tables, over the test scenes
of all styles. Rows with the same seed are scored on the same scenes, so that differences are
taken within a seed first.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from spike_depth_ros.evaluation.controls import NETWORK
from spike_training.evaluation.report import domain_sets
from spike_training.evaluation.upsampling import MAPS, metrics_by_name
from spike_training.tables.plan import Row, Table
from spike_training.tables.settings import ClaimConfig, Domain
from spike_training.tables.tasks import (
    OF_NETWORKS,
    PICTURES,
    RECORDED,
    SCALE_ERROR,
    SCALED,
    TASKS,
)
from spike_training.tables.units import Scoring, units_of
from spike_training.tables.verdict import Verdict, judge
from spike_training.tables.work import failure

Scale = Literal['raw', 'median_scaled']


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
        read = _READ[self.row.task]
        values = {
            seed: read(self, report, name, domain, estimate or self.predictor)
            for seed, report in self.reports.items()
        }
        return Summary({seed: value for seed, value in values.items() if value is not None})

    def summary(
        self, metric: str, scale: Scale = 'raw', domain: Domain | None = None, style: str = ''
    ) -> Summary:
        """Return a metric over the seeds that are done; empty where the row lacks the metric.

        Args:
            metric: Key of :data:`spike_training.tables.paper.METRICS`, or of :data:`OF_NETWORKS`,
                which raw depth has.
            scale: Depth as predicted, or scaled by each image's median.
            domain: Domain of the test scenes; None: the target, or the source where there is none.
            style: Style of the scenes; empty: the mean over all styles.
        """
        values = {
            seed: self.value(report, metric, scale, domain or self.row.domain, style)
            for seed, report in self.reports.items()
        }
        return Summary({seed: value for seed, value in values.items() if value is not None})

    def value(
        self, report: Mapping[str, Any], metric: str, scale: Scale, domain: Domain, style: str = ''
    ) -> float | None:
        """Return a metric of a report of depth; see :meth:`summary`."""
        sets = domain_sets(report, domain)
        parts = [sets[name] for name in ([style] if style else sets) if name in sets]
        found = [self._of_style(part, metric, scale) for part in parts]
        known = [value for value in found if value is not None]
        if not known or len(known) < len(found):
            return None
        # Weighted by the number of images: the mean over the images of all styles.
        images = [part['tables'][self.predictor][scale]['images'] for part in parts]
        total = sum(value * number for value, number in zip(known, images, strict=True))
        return float(total / sum(images))

    def _of_style(self, scores: Mapping[str, Any], metric: str, scale: Scale) -> float | None:
        value: float | None
        if self.predictor not in scores['tables']:
            value = None  # reports of older versions lack it
        elif metric not in OF_NETWORKS:
            value = scores['tables'][self.predictor][scale]['mean_over_images'][metric]
        elif self.predictor != NETWORK:
            value = None
        elif metric == SCALE_ERROR:
            factors = scores.get('scales', {}).values()
            value = statistics.fmean(abs(1 / one - 1) for one in factors) if factors else None
        else:  # reports of older versions lack some
            value = scores['uncertainty'].get(metric)
        return value


def _of_depth(
    row: RowMetrics, report: Mapping[str, Any], name: str, domain: Domain | None, method: str
) -> float | None:
    if name in PICTURES:
        pictures = report.get('pictures')
        return None if pictures is None else statistics.fmean(of[name] for of in pictures.values())
    scale: Scale = 'median_scaled' if name.startswith(SCALED) else 'raw'
    return row.value(report, name.removeprefix(SCALED), scale, domain or row.row.domain)


def _of_images(
    row: RowMetrics, report: Mapping[str, Any], name: str, domain: Domain | None, method: str
) -> float | None:
    target = row.row.config.target
    recordings = () if target is None else target.recordings
    recorded = name.endswith(RECORDED)
    key = name.removesuffix(RECORDED)
    found = [
        float(scores['rows'][method][key])
        for one, scores in report['sets'].items()
        if (one in recordings) == recorded
    ]
    return statistics.fmean(found) if found else None


def _of_fused(
    row: RowMetrics, report: Mapping[str, Any], name: str, domain: Domain | None, method: str
) -> float | None:
    scale: Scale = 'median_scaled' if name.startswith(SCALED) else 'raw'
    condition = name.removeprefix(SCALED).removeprefix('abs_rel_')
    return row.value(report, 'abs_rel', scale, 'source', condition)


def _of_enlarged(
    row: RowMetrics, report: Mapping[str, Any], name: str, domain: Domain | None, method: str
) -> float | None:
    return metrics_by_name(report, method).get(name)


_READ: dict[
    str,
    Callable[[RowMetrics, Mapping[str, Any], str, Domain | None, str], float | None],
] = {
    'depth': _of_depth,
    'fused': _of_fused,
    'image': _of_images,
    'upsample': _of_enlarged,
}
"""Functions that read a metric of a method from a report, by task."""


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
    known = TASKS[table.task].metrics(row.row.config, row.row.settings.preparation)
    measured = known[claim.metric].title
    if table.task == 'depth' and claim.metric not in PICTURES:
        measured += f', {domain}'
    found = Claim(claim, margins, len(table.settings.seeds), measured)
    if table.maps is None and f'_{MAPS}_' in claim.metric and row.reports:
        return dataclasses.replace(found, lacking='not scored without --maps')
    return found
