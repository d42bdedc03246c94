# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import pytest
from torch import nn

from spike_training.engine.optim import (
    build_optimizers,
    check_groups,
    groups_of,
    learning_rates,
    lr_factor,
    set_learning_rate,
    stepped_lr_factor,
)


def two_layers():
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def optimizers_of(stage, groups):
    return build_optimizers(stage, groups, 1e-3, weight_decay=0.1, betas=(0.9, 0.99))


class TestGroups:
    def test_all_parameters_once_is_accepted(self):
        stage = two_layers()
        check_groups(stage, {'main': groups_of(stage)})
        check_groups(stage, {'one': groups_of(stage[0]), 'two': groups_of(stage[1])})

    def test_a_forgotten_parameter_is_named(self):
        stage = two_layers()
        with pytest.raises(ValueError, match=r'1\.weight is in no group, 1\.bias is in no group'):
            check_groups(stage, {'main': groups_of(stage[0])})

    def test_a_parameter_of_two_optimisers_is_named(self):
        stage = two_layers()
        with pytest.raises(ValueError, match=r'0\.weight is in 2 groups, 0\.bias is in 2 groups$'):
            check_groups(stage, {'main': groups_of(stage), 'again': groups_of(stage[0])})

    def test_a_frozen_parameter_in_a_group_is_named(self):
        stage = two_layers()
        groups = groups_of(stage)
        stage[0].weight.requires_grad_(False)
        with pytest.raises(ValueError, match=r'0\.weight is frozen, but in a group$'):
            check_groups(stage, {'main': groups})
        check_groups(stage, {'main': groups_of(stage)})

    def test_a_foreign_parameter_is_counted(self):
        stage = two_layers()
        groups = [*groups_of(stage), *groups_of(nn.Linear(1, 1))]
        with pytest.raises(ValueError, match="2 parameters are not the stage's"):
            check_groups(stage, {'main': groups})

    def test_building_checks_too(self):
        stage = two_layers()
        with pytest.raises(ValueError, match='no group'):
            optimizers_of(stage, {'main': groups_of(stage[0])})


def test_matrices_decay_and_the_rest_does_not():
    stage = two_layers()
    (optimizer,) = optimizers_of(stage, {'main': groups_of(stage)}).values()
    decay = {id(p): g['weight_decay'] for g in optimizer.param_groups for p in g['params']}
    assert decay[id(stage[0].weight)] == 0.1
    assert {decay[id(p)] for p in (stage[0].bias, stage[1].weight, stage[1].bias)} == {0.0}


def test_every_group_has_its_own_scale_of_the_learning_rate():
    stage = two_layers()
    groups = {'main': [*groups_of(stage[0], lr_scale=0.1), *groups_of(stage[1])]}
    (optimizer,) = optimizers_of(stage, groups).values()
    set_learning_rate(optimizer, 0.5)
    rates = {id(p): g['lr'] for g in optimizer.param_groups for p in g['params']}
    assert rates[id(stage[0].weight)] == pytest.approx(0.05)
    assert rates[id(stage[1].weight)] == 0.5


def test_rates_are_told_by_what_they_are_for():
    stage = two_layers()
    slow = groups_of(stage, part=stage[0], part_scale=0.1)
    judge = nn.Linear(2, 1)
    found = {
        'main': optimizers_of(stage, {'main': slow})['main'],
        'judge': optimizers_of(judge, {'judge': groups_of(judge, 2.0)})['judge'],
    }
    assert learning_rates(found, 0.5) == pytest.approx(
        {'learning_rate': 0.5, 'learning_rate_main_x0.1': 0.05, 'learning_rate_judge': 1.0}
    )


class TestSchedule:
    def share(self, step):
        return lr_factor(step, steps=110, warmup_steps=10, final=0.1)

    def test_warm_up_is_linear(self):
        assert [self.share(step) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])

    def test_then_half_a_cosine(self):
        assert self.share(10) == pytest.approx(1.0)
        assert self.share(60) == pytest.approx(0.55)
        assert self.share(35) == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 4)) / 2)
        assert self.share(110) == pytest.approx(0.1)

    def test_without_warm_up_it_begins_at_the_peak(self):
        assert lr_factor(0, 10, 0, 0.0) == 1.0

    def test_all_warm_up_is_no_division_by_zero(self):
        assert lr_factor(9, 10, 10, 0.0) == 1.0

    def test_steps_drop_to_a_tenth_of_the_peak(self):
        found = [stepped_lr_factor(step, 4, 10) for step in (0, 3, 9, 10, 19, 20, 39)]
        assert found == pytest.approx([0.25, 1, 1, 0.1, 0.1, 0.01, 0.001])
        assert stepped_lr_factor(0, 0, 1) == 1.0
