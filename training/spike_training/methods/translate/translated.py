# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Kind translated: depth from source pictures in the look of the target (after T2Net)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from spike_depth_ros.networks.depth_net import SpikeDepthNet
from spike_depth_ros.networks.translator import Translator
from spike_depth_ros.tasks.architectures import TranslatorSettings
from spike_training.engine.optim import Groups
from spike_training.engine.stage import Context, Phase, Stage
from spike_training.evaluation.statistics import untracked
from spike_training.learning.adversarial import PatchDiscriminator, TokenDiscriminator, align
from spike_training.learning.appearance import edge_aware_slope
from spike_training.learning.backbone import freeze
from spike_training.learning.looks import (
    check_pair,
    positions,
    see,
    source_picture,
    target_picture,
)
from spike_training.learning.supervision import Supervision, network_groups
from spike_training.methods.translate.losses import difference, discriminator_loss, look_loss
from spike_training.methods.translate.pictures import undecayed
from spike_training.methods.translate.settings import TranslatedConfig
from spike_training.sampling.sample import Pair
from spike_training.settings.config import ModelConfig


class Translated(Stage[Pair]):
    """Stage of a translator to the look of the target and a network of depth behind it.

    Unless they are frozen, statistics are those of the target, as in method ``align``.

    Args:
        network: Network of RGB that has learnt the source.
        translator: The translator.
        config: Settings.
        model: Depth range and canonical focal length.
        dim: Width of the network's tokens.
    """

    def __init__(
        self,
        network: SpikeDepthNet,
        translator: Translator,
        config: TranslatedConfig,
        model: ModelConfig,
        dim: int,
    ) -> None:
        super().__init__()
        self.network, self.translator = network, translator
        self.config, self.model = config, model
        self.supervision = Supervision(config, model)
        self.discriminators = nn.ModuleDict(
            {
                'target': PatchDiscriminator(3, config.gan.width, config.gan.layers),
                'features': TokenDiscriminator(dim),
            }
        )
        freeze(network, config)

    @classmethod
    def from_config(cls, config: TranslatedConfig, context: Context) -> Translated:
        """Implement :meth:`Stage.from_config`."""
        network = context.init_model(SpikeDepthNet)
        translator = Translator(TranslatorSettings(**config.translator))
        dim = context.info.settings['dim']
        return cls(network, translator, config, context.config.model, dim)

    def train(self, mode: bool = True) -> Translated:
        """Set the mode of the module; keep frozen parts in eval mode."""
        super().train(mode)
        freeze(self.network, self.config)
        return self

    @property
    def deployable(self) -> nn.Module:
        """Network of depth, see :attr:`Stage.deployable`."""
        return self.network

    @property
    def networks(self) -> list[nn.Module]:
        """Network, translator and discriminator of pictures, see :attr:`Stage.networks`."""
        return [self.network, self.translator, self.discriminators['target']]

    def optimizers(self) -> Groups:
        """Group parameters; the discriminators have their own optimiser."""
        rate = self.config.discriminator_lr_scale
        return {
            'main': [*network_groups(self.network, self.config), *undecayed(self.translator)],
            'discriminators': undecayed(self.discriminators, lr_scale=rate),
        }

    def waits(self, optimizer: str, step: int) -> bool:
        """Return True in the steps that discriminators do not take."""
        return optimizer == 'discriminators' and step % self.config.discriminator_every != 0

    def begin(self, batches: Iterable[Pair], held_out: Iterable[Pair]) -> None:
        """Check that pictures of both domains show something.

        Raises:
            DataSetError: They do not.
        """
        check_pair(next(iter(batches)))

    def forward(self, batch: Pair, phase: Phase) -> dict[str, Tensor]:
        """Implement :meth:`Stage.forward`."""
        config = self.config
        own, other = source_picture(batch.source), target_picture(batch.target)
        made = self.translator(own)
        with untracked(self.network):
            source = see(self.network, made)
        target = see(self.network, other)
        sup, unc, error = self.supervision(source, batch.source)
        identity = difference(self.translator(other), other)
        slope = edge_aware_slope(target.depth.log(), other).mean()
        look = look_loss(self.discriminators['target'], made)
        of_look = discriminator_loss(self.discriminators['target'], other, made)
        of_features = align(
            self.discriminators['features'],
            positions(source.f_enc),
            positions(target.f_enc),
            config.feature_weight,
        )
        loss = (
            sup
            + config.uncertainty_weight * unc
            + config.identity_weight * identity
            + config.look_weight * look
            + config.smooth_weight * slope
            + of_look.loss
            + of_features.loss
        )
        parts = {
            'sup': sup,
            'unc': unc,
            'error': error,
            'identity': identity,
            'changed': difference(made, own),
            'slope': slope,
            'look': look,
            'target_accuracy': of_look.accuracy,
            'features_accuracy': of_features.accuracy,
        }
        return {'loss': loss, **{name: value.detach() for name, value in parts.items()}}

    def picture(self, batch: Pair) -> npt.NDArray[np.uint8]:
        """Draw source pictures in both looks, and the depth of both domains."""
        # Imported here because it needs OpenCV, which training without pictures does not need.
        from spike_training.learning.panels import Panels

        own, other = source_picture(batch.source), target_picture(batch.target)
        made = self.translator(own).clamp(0, 1)
        show = Panels(self.model)
        return show.sheet(
            [
                show.images(own, 'source'),
                show.images(made, 'look of the target'),
                show.depth(self.supervision.label(batch.source).depth, 'truth'),
                show.depth(see(self.network, made).depth, 'depth'),
                show.images(other, 'target'),
                show.depth(see(self.network, other).depth, 'depth of the target'),
            ]
        )
