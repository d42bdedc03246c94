# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Statistics of windows that know the place in the picture, and their distance.

Haze darkens what is far, which on roads is high in the picture; a vignette the corners; the curve
of the tones all. Statistics of the whole picture cannot tell them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS, COLUMNS = 4, 6
"""Cells of a picture. A cell and its mirror image are one."""

QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
"""Quantiles of the rates of a cell."""

SIZES_PX = (1, 2, 4)
"""Sizes of the squares whose neighbours are compared, pixels."""

FLOOR = 0.02
"""Least rate, over the mean of the window."""

WEIGHTS = {'places': 1.0, 'detail': 0.3, 'spread': 0.1}
"""Weights of the parts of a distance, of which it is the mean."""

LEAST_SCALE = 0.06
"""Least difference that counts as one."""

MOST = 20.0
"""Most that a single difference counts as."""

_PER_CELL = 10_000  # pixels of all windows, at least, whose quantiles are taken


class Statistics(NamedTuple):
    """Statistics of windows, logarithms, so that differences compare.

    Attributes:
        places: Quantiles of the rates of each cell, over the mean of the window,
            ``[ROWS, COLUMNS / 2, Q]``.
        detail: Mean difference of the logarithms of neighbours, of squares of each size, across
            and down, in each row of cells, ``[S, 2, ROWS]``.
        spread: Variance of the logarithms in each row of cells, mean over the windows, ``[ROWS]``.
    """

    places: Tensor
    detail: Tensor
    spread: Tensor


def compute_statistics(rate: Tensor) -> Statistics:
    """Compute the statistics of windows.

    Args:
        rate: Spikes per plane, ``[N, H, W]``, of different moments; at least 16 rows, 24 columns.
    """
    mean = rate.mean(dim=(1, 2), keepdim=True).clamp_min(1e-6)
    logs = (rate / mean).clamp_min(FLOOR).log_()
    levels = torch.tensor(QUANTILES, device=rate.device)
    cells = _cells(logs)
    some = cells[..., :: max(cells.shape[-1] // _PER_CELL, 1)]
    places = torch.quantile(some, levels, dim=-1).permute(1, 2, 0)
    detail, part = [], logs
    for size in SIZES_PX:
        if size > 1:
            part = F.avg_pool2d(part[:, None], 2)[:, 0]
        for dim in (2, 1):
            detail.append(_bands(part.diff(dim=dim).abs_().mean(dim=(0, 2))))
    rows, columns = logs.shape[1] // ROWS * ROWS, logs.shape[2]
    bands = logs[:, :rows].reshape(len(logs), ROWS, -1, columns)[..., ::2, ::2]
    return Statistics(
        places=places,
        detail=torch.stack(detail).reshape(len(SIZES_PX), 2, ROWS).clamp_min(1e-3).log(),
        spread=bands.flatten(2).var(dim=2).mean(dim=0).clamp_min(1e-3).log(),
    )


def _cells(images: Tensor) -> Tensor:
    """Return the pixels of each pair of mirrored cells, ``[ROWS, COLUMNS / 2, pixels]``."""
    number, height, width = images.shape
    rows, columns = height // ROWS, width // COLUMNS
    cut = images[:, : rows * ROWS, : columns * COLUMNS]
    cells = cut.reshape(number, ROWS, rows, COLUMNS, columns).permute(1, 3, 0, 2, 4).flatten(2)
    return torch.cat([cells[:, : COLUMNS // 2], cells[:, COLUMNS // 2 :].flip(1)], dim=2)


def _bands(rows: Tensor) -> Tensor:
    """Return the means of as many bands of rows as there are cells, ``[ROWS]``."""
    height = len(rows) // ROWS
    return rows[: height * ROWS].reshape(ROWS, height).mean(dim=1)


def scales_of(one: Statistics, other: Statistics) -> dict[str, float]:
    """Return by how much two samples of one domain differ, for each part of a distance."""
    apart = {name: getattr(one, name) - getattr(other, name) for name in WEIGHTS}
    return {k: max(float(v.square().mean().sqrt()), LEAST_SCALE) for k, v in apart.items()}


def distances(one: Statistics, other: Statistics, scales: Mapping[str, float]) -> dict[str, float]:
    """Return the parts of a distance: mean squared differences, over the scale."""
    found = {}
    for name in WEIGHTS:
        apart = (getattr(one, name) - getattr(other, name)) / scales[name]
        found[name] = float(apart.clamp(-MOST, MOST).square().mean())
    return found


def distance(parts: Mapping[str, float]) -> float:
    """Return the weighted mean of the parts of a distance, 0 or more."""
    return sum(WEIGHTS[name] * parts[name] for name in WEIGHTS) / sum(WEIGHTS.values())
