# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Doing what a table needs, by any number of processes at once.

Processes share a folder and nothing else. A unit is worked on by the process that holds the lock
of its folder; the kernel takes that from a process that dies, however it dies, and another one
goes on from the newest checkpoint.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

from spike_depth_ros.checkpoint import write_atomically
from spike_training.errors import one_line
from spike_training.parent import end_with_parent
from spike_training.tables.plan import load_table
from spike_training.tables.units import Scoring, Unit, units_of

LOCK = 'lock'
FAILED = 'failed.json'

POLL_S = 1.0
"""Between two looks at what other processes have done."""

GRACE_S = 1.0
"""For processes that are interrupted together with this one, to say so in their records."""


@dataclasses.dataclass(frozen=True)
class Part:
    """What of a table shall be done.

    Attributes:
        config: File of the table.
        cache: Folder of the units' folders.
        rows: Names of rows.
        seeds: Some of the table's.
    """

    config: Path
    cache: Path
    rows: tuple[str, ...]
    seeds: tuple[int, ...]

    def units(self) -> list[Unit]:
        """All that it needs, each once; see :func:`in_order`."""
        table = load_table(self.config)
        rows = [row for row in table.rows if row.settings.name in self.rows and row.config.stages]
        # The baseline is scored along with the row that differences are to.
        if any(row.settings.name in self.rows and not row.config.stages for row in table.rows):
            reference = table.settings.reference
            rows += [row for row in table.rows if row.settings.name == reference]
        return in_order([units_of(row, seed, self.cache) for seed in self.seeds for row in rows])


def in_order(wanted: Sequence[Scoring]) -> list[Unit]:
    """What some figures need, and they themselves, in the order in which it is best begun.

    One seed after the other; in each the stages first that most steps still follow after.
    """
    units: dict[Path, Unit] = {}
    behind: dict[Path, int] = {}
    for scoring in wanted:
        left = 0
        for unit in (scoring, *reversed(scoring.needs)):
            units.setdefault(unit.folder, unit)
            left += unit.steps
            behind[unit.folder] = max(behind.get(unit.folder, 0), left)
    seeds = [*dict.fromkeys(unit.config.seed for unit in wanted)]
    return sorted(
        units.values(),
        key=lambda unit: (seeds.index(unit.config.seed), -behind[unit.folder]),
    )


def work(units: Sequence[Unit]) -> None:
    """Does what is not done, beside other processes, until nothing is left to do.

    A unit that fails is left out, and so is all that needs it: see :func:`failure`.
    """
    began = time.time()
    pending = [*units]
    waiting = False
    while pending:
        pending = [unit for unit in pending if not unit.done and not _hopeless(unit, began)]
        if any(_try(unit, began) for unit in pending if all(need.done for need in unit.needs)):
            waiting = False
            continue
        if pending:
            if not waiting:
                print(f'waiting for others, who work on what {len(pending)} more need', flush=True)
            waiting = True
            time.sleep(POLL_S)


def _try(unit: Unit, began: float) -> bool:
    """Does a unit if no other process is at it; whether it was that one that did it."""
    with claimed(unit.folder) as mine:
        # Another process may have been at it until just now.
        if not mine or unit.done or _hopeless(unit, began):
            return False
        print(unit.describe(), flush=True)
        try:
            unit.work()
        # Of training: not finite, damaged files, too little memory. A mistake in the code would
        # be another exception, and ends the process.
        except (RuntimeError, ValueError) as error:
            reason = one_line(error)
            write_atomically(unit.folder / FAILED, json.dumps({'reason': reason}).encode())
            print(f'{unit.describe()}: failed: {reason}', file=sys.stderr, flush=True)
        return True


@contextmanager
def claimed(folder: Path) -> Iterator[bool]:
    """Whether a folder is this process's alone, within the context."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open('a') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True  # closing the file ends the claim


def failure(unit: Unit, since: float = 0.0) -> str | None:
    """Why a unit, or one that it needs, could not be done; None where nothing failed.

    Args:
        unit: One that is not done.
        since: Failures before that time, seconds since 1970, do not count.
    """
    for part in (*unit.needs, unit):
        path = part.folder / FAILED
        try:
            if not part.done and path.stat().st_mtime >= since:
                reason: str = json.loads(path.read_text(encoding='utf-8'))['reason']
                return f'{part.describe()}: {reason}'
        except FileNotFoundError:
            continue
    return None


def _hopeless(unit: Unit, began: float) -> bool:
    return failure(unit, began) is not None


def work_in_processes(part: Part, jobs: int, logs: Path) -> None:
    """Has a part done by processes of its own, and shows how far they are.

    Args:
        part: Of a table.
        jobs: How many.
        logs: Folder of what they print, a file each.
    """
    units = part.units()
    logs.mkdir(parents=True, exist_ok=True)
    # Not forked: CUDA would not work in a copy of a process that has used it. No daemons: these
    # could have no processes that draw scenes.
    start = multiprocessing.get_context('spawn')
    processes = [
        start.Process(target=_job, args=(part, logs / f'job_{k}.log')) for k in range(jobs)
    ]
    try:
        for process in processes:
            process.start()
        _watch(processes, units)
    finally:
        for process in processes:
            if process.pid is not None:
                process.join(GRACE_S)
                process.terminate()
    for k, process in enumerate(processes):
        if process.exitcode:
            print(f'job {k} ended with status {process.exitcode}: see {logs}/job_{k}.log')


def _watch(processes: Sequence[BaseProcess], units: Sequence[Unit]) -> None:
    """Says what is done, until all processes have ended."""
    shown: set[Path] = set()
    while True:
        alive = any(process.is_alive() for process in processes)
        for unit in units:
            if unit.folder not in shown and unit.done:
                shown.add(unit.folder)
                print(f'{len(shown)} of {len(units)}: {unit.describe()}', flush=True)
        if not alive:
            break
        time.sleep(POLL_S)


def _job(part: Part, log: Path) -> None:
    """One of the processes."""
    end_with_parent()
    with log.open('a', encoding='utf-8') as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        work(part.units())
    except KeyboardInterrupt:
        sys.exit(130)  # the parent says so
