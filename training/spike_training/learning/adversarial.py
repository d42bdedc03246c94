# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Adversarial alignment of two domains: reversed gradient, discriminators and their loss."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spike_depth_ros.networks.heads import to_float32


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.weight * gradients[0], None


def reversed_gradient(features: Tensor, weight: float = 1.0) -> Tensor:
    """Return the features unchanged; reverse their gradient (Ganin and Lempitsky).

    One backward pass then trains the discriminator after it to separate the domains and the
    network before it to make them indistinguishable: the minimax objective of Eq. 6.

    Args:
        features: Any tensor.
        weight: Factor on the reversed gradient; 0: the discriminator alone learns.
    """
    reverse: Tensor = _Reverse.apply(features, weight)  # type: ignore[no-untyped-call]
    return reverse


def domain_loss(source: Tensor, target: Tensor) -> Tensor:
    """Compute the loss of a discriminator: the negative of L_adv (Liu et al., BiCross, Eq. 6).

    ``-log D(f_src) - log(1 - D(f_tgt))`` with D the sigmoid of the logits; 2 ln 2 at chance
    level. The student minimises L_adv, so it *maximises* this loss: put a gradient reversal
    between its features and the discriminator.

    Args:
        source: Logits of the class "source" of tokens from the source, of any shape.
        target: Logits of the same class of tokens from the target, of any shape: pictures of both
            domains may differ in size.

    Returns:
        Sum of the means over either, a scalar of 0 or more.
    """
    # log sigmoid z = -softplus(-z), and 1 - sigmoid z = sigmoid -z: finite for any logit.
    return F.softplus(-to_float32(source)).mean() + F.softplus(to_float32(target)).mean()


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


class PatchDiscriminator(nn.Sequential):
    """Convolutions that classify the domain of each patch of an image (Zhu et al., CycleGAN).

    Its output is one logit for each patch, ``[B, 1, h, w]``. With three layers of stride 2 a patch
    has 70x70 pixels, with two 34x34. Each channel of a picture has its own norm, as there: with
    one over all channels it takes several times as many steps to tell noise.

    Args:
        channels: Channels of the images.
        width: Channels of the first layer; each further one has twice as many, at most 8 times.
        layers: Layers of stride 2.
    """

    def __init__(self, channels: int, width: int = 32, layers: int = 2) -> None:
        parts: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        before = width
        for layer in range(1, layers + 1):
            after, stride = width * min(2**layer, 8), 2 if layer < layers else 1
            parts += [
                nn.Conv2d(before, after, 4, stride, 1),
                nn.GroupNorm(after, after),
                nn.LeakyReLU(0.2),
            ]
            before = after
        super().__init__(*parts, nn.Conv2d(before, 1, 4, 1, 1))


class Alignment(NamedTuple):
    """Loss and accuracy of discriminators on a batch.

    Attributes:
        loss: Scalar that the discriminators minimise and, through reversed gradients, the network
            before them maximises.
        accuracy: Share of features classified correctly, see :func:`accuracy_of`; 0.5 is chance
            level.
    """

    loss: Tensor
    accuracy: Tensor


def align(
    discriminator: nn.Module, source: Tensor, target: Tensor, weight: float = 1.0
) -> Alignment:
    """Classify the domain of features, whose gradient is reversed.

    Args:
        discriminator: Discriminator, or one of patches.
        source: Features of the source.
        target: Features of the target; their number, or the size of their maps, may differ.
        weight: Factor on the reversed gradient.
    """
    own, other = (discriminator(reversed_gradient(part, weight)) for part in (source, target))
    return Alignment(domain_loss(own, other), accuracy_of(own > 0, other < 0))


def accuracy_of(source: Tensor, target: Tensor) -> Tensor:
    """Return the share classified correctly, a mean over both domains, which may differ in size.

    Args:
        source: True where a feature of the source is taken for one.
        target: The same of the target.
    """
    return (source.float().mean() + target.float().mean()) / 2
