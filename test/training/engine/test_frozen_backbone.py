# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``backbone_lr_scale: 0``: what has learnt before stays as it is, in every kind of stage."""

import copy

import pytest
import torch

from spike_depth_ros.networks.depth_net import TinySettings, dpt_tiny
from spike_depth_ros.networks.unet_lite import LiteSettings, unet_lite
from spike_training.engine.optim import check_groups
from spike_training.methods.bicross.settings import (
    CrossDomainConfig,
    CrossModalityConfig,
    PretrainConfig,
)
from spike_training.methods.bicross.stages.cross_domain import CrossDomain
from spike_training.methods.bicross.stages.cross_modality import CrossModality
from spike_training.methods.bicross.stages.pretrain import Pretrain
from spike_training.settings.config import ModelConfig

RANGE, DIM = (0.3, 80.0), 12


def pretrain(network, rate):
    return Pretrain(
        network, PretrainConfig(init_from='previous', backbone_lr_scale=rate), ModelConfig()
    )


def cross_modality(network, rate):
    config = CrossModalityConfig(teacher='t', backbone_lr_scale=rate)
    return CrossModality(network, copy.deepcopy(network), config, ModelConfig(), DIM)


def cross_domain(network, rate):
    config = CrossDomainConfig(backbone_lr_scale=rate)
    return CrossDomain(network, config, ModelConfig(), DIM)


KINDS = pytest.mark.parametrize('make', [pretrain, cross_modality, cross_domain])


@pytest.fixture
def lite():
    torch.manual_seed(0)
    return unet_lite(4, RANGE, LiteSettings(dim=DIM, features=8))


def trained_by(stage):
    """The parameters that its optimisers step."""
    groups = stage.optimizers()
    check_groups(stage, groups)
    return {id(p) for part in groups.values() for group in part for p in group['params']}


@KINDS
def test_the_backbone_and_its_picture_stay_as_they_are(make, lite):
    stage = make(lite, 0.0)
    steps = trained_by(stage)
    stage.train()
    for part in (lite.encoder.backbone, lite.temporal):
        assert not any(id(p) in steps or p.requires_grad for p in part.parameters())
        assert not any(module.training for module in part.modules())
    for part in (lite.encoder.top, lite.encoder.merge, lite.decoder, lite.depth_head):
        assert all(id(p) in steps for p in part.parameters())
        assert all(module.training for module in part.modules())
    before = copy.deepcopy(lite.encoder.backbone.state_dict())
    lite(torch.randint(0, 5, (2, 4, 64, 64)), torch.ones(4)).depth.log().mean().backward()
    assert all(torch.equal(before[k], v) for k, v in lite.encoder.backbone.state_dict().items())
    assert all(p.grad is not None for p in lite.decoder.parameters())


@KINDS
def test_at_another_rate_it_learns(make, lite):
    stage = make(lite, 0.5)
    steps = trained_by(stage)
    stage.train()
    for part in (lite.encoder.backbone, lite.temporal):
        assert all(id(p) in steps for p in part.parameters())
        assert all(module.training for module in part.modules())
    slow = {
        id(p)
        for part in stage.optimizers().values()
        for group in part
        if group['lr_scale'] == 0.5
        for p in group['params']
    }
    assert slow == {id(p) for p in lite.encoder.backbone.parameters()}


def test_of_another_network_the_encoder_stays_and_the_temporal_module_learns():
    settings = TinySettings(stem=8, stage4=8, stage8=8, stage16=8, dim=DIM, features=8, head=4)
    network = dpt_tiny(4, RANGE, settings)
    stage = pretrain(network, 0.0)
    stage.train()
    assert not any(p.requires_grad for p in network.encoder.parameters())
    assert not any(module.training for module in network.encoder.modules())
    assert all(p.requires_grad for p in network.temporal.parameters())


@pytest.mark.parametrize(('rate', 'times'), [(0.0, 1), (0.5, 3)])
def test_networks_of_a_stage_compute_each_view_once(lite, rate, times):
    stage = cross_domain(lite, rate)
    networks = [stage.student, stage.teacher, stage.source_model]
    with torch.no_grad():
        stage.teacher.decoder.fine[0][0].weight.mul_(2)  # what is behind the backbone is its own
    stage.eval()
    alone = []
    for network in networks:
        copied = copy.deepcopy(network)
        copied.encoder.backbone.__dict__.pop('forward', None)
        alone.append(copied)
    computed = []
    for backbone in {network.encoder.backbone for network in networks}:
        backbone.conv_stem.register_forward_pre_hook(lambda *_: computed.append(1))
    view, planes = torch.randint(0, 5, (2, 4, 64, 64)), torch.ones(4)
    found = [network(view, planes).depth for network in networks]
    assert len(computed) == times
    for depth, other in zip(found, alone, strict=True):
        assert torch.equal(depth, other(view, planes).depth)
    assert not torch.equal(found[0], found[1])
    stage.student(view + 1, planes)
    assert len(computed) == times + 1


def test_views_of_a_step_of_both_domains_are_kept_until_its_end(lite):
    stage = cross_domain(lite, 0.0).eval()
    computed = []
    stage.student.encoder.backbone.conv_stem.register_forward_pre_hook(
        lambda *_: computed.append(1)
    )
    views, planes = torch.randint(0, 5, (4, 2, 4, 64, 64)), torch.ones(4)
    with torch.no_grad():
        for view in (*views, views[0]):
            stage.student(view, planes)
    assert len(computed) == 4
