# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One factor on depth, from pairs that are matched without labels."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from spike_depth_ros.networks.depth_net import DepthOutput
from spike_training.errors import DataSetError
from spike_training.evaluation.matched_depth import ScaledDepth, fit_metres, matched_depth
from spike_training.sampling.sample import Batch, View

FX, BASELINE_M, SHIFT = 80.0, 0.2, 8
TRUE_M = FX * BASELINE_M / SHIFT


def pairs(shift=SHIFT, contrast=0.6):
    """Two pairs of a textured wall, all of which has one disparity."""
    rng = np.random.default_rng(0)
    light = 0.1 + contrast * rng.random((2, 1, 48, 128 + shift)).repeat(2, axis=2)[:, :, :48]
    counts = torch.from_numpy((light * 120).astype(np.uint8))
    depth = torch.full((2, 1, 48, 128), math.nan)
    return Batch(
        counts=counts[..., :128], planes_per_bin=torch.tensor([120]), rgb=None, depth=depth,
        fx=torch.full((2,), FX), index=torch.arange(2),
        right=View(counts[..., shift:], None, depth), baseline_m=torch.full((2,), BASELINE_M),
    )  # fmt: skip


class Wall(nn.Module):
    """Canonical depth of one value."""

    def __init__(self, metres):
        super().__init__()
        self.metres = metres

    def forward(self, image, planes_per_bin):
        depth = torch.full_like(image[:, :1], self.metres, dtype=torch.float32)
        return DepthOutput(depth, depth, depth, depth, depth)


def test_matched_depth_is_focal_length_times_baseline_over_disparity():
    depth = matched_depth(pairs())
    known = depth.isfinite()
    assert known.float().mean() > 0.7
    torch.testing.assert_close(depth[known].median(), torch.tensor(TRUE_M), rtol=0.02, atol=0)


def test_too_small_disparities_are_no_depth():
    assert not matched_depth(pairs(shift=3)).isfinite().any()


def test_the_factor_is_between_depths_at_the_canonical_focal_length():
    canonical_fx = 100.0
    predicted = 3.0
    true = TRUE_M * canonical_fx / FX
    found = fit_metres(Wall(predicted), canonical_fx, [pairs(), pairs()])
    assert found == pytest.approx(true / predicted, rel=0.02)
    scaled = ScaledDepth(Wall(predicted), found)(pairs().counts, torch.tensor([120]))
    torch.testing.assert_close(scaled.depth.median(), torch.tensor(true), rtol=0.02, atol=0)
    assert torch.equal(scaled.uncertainty, torch.full_like(scaled.uncertainty, predicted))


def test_nothing_to_match_is_refused():
    with pytest.raises(DataSetError, match='no pixel has depth to compare with: expected light'):
        fit_metres(Wall(1.0), 100.0, [pairs(contrast=0.0)])
