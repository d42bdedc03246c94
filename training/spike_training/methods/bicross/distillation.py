# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Coarse-to-fine knowledge distillation, CFKD (Liu et al., BiCross, Eq. 3).

The losses return one value per image, ``[B]``; a mask selects the positions that count. An image
without selected positions gives 0 with a zero gradient.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from spike_depth_ros.networks.heads import to_float32


def masked_average(features: Tensor, selected: Tensor) -> Tensor:
    """Average the features over selected positions (masked average pooling, Pool_avg of Eq. 3).

    Args:
        features: ``[B, C, h, w]``.
        selected: ``[B, 1, h, w]``, bool or 0 and more.

    Returns:
        ``[B, C]``; 0 with a zero gradient for an image without a selected position.
    """
    return _selected_sum(to_float32(features), selected) / selected.sum(dim=(2, 3)).clamp_min(1)


def coarse_loss(teacher: Tensor, student: Tensor, counted: Tensor) -> Tensor:
    """Compute CKD: divergence of the student's global vector from the teacher's (Eq. 3).

    ``KL(softmax teacher || softmax student)``.

    Args:
        teacher: Global vectors before normalisation, ``[B, G]``; a target, so without a gradient.
        student: Same shape.
        counted: Images that count, ``[B]`` bool: those where positions were selected.

    Returns:
        ``[B]`` nats, 0 or more.
    """
    log_teacher = to_float32(teacher).detach().log_softmax(dim=1)
    log_student = to_float32(student).log_softmax(dim=1)
    # Masked before the divergence: after it, 0 times a vector that is not finite would be NaN.
    log_student = torch.where(counted[:, None], log_student, log_teacher)
    return F.kl_div(log_student, log_teacher, reduction='none', log_target=True).sum(dim=1)


def fine_loss(
    teacher: Tensor, student: Tensor, selected: Tensor, paper_exact: bool = False
) -> Tensor:
    """Compute FKD: squared difference of the decoders' features (Liu et al., BiCross, Eq. 3).

    The default is the mean squared error over selected positions and channels, as in the text of
    the paper; it depends neither on the width of the features nor on the number of selected
    positions. The paper's formula sums over channels and selected positions and divides by the
    number of all positions.

    Args:
        teacher: ``[B, C, h, w]``; a target, so without a gradient.
        student: Same shape.
        selected: ``[B, 1, h, w]`` bool.
        paper_exact: Use the paper's formula.

    Returns:
        ``[B]``, 0 or more.
    """
    channels, rows, columns = student.shape[1:]
    difference = to_float32(student) - to_float32(teacher).detach()
    total = _selected_sum(difference.square(), selected).sum(dim=1)
    if paper_exact:
        return total / (rows * columns)
    return total / (channels * selected.sum(dim=(1, 2, 3)).clamp_min(1))


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
        teacher_vector = self.mlp(teacher.detach())
        if self.learns_depth:
            fixed = {name: value.detach() for name, value in self.mlp.named_parameters()}
            student_vector = functional_call(self.mlp, fixed, (student,))
            # Divergence from the true shares; 0 for an image without a known pixel.
            log_probabilities = to_float32(teacher_vector).log_softmax(dim=1)
            divergence = F.kl_div(log_probabilities, self.shares(depth), reduction='none')
            fit = divergence.sum(dim=1).mean()
        else:
            student_vector = self.mlp(student)
            fit = teacher_vector.new_zeros(())
        return CoarseDistillation(
            ckd=coarse_loss(teacher_vector, student_vector, counted).mean(),
            fit=fit,
            spread=_spread(teacher_vector.detach(), counted),
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


def _selected_sum(features: Tensor, selected: Tensor) -> Tensor:
    """Sum over the selected positions, ``[B, C]``; other values may be NaN or infinite."""
    return torch.where(selected > 0, features * selected, 0.0).sum(dim=(2, 3))
