# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Holes of small maps are no part of what lies beside them."""

import torch

from spike_training.evaluation.upsampling import bilinear


def test_a_hole_does_not_darken_its_neighbours():
    small = torch.full((1, 1, 3, 4), 7.0)
    small[0, 0, 1, 2] = 0
    large = bilinear(small, 2)[0, 0]
    hole = torch.zeros(6, 8, dtype=torch.bool)
    hole[2:4, 4:6] = True
    assert torch.equal(large.isnan(), hole)
    torch.testing.assert_close(large[~hole], torch.full((44,), 7.0))
