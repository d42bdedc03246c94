# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``table``: training and evaluation of the rows of a table."""

from __future__ import annotations

from pathlib import Path

from spike_depth_ros.base.cli import checked
from spike_depth_ros.base.results import write_atomically
from spike_depth_ros.base.values import Count
from spike_training.dask_client import connect
from spike_training.disk import make_folder
from spike_training.errors import ConfigError, TrainingError
from spike_training.settings.config import listed
from spike_training.tables.settings import TableConfig, unknown

CACHE = 'stages'


@checked(ConfigError)
def table(
    config: Path,
    out: Path,
    rows: str = '',
    seeds: str = '',
    jobs: Count = 1,
    scheduler: str = '',
    cache: Path | None = None,
    train: bool = True,
    maps: Path | None = None,
) -> None:
    """Train the rows of a table with its seeds, and print them side by side.

    Stages that rows share are trained once. Completed stages and scores, of this or another run,
    are reused: run the same command again to resume. OUT/table.md and OUT/table.json contain the
    table with all results so far; incomplete rows are marked. OUT/results.json has the results of
    each seed in few bytes, to be committed.

    Args:
        config: Config of the table, see training/configs/tables.
        out: Folder of the table; made if missing.
        rows: Names of the rows to train, separated by commas; all if none are given.
        seeds: The seeds to train with, some of the table's, separated by commas; all if none are
            given.
        jobs: Stages to train at the same time. Above 1, each in a process of its own, which
            prints to log.txt in the stage's folder.
        scheduler: Address of a dask cluster to train on, such as tcp://node7:8786; its workers
            need data and cache under the same paths.
        cache: Folder of stages and scores; OUT/stages if not given. Tables with the same cache
            share their stages.
        train: false: train nothing, print existing results.
        maps: Folder of depth maps that networks of the task upsample are scored on, too, as for
            evaluate. Existing scores without it are not used.

    Raises:
        ConfigError: The settings are wrong, dask is missing or cannot be used, or the folder
            cannot be made.
        DataSetError: Recordings or maps cannot be used.
        TrainingError: At least one stage or scoring failed.
    """
    from spike_depth_ros.pages.markdown import markdown
    from spike_training.evaluation.report import to_json
    from spike_training.tables.metrics import collect
    from spike_training.tables.pages import page_of
    from spike_training.tables.plan import load_table
    from spike_training.tables.results import encode, results_of
    from spike_training.tables.work import check_units, select_units, work, work_on_cluster

    planned = load_table(config, maps)
    chosen = _chosen(planned.settings, rows, seeds, jobs, scheduler)
    make_folder(out)
    cache = (cache or out / CACHE).absolute()
    make_folder(cache)
    units = select_units(planned, *chosen, cache)
    left = [unit for unit in units if not unit.done] if train else []
    check_units(left)
    try:
        if left and (scheduler or jobs > 1):
            with connect(scheduler, min(jobs, len(left))) as client:
                work_on_cluster(left, client)
        else:
            work(left)
    finally:
        # Also after an interruption.
        page = page_of(planned, collect(planned, cache))
        write_atomically(out / 'table.md', markdown(page.page()).encode())
        write_atomically(out / 'table.json', to_json(page.to_json()))
        write_atomically(out / 'results.json', encode(results_of(page)))
    page.show()
    print(f'{out / "table.md"}: the table; {out / "table.json"}: its metrics, by seed')
    if missing := [unit for unit in left if not unit.done]:
        raise TrainingError(f'{len(missing)} of the table could not be done, see above')


def _chosen(
    settings: TableConfig, rows: str, seeds: str, jobs: int, scheduler: str
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the rows and seeds to train."""
    names = [row.name for row in settings.rows]
    known = [str(seed) for seed in settings.seeds]
    chosen, numbers = _list(rows) or names, _list(seeds) or known
    expected = f'expected some of {", ".join(known)}'
    problems = [
        f'rows has {n!r}: {unknown(n, names, "names of rows")}' for n in chosen if n not in names
    ]
    problems += [f'seeds has {seed!r}: {expected}' for seed in numbers if seed not in known]
    for name, values in (('rows', chosen), ('seeds', numbers)):
        if len({*values}) < len(values):
            problems.append(f'{name} is {",".join(values)}: expected each once')
    if jobs > 1 and scheduler:
        problems.append(f'jobs is {jobs}: expected none with scheduler, whose workers train')
    if problems:
        raise ConfigError(listed(problems))
    return tuple(chosen), tuple(int(seed) for seed in numbers)


def _list(text: str) -> list[str]:
    return [name.strip() for name in text.split(',') if name.strip()]
