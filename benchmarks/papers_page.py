# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Page of what papers print, and what of it holds; see ``papers.py``."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping

from benchmarks.papers_verdicts import MARKS, Item, Reader, spread
from spike_training.tables.paper import Paper, PrintedTable


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
            numbers = ', '.join(
                f'{value.name} {value.value:g} {value.unit}'.strip()
                + reader.said(name, place, value.name)
                for value in one.values
            )
            numbers = numbers or reader.said(name, place, '').strip(' /')
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
    ours = spread([*item.ours.values()])
    return f'{item.printed:g}{ours and f" / {ours}"} {MARKS[item.verdict]}'
