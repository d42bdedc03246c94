# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Kind joint: both phases of BiCross in one step."""

import dataclasses

import pytest
import torch

from kit.runs import MODEL, SMALL, TARGET, equal, tiny_run
from kit.stages import StoppedAt, pairs, train
from spike_depth_ros.checkpoint import load, save
from spike_depth_ros.networks.depth_net import dpt_tiny
from spike_depth_ros.networks.registry import build, weights_of
from spike_training.engine.optim import check_groups
from spike_training.evaluation.statistics import batch_norms
from spike_training.methods.bicross.settings import AdaptConfig, JointConfig, PretrainConfig
from spike_training.methods.bicross.stages.cross_domain import CrossDomain
from spike_training.methods.bicross.stages.cross_modality import CrossModality
from spike_training.methods.bicross.stages.joint import Joint
from spike_training.runs.build import context, make_stage
from spike_training.runs.memory import estimate_memory
from spike_training.runs.pipeline import run
from spike_training.settings.config import problems_of

pytestmark = pytest.mark.usefixtures('one_thread')
CPU = torch.device('cpu')
STEPS = 6


def parts_of(**changes):
    """Both phases of a stage, of one student."""
    config = JointConfig(teacher='teacher', init_from='teacher', **changes)
    torch.manual_seed(1)
    teacher = dpt_tiny(3, (0.3, 80.0), SMALL, 'rgb')
    student = dpt_tiny(32, (0.3, 80.0), SMALL)
    domain = CrossDomain(student, config.domain, MODEL, SMALL.dim)
    return CrossModality(student, teacher, config, MODEL, SMALL.dim), domain, config


def stage_of(**changes):
    return Joint(*parts_of(**changes), STEPS)


@pytest.fixture(scope='module')
def batch():
    return pairs().batch(0, 2)


def gradients(stage, batch, student):
    torch.manual_seed(5)
    stage.train()(batch, 'train')['loss'].backward()
    return {name: p.grad for name, p in student.named_parameters() if p.grad is not None}


def assert_equal(found, wanted):
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, msg=name)


def test_without_the_target_it_has_the_gradient_of_cross_modality(batch):
    modality, _, _ = parts_of()
    wanted = gradients_of_source(modality, batch)
    stage = stage_of(domain_weight=0.0)
    assert_equal(gradients(stage, batch, stage.domain.student), wanted)


def gradients_of_source(modality, batch):
    torch.manual_seed(5)
    modality.train()(batch.source, 'train')['loss'].backward()
    return {n: p.grad for n, p in modality.student.named_parameters() if p.grad is not None}


def test_without_rgb_it_has_the_gradient_of_cross_domain(batch):
    _, domain, _ = parts_of()
    wanted = gradients(domain, batch, domain.student)
    stage = stage_of(modality_weight=0.0)
    assert_equal(gradients(stage, batch, stage.domain.student), wanted)


def test_the_loss_is_the_weighted_sum(batch):
    losses = {}
    for weights in ((1.0, 0.0), (0.0, 1.0), (2.0, 3.0)):
        names = ('modality_weight', 'domain_weight')
        stage = stage_of(**dict(zip(names, weights, strict=True))).train()
        torch.manual_seed(5)
        losses[weights] = stage(batch, 'train')['loss'].item()
    expected = 2 * losses[1.0, 0.0] + 3 * losses[0.0, 1.0]
    assert losses[2.0, 3.0] == pytest.approx(expected, rel=1e-5)


def test_optimisers_hold_each_parameter_once():
    stage = stage_of()
    groups = stage.optimizers()
    check_groups(stage, groups)
    assert groups.keys() == {'main', 'projection', 'discriminators'}


