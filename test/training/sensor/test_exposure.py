# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Counts in closed form against the naive loop, and the pixels' initial charge."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.streams import naive_spikes, plane_quanta
from spike_depth_ros.io.video.spiking import QUANTA
from spike_depth_ros.stream import packing
from spike_training.sensor.exposure import count_spikes, initial_charge


@settings(max_examples=60)
@given(
    cuts=st.lists(st.integers(1, 50), min_size=1, max_size=5),
    bins=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
    levels=st.sampled_from([None, 1, 2, 3]),
)
def test_counts_equal_those_of_the_naive_loop(cuts, bins, seed, levels) -> None:
    rng = np.random.default_rng(seed)
    knots = [0, *np.cumsum(cuts).tolist()]
    bins = max(bins, -(-knots[-1] // 126))
    light = rng.random((2, len(knots), 3, 7), np.float32)
    if levels:  # 0 and 1 among them: dark and saturated pixels
        light = np.rint(light * levels).astype(np.float32) / np.float32(levels)
    charge = initial_charge(torch.tensor([seed, seed + 1]), 3, 7)
    counts, lengths = count_spikes(torch.from_numpy(light), knots, charge, bins)
    for image, held, found in zip(light, charge.numpy(), counts.numpy(), strict=True):
        spikes = naive_spikes(plane_quanta(image, knots), held)
        expected, expected_lengths = packing.bin_counts(packing.pack(spikes), 7, bins=bins)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(lengths.numpy(), expected_lengths)


def test_initial_charge_is_spread_evenly_and_differs() -> None:
    charge = initial_charge(torch.tensor([1, 2, 1]), 100, 120)
    assert charge.dtype == torch.int32
    assert charge.min() >= 0
    assert charge.max() < QUANTA
    share = torch.histc(charge[0].float(), 20, 0, QUANTA) / charge[0].numel()
    assert (share - 0.05).abs().max() < 0.008
    assert torch.equal(charge[0], charge[2])
    assert (charge[0] == charge[1]).float().mean() < 0.001
    neighbours = torch.corrcoef(torch.stack([charge[0, :, :-1].ravel(), charge[0, :, 1:].ravel()]))
    assert neighbours[0, 1].abs() < 0.03


@pytest.mark.parametrize(
    ('knots', 'bins', 'message'),
    [
        ([0, 5, 5], 4, 'increase'),
        ([1, 5, 9], 4, 'increase'),
        ([0, 9], 4, r'luminance \[\d+, 3, .* at 2 knots: expected'),
        ([0, 64, 128], 1, 'at most 126 planes in a bin'),
    ],
)
def test_impossible_windows_are_refused(knots, bins, message) -> None:
    light = torch.zeros(1, 3, 2, 2)
    with pytest.raises(ValueError, match=message):
        count_spikes(light, knots, torch.zeros(1, 2, 2, dtype=torch.int32), bins)
