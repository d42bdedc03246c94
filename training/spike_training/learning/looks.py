# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of both domains for networks of RGB: colours of the source, spikes of the target."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spike_depth_ros.networks.depth_net import DepthOutput
from spike_training.errors import DataSetError
from spike_training.evaluation.rates import picture
from spike_training.sampling.sample import Batch, Pair, Unlabelled

CONSTANT = 1e-3
"""Standard deviation below which all pictures of a batch together are one value."""


def source_picture(batch: Batch) -> Tensor:
    """Return the pictures of labelled samples, ``[B, 3, H, W]`` float32 from 0 to 1.

    They are the colours; of samples without any the firing rates.
    """
    return target_picture(batch) if batch.rgb is None else batch.rgb


def target_picture(batch: Batch | Unlabelled) -> Tensor:
    """Return the firing rates of windows as pictures, ``[B, 3, H, W]`` float32 from 0 to 1."""
    return picture(batch.counts, batch.planes_per_bin)


def check_varied(domain: str, pictures: Tensor) -> None:
    """Refuse pictures that are all of one value: nothing could be learnt from their look.

    Raises:
        DataSetError: They are.
    """
    if not float(pictures.std()) > CONSTANT:
        raise DataSetError(
            f'pictures of the {domain} are all {float(pictures.mean()):.3f}: expected pictures '
            'that show something; look at its data with run.py sample'
        )


def check_pair(pair: Pair) -> None:
    """Refuse a batch in which either domain is all of one value.

    Raises:
        DataSetError: One is.
    """
    check_varied('source', source_picture(pair.source))
    check_varied('target', target_picture(pair.target))


def see(network: nn.Module, picture: Tensor) -> DepthOutput:
    """Return the outputs of a network of RGB for pictures."""
    image = picture.contiguous(memory_format=torch.channels_last)
    output: DepthOutput = network(image, torch.ones(3, dtype=torch.int32, device=image.device))
    return output


def positions(features: Tensor) -> Tensor:
    """Return the features of each position as tokens, ``[B, D, h, w]`` to ``[B h w, D]``."""
    return features.flatten(2).transpose(1, 2).flatten(0, 1)
