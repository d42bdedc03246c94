# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of stages that align features of two domains; without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spike_depth_ros.base.schema import Problems, across
from spike_depth_ros.base.values import NotNegative
from spike_training.learning.settings import PictureConfig
from spike_training.settings.config import ResolvedStage

ARCHITECTURE = 'dpt_tiny'
"""Architecture with transformer blocks and batch norm outside of them."""


@dataclass
class ResidualConfig(PictureConfig):
    """Kind residual: the transformer blocks of a frozen network learn what the target needs.

    Adversaries see the features behind the encoder and patches of log-depth; the features stay
    near those of the network that the stage starts from (after Kundu et al., AdaDepth).
    """

    implementation = 'spike_training.methods.align.residual:Residual'
    summary = 'aligns features, near those of the network before'

    kind: str = 'residual'
    feature_weight: NotNegative = 0.1
    """Factor on the reversed gradient of the discriminator of features; 0: it learns and changes
    nothing."""
    depth_weight: NotNegative = 0.1
    """The same of the discriminator of depth."""
    content_weight: NotNegative = 1.0
    """Weight of the mean absolute difference of the features, of both domains, from those of the
    network before."""

    @across()
    def _blocks_learn(self) -> Problems:
        if self.trainable != 'all' or not self.backbone_lr_scale:
            yield (
                f'trainable is {self.trainable!r} and backbone_lr_scale '
                f'{self.backbone_lr_scale:g}: expected all and above 0, the transformer blocks '
                'alone learn'
            )

    def problems_in_run(self, here: ResolvedStage, before: Sequence[ResolvedStage]) -> Problems:
        """Yield conflicts of the stage with the run and with the stages before it."""
        yield from super().problems_in_run(here, before)
        if here.run.model.architecture != ARCHITECTURE:
            yield (
                f'kind is {self.kind!r}: expected model.architecture {ARCHITECTURE}, it is '
                f'{here.run.model.architecture}'
            )


@dataclass
class SequenceConfig(PictureConfig):
    """Kind sequence: the tokens of both domains become alike, each by itself and as a whole.

    An adversary sees the class token, another one each position of the features behind the encoder
    (after Wang et al., sequence feature alignment; weights of the authors' code).
    """

    implementation = 'spike_training.methods.align.sequence:Sequence'
    summary = 'aligns the sequence of tokens'

    kind: str = 'sequence'
    token_weight: NotNegative = 0.1
    """Factor on the reversed gradient of the discriminator of class tokens; 0: it learns and
    changes nothing."""
    position_weight: NotNegative = 1.0
    """The same of the discriminator of positions."""
