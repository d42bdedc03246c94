# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Kind robust: a fusion that learns from a teacher of undamaged frames."""

import copy
import dataclasses

import pytest
import torch

from kit.runs import tiny_run
from kit.stages import copied, learn
from spike_depth_ros.checkpoint import save
from spike_depth_ros.networks.registry import weights_of
from spike_training.engine.optim import check_groups
from spike_training.methods.fuse.settings import FuseConfig, RobustConfig
from spike_training.runs.build import context, make_stage, make_work
from spike_training.settings.config import BatchSpec, ModelConfig, check, problems_of

pytestmark = pytest.mark.usefixtures('one_thread')
CPU = torch.device('cpu')
SMALL = {'dim': 16, 'features8': 8, 'features': 8, 'features2': 8, 'head': 8, 'heads': 2}
FUSION = ('joins.', 'missing.')


def run_of(out, *, uses='frame', **changes):
    frame = FuseConfig(name='frame', dropped=0.0, settings={'uses': uses})
    given = {'teacher': 'frame', 'init_from': 'frame'} | changes
    robust = RobustConfig(name='robust', kind='robust', **given)
    model = ModelConfig(architecture='fuse_lite', bins=9, settings=SMALL)
    return tiny_run(out, frame, robust, method='fuse', model=model)


@pytest.fixture(scope='module')
def built(tmp_path_factory):
    """The stage, from a teacher that has learnt nothing, and its batches."""
    folder = tmp_path_factory.mktemp('robust')
    config = run_of(folder)
    check(config)
    first = context(config.resolve(config.stages[0]), {}, CPU)
    torch.manual_seed(0)
    network = make_stage(first).network
    for value in network.missing:
        torch.nn.init.normal_(value)
    path = folder / 'frame.safetensors'
    save(path, weights_of(network), first.info)
    return make_work(context(config.resolve(config.stages[1]), {'frame': path}, CPU))


@pytest.fixture
def work(built):
    """A copy to train."""
    return built._replace(stage=copy.deepcopy(built.stage))


@pytest.fixture
def batch(work):
    """Samples of which one has no frame and one no spikes."""
    batch = work.train.batch(0, 3)
    frame, has_spikes = batch.frame.nan_to_num(0.5), torch.tensor([True, True, False])
    frame[1] = torch.nan
    return dataclasses.replace(batch, frame=frame, has_spikes=has_spikes)


def test_the_network_starts_as_the_teacher(work):
    own, teacher = (copied(net) for net in (work.stage.network, work.stage.teacher))
    assert own.keys() == teacher.keys()
    assert all(torch.equal(own[name], teacher[name]) for name in own)
    assert (work.stage.network.uses, work.stage.teacher.uses) == ('both', 'frame')


def test_the_fusion_alone_learns(work, batch):
    stage = work.stage
    check_groups(stage, stage.optimizers())
    own, teacher = copied(stage.network), copied(stage.teacher)
    learn(stage, batch)
    now = copied(stage.network)
    changed = {name for name in own if not torch.equal(own[name], now[name])}
    assert {name.split('.')[0] for name in changed} == {'joins', 'missing'}
    assert all(name.startswith(FUSION) for name in changed)
    assert all(torch.equal(value, teacher[name]) for name, value in copied(stage.teacher).items())


def test_no_label_is_read(work, batch):
    results = []
    start = copied(work.stage.network)
    for depth in (batch.depth, torch.full_like(batch.depth, torch.nan)):
        work.stage.network.load_state_dict(start)
        learn(work.stage, dataclasses.replace(batch, depth=depth))
        results.append(copied(work.stage.network))
    one, other = results
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not all(torch.equal(one[name], start[name]) for name in one)


def test_the_teacher_sees_undamaged_frames(work, batch):
    stage = work.stage.eval()
    wanted, found = stage._both(batch)
    damaged = dataclasses.replace(batch, frame=torch.zeros_like(batch.frame))
    same, other = stage._both(damaged)
    assert torch.equal(same.depth, wanted.depth)
    assert not torch.equal(other.depth, found.depth)
    assert wanted.depth.isfinite().all()
    assert not wanted.depth.requires_grad


def test_dropped_is_of_the_batches():
    found = RobustConfig(teacher='frame', init_from='frame', dropped=0.2).batches
    assert found == BatchSpec(frame=True, rgb=True, dropped=0.2)


def test_batches_have_damaged_and_undamaged_colours(work):
    batches = [work.train.batch(step, 4) for step in range(4)]
    assert all(batch.rgb.isfinite().all() for batch in batches)
    differences = torch.cat([(b.frame - b.rgb).abs().mean((1, 2, 3)) for b in batches])
    assert differences.nan_to_num(1).max() > 0.05


def test_good_settings_are_good(tmp_path):
    assert problems_of(run_of(tmp_path)) == []
    assert problems_of(run_of(tmp_path, dropped=0.45, other_scene=0.1)) == []
    assert problems_of(run_of(tmp_path, settings={'fusion': 'concatenation'})) == []
