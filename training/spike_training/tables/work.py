# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training and scoring of a table's units, in this process or as tasks of dask.

A unit is locked while a process works on it, so that two processes never write to one folder: runs
that share a cache, or a worker that dask has given up and its replacement. The kernel unlocks the
unit of a process that dies; the next process resumes it from the newest checkpoint.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from spike_depth_ros.base.locks import lock_folder
from spike_depth_ros.base.results import write_atomically
from spike_training.dask_client import import_distributed
from spike_training.errors import ConfigError, DataSetError, TrainingError, one_line
from spike_training.run_data.recordings import check_recordings
from spike_training.settings.config import DataConfig
from spike_training.tables.plan import Table
from spike_training.tables.units import Scoring, Unit, units_of

FAILED = 'failed.json'

LOG = 'log.txt'
"""File of the output of a unit that a worker of dask runs."""


class UnitError(TrainingError):
    """Failure of a unit; the message names it."""


def select_units(
    table: Table, rows: Collection[str], seeds: Sequence[int], cache: Path
) -> list[Unit]:
    """Return all units of some rows and seeds, seed by seed; see :func:`in_order`.

    Args:
        table: The table.
        rows: Names of the rows.
        seeds: Seeds of the table to include.
        cache: Folder of the units' folders.
    """
    chosen = [row for row in table.rows if row.settings.name in rows and row.config.stages]
    # The baseline is scored in the reports of the reference row.
    if any(row.settings.name in rows and not row.config.stages for row in table.rows):
        reference = table.settings.reference
        chosen += [row for row in table.rows if row.settings.name == reference]
    return [
        unit for seed in seeds for unit in in_order([units_of(row, seed, cache) for row in chosen])
    ]


def in_order(wanted: Sequence[Scoring]) -> list[Unit]:
    """Return scorings and the units that they need, each once, in the order of execution.

    Trainings with the most steps left, their own included, come first. A network is scored as soon
    as it is trained, so that a table that is stopped has the figures of all that is trained.
    """
    trainings: dict[Path, Unit] = {}
    left: dict[Path, int] = {}
    for scoring in wanted:
        for k, unit in enumerate(scoring.needs):
            trainings[unit.folder] = unit
            steps = sum(later.steps for later in scoring.needs[k:])
            left[unit.folder] = max(left.get(unit.folder, 0), steps)
    order = sorted(trainings, key=lambda folder: -left[folder])
    place: dict[Path, float] = {folder: k for k, folder in enumerate(order)}
    for scoring in wanted:
        place[scoring.folder] = max(place[unit.folder] for unit in scoring.needs) + 0.5
    units = trainings | {scoring.folder: scoring for scoring in wanted}
    return sorted(units.values(), key=lambda unit: place[unit.folder])


def check_units(units: Sequence[Unit]) -> None:
    """Refuse recordings of units that cannot be used, before any unit is run.

    Raises:
        DataSetError: One of them cannot be used.
    """
    checked: list[tuple[DataConfig, DataConfig | None]] = []
    for unit in units:
        domains = unit.config.data, unit.config.target_data
        if domains not in checked:
            checked.append(domains)
            try:
                check_recordings(*domains)
            except DataSetError as error:
                raise DataSetError(f'{unit.describe()}: {error}') from error


def work(units: Sequence[Unit]) -> None:
    """Run units in this process, one after the other.

    Units that need a failed unit are skipped: see :func:`failure`.

    Args:
        units: Units, each after those that it needs.
    """
    for unit in units:
        if all(need.done for need in unit.needs):
            try:
                run_unit(unit)
            except UnitError as error:
                print(error, file=sys.stderr, flush=True)


