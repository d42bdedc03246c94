# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Composition of sources: pairs of two domains, and prefetched batches."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor

from spike_training.sampling.sample import AnyBatch, Batch, Pair, Source, left_out


@dataclasses.dataclass
class DomainPair:
    """Source of pairs from a source of each domain.

    It removes the labels of the target's samples, so that no loss, validation or picture can read
    them.

    Attributes:
        source: Source of the labelled domain.
        target: Source of the target domain; its depth is not read.
    """

    source: Source[Batch]
    target: Source[Batch]

    def batch(self, step: int, batch_size: int, rank: int = 0, world_size: int = 1) -> Pair:
        """Return the pair of a step, ``batch_size`` samples of each domain."""
        return Pair(
            self.source.batch(step, batch_size, rank, world_size),
            self.target.batch(step, batch_size, rank, world_size).unlabelled(),
        )

    def left_out(self) -> list[str]:
        """Return the names of the samples of both that could not be used so far."""
        return [*left_out(self.source), *left_out(self.target)]


def prefetch(
    make: Callable[[int], AnyBatch], start: int, stop: int, number: int
) -> Generator[AnyBatch, None, None]:
    """Yield the batches of some steps in order, up to ``number`` of them prefetched by a thread.

    Scenes are drawn on the CPU while the GPU trains. Kernels of both threads go to the device's
    default stream, so that no batch is read before it is complete. The batches are the same
    without prefetching, as each is a function of its step. Closing the generator waits for the
    thread.

    Args:
        make: Function that makes the batch of a step.
        start: The first step.
        stop: One past the last step.
        number: Number of batches in advance; 0: make each on demand, without a thread.
    """
    if number == 0:
        yield from map(make, range(start, stop))
        return
    with ThreadPoolExecutor(1, 'batches') as executor:
        waiting: deque[Future[AnyBatch]] = deque()
        try:
            for step in range(start, stop + number):
                if step < stop:
                    waiting.append(executor.submit(make, step))
                if step >= start + number:
                    yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
