# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings that all stages which learn from labels have in common.

This module does not import torch, so that help and errors of the command line appear at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from spike_depth_ros.base.schema import Problems, across
from spike_depth_ros.base.values import Fraction, NotNegative, Positive
from spike_depth_ros.tasks.architectures import SETTINGS
from spike_depth_ros.tasks.base import TASKS
from spike_training.settings.config import ADDED, BatchSpec, ResolvedStage, StageConfig


@dataclass
class SupervisedConfig(StageConfig):
    """Settings of all stages that learn from labels."""

    may_take_rgb: ClassVar[bool] = False
    """True if stages of this kind may train a network of RGB."""

    sees_tokens: ClassVar[bool] = False
    """True if discriminators of stages of this kind see class tokens or positions."""

    backbone_lr_scale: NotNegative = 1.0
    """Learning rate of the encoder (in unet_lite: of its backbone) over that of the rest of the
    network; below 1 for a pretrained encoder, as that of ImageNet. 0: it is frozen, with its
    statistics (which adapt.adabn_batches estimates anew) and, in unet_lite, the rate-to-RGB
    adapter."""
    trainable: Literal['all', 'weights', 'affine'] = 'all'
    """What is trained: all; weights, without the statistics of batch norm, which batches of a
    narrow domain spoil; or affine, the scales and shifts of batch norm alone (of the backbone,
    too, unless it is frozen). Few weights need few labels (Frankle et al., "Training BatchNorm and
    only BatchNorm")."""
    si: Literal['plain', 'rooted', 'absolute'] = 'plain'
    """Form of the scale-invariant loss: plain (Eq. 5 as in the paper), rooted (the authors' code)
    or absolute (ours: absolute values in place of squares)."""
    si_lambda: Fraction = 0.5
    """Share of a global scale error that the loss ignores: 0 none of it, 1 all."""
    gradient_weight: NotNegative = 0.0
    """Weight of the loss of depth edges, which is not in BiCross; 0: none."""
    sky_weight: NotNegative = 0.2
    """Weight of a pixel of sky, trained as the largest depth; others have 1."""
    uncertainty_weight: NotNegative = 1.0
    """Weight of the loss of the uncertainty."""
    uncertainty_limit: Positive | None = field(default=1.0, metadata=ADDED)
    """Largest relative error that the uncertainty learns; null: none (Eq. 2 as printed)."""

    @across()
    def _starts_from_weights(self) -> Problems:
        if self.backbone_lr_scale == 0 and self.init_from == 'scratch':
            yield 'backbone_lr_scale is 0: expected more, or init_from with a trained encoder'
        if self.trainable != 'all' and self.init_from == 'scratch':
            yield f'trainable is {self.trainable!r}: expected init_from with a trained network'
        if self.input != 'spikes' and not self.may_take_rgb:
            yield f'input is {self.input!r}: expected spikes in a stage of kind {self.kind}'

    def problems_in_run(self, here: ResolvedStage, before: Sequence[ResolvedStage]) -> Problems:
        """Implement :meth:`StageConfig.problems_in_run`."""
        yield from super().problems_in_run(here, before)
        own = here.model.architecture
        if self.sees_tokens and own in SETTINGS and not hasattr(SETTINGS[own], 'dim'):
            known = [
                name for name in TASKS['depth'].architectures if hasattr(SETTINGS[name], 'dim')
            ]
            yield (
                f'kind is {self.kind!r}, which aligns tokens: expected model.architecture '
                f'{" or ".join(known)}, it is {own}'
            )


@dataclass
class PictureConfig(SupervisedConfig):
    """Settings of stages whose network of RGB also learns from pictures of the target's spikes."""

    may_take_rgb = sees_tokens = True
    validates_loss = False  # it has those of discriminators, which the network works against

    input: Literal['spikes', 'rgb'] = 'rgb'
    source_look: Literal['rgb', 'spikes'] = 'rgb'
    """Pictures of the labelled source: rgb, its colours; or spikes, the firing rates of its
    simulated windows, as of the target."""
    discriminator_lr_scale: Positive = 1.0
    """Learning rate of the discriminators over that of the network."""

    @property
    def batches(self) -> BatchSpec:
        """Pictures of the source, spikes of the target; see :attr:`StageConfig.batches`."""
        colours = self.source_look == 'rgb'
        return BatchSpec('both', rgb=colours, spikes=not colours, mirrored=True)

    @across()
    def _pictures(self) -> Problems:
        if self.input != 'rgb':
            yield f'input is {self.input!r}: expected rgb, spikes of the target enter as pictures'

    def problems_in_run(self, here: ResolvedStage, before: Sequence[ResolvedStage]) -> Problems:
        """Implement :meth:`StageConfig.problems_in_run`."""
        yield from super().problems_in_run(here, before)
        if self.init_from in ('scratch', 'imagenet'):
            yield (
                f'init_from is {self.init_from!r}: expected previous or the name of an earlier '
                'stage of RGB'
            )
            return
        inputs = {one.stage.name: one.stage.input for one in before}
        if inputs.get(here.starts_from, 'rgb') != 'rgb':
            yield f'init_from is {self.init_from!r}: expected an earlier stage of RGB'
