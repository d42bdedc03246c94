# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Page of what papers print, and what of it holds; see ``papers.py``."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

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
from spike_training.tables.paper import Paper

LEAST_CLOSED = 0.5
"""Share of a headroom that BiCross is to close."""

LOG = 'rmse_log'

SHOWN = {
    RAW: 'AbsRel',
    LOG: 'RMSE log',
    'scaled_rmse_log': 'median-scaled RMSE log',
    SCALED: 'median-scaled AbsRel',
}
"""Metrics of closed headrooms; median-scaled AbsRel and RMSE log decide.

AbsRel punishes depth that is too far more than depth that is too near, RMSE log does not.
"""

ADABN = 'AdaBN'
"""Title in the plan of what BiCross is to close more than."""


def csv_text(items: list[Item]) -> str:
    """Format the numbers as docs/evidence/papers.csv."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator='\n')
    writer.writerow(
        ['paper', 'table', 'row', 'metric', 'printed', 'ours by seed', 'verdict', 'note']
    )
    for item in items:
        ours = ' '.join(f'{seed}:{value:g}' for seed, value in item.ours.items())
        writer.writerow([*item[:4], f'{item.printed:g}', ours, item.verdict, item.note])
    return file.getvalue()


def page(reader: Reader, read: Mapping[str, Paper], items: list[Item], head: str) -> str:
    """Format the page: verdicts, each paper, what no paper prints, the tables of ours."""
    counts = Counter((item.verdict, item.paper) for item in items)
    said = reader.plan['verdicts']
    rows = [['mark', 'verdict', *read]]
    for verdict, mark in MARKS.items():
        numbers = [str(counts[verdict, name]) for name in read]
        rows.append([mark, f'{verdict}: {said[verdict]}', *numbers])
    lines = [head.rstrip(), '', *_generated(table_lines(rows, names=True))]
    for name, paper in read.items():
        lines += ['', f'## {paper.cited}: {paper.title} (`{name}`)', '']
        if report := reader.plan.get('reports', {}).get(name, ''):
            lines += [report.rstrip(), '']
        own = [one for one in items if one.paper == name]
        lines += _generated(_paper_lines(reader, name, paper, own))
    lines += ['', '## Beside the papers', '', *_generated(_closed_lines(reader)), '']
    lines += [reader.plan.get('causes', '').rstrip(), '', *_generated(_found_lines(reader))]
    lines += ['', '## Tables that stand in', '', *_generated(_trained_lines(reader))]
    return '\n'.join(lines) + '\n'


def _generated(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines between marks, so that scripts/read_pages.py does not count their words."""
    yield from ('<!-- rows of benchmarks.papers -->', *lines, '<!-- end of rows -->')


def _paper_lines(reader: Reader, name: str, paper: Paper, items: list[Item]) -> Iterator[str]:
    """Yield the rows of ours beside the printed ones, claims, and what is open or missing."""
    plan = reader.plan['papers'][name]
    pairs = {
        (table.number, row.name): pair
        for table in paper.tables
        for row in table.rows
        if (pair := Reader.pair(plan[table.number], row.name))
    }
    cells = {(one.table, one.row, one.column): _cell(one) for one in items if one.ours}
    trained = {
        place: pair
        for place, pair in pairs.items()
        if reader.stale(pair[0]) or any(key[:2] == place for key in cells)
    }
    if trained:
        yield from _row_lines(reader, paper, trained, cells)
    claims = list(_claims(reader, name, paper))
    if found := [[*claim[:2], claim[2].lstrip(' /')] for claim in claims if ' / ' in claim[2]]:
        head = ['place', 'what the paper states', 'printed / difference here']
        yield from (*table_lines([head, *found], names=True), '')
    yield from _headroom_lines(reader, name, pairs)
    for own in dict.fromkeys(pair[0].partition('.')[0] for pair in pairs.values()):
        for metric, about in reader.plan['tables'][own].get('also', {}).items():
            known = {
                place[1]: spread([*reader.values(pair[0], metric).values()])
                for place, pair in pairs.items()
                if pair[0].startswith(f'{own}.')
            }
            told = ', '.join(f'{row} {text}' for row, text in known.items() if text)
            yield f'- {about}: {told or "open"}'
    left: dict[str, list[str]] = {}
    for number, row in pairs.keys() - trained.keys():
        left.setdefault(number, []).append(row)
    for number in filter(left.get, plan):
        known = [row for row in plan[number]['rows'] if row in left[number]]
        rows = 'all rows' if len(known) == len(plan[number]['rows']) else ', '.join(known)
        yield f'- Open in Table {number}: {rows}'
    if waiting := dict.fromkeys(claim[0] for claim in claims if ' / ' not in claim[2]):
        yield f'- Open statements and figures: {"; ".join(waiting)}'
    missing = ((number, given['missing']) for number, given in plan.items() if 'missing' in given)
    yield from (f'- Missing for Table {number}: {what}' for number, what in missing)


