# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The losses of BiCross (Liu et al.), one function per equation.

Every function is pure and gives one value per image, ``[B]``: the caller averages. Pixels are
weighted; a weight of 0 leaves a pixel out, and so does a reference that is NaN, infinite or not
positive. An image without a pixel left gives 0 with a zero gradient, which is ambiguous: look at
the weights to tell "perfect" from "nothing to compare". A prediction that is not a depth, where it
counts, gives NaN: masking it would hide a network that diverged.

The losses on features count positions in the same way: a selection says which.
"""

from __future__ import annotations

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor

from spike_depth_ros.model.heads import to_float32

OFFSET = 0.1
"""Added to both depths before the logarithm in the authors' code, metres."""


def si_loss(pred: Tensor, reference: Tensor, weight: Tensor, lam: float = 0.5) -> Tensor:
    """Scale-invariant log loss as printed (Liu et al., BiCross, Eq. 5), without a root.

    ``mean(d^2) - lam mean(d)^2`` with ``d = log pred - log reference``, means by weight.

    Args:
        pred: Depth in metres, ``[B, 1, H, W]``.
        reference: Label or pseudo-label in metres, same shape; NaN where unknown.
        weight: How much each pixel counts, same shape: bool, or 0 and more.
        lam: 0 is the mean squared log error, 1 ignores a global scale.

    Returns:
        ``[B]``, 0 or more for ``lam`` up to 1.

    Raises:
        ValueError: The shapes differ.
    """
    mean, variance = _log_difference(pred, reference, weight, offset=0.0)
    return variance + (1 - lam) * mean.square()


def si_loss_rooted(pred: Tensor, reference: Tensor, weight: Tensor, lam: float = 0.85) -> Tensor:
    """Scale-invariant log loss in the form that the authors' code uses, with a root.

    ``sqrt(var(d) + (1 - lam) mean(d)^2)`` with ``d = log(pred + 0.1) - log(reference + 0.1)``.

    Args:
        pred: Depth in metres, ``[B, 1, H, W]``.
        reference: Label or pseudo-label in metres, same shape; NaN where unknown.
        weight: How much each pixel counts, same shape: bool, or 0 and more.
        lam: As in :func:`si_loss`.

    Returns:
        ``[B]``, 0 or more. A perfect prediction gives 0 with a zero gradient, where the root's
        own would be infinite.

    Raises:
        ValueError: The shapes differ.
    """
    mean, variance = _log_difference(pred, reference, weight, offset=OFFSET)
    square = variance + (1 - lam) * mean.square()
    # Chosen before the root: behind it, 0 times the root's infinite slope would be NaN.
    some = square != 0  # also where it is NaN, which must come through
    return torch.where(some, torch.where(some, square, 1.0).sqrt(), 0.0)


def si_loss_absolute(pred: Tensor, reference: Tensor, weight: Tensor, lam: float = 0.5) -> Tensor:
    """Scale-invariant log loss of absolute values, in place of squares; not in BiCross.

    ``mean(|d - lam mean(d)|)`` with ``d = log pred - log reference``, means by weight. Where a
    picture leaves two depths open, squares are least between them, where nothing is; absolute
    values, with ``lam`` 0, at the likelier one.

    Args:
        pred: Depth in metres, ``[B, 1, H, W]``.
        reference: Label or pseudo-label in metres, same shape; NaN where unknown.
        weight: How much each pixel counts, same shape: bool, or 0 and more.
        lam: How much of a global scale is forgiven: 0 none of it, 1 all.

    Returns:
        ``[B]``, 0 or more.

    Raises:
        ValueError: The shapes differ.
    """
    difference, weight = _log_difference_map(pred, reference, weight, offset=0.0)
    mean = _mean(difference, weight)[:, None, None, None]
    return _mean((difference - lam * mean).abs(), weight)


def gradient_loss(pred: Tensor, reference: Tensor, weight: Tensor, scales: int = 4) -> Tensor:
    """Edges of log depth where the reference has them (after Ranftl et al., MiDaS, Eq. 11).

    Not in BiCross: with few images the scale-invariant loss alone learns where depth lies, but
    not where it breaks. ``sum over s of mean |dx| + mean |dy|`` of the difference of the
    logarithms, on every pixel, every second, fourth, ..., between neighbours that both count.

    Args:
        pred: Depth in metres, ``[B, 1, H, W]``.
        reference: Label in metres, same shape; NaN where unknown.
        weight: How much each pixel counts, same shape; a pair counts as its lesser one.
        scales: How often the distance between neighbours doubles, plus one.

    Returns:
        ``[B]``, 0 or more.

    Raises:
        ValueError: The shapes differ.
    """
    difference, weight = _log_difference_map(pred, reference, weight, offset=0.0)
    total = torch.zeros_like(difference[:, 0, 0, 0])
    for step in (2**scale for scale in range(scales)):
        d, w = difference[..., ::step, ::step], weight[..., ::step, ::step]
        for dim in (2, 3):
            pairs = d.shape[dim] - 1
            both = torch.minimum(w.narrow(dim, 1, pairs), w.narrow(dim, 0, pairs))
            total = total + _mean(d.diff(dim=dim).abs(), both)
    return total


