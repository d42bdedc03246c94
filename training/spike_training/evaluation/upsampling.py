# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of enlarged depth maps, beside enlargement without learning."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from spike_depth_ros.evaluation.metrics import StructureErrors, abs_rel
from spike_training.evaluation.small_maps import MOST_LEVEL, Low, metres

Enlarge = Callable[[Tensor, int], Tensor]
"""Function from small maps ``[B, 1, h, w]`` (0: hole) and a factor to large ones (NaN: hole)."""


@dataclasses.dataclass(frozen=True)
class Condition:
    """How the small maps of a test are made; its name is in reports.

    Attributes:
        name: Name.
        low: As for :func:`.small_maps.shrink`.
        noise: As for :func:`.small_maps.disturb`.
        holes: As there.
    """

    name: str
    low: Low
    noise: float = 0.0
    holes: float = 0.0


CONDITIONS = (Condition('cubic', 'cubic'), Condition('sensor', 'area', noise=0.01, holes=0.05))
"""Conditions of a test: small maps as papers have them, and as depth sensors do."""

MAPS = 'maps'
"""Condition in reports of small maps that a folder has."""


def nearest(small: Tensor, factor: int) -> Tensor:
    """Repeat each pixel, see :data:`Enlarge`."""
    known = torch.where(small > 0, small, torch.nan)
    return known.repeat_interleave(factor, dim=-2).repeat_interleave(factor, dim=-1)


def bilinear(small: Tensor, factor: int) -> Tensor:
    """Interpolate between the pixels that are no holes, see :data:`Enlarge`."""
    known = (small > 0).to(small.dtype)
    size = [side * factor for side in small.shape[-2:]]
    value, weight = (F.interpolate(one, size, mode='bilinear') for one in (small * known, known))
    own = nearest(known, factor)
    # The own pixel weighs a quarter or more.
    return torch.where(own > 0, value / weight.clamp(min=1e-6), torch.nan)


def bicubic(small: Tensor, factor: int) -> Tensor:
    """Interpolate as Pillow does maps of 8 bits, see :data:`Enlarge`.

    The kernel is Keys' with a = -0.5, which MATLAB has, too; OpenCV's has a = -0.75, and larger
    errors. Columns, then rows are rounded. Where the kernel could reach a hole, as
    :func:`bilinear`.
    """
    value = small
    for dim in (-1, -2):
        size = [*value.shape[-2:]]
        size[dim] *= factor
        # Torch has the other kernel unless it may smooth, which enlargement does not.
        value = F.interpolate(value, size, mode='bicubic', antialias=True)
        value = (value + 0.5).floor().clamp(0, MOST_LEVEL)
    if (small > 0).all():
        return value
    beside_hole = F.max_pool2d((small <= 0).to(small.dtype), 5, stride=1, padding=2)
    reaches = beside_hole.repeat_interleave(factor, dim=-2).repeat_interleave(factor, dim=-1) > 0
    return torch.where(reaches, bilinear(small, factor), value)


BASELINES: dict[str, Enlarge] = {'nearest': nearest, 'bilinear': bilinear, 'bicubic': bicubic}
"""Enlargement without learning."""


def mad(enlarged: Tensor, truth: Tensor) -> float:
    """Compute the mean absolute difference (MAD) of 8-bit maps, as Sun et al. report it.

    The paper is "Learning Scene Structure Guidance via Cross-Task Knowledge Transfer for Single
    Depth Super-Resolution".

    Args:
        enlarged: Grey levels, any shape; rounded here. Holes are NaN.
        truth: True grey levels, same shape; 0 is unknown.

    Returns:
        Mean over the pixels that are known in both, grey levels; NaN without any.
    """
    known = (truth > 0) & ~enlarged.isnan()
    # Without a choice of pixels, which takes ten times as long.
    error = (enlarged.round().clamp(0, MOST_LEVEL) - truth).abs()
    total = torch.where(known, error, 0.0).sum(dtype=torch.float64)
    return float(total / known.sum())


def structure_map(truth: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the true structure map: magnitude of the differences of adjacent pixels.

    It is S_gt of Sun et al., Eq. 12, by the kernel of Ma et al., "Structure-Preserving Super
    Resolution with Gradient Guidance", section 3.2, to which they refer: differences of the pixels
    on both sides.

    Args:
        truth: True grey levels, ``[B, 1, H, W]``.

    Returns:
        Grey levels, ``[B, 1, H, W]``; and the mask of the pixels whose neighbours are known, same
        shape.
    """
    padded = F.pad(truth, (1, 1, 1, 1), mode='replicate')
    across = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    known = -F.max_pool2d(-(padded > 0).float(), 3, 1) > 0
    return torch.hypot(across, down), known


def structure_mad(enlarged: Tensor, truth: Tensor) -> float:
    """Compute the mean absolute difference of the structure of 8-bit maps.

    Table 5 of Sun et al. has that of the map that SPNet predicts, a network of training alone;
    here the structure is that of the enlarged map.

    Args:
        enlarged: Grey levels, ``[B, 1, H, W]``; rounded here. Holes are NaN.
        truth: True grey levels, same shape; 0 is unknown.

    Returns:
        Mean over the pixels whose 3x3 neighbours are known in both, grey levels; NaN without any.
    """
    holes = enlarged.isnan()
    found, _ = structure_map(torch.where(holes, 0.0, enlarged).round().clamp(0, MOST_LEVEL))
    true, known = structure_map(torch.where(holes, 0.0, truth))
    error = torch.where(known, (found - true).abs(), 0.0)
    return float(error.sum(dtype=torch.float64) / known.sum())


class Scores:
    """Scores of one method, factor and condition, accumulated over maps."""

    def __init__(self) -> None:
        self._mads: list[float] = []
        self._abs_rels: list[float] = []
        # No limits but these: any depth may be scored.
        self._structure = StructureErrors(min_m=1e-3, max_m=1e6)

    def add(self, enlarged: Tensor, truth: Tensor, near: Tensor, index: int) -> None:
        """Add one map.

        Args:
            enlarged: Grey levels, ``[1, 1, H, W]``; NaN is a hole.
            truth: True ones, same shape; 0 is unknown.
            near: Depth of level 255, ``[1, 1, 1, 1]`` metres.
            index: Number of the map, 0 or more.
        """
        known = (truth > 0) & ~enlarged.isnan()
        if not known.any():
            return
        self._mads.append(mad(enlarged, truth))
        # A level below 1 is farther than 8 bits can tell.
        found, true = (
            metres(one, near)[0, 0].cpu().numpy() for one in (enlarged.clamp(min=1), truth)
        )
        mask = known[0, 0].cpu().numpy()
        self._abs_rels.append(abs_rel(found[mask].astype('f8'), true[mask].astype('f8')))
        self._structure.add(found, true, (index,))

    def report(self) -> dict[str, Any]:
        """Return means over maps, and the share of flying pixels over all edge pixels."""
        values = {
            'maps': len(self._mads),
            'mad': statistics.fmean(self._mads) if self._mads else None,
            'abs_rel': statistics.fmean(self._abs_rels) if self._abs_rels else None,
        }
        structure = self._structure.report()
        return values | {name: structure[name] for name in ('flying_pixels', 'edges_seen')}
