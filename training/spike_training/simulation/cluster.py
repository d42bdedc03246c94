# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Simulation on the workers of a dask cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spike_training.dask_client import connect, import_distributed
from spike_training.errors import DataSetError, one_line
from spike_training.simulation.windows import Skipped, Task, run_task


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
    with connect(address) as client:
        distributed = import_distributed()
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
