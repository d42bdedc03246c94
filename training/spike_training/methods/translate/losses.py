# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses of least squares between translators and discriminators (LSGAN, in Zhu et al., 3.1).

All optimisers of a stage share one loss: in the term of a translator the weights of the
discriminator are constants, in that of the discriminator the translated pictures are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spike_depth_ros.networks.heads import to_float32
from spike_training.learning.adversarial import Alignment, accuracy_of


def look_loss(discriminator: nn.Module, translated: Tensor) -> Tensor:
    """Compute the loss of a translator, ``mean of (D(G(x)) - 1)^2``.

    Args:
        discriminator: Discriminator of the look; its weights get no gradient.
        translated: Translated pictures, ``[B, 3, H, W]``.
    """
    fixed = {name: value.detach() for name, value in discriminator.named_parameters()}
    logits = torch.func.functional_call(discriminator, fixed, (translated,))
    return (to_float32(logits) - 1).square().mean()


def discriminator_loss(discriminator: nn.Module, real: Tensor, translated: Tensor) -> Alignment:
    """Compute half the mean of ``(D(y) - 1)^2`` and of ``D(G(x))^2``.

    Args:
        discriminator: Discriminator of the look.
        real: Pictures that have the look, ``[B, 3, H, W]``.
        translated: Pictures that got it; they get no gradient.

    Returns:
        Loss and the share of patches classified correctly.
    """
    own, other = (to_float32(discriminator(part.detach())) for part in (real, translated))
    loss = ((own - 1).square().mean() + other.square().mean()) / 2
    return Alignment(loss, accuracy_of(own > 0.5, other < 0.5))


def difference(one: Tensor, other: Tensor) -> Tensor:
    """Compute the mean absolute difference of pictures in float32."""
    return (to_float32(one) - to_float32(other)).abs().mean()
