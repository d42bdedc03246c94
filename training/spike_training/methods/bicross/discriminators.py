# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Self-correcting alignment: discriminators that a student learns to deceive (BiCross, Eq. 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from spike_training.methods.bicross.losses import domain_loss


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return -gradients[0]


def reversed_gradient(features: Tensor) -> Tensor:
    """The features, whose gradient changes its sign on the way back (Ganin and Lempitsky).

    So one backward pass makes the discriminator behind it better and the features before it
    harder to tell apart, which is the game of Eq. 6.
    """
    reverse: Tensor = _Reverse.apply(features)  # type: ignore[no-untyped-call]
    return reverse


class TokenDiscriminator(nn.Sequential):
    """A small MLP that tells from a class token which domain it is from.

    Args:
        dim: Width of the tokens.
        hidden: Width within.
    """

    def __init__(self, dim: int, hidden: int = 64) -> None:
        super().__init__(
            nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(),
            nn.Linear(hidden, 1), nn.Flatten(0),
        )  # fmt: skip


class Alignment(NamedTuple):
    """What the discriminators say of a batch.

    Attributes:
        loss: Scalar to minimise, by discriminators and, through reversed gradients, by students:
            the mean of :func:`domain_loss` over images, summed over the discriminators.
        accuracy: Share of tokens whose domain was told, without a gradient: 0.5 is a guess.
    """

    loss: Tensor
    accuracy: Tensor


class DomainDiscriminators(nn.ModuleDict):
    """One discriminator for each kind of view; every one of them sees tokens of both domains.

    The paper has "two individual domain discriminators" for ``f_src`` and ``f_tgt`` and a formula
    with one D that sees both. One that saw the source alone, beside one that saw the target alone,
    would learn a constant each: its gradient says nothing about how the domains differ. So there
    are two here too, but each for one set of tokens: those of strong and those of weak views.

    Args:
        dim: Width of the tokens.
        views: Names of the kinds of views.
    """

    def __init__(self, dim: int, views: tuple[str, ...]) -> None:
        super().__init__({view: TokenDiscriminator(dim) for view in views})

    def forward(self, tokens: Mapping[str, tuple[Tensor, Tensor]]) -> Alignment:
        """Judges tokens.

        Args:
            tokens: For each kind of view, the student's class tokens of source and target, both
                ``[B, dim]``.
        """
        losses, told = [], []
        for view, discriminator in self.items():
            source, target = (discriminator(reversed_gradient(part)) for part in tokens[view])
            losses.append(domain_loss(source, target).mean())
            told += [source > 0, target < 0]
        return Alignment(torch.stack(losses).sum(), torch.cat(told).float().mean())
