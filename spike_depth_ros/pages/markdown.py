# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Page of blocks as Markdown, of texts, lists and tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spike_depth_ros.pages.blocks import Block, Items, Page, Table, Text, plain


def markdown(page: Page) -> str:
    """Return the content of a file."""
    lines = [f'# {page.title}', '', page.subtitle]
    for section in page.sections:
        if section.title:
            lines += ['', f'## {section.title}']
        for block in section.blocks:
            lines += ['', *([f'### {block}'] if isinstance(block, str) else _lines(block))]
    return '\n'.join(lines) + '\n'


def _lines(block: Block) -> Iterator[str]:
    if isinstance(block, Text):
        yield block.text
    elif isinstance(block, Items):
        yield from (f'- {one}' for one in block.items)
    elif isinstance(block, Table):
        if block.title:
            yield from (block.title, '')
        yield from table_lines(
            [block.header, *([*map(plain, row)] for row in block.rows)], block.names
        )
    else:
        raise TypeError(f'{type(block).__name__} has no form in Markdown')


def table_lines(rows: Sequence[Sequence[object]], names: bool = False) -> Iterator[str]:
    """Yield the lines of a table.

    Args:
        rows: Its cells; the first row is its header.
        names: True if the columns after the first one hold texts, too.
    """
    header, *body = rows
    yield f'| {" | ".join(map(str, header))} |'
    yield '|---|' + ('---|' if names else '---:|') * (len(header) - 1)
    for row in body:
        yield f'| {" | ".join(str(cell).replace("|", "/") for cell in row)} |'
