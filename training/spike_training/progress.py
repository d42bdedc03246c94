# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Progress bar of long commands, shown on terminals only."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

T = TypeVar('T')


def progress_bar() -> Progress:
    """Return a transient progress bar on standard error, disabled if that is no terminal."""
    return Progress(
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn('left'),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )


def tracked(items: Iterable[T], title: str, total: int) -> Iterator[T]:
    """Yield items, and count them in a progress bar.

    Args:
        items: The items.
        title: What is done with them.
        total: Number of the items, at most.
    """
    with progress_bar() as bar:
        task = bar.add_task(title, total=total)
        for item in items:
            yield item
            bar.advance(task)
