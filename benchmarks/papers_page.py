# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Verdicts on what papers print, and their page; see ``papers.py``."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from spike_training.errors import ConfigError
from spike_training.tables.paper import Paper, PrintedTable
from spike_training.tables.verdict import judge

LARGEST = 1 << 20
"""Bytes of a file of results, at most."""

LEAST_IMAGES, LEAST_PLACES, LEAST_HEADROOM = 50, 2, 0.2
MARKS = {
    'holds': '✓',
    'does not hold': '✗',
    'undecided': '?',
    'nothing to gain here': '0',
    'no verdict': '~',
    'open': '·',
    'not runnable here': '–',
}
"""Verdicts and their marks on the page."""

Results = Mapping[str, Mapping[str, Any]]


class Item(NamedTuple):
    """A printed number with its verdict; ``ours`` is by seed."""

    paper: str
    table: str
    row: str
    column: str
    printed: float
    ours: Mapping[str, float]
    verdict: str


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
        if other:
            return own, given['against'], other[0]
        # The row that others are compared with is compared with the first of its own table.
        table = own.partition('.')[0]
        same = [name for name in rows if name != row and f'{rows[name]}'.startswith(f'{table}.')]
        against = given['against'] if given['against'] != row else same[0]
        return own, against, str(rows[against])

    def headroom(self, of: Mapping[str, Any], metric: str = 'scaled_abs_rel') -> float | None:
        """Return how far labels of the target are below the best row that never saw it."""
        best, control = self._mean(of['best'], metric), self._control(of, metric)
        return None if best is None or control is None else 1 - best / control

    def closed(
        self, of: Mapping[str, Any], row: str, metric: str = 'scaled_abs_rel'
    ) -> float | None:
        """Return the share of the headroom that a row gains without labels of the target."""
        own, best = self._mean(row, metric), self._mean(of['best'], metric)
        control = self._control(of, metric)
        if own is None or best is None or control is None or best == control:
            return None
        return (control - own) / (control - best)

    def _control(self, of: Mapping[str, Any], metric: str) -> float | None:
        means = [self._mean(one, metric) for one in of['controls']]
        known = [one for one in means if one is not None]
        return min(known) if len(known) == len(means) else None

    def _mean(self, where: str, metric: str) -> float | None:
        values = self.values(where, metric)
        return statistics.fmean(values.values()) if values else None

    def items(self, name: str, paper: Paper) -> Iterator[Item]:
        """Yield the numbers of a paper's tables."""
        for table in paper.tables:
            for row in table.rows:
                for column, value in zip(table.columns, row.values, strict=True):
                    if value is not None:
                        ours, verdict = self._judge(name, table, row.name, column, value)
                        yield Item(name, table.number, row.name, column, value, ours, verdict)

    def _judge(
        self, name: str, table: PrintedTable, row: str, column: str, printed: float
    ) -> tuple[Mapping[str, float], str]:
        given = self.plan['papers'][name][table.number]
        pair = self.pair(given, row)
        metric = given['metrics'].get(column) if 'metrics' in given else column
        if pair is None or metric is None:
            return {}, 'not runnable here'
        own, other = (self.values(one, metric) for one in (pair[0], pair[2]))
        facts = self.plan['tables'][pair[0].partition('.')[0]]
        seeds = [seed for seed in map(str, facts['seeds']) if seed in own and seed in other]
        if len(seeds) < len(facts['seeds']):
            return own, 'open'
        if facts['images'] < LEAST_IMAGES or facts['places'] < LEAST_PLACES:
            return own, 'no verdict'
        room = given.get('headroom')
        if room and row in room['of'] and (self.headroom(room) or 0) < LEAST_HEADROOM:
            return own, 'nothing to gain here'
        place = [*table.columns].index(column)
        (than,) = (one.values[place] for one in table.rows if one.name == pair[1])
        if than is None or than == printed:
            return own, 'undecided'
        sign = 1 if printed > than else -1
        return own, judge([sign * (own[seed] - other[seed]) for seed in seeds])


