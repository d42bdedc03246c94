# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two domains at a time: labelled batches of the one, unlabelled ones of the other."""

from __future__ import annotations

import dataclasses

from spike_training.engine.stage import Source, left_out
from spike_training.sampling.sample import Batch, Pair


@dataclasses.dataclass
class DomainPair:
    """A source of pairs from a source of each domain.

    This is the one place where samples of the target lose their labels: nothing behind it, no
    loss, no validation and no picture, could read them.

    Attributes:
        source: Of the labelled domain.
        target: Of the target domain; what it says of depth is not looked at.
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
