# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from kit.runs import MODEL, SMALL
from kit.stages import RampSource
from spike_depth_ros.networks.depth_net import DepthOutput, dpt_tiny
from spike_training.adaptation.candidates import load_network
from spike_training.errors import ConfigError
from spike_training.evaluation.statistics import batch_norms
from spike_training.learning.losses import (
    si_loss,
    si_loss_absolute,
    si_loss_rooted,
    uncertainty_loss,
)
from spike_training.methods.bicross.settings import PretrainConfig
from spike_training.methods.bicross.stages.pretrain import Pretrain


class Fixed(nn.Module):
    """A network whose outputs are given."""

    def __init__(self, depth, uncertainty):
        super().__init__()
        self.depth = nn.Parameter(depth)
        self.uncertainty = nn.Parameter(uncertainty)

    def forward(self, counts, planes_per_bin):
        nothing = torch.zeros(1)
        return DepthOutput(self.depth, self.uncertainty, nothing, nothing, nothing)


def fixed_batch():
    batch = RampSource().batch(0, 2)
    depth = torch.full_like(batch.depth, 4.0)
    depth[:, :, :4] = torch.inf
    depth[0, 0, 20, 20] = torch.nan
    return dataclasses.replace(batch, depth=depth, fx=torch.tensor([400.0, 100.0]))


def stage_of(depth=8.0, uncertainty=0.3, **settings):
    network = Fixed(torch.full((2, 1, 32, 48), depth), torch.full((2, 1, 32, 48), uncertainty))
    return Pretrain(network, PretrainConfig(**settings), MODEL)


def test_labels_are_canonical_with_sky_at_the_maximum():
    target, weight, measured = stage_of(sky_weight=0.25).supervision.label(fixed_batch())
    assert (target[0, 0, 4:10] == 4).all()
    assert (target[1, 0, 4:10] == 16).all()  # a quarter of the focal length: looks as far as 16 m
    assert (target[:, :, :4] == MODEL.max_depth).all()
    assert target[0, 0, 20, 20].isnan()
    assert (weight[:, :, :4] == 0.25).all()
    assert (weight[:, :, 4:] == 1).all()
    assert not measured[:, :, :4].any()
    assert measured[:, :, 4:].sum() == 2 * 28 * 48 - 1


def test_labels_stay_within_the_range_of_the_network():
    batch = fixed_batch()
    batch.depth[0, 0, 8], batch.depth[0, 0, 9] = 500.0, 0.01
    target = stage_of().supervision.label(batch).depth
    assert (target[0, 0, 8] == MODEL.max_depth).all()
    assert (target[0, 0, 9] == MODEL.min_depth).all()


@pytest.mark.parametrize(
    ('name', 'si'),
    [('plain', si_loss), ('rooted', si_loss_rooted), ('absolute', si_loss_absolute)],
)
def test_the_loss_is_sup_plus_weighted_unc(name, si):
    stage = stage_of(si=name, si_lambda=0.7, uncertainty_weight=2.0, sky_weight=0.5)
    batch = fixed_batch()
    parts = stage(batch, 'train')
    target, weight, measured = stage.supervision.label(batch)
    sup = si(stage.network.depth, target, weight, 0.7).mean()
    unc = uncertainty_loss(stage.network.uncertainty, stage.network.depth, target, measured).mean()
    torch.testing.assert_close(parts['loss'], sup + 2 * unc)
    torch.testing.assert_close(parts['sup'], sup.detach())
    # Errors: 8 for 4 is 1, 8 for 16 is 0.5; the head says 0.3.
    torch.testing.assert_close(parts['unc'], torch.tensor((0.7 + 0.2) / 2))
    assert parts['error'].item() == pytest.approx(0.75, abs=1e-3)
    assert not any(value.requires_grad for name, value in parts.items() if name != 'loss')