def csv_text(items: list[Item]) -> str:
    """Format the numbers as docs/papers.csv."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator='\n')
    writer.writerow(['paper', 'table', 'row', 'metric', 'printed', 'ours by seed', 'verdict'])
    for item in items:
        ours = ' '.join(f'{seed}:{value:g}' for seed, value in item.ours.items())
        writer.writerow([*item[:4], f'{item.printed:g}', ours, item.verdict])
    return file.getvalue()


def page(reader: Reader, read: Mapping[str, Paper], items: list[Item], head: str) -> str:
    """Format docs/papers.md: counts of verdicts, then each paper."""
    counts = Counter(item.verdict for item in items)
    lines = [head.rstrip(), '', '| verdict | mark | numbers |', '|---|---|---|']
    lines += [f'| {name} | {mark} | {counts[name]} |' for name, mark in MARKS.items()]
    for name, paper in read.items():
        lines += ['', f'## {paper.cited}: {paper.title}', '']
        lines.append(f'Network of the paper: {paper.network}.')
        for table in paper.tables:
            own = [one for one in items if (one.paper, one.table) == (name, table.number)]
            lines += ['', *_table_lines(reader, name, table, own)]
        lines += ['', '### Figures and statements', '', '| place | what is said | numbers |']
        lines.append('|---|---|---|')
        said = [(f'Figure {one.number}', one) for one in paper.figures]
        said += [(one.place, one) for one in paper.statements]  # type: ignore[misc]
        for place, one in said:
            numbers = ', '.join(f'{v.name} {v.value:g} {v.unit}'.strip() for v in one.values)
            lines.append(f'| {place} | {one.about} | {numbers} |')
    return '\n'.join(lines) + '\n'


def _table_lines(
    reader: Reader, name: str, table: PrintedTable, items: list[Item]
) -> Iterator[str]:
    given = reader.plan['papers'][name][table.number]
    yield from (f'### Table {table.number}: {table.caption}', '')
    pairs = {row.name: Reader.pair(given, row.name) for row in table.rows}
    used = dict.fromkeys(pair[0].partition('.')[0] for pair in pairs.values() if pair)
    for own in used:
        facts = reader.plan['tables'][own]
        config = f'training/configs/tables/{facts["config"]}'
        yield (
            f'- `{own}`: {facts["stand_in"]}; {facts["images"]} test images, seeds '
            f'{", ".join(map(str, facts["seeds"]))}, about {facts["hours"]:g} core-hours: '
            f'`python training/run.py table --config {config} --out runs/{own}`'
        )
    if 'headroom' in given:
        room = reader.headroom(given['headroom'])
        found = {
            row: reader.closed(given['headroom'], pair[0])
            for row in given['headroom']['of']
            if (pair := pairs[row]) is not None
        }
        shares = {row: share for row, share in found.items() if share is not None}
        closed = ', '.join(f'{row} {share:.0%}' for row, share in shares.items())
        yield f'- headroom: {"open" if room is None else f"{room:.0%}"}' + (
            f'; of it closed: {closed}' if closed else ''
        )
    if 'missing' in given:
        yield f'- missing here: {given["missing"]}'
    for row, pair in pairs.items():
        if pair is not None:
            yield f'- {row}: `{pair[0]}`, compared with {pair[1]}{_effort(reader, pair[0])}'
    marked = {(item.row, item.column): _cell(item) for item in items}
    rows, columns = [row.name for row in table.rows], [*table.columns]
    turned = len(columns) > len(rows)  # so that wide ones can be read
    yield from ('', f'| | {" | ".join(rows if turned else columns)} |')
    yield '|---|' + '---|' * len(rows if turned else columns)
    for name in columns if turned else rows:
        places = [(row, name) for row in rows] if turned else [(name, one) for one in columns]
        yield f'| {name} | {" | ".join(marked.get(place, "") for place in places)} |'


def _effort(reader: Reader, where: str) -> str:
    """Describe what the results of a row took, and of how many states of code or machines."""
    found = [*reader.seeds(where).values()]
    if not found:
        return ''
    hours = sum(one['core_seconds'] for one in found) / 3600
    origins = {(one['commit'], one['device']) for one in found}
    mixed = '' if len(origins) == 1 else ', of several commits or devices'
    return f'; {hours:.2g} core-hours{mixed}'


def _cell(item: Item) -> str:
    text = f'{item.printed:g}'
    if values := [*item.ours.values()]:
        spread = f' ± {statistics.stdev(values):.2g}' if len(values) > 1 else ''
        text += f' / {statistics.fmean(values):.4g}{spread}'
    return f'{text} {MARKS[item.verdict]}'
