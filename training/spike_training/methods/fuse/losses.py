# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses between a student that sees spikes and a teacher that sees colours (Sun et al.)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

LEAST = 1e-6
"""Largest disparity of an image below which it has no shape to learn."""


def disparity_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Compute the L1 loss of log disparities.

    Both are ``log1p(disparity) / log1p(max)``, where max is the largest disparity of the teacher
    in the image: the paper leaves open of which. With a largest one of its own the student could
    be off by a factor. The authors' code of this stage compares disparities as they are.

    Args:
        student: Disparity, 0 and more, ``[B, 1, H, W]``.
        teacher: Likewise.

    Returns:
        ``[B]``; 0 where the teacher sees no disparity at all.
    """
    largest = teacher.amax(dim=(1, 2, 3))
    known = largest > LEAST
    scale = torch.where(known, largest, 1.0).log1p()
    apart = (student.log1p() - teacher.log1p()).abs().mean(dim=(1, 2, 3))
    return torch.where(known, apart / scale, 0.0)


class TokenLoss(NamedTuple):
    """Loss of tokens, and what it is made of.

    Attributes:
        loss: ``[B]``.
        cosine: Mean cosine of all tokens, without a gradient, ``[B]``.
        counted: Share of the tokens that count, ``[B]``.
    """

    loss: Tensor
    cosine: Tensor
    counted: Tensor


def token_loss(
    student: Sequence[Tensor], teacher: Sequence[Tensor], largest_cosine: float
) -> TokenLoss:
    """Compute the mean of 1 - cosine over the tokens whose cosine is from 0 to a largest one.

    It is a mean over the tokens that count, then over the layers; a layer without any adds 0.

    Args:
        student: Tokens of the patches of each layer, ``[B, N, D]``.
        teacher: Likewise.
        largest_cosine: Cosine above which tokens are alike enough.
    """
    losses, cosines, shares = [], [], []
    for mine, wanted in zip(student, teacher, strict=True):
        cosine = F.cosine_similarity(mine.float(), wanted.float(), dim=2)
        counts = (cosine >= 0) & (cosine <= largest_cosine)
        apart = torch.where(counts, 1 - cosine, 0.0).sum(dim=1)
        losses.append(apart / counts.sum(dim=1).clamp_min(1))
        cosines.append(cosine.detach().mean(dim=1))
        shares.append(counts.float().mean(dim=1))
    loss, cosine, counted = (torch.stack(one).mean(dim=0) for one in (losses, cosines, shares))
    return TokenLoss(loss, cosine, counted)
