# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses of BiCross (Liu et al.), one function per equation.

Every function is pure and returns one value per image, ``[B]``; the caller averages. Pixels are
weighted: a weight of 0 leaves a pixel out, and so does a reference that is NaN, infinite or not
positive. An image without remaining pixels gives 0 with a zero gradient; only the weights
distinguish it from a perfect prediction. A prediction that is not a depth at a pixel that counts
gives NaN: masking it would hide a network that diverged.

The losses on features weight positions in the same way, by a selection mask.
"""

from __future__ import annotations

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor

from spike_depth_ros.model.heads import to_float32

OFFSET = 0.1
"""Offset of both depths before the logarithm in the authors' code, metres."""


def si_loss(pred: Tensor, reference: Tensor, weight: Tensor, lam: float = 0.5) -> Tensor:
    """Compute the scale-invariant log loss without a root (Liu et al., BiCross, Eq. 5).

    ``mean(d^2) - lam mean(d)^2`` with ``d = log pred - log reference``, means by weight.

    Args:
        pred: Depth in metres, ``[B, 1, H, W]``.
        reference: Label or pseudo-label in metres, same shape; NaN where unknown.
        weight: Weight of each pixel, same shape: bool, or 0 and more.
        lam: 0 is the mean squared log error, 1 ignores a global scale.

    Returns:
        ``[B]``, 0 or more for ``lam`` up to 1.

    Raises:
        ValueError: The shapes differ.
    """
    mean, variance = _log_difference(pred, reference, weight, offset=0.0)
    return variance + (1 - lam) * mean.square()


def si_loss_rooted(pred: Tensor, reference: Tensor, weight: Tensor, lam: float = 0.85) -> Tensor:
    """Compute the scale-invariant log loss with a root, as in the authors' code.

    ``sqrt(var(d) + (1 - lam) mean(d)^2)`` with ``d = log(pred + 0.1) - log(reference + 0.1)``.

    Args:
        pred: Depth in metres, ``[B, 1, H, W]``.
        reference: Label or pseudo-label in metres, same shape; NaN where unknown.
        weight: Weight of each pixel, same shape: bool, or 0 and more.
        lam: As in :func:`si_loss`.

    Returns:
        ``[B]``, 0 or more. A perfect prediction gives 0 with a zero gradient, although the root's
        slope is infinite there.

    Raises:
        ValueError: The shapes differ.
    """
    mean, variance = _log_difference(pred, reference, weight, offset=OFFSET)
    square = variance + (1 - lam) * mean.square()
    # Selected before the root: after it, 0 times the root's infinite slope would be NaN.
    some = square != 0  # also where it is NaN, which must propagate
    return torch.where(some, torch.where(some, square, 1.0).sqrt(), 0.0)


def si_loss_absolute(pred: Tensor, reference: Tensor, weight: Tensor, lam: float = 0.5) -> Tensor:
    """Compute the scale-invariant log loss with absolute values, not squares; not in BiCross.

    ``mean(|d - lam mean(d)|)`` with ``d = log pred - log reference``, means by weight. Where an
    image is ambiguous between two depths, the squared loss is least at a depth between them; the
    absolute one, with ``lam`` 0, at the likelier depth.

    Args:
        pred: Depth in metres, ``[B, 1, H, W]``.
        reference: Label or pseudo-label in metres, same shape; NaN where unknown.
        weight: Weight of each pixel, same shape: bool, or 0 and more.
        lam: Share of the mean log difference that is removed: 0 none, 1 all.

    Returns:
        ``[B]``, 0 or more.

    Raises:
        ValueError: The shapes differ.
    """
    difference, weight = _log_difference_map(pred, reference, weight, offset=0.0)
    mean = _mean(difference, weight)[:, None, None, None]
    return _mean((difference - lam * mean).abs(), weight)