def soft_error(pred: Tensor, reference: Tensor) -> Tensor:
    """Relative error of depth: the label of the uncertainty (Liu et al., BiCross, Eq. 2).

    Args:
        pred: Depth in metres, any shape.
        reference: Label or pseudo-label in metres, same shape; NaN where unknown.

    Returns:
        ``|pred - reference| / reference`` clipped to 0..1, same shape; NaN where unknown. Without
        a gradient: a label must not pull the depth.
    """
    reference = reference.detach()
    error = (pred.detach() - reference).abs() / reference
    return error.clamp(0.0, 1.0)


def uncertainty_loss(
    uncertainty: Tensor, pred: Tensor, reference: Tensor, weight: Tensor
) -> Tensor:
    """L1 between predicted and actual relative error (Liu et al., BiCross, below Eq. 2).

    Args:
        uncertainty: Predicted relative error, ``[B, 1, H, W]``; the only argument with a gradient.
        pred: Depth in metres, same shape.
        reference: Label or pseudo-label in metres, same shape; NaN where unknown.
        weight: How much each pixel counts, same shape: bool, or 0 and more.

    Returns:
        ``[B]``, 0 or more.

    Raises:
        ValueError: The shapes differ.
    """
    _check(uncertainty, pred)
    weight = _usable(pred, reference, weight)
    use = weight > 0
    label = soft_error(pred, reference)
    return _mean(torch.where(use, uncertainty - label, 0.0).abs(), weight)


@dataclasses.dataclass(frozen=True)
class Threshold:
    """What parts an uncertainty map into sure and unsure: epsilon in the paper, its value unsaid.

    Attributes:
        absolute: Relative error at which the parts meet; None: each image's own quantile.
        quantile: Share of an image's positions that are sure. Of n positions ``round(n quantile)``
            are, unless some have the same uncertainty: 0 calls all unsure, 1 all sure.
    """

    absolute: float | None = None
    quantile: float = 0.5

    def sure(self, uncertainty: Tensor) -> Tensor:
        """Where the uncertainty is not above the threshold; the other positions are unsure.

        Args:
            uncertainty: ``[B, 1, h, w]``, 0 or more.

        Returns:
            Same shape, bool.
        """
        if self.absolute is not None:
            return uncertainty <= self.absolute
        flat = uncertainty.detach().flatten(1)
        number = round(self.quantile * flat.shape[1])
        if number == 0:
            return torch.zeros_like(uncertainty, dtype=torch.bool)
        # Not torch.quantile, which sorts: this takes a tenth of the time.
        limit = flat.kthvalue(number, dim=1).values
        return uncertainty <= limit[:, None, None, None]


def spike_oriented_filter(
    rgb_uncertainty: Tensor,
    spike_uncertainty: Tensor,
    grid: tuple[int, int],
    rgb: Threshold,
    spike: Threshold,
) -> Tensor:
    """Where RGB is sure and spikes are not (Liu et al., BiCross, section III-B).

    The maps of uncertainty are brought to the grid of the features, each position getting the mean
    of its pixels, and compared there. Comparing first would leave shares of pixels, which need
    another threshold to become a selection, and a median on the grid would no longer part a half.

    Args:
        rgb_uncertainty: Relative error that the teacher predicts of itself, ``[B, 1, H, W]``.
        spike_uncertainty: The student's, same shape.
        grid: Rows and columns of the features; each divides H and W, or is that of the image.
        rgb: Below it RGB is sure.
        spike: Above it spikes are unsure.

    Returns:
        ``[B, 1, *grid]`` bool, without a gradient.
    """
    sure = rgb.sure(F.adaptive_avg_pool2d(rgb_uncertainty.detach(), grid))
    return sure & ~spike.sure(F.adaptive_avg_pool2d(spike_uncertainty.detach(), grid))


def pooled(features: Tensor, selected: Tensor) -> Tensor:
    """Mean of the features over selected positions: Pool_avg of Eq. 3.

    Args:
        features: ``[B, C, h, w]``.
        selected: ``[B, 1, h, w]``, bool or 0 and more.

    Returns:
        ``[B, C]``; 0 with a zero gradient for an image without a selected position.
    """
    return _selected_sum(to_float32(features), selected) / selected.sum(dim=(2, 3)).clamp_min(1)


