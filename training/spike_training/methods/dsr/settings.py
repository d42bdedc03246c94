# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of stages that enlarge or estimate depth maps; without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from spike_depth_ros.base.schema import Problems, across, problems_of
from spike_depth_ros.base.values import (
    DISTINCT,
    NOT_EMPTY,
    Count,
    NotNegative,
    Share,
    at_least,
    faults,
    one_of,
)
from spike_depth_ros.tasks.architectures import SETTINGS
from spike_depth_ros.tasks.base import TASKS
from spike_depth_ros.tasks.upsample import FACTORS
from spike_training.settings.config import (
    ADDED,
    BatchSpec,
    DataConfig,
    ResolvedStage,
    RunConfig,
    StageConfig,
)

LEAST_SMALL = 3
"""Rows and columns of a small map, at least."""

LEAST_CROP = 16
"""Rows and columns of a crop whose picture is looked at, at least."""


Factors = Annotated[list[Annotated[int, one_of(*FACTORS)]], NOT_EMPTY, DISTINCT]


@dataclass
class CropsConfig(StageConfig):
    """Settings of stages that learn from crops of full-size maps.

    Inverse depth is scaled into grey levels from 0 to 255, the nearest pixel of a scene being 255
    and sky 0, which is unknown.
    """

    task = 'upsample'

    crop: int = 256
    """Rows and columns of the crops that are learnt from, pixels of the full size."""
    crops: Count = 16
    """Random crops of each scene of a batch: scenes cost more than crops of them."""
    rotate: bool = field(default=False, metadata=ADDED)
    """Turn half of the crops, drawn at random, by 180 degrees."""

    def image_size(self, data: DataConfig) -> tuple[int, int]:
        """Return rows and columns of the crops, see :meth:`StageConfig.image_size`."""
        return self.crop, self.crop

    def problems_in_run(self, here: ResolvedStage, before: Sequence[ResolvedStage]) -> Problems:
        """Yield conflicts of the stage with the run and with the stages before it."""
        yield from super().problems_in_run(here, before)
        data = here.data
        if self.crop > min(data.height, data.width):
            yield (
                f'crop is {self.crop}: expected {min(data.height, data.width)} at most, images '
                f'are {data.height} x {data.width}'
            )
        if self.input != 'spikes':
            yield f'input is {self.input}: expected none, the kind says what the network takes'
        if here.run.model.architecture == 'dsr_net' and here.run.evaluate.export:
            yield 'evaluate.export is true: expected false, dsr_net has no .onnx file'


@dataclass
class EnlargeConfig(CropsConfig):
    """Kind enlarge: a network learns to enlarge small depth maps, made of those of scenes.

    Each batch draws its own factor, way to make small maps, noise and holes.

    Attributes:
        crop: Rows and columns of the crops that are learnt from, pixels of the full size; a
            multiple of all factors.
    """

    implementation = 'spike_training.methods.dsr.enlarge:Enlarge'
    summary = 'learns to enlarge small depth maps'

    kind: str = 'enlarge'
    factors: Factors = field(default_factory=lambda: [*FACTORS])
    """Factors by which height and width are enlarged, some of 2, 4, 8 and 16; each batch has one
    of them."""
    low: Literal['cubic', 'area', 'point', 'mixed'] = 'cubic'
    """How small maps are made: cubic, as those published of Middlebury (OpenCV's cubic
    interpolation without a low-pass filter, rounded); area, the mean of an area; point, one pixel
    of it; or mixed, one of these for each batch."""
    noise: NotNegative = 0.0
    """Largest standard deviation of the noise of a small map, share of its values; drawn for each
    batch."""
    holes: Share = 0.0
    """Largest share of its pixels that are holes, half of them in patches, half single ones; drawn
    for each batch."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Inputs of the network, as its checkpoints name them."""
        return ('depth',)

    @property
    def batches(self) -> BatchSpec:
        """Contents of the batches that the stage trains on."""
        return BatchSpec(spikes=False)

    @across('factors', 'crop')
    def _crop_of_factors(self) -> Problems:
        largest = max(self.factors)  # all are powers of 2
        if self.crop % largest or self.crop < LEAST_SMALL * largest:
            yield (
                f'crop is {self.crop}: expected a multiple of {largest}, the largest factor, '
                f'{LEAST_SMALL * largest} or more'
            )

    def problems_in_run(self, here: ResolvedStage, before: Sequence[ResolvedStage]) -> Problems:
        """Yield conflicts of the stage with the run and with the stages before it."""
        yield from super().problems_in_run(here, before)
        model = here.model
        fits = model.architecture in TASKS[self.task].architectures and not [*problems_of(model)]
        if fits and not any(faults(self.factors, Factors)):
            built = [*SETTINGS[model.architecture](**model.settings).factors]
            if built != sorted(self.factors):
                yield (
                    f'factors is {self.factors}: expected those of the network, '
                    f'model.settings.factors, which is {built}'
                )