class TestLastSteps:
    def test_the_target_is_seen_in_as_many(self, batch):
        stage, seen = stage_of(target_steps=2).train(), []
        for step in range(STEPS):
            seen.append('scp' in stage(batch, 'train'))
            stage.after_step(step)
        assert seen == [False] * 4 + [True] * 2
        assert [stage.waits('discriminators', step) for step in (3, 4)] == [True, False]
        assert not stage.waits('main', 0)

    def test_the_teacher_begins_as_the_student_then(self, batch):
        stage = stage_of(target_steps=2).train()
        with torch.no_grad():
            for parameter in stage.domain.student.parameters():
                parameter += 0.1
        stage.after_step(3)
        for network in (stage.domain.teacher, stage.domain.source_model):
            assert equal(network.state_dict(), stage.domain.student.state_dict())
        kept = {k: v.clone() for k, v in stage.domain.source_model.state_dict().items()}
        with torch.no_grad():
            for parameter in stage.domain.student.parameters():
                parameter += 0.1
        stage.after_step(4)
        assert equal(stage.domain.source_model.state_dict(), kept)
        assert not equal(stage.domain.teacher.state_dict(), kept)

    def test_statistics_are_those_of_the_target_from_then_on(self, batch):
        def means(network):
            return [layer.running_mean.clone() for layer in batch_norms(network)]

        stage = stage_of(target_steps=2).train()
        for step in range(4):
            stage(batch, 'train')
            stage.after_step(step)
        _, twin, _ = parts_of()
        twin.student.load_state_dict(stage.domain.student.state_dict())
        twin.begin([batch], [])
        stage(batch, 'train')
        for found, wanted in zip(
            means(stage.domain.source_model), means(twin.student), strict=True
        ):
            torch.testing.assert_close(found, wanted)
        assert stage.domain.student.training
        kept = means(stage.domain.source_model)
        stage(pairs().batch(1, 2), 'train')  # of the same step
        stage.after_step(4)
        stage(batch, 'train')
        assert all(map(torch.equal, means(stage.domain.source_model), kept))

    def test_a_resumed_training_knows_its_step(self, tmp_path):
        settings = {'steps': STEPS, 'save_every': 3, 'learning_rate': 1e-3}
        settings |= {'validation': pairs(), 'validate_every': 0}
        whole = train(tmp_path / 'whole', pairs(), stage_of(target_steps=2), **settings)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / 'again', StoppedAt(5, pairs()), stage_of(target_steps=2), **settings)
        resumed = train(tmp_path / 'again', pairs(), stage_of(target_steps=2), **settings)
        assert equal(whole.state_dict(), resumed.state_dict())


class TestRuns:
    def run_of(self, tmp_path, **changes):
        teacher = PretrainConfig(name='teacher', input='rgb')
        adapt = AdaptConfig(adabn_batches=2, deploy='label_free')
        joint = JointConfig(name='joint', teacher='teacher', init_from='teacher', adapt=adapt)
        for name, value in changes.items():
            setattr(joint, name, value)
        return tiny_run(tmp_path / 'run', teacher, joint, target=TARGET)

    def test_a_run_ends_with_a_checkpoint_of_spikes(self, tmp_path):
        config = self.run_of(tmp_path, target_steps=2)
        assert problems_of(config) == []
        run(config)
        info, _ = load(config.out / 'model.safetensors')
        assert (info.stage, info.inputs) == ('joint', ('spikes',))
        assert (config.out / 'joint' / 'selection.json').exists()

    def test_epochs_are_compared_once_they_are_steps(self, tmp_path):
        config = self.run_of(tmp_path, target_steps=4, epochs=0.1)
        config.target = dataclasses.replace(TARGET, recordings={'dat': 'x'})
        assert problems_of(config) == []
        config.stages[1].epochs, config.stages[1].steps = None, 3
        assert problems_of(config) != []

    def test_memory_is_that_of_a_step_that_sees_the_target(self, tmp_path):
        found = []
        for target_steps in (None, 1):
            config = self.run_of(tmp_path, target_steps=target_steps)
            teacher = context(config.resolve(config.stages[0]), {}, CPU)
            path = tmp_path / 'teacher.safetensors'
            save(path, weights_of(build(teacher.info)), teacher.info)
            here = context(config.resolve(config.stages[1]), {'teacher': path}, CPU)
            found.append(estimate_memory(here, make_stage(here)).activations)
        assert found[1] == pytest.approx(found[0], rel=0.02)
