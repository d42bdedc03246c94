# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses of depth from pairs without labels.

Equations are those of Shen et al., "A Depth Estimation Framework Based on Unsupervised Learning
and Cross-Modal Translation", section 3.4.

Every function returns one value per image, ``[B]``. What is unknown (NaN, infinite), or what the
other eye does not show, does not count and has no gradient; where nothing counts, a loss is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from spike_training.learning.appearance import appearance_loss, edge_aware_slope, masked_mean
from spike_training.methods.stereo.settings import PhotometricSettings
from spike_training.methods.stereo.warp import left_from_right, picture_pyramid, right_from_left


class PhotometricTerms(NamedTuple):
    """Loss of pairs and its parts, each ``[B]``, of both eyes and all levels.

    Attributes:
        total: Sum of the three parts (Eq. 1 and 2).
        appearance: Eq. 3.
        smoothness: Eq. 4 by its weight.
        consistency: Eq. 5 by its weight.
        counted: Share of the pixels of the finest level that count in Eq. 3, for the log.
    """

    total: Tensor
    appearance: Tensor
    smoothness: Tensor
    consistency: Tensor
    counted: Tensor


def photometric_loss(
    left: Tensor,
    right: Tensor,
    of_left: Sequence[Tensor],
    of_right: Sequence[Tensor],
    settings: PhotometricSettings,
) -> PhotometricTerms:
    """Compute the loss of pairs (Shen et al., Eq. 1 and 2).

    Args:
        left: Picture of the left eye, ``[B, C, H, W]``, 0 to 1.
        right: Picture of the right eye.
        of_left: Disparity of the left eye at each level, the finest one first:
            ``[B, 1, H // 2**level, W // 2**level]`` pixels of that level.
        of_right: Disparity of the right eye likewise.
        settings: Weights and masks.

    Raises:
        ValueError: Numbers or sizes of the levels do not fit, or pictures are too small.
    """
    if not len(of_left) == len(of_right) == settings.levels:
        raise ValueError(
            f'{len(of_left)} and {len(of_right)} disparities: expected {settings.levels} each'
        )
    eyes = zip(*(picture_pyramid(one, settings.levels) for one in (left, right)), strict=True)
    maps = zip(of_left, of_right, strict=True)
    levels = [
        _level(settings, level, *both) for level, both in enumerate(zip(eyes, maps, strict=True))
    ]
    appearance, smoothness, consistency = (
        torch.stack(part).sum(dim=0) for part in zip(*(one[:3] for one in levels), strict=True)
    )
    total = appearance + smoothness + consistency
    return PhotometricTerms(total, appearance, smoothness, consistency, levels[0].counted)


def smoothness_loss(disparity: Tensor, picture: Tensor) -> Tensor:
    """Compute the slope of disparity, less where the picture has edges (Eq. 4).

    Args:
        disparity: Pixels, ``[B, 1, H, W]``; its share of the width is compared.
        picture: ``[B, C, H, W]``, 0 to 1.

    Returns:
        ``[B]``, 0 or more.
    """
    return edge_aware_slope(disparity / disparity.shape[-1], picture)


def disagreements(of_left: Tensor, of_right: Tensor) -> tuple[Tensor, Tensor]:
    """Compute how far the disparities of a place differ from eye to eye (Eq. 5 as it is meant).

    ``|d_l(x) - d_r(x - d_l(x))|`` and ``|d_r(x) - d_l(x + d_r(x))|``.

    Args:
        of_left: Disparity of the left eye, ``[B, 1, H, W]`` pixels.
        of_right: Disparity of the right eye.

    Returns:
        That of either eye, same shape, pixels; NaN where the other eye does not show the place.
    """
    at_left, at_right = left_from_right(of_right, of_left), right_from_left(of_left, of_right)
    return _apart(of_left, *at_left), _apart(of_right, *at_right)


def disagreements_printed(of_left: Tensor, of_right: Tensor) -> tuple[Tensor, Tensor]:
    """Compute Eq. 5 as it is printed, ``|d_l(x) - d_l(x + d_l(x))|``, and its mirror image.

    It compares two places of one eye, and is 0 only if both have the same disparity.

    Args:
        of_left: As in :func:`disagreements`.
        of_right: As there.

    Returns:
        As there.
    """
    at_left, at_right = right_from_left(of_left, of_left), left_from_right(of_right, of_right)
    return _apart(of_left, *at_left), _apart(of_right, *at_right)


def left_right_loss(apart: tuple[Tensor, Tensor], width: int) -> Tensor:
    """Compute the mean disagreement of either eye, and add both (Eq. 5).

    Args:
        apart: Disagreements of both eyes, ``[B, 1, H, W]`` pixels; NaN: it does not count.
        width: Columns; the share of it is added.

    Returns:
        ``[B]``, 0 or more.
    """
    one, other = (masked_mean(each, each.isfinite()) for each in apart)
    return (one + other) / width


class _Level(NamedTuple):
    """Parts of one level, as those of :class:`PhotometricTerms`."""

    appearance: Tensor
    smoothness: Tensor
    consistency: Tensor
    counted: Tensor


def _level(
    settings: PhotometricSettings,
    level: int,
    eyes: tuple[Tensor, Tensor],
    disparities: tuple[Tensor, Tensor],
) -> _Level:
    """Compute the parts of a level, of the pictures and disparities of the left and right eye."""
    apart = disagreements(*disparities)
    warped = left_from_right(eyes[1], disparities[0]), right_from_left(eyes[0], disparities[1])
    appearance, smoothness, counted = [], [], []
    for k in range(2):
        counts = warped[k].inside & _known(eyes[k])
        if settings.mask:
            counts = counts & (apart[k] <= settings.mask / 2**level)  # NaN compares as False
        appearance.append(appearance_loss(eyes[k], warped[k].picture, counts, settings.alpha))
        smoothness.append(smoothness_loss(disparities[k], eyes[k]))
        counted.append(counts.float().mean(dim=(1, 2, 3)))
    if settings.printed:
        apart = disagreements_printed(*disparities)
    smooth = settings.smooth / (2**level if settings.smooth_halves else 1)
    return _Level(
        appearance[0] + appearance[1],
        smooth * (smoothness[0] + smoothness[1]),
        settings.consistency * left_right_loss(apart, eyes[0].shape[-1]),
        (counted[0] + counted[1]) / 2,
    )


def _apart(disparity: Tensor, other: Tensor, inside: Tensor) -> Tensor:
    """Return the difference to the disparity that the other eye has of the place; NaN: none."""
    difference = torch.where(inside, disparity, 0.0) - other  # which is 0 where not inside
    return torch.where(inside, difference.abs(), torch.nan)


def _known(picture: Tensor) -> Tensor:
    """Return the mask of the pixels that are known in all channels, ``[B, 1, H, W]``."""
    return picture.isfinite().all(dim=1, keepdim=True)
