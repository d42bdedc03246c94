# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Verdicts on what papers print; see ``papers.py``."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from spike_training.errors import ConfigError
from spike_training.tables.paper import Paper, PrintedTable
from spike_training.tables.verdict import judge

LARGEST = 1 << 20
"""Bytes of a file of results, at most."""

LEAST_IMAGES, LEAST_PLACES, LEAST_HEADROOM = 50, 2, 0.2
RAW, SCALED = 'abs_rel', 'scaled_abs_rel'
"""Metrics of headrooms, of depth as predicted and of median-scaled depth; the latter decides."""

MARKS = {
    'holds': '✓',
    'does not hold': '✗',
    'undecided': '?',
    'reference': '=',
    'nothing to gain here': '∅',
    'no verdict': '~',
    'open': '·',
    'not runnable here': '–',
}
"""Verdicts and their marks on the page."""

Results = Mapping[str, Mapping[str, Any]]


class Item(NamedTuple):
    """A printed number with its verdict; ``ours`` is by seed, ``note`` on a likely misprint."""

    paper: str
    table: str
    row: str
    column: str
    printed: float
    ours: Mapping[str, float]
    verdict: str
    note: str


def read_results(folder: Path) -> dict[str, Results]:
    """Read the rows of all tables with results.

    Raises:
        ConfigError: A file is damaged or too large.
    """
    return {path.stem: read_file(path)['rows'] for path in sorted(folder.glob('*.json'))}


