# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from spike_depth_ros.networks.dsr_net import BackProjection, DeNet, DsrNet
from spike_depth_ros.networks.registry import build
from spike_depth_ros.tasks.architectures import DsrSettings
from spike_depth_ros.tasks.upsample import UpsampleInfo


def settings(**changes):
    return DsrSettings(**({'width': 6, 'blocks': 2, 'factors': (4,)} | changes))


def info_of(**changes):
    given = {
        'architecture': 'dsr_net', 'settings': {'width': 6, 'blocks': 2, 'factors': [4]},
        'factors': (4,), 'stage': 'x', 'package_version': '0',
    }  # fmt: skip
    return UpsampleInfo(**(given | changes))


@pytest.mark.parametrize('factor', [2, 4, 8, 16])
def test_every_factor_fits_exactly(factor):
    network = DsrNet(settings(factors=(factor,)))
    small = 255 * torch.rand(2, 1, 5, 7) + 1
    features = network.features(small)
    assert [each.shape for each in features] == [(2, 6, 5 * factor, 7 * factor)] * 2
    assert network(small, factor).shape == (2, 1, 5 * factor, 7 * factor)


def test_it_is_the_interpolated_map_before_training_if_it_is_a_change_of_it():
    small = 200 * torch.rand(1, 1, 6, 5) + 20
    large = DsrNet(settings(residual=True))(small, 4)
    expected = torch.nn.functional.interpolate(small, scale_factor=4, mode='bilinear')
    torch.testing.assert_close(large, expected, atol=2.0, rtol=0)
    assert DsrNet(settings())(small, 4).abs().max() < 10


def test_a_change_follows_the_sizes_of_steps_and_even_places_keep_theirs():
    network = DsrNet(settings(residual=True))
    torch.nn.init.normal_(network.output[-1].weight)
    small = torch.full((1, 1, 9, 9), 50.0)
    small[..., 5:] += 8
    interpolated = [
        torch.nn.functional.interpolate(each, scale_factor=4, mode='bilinear')
        for each in (small, small + 100)
    ]
    changes = [
        network(each, 4) - plain
        for each, plain in zip((small, small + 100), interpolated, strict=True)
    ]
    assert changes[0].abs().max() > 0.01
    assert changes[0][..., :16].abs().max() == changes[0][..., 24:].abs().max() == 0
    torch.testing.assert_close(*changes, atol=1e-4, rtol=0)


def test_a_hole_stays_a_hole_and_no_other_pixel_becomes_one():
    small = 100 * torch.rand(1, 1, 4, 5) + 1
    small[..., 1, 2] = 0
    large = DsrNet(settings())(small, 4)
    assert large[..., 4:8, 8:12].isnan().all()
    assert large.isnan().sum() == 16


def test_back_projection_is_its_equation():
    torch.manual_seed(0)
    block, small = BackProjection(3, 2), torch.rand(1, 3, 4, 4)
    with torch.no_grad():
        first = block.first(small)
        residual = block.down(first) - small
        expected = first + block.second(residual)
    torch.testing.assert_close(block(small), expected)
    kernel = block.first[0]
    assert (kernel.kernel_size, kernel.stride, kernel.padding) == ((6, 6), (2, 2), (2, 2))


def test_every_parameter_has_a_gradient():
    # One hole would leave out its pixels: none.
    for network, given in (
        (DsrNet(settings()), (torch.rand(1, 1, 5, 5) + 1, 4)),
        (DsrNet(settings(residual=True)), (torch.rand(1, 1, 5, 5) + 1, 4)),
        (DeNet(settings()), (torch.rand(1, 3, 12, 12),)),
    ):
        for layer in network.output:
            if isinstance(layer, torch.nn.Conv2d):
                torch.nn.init.normal_(layer.weight)
        network(*given).square().sum().backward()
        without = [k for k, p in network.named_parameters() if p.grad is None or not p.grad.any()]
        assert without == []


def test_the_input_says_which_network_it_is():
    assert isinstance(build(info_of()), DsrNet)
    assert isinstance(build(info_of(inputs=('rgb',))), DeNet)
