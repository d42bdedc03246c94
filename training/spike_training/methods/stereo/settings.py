# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of stages that match two eyes; without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spike_training.settings.config import BatchSpec, RunConfig, StageConfig
from spike_training.settings.ranges import Problems, at_least


@dataclass
class MatchConfig(StageConfig):
    """Kind match: a network learns the disparity of generated pairs from both eyes.

    Attributes:
        baseline_factors: Least and largest factor on the distance of the eyes of each style,
            drawn for each pair with a uniform logarithm: larger ones teach larger disparities.
        volume_weight: Weight of the cross entropy of the volume; the loss of disparities has 1.
        uncertainty_weight: Weight of the likelihood of the errors, which trains the uncertainty.
    """

    implementation = 'spike_training.methods.stereo.match:Match'
    summary = 'learns the disparity of generated pairs'
    task = 'stereo'

    kind: str = 'match'
    baseline_factors: tuple[float, float] = (0.7, 3.0)
    volume_weight: float = 0.5
    uncertainty_weight: float = 0.1

    @property
    def inputs(self) -> tuple[str, ...]:
        """Inputs of the network, as its checkpoints name them."""
        return ('spikes', 'right')

    @property
    def batches(self) -> BatchSpec:
        """Contents of the batches that the stage trains on."""
        return BatchSpec(right=True, baseline_factors=self.baseline_factors)

    def problems(self) -> Problems:
        """Yield the problems of the settings, by the setting's name."""
        yield from super().problems()
        least, most = self.baseline_factors
        if not 0 < least <= most:
            yield (
                f'baseline_factors is {[least, most]}: expected two above 0, the larger one last'
            )
        yield from at_least(self, 0, 'volume_weight', 'uncertainty_weight')

    def problems_in_run(self, config: RunConfig, before: Sequence[StageConfig]) -> Problems:
        """Yield conflicts of the stage with the run and with the stages before it."""
        yield from super().problems_in_run(config, before)
        if self.input != 'spikes':
            yield f'input is {self.input}: expected spikes'
        for name in ('recordings', 'mixed_recordings'):
            if getattr(config.data, name):
                yield f'data.{name} is given: expected none, generated scenes alone have two eyes'