def test_sky_pulls_depth_but_not_uncertainty():
    stage = stage_of()
    stage(fixed_batch(), 'train')['loss'].backward()
    assert (stage.network.depth.grad[:, :, :4] < 0).all()  # deeper
    assert (stage.network.uncertainty.grad[:, :, :4] == 0).all()
    assert (stage.network.uncertainty.grad[:, :, 4] != 0).all()
    assert stage.network.depth.grad[0, 0, 20, 20] == 0


def test_a_network_that_diverged_gives_no_finite_loss():
    stage = stage_of(depth=math.nan)
    assert not stage(fixed_batch(), 'train')['loss'].isfinite()


@pytest.mark.parametrize('inputs', ['spikes', 'rgb'])
def test_every_parameter_gets_a_gradient(inputs):
    torch.manual_seed(0)
    network = dpt_tiny(32 if inputs == 'spikes' else 3, (0.3, 80.0), SMALL, inputs)
    stage = Pretrain(network, PretrainConfig(input=inputs), MODEL)
    stage(RampSource(with_rgb=inputs == 'rgb').batch(0, 2), 'train')['loss'].backward()
    without = [name for name, p in stage.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_rgb_and_spikes_networks_differ_in_the_stem_alone():
    spikes, rgb = (
        {
            name: value.shape
            for name, value in dpt_tiny(c, (0.3, 80.0), SMALL, i).state_dict().items()
        }
        for c, i in ((32, 'spikes'), (3, 'rgb'))
    )
    behind = {name for name in spikes if not name.startswith('temporal.')}
    assert behind == {name for name in rgb if not name.startswith('temporal.')}
    assert all(spikes[name] == rgb[name] for name in behind)


def test_rgb_is_centred():
    network = dpt_tiny(3, (0.3, 80.0), SMALL, 'rgb')
    rgb = torch.tensor([0.0, 0.5, 1.0])[None, :, None, None]
    assert network.temporal.centred(rgb, torch.ones(3)).flatten().tolist() == [-1.0, 0.0, 1.0]


def test_picture_shows_every_image():
    stage = stage_of()
    with torch.no_grad():
        image = stage.picture(fixed_batch())
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[0] > 2 * 32


def test_edges_count_by_their_weight():
    torch.manual_seed(0)
    network = dpt_tiny(32, (0.3, 80.0), SMALL).eval()
    batch = RampSource().batch(0, 2)

    def sup(weight):
        stage = Pretrain(network, PretrainConfig(gradient_weight=weight), MODEL)
        with torch.no_grad():
            return stage(batch, 'val')['sup'].item()

    without, half, whole = sup(0.0), sup(0.5), sup(1.0)
    assert whole > half > without
    assert whole - half == pytest.approx(half - without, rel=1e-3)


@pytest.mark.parametrize('trainable', ['all', 'weights', 'affine'])
def test_what_is_not_trained_stays(trainable):
    torch.manual_seed(0)
    network = load_network(Path('unet_lite'))[1].requires_grad_(True)
    config = PretrainConfig(init_from='unet_lite', trainable=trainable)
    stage = Pretrain(network, config, MODEL)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    counts = torch.randint(0, 10, (2, 9, 32, 48), dtype=torch.uint8)
    planes = torch.full((9,), 14)
    stage.train()
    network(counts, planes).depth.log().sum().backward()
    with torch.no_grad():
        for weight in network.parameters():
            if weight.grad is not None:
                weight -= 1e-3 * weight.grad.sign()
    changed = {n for n, value in network.state_dict().items() if not torch.equal(value, before[n])}
    norms = [name for name, module in network.named_modules() if module in batch_norms(network)]
    statistics = {f'{norm}.running_mean' for norm in norms}
    affine = {f'{norm}.{part}' for norm in norms for part in ('weight', 'bias')}
    assert (statistics <= changed) == (trainable == 'all')
    assert affine & changed
    assert not (statistics & changed) or trainable == 'all'
    assert bool(changed - affine - statistics) == (trainable != 'affine')


def test_a_network_without_batch_norm_has_no_statistics_to_keep():
    with pytest.raises(ConfigError, match="trainable is 'weights': the network has no batch norm"):
        stage_of(init_from='dpt_tiny', trainable='weights')
