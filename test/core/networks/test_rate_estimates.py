# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from spike_depth_ros import Window
from spike_depth_ros.networks.reconstruction.rate_estimates import RateEstimates
from spike_depth_ros.stream import preview


def spikes_of(planes, share, seed=0, height=6, width=9):
    return (np.random.default_rng(seed).random((planes, height, width)) < share).astype(np.float32)


def interval_by_loop(pixel, covered):
    """Count the intervals from the last spike up to ``first`` to the next from ``last`` on."""
    first = (len(pixel) - covered) // 2
    last = first + covered
    before = [k for k in range(first + 1) if pixel[k]]
    after = [k for k in range(last, len(pixel)) if pixel[k]]
    if not before or not after:
        return pixel.mean()
    return pixel[before[-1] : after[0]].sum() / (after[0] - before[-1])


@pytest.mark.parametrize('covered', [1, 2, 7, 8, 16])
@pytest.mark.parametrize('share', [0.02, 0.3, 0.9])
def test_the_rate_of_intervals_is_that_of_a_loop_over_planes(covered, share):
    spikes = spikes_of(41, share, covered)
    found = RateEstimates(41, [covered])(torch.from_numpy(spikes)[None])[0, 0].numpy()
    wanted = np.apply_along_axis(interval_by_loop, 0, spikes, covered)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_estimates_do_not_depend_on_their_order_or_on_each_other():
    spikes = torch.from_numpy(spikes_of(40, 0.1))[None]
    together = RateEstimates(40, [8, 1, 16, 2, 8])(spikes)
    alone = [RateEstimates(40, [covered])(spikes) for covered in (8, 1, 16, 2, 8)]
    assert torch.equal(together, torch.cat(alone, dim=1))


def test_a_regular_pixel_has_its_exact_rate():
    spikes = torch.zeros(1, 41, 1, 4)
    for column, period in enumerate((1, 2, 5, 10)):
        spikes[:, 3 % period :: period, 0, column] = 1
    for covered in (1, 8):
        found = RateEstimates(41, [covered])(spikes)[0, 0, 0]
        torch.testing.assert_close(found, torch.tensor([1, 0.5, 0.2, 0.1]))


def test_the_preview_shows_the_same_intervals():
    spikes = spikes_of(41, 0.1, height=16, width=24)
    found = preview.encode(RateEstimates(41, [8])(torch.from_numpy(spikes)[None])[0, 0].numpy())
    wanted = preview.render(Window.from_planes(spikes, 20_000), 'interval')
    # In float32 a grey value may be rounded the other way.
    assert np.abs(found.astype(int) - wanted).max() <= 1
    assert (found == wanted).mean() > 0.99


def test_the_mean_is_that_of_the_planes_in_the_middle():
    spikes = spikes_of(11, 0.4)
    found = RateEstimates(11, windows=[5])(torch.from_numpy(spikes)[None])[0, 0].numpy()
    np.testing.assert_allclose(found, spikes[3:8].mean(0), rtol=1e-6)


def test_estimates_are_rates_and_0_where_nothing_fires():
    estimates = RateEstimates(41, (2, 8), (11, 41), (3, 7))
    found = estimates(torch.from_numpy(spikes_of(41, 0.3))[None])
    assert found.shape == (1, estimates.channels, 6, 9) == (1, 6, 6, 9)
    assert found.min() >= 0
    assert found.max() <= 1
    assert not estimates(torch.zeros(1, 41, 6, 9)).any()


@pytest.mark.parametrize('bad', [
    {'covered': [0]}, {'covered': [8, 41]}, {'windows': [8]}, {'windows': [7, 43]},
    {'boxes': [2]},
])  # fmt: skip
def test_windows_that_do_not_fit_are_refused(bad):
    with pytest.raises(ValueError, match='expected'):
        RateEstimates(41, **bad)


def test_means_of_an_even_number_of_planes_are_refused():
    with pytest.raises(ValueError, match='40 planes, 7 in a mean: expected two odd'):
        RateEstimates(40, windows=[7])
