# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Kind residual: blocks of a frozen network adapt to the target (after Kundu et al., AdaDepth)."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from spike_depth_ros.networks.depth_net import DepthOutput, SpikeDepthNet
from spike_depth_ros.networks.encoder import HybridEncoder
from spike_training.engine.stage import Context
from spike_training.learning.adversarial import PatchDiscriminator, TokenDiscriminator
from spike_training.learning.looks import positions, see
from spike_training.methods.align.alignment import Aligned, FeatureAlignment, Term
from spike_training.methods.align.settings import ResidualConfig
from spike_training.settings.config import ModelConfig


class Residual(FeatureAlignment):
    """Stage whose network differs from that before it in its transformer blocks alone.

    Args:
        network: Network of RGB that has learnt the source.
        config: Settings.
        model: Depth range and canonical focal length.
        dim: Width of the tokens.
    """

    def __init__(
        self, network: SpikeDepthNet, config: ResidualConfig, model: ModelConfig, dim: int
    ) -> None:
        discriminators = {'features': TokenDiscriminator(dim), 'depth': PatchDiscriminator(1)}
        super().__init__(network, discriminators, config, model)
        self.weights = config
        self.teacher = copy.deepcopy(network).requires_grad_(False).eval()
        network.requires_grad_(False)
        assert isinstance(network.encoder, HybridEncoder)  # checked with the config
        network.encoder.blocks.requires_grad_(True)

    @classmethod
    def from_config(cls, config: ResidualConfig, context: Context) -> Residual:
        """Implement :meth:`Stage.from_config`."""
        dim = context.info.settings['dim']
        return cls(context.init_model(SpikeDepthNet), config, context.config.model, dim)

    def train(self, mode: bool = True) -> Residual:
        """Set the mode of the module; keep statistics as they are."""
        super().train(mode)
        self.teacher.eval()
        self.network.eval()
        # It has no statistics, and in training mode a gradient for pixels out of the range.
        self.network.depth_head.train(mode)
        return self

    @property
    def networks(self) -> list[nn.Module]:
        """Network and teacher, see :attr:`Stage.networks`."""
        return [self.network, self.teacher]

    def aligned(self, source: DepthOutput, target: DepthOutput) -> Mapping[str, Aligned]:
        """Implement :meth:`FeatureAlignment.aligned`: features, and log-depth."""
        config = self.weights
        return {
            'features': Aligned(
                positions(source.f_enc), positions(target.f_enc), config.feature_weight
            ),
            'depth': Aligned(source.depth.log(), target.depth.log(), config.depth_weight),
        }

    def terms(
        self, pictures: tuple[Tensor, Tensor], outputs: tuple[DepthOutput, DepthOutput]
    ) -> Mapping[str, Term]:
        """Implement :meth:`FeatureAlignment.terms`: content, the features of the teacher."""
        with torch.no_grad():
            wanted = [see(self.teacher, picture).f_enc for picture in pictures]
        apart = [
            (found.f_enc.float() - kept.float()).abs().mean()
            for found, kept in zip(outputs, wanted, strict=True)
        ]
        return {'content': Term(torch.stack(apart).mean(), self.weights.content_weight)}
