# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""True disparity of batches of pairs."""

from __future__ import annotations

import torch
from torch import Tensor

from spike_training.sampling.sample import Batch

NEAREST_M, FARTHEST_M = 0.5, 20.0
"""Depths between which disparities count, metres."""


def true_disparity(batch: Batch, most_px: float) -> Tensor:
    """Compute the disparity of the depth of pairs, beyond that of what is infinitely far.

    Args:
        batch: Pairs.
        most_px: Largest disparity that counts, pixels.

    Returns:
        ``fx B / depth`` pixels, ``[B, 1, H, W]`` float32; NaN: unknown, or it does not count.
    """
    assert batch.baseline_m is not None  # batches of one eye have none
    found = (batch.fx * batch.baseline_m)[:, None, None, None] / batch.depth
    counts = (batch.depth >= NEAREST_M) & (batch.depth <= FARTHEST_M) & (found <= most_px)
    return torch.where(counts, found, torch.nan)
