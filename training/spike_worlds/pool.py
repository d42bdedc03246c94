# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Generation of scenes of several styles, in this process or in a pool of processes."""

from __future__ import annotations

import multiprocessing
import signal
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor

import numpy as np

from spike_worlds.generator import SceneGenerator
from spike_worlds.parent import end_with_parent
from spike_worlds.scene import Scenes


def generate(generators: Sequence[SceneGenerator], numbers: Sequence[int]) -> Scenes:
    """Generate scenes by number: scene ``n`` is that of generator ``n % len(generators)``."""
    indices = np.asarray(numbers, np.int64)
    style = indices % len(generators)
    parts, rows = [], []
    for k, generator in enumerate(generators):
        chosen = np.flatnonzero(style == k)
        if len(chosen):
            parts.append(generator.batch(indices[chosen].tolist()))
            rows.append(chosen)
    return Scenes.concatenate(parts).take(np.argsort(np.concatenate(rows)))


class ScenePool:
    """Pool of processes that generate scenes before they are needed.

    A scene is a function of its number: neither the number of processes nor earlier requests
    change it.

    Args:
        generators: One per style.
        workers: Processes, 1 or more. They end with this object.
    """

    def __init__(self, generators: Sequence[SceneGenerator], workers: int) -> None:
        self._generators = tuple(generators)
        self.workers = workers
        # Not forked: a process that has a GPU, or threads, must not be.
        context = multiprocessing.get_context('spawn')
        self._executor = ProcessPoolExecutor(workers, context, initializer=_init_worker)
        weakref.finalize(self, self._executor.shutdown, wait=False, cancel_futures=True)
        self._futures: dict[tuple[int, ...], Future[Scenes]] = {}

    def generate(self, numbers: Sequence[int], upcoming: Iterator[Sequence[int]]) -> Scenes:
        """Generate scenes by number, and begin with later ones.

        Args:
            numbers: Scenes to return.
            upcoming: Expected later requests, endless; one more than there are processes is begun.
        """
        request = tuple(numbers)
        current = self._futures.pop(request, None) or self._submit(request)
        expected = [tuple(next(upcoming)) for _ in range(self.workers + 1)]
        for stale in self._futures.keys() - {*expected}:
            self._futures.pop(stale).cancel()
        for later in expected:
            if later not in self._futures:
                self._futures[later] = self._submit(later)
        return current.result()

    def _submit(self, request: tuple[int, ...]) -> Future[Scenes]:
        return self._executor.submit(generate, self._generators, request)


def _init_worker() -> None:
    """Leave Ctrl-C and a closed terminal to the parent, and end with a parent that is killed."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end_with_parent()
