# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import math

import pytest
import torch

from spike_depth_ros.networks.registry import build, build_with_weights, weights_of
from spike_depth_ros.networks.upsampling import UpsampleLite, describe
from spike_depth_ros.tasks.architectures import UpsampleLiteSettings
from spike_depth_ros.tasks.upsample import UpsampleInfo

SMALL = UpsampleLiteSettings(width=8, blocks=1)
INFO = UpsampleInfo(
    architecture='upsample_lite', settings=dataclasses.asdict(SMALL), factors=SMALL.factors,
    stage='random', package_version='0',
)  # fmt: skip
HOLES = (0.0, math.nan, math.inf, -math.inf, -1.0)


@pytest.fixture
def network():
    """A network whose weights are far from their beginning."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = UpsampleLite(SMALL).eval()
        with torch.no_grad():
            for head in made.heads.values():
                torch.nn.init.normal_(head.weight, std=0.5)
        yield made


def steps(holes=()):
    """Two surfaces, 9x12 pixels, with some noise."""
    generator = torch.Generator().manual_seed(1)
    depth = torch.where(torch.arange(12) < 5, 1.5, 4.0).repeat(9, 1)
    depth = depth + 0.1 * torch.rand(depth.shape, generator=generator)
    for place, value in zip(((0, 0), (2, 5), (4, 4), (4, 5), (8, 11)), holes, strict=False):
        depth[place] = value
    return depth[None, None]


def repeated(small, factor):
    return small.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)


def test_it_is_as_small_as_promised():
    network = UpsampleLite(UpsampleLiteSettings())
    assert 2 * sum(one.numel() for one in network.parameters()) < 500_000  # bytes of float16


def test_a_step_of_2x2_by_hand():
    network = UpsampleLite(SMALL).eval()
    head = network.heads['2']
    with torch.no_grad():
        head.weight.zero_()
        shares = torch.full((9, 4), 1e-9)
        shares[4] = 3.0  # the own small pixel
        shares[5, 1::2] = 1.0  # the one to the right, for the right half of each pixel
        shares[7, 2:] = 2.0  # the one below, for the lower half
        head.bias.copy_(shares.log().flatten())
        found = network(torch.tensor([[[[1.0, 2.0], [1.0, 4.0]]]]), 2)[0, 0]
    expected = torch.tensor([
        [1, (3 * 1 + 2) / 4, 2, 2],
        [1, (3 * 1 + 2 + 2 * 1) / 6, (3 * 2 + 2 * 4) / 5, (3 * 2 + 2 * 4) / 5],
        [1, (3 * 1 + 4) / 4, 4, 4],  # nothing below
        [1, (3 * 1 + 4) / 4, 4, 4],
    ])  # fmt: skip
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize('factor', SMALL.factors)
def test_constants_stay_and_a_multiple_gives_a_multiple(network, factor):
    with torch.inference_mode():
        constant = network(torch.full((1, 1, 5, 4), 0.7), factor)
        assert constant.shape == (1, 1, 5 * factor, 4 * factor)
        assert (constant == 0.7).all()
        depth = steps(HOLES[:2])
        once = network(depth, factor)
        assert torch.equal(network(8 * depth, factor).nan_to_num(), 8 * once.nan_to_num())
        torch.testing.assert_close(
            network(1000 * depth, factor), 1000 * once, rtol=1e-5, atol=0, equal_nan=True
        )


def test_neither_a_factor_nor_an_offset_changes_the_weights(network):
    depth = steps()
    with torch.inference_mode():
        once, other = network.weights(depth, 4), network.weights(3 * depth + 10, 4)
    torch.testing.assert_close(once, other, rtol=0, atol=1e-4)
    assert (once - once[..., :1, :1]).abs().max() > 0.1  # they do depend on the map


def test_results_lie_within_the_range_of_the_neighbours(network):
    depth = steps()
    with torch.inference_mode():
        found = network(depth, 4)
    highest = repeated(torch.nn.functional.max_pool2d(depth, 3, 1, 1), 4)
    lowest = repeated(-torch.nn.functional.max_pool2d(-depth, 3, 1, 1), 4)
    assert (lowest <= found).all()
    assert (found <= highest).all()
    assert found.std() > 0.5


def test_weights_are_those_of_the_result_and_0_at_holes(network):
    depth = steps(HOLES)
    known = torch.isfinite(depth) & (depth > 0)
    with torch.inference_mode():
        weights, found = network.weights(depth, 2), network(depth, 2, fill=True)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(1, 18, 24))
    padded = torch.nn.functional.pad(torch.where(known, depth, 0.0), (1, 1, 1, 1))
    parts = [padded[:, :, y : y + 9, x : x + 12] for y in range(3) for x in range(3)]
    around = repeated(torch.cat(parts, dim=1), 2)
    assert (weights[around == 0] == 0).all()
    assert (weights[around > 0] > 0).all()
    torch.testing.assert_close((weights * around).sum(dim=1, keepdim=True), found)


@pytest.mark.parametrize('hole', HOLES)
def test_holes_stay_and_are_filled_on_demand(network, hole):
    depth = steps([hole] * 5)
    with torch.inference_mode():
        found, filled = network(depth, 4), network(depth, 4, fill=True)
        zero = network(steps([0.0] * 5), 4)
    hidden = repeated((depth == steps()).logical_not(), 4)
    assert torch.equal(found.isnan(), hidden)
    assert torch.equal(found.nan_to_num(), zero.nan_to_num())
    assert filled.isfinite().all()
    assert torch.equal(filled[~hidden], found[~hidden])


def test_holes_alone_give_nan(network):
    with torch.inference_mode():
        assert network(torch.zeros(2, 1, 3, 3), 8).isnan().all()
        depth = torch.zeros(1, 1, 3, 6)
        depth[..., 0] = 2.0
        filled = network(depth, 2, fill=True)[0, 0]
        assert (filled[:, :4] == 2).all()
        assert filled[:, 4:].isnan().all()
        assert (network.weights(depth, 2)[..., 4:] == 0).all()


def test_gradients_are_finite_beside_holes_too():
    network = UpsampleLite(SMALL)
    found = network(torch.cat([steps(HOLES), torch.zeros(1, 1, 9, 12)]), 4)
    found[found.isfinite()].square().sum().backward()
    for name, weight in network.named_parameters():
        if not name.startswith('heads') or name.startswith('heads.4.'):
            assert weight.grad.isfinite().all(), name
    assert network.stem.weight.grad.any()


def test_nothing_depends_on_more_than_the_radius(network):
    """The library enlarges large maps in parts."""
    radius = SMALL.radius
    depth = 1 + torch.rand(1, 1, 4 * radius, 3, generator=torch.Generator().manual_seed(2))
    other = depth.clone()
    other[:, :, 0] = 3.0
    with torch.inference_mode():
        same = network.weights(depth, 2) == network.weights(other, 2)
    reached = int((~same.all(dim=1)[0].all(dim=1)).nonzero().max()) // 2
    assert reached == radius


def test_patches_are_described_over_their_range():
    depth = torch.full((1, 1, 3, 9), 2.0)
    depth[..., 5:] = 6.0
    depth[..., 1, 8] = 0.0
    found = describe(depth)[0, :, 1]
    assert found.shape == (51, 9)
    assert set(found[:25, 4].tolist()) == {-1.0, 0.0, 1.0}
    assert found[12, 8] == found[37, 8] == 0  # a hole
    assert found[12, 4] == -1.0
    assert found[13, 4] == 1.0
    # The step is in the patches of columns 3 to 6 alone.
    assert found[50].tolist() == [0, 0, 0, 1, 1, 1, 1, 0, 0]


def test_a_checkpoint_rebuilds_it(network):
    made = build_with_weights(INFO, weights_of(network)).eval()
    with torch.inference_mode():
        torch.testing.assert_close(made(steps(), 4), network(steps(), 4), rtol=0.01, atol=0)
    assert isinstance(build(INFO), UpsampleLite)
