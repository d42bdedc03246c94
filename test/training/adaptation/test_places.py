# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shares of the styles of scenes that look like a recording."""

import hypothesis
import hypothesis.strategies as st
import pytest
import torch

from spike_depth_ros.networks.depth_net import DepthOutput
from spike_training.adaptation.places import SLOTS, repeated_styles, style_shares
from spike_training.sampling.sample import Unlabelled

STYLES = ('home', 'road', 'office')


class Brightness(torch.nn.Module):
    """Network whose class token is the mean count of each quarter of the picture."""

    def forward(self, counts, planes_per_bin):
        token = torch.nn.functional.adaptive_avg_pool2d(counts.float().mean(1), 2).flatten(1)
        nothing = torch.empty(0)
        return DepthOutput(nothing, nothing, nothing, nothing, token)


def windows(level, number=10, seed=0):
    generator = torch.Generator().manual_seed(seed)
    counts = torch.poisson(torch.full((number, 2, 16, 16), float(level)), generator)
    return [Unlabelled(counts.to(torch.uint8), torch.tensor([50, 50]), torch.arange(number))]


def shares(levels):
    scenes = {style: windows(level) for style, level in zip(STYLES, (5, 20, 60), strict=True)}
    asked = [batch for k, level in enumerate(levels) for batch in windows(level, seed=9 + k)]
    return style_shares(Brightness(), asked, scenes)


def test_a_recording_of_one_style_gets_that_style():
    assert shares([20])['road'] == pytest.approx(1)
    assert shares([60])['office'] == pytest.approx(1)


def test_a_recording_of_two_styles_gets_both():
    found = shares([5, 60])
    assert found['home'] == pytest.approx(0.5, abs=0.1)
    assert found['office'] == pytest.approx(0.5, abs=0.1)
    assert sum(found.values()) == pytest.approx(1)


@hypothesis.given(st.lists(st.floats(0, 1), min_size=1, max_size=6).filter(lambda x: sum(x) > 0.1))
def test_styles_are_repeated_by_their_shares(parts):
    given = {f'style_{k}': part / sum(parts) for k, part in enumerate(parts)}
    found = repeated_styles(given)
    assert len(found) == SLOTS
    free = SLOTS - len(given)
    for style, share in given.items():
        assert abs(found.count(style) - 1 - free * share) < 1


def test_equal_styles_lie_apart():
    found = repeated_styles({'home': 0.5, 'road': 0.5})
    assert found[:2] in (('home', 'road'), ('road', 'home'))
    assert set(found[:6]) == {'home', 'road'}
    assert found[: SLOTS // 2].count('home') == pytest.approx(SLOTS / 4, abs=1)