def coarse_loss(teacher: Tensor, student: Tensor, counted: Tensor) -> Tensor:
    """CKD: divergence of the student's global vector from the teacher's (BiCross, Eq. 3).

    ``KL(softmax teacher || softmax student)``.

    Args:
        teacher: Global vectors before normalisation, ``[B, G]``; a target, so without a gradient.
        student: Same shape.
        counted: Images that count, ``[B]`` bool: those where positions were selected.

    Returns:
        ``[B]`` nats, 0 or more.
    """
    wanted = to_float32(teacher).detach().log_softmax(dim=1)
    # Left out before the divergence: behind it, 0 times a vector that is not finite would be NaN.
    found = torch.where(counted[:, None], to_float32(student).log_softmax(dim=1), wanted)
    return F.kl_div(found, wanted, reduction='none', log_target=True).sum(dim=1)


def fine_loss(
    teacher: Tensor, student: Tensor, selected: Tensor, as_printed: bool = False
) -> Tensor:
    """FKD: squared difference of the decoders' features (Liu et al., BiCross, Eq. 3).

    The paper speaks of the mean squared error, over selected positions: that is the default, which
    depends neither on the width of the features nor on how much was selected. Its formula sums
    over channels and selected positions and divides by all positions.

    Args:
        teacher: ``[B, C, h, w]``; a target, so without a gradient.
        student: Same shape.
        selected: ``[B, 1, h, w]`` bool.
        as_printed: Follow the formula.

    Returns:
        ``[B]``, 0 or more.
    """
    channels, rows, columns = student.shape[1:]
    difference = to_float32(student) - to_float32(teacher).detach()
    total = _selected_sum(difference.square(), selected).sum(dim=1)
    if as_printed:
        return total / (rows * columns)
    return total / (channels * selected.sum(dim=(1, 2, 3)).clamp_min(1))


def domain_loss(source: Tensor, target: Tensor) -> Tensor:
    """What a discriminator minimises: the negative of L_adv (Liu et al., BiCross, Eq. 6).

    ``-log D(f_src) - log(1 - D(f_tgt))`` with D the sigmoid of the logits: 2 ln 2 when it cannot
    tell the domains apart. The student minimises L_adv, so it *maximises* this: put a gradient
    reversal between its features and the discriminator.

    Args:
        source: Logits of "this is source" of tokens from the source, ``[B]``.
        target: The same of tokens from the target, ``[B]``.

    Returns:
        ``[B]``, 0 or more.
    """
    # log sigmoid z = -softplus(-z), and 1 - sigmoid z = sigmoid -z: finite for any logit.
    return F.softplus(-to_float32(source)) + F.softplus(to_float32(target))


def _selected_sum(features: Tensor, selected: Tensor) -> Tensor:
    """Sums over the selected positions, ``[B, C]``; what is not selected may be anything."""
    return torch.where(selected > 0, features * selected, 0.0).sum(dim=(2, 3))


def _log_difference(
    pred: Tensor, reference: Tensor, weight: Tensor, offset: float
) -> tuple[Tensor, Tensor]:
    """Weighted mean and variance over each image of the difference of the logarithms, ``[B]``."""
    difference, weight = _log_difference_map(pred, reference, weight, offset)
    mean = _mean(difference, weight)
    # Not mean(d^2) - mean(d)^2, which loses all digits where the variance is small.
    variance = _mean((difference - mean[:, None, None, None]).square(), weight)
    return mean, variance


def _log_difference_map(
    pred: Tensor, reference: Tensor, weight: Tensor, offset: float
) -> tuple[Tensor, Tensor]:
    """Difference of the logarithms and the weights, 0 both where the reference is no depth."""
    weight = _usable(pred, reference, weight)
    use = weight > 0
    # What does not count is replaced before the logarithm, or its NaN would reach the gradient.
    difference = (torch.where(use, pred, 1.0) + offset).log()
    return difference - (torch.where(use, reference, 1.0) + offset).log(), weight


def _usable(pred: Tensor, reference: Tensor, weight: Tensor) -> Tensor:
    """Weights as float32, 0 where the reference is no depth."""
    _check(pred, reference)
    _check(pred, weight)
    return torch.where(reference.isfinite() & (reference > 0), weight.float(), 0.0)


def _mean(value: Tensor, weight: Tensor) -> Tensor:
    total = weight.sum(dim=(1, 2, 3))
    # Tiny, not 1: weights may sum to less than one pixel.
    return (value * weight).sum(dim=(1, 2, 3)) / total.clamp_min(torch.finfo(total.dtype).tiny)


def _check(one: Tensor, other: Tensor) -> None:
    if one.ndim != 4 or one.shape != other.shape:
        raise ValueError(
            f'shapes {list(one.shape)} and {list(other.shape)}: expected [B, 1, H, W] for both'
        )
