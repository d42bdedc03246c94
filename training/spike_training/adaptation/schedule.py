# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time and progress of an adaptation: its steps, and what is left of its minutes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from spike_training.errors import ConfigError
from spike_training.progress import progress_bar

LINES_S = 15.0
"""Seconds between two lines of a step where standard error is no terminal."""

EXPORT_S = 60.0
"""Duration of page and export on a busy machine, seconds; half of it is kept for them.

Only what is improved is exported: the end comes half of it early, or late.
"""

TOLERANCE = 0.2
"""Largest error of the duration, as a share of it."""

LEAST_S = EXPORT_S / 2 / TOLERANCE
"""Shortest duration whose error is within the tolerance, seconds."""

Advance = Callable[[], None]


class Schedule:
    """Time of an adaptation, from its start.

    Args:
        folder: Folder of the adaptation, which begins each line.
        minutes: Duration.
    """

    def __init__(self, folder: Path, minutes: float) -> None:
        self._folder, self._minutes = folder, minutes
        self._begin = time.monotonic()

    @property
    def left_s(self) -> float:
        """Seconds that are left, 0 or more."""
        return max(60 * self._minutes - (time.monotonic() - self._begin), 0.0)

    def check(self, least_s: float) -> None:
        """Refuse a duration that does not suffice.

        Args:
            least_s: Seconds that match and acceptance test need from now on.

        Raises:
            ConfigError: Less is left; the message has the least number of minutes.
        """
        if least_s > self.left_s:
            least = (time.monotonic() - self._begin + least_s) / 60
            raise ConfigError(
                f'minutes is {self._minutes:g}: expected {1.1 * least:.2g} or more, as match and '
                'acceptance test take about that long on this machine'
            )

    @contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Advance]:
        """Show a step while it runs, on terminals by a bar, else by lines.

        Args:
            name: What is done.
            total: Parts of it, at most; None: unknown.

        Yields:
            Function to call after each part.
        """
        done, told = 0, time.monotonic()
        print(f'{self._folder}: {name}; {self._left()}', flush=True)
        with progress_bar() as bar:
            task = bar.add_task(f'{name}; {self._left()};', total=total)

            def advance() -> None:
                nonlocal done, told
                done += 1
                bar.update(task, advance=1, description=f'{name}; {self._left()};')
                if bar.disable and time.monotonic() - told > LINES_S:
                    told = time.monotonic()
                    of = '' if total is None else f' of at most {total}'
                    print(f'{self._folder}: {name}, {done}{of}; {self._left()}', flush=True)

            yield advance

    def _left(self) -> str:
        return f'about {self.left_s / 60:.1f} min left'