@dataclass
class EstimateConfig(CropsConfig):
    """Kind estimate: a network of colours learns to estimate the map, up to scale and shift.

    It is DENet of Sun et al., for stages of kind restore.
    """

    implementation = 'spike_training.methods.dsr.estimate:Estimate'
    summary = 'learns to estimate depth maps from colours, for a later stage'

    kind: str = 'estimate'
    crop: Annotated[int, at_least(LEAST_CROP)] = 256
    ssim_share: Share = 0.2
    """Share of SSIM in the loss, lambda of Eq. 11; the rest is L1."""
    fit_estimates: bool = field(default=True, metadata=ADDED)
    """True: losses are of estimates that are fitted to the truth by scale and shift, which colours
    do not tell; False: of estimates as they are, as printed."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Inputs of the network, as its checkpoints name them."""
        return ('rgb',)

    @property
    def batches(self) -> BatchSpec:
        """Contents of the batches that the stage trains on."""
        return BatchSpec(rgb=True, spikes=False)

    def problems_in_run(self, here: ResolvedStage, before: Sequence[ResolvedStage]) -> Problems:
        """Yield conflicts of the stage with the run and with the stages before it."""
        yield from super().problems_in_run(here, before)
        yield from _problems_of_network(here.run)
        if here.run.stages[-1].name == self.name:
            yield 'it is the last stage: expected one of kind restore after it'


Roles = Literal['mutual', 'student', 'paper_exact']
"""Which network learns what in a round, see :class:`RestoreConfig`."""


@dataclass
class RestoreConfig(EnlargeConfig):
    """Kind restore: DSRNet and DENet learn from each other, and to predict structure.

    It is the second step of Sun et al., Algorithm 1; DSRNet alone is the result. In each round
    the network with the smaller error in the round before is the teacher.
    """

    implementation = 'spike_training.methods.dsr.restore:Restore'
    summary = 'teaches two networks by each other, one of small maps and one of colours'

    kind: str = 'restore'
    estimator: str = 'estimate'
    """Name of the earlier stage of kind estimate that DENet starts from."""
    roles: Roles = 'mutual'
    """mutual: both learn their own loss and from each other; student: both learn their own loss,
    the student from the teacher, too; paper_exact: as printed, the teacher is fixed, so that
    DSRNet does not learn while it is the better one."""
    round_steps: Count = 100
    """Steps of a round; the paper's are epochs."""
    ssim_share: Share = 0.2
    """Share of SSIM in the loss of DENet, lambda of Eq. 11."""
    fit_estimates: bool = field(default=True, metadata=ADDED)
    """Fit DENet's maps to the truth, as the earlier stage of DENet does."""
    output_weight: NotNegative = 1.0
    """Weight of the side outputs' difference in Eq. 6; 1 as printed."""
    affinity_weight: NotNegative = 0.5
    """Weight of the affinities' difference, gamma of Eq. 6."""
    distillation_weight: NotNegative = 0.1
    """Weight of Eq. 6 in Eq. 13, rho2."""
    structure_weight: NotNegative = 0.1
    """Weight of Eq. 12 in Eq. 13, rho1; 0: without SPNet."""
    error_weights: bool = True
    """True: features are weighted by the errors of both maps (Eq. 7 to 9); False: they are
    concatenated."""

    @property
    def builds_on(self) -> tuple[str, ...]:
        """Earlier stages, that of DENet included; see :attr:`StageConfig.builds_on`."""
        return (self.estimator, *super().builds_on)

    @property
    def batches(self) -> BatchSpec:
        """Contents of the batches that the stage trains on."""
        return BatchSpec(rgb=True, spikes=False)

    def problems_in_run(self, here: ResolvedStage, before: Sequence[ResolvedStage]) -> Problems:
        """Yield conflicts of the stage with the run and with the stages before it."""
        yield from super().problems_in_run(here, before)
        yield from _problems_of_network(here.run)
        earlier = {one.stage.name: one.stage for one in before}.get(self.estimator)
        if not isinstance(earlier, EstimateConfig):
            yield f'estimator is {self.estimator!r}: expected an earlier stage of kind estimate'
        elif earlier.fit_estimates != self.fit_estimates:
            yield (
                f'fit_estimates is {self.fit_estimates}: expected {earlier.fit_estimates}, as of '
                f'{self.estimator}, from which DENet starts'
            )
        elif _sizes(earlier) != _sizes(self):
            yield f'settings are not those of {self.estimator}: expected features of one size'
        start = here.starts_from
        if any(isinstance(one.stage, EstimateConfig) for one in before if one.stage.name == start):
            yield (
                f'init_from is {self.init_from!r}, {start}, a network of colours: expected the '
                'stage of kind enlarge, or scratch'
            )


def _sizes(stage: StageConfig) -> dict[str, object]:
    """Return the sizes of a stage's network; the factor is none of DENet."""
    return {name: value for name, value in stage.settings.items() if name != 'factors'}


def _problems_of_network(config: RunConfig) -> Problems:
    architecture = config.model.architecture
    if architecture != 'dsr_net':
        yield f'model.architecture is {architecture}: expected dsr_net'
