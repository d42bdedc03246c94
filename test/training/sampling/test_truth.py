# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""True disparity by hand; what is unknown, too near, too far or too large does not count."""

import dataclasses
import math

import torch

from kit.stages import batch_of
from spike_training.sampling.truth import FARTHEST_M, NEAREST_M, true_disparity


def test_disparity_is_focal_length_times_baseline_over_depth_where_it_counts():
    known = [NEAREST_M, 2.0, FARTHEST_M]
    unknown = [math.nan, math.inf, 0.99 * NEAREST_M, 1.01 * FARTHEST_M]
    depth = torch.tensor([[[[*known, *unknown]]]])
    batch = dataclasses.replace(batch_of(depth), baseline_m=torch.tensor([0.1]))
    found = true_disparity(batch, most_px=20.0)[0, 0, 0]  # of 100 pixels
    torch.testing.assert_close(found[:3], torch.tensor([20.0, 5.0, 0.5]))
    assert found[3:].isnan().all()
    assert true_disparity(batch, most_px=19.9)[0, 0, 0, :3].isnan().tolist() == [
        True,
        False,
        False,
    ]
