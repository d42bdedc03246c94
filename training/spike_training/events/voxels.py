# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Voxel grids: events of a window as a picture of a few bins of time.

As Zhu et al., "Unsupervised Event-Based Learning of Optical Flow, Depth, and Egomotion", section
3.1, which Sun et al. ("FUSE: Label-Free Image-Event Joint Monocular Depth Estimation via
Frequency-Decoupled Alignment and Degradation-Robust Fusion") use with 3 bins over 50 ms.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from spike_training.events.stream import Events


def voxel_grid(events: Events, bins: int, window_s: tuple[float, float] | None = None) -> Tensor:
    """Count the events of a window by polarity, each shared between the two bins nearest in time.

    Bin ``b`` is centred at ``start + b / (bins - 1) * (stop - start)``. The sum of the grid is
    that of the polarities.

    Args:
        events: Events within the window.
        bins: Bins, 1 or more.
        window_s: Start and stop, seconds; None: the times of the first and the last event, as in
            the code of Sun et al.

    Returns:
        ``[bins, H, W]`` float32.

    Raises:
        ValueError: No bins, or events outside of the window.
    """
    if bins < 1:
        raise ValueError(f'{bins} bins: expected 1 or more')
    if not len(events):
        return torch.zeros(bins, events.height, events.width)
    start, stop = window_s or (float(events.times_s[0]), float(events.times_s[-1]))
    if events.times_s[0] < start or events.times_s[-1] > stop:
        raise ValueError(
            f'events from {events.times_s[0]:g} to {events.times_s[-1]:g} s: expected within '
            f'{start:g} to {stop:g} s'
        )
    places = (events.times_s - start) * ((bins - 1) / (stop - start) if stop > start else 0.0)
    grid = torch.zeros(1, bins, events.height, events.width)
    add_to_grid(
        grid,
        torch.zeros(len(events), dtype=torch.int64),
        torch.from_numpy(events.y.astype(np.int64) * events.width + events.x),
        torch.from_numpy(places),
        torch.from_numpy(events.polarity),
    )
    return grid[0]


def add_to_grid(
    grid: Tensor, sample: Tensor, pixel: Tensor, place: Tensor, polarity: Tensor
) -> None:
    """Add events to the grids of a batch.

    Args:
        grid: ``[B, bins, H, W]`` float32, contiguous; changed in place.
        sample: Number of the grid of each event, ``[N]`` int64.
        pixel: Its pixel, ``row * W + column``, ``[N]`` int64.
        place: Its place in time, in bins, 0 to ``bins - 1``, ``[N]`` float.
        polarity: 1 or -1, ``[N]``.
    """
    bins, pixels = grid.shape[1], grid.shape[2] * grid.shape[3]
    before = place.floor().clamp(0, bins - 1)
    share = place - before
    lower = before.to(torch.int64)
    upper = (lower + 1).clamp(max=bins - 1)  # where the share is 0 if it is none
    flat = grid.view(-1)
    for number, weight in ((lower, 1 - share), (upper, share)):
        at = (sample * bins + number) * pixels + pixel
        flat.index_add_(0, at, (weight * polarity).to(grid.dtype))


def normalised(grid: Tensor) -> Tensor:
    """Scale a voxel grid so that its pixels with events have a deviation of 1 and a mean of 0.

    As Rebecq et al., "High Speed and High Dynamic Range Video with an Event Camera", section 3.2;
    pixels without an event stay 0.

    Args:
        grid: ``[..., bins, H, W]`` float32.

    Returns:
        Same shape; where less than two values are not 0 or all are the same, only their mean is
        taken off.
    """
    seen = grid != 0
    number = seen.sum(dim=(-3, -2, -1), keepdim=True).clamp_min(1)
    mean = grid.sum(dim=(-3, -2, -1), keepdim=True) / number
    apart = torch.where(seen, grid - mean, 0.0)
    deviation = (apart.square().sum(dim=(-3, -2, -1), keepdim=True) / number).sqrt()
    return apart / torch.where(deviation > 0, deviation, 1.0)
