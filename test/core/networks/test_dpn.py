# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses

import pytest
import torch
import torch.nn.functional as F

from spike_depth_ros.checkpoint import default_checkpoint, load_info
from spike_depth_ros.networks.dpn import (
    ChannelAttention,
    DepthOfDisparity,
    Disagreement,
    ResidualBlock,
    SpatialAttention,
    dpn,
)
from spike_depth_ros.networks.registry import build, build_with_weights, weights_of
from spike_depth_ros.networks.unet_lite import CentralRatesToRgb, RateToRgb
from spike_depth_ros.tasks.architectures import DpnSettings

INFO = dataclasses.replace(
    load_info(default_checkpoint()), architecture='dpn', bins=9, min_depth=0.01, max_depth=1e4,
    settings={'width': 8},
)  # fmt: skip
DEPTHS = (INFO.min_depth, INFO.max_depth)
PLANES = torch.full((9,), 8, dtype=torch.int32)


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def counts_of(batch=2, height=64, width=96):
    return torch.randint(0, 9, (batch, 9, height, width), dtype=torch.uint8)


def without_gradient(network):
    return {
        name
        for name, one in network.named_parameters()
        if one.grad is None or not one.grad.abs().sum() > 0
    }


@pytest.mark.parametrize('size', [(16, 16), (48, 80), (64, 32)])
def test_sizes_are_any_multiple_of_16(size):
    height, width = size
    network = build(INFO).eval()
    counts = counts_of(2, *size)
    with torch.inference_mode():
        output = network(counts, PLANES)
        levels = network.disparities(counts, PLANES)
    assert [tuple(one.shape) for one in levels] == [
        (2, 2, height // scale, width // scale) for scale in (1, 2, 4, 8)
    ]
    assert output.depth.shape == output.uncertainty.shape == (2, 1, *size)
    assert output.f_enc.shape == (2, 64, -(-height // 32), -(-width // 32))
    assert output.f_dec.shape == (2, 2, *size)
    torch.testing.assert_close(output.class_token, output.f_enc.mean(dim=(2, 3)))
    assert all(one.dtype == torch.float32 and one.isfinite().all() for one in output)


def test_disparities_are_from_none_to_three_tenths_of_the_width():
    network = build(INFO).eval()
    for bias, share in ((100.0, 0.3), (-200.0, 0.0)):
        for head in network.decoder.heads:
            head.bias.data[:] = bias
        with torch.inference_mode():
            levels = network.disparities(counts_of(1, 48, 80), PLANES)
            output = network(counts_of(1, 48, 80), PLANES)
        for level, disparity in enumerate(levels):
            expected = torch.full_like(disparity, share * 80 / 2**level)
            torch.testing.assert_close(disparity, expected)
        assert output.depth.isfinite().all()
        assert output.uncertainty.isfinite().all()


@pytest.mark.parametrize('canonical_fx', [200.0, 400.0])
def test_depth_is_that_of_the_left_disparity(canonical_fx):
    settings = {'width': 8, 'baseline_m': 0.25}
    network = build(dataclasses.replace(INFO, canonical_fx=canonical_fx, settings=settings)).eval()
    assert network.baseline_m == 0.25
    counts = counts_of()
    with torch.inference_mode():
        product = network(counts, PLANES).depth * network.disparities(counts, PLANES)[0][:, :1]
    torch.testing.assert_close(product, torch.full_like(product, canonical_fx * 0.25))


def test_depth_stays_in_its_range_and_is_trained_beyond():
    depth = DepthOfDisparity(40.0, 0.5, 80.0)
    disparity = torch.tensor([0.0, 0.1, 4.0, 1000.0], requires_grad=True)
    torch.testing.assert_close(depth.eval()(disparity), torch.tensor([80.0, 80.0, 10.0, 0.5]))
    found = depth.train()(disparity)
    torch.testing.assert_close(found, torch.tensor([80.0, 80.0, 10.0, 0.5]))
    found.log().sum().backward()
    # The derivative of -log(disparity), clipped or not.
    torch.testing.assert_close(disparity.grad[1:], torch.tensor([-10.0, -0.25, -0.001]))


def test_training_starts_at_two_hundredths_of_the_width():
    network = build(INFO).train()
    with torch.inference_mode():
        for level, disparity in enumerate(network.disparities(counts_of(4), PLANES)):
            shares = disparity / (96 / 2**level)
            assert shares.mean() == pytest.approx(0.02, rel=0.2)
            assert shares.std() < 0.01


def test_the_picture_is_continued_by_its_border():
    """At the right and at the bottom; the disparities stay shares of its own width."""
    network = dpn(3, DEPTHS, DpnSettings(width=8), 'rgb', canonical_fx=400.0).eval()
    picture, planes = torch.rand(1, 3, 48, 80), torch.ones(3)
    with torch.inference_mode():
        found = network.disparities(picture, planes)
        larger = network.disparities(F.pad(picture, (0, 16, 0, 16), mode='replicate'), planes)
    for one, other in zip(found, larger, strict=True):
        height, width = one.shape[2:]
        torch.testing.assert_close(one / 80, other[..., :height, :width] / 96)


def test_labels_train_all_but_the_right_eye():
    network = build(INFO).train()
    network(counts_of(), PLANES).depth.log().sum().backward()
    assert without_gradient(network) == set()
    weight, bias = (one.grad for one in network.decoder.heads[-1].parameters())
    assert weight[0].abs().sum() > 0
    assert not weight[1].any()
    assert not bias[1]


def test_disparities_train_every_weight():
    network = build(INFO).train()
    levels = network.disparities(counts_of(), PLANES)
    torch.stack([one.mean() for one in levels]).sum().backward()
    assert without_gradient(network) == set()
    assert all((head.bias.grad != 0).all() for head in network.decoder.heads)


def test_uncertainty_trains_the_right_eye_alone():
    network = build(INFO).train()
    network(counts_of(), PLANES).uncertainty.sum().backward()
    weight = network.decoder.heads[-1].weight.grad
    assert not weight[0].any()
    assert weight[1].abs().sum() > 0


def test_uncertainty_by_hand():
    disagreement = Disagreement()
    four, three = torch.full((1, 1, 2, 8), 4.0), torch.full((1, 1, 2, 8), 3.0)
    assert not disagreement(torch.cat([four, four], dim=1)).any()
    torch.testing.assert_close(disagreement(torch.cat([four, three], dim=1)), four / 16)
    # 1.5 columns to the left: halfway between two; before the first one, the first one.
    left = torch.full((1, 1, 1, 5), 1.5)
    right = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0]).reshape(1, 1, 1, 5)
    there = torch.tensor([1.0, 1.0, 1.5, 3.0, 6.0])
    found = disagreement(torch.cat([left, right], dim=1))[0, 0, 0]
    torch.testing.assert_close(found, (1.5 - there).abs() / 1.5)


def test_kernels_of_a_block_are_1x3_and_3x1():
    block = ResidualBlock(4, 8, 2)
    kernels = [one.kernel_size for one in block.body if isinstance(one, torch.nn.Conv2d)]
    assert kernels == [(1, 3), (3, 1)]
    assert block(torch.randn(2, 4, 8, 12)).shape == (2, 8, 4, 6)
    assert isinstance(ResidualBlock(8, 8, 1).skip, torch.nn.Identity)
    groups = build(INFO).encoder.groups
    assert [len(group) for group in groups] == [2, 2, 2, 2]


def test_attention_by_hand():
    """Both sums of mean and maximum, of the picture and of the channels."""
    x = torch.tensor([[[[0.0, 2.0]], [[1.0, 5.0]]]])
    channels = ChannelAttention(2)
    first, _, last = channels.mlp
    for layer, weight in ((first, [[1.0, 0.0]]), (last, [[1.0], [2.0]])):
        layer.weight.data, layer.bias.data[:] = torch.tensor(weight), 0.0
    weights = torch.tensor([3.0, 6.0]).sigmoid()  # of the first channel's mean 1 and maximum 2
    torch.testing.assert_close(channels(x), x * weights[None, :, None, None])
    places = SpatialAttention()
    torch.nn.init.zeros_(places.weights.weight)
    torch.nn.init.zeros_(places.weights.bias)
    places.weights.weight.data[0, :, 3, 3] = torch.tensor([2.0, 1.0])
    weights = torch.tensor([2 * 0.5 + 1, 2 * 3.5 + 5]).sigmoid()
    torch.testing.assert_close(places(x), x * weights)


def test_attention_can_be_left_out():
    number = {
        attention: sum(
            one.numel()
            for one in build(
                dataclasses.replace(INFO, settings={'width': 8, 'attention': attention})
            ).parameters()
        )
        for attention in (True, False)
    }
    # Two layers of 64 and 4 values, and a kernel of 7x7 for mean and maximum.
    assert number[True] - number[False] == 64 * 4 + 4 + 4 * 64 + 64 + 2 * 49 + 1


@pytest.mark.parametrize(
    ('picture', 'temporal'),
    [
        ('mean_and_bins', RateToRgb),
        ('mean', CentralRatesToRgb),
        ('three_rates', CentralRatesToRgb),
    ],
)
def test_every_picture_and_its_weights(picture, temporal):
    info = dataclasses.replace(INFO, settings={'width': 8, 'picture': picture})
    network = build(info).eval()
    assert type(network.temporal) is temporal
    stored = build_with_weights(info, weights_of(network)).eval()
    counts = counts_of(1, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(
            stored(counts, PLANES).depth, network(counts, PLANES).depth, rtol=0.01, atol=0
        )