def _row_lines(
    reader: Reader,
    paper: Paper,
    trained: Mapping[tuple[str, str], tuple[str, str, str]],
    cells: Mapping[tuple[str, str, str], str],
) -> Iterator[str]:
    numbers = dict.fromkeys(number for number, _ in trained)
    shown = {
        column: title
        for column, title in paper.titles([*numbers]).items()
        if any(key[2] == column for key in cells)
    }
    of_data = {column: title for column, title in shown.items() if title.startswith(f'{column}: ')}
    heads = [column if column in of_data else title for column, title in shown.items()]
    rows: list[list[str]] = [['table', 'row', 'ours', 'compared with', *heads, 'core-hours']]
    for (number, row), (own, than, other) in trained.items():
        against = '' if own == other and row == than else f'`{other}`'
        values = [cells.get((number, row, column), '') for column in shown]
        rows.append([number, row, f'`{own}`', against, *values, _effort(reader, own)])
    yield from (*table_lines(rows, names=True), '')
    if units := {title.removeprefix(f'{column}: ') for column, title in of_data.items()}:
        yield from (f'Columns that name data: {"; ".join(sorted(units))}.', '')


def _claims(reader: Reader, name: str, paper: Paper) -> Iterator[list[str]]:
    """Yield place, text and numbers of what a paper says of a difference, with what is found."""
    said = [(f'Figure {one.number}', one) for one in paper.figures]
    said += [(one.place, one) for one in paper.statements]  # type: ignore[misc]
    for place, one in said:
        numbers = ', '.join(
            f'{value.name} {value.value:g} {value.unit}'.strip() + found
            for value in one.values
            if (found := reader.said(name, place, value.name))
        )
        numbers = numbers or reader.said(name, place, '')
        if numbers:
            yield [place, one.about, numbers]


def _headroom_lines(
    reader: Reader, name: str, pairs: Mapping[tuple[str, str], tuple[str, str, str]]
) -> Iterator[str]:
    rooms: dict[str, tuple[list[str], dict[str, float]]] = {}
    for number, given in reader.plan['papers'][name].items():
        for room, rows in given.get('headroom', {}).items():
            tables, shares = rooms.setdefault(room, ([], {}))
            tables.append(number)
            for row in rows:
                share = reader.closed(room, pairs[number, row][0])
                if row != given['against'] and share is not None:
                    shares[row] = share
    for room, (tables, shares) in rooms.items():
        closed = ', '.join(f'{row} {share:.0%}' for row, share in shares.items())
        raw = reader.headroom(room, RAW)
        yield (
            f'- Headroom in median-scaled AbsRel, {room} (Table {", ".join(tables)}): '
            + _share(reader.headroom(room))
            + (f', in AbsRel {_share(raw)}' if raw is not None else '')
            + (f'; closed of the former: {closed}' if closed else '')
        )


def _trained_lines(reader: Reader) -> Iterator[str]:
    """Yield what the tables of ours are trained and tested on."""
    rows = [['table', 'trained and tested on', 'test images', 'seeds', 'core-hours']]
    for name, facts in reader.plan['tables'].items():
        seeds = ', '.join(map(str, facts['seeds']))
        options = f' with `{facts["options"]}`' if 'options' in facts else ''
        own = f'`{name}`{options}'
        rows.append([own, facts['stand_in'], facts['images'], seeds, f'{facts["hours"]:g}'])
    yield from table_lines(rows, names=True)


def _closed_lines(reader: Reader) -> Iterator[str]:
    """Yield which methods close how much of the headrooms, and the aim of BiCross."""
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
    counts = [f'{sum(reached[by])} of {len(reached[by])}' for by in columns if by != ADABN]
    rows.append(['scenarios', 'aim is reached', '', *counts, ''])
    yield from table_lines(rows, names=True)
    yield from (
        '',
        'Headroom: how far labels of the target lower the error below that of the better network '
        'of the source alone. A column is the fraction of it that a method closes; below 0 the '
        'method is worse than that network.',
        '',
        f'The aim of BiCross, for lens and fog, is {LEAST_CLOSED:.0%} or more of the headroom in '
        'median-scaled AbsRel and in RMSE log. It is also to be more than what AdaBN closes '
        f'after as many steps. It counts where the headroom is {LEAST_HEADROOM:.0%} or more.',
    )


def _found_lines(reader: Reader) -> Iterator[str]:
    """Yield the differences of the plan that no paper prints."""
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
    hours: dict[str, float] = {}
    for one in found:
        gpu = re.sub(r'^CPU, [^,]*(, )?', '', one['device'])
        beside = f' beside {gpu}' if gpu else ''
        hours[beside] = hours.get(beside, 0) + one['core_seconds'] / 3600
    spent = ', '.join(f'{number:.2g}{beside}' for beside, number in hours.items())
    mixed = len({(one['commit'], one['device']) for one in found}) > 1
    return f'{spent}{"*" if mixed else ""}{old}'.removeprefix('; ')


def _cell(item: Item) -> str:
    ours = spread([*item.ours.values()])
    return f'{item.printed:g}{ours and f" / {ours}"}\N{NO-BREAK SPACE}{MARKS[item.verdict]}'
