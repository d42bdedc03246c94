# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of stages that enlarge depth maps; without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from spike_depth_ros.architectures import ARCHITECTURES, SETTINGS
from spike_depth_ros.checkpoint import FACTORS
from spike_training.settings.config import BatchSpec, RunConfig, StageConfig
from spike_training.settings.ranges import Problems, at_least, share

LEAST_SMALL = 3
"""Rows and columns of a small map, at least."""


@dataclass
class EnlargeConfig(StageConfig):
    """Kind enlarge: a network learns to enlarge small depth maps, made of those of scenes.

    Inverse depth is scaled into grey levels from 0 to 255, the nearest pixel of a scene being 255
    and sky 0, a hole. Each batch draws its own factor, way to make small maps, noise and holes.

    Attributes:
        factors: Factors by which height and width are enlarged, some of 2, 4, 8 and 16; each
            batch has one of them.
        low: How small maps are made: cubic, as those published of Middlebury (OpenCV's cubic
            interpolation without a low-pass filter, rounded); area, the mean of an area; point,
            one pixel of it; or mixed, one of these for each batch.
        noise: Largest standard deviation of the noise of a small map, share of its values; drawn
            for each batch.
        holes: Largest share of its pixels that are holes, half of them in patches, half single
            ones; drawn for each batch.
        crop: Rows and columns of the crops that are learnt from, pixels of the full size; a
            multiple of all factors.
        crops: Random crops of each scene of a batch: scenes cost more than crops of them.
    """

    implementation = 'spike_training.methods.dsr.enlarge:Enlarge'
    summary = 'learns to enlarge small depth maps'
    task = 'upsample'

    kind: str = 'enlarge'
    factors: list[int] = field(default_factory=lambda: [*FACTORS])
    low: Literal['cubic', 'area', 'point', 'mixed'] = 'cubic'
    noise: float = 0.0
    holes: float = 0.0
    crop: int = 256
    crops: int = 16

    @property
    def inputs(self) -> tuple[str, ...]:
        """Inputs of the network, as its checkpoints name them."""
        return ('depth',)

    @property
    def batches(self) -> BatchSpec:
        """Contents of the batches that the stage trains on."""
        return BatchSpec(spikes=False)

    def problems(self) -> Problems:
        """Yield the problems of the settings, by the setting's name."""
        yield from super().problems()
        yield from at_least(self, 0, 'noise')
        yield from share(self, 'holes')
        yield from at_least(self, 1, 'crops')
        if not _are_factors(self.factors):
            known = ', '.join(map(str, FACTORS))
            yield f'factors is {self.factors}: expected one or more of {known}, each once'
            return
        largest = max(self.factors)  # all are powers of 2
        if self.crop % largest or self.crop < LEAST_SMALL * largest:
            yield (
                f'crop is {self.crop}: expected a multiple of {largest}, the largest factor, '
                f'{LEAST_SMALL * largest} or more'
            )

    def problems_in_run(self, config: RunConfig, before: Sequence[StageConfig]) -> Problems:
        """Yield conflicts of the stage with the run and with the stages before it."""
        yield from super().problems_in_run(config, before)
        data = self.resolve(config).data
        if self.crop > min(data.height, data.width):
            yield (
                f'crop is {self.crop}: expected {min(data.height, data.width)} at most, images '
                f'are {data.height} x {data.width}'
            )
        model = self.resolve(config).model
        fits = model.architecture in ARCHITECTURES[self.task] and not [*model.problems()]
        if fits and _are_factors(self.factors):
            built = [*SETTINGS[model.architecture](**model.settings).factors]
            if built != sorted(self.factors):
                yield (
                    f'factors is {self.factors}: expected those of the network, '
                    f'model.settings.factors, which is {built}'
                )
        if self.input != 'spikes':
            yield f'input is {self.input}: expected none, the network takes depth'


def _are_factors(factors: Sequence[int]) -> bool:
    """Check that there are one or more factors, each known and given once."""
    return 0 < len(factors) == len({*factors} & {*FACTORS})