def read_file(path: Path) -> dict[str, Any]:
    """Read the results of a table.

    Raises:
        ConfigError: The file is damaged or too large.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f'more than {LARGEST} bytes')
        found: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
        for by_seed in found['rows'].values():
            for one in by_seed.values():
                one['metrics'], one['settings']
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f'{path}: expected results of run.py table ({error})') from None
    return found


class Reader:
    """Verdicts on the numbers of papers.

    Args:
        plan: Content of benchmarks/papers.yaml.
        results: Rows by table.
    """

    def __init__(self, plan: Mapping[str, Any], results: Mapping[str, Results]) -> None:
        self.plan, self.results = plan, results

    def seeds(self, where: str) -> dict[str, Mapping[str, Any]]:
        """Return the results of a row, TABLE.ROW, by seed, but for stale ones."""
        table, _, row = where.partition('.')
        found = self.results.get(table, {}).get(row, {})
        return {seed: one for seed, one in found.items() if not one.get('stale')}

    def stale(self, where: str) -> list[str]:
        """Return the seeds whose results of a row are stale."""
        table, _, row = where.partition('.')
        found = self.results.get(table, {}).get(row, {})
        return [seed for seed, one in found.items() if one.get('stale')]

    def values(self, where: str, metric: str) -> dict[str, float]:
        """Return a metric of a row by seed, where it is known."""
        found = {seed: one['metrics'].get(metric) for seed, one in self.seeds(where).items()}
        return {seed: value for seed, value in found.items() if value is not None}

    @staticmethod
    def pair(given: Mapping[str, Any], row: str) -> tuple[str, str, str] | None:
        """Return how a printed row is compared; None: it has no stand-in.

        Returns:
            Its stand-in, the printed row that it is compared with, and the stand-in of that.
        """
        rows = given.get('rows', {})
        if row not in rows:
            return None
        own, *other = [rows[row]] if isinstance(rows[row], str) else rows[row]
        return own, given['against'], other[0] if other else str(rows[given['against']])

    def headroom(self, name: str, metric: str = SCALED, least: int = 1) -> float | None:
        """Return how far labels of the target are below the best row that never saw it.

        Args:
            name: Key of ``headroom`` in the plan.
            metric: An error of depth.
            least: Seeds of which all rows must be known.
        """
        room = self.plan['headroom'][name]
        means = self._means([room['best'], *room['controls']], metric, least)
        return None if means is None else 1 - means[0] / min(means[1:])

    def closed(self, name: str, row: str, metric: str = SCALED) -> float | None:
        """Return the share of a headroom that a row gains without labels of the target."""
        room = self.plan['headroom'][name]
        means = self._means([row, room['best'], *room['controls']], metric)
        if means is None:
            return None
        own, best, control = *means[:2], min(means[2:])
        return None if best == control else (control - own) / (control - best)

    def _means(self, rows: Sequence[str], metric: str, least: int = 1) -> list[float] | None:
        """Return the means of rows over the seeds that all of them have; None: too few."""
        found = [self.values(one, metric) for one in rows]
        shared = set.intersection(*map(set, found))
        if len(shared) < least:
            return None
        return [statistics.fmean(one[seed] for seed in sorted(shared)) for one in found]

    def items(self, name: str, paper: Paper) -> Iterator[Item]:
        """Yield the numbers of a paper's tables."""
        for table in paper.tables:
            for row in table.rows:
                for column, value in zip(table.columns, row.values, strict=True):
                    if value is not None:
                        ours, verdict = self._judge(name, table, row.name, column, value)
                        note = row.notes.get(column, '')
                        place = name, table.number, row.name, column
                        yield Item(*place, value, ours, verdict, note)

    def _judge(
        self, name: str, table: PrintedTable, row: str, column: str, printed: float
    ) -> tuple[Mapping[str, float], str]:
        given = self.plan['papers'][name][table.number]
        pair = self.pair(given, row)
        metric = given['metrics'].get(column) if 'metrics' in given else column
        if pair is None or metric is None:
            return {}, 'not runnable here'
        if row == given['against']:
            known = self.values(pair[0], metric)
            seeds = self.plan['tables'][pair[0].partition('.')[0]]['seeds']
            return known, 'reference' if len(known) == len(seeds) else 'open'
        place = [*table.columns].index(column)
        (than,) = (one.values[place] for one in table.rows if one.name == pair[1])
        sign = 0 if than is None or than == printed else 1 if printed > than else -1
        rooms = given.get('headroom', {})
        room = next((name for name, rows in rooms.items() if row in rows), None)
        facts = {**given, 'headroom': room}
        _, verdict = self._compare(pair[0], metric, pair[2], sign, facts)
        return self.values(pair[0], metric), verdict

    def _compare(
        self, own: str, metric: str, other: str | float, sign: int, given: Mapping[str, Any]
    ) -> tuple[list[float], str]:
        """Judge the difference of a row to another one, or to a number.

        Args:
            own: The row, TABLE.ROW.
            metric: Metric of both.
            other: The other row, or the number.
            sign: Printed sign of the difference; 0: printed alike.
            given: ``headroom``: name of that which is needed, None: none is; ``images`` and
                ``places`` where they differ from those of the table.

        Returns:
            The difference by seed, as far as it is known, and the verdict.
        """
        facts = {**self.plan['tables'][own.partition('.')[0]], **given}
        known, seeds = self.values(own, metric), [str(seed) for seed in facts['seeds']]
        if isinstance(other, str):
            than = self.values(other, metric)
        else:
            than = dict.fromkeys(seeds, other)
        apart = [known[seed] - than[seed] for seed in seeds if seed in known and seed in than]
        if len(apart) < len(seeds):
            return apart, 'open'
        if facts['images'] < LEAST_IMAGES or facts['places'] < LEAST_PLACES:
            return apart, 'no verdict'
        if (name := given.get('headroom')) is not None:
            room = self.headroom(name, least=len(seeds))
            if room is None or room < LEAST_HEADROOM:
                return apart, 'open' if room is None else 'nothing to gain here'
        return apart, judge([sign * one for one in apart]) if sign else 'undecided'

    def said(self, name: str, place: str, number: str) -> str:
        """Describe what holds of a number that a paper says outside its tables.

        Args:
            name: The paper.
            place: Where it says so.
            number: Name of the number; empty: of a figure without one.

        Returns:
            Difference here and mark of the verdict; empty: it is none.
        """
        given = self.plan.get('said', {}).get(name, {}).get(f'{place} {number}'.strip())
        return '' if given is None else self.difference(given)

    def difference(self, given: Mapping[str, Any]) -> str:
        """Describe a difference of the plan: what is found, and the mark of the verdict."""
        side = 'below' if 'below' in given else 'above'
        sign = -1 if side == 'below' else 1
        apart, verdict = self._compare(given['row'], given['metric'], given[side], sign, given)
        ours = spread([sign * one for one in apart])
        return f'{ours and f" / {ours}"} {MARKS[verdict]}'


def spread(values: list[float]) -> str:
    """Format mean and standard deviation; empty: there are no values."""
    if not values:
        return ''
    deviation = f' ± {statistics.stdev(values):.2g}' if len(values) > 1 else ''
    return f'{statistics.fmean(values):.4g}{deviation}'
