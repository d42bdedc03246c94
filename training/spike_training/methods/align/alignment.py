# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Supervised training on the source beside adversaries of features of both domains."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from spike_depth_ros.networks.depth_net import DepthOutput, SpikeDepthNet
from spike_training.engine.optim import Groups, groups_of
from spike_training.engine.stage import Phase, Stage
from spike_training.evaluation.statistics import untracked
from spike_training.learning.adversarial import align
from spike_training.learning.looks import check_pair, see, source_picture, target_picture
from spike_training.learning.settings import PictureConfig
from spike_training.learning.supervision import Supervision, network_groups
from spike_training.sampling.sample import Pair
from spike_training.settings.config import ModelConfig


class Aligned(NamedTuple):
    """Features of both domains that a discriminator sees, of one shape.

    Attributes:
        source: Of the source.
        target: Of the target.
        weight: Factor on their reversed gradient.
    """

    source: Tensor
    target: Tensor
    weight: float


class Term(NamedTuple):
    """Further term of the loss.

    Attributes:
        value: Its value, a scalar.
        weight: Its weight.
    """

    value: Tensor
    weight: float


class FeatureAlignment(Stage[Pair]):
    """Stage with the loss L_sup + L_unc on the source and those of its discriminators.

    Unless its statistics are frozen, each domain is normalised by its own ones in training; those
    of the target are kept, as the network is used there.

    Args:
        network: Network of RGB.
        discriminators: Discriminators by name.
        config: Settings.
        model: Depth range and canonical focal length.
    """

    def __init__(
        self,
        network: SpikeDepthNet,
        discriminators: Mapping[str, nn.Module],
        config: PictureConfig,
        model: ModelConfig,
    ) -> None:
        super().__init__()
        self.network, self.config, self.model = network, config, model
        self.discriminators = nn.ModuleDict(discriminators)
        self.supervision = Supervision(config, model)

    @property
    def deployable(self) -> nn.Module:
        """Trained network, see :attr:`Stage.deployable`."""
        return self.network

    def optimizers(self) -> Groups:
        """Group parameters; the discriminators have their own optimiser."""
        rate = self.config.discriminator_lr_scale
        return {
            'main': network_groups(self.network, self.config),
            'discriminators': groups_of(self.discriminators, rate),
        }

    def begin(self, batches: Iterable[Pair], held_out: Iterable[Pair]) -> None:
        """Check that pictures of both domains show something.

        Raises:
            DataSetError: They do not.
        """
        check_pair(next(iter(batches)))

    @abstractmethod
    def aligned(self, source: DepthOutput, target: DepthOutput) -> Mapping[str, Aligned]:
        """Return what each discriminator sees."""

    def forward(self, batch: Pair, phase: Phase) -> dict[str, Tensor]:
        """Implement :meth:`Stage.forward`."""
        pictures = source_picture(batch.source), target_picture(batch.target)
        with untracked(self.network):
            source = see(self.network, pictures[0])
        target = see(self.network, pictures[1])
        sup, unc, error = self.supervision(source, batch.source)
        loss = sup + self.config.uncertainty_weight * unc
        parts = {'sup': sup, 'unc': unc, 'error': error}
        for name, seen in self.aligned(source, target).items():
            found = align(self.discriminators[name], *seen)
            loss = loss + found.loss
            parts[f'{name}_accuracy'] = found.accuracy
        for name, term in self.terms(pictures, (source, target)).items():
            loss = loss + term.weight * term.value
            parts[name] = term.value
        return {'loss': loss, **{name: value.detach() for name, value in parts.items()}}

    def terms(
        self, pictures: tuple[Tensor, Tensor], outputs: tuple[DepthOutput, DepthOutput]
    ) -> Mapping[str, Term]:
        """Return further terms of the loss by name.

        Args:
            pictures: Pictures of source and target.
            outputs: The network's outputs for them.
        """
        return {}

    def picture(self, batch: Pair) -> npt.NDArray[np.uint8]:
        """Draw pictures and depth of both domains, and true depth of the source."""
        # Imported here because it needs OpenCV, which training without pictures does not need.
        from spike_training.learning.panels import Panels

        show = Panels(self.model)
        pictures = source_picture(batch.source), target_picture(batch.target)
        source, target = (see(self.network, one).depth for one in pictures)
        return show.sheet(
            [
                show.images(pictures[0], 'source'),
                show.depth(self.supervision.label(batch.source).depth, 'truth'),
                show.depth(source, 'depth'),
                show.images(pictures[1], 'target'),
                show.depth(target, 'depth of the target'),
            ]
        )
