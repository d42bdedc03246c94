# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Connections to dask clusters: one at an address, or processes of this machine."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from spike_training.errors import ConfigError, one_line

_CONNECT_S = 10

_CONFIG = {'distributed.worker.daemon': False}


def import_distributed() -> Any:
    """Import dask's scheduler.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        return importlib.import_module('distributed')
    except ImportError as error:
        raise ConfigError(
            f'dask is missing ({error}), expected for --scheduler or several --jobs: '
            'pip install distributed'
        ) from error


@contextmanager
def connect(address: str, workers: int = 1) -> Iterator[Any]:
    """Yield a ``distributed.Client`` of a cluster.

    Args:
        address: Of its scheduler; empty: processes of this machine, which end with the context.
        workers: Number of those processes. Each does one task at a time and may start processes;
            one that dies is replaced.

    Raises:
        ConfigError: dask is missing, or no scheduler is there.
    """
    distributed = import_distributed()
    local = {
        'n_workers': workers,
        'threads_per_worker': 1,
        'host': '127.0.0.1',
        'dashboard_address': '127.0.0.1:0',
        'memory_limit': 0,  # dask would pause and end processes that use much
        'silence_logs': logging.CRITICAL,
    }
    with importlib.import_module('dask.config').set(_CONFIG):
        try:
            client = distributed.Client(
                address or None, timeout=_CONNECT_S, **({} if address else local)
            )
        except (OSError, ValueError) as error:
            raise ConfigError(
                f'scheduler is {address!r}: no dask scheduler answers there '
                f'({one_line(error)}); start one with dask scheduler'
            ) from error
        with client:
            yield client
