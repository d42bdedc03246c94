# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import copy
import dataclasses

import pytest
import torch

from kit.runs import MODEL, SMALL
from kit.stages import RampSource, train
from spike_depth_ros.networks.depth_net import dpt_tiny
from spike_training.evaluation.predictors import predict
from spike_training.methods.bicross.settings import CrossModalityConfig, DistilConfig
from spike_training.methods.bicross.stages.cross_modality import CrossModality


def stage_of(**distil):
    torch.manual_seed(0)
    student = dpt_tiny(32, (0.3, 80.0), SMALL)
    teacher = dpt_tiny(3, (0.3, 80.0), SMALL, 'rgb')
    config = CrossModalityConfig(teacher='rgb', distil=DistilConfig(**distil))
    return CrossModality(student, teacher, config, MODEL, SMALL.dim)


@pytest.fixture(scope='module')
def batch():
    return RampSource(with_rgb=True).batch(0, 2)


def test_the_loss_is_that_of_the_paper(batch):
    parts = stage_of(weight=0.1, projection='joint')(batch, 'train')
    expected = parts['sup'] + parts['unc'] + 0.1 * (parts['ckd'] + parts['fkd'])
    torch.testing.assert_close(parts['loss'], expected)
    assert min(parts['ckd'], parts['fkd'], parts['spread']) > 0
    assert not any(value.requires_grad for name, value in parts.items() if name != 'loss')


def test_the_projection_learns_beside_it(batch):
    parts = stage_of()(batch, 'train')
    expected = parts['sup'] + parts['unc'] + 0.1 * (parts['ckd'] + parts['fkd']) + parts['fit']
    torch.testing.assert_close(parts['loss'], expected)


@pytest.mark.parametrize(
    ('distil', 'absent'),
    [({'coarse': False}, 'ckd'), ({'fine': 'off'}, 'fkd'),
     ({'coarse': False, 'fine': 'off'}, 'kept_fine')],
)  # fmt: skip
def test_each_distillation_can_be_left_out(batch, distil, absent):
    stage = stage_of(**distil)
    parts = stage(batch, 'train')
    assert absent not in parts
    assert (stage.projection is None) == (distil.get('coarse') is False)
    parts['loss'].backward()
    without = [name for name, p in stage.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []


def test_the_filter_can_be_left_out(batch):
    assert stage_of(filter=False)(batch, 'train')['kept_fine'] == 1
    assert 0 < stage_of()(batch, 'train')['kept_fine'] < 1


def test_random_positions_are_as_many(batch):
    chosen, drawn = (stage_of(filter=one)(batch, 'train') for one in (True, 'random'))
    for name in ('kept_coarse', 'kept_fine'):
        assert chosen[name] == drawn[name]
    assert chosen['fkd'] != drawn['fkd']
    stage = stage_of(filter='random')
    teacher, student = stage._both(batch)
    picked = [stage.selected(teacher, student, student.f_dec) for _ in range(2)]
    number = [one.flatten(1).sum(dim=1) for one in picked]
    assert torch.equal(*number)
    assert not torch.equal(*picked)


def test_the_teachers_gain_is_told_where_it_is_distilled(batch):
    stage = stage_of()
    teacher, student = stage._both(batch)
    batch = dataclasses.replace(batch, depth=batch.depth.clone())
    batch.depth[:, :, :16] = torch.inf  # sky
    truth, known = stage.supervision.label(batch).depth, torch.isfinite(batch.depth)
    selected = stage.selected(teacher, student, student.f_dec)
    parts = stage(batch, 'train')
    errors = [((one.depth - truth).abs() / truth).clamp(max=1) for one in (student, teacher)]
    gain = torch.where(known, errors[0] - errors[1], 0.0)
    near = torch.nn.functional.interpolate(selected.float(), scale_factor=4) > 0
    for name, place in (('gain_distilled', near), ('gain_elsewhere', ~near)):
        wanted = gain[place].sum() / known[place].sum()
        torch.testing.assert_close(parts[name], wanted, atol=1e-5, rtol=1e-4)


def test_thresholds_are_used(batch):
    assert stage_of(rgb_threshold=0.0)(batch, 'train')['kept_fine'] == 0
    loose = {'rgb_threshold': 1e3, 'spike_threshold': 0.0}
    assert stage_of(**loose)(batch, 'train')['kept_fine'] == 1
    more = stage_of(rgb_quantile=0.9, spike_quantile=0.1)(batch, 'train')
    assert more['kept_fine'] >= 51 / 64  # 0.8, in whole positions of the grid


def test_an_empty_selection_leaves_supervision_alone(batch):
    stage = stage_of(rgb_threshold=0.0, projection='joint')
    parts = stage(batch, 'train')
    assert parts['ckd'] == parts['fkd'] == 0
    stage.config.distil.weight = 1e9
    torch.testing.assert_close(stage(batch, 'train')['loss'], parts['sup'] + parts['unc'])


def test_every_trainable_parameter_gets_a_gradient_and_the_teacher_none(batch):
    stage = stage_of()
    stage(batch, 'train')['loss'].backward()
    for name, parameter in stage.named_parameters():
        if name.startswith('teacher.'):
            assert not parameter.requires_grad
        else:
            assert parameter.grad is not None, name
            assert parameter.grad.any(), name


def test_distillation_draws_the_student_to_the_teacher(batch):
    """Without supervision the distilled features come nearer."""
    stage = stage_of(filter=False)
    student = stage.student
    optimizer = torch.optim.Adam(stage.parameters(), 3e-3)

    def gap():
        with torch.no_grad():
            both = [predict(stage.teacher, batch, 'rgb'), predict(student, batch, 'spikes')]
        return (both[0].f_dec - both[1].f_dec).square().mean().item()

    before = gap()
    for _ in range(20):
        teacher, output = stage._both(batch)
        loss, _ = stage._distil(teacher, output, stage.supervision.label(batch))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert gap() < 0.7 * before


def test_the_teacher_is_bit_identical_after_the_stage(tmp_path):
    stage = stage_of()
    before = copy.deepcopy(stage.teacher.state_dict())
    student = copy.deepcopy(stage.student.state_dict())
    train(tmp_path, RampSource(with_rgb=True), stage, steps=3,
          validation=RampSource(split='calibration', with_rgb=True))  # fmt: skip
    assert not stage.teacher.training
    for name, value in stage.teacher.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert any(not torch.equal(v, student[n]) for n, v in stage.student.state_dict().items())


def test_picture(batch):
    with torch.no_grad():
        assert stage_of().eval().picture(batch).ndim == 3
