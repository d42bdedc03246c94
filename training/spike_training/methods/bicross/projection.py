# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MLP from pooled features to the global vectors that are distilled (BiCross, Eq. 3)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from spike_depth_ros.model.heads import to_float32
from spike_training.methods.bicross.losses import coarse_loss


class CoarseDistillation(NamedTuple):
    """Scalars, means over the images of a batch.

    Attributes:
        ckd: L_CKD, with a gradient to the student's features.
        fit: Loss of the MLP itself; 0 where that is ``ckd``.
        spread: Mean divergence of the teacher's vectors from their mean, nats, without a gradient:
            the information to distil. Near 0 all vectors are the same, and a low ``ckd`` is
            meaningless.
    """

    ckd: Tensor
    fit: Tensor
    spread: Tensor


class Projection(nn.Module):
    """MLP from pooled features to global vectors, shared by teacher and student.

    The paper does not define the training loss of the MLP. A fixed random MLP gives vectors that
    hardly differ between images. An MLP trained on L_CKD itself can lower it by removing the
    differences between images. So by default the MLP is trained to predict an image's
    distribution of depth: the softmax of a global vector is the share of pixels in each interval
    of log-depth. It is trained on the teacher's features and the labels. The gradient of L_CKD
    then passes through the MLP to the student's features without changing the MLP.

    Args:
        dim: Channels of the encoder's features.
        depth_range: Lowest and highest canonical depth, metres.
        learns_depth: Train the MLP on labels; otherwise on L_CKD.
        size: Length of the global vectors: intervals of log-depth.
    """

    def __init__(
        self, dim: int, depth_range: tuple[float, float], learns_depth: bool, size: int = 32
    ) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, size))
        self.learns_depth = learns_depth
        self.size = size
        self.log_min, self.log_max = (math.log(depth) for depth in depth_range)

    def forward(
        self, teacher: Tensor, student: Tensor, counted: Tensor, depth: Tensor
    ) -> CoarseDistillation:
        """Compare pooled features.

        Args:
            teacher: ``[B, dim]``; the target, without a gradient.
            student: Same shape.
            counted: Images that count, ``[B]`` bool.
            depth: Labels, canonical metres, ``[B, 1, H, W]``; NaN where unknown.
        """
        wanted = self.mlp(teacher.detach())
        if self.learns_depth:
            fixed = {name: value.detach() for name, value in self.mlp.named_parameters()}
            found = functional_call(self.mlp, fixed, (student,))
            # Divergence from the true shares; 0 for an image without a known pixel.
            shares, told = self.shares(depth), to_float32(wanted).log_softmax(dim=1)
            fit = F.kl_div(told, shares, reduction='none').sum(dim=1).mean()
        else:
            found = self.mlp(student)
            fit = wanted.new_zeros(())
        return CoarseDistillation(
            coarse_loss(wanted, found, counted).mean(), fit, _spread(wanted.detach(), counted)
        )

    def shares(self, depth: Tensor) -> Tensor:
        """Compute the share of known pixels in each interval of log-depth, ``[B, size]``."""
        flat = depth.flatten(1)
        known = flat.isfinite() & (flat > 0)
        place = (flat.where(known, 1.0).log() - self.log_min) / (self.log_max - self.log_min)
        interval = (place * self.size).long().clamp(0, self.size - 1)
        counts = torch.zeros(len(flat), self.size, device=depth.device)
        counts.scatter_add_(1, interval, known.float())
        return counts / known.sum(dim=1, keepdim=True).clamp_min(1)


def _spread(logits: Tensor, counted: Tensor) -> Tensor:
    """Return the mean divergence of counted vectors from their mean; 0 if all are the same."""
    log_shares = to_float32(logits).log_softmax(dim=1)
    shares = log_shares.exp() * counted[:, None]
    number = counted.sum().clamp_min(1)
    mean = (shares.sum(dim=0) / number).clamp_min(torch.finfo(torch.float32).tiny)
    return (shares * (log_shares - mean.log())).sum() / number
