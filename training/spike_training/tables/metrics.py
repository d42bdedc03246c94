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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from spike_depth_ros.evaluation.controls import NETWORK
from spike_training.evaluation.report import BASELINE, domain_sets
from spike_training.tables.plan import Row, Table
from spike_training.tables.settings import ClaimConfig, Domain
from spike_training.tables.units import Scoring, units_of
from spike_training.tables.work import failure

Scale = Literal['raw', 'median_scaled']

RANK = 'rank_correlation'
"""Rank correlation of the predicted uncertainty with the error, a metric of the raw depth."""


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
        return NETWORK if self.row.config.stages else BASELINE

    def summary(
        self, metric: str, scale: Scale = 'raw', domain: Domain | None = None, style: str = ''
    ) -> Summary:
        """Return a metric over the seeds that are done; empty where the row lacks the metric.

        Args:
            metric: Key of :data:`spike_training.tables.paper.METRICS`, or ``RANK``.
            scale: Depth as predicted, or scaled by each image's median.
            domain: Domain of the test scenes; None: the target, or the source where there is none.
            style: Style of the scenes; empty: the mean over all styles.
        """
        values = {
            seed: self._value(report, metric, scale, domain or self.row.domain, style)
            for seed, report in self.reports.items()
        }
        return Summary({seed: value for seed, value in values.items() if value is not None})

    def _value(
        self, report: Mapping[str, Any], metric: str, scale: Scale, domain: Domain, style: str
    ) -> float | None:
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
        if metric == RANK:
            value = scores['uncertainty'][RANK] if self.predictor == NETWORK else None
        else:
            value = scores['tables'][self.predictor][scale]['mean_over_images'][metric]
        return value


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
        margins: AbsRel of the row minus that of the best of the other rows, by seed.
        seeds: Number of seeds of the table.
    """

    settings: ClaimConfig
    margins: Mapping[int, float]
    seeds: int

    @property
    def holds(self) -> bool | None:
        """True if it holds in all seeds, False if it fails in one; None if seeds are missing."""
        if any(not self._fits(margin) for margin in self.margins.values()):
            return False
        return True if len(self.margins) == self.seeds else None

    def _fits(self, margin: float) -> bool:
        return margin < 0 and margin <= -self.settings.by

    def sentence(self) -> str:
        """Return the claim, its outcome and its margins as one line of text."""
        claim = self.settings
        others = claim.below[0]
        if len(claim.below) > 1:
            others = f'the best of {", ".join(claim.below)}'
        by = f' by {claim.by:g} or more' if claim.by else ''
        verdict = {True: 'holds', False: 'does not hold', None: 'open'}[self.holds]
        text = f'{claim.row} below {others}{by} (AbsRel, {claim.domain}): {verdict}'
        if not self.margins:
            return f'{text}, no seed is done'
        margins = ', '.join(f'{margin:+.3f}' for margin in self.margins.values())
        holds = sum(self._fits(margin) for margin in self.margins.values())
        return f'{text}, in {holds} of {len(self.margins)} seeds ({margins})'

    def to_json(self) -> dict[str, Any]:
        """Return settings, margins and outcome, for JSON."""
        return {
            **dataclasses.asdict(self.settings),
            'margin_by_seed': dict(self.margins),
            'holds': self.holds,
        }


def claims_of(table: Table, rows: Sequence[RowMetrics]) -> list[Claim]:
    """Evaluate the claims of a table."""
    weighed = []
    for claim in table.settings.claims:
        abs_rel = {row.name: row.summary('abs_rel', domain=claim.domain).values for row in rows}
        margins = {}
        for seed, value in abs_rel[claim.row].items():
            others = [abs_rel[name].get(seed, math.nan) for name in claim.below]
            # Undecided while one of the others is missing: it might be the best.
            if not any(math.isnan(other) for other in others):
                margins[seed] = value - min(others)
        weighed.append(Claim(claim, margins, len(table.settings.seeds)))
    return weighed
