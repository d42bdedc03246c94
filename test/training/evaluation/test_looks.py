# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Looks matched without learning, edges, and scores of translated pictures."""

import numpy as np
import pytest
import torch
from torch import nn

from spike_depth_ros.evaluation.image_metrics import psnr, ssim
from spike_training.evaluation.looks import (
    Histogram,
    Moments,
    brightness,
    edge_f1,
    edges_of,
    score_pictures,
)


def drawn(seed, number=4, size=(32, 48)):
    return torch.rand(number, 3, *size, generator=torch.Generator().manual_seed(seed))


def card(left=0.2, right=0.8, at=24):
    """A picture of two halves."""
    picture = torch.full((1, 3, 32, 48), left)
    picture[..., at:] = right
    return picture


class TestMatched:
    def test_moments_become_those_of_the_source(self):
        source, target = 0.3 + 0.1 * drawn(0), 0.6 + 0.4 * drawn(1)
        found = Moments(source, target)(target)
        for channel in range(3):
            wanted = source[:, channel]
            torch.testing.assert_close(found[:, channel].mean(), wanted.mean())
            torch.testing.assert_close(found[:, channel].std(), wanted.std())

    def test_histograms_become_those_of_the_source(self):
        source, target = drawn(0) ** 3, drawn(1)
        found = Histogram(source, target)(target)
        for share in (0.1, 0.5, 0.9):
            torch.testing.assert_close(
                found.quantile(share), source.quantile(share), atol=0.02, rtol=0
            )

    def test_a_histogram_of_its_own_changes_nothing(self):
        source = drawn(0)
        torch.testing.assert_close(Histogram(source, source)(source), source, atol=0.003, rtol=0)

    @pytest.mark.parametrize('kind', [Moments, Histogram])
    def test_a_colour_cast_is_taken_over(self, kind):
        source = drawn(0) * torch.tensor([1.0, 0.5, 0.2])[:, None, None]
        grey = drawn(1)[:, :1].expand(-1, 3, -1, -1)
        red, _, blue = kind(source, grey)(grey).mean(dim=(0, 2, 3))
        assert red > 2 * blue

    @pytest.mark.parametrize('kind', [Moments, Histogram])
    def test_results_stay_in_range_and_constants_are_finite(self, kind):
        one = torch.full((2, 3, 8, 8), 0.5)
        found = kind(drawn(0), one)(drawn(2))
        assert found.isfinite().all()
        assert 0 <= found.min() <= found.max() <= 1


class TestEdges:
    def test_a_step_is_found_and_a_slope_is_not(self):
        assert edges_of(card())[0, 0].any(dim=0).nonzero().flatten().tolist() == [22, 23, 24]
        slope = torch.linspace(0.2, 0.8, 48).expand(1, 3, 32, 48)
        assert not edges_of(slope).any()

    def test_the_step_is_of_the_logarithm(self):
        """The same ratio is the same edge in the dark; the same difference is not."""
        assert torch.equal(edges_of(card()), edges_of(card(0.05, 0.2)))
        assert not edges_of(card(0.8, 0.9)).any()

    @pytest.mark.parametrize(('shift', 'wanted'), [(0, 1.0), (2, 1.0), (12, 0.0)])
    def test_edges_within_two_pixels_are_the_same(self, shift, wanted):
        assert edge_f1(card(at=24 + shift), card()).tolist() == [pytest.approx(wanted, abs=1e-6)]

    def test_a_drawn_edge_costs_precision_and_a_lost_one_recall(self):
        two = card()
        two[..., 10:14] = 0.8
        drawn_one, lost = edge_f1(two, card()), edge_f1(card(), two)
        assert drawn_one == lost  # F1 is symmetric
        assert 0 < drawn_one < 0.8

    def test_pictures_without_edges_agree(self):
        plain = torch.full((1, 3, 8, 8), 0.5)
        assert edge_f1(plain, plain) == 1
        assert edge_f1(card(), torch.full((1, 3, 32, 48), 0.5)) == 0


def test_brightness_is_that_of_linear_light():
    white, green = torch.ones(1, 3, 1, 1), torch.tensor([0.0, 1.0, 0.0])[None, :, None, None]
    assert brightness(white).item() == pytest.approx(1)
    assert brightness(green).item() == pytest.approx(0.7152**0.5)


def test_scores_are_means_over_pictures():
    given, wanted = drawn(0), drawn(1)
    batches = [(given[:3], wanted[:3]), (given[3:], wanted[3:])]
    found = score_pictures(nn.Identity(), iter(batches))
    grey = [brightness(one)[:, 0].numpy() for one in (given, wanted)]
    for name, metric in (('psnr', psnr), ('ssim', ssim)):
        values = [metric(a, b) for a, b in zip(*grey, strict=True)]
        assert getattr(found, name) == pytest.approx(np.mean(values))
    assert (found.edge_f1, found.changed) == (1, 0)
