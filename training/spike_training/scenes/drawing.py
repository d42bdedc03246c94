# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sampling of scenes of several styles, in this process or in others."""

from __future__ import annotations

import multiprocessing
import signal
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor

import numpy as np

from spike_training.parent import end_with_parent
from spike_training.scenes.scene import Scenes
from spike_training.scenes.world import World


def draw(worlds: Sequence[World], numbers: Sequence[int]) -> Scenes:
    """Sample scenes by their numbers: ``n`` is scene ``n`` of the world ``n % len(worlds)``."""
    indices = np.asarray(numbers, np.int64)
    style = indices % len(worlds)
    parts, places = [], []
    for k, world in enumerate(worlds):
        chosen = np.flatnonzero(style == k)
        if len(chosen):
            parts.append(world.batch(indices[chosen].tolist()))
            places.append(chosen)
    return Scenes.concatenate(parts).take(np.argsort(np.concatenate(places)))


class DrawingProcesses:
    """Processes that sample scenes ahead of their use.

    A scene is a function of its number, so that neither how many processes there are nor what they
    were asked for before changes it.

    Args:
        worlds: Of each style.
        workers: Processes, 1 or more. They end with this object.
    """

    def __init__(self, worlds: Sequence[World], workers: int) -> None:
        self._worlds = tuple(worlds)
        self.workers = workers
        # Not forked: a process that has a GPU, or threads, must not be.
        context = multiprocessing.get_context('spawn')
        self._pool = ProcessPoolExecutor(workers, context, initializer=_begin)
        weakref.finalize(self, self._pool.shutdown, wait=False, cancel_futures=True)
        self._waiting: dict[tuple[int, ...], Future[Scenes]] = {}

    def draw(self, numbers: Sequence[int], later: Iterator[Sequence[int]]) -> Scenes:
        """Sample scenes by their numbers.

        Args:
            numbers: The scenes that are wanted now.
            later: What will be wanted after them, endless; as much of it is begun as keeps all
                processes at work.
        """
        job = tuple(numbers)
        mine = self._waiting.pop(job, None) or self._submit(job)
        coming = [tuple(next(later)) for _ in range(self.workers + 1)]
        for stale in self._waiting.keys() - {*coming}:
            self._waiting.pop(stale).cancel()
        for following in coming:
            if following not in self._waiting:
                self._waiting[following] = self._submit(following)
        return mine.result()

    def _submit(self, job: tuple[int, ...]) -> Future[Scenes]:
        return self._pool.submit(draw, self._worlds, job)


def _begin() -> None:
    """Leave Ctrl-C to the parent, and end with a parent that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
