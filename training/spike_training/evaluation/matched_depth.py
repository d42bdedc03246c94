# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metres from pairs without training: one factor on depth, by semi-global matching."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from spike_depth_ros.geometry.rig import LEAST_RANGE, RANGE_STEP
from spike_depth_ros.networks.depth_net import DepthOutput
from spike_depth_ros.stereo.sgbm import Picture, SgbmMatcher, SgbmSettings
from spike_depth_ros.stream import preview
from spike_training.errors import DataSetError
from spike_training.evaluation.predictors import canonical_depth, predict
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
    assert batch.baseline_m is not None  # batches of one eye cannot be matched
    columns = batch.counts.shape[3]
    matcher = SgbmMatcher(0, search_width(columns, float(columns)), SgbmSettings())
    found = [matcher.match(*pair) for pair in rate_pictures(batch)]
    disparity = torch.from_numpy(np.stack(found)[:, None])
    strength = (batch.fx * batch.baseline_m)[:, None, None, None].cpu()
    near = disparity > LEAST_DISPARITY_PX  # NaN compares as False
    return torch.where(near, strength / disparity, torch.nan).to(batch.depth.device)


def rate_pictures(batch: Batch) -> Iterator[tuple[Picture, Picture]]:
    """Yield the firing rates of both eyes of each pair, as the stereo node compares them."""
    assert batch.right is not None
    planes = float(batch.planes_per_bin.sum())
    yield from zip(
        *(
            preview.encode((counts.sum(dim=1).float() / planes).cpu().numpy())
            for counts in (batch.counts, batch.right.counts)
        ),
        strict=True,
    )


def search_width(columns: int, nearest_px: float) -> int:
    """Return the number of disparities to search in pictures.

    It reaches to the nearest place, but not over more than half of the columns, unless it were so
    narrow that noise matches.

    Args:
        columns: Of the pictures.
        nearest_px: Disparity of the nearest place, pixels.

    Returns:
        A multiple of ``RANGE_STEP``.
    """
    most = RANGE_STEP * max((columns - 1) // RANGE_STEP, 1)
    half = RANGE_STEP * (columns // 2 // RANGE_STEP)
    wanted = RANGE_STEP * math.ceil(min(nearest_px, columns) / RANGE_STEP)
    return min(max(min(wanted, half), LEAST_RANGE), most)


@torch.inference_mode()
def fit_scale(network: nn.Module, canonical_fx: float, batches: Iterable[Batch]) -> float:
    """Return the median ratio of depth to predicted depth.

    Args:
        network: Network of depth from spikes, in eval mode.
        canonical_fx: Its canonical focal length, pixels.
        batches: Windows with depth, of any focal length.

    Raises:
        DataSetError: There is no depth.
    """
    ratios = []
    for batch in batches:
        depth = canonical_depth(batch, canonical_fx)
        ratio = depth / predict(network, batch, 'spikes').depth
        ratios.append(ratio[depth.isfinite()])
    found = torch.cat(ratios)
    if not found.numel():
        raise DataSetError('no pixel has depth to compare with: expected light and texture')
    return float(found.median())


def fit_metres(network: nn.Module, canonical_fx: float, batches: Iterable[Batch]) -> float:
    """Return the median ratio of matched to predicted depth of pairs, see :func:`fit_scale`."""
    matched = (dataclasses.replace(batch, depth=matched_depth(batch)) for batch in batches)
    return fit_scale(network, canonical_fx, matched)


class ScaledDepth(nn.Module):
    """Network of depth whose metres are multiplied by a factor.

    Args:
        network: The network.
        factor: The factor, above 0.
    """

    def __init__(self, network: nn.Module, factor: float) -> None:
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, image: Tensor, planes_per_bin: Tensor) -> DepthOutput:
        """Predict as the network does, see :class:`spike_depth_ros.networks.SpikeNet`."""
        output: DepthOutput = self.network(image, planes_per_bin)
        return output._replace(depth=self.factor * output.depth)
