# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Kind sequence: class tokens and positions of both domains (after Wang et al., SFA)."""

from __future__ import annotations

from collections.abc import Mapping

from spike_depth_ros.networks.depth_net import DepthOutput, SpikeDepthNet
from spike_training.engine.stage import Context
from spike_training.learning.adversarial import TokenDiscriminator
from spike_training.learning.backbone import freeze
from spike_training.learning.looks import positions
from spike_training.methods.align.alignment import Aligned, FeatureAlignment
from spike_training.methods.align.settings import SequenceConfig
from spike_training.settings.config import ModelConfig


class Sequence(FeatureAlignment):
    """Stage that aligns the class token, which attends to all positions, and each position.

    Args:
        network: Network of RGB that has learnt the source.
        config: Settings.
        model: Depth range and canonical focal length.
        dim: Width of the tokens.
    """

    def __init__(
        self, network: SpikeDepthNet, config: SequenceConfig, model: ModelConfig, dim: int
    ) -> None:
        discriminators = {name: TokenDiscriminator(dim) for name in ('token', 'positions')}
        super().__init__(network, discriminators, config, model)
        self.weights = config
        freeze(network, config)

    @classmethod
    def from_config(cls, config: SequenceConfig, context: Context) -> Sequence:
        """Implement :meth:`Stage.from_config`."""
        dim = context.info.settings['dim']
        return cls(context.init_model(SpikeDepthNet), config, context.config.model, dim)

    def train(self, mode: bool = True) -> Sequence:
        """Set the mode of the module; keep frozen parts in eval mode."""
        super().train(mode)
        freeze(self.network, self.config)
        return self

    def aligned(self, source: DepthOutput, target: DepthOutput) -> Mapping[str, Aligned]:
        """Implement :meth:`FeatureAlignment.aligned`: class tokens, and positions."""
        config = self.weights
        return {
            'token': Aligned(source.class_token, target.class_token, config.token_weight),
            'positions': Aligned(
                positions(source.f_enc), positions(target.f_enc), config.position_weight
            ),
        }
