# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import math

import pytest
import torch
from torch.overrides import TorchFunctionMode

from kit import checkpoints
from spike_depth_ros.networks.fuse_lite import (
    FuseLite,
    Join,
    gaussian_pyramid,
    laplacian_pyramid,
)
from spike_depth_ros.networks.registry import build
from spike_depth_ros.tasks.architectures import FuseLiteSettings
from spike_depth_ros.tasks.depth import DepthInfo
from spike_depth_ros.tasks.fused import FusedInfo

SMALL = checkpoints.SIZES['fused'][1]
PLANES = torch.full((8,), 16, dtype=torch.int32)


@pytest.fixture
def network():
    return checkpoints.network(checkpoints.info('fused'))


def inputs(number=2, height=32, width=48):
    counts = torch.randint(0, 16, (number, 8, height, width))
    return counts, torch.rand(number, 3, height, width)


@torch.no_grad()
def depth(network, counts, frame=None, has_spikes=None):
    return network(counts, PLANES, frame, has_spikes).depth


@pytest.mark.parametrize('size', [(8, 12), (7, 5), (1, 1), (13, 16)])
def test_levels_of_the_laplacian_pyramid_sum_to_the_map(size):
    x = torch.randn(2, 3, *size)
    levels = gaussian_pyramid(x)
    assert [level.shape[2] for level in levels] == [
        size[0], math.ceil(size[0] / 2), math.ceil(math.ceil(size[0] / 2) / 2),
    ]  # fmt: skip
    total = torch.zeros(1)
    for level in reversed(laplacian_pyramid(levels)):
        if total.ndim > 1:
            total = torch.nn.functional.interpolate(
                total, level.shape[2:], mode='bilinear', align_corners=False
            )
        total = total + level
    torch.testing.assert_close(total, x)


class NoHostTensors(TorchFunctionMode):
    """Refuses tensors of values of the host, whose copy a CUDA graph cannot capture."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        assert function not in {
            torch.tensor, torch.as_tensor, torch.from_numpy, torch.Tensor.new_tensor,
        }  # fmt: skip
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize('fusion', ['pyramids', 'attention', 'concatenation'])
def test_a_cuda_graph_can_capture_it(fusion):
    network = checkpoints.network(checkpoints.info('fused', settings=SMALL | {'fusion': fusion}))
    counts, frame = inputs()
    with NoHostTensors(), torch.no_grad():
        network(counts, PLANES, frame)
        network(counts, PLANES)


def test_blur_keeps_a_constant_and_removes_a_checkerboard():
    _, constant, _ = gaussian_pyramid(torch.full((1, 2, 8, 8), 3.0))
    torch.testing.assert_close(constant, torch.full((1, 2, 4, 4), 3.0))
    board = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(4, 4)[None, None]
    _, blurred, _ = gaussian_pyramid(board)
    assert blurred[..., 1:-1, 1:-1].abs().max() < 1e-6


def test_each_group_of_a_join_has_channels_of_both_maps():
    join = Join(16)
    first = torch.randn(1, 16, 2, 2, requires_grad=True)
    second = torch.randn(1, 16, 2, 2, requires_grad=True)
    both = torch.stack([first, second], dim=2).flatten(1, 2)
    join.grouped(both)[:, 0].sum().backward()
    for one in (first, second):
        assert one.grad[0, :2].any()  # the first of 8 groups of 4 channels
        assert not one.grad[0, 2:].any()


@pytest.mark.parametrize('pool', [1, 2])
@pytest.mark.parametrize('fusion', ['pyramids', 'attention', 'concatenation'])
def test_outputs_have_the_size_of_the_input(fusion, pool):
    network = build(
        checkpoints.info('fused', settings={**SMALL, 'fusion': fusion, 'pool': pool})
    ).eval()
    counts, frame = inputs(1, 32 * pool, 48 * pool)
    output = network(counts, PLANES, frame)
    assert output.depth.shape == output.uncertainty.shape == (1, 1, 32 * pool, 48 * pool)
    assert output.depth.isfinite().all()


def test_without_spikes_they_may_hold_anything(network):
    counts, frame = inputs()
    none = torch.tensor([False, False])
    expected = depth(network, counts, frame, none)
    assert torch.equal(depth(network, 15 - counts, frame, none), expected)
    assert not torch.equal(depth(network, counts, frame), expected)


def test_without_a_frame_its_branch_is_not_computed(network):
    counts, frame = inputs()
    masked = depth(network, counts, torch.full_like(frame, math.nan))
    torch.testing.assert_close(depth(network, counts), masked)
    assert not torch.equal(depth(network, counts, frame), masked)
    sizes = []
    network.encoder.register_forward_pre_hook(lambda module, given: sizes.append(len(given[0])))
    depth(network, counts)
    depth(network, counts, frame)
    assert sizes == [2, 4]


def test_each_sample_has_its_own_mask(network):
    counts, frame = inputs()
    frame[1] = math.nan
    both = depth(network, counts, frame, torch.tensor([False, True]))
    alone = depth(network, counts[:1], frame[:1], torch.tensor([False]))
    torch.testing.assert_close(both[:1], alone)
    torch.testing.assert_close(both[1:], depth(network, counts[1:]))


def test_a_frame_may_cover_a_part(network):
    counts, frame = inputs(1, 64, 96)
    half = frame.clone()
    half[..., 48:] = math.nan
    wrong = half.clone()
    wrong[:, :2, :, 48:] = frame[:, :2, :, 48:]  # one of three colours is missing
    found = depth(network, counts, half)
    assert found.isfinite().all()
    assert torch.equal(depth(network, counts, wrong), found)
    assert not torch.equal(found, depth(network, counts, frame))
    assert not torch.equal(found, depth(network, counts))


def test_the_residual_of_the_paper_is_another():
    torch.manual_seed(0)
    plain = build(checkpoints.info('fused'))
    exact = build(checkpoints.info('fused', settings={**SMALL, 'paper_exact': True}))
    exact.load_state_dict(plain.state_dict())
    counts, frame = inputs()
    assert not torch.equal(depth(plain.eval(), counts, frame), depth(exact.eval(), counts, frame))


@pytest.mark.parametrize('paper_exact', [False, True])
def test_every_parameter_has_a_gradient(paper_exact):
    network = build(checkpoints.info('fused', settings={**SMALL, 'paper_exact': paper_exact}))
    counts, frame = inputs(3)
    frame[2] = math.nan
    output = network(counts, PLANES, frame, torch.tensor([True, False, True]))
    (output.depth.log().square().sum() + output.uncertainty.square().sum()).backward()
    without = [
        name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()
    ]
    assert without == []


def test_its_metadata_are_those_of_depth_and_the_age_of_frames():
    info = checkpoints.info('fused')
    assert isinstance(info, DepthInfo)
    assert (info.task, info.inputs) == ('fused', ('spikes', 'rgb'))
    assert FusedInfo.from_json(info.to_json()) == info
    assert isinstance(build(info), FuseLite)


def test_weights_are_at_most_8_mib():
    settings = dataclasses.asdict(FuseLiteSettings(pool=2, features2=16, head=16))
    network = build(checkpoints.info('fused', settings=settings, bins=9))
    values = sum(value.numel() for value in network.state_dict().values())
    assert 2 * values <= 8 * 2**20
