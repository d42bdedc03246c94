# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sources made of sources: batches of two domains together, and batches made in advance."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor

from spike_training.engine.stage import Source, left_out
from spike_training.sampling.sample import AnyBatch, Batch, Pair


@dataclasses.dataclass
class DomainPair:
    """A source of pairs from a source of each domain.

    This is the one place where samples of the target lose their labels: nothing behind it, no
    loss, no validation and no picture, could read them.

    Attributes:
        source: Of the labelled domain.
        target: Of the target domain; its depth is not read.
    """

    source: Source[Batch]
    target: Source[Batch]

    def batch(self, step: int, batch_size: int, rank: int = 0, world_size: int = 1) -> Pair:
        """The pair of a step, ``batch_size`` samples of each domain."""
        return Pair(
            self.source.batch(step, batch_size, rank, world_size),
            self.target.batch(step, batch_size, rank, world_size).unlabelled(),
        )

    def left_out(self) -> list[str]:
        """Names of the samples of both that could not be used so far."""
        return [*left_out(self.source), *left_out(self.target)]


def ahead(
    make: Callable[[int], AnyBatch], start: int, stop: int, number: int
) -> Generator[AnyBatch, None, None]:
    """The batches of some steps in order, up to ``number`` of them made in advance by a thread.

    Drawing scenes takes the processor, training a GPU: so neither waits for the other. Kernels of
    both threads go to the device's one default stream, so that no batch is read before it is
    there. The batches are the same as without, being functions of their step.

    Args:
        make: Makes the batch of a step.
        start: The first step.
        stop: One past the last step.
        number: Batches in advance; 0 makes each when it is wanted, without a thread. Closing the
            generator waits for the thread.
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
