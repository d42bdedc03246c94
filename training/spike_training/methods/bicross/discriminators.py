# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Self-correcting alignment: adversarial domain discriminators (BiCross, Eq. 6)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from spike_training.learning.adversarial import Alignment, TokenDiscriminator, align


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

        Returns:
            Sum of the losses, mean of the accuracies.
        """
        found = [align(discriminator, *tokens[view]) for view, discriminator in self.items()]
        losses, accuracies = (torch.stack(values) for values in zip(*found, strict=True))
        return Alignment(losses.sum(), accuracies.mean())
