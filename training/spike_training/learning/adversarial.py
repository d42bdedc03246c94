# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Adversarial alignment of two domains: reversed gradient, discriminator and its loss."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spike_depth_ros.model.heads import to_float32


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return -gradients[0]


def reversed_gradient(features: Tensor) -> Tensor:
    """Return the features unchanged; reverse their gradient (Ganin and Lempitsky).

    One backward pass then trains the discriminator after it to separate the domains and the
    network before it to make them indistinguishable: the minimax objective of Eq. 6.
    """
    reverse: Tensor = _Reverse.apply(features)  # type: ignore[no-untyped-call]
    return reverse


def domain_loss(source: Tensor, target: Tensor) -> Tensor:
    """Compute the loss of a discriminator: the negative of L_adv (Liu et al., BiCross, Eq. 6).

    ``-log D(f_src) - log(1 - D(f_tgt))`` with D the sigmoid of the logits; 2 ln 2 at chance
    level. The student minimises L_adv, so it *maximises* this loss: put a gradient reversal
    between its features and the discriminator.

    Args:
        source: Logits of the class "source" of tokens from the source, ``[B]``.
        target: Logits of the same class of tokens from the target, ``[B]``.

    Returns:
        ``[B]``, 0 or more.
    """
    # log sigmoid z = -softplus(-z), and 1 - sigmoid z = sigmoid -z: finite for any logit.
    return F.softplus(-to_float32(source)) + F.softplus(to_float32(target))


class TokenDiscriminator(nn.Sequential):
    """Small MLP that classifies the domain of a class token.

    Args:
        dim: Width of the tokens.
        hidden: Width of the hidden layers.
    """

    def __init__(self, dim: int, hidden: int = 64) -> None:
        super().__init__(
            nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(),
            nn.Linear(hidden, 1), nn.Flatten(0),
        )  # fmt: skip
