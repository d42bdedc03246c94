# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metres from pairs without training: one factor on depth, by semi-global matching."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from spike_depth_ros import preview
from spike_depth_ros.model.depth_net import DepthOutput
from spike_depth_ros.stereo.rig import LEAST_RANGE, RANGE_STEP
from spike_depth_ros.stereo.sgbm import SgbmMatcher, SgbmSettings
from spike_training.errors import DataSetError
from spike_training.evaluation.predictors import predict
from spike_training.sampling.sample import Batch

LEAST_DISPARITY_PX = 4.0
"""Disparity above which matched depth counts: an error of a pixel is a quarter there."""


def matched_depth(batch: Batch) -> Tensor:
    """Match the firing rates of both eyes; no label is read.

    Args:
        batch: Pairs.

    Returns:
        Metres at the true focal length, ``[B, 1, H, W]``; NaN: no match, or too far.
    """
    assert batch.right is not None  # batches of one eye cannot be matched
    assert batch.baseline_m is not None
    planes = float(batch.planes_per_bin.sum())
    lefts, rights = (
        preview.encode((counts.sum(dim=1).float() / planes).cpu().numpy())
        for counts in (batch.counts, batch.right.counts)
    )
    columns = lefts.shape[2]
    half = RANGE_STEP * (columns // 2 // RANGE_STEP)
    matcher = SgbmMatcher(0, max(half, min(LEAST_RANGE, columns)), SgbmSettings())
    pairs = zip(lefts, rights, strict=True)
    disparity = torch.from_numpy(np.stack([matcher.match(*pair) for pair in pairs])[:, None])
    strength = (batch.fx * batch.baseline_m)[:, None, None, None].cpu()
    near = disparity > LEAST_DISPARITY_PX  # NaN compares as False
    return torch.where(near, strength / disparity, torch.nan).to(batch.depth.device)


@torch.inference_mode()
def fit_metres(network: nn.Module, canonical_fx: float, batches: Iterable[Batch]) -> float:
    """Return the median ratio of matched to predicted depth of pairs.

    Args:
        network: Network of depth from spikes, in eval mode.
        canonical_fx: Its canonical focal length, pixels.
        batches: Pairs, of any focal length.

    Raises:
        DataSetError: Nothing matches.
    """
    ratios = []
    for batch in batches:
        metres = matched_depth(batch) * (canonical_fx / batch.fx)[:, None, None, None]
        ratio = metres / predict(network, batch, 'spikes').depth
        ratios.append(ratio[ratio.isfinite()])
    found = torch.cat(ratios)
    if not found.numel():
        raise DataSetError('no pixel of the pairs matches: expected light and texture')
    return float(found.median())


class Scaled(nn.Module):
    """Network of depth whose metres are multiplied by a factor.

    Args:
        network: The network.
        factor: The factor, above 0.
    """

    def __init__(self, network: nn.Module, factor: float) -> None:
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, image: Tensor, planes_per_bin: Tensor) -> DepthOutput:
        """Predict as the network does, see :class:`spike_depth_ros.model.SpikeNet`."""
        output: DepthOutput = self.network(image, planes_per_bin)
        return output._replace(depth=self.factor * output.depth)
