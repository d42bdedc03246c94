# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Activation checkpointing: less is kept, and nothing else changes."""

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from spike_depth_ros.networks.depth_net import TinySettings, dpt_tiny
from spike_depth_ros.networks.dpt_hybrid import HybridSettings, dpt_hybrid
from spike_depth_ros.networks.unet_lite import LiteSettings, unet_lite
from spike_training.engine.activation_checkpointing import blocks_of, checkpoint_activations
from spike_training.evaluation.statistics import untracked

RANGE = (0.3, 80.0)
BINS = 8


def tiny():
    settings = TinySettings(stem=8, stage4=8, stage8=8, stage16=8, dim=12, features=8, head=4)
    return dpt_tiny(BINS, RANGE, settings)


def hybrid():
    settings = HybridSettings(temporal_features=8, dim=48, layers=4, heads=3, features=8, head=4)
    return dpt_hybrid(BINS, RANGE, settings)


def lite():
    return unet_lite(BINS, RANGE, LiteSettings(dim=12, features8=8, features=8, head=4))


def built(build, recomputes):
    torch.manual_seed(0)
    network = build().train()
    if recomputes:
        checkpoint_activations(network)
    return network


def kept_by(network, counts, lengths):
    """Loss, and bytes that the forward pass keeps for the backward pass."""
    storages = {}

    def pack(value):
        storages[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
        return value

    with saved_tensors_hooks(pack, lambda value: value):
        output = network(counts, lengths)
    weights = {value.untyped_storage().data_ptr() for value in network.state_dict().values()}
    loss = output.depth.log().square().mean() + output.uncertainty.mean()
    loss = loss + output.class_token.square().mean()
    return loss, sum(size for place, size in storages.items() if place not in weights)


@pytest.mark.parametrize('build', [tiny, lite, hybrid])
def test_gradients_and_statistics_are_the_same_and_less_is_kept(build):
    generator = torch.Generator().manual_seed(1)
    counts = torch.randint(0, 5, (2, BINS, 32, 48), dtype=torch.uint8, generator=generator)
    lengths = torch.full((BINS,), 4, dtype=torch.int32)
    results, kept = [], []
    for recomputes in (False, True):
        network = built(build, recomputes)
        loss, size = kept_by(network, counts, lengths)
        # As a stage does between two domains: one pass leaves no trace, and both are recomputed.
        with untracked(network):
            loss = loss + network(counts.flip(0), lengths).depth.mean()
        loss.backward()
        results.append(
            [loss.detach()]
            + [parameter.grad for parameter in network.parameters()]
            + list(network.state_dict().values())
        )
        kept.append(size)
    for plain, recomputed in zip(*results, strict=True):
        assert torch.equal(plain, recomputed)
    assert kept[1] < 0.5 * kept[0]


def test_without_a_gradient_nothing_is_recomputed():
    network = built(tiny, True).eval()
    calls = []
    for block in blocks_of(network):
        block.register_forward_hook(lambda *_: calls.append(1))
    counts = torch.ones(1, BINS, 32, 32, dtype=torch.uint8)
    with torch.no_grad():
        network(counts, torch.ones(BINS, dtype=torch.int32))
    assert len(calls) == len([*blocks_of(network)])


def test_names_of_the_weights_stay():
    assert built(tiny, True).state_dict().keys() == built(tiny, False).state_dict().keys()


def test_blocks_are_those_of_any_network():
    inner = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.ReLU())
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.Sequential(inner, inner))
    assert [*blocks_of(network)] == [inner]