def work_on_cluster(units: Sequence[Unit], client: Any) -> None:
    """Run units as tasks of dask, and print how many are done; otherwise like :func:`work`.

    Dask repeats the unit of a worker that dies; the unit then resumes.

    Args:
        units: Units, each after those that it needs; none is done.
        client: ``distributed.Client`` of the cluster.

    Raises:
        ConfigError: The scheduler or a worker cannot run units.
        TrainingError: The connection to the scheduler is lost.
    """
    distributed = import_distributed()
    print(f'{len(units)} units, {len(client.nthreads())} workers', flush=True)
    futures: dict[Path, Any] = {}
    for k, unit in enumerate(units):
        needs = [futures[need.folder] for need in unit.needs if need.folder in futures]
        futures[unit.folder] = client.submit(_task, unit, *needs, priority=-k, pure=False)
    by_key = {futures[unit.folder].key: unit for unit in units}
    shown: set[str] = set()
    done = 0
    try:
        for future in distributed.as_completed(futures.values()):
            # If a needed unit failed, the result is the error of that unit.
            try:
                future.result()
                done += 1
                line = f'{done} of {len(units)}: {by_key[future.key].describe()}'
            except UnitError as error:
                line = str(error)
            except distributed.KilledWorker as error:
                tries = error.allowed_failures + 1
                reason = f'its worker died (tries: {tries}): has it enough memory?'
                line = str(_fail(by_key[error.task], reason))
            except (ImportError, RuntimeError) as error:
                raise ConfigError(
                    f'scheduler or workers cannot load a task ({one_line(error)}): start them '
                    'with PYTHONPATH=.:training in a checkout like this one'
                ) from error
            if line not in shown:
                print(line, flush=True)
            shown.add(line)
    except CancelledError as error:
        raise TrainingError(
            f'no connection to {client.scheduler.address}: run the same command again once a '
            'scheduler answers there'
        ) from error
    except BaseException:
        if client.cluster is None:  # else its processes end with it
            _stop(client, [*futures.values()])
        raise


def _stop(client: Any, futures: Sequence[Any]) -> None:
    """Cancel tasks and restart the workers that run one, as dask alone lets them finish it."""
    keys = {future.key for future in futures if not future.done()}
    with suppress(ValueError, OSError):  # no nanny, which restarts them; or no scheduler any more
        processing = client.processing().items()
        client.cancel(futures)
        busy = [worker for worker, found in processing if keys.intersection(found)]
        client.restart_workers(busy, raise_for_error=False)


def _task(unit: Unit, *needs: None) -> None:
    """Run a unit on a worker of dask, after its needs."""
    worker = import_distributed().get_worker()
    cache = unit.folder.parent
    if worker.state.nthreads != 1 or multiprocessing.current_process().daemon:
        wrong = (
            'expected one thread, and a process that may start others; start it with '
            'DASK_DISTRIBUTED__WORKER__DAEMON=False dask worker --nthreads 1'
        )
    elif not cache.is_dir():
        wrong = f'{cache} is no folder there; expected paths to be the same on all machines'
    else:
        unit.folder.mkdir(exist_ok=True)
        with (
            (unit.folder / LOG).open('a', encoding='utf-8', buffering=1) as log,
            redirect_stdout(log),
            redirect_stderr(log),
        ):
            return run_unit(unit)
    raise ConfigError(f'worker {worker.address}: {wrong}')


def run_unit(unit: Unit) -> None:
    """Run or resume a unit, unless another process has completed it.

    Raises:
        UnitError: The unit failed.
    """
    with locked(unit.folder):
        if unit.done:
            return
        print(unit.describe(), flush=True)
        try:
            unit.work()
        # Errors of training: values that are not finite, damaged files, too little memory. Other
        # exceptions are errors of the code and end the run.
        except (RuntimeError, ValueError) as error:
            raise _fail(unit, one_line(error)) from error


def _fail(unit: Unit, reason: str) -> UnitError:
    """Record the cause of a unit's failure, for the table; return the error to raise."""
    unit.folder.mkdir(parents=True, exist_ok=True)
    write_atomically(unit.folder / FAILED, json.dumps({'reason': reason}).encode())
    return UnitError(f'{unit.describe()}: failed: {reason}')


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a unit's folder; wait while another process holds the lock."""
    message = f'{folder}: waiting for another process, which works there'
    with lock_folder(folder, wait=lambda: print(message, flush=True)):
        yield


def failure(unit: Unit) -> str | None:
    """Return the cause of failure of a unit or of one that it needs; None if nothing failed.

    Args:
        unit: Unit that is not done.
    """
    for part in (*unit.needs, unit):
        path = part.folder / FAILED
        if path.exists() and not part.done:
            return f'{part.describe()}: {json.loads(path.read_text(encoding="utf-8"))["reason"]}'
    return None
