# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Batches of depth without spikes."""

import torch

from spike_training.sampling.sample import Batch


def batch_of(depth, rgb=None):
    """Return the batch of maps in metres, ``[B, 1, H, W]``, and of colours."""
    number, _, *size = depth.shape
    return Batch(
        counts=torch.zeros(number, 1, *size, dtype=torch.uint8),
        planes_per_bin=torch.ones(1, dtype=torch.int32),
        rgb=rgb,
        depth=depth,
        fx=torch.full((number,), 100.0),
        index=torch.arange(number),
    )


def boxes(number=2, height=48, width=64):
    """Return walls at 4 m with boxes at 1 and 2 m before them, and sky."""
    depth = torch.full((number, 1, height, width), 4.0)
    depth[:, :, 10:30, 5:31] = 1.0
    depth[:, :, 7:40, 37:50] = 2.0
    depth[:, :, :6] = float('inf')
    return depth
