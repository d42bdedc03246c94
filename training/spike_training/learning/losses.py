# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses of depth and uncertainty on labels and pseudo labels (Liu et al., BiCross, Eq. 2 and 5).

Every function is pure and returns one value per image, ``[B]``; the caller averages. Pixels are
weighted: a weight of 0 leaves a pixel out, and so does a reference that is NaN, infinite or not
positive. An image without remaining pixels gives 0 with a zero gradient; only the weights
distinguish it from a perfect prediction. A prediction that is not a depth at a pixel that counts
gives NaN: masking it would hide a network that diverged.
"""

from __future__ import annotations

import torch
from torch import Tensor

OFFSET = 0.1
"""Offset of both depths before the logarithm in the authors' code, metres."""

SCALES = 4
"""Scales of the loss of gradients; the distance between neighbours doubles at each."""

LEAST_SCALE = 0.5
"""Least scale of a disparity that is fitted to a label, in ratios of their deviations."""

LEAST_DEVIATION = 1e-6
"""Deviation of a disparity, 1/m, below which it is a constant."""


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


def si_loss_over_all(pred: Tensor, reference: Tensor, weight: Tensor, lam: float = 0.5) -> Tensor:
    """Compute :func:`si_loss` over all pixels of an image (Liu et al., BiCross, Eq. 5 as printed).

    ``sum(w d^2) / N - lam (sum(w d) / N)^2`` with ``N = W H``: pixels that do not count lower the
    loss, as those that a filter leaves out.

    Args:
        pred: Depth in metres, ``[B, 1, H, W]``.
        reference: Label or pseudo-label in metres, same shape; NaN where unknown.
        weight: Weight of each pixel, same shape: bool, or 0 to 1.
        lam: As in :func:`si_loss`.

    Returns:
        ``[B]``, 0 or more for ``lam`` up to 1.

    Raises:
        ValueError: The shapes differ.
    """
    difference, weight = _log_difference_map(pred, reference, weight, offset=0.0)
    mean = (weight * difference).mean(dim=(1, 2, 3))
    return (weight * difference.square()).mean(dim=(1, 2, 3)) - lam * mean.square()


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


def gradient_loss(pred: Tensor, reference: Tensor, weight: Tensor, scales: int = SCALES) -> Tensor:
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
    return _gradients(difference, weight, scales)


def affine_loss(
    pred: Tensor, reference: Tensor, weight: Tensor, gradient_weight: float = 0.0
) -> Tensor:
    """Compute the loss of labels whose 1 / depth is known up to scale and shift; not in BiCross.

    The disparity of each image, 1 / ``pred``, is fitted to that of its label by scale and shift,
    with the least squared error. The loss is the mean absolute difference over that of the label
    from its own mean, and the loss of its gradients as in :func:`gradient_loss`: after Ranftl et
    al., MiDaS, Eq. 5, 7 and 11, with another norm. The scale is at least ``LEAST_SCALE`` times
    that of equal deviations: at 0, an image that is predicted inside out would teach nothing.

    Args:
        pred: Depth, ``[B, 1, H, W]``.
        reference: Relative depth, same shape: 1 / it is a disparity up to scale and shift. NaN
            where unknown.
        weight: Weight of each pixel, same shape: bool, or 0 and more.
        gradient_weight: Weight of the gradients; 0: none.

    Returns:
        ``[B]``: 0 for a perfect prediction, about 1 for a constant one, more for the negative.

    Raises:
        ValueError: The shapes differ.
    """
    weight = _usable(pred, reference, weight)
    use = weight > 0
    own, label = (torch.where(use, one, 1.0).reciprocal() for one in (pred, reference))
    own, label = (one - _mean(one, weight)[:, None, None, None] for one in (own, label))
    # The scale has a gradient: without one, the loss would fall as the deviation grows.
    deviation, wanted = (_deviation(one, weight) for one in (own, label))
    correlation = _mean(own * label, weight) / (deviation * wanted)
    scale = correlation.clamp_min(LEAST_SCALE) * wanted / deviation
    spread = _mean(label.abs(), weight).clamp_min(LEAST_DEVIATION)
    fitted = scale[:, None, None, None] * own
    difference = torch.where(use, fitted - label, 0.0) / spread[:, None, None, None]
    loss = _mean(difference.abs(), weight)
    if gradient_weight:
        loss = loss + gradient_weight * _gradients(difference, weight, SCALES)
    return loss


def soft_error(pred: Tensor, reference: Tensor, limit: float | None = 1.0) -> Tensor:
    """Compute the relative error of depth, the label of the uncertainty (BiCross, Eq. 2).

    Args:
        pred: Depth in metres, any shape.
        reference: Label or pseudo-label in metres, same shape; NaN where unknown.
        limit: Largest error; None: none, as printed.

    Returns:
        ``|pred - reference| / reference`` up to the limit, same shape; NaN where unknown. Without
        a gradient, so that the loss of the uncertainty does not train depth.
    """
    reference = reference.detach()
    error = (pred.detach() - reference).abs() / reference
    return error.clamp(0.0, limit)


def uncertainty_loss(
    uncertainty: Tensor,
    pred: Tensor,
    reference: Tensor,
    weight: Tensor,
    limit: float | None = 1.0,
) -> Tensor:
    """Compute the L1 loss of the predicted relative error (Liu et al., BiCross, below Eq. 2).

    Args:
        uncertainty: Predicted relative error, ``[B, 1, H, W]``; the only argument with a gradient.
        pred: Depth in metres, same shape.
        reference: Label or pseudo-label in metres, same shape; NaN where unknown.
        weight: Weight of each pixel, same shape: bool, or 0 and more.
        limit: See :func:`soft_error`.

    Returns:
        ``[B]``, 0 or more.

    Raises:
        ValueError: The shapes differ.
    """
    _check(uncertainty, pred)
    weight = _usable(pred, reference, weight)
    use = weight > 0
    label = soft_error(pred, reference, limit)
    return _mean(torch.where(use, uncertainty - label, 0.0).abs(), weight)


def _gradients(difference: Tensor, weight: Tensor, scales: int) -> Tensor:
    """Return the loss of gradients of a map of differences, see :func:`gradient_loss`."""
    total = torch.zeros_like(difference[:, 0, 0, 0])
    for step in (2**scale for scale in range(scales)):
        d, w = difference[..., ::step, ::step], weight[..., ::step, ::step]
        for dim in (2, 3):
            pairs = d.shape[dim] - 1
            both = torch.minimum(w.narrow(dim, 1, pairs), w.narrow(dim, 0, pairs))
            total = total + _mean(d.diff(dim=dim).abs(), both)
    return total


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


def _deviation(centred: Tensor, weight: Tensor) -> Tensor:
    # Clamped before the root, whose slope is infinite at 0.
    return _mean(centred.square(), weight).clamp_min(LEAST_DEVIATION**2).sqrt()


def _check(one: Tensor, other: Tensor) -> None:
    if one.ndim != 4 or one.shape != other.shape:
        raise ValueError(
            f'shapes {list(one.shape)} and {list(other.shape)}: expected [B, 1, H, W] for both'
        )
