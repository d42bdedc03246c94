# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Simulation on the workers of a dask cluster."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import Any

from spike_training.errors import ConfigError, DataSetError, one_line
from spike_training.simulation.windows import Skipped, Task, run_task

_CONNECT_S = 10


def run_on_cluster(tasks: Sequence[Task], address: str) -> Iterator[tuple[int, Skipped]]:
    """Run tasks on the workers of a cluster.

    Args:
        tasks: What to simulate.
        address: Of the scheduler.

    Yields:
        What :func:`run_task` returns, as it is ready.

    Raises:
        ConfigError: dask is missing, or no scheduler is there.
        DataSetError: Workers died, or a task failed.
    """
    try:
        distributed: Any = importlib.import_module('distributed')
    except ImportError as error:
        raise ConfigError(f'--scheduler needs dask: pip install distributed ({error})') from error
    try:
        client = distributed.Client(address, timeout=_CONNECT_S)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f'scheduler is {address!r}: no dask scheduler answers there '
            f'({one_line(error)}); start one with dask scheduler'
        ) from error
    with client:
        futures = client.map(run_task, tasks, pure=False)
        try:
            for future in distributed.as_completed(futures):
                yield future.result()
        except distributed.KilledWorker as error:
            raise DataSetError(
                f'workers of {address} died ({one_line(error)}): have they enough '
                'memory? What is done is kept; run the same command again'
            ) from error
        finally:
            client.cancel(futures)
