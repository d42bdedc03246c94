# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of both domains for networks of RGB: colours of the source, spikes of the target."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spike_depth_ros.model.depth_net import DepthOutput
from spike_training.evaluation.rates import picture
from spike_training.sampling.sample import Batch, Unlabelled


def source_picture(batch: Batch) -> Tensor:
    """Return the pictures of labelled samples, ``[B, 3, H, W]`` float32 from 0 to 1.

    They are the colours; of samples without any the firing rates.
    """
    return target_picture(batch) if batch.rgb is None else batch.rgb


def target_picture(batch: Batch | Unlabelled) -> Tensor:
    """Return the firing rates of windows as pictures, ``[B, 3, H, W]`` float32 from 0 to 1."""
    return picture(batch.counts, batch.planes_per_bin)


def see(network: nn.Module, picture: Tensor) -> DepthOutput:
    """Return the outputs of a network of RGB for pictures."""
    image = picture.contiguous(memory_format=torch.channels_last)
    output: DepthOutput = network(image, torch.ones(3, dtype=torch.int32, device=image.device))
    return output


def positions(features: Tensor) -> Tensor:
    """Return the features of each position as tokens, ``[B, D, h, w]`` to ``[B h w, D]``."""
    return features.flatten(2).transpose(1, 2).flatten(0, 1)
