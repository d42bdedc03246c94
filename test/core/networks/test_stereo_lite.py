# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest
import torch

from spike_depth_ros.networks.registry import (
    build,
    build_with_weights,
    weights_of,
)
from spike_depth_ros.networks.stereo_lite import (
    LAPLACE_68,
    StereoLite,
    correlations,
    likeliest,
)
from spike_depth_ros.tasks.architectures import StereoLiteSettings
from spike_depth_ros.tasks.stereo import StereoInfo

SMALL = StereoLiteSettings(disparities=32, stem=8, features=8, groups=4, volume=4, head=8)
INFO = StereoInfo(
    architecture='stereo_lite', settings=dataclasses.asdict(SMALL), planes=64,
    planes_range=(64, 64), bins=4, rate_hz_range=(20e3, 20e3), stage='random',
    package_version='0',
)  # fmt: skip
PLANES = torch.full((4,), 16, dtype=torch.int32)


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def counts(eyes, height=32, width=64):
    return torch.randint(0, 17, (eyes, 4, height, width), dtype=torch.uint8)


def test_it_is_as_small_as_promised():
    network = StereoLite(32, StereoLiteSettings())
    assert sum(one.numel() for one in network.parameters()) < 1_200_000


def test_a_shifted_picture_has_its_largest_correlation_at_the_shift():
    right = torch.randn(2, 8, 4, 40)
    left = torch.roll(right, 5, dims=3)
    volume = correlations(left, right, groups=4, steps=8)
    assert volume.shape == (2, 4, 8, 4, 40)
    ones = torch.ones(2, 4, 4, 32)
    torch.testing.assert_close(volume[:, :, 5, :, 8:], ones, rtol=0, atol=0.01)
    assert (volume.mean(dim=1).argmax(dim=1)[..., 8:] == 5).all()
    assert not volume[:, :, 7, :, :7].any()  # beyond the edge of the right picture
    bright = correlations(3 * left, right, groups=4, steps=8)
    torch.testing.assert_close(bright, volume, rtol=0, atol=0.01)


def test_of_two_peaks_the_likelier_one_is_the_answer():
    probability = torch.zeros(1, 16, 1, 2)
    probability[0, [3, 4, 12], 0, 0] = torch.tensor([0.3, 0.3, 0.4])
    probability[0, [3, 4], 0, 1] = torch.tensor([0.25, 0.75])
    mean, certainty = likeliest(probability)
    torch.testing.assert_close(mean[0, 0, 0], torch.tensor([12.0, 3.75]))
    torch.testing.assert_close(certainty[0, 0, 0], torch.tensor([0.4, 1.0]))
    assert certainty[0, 1, 0, 0] > 3 * certainty[0, 1, 0, 1]


@pytest.mark.parametrize('pool', [1, 2])
def test_outputs_have_the_size_and_the_pixels_of_the_input(pool):
    settings = dataclasses.replace(SMALL, pool=pool)
    network = StereoLite(4, settings).eval()
    with torch.inference_mode():
        output = network(counts(4, 32 * pool, 64 * pool), PLANES)
    assert output.disparity.shape == output.uncertainty.shape == (2, 1, 32 * pool, 64 * pool)
    assert output.logits.shape == (2, 8 // pool, 8, 16)
    assert 0 <= output.disparity.min() <= output.disparity.max() <= 32
    assert output.uncertainty.min() > 0
    steps, _ = likeliest(output.logits.softmax(dim=1))
    # At first the means of 3x3 places.
    expected = 4 * pool * steps.mean().item()
    assert output.disparity.mean().item() == pytest.approx(expected, rel=0.1)


def test_each_pair_of_a_batch_is_matched_by_itself():
    network = StereoLite(4, SMALL).eval()
    both = counts(4)
    with torch.inference_mode():
        together = network(both, PLANES)
        for k in range(2):
            alone = network(both[k::2], PLANES)
            torch.testing.assert_close(together.disparity[k : k + 1], alone.disparity)
            torch.testing.assert_close(together.uncertainty[k : k + 1], alone.uncertainty)
        other = network(both[[1, 0, 2, 3]], PLANES)
    assert not torch.allclose(other.disparity, together.disparity)


def test_the_brightness_of_an_eye_changes_nothing():
    network = StereoLite(4, SMALL).eval()
    given = counts(2).float()
    darker = given.clone()
    darker[1] *= 0.5
    with torch.inference_mode():
        torch.testing.assert_close(
            network(darker, PLANES).disparity, network(given, PLANES).disparity,
            rtol=1e-3, atol=1e-3,
        )  # fmt: skip


def test_the_uncertainty_does_not_train_the_aggregation():
    network = StereoLite(4, SMALL)
    network(counts(4), PLANES).uncertainty.mean().backward()
    used = {name for name, one in network.named_parameters() if one.grad is not None}
    parts = {name.partition('.')[0] for name in used}
    assert 'scale' in parts
    assert 'aggregation' not in parts
    assert network.scale[0].weight.grad.abs().max() > 0


def test_its_least_uncertainty_is_that_of_a_laplace_distribution():
    # Half of the errors of scale 1 are below log 2, 68 % below this.
    errors = np.random.default_rng(0).laplace(size=200_000)
    assert (np.abs(errors) < LAPLACE_68).mean() == pytest.approx(0.6827, abs=0.003)


def test_weights_are_of_any_number_of_disparities():
    weights = weights_of(build(INFO))
    wider = dataclasses.replace(INFO, settings={**INFO.settings, 'disparities': 64})
    network = build_with_weights(wider, weights)
    assert network.steps == 16
