# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Progress of commands that take a while, on a terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextlib.contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a number on standard error and, where its total is known, the remaining time.

    Args:
        what: What is counted, in the plural.
        total: Its total; None: not known.

    Yields:
        Function that adds to the number.
    """
    console = Console(stderr=True)
    known = () if total is None else (TextColumn('of {task.total}'), TimeRemainingColumn())
    columns = (TextColumn(f'{{task.completed}} {what}'), *known, TimeElapsedColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=total)
        yield lambda number: bar.advance(task, number)
