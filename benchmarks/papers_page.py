# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Page of what papers print, and what of it holds; see ``papers.py``."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from benchmarks.papers_verdicts import (
    LEAST_HEADROOM,
    MARKS,
    RAW,
    SCALED,
    Item,
    Reader,
    spread,
)
from spike_depth_ros.pages.markdown import table_lines
from spike_training.tables.paper import Paper, PrintedTable

LEAST_CLOSED = 0.5
"""Share of a headroom that BiCross is to close."""

LOG = 'rmse_log'

SHOWN = {
    RAW: 'AbsRel',
    LOG: 'RMSE log',
    'scaled_rmse_log': 'scaled RMSE log',
    SCALED: 'scaled AbsRel',
}
"""Metrics of closed headrooms; scaled AbsRel and RMSE log decide.

AbsRel punishes depth that is too far more than depth that is too near, RMSE log does not.
"""

ADABN = 'AdaBN'
"""Title in the plan of what BiCross is to close more than."""


def csv_text(items: list[Item]) -> str:
    """Format the numbers as docs/evidence/papers.csv."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator='\n')
    writer.writerow(['paper', 'table', 'row', 'metric', 'printed', 'ours by seed', 'verdict'])
    for item in items:
        ours = ' '.join(f'{seed}:{value:g}' for seed, value in item.ours.items())
        writer.writerow([*item[:4], f'{item.printed:g}', ours, item.verdict])
    return file.getvalue()


def page(reader: Reader, read: Mapping[str, Paper], items: list[Item], head: str) -> str:
    """Format the page: counts of verdicts, what no paper prints, then each paper."""
    counts = Counter(item.verdict for item in items)
    said = reader.plan['verdicts']
    marks = [[mark, f'{name}: {said[name]}', counts[name]] for name, mark in MARKS.items()]
    lines = [head.rstrip(), '']
    lines += table_lines([['mark', 'verdict', 'numbers of tables'], *marks], names=True)
    lines += _own_lines(reader)
    for name, paper in read.items():
        lines += ['', f'## {paper.cited}: {paper.title}', '']
        note = reader.plan.get('notes', {}).get(name, '')
        lines.append(f'Network of the paper: {paper.network}. {note}'.strip())
        for table in paper.tables:
            own = [one for one in items if (one.paper, one.table) == (name, table.number)]
            lines += ['', *_table_lines(reader, name, paper, table, own)]
        lines += ['', '### Figures and statements', '']
        rows = [['place', 'what is said', 'numbers']]
        said = [(f'Figure {one.number}', one) for one in paper.figures]
        said += [(one.place, one) for one in paper.statements]  # type: ignore[misc]
        for place, one in said:
            numbers = ', '.join(
                f'{value.name} {value.value:g} {value.unit}'.strip()
                + reader.said(name, place, value.name)
                for value in one.values
            )
            numbers = numbers or reader.said(name, place, '').strip(' /')
            rows.append([place, one.about, numbers])
        lines += table_lines(rows, names=True)
    return '\n'.join(lines) + '\n'


def _table_lines(
    reader: Reader, name: str, paper: Paper, table: PrintedTable, items: list[Item]
) -> Iterator[str]:
    given = reader.plan['papers'][name][table.number]
    yield from (f'### Table {table.number}: {table.caption}', '')
    titles = paper.titles([table.number])
    headings = dict.fromkeys(one.removeprefix(f'{column}: ') for column, one in titles.items())
    yield f'- metrics: {"; ".join(headings)}'
    for printed in table.rows:
        for column, note in printed.notes.items():
            yield f'- as printed: {printed.name}, {column}: {note}'
    pairs = {row.name: Reader.pair(given, row.name) for row in table.rows}
    used = dict.fromkeys(pair[0].partition('.')[0] for pair in pairs.values() if pair)
    for own in used:
        facts = {**reader.plan['tables'][own], **given}
        config = f'training/configs/tables/{facts["config"]}'
        options = f' {facts["options"]}' if 'options' in facts else ''
        yield (
            f'- `{own}`: {facts["stand_in"]}; {facts["images"]} test images, seeds '
            f'{", ".join(map(str, facts["seeds"]))}, about {facts["hours"]:g} core-hours: '
            f'`python training/run.py table --config {config} --out runs/table_{own}{options}`'
        )
    for room, rows in given.get('headroom', {}).items():
        shares = {
            row: share
            for row in rows
            if (pair := pairs[row]) and (share := reader.closed(room, pair[0])) is not None
            if row != given['against']
        }
        closed = ', '.join(f'{row} {share:.0%}' for row, share in shares.items())
        raw = reader.headroom(room, RAW)
        yield (
            f'- headroom, {room}: {_share(reader.headroom(room))}'
            + (f', of depth that is not scaled {_share(raw)}' if raw is not None else '')
            + (f'; of the former closed: {closed}' if closed else '')
        )
    if 'missing' in given:
        yield f'- missing here: {given["missing"]}'
    for row, pair in pairs.items():
        if pair is not None:
            than = f'compared with `{pair[2]}` ({pair[1]})'
            than = than if row != given['against'] else 'others are compared with it'
            yield f'- {row}: `{pair[0]}`, {than}{_effort(reader, pair[0])}'
    for own in used:
        for metric, about in reader.plan['tables'][own].get('also', {}).items():
            found = {
                row: spread([*reader.values(pair[0], metric).values()])
                for row, pair in pairs.items()
                if pair and pair[0].startswith(f'{own}.')
            }
            told = ', '.join(f'{row} {text}' for row, text in found.items() if text)
            yield f'- {about}: {told or "open"}'
    marked = {(item.row, item.column): _cell(item) for item in items}
    rows, columns = [row.name for row in table.rows], [*table.columns]
    turned = len(columns) > len(rows)  # so that wide ones can be read
    lines = [['', *(rows if turned else columns)]]
    for name in columns if turned else rows:
        places = [(row, name) for row in rows] if turned else [(name, one) for one in columns]
        lines.append([name, *(marked.get(place, '') for place in places)])
    yield from ('', *table_lines(lines, names=True))


def _own_lines(reader: Reader) -> Iterator[str]:
    """Yield what no paper prints: shares of headrooms, and differences of the plan."""
    yield from ('', '## Beside the papers', '')
    rooms = {
        name: room for name, room in reader.plan.get('headroom', {}).items() if 'closed' in room
    }
    columns = [*dict.fromkeys(title for room in rooms.values() for title in room['closed'])]
    rows = [['scenario', 'metric', 'headroom', *columns]]
    reached: dict[str, list[bool]] = {title: [] for title in columns if title != ADABN}
    for name, room in rooms.items():
        shares = {}
        for metric, title in SHOWN.items():
            closed = {by: reader.closed(name, row, metric) for by, row in room['closed'].items()}
            found = reader.headroom(name, metric)
            shown = [_share(one) for one in (found, *(closed.get(by) for by in columns))]
            rows.append([name, title, *shown])
            shares[metric] = closed
        than, gains = shares[SCALED][ADABN], (reader.headroom(name) or 0) >= LEAST_HEADROOM
        for by, share in shares[SCALED].items():
            log = shares[LOG][by]
            if by != ADABN and share is not None and log is not None and than is not None:
                least = min(share, log)
                reached[by].append(gains and least >= LEAST_CLOSED and share > than)
    counts = ', '.join(f'{by} in {sum(one)} of {len(one)}' for by, one in reached.items())
    yield from table_lines(rows, names=True)
    yield from (
        '',
        'Headroom: how far labels of the target lower the error below that of the better network '
        'of the source alone. Columns are the shares of it that a method gains; below 0 it is '
        'worse than that network. To close '
        f'{LEAST_CLOSED:.0%} or more in scaled AbsRel and in RMSE log where the headroom is '
        f'{LEAST_HEADROOM:.0%} or more, and more than AdaBN of a network of as many steps: '
        f'{counts} scenarios that were run (aim of BiCross: lens and fog).',
        *(line for cause in reader.plan.get('causes', []) for line in ('', cause)),
        '',
    )
    found = [
        [one['about'], reader.difference(one).strip(' /')] for one in reader.plan.get('ours', [])
    ]
    yield from table_lines([['difference', 'found'], *found], names=True)


def _share(value: float | None) -> str:
    return 'open' if value is None else f'{round(value, 2) + 0:.0%}'  # no -0%


def _effort(reader: Reader, where: str) -> str:
    """Describe what the results of a row took, and of how many states of code or machines."""
    stale = reader.stale(where)
    old = f'; of other settings, not used: seeds {", ".join(stale)}' if stale else ''
    found = [*reader.seeds(where).values()]
    if not found:
        return old
    hours: dict[str, float] = {}
    for one in found:
        gpu = re.sub(r'^CPU, [^,]*(, )?', '', one['device'])
        where = f' beside {gpu}' if gpu else ''
        hours[where] = hours.get(where, 0) + one['core_seconds'] / 3600
    spent = ', '.join(f'{number:.2g} core-hours{where}' for where, number in hours.items())
    origins = {(one['commit'], one['device']) for one in found}
    mixed = '' if len(origins) == 1 else ', of several commits or devices'
    return f'; {spent}{mixed}{old}'


def _cell(item: Item) -> str:
    ours = spread([*item.ours.values()])
    return f'{item.printed:g}{ours and f" / {ours}"}\N{NO-BREAK SPACE}{MARKS[item.verdict]}'
