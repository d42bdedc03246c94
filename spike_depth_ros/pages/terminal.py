# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables on a terminal, or in the file that a command's output goes to."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Grid

from spike_depth_ros.pages.blocks import Table, plain

WIDTH = 100
"""Columns of characters that a table takes at most, but for one whose cells are longer; a terminal
may have fewer."""

_BORDER = 3
"""Characters between two columns."""


def print_table(table: Table) -> None:
    """Print a table: numbers to the right; what is too wide goes on below, texts are broken."""
    rows = [[plain(one) for one in row] for row in table.rows]
    columns = [[*cells] for cells in zip(table.header, *rows, strict=True)]
    most = min(WIDTH, shutil.get_terminal_size().columns) if sys.stdout.isatty() else WIDTH
    parts = [[*range(len(columns))]] if table.names else [*_parts(columns, most)]
    for k, part in enumerate(parts):
        grid = Grid(
            title=table.title if k == 0 else None,
            caption=(table.caption or None) if k == len(parts) - 1 else None,
            title_justify='left',
            caption_justify='left',
            show_header=any(table.header),
        )
        for number in part:
            left = number == 0 or table.names
            grid.add_column(
                columns[number][0],
                justify='left' if left else 'right',
                no_wrap=not table.names,
                overflow='fold',
            )
        for cells in zip(*(columns[number][1:] for number in part), strict=True):
            grid.add_row(*cells)
        # Names are not markup.
        own = max(most, 0 if table.names else _width(columns, part))
        Console(width=own, markup=False, highlight=False).print(grid)


def _parts(columns: Sequence[Sequence[str]], most: int) -> Iterator[list[int]]:
    """Yield the numbers of columns that fit side by side, the first column in all of them."""
    part = [0]
    for number in range(1, len(columns)):
        if len(part) > 1 and _width(columns, [*part, number]) > most:
            yield part
            part = [0]
        part.append(number)
    yield part


def _width(columns: Sequence[Sequence[str]], part: Sequence[int]) -> int:
    """Return the width of some columns, characters."""
    widths = [max(map(cell_len, columns[number])) for number in part]
    return sum(widths) + _BORDER * len(widths) + 1
