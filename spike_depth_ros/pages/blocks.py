# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Blocks that pages are made of: texts, tables, figures; a renderer each for what shows them.

A page is a list of blocks. :mod:`.html` makes one self-contained file of it, :mod:`.terminal`
prints tables, :mod:`.markdown` writes the lines of a file.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple


class Link(NamedTuple):
    """Cell of a table that refers to a file.

    Attributes:
        text: What is shown.
        href: The file, from the folder of the page.
        hash: Its SHA-256, below.
    """

    text: str
    href: str
    hash: str = ''


Cell = str | Sequence[str] | Link
"""Cell of a table; a sequence has small print below its first text."""


@dataclasses.dataclass(frozen=True)
class Text:
    """Paragraph.

    Attributes:
        text: The text.
        look: ``quiet``: an explanation; ``bold``: a verdict; ``code``: a command.
        link: File that it refers to at its end, from the folder of the page.
    """

    FORM: ClassVar = 'text'
    text: str
    look: Literal['plain', 'quiet', 'bold', 'code'] = 'plain'
    link: str = ''


@dataclasses.dataclass(frozen=True)
class Table:
    """Table.

    Attributes:
        header: Titles of the columns.
        rows: Cells of each row.
        title: Title above it.
        names: True if columns hold texts, which may break.
        caption: Explanation below it.
    """

    FORM: ClassVar = 'table'
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    title: str = ''
    names: bool = False
    caption: str = ''


@dataclasses.dataclass(frozen=True)
class Items:
    """List of sentences."""

    FORM: ClassVar = 'items'
    items: Sequence[str]


class Figure(NamedTuple):
    """Chart or picture.

    Attributes:
        title: Title above it.
        svg: The chart; empty: a picture.
        source: Source of the picture: a data URI, or a file.
        text: Explanation below it.
        href: File that the picture is a link to; empty: none.
    """

    title: str
    svg: str = ''
    source: str = ''
    text: str = ''
    href: str = ''


@dataclasses.dataclass(frozen=True)
class Figures:
    """Figures side by side, as many as fit.

    Attributes:
        figures: The figures.
        size: ``charts``, ``panels``: of one window; ``wide``: each as wide as it is.
        title: Title above them.
    """

    FORM: ClassVar = 'figures'
    figures: Sequence[Figure]
    size: Literal['charts', 'panels', 'wide'] = 'charts'
    title: str = ''


Block = Text | Table | Figures | Items


@dataclasses.dataclass(frozen=True)
class Section:
    """Part of a page.

    Attributes:
        title: Its title.
        blocks: What is in it; a text is a title of its own.
        small: True if its charts and panels are small.
    """

    title: str
    blocks: Sequence[Block | str]
    small: bool = False


@dataclasses.dataclass(frozen=True)
class Page:
    """Page.

    Attributes:
        title: Its title.
        subtitle: What it is of.
        sections: Its parts.
        tiles: Name and value of the most important results.
        warnings: Sentences to mind.
        lead: Texts between title and subtitle.
    """

    title: str
    subtitle: str
    sections: Sequence[Section]
    tiles: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()
    lead: Sequence[Text] = ()


def plain(cell: Cell) -> str:
    """Return the text of a cell without small print."""
    if isinstance(cell, str):
        return cell
    return cell.text if isinstance(cell, Link) else cell[0]


def number(value: float | None, form: str = '.3f') -> str:
    """Format a number for a table; a dash for None, NaN and infinities."""
    return format(value, form) if value is not None and math.isfinite(value) else '–'


def numbers(metrics: Mapping[str, float | None], names: Iterable[str]) -> list[str]:
    """Format some metrics."""
    return [number(metrics[name]) for name in names]


def percent(value: float | None) -> str:
    """Format a share, 0 to 1, in percent; a dash for None, NaN and infinities."""
    return f'{100 * value:.1f} %' if value is not None and math.isfinite(value) else '–'
