# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Self-correcting alignment: adversarial domain discriminators (BiCross, Eq. 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from spike_training.learning.adversarial import (
    TokenDiscriminator,
    domain_loss,
    reversed_gradient,
)


class Alignment(NamedTuple):
    """Loss and accuracy of the discriminators on a batch.

    Attributes:
        loss: Scalar that the discriminators minimise and, through reversed gradients, the student
            maximises: the mean of :func:`domain_loss` over images, summed over discriminators.
        accuracy: Share of tokens classified correctly, without a gradient; 0.5 is chance level.
    """

    loss: Tensor
    accuracy: Tensor


class DomainDiscriminators(nn.ModuleDict):
    """One discriminator for each kind of view, with tokens of both domains as input.

    The paper has "two individual domain discriminators" for ``f_src`` and ``f_tgt``, but its
    formula has one D for both. A discriminator for a single domain would learn a constant, whose
    gradient has no information on the difference of the domains. So there are two here, too, but
    one for tokens of strong views and one for tokens of weak views.

    Args:
        dim: Width of the tokens.
        views: Names of the kinds of views.
    """

    def __init__(self, dim: int, views: tuple[str, ...]) -> None:
        super().__init__({view: TokenDiscriminator(dim) for view in views})

    def forward(self, tokens: Mapping[str, tuple[Tensor, Tensor]]) -> Alignment:
        """Classify the domain of tokens.

        Args:
            tokens: For each kind of view, the student's class tokens of source and target, both
                ``[B, dim]``.
        """
        losses, correct = [], []
        for view, discriminator in self.items():
            source, target = (discriminator(reversed_gradient(part)) for part in tokens[view])
            losses.append(domain_loss(source, target).mean())
            correct += [source > 0, target < 0]
        return Alignment(torch.stack(losses).sum(), torch.cat(correct).float().mean())