def gradient_loss(pred: Tensor, reference: Tensor, weight: Tensor, scales: int = 4) -> Tensor:
    """Compute the multi-scale gradient loss of log depth (after Ranftl et al., MiDaS, Eq. 11).

    Not in BiCross: it sharpens depth edges, which the scale-invariant loss alone does not learn
    from few images. ``sum over s of mean |dx| + mean |dy|`` of the difference of the logarithms,
    on every pixel, every second, fourth, ..., between neighbours that both count.

    Args:
        pred: Depth in metres, ``[B, 1, H, W]``.
        reference: Label in metres, same shape; NaN where unknown.
        weight: Weight of each pixel, same shape; a pair has the lesser weight of its pixels.
        scales: Number of scales; the distance between neighbours doubles at each.

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
    """Compute the relative error of depth, the label of the uncertainty (BiCross, Eq. 2).

    Args:
        pred: Depth in metres, any shape.
        reference: Label or pseudo-label in metres, same shape; NaN where unknown.

    Returns:
        ``|pred - reference| / reference`` clipped to 0..1, same shape; NaN where unknown. Without
        a gradient, so that the loss of the uncertainty does not train depth.
    """
    reference = reference.detach()
    error = (pred.detach() - reference).abs() / reference
    return error.clamp(0.0, 1.0)


def uncertainty_loss(
    uncertainty: Tensor, pred: Tensor, reference: Tensor, weight: Tensor
) -> Tensor:
    """Compute the L1 loss of the predicted relative error (Liu et al., BiCross, below Eq. 2).

    Args:
        uncertainty: Predicted relative error, ``[B, 1, H, W]``; the only argument with a gradient.
        pred: Depth in metres, same shape.
        reference: Label or pseudo-label in metres, same shape; NaN where unknown.
        weight: Weight of each pixel, same shape: bool, or 0 and more.

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
    """Threshold of an uncertainty map: epsilon in the paper, which gives no value.

    Attributes:
        absolute: Largest relative error that counts as confident; None: each image's quantile.
        quantile: Share of an image's positions that are confident. Of n positions these are
            ``round(n quantile)``, more if some have the same uncertainty: 0 selects none, 1 all.
    """

    absolute: float | None = None
    quantile: float = 0.5

    def confident(self, uncertainty: Tensor) -> Tensor:
        """Return the confidence mask: the positions with an uncertainty not above the threshold.

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
        # kthvalue takes a tenth of the time of torch.quantile, which sorts.
        limit = flat.kthvalue(number, dim=1).values
        return uncertainty <= limit[:, None, None, None]


def spike_oriented_filter(
    rgb_uncertainty: Tensor,
    spike_uncertainty: Tensor,
    grid: tuple[int, int],
    rgb: Threshold,
    spike: Threshold,
) -> Tensor:
    """Select positions where RGB is confident and spikes are not (BiCross, section III-B).

    The maps of uncertainty are averaged to the grid of the features and then compared with the
    thresholds. Comparing first would give shares of pixels, which need another threshold, and a
    quantile of one half would no longer select half of the grid.

    Args:
        rgb_uncertainty: Relative error that the teacher predicts, ``[B, 1, H, W]``.
        spike_uncertainty: Relative error that the student predicts, same shape.
        grid: Rows and columns of the features; each divides H and W, or is that of the image.
        rgb: Threshold up to which RGB is confident.
        spike: Threshold up to which spikes are confident.

    Returns:
        ``[B, 1, *grid]`` bool, without a gradient.
    """
    confident = rgb.confident(F.adaptive_avg_pool2d(rgb_uncertainty.detach(), grid))
    return confident & ~spike.confident(F.adaptive_avg_pool2d(spike_uncertainty.detach(), grid))


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
    wanted = to_float32(teacher).detach().log_softmax(dim=1)
    # Masked before the divergence: after it, 0 times a vector that is not finite would be NaN.
    found = torch.where(counted[:, None], to_float32(student).log_softmax(dim=1), wanted)
    return F.kl_div(found, wanted, reduction='none', log_target=True).sum(dim=1)


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


def _selected_sum(features: Tensor, selected: Tensor) -> Tensor:
    """Sum over the selected positions, ``[B, C]``; other values may be NaN or infinite."""
    return torch.where(selected > 0, features * selected, 0.0).sum(dim=(2, 3))


def _log_difference(
    pred: Tensor, reference: Tensor, weight: Tensor, offset: float
) -> tuple[Tensor, Tensor]:
    """Return weighted mean and variance of each image's difference of logarithms, ``[B]``."""
    difference, weight = _log_difference_map(pred, reference, weight, offset)
    mean = _mean(difference, weight)
    # Not mean(d^2) - mean(d)^2, which loses all digits where the variance is small.
    variance = _mean((difference - mean[:, None, None, None]).square(), weight)
    return mean, variance


def _log_difference_map(
    pred: Tensor, reference: Tensor, weight: Tensor, offset: float
) -> tuple[Tensor, Tensor]:
    """Return difference of logarithms and weights, both 0 where the reference is no depth."""
    weight = _usable(pred, reference, weight)
    use = weight > 0
    # Pixels of weight 0 are replaced before the logarithm, or their NaN would reach the gradient.
    difference = (torch.where(use, pred, 1.0) + offset).log()
    return difference - (torch.where(use, reference, 1.0) + offset).log(), weight


def _usable(pred: Tensor, reference: Tensor, weight: Tensor) -> Tensor:
    """Return the weights as float32, 0 where the reference is no depth."""
    _check(pred, reference)
    _check(pred, weight)
    return torch.where(reference.isfinite() & (reference > 0), weight.float(), 0.0)


def _mean(value: Tensor, weight: Tensor) -> Tensor:
    total = weight.sum(dim=(1, 2, 3))
    # Tiny, not 1: the sum of the weights may be below 1.
    return (value * weight).sum(dim=(1, 2, 3)) / total.clamp_min(torch.finfo(total.dtype).tiny)


def _check(one: Tensor, other: Tensor) -> None:
    if one.ndim != 4 or one.shape != other.shape:
        raise ValueError(
            f'shapes {list(one.shape)} and {list(other.shape)}: expected [B, 1, H, W] for both'
        )
