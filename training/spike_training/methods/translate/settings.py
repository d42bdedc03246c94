# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of stages that translate pictures; without torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from spike_depth_ros.base.schema import Problems, across
from spike_depth_ros.base.values import Count, NotNegative, Text
from spike_depth_ros.tasks.architectures import TranslatorSettings
from spike_training.learning.settings import PictureConfig
from spike_training.settings.config import ADDED, BatchSpec, ResolvedStage, StageConfig

ARCHITECTURE = 'translator'

BETAS = (0.5, 0.999)
"""Betas of Adam (Zhu et al., section 4); the loop has one pair for all optimisers of a stage."""

LEAST_EDGES = 0.8
"""Smallest F1 of the edges of translated pictures against those of their input."""


LEAST_MAP = 3
"""Smallest size after the layers of stride 2 of a discriminator; two more take a pixel each."""


@dataclass
class GanConfig:
    """Settings of discriminators of pictures."""

    width: Count = 32
    """Channels of a discriminator's first layer."""
    layers: Count = 2
    """Its layers of stride 2: with two it sees patches of 34x34 pixels, with three of 70x70, as in
    the paper."""

    def problems_of_size(self, size: tuple[int, int]) -> Problems:
        """Yield the problem of pictures that are too small, by the setting's name.

        Args:
            size: Rows and columns of the pictures.
        """
        most = max((min(size) // LEAST_MAP).bit_length() - 1, 0)
        if self.layers > most:
            yield (
                f'layers is {self.layers}: expected {most} or less, pictures have {size[0]}x'
                f'{size[1]} pixels, which each layer halves'
            )


@dataclass
class TranslatedConfig(PictureConfig):
    """Kind translated: depth of source pictures that a translator gives the look of the target.

    Translator and network of depth learn together (after Zheng, Cham, Cai, T2Net; weights are
    those of the authors' code over 100). The network alone is exported; it sees the target as it
    is.
    """

    implementation = 'spike_training.methods.translate.translated:Translated'
    summary = 'learns depth from source pictures in the look of the target'

    kind: str = 'translated'
    identity_weight: NotNegative = 1.0
    """Weight of the mean absolute change of target pictures by the translator."""
    look_weight: NotNegative = 0.01
    """Weight of the loss of the discriminator of pictures for the translator; 0: the discriminator
    learns and changes nothing."""
    feature_weight: NotNegative = 0.01
    """Factor on the reversed gradient of the discriminator of features."""
    smooth_weight: NotNegative = 0.001
    """Weight of the slope of the target's log-depth, less at edges."""
    discriminator_every: Count = 5
    """Steps of which discriminators take one."""
    translator: dict[str, int] = field(default_factory=dict)
    """Sizes of the translator, as of the architecture ``translator``."""
    gan: GanConfig = field(default_factory=GanConfig)
    """Discriminator of pictures."""

    def adjust(self, here: ResolvedStage) -> ResolvedStage:
        """Implement :meth:`StageConfig.adjust`: the betas are :data:`BETAS`."""
        return _with_betas(here)

    @across()
    def _sizes_of_translator(self) -> Problems:
        try:
            TranslatorSettings(**self.translator)
        except (TypeError, ValueError):
            known = ', '.join(each.name for each in dataclasses.fields(TranslatorSettings))
            yield f'translator is {self.translator}: expected some of {known}, 1 or more'

    def problems_in_run(self, here: ResolvedStage, before: Sequence[ResolvedStage]) -> Problems:
        """Implement :meth:`StageConfig.problems_in_run`."""
        yield from super().problems_in_run(here, before)
        yield from _problems_of_gan(self.gan, here)


@dataclass
class TranslatorConfig(StageConfig):
    """Settings of stages whose network translates pictures of the target.

    Its sizes are ``settings`` of the stage, whatever the network of the run.
    """

    task = 'translation'
    validates_loss = False

    input: Literal['spikes', 'rgb'] = 'rgb'
    looks: tuple[Text, Text] = field(default=('colour', 'spikes'), metadata=ADDED)
    """What pictures of the source and of the target are of, such as colour and nir; kept in the
    checkpoint, so that pictures of another kind are refused. spikes: firing rates."""

    @property
    def takes(self) -> str:
        """What the pictures are of that the exported translator changes."""
        return self.looks[1]

    @property
    def gives(self) -> str:
        """What the changed pictures look like."""
        return self.looks[0]

    def adjust(self, here: ResolvedStage) -> ResolvedStage:
        """Implement :meth:`StageConfig.adjust`: architecture and betas are a translator's."""
        own = _with_betas(here)
        model = dataclasses.replace(
            own.model, architecture=ARCHITECTURE, settings=dict(self.settings)
        )
        return dataclasses.replace(own, model=model)

    @across()
    def _pictures(self) -> Problems:
        if self.input != 'rgb':
            yield f'input is {self.input!r}: expected rgb, spikes of the target enter as pictures'


@dataclass
class CycleConfig(TranslatorConfig):
    """Kind cycle: pictures of the target get the look of the source, learnt without pairs (CTN).

    Two translators, of which one undoes the other, and two discriminators (Shen et al., section
    3.5, which is Zhu et al., CycleGAN, with its weights). A frozen network of the source's
    pictures then sees the target: ``translate`` in the row of a table.
    """

    implementation = 'spike_training.methods.translate.cycle:Cycle'
    summary = 'learns to give pictures of the target the look of the source'

    kind: str = 'cycle'
    cycle_weight: NotNegative = 10.0
    """Weight of the mean absolute difference after both translations."""
    identity_weight: NotNegative = 5.0
    """Weight of the mean absolute change of pictures that have the look already."""
    look_weight: NotNegative = 1.0
    """Weight of the discriminators' loss for the translators; 0: they learn and change nothing."""
    direction: Literal['to_source', 'to_target'] = field(default='to_source', metadata=ADDED)
    """Which of both translators is exported: the one that gives pictures of the target the look of
    the source, or the other one."""
    history: Count = 50
    """Translated pictures that are kept, and shown again to a discriminator."""
    gan: GanConfig = field(default_factory=GanConfig)
    """Both discriminators."""

    @property
    def takes(self) -> str:
        """What the pictures are of that the exported translator changes."""
        return self.looks[self.direction == 'to_source']

    @property
    def gives(self) -> str:
        """What the changed pictures look like."""
        return self.looks[self.direction == 'to_target']

    @property
    def batches(self) -> BatchSpec:
        """Colours of the source, spikes of the target; see :attr:`StageConfig.batches`."""
        return BatchSpec('both', rgb=True, spikes=False, mirrored=True)

    def problems_in_run(self, here: ResolvedStage, before: Sequence[ResolvedStage]) -> Problems:
        """Implement :meth:`StageConfig.problems_in_run`."""
        yield from super().problems_in_run(here, before)
        yield from _problems_of_gan(self.gan, here)


@dataclass
class PairedConfig(TranslatorConfig):
    """Kind paired: the same translation, learnt from pairs that only generated scenes have.

    It is a control, which shows how far a translation without pairs could come: the target's
    scenes are also rendered in the look of the source.
    """

    implementation = 'spike_training.methods.translate.paired:Paired'
    summary = 'learns the look of the source from pairs'
    validates_loss = True

    kind: str = 'paired'

    @property
    def batches(self) -> BatchSpec:
        """Spikes of the target with colours; see :attr:`StageConfig.batches`."""
        return BatchSpec('target', rgb=True)

    def problems_in_run(self, here: ResolvedStage, before: Sequence[ResolvedStage]) -> Problems:
        """Yield conflicts of the stage with the run and with the stages before it."""
        yield from super().problems_in_run(here, before)
        for name, domain in (('data', here.run.data), ('target', here.run.target)):
            if domain is not None and domain.recordings:
                pairs = 'generated scenes alone have pairs'
                yield f'{name}.recordings is given: expected none, {pairs}'


def _problems_of_gan(gan: GanConfig, here: ResolvedStage) -> Problems:
    size = here.stage.image_size(here.data)
    yield from (f'gan.{problem}' for problem in gan.problems_of_size(size))


def _with_betas(resolved: ResolvedStage) -> ResolvedStage:
    return dataclasses.replace(resolved, train=dataclasses.replace(resolved.train, betas=BETAS))
