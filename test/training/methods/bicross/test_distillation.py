# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Distillation from RGB to spikes: the filter of positions and the terms of Eq. 3."""

import math

import pytest
import torch

from spike_training.methods.bicross.distillation import (
    Projection,
    coarse_loss,
    fine_loss,
    masked_average,
)
from spike_training.methods.bicross.filter import Threshold, spike_oriented_filter

FLOAT64 = torch.float64


def image(rows):
    return torch.tensor([[rows]], dtype=torch.float64)


def images(*rows):
    return torch.cat([image(row) for row in rows])


def close(found, expected):
    torch.testing.assert_close(found, torch.tensor(expected).to(found), rtol=1e-6, atol=1e-7)


def features(*shape, seed=0, **keywords):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=FLOAT64, **keywords)


def chosen(*rows):
    return torch.tensor([[rows]], dtype=torch.bool)


class TestThreshold:
    @pytest.mark.parametrize(('quantile', 'sure'), [(0.0, 0), (0.25, 1), (0.5, 2), (1.0, 4)])
    def test_a_quantile_is_the_share_of_each_image_that_is_sure(self, quantile, sure):
        maps = images([[0.1, 0.4], [0.3, 0.2]], [[10.0, 40.0], [30.0, 20.0]])
        found = Threshold(quantile=quantile).confident(maps)
        assert found.flatten(1).sum(dim=1).tolist() == [sure, sure]
        assert torch.equal(found[0], found[1])

    def test_the_sure_half_is_the_lower_one(self):
        found = Threshold().confident(image([[0.1, 0.4], [0.3, 0.2]]))
        assert found[0, 0].tolist() == [[True, False], [False, True]]

    def test_an_absolute_threshold_is_the_same_for_all_images(self):
        found = Threshold(absolute=0.25).confident(images([[0.1, 0.3]], [[0.2, 0.1]]))
        assert found[:, 0, 0].tolist() == [[True, False], [True, True]]

    def test_what_is_not_a_number_is_not_sure(self):
        for threshold in (Threshold(), Threshold(absolute=1.0)):
            assert threshold.confident(image([[math.nan, 0.1]]))[0, 0, 0].tolist() == [False, True]


class TestFilter:
    def test_rgb_sure_and_spikes_unsure(self):
        rgb, spike = image([[0.1, 0.1, 0.9, 0.9]]), image([[0.1, 0.9, 0.1, 0.9]])
        found = spike_oriented_filter(rgb, spike, (1, 4), Threshold(0.5), Threshold(0.5))
        assert found[0, 0, 0].tolist() == [False, True, False, False]

    def test_maps_are_averaged_to_the_grid_before_they_are_compared(self):
        rgb = image([[0.1, 0.1, 0.8, 0.8], [0.1, 0.7, 0.8, 0.1]])  # means 0.25 and 0.625
        spike = image([[0.9, 0.9, 0.9, 0.9], [0.9, 0.9, 0.9, 0.9]])
        found = spike_oriented_filter(rgb, spike, (1, 2), Threshold(0.3), Threshold(0.5))
        assert found.shape == (1, 1, 1, 2)
        assert found[0, 0, 0].tolist() == [True, False]

    def test_the_ends_of_the_quantiles_switch_it_off(self):
        rgb, spike = features(2, 1, 4, 4).abs(), features(2, 1, 4, 4, seed=1).abs()
        everything = Threshold(quantile=1.0), Threshold(quantile=0.0)
        assert spike_oriented_filter(rgb, spike, (2, 2), *everything).all()


class TestCoarseLoss:
    def test_known_value(self):
        teacher = torch.tensor([[0.5, 0.5], [0.25, 0.75]], dtype=FLOAT64).log()
        student = torch.tensor([[0.2, 0.8], [0.25, 0.75]], dtype=FLOAT64).log() + 3.0
        expected = 0.5 * math.log(0.5 / 0.2) + 0.5 * math.log(0.5 / 0.8)
        close(coarse_loss(teacher, student, torch.tensor([True, True])), [expected, 0.0])

    def test_it_is_the_divergence_from_the_teacher_not_to_it(self):
        teacher = torch.tensor([[0.9, 0.1]], dtype=FLOAT64).log()
        student = torch.tensor([[0.5, 0.5]], dtype=FLOAT64).log()
        expected = 0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5)
        close(coarse_loss(teacher, student, torch.tensor([True])), [expected])

    def test_gradient(self):
        student = features(3, 5, requires_grad=True)
        counted = torch.tensor([True, False, True])
        teacher = features(3, 5, seed=1)
        assert torch.autograd.gradcheck(lambda s: coarse_loss(teacher, s, counted), student)

    def test_an_image_that_does_not_count_gives_zero_and_no_gradient(self):
        student = features(2, 3, requires_grad=True)
        found = coarse_loss(features(2, 3, seed=1), student, torch.tensor([False, True]))
        found.sum().backward()
        assert found[0] == 0
        assert found[1] > 0
        assert (student.grad[0] == 0).all()

    def test_pooling_takes_the_mean_over_what_is_selected(self):
        maps = torch.tensor([[[[1.0, 2.0, 9.0]], [[0.0, 4.0, 9.0]]]], requires_grad=True)
        selected = chosen([True, True, False])
        found = masked_average(maps, selected)
        close(found, [[1.5, 2.0]])
        found.sum().backward()
        assert maps.grad[0, 0, 0].tolist() == [0.5, 0.5, 0.0]
        nothing = masked_average(maps, torch.zeros_like(selected))
        assert nothing.tolist() == [[0.0, 0.0]]


class TestFineLoss:
    teacher = torch.tensor([[[[1.0, 2.0, 5.0]], [[0.0, 0.0, 5.0]]]], dtype=FLOAT64)

    def test_known_value(self):
        student, selected = torch.zeros_like(self.teacher), chosen([True, True, False])
        close(fine_loss(self.teacher, student, selected), [(1 + 4) / (2 * 2)])

    def test_as_printed_sums_over_channels_and_divides_by_all_positions(self):
        student, selected = torch.zeros_like(self.teacher), chosen([True, True, False])
        close(fine_loss(self.teacher, student, selected, paper_exact=True), [(1 + 4) / 3])

    @pytest.mark.parametrize('paper_exact', [False, True])
    def test_gradient(self, paper_exact):
        student = features(2, 3, 2, 2, requires_grad=True)
        selected = features(2, 1, 2, 2, seed=2) > 0
        teacher = features(2, 3, 2, 2, seed=1)
        assert torch.autograd.gradcheck(
            lambda s: fine_loss(teacher, s, selected, paper_exact), student
        )

    @pytest.mark.parametrize('paper_exact', [False, True])
    def test_nothing_selected_gives_zero_and_no_gradient(self, paper_exact):
        student = features(1, 2, 1, 3, requires_grad=True)
        found = fine_loss(self.teacher, student, chosen([False] * 3), paper_exact)
        found.sum().backward()
        assert found.item() == 0
        assert (student.grad == 0).all()

    def test_what_is_not_selected_may_be_anything(self):
        student = torch.zeros_like(self.teacher)
        student[..., 2] = math.nan
        close(fine_loss(self.teacher, student, chosen([True, True, False])), [5 / 4])

    def test_half_precision_is_summed_in_float32(self):
        student = torch.full((1, 1, 64, 64), 1e-2, dtype=torch.bfloat16)
        found = fine_loss(torch.zeros_like(student), student, torch.ones(1, 1, 64, 64).bool())
        assert found.dtype == torch.float32
        assert found.item() == pytest.approx(float(student[0, 0, 0, 0]) ** 2, rel=1e-5)


class TestProjection:
    def test_shares_are_those_of_log_depth(self):
        projection = Projection(4, (1.0, 16.0), learns_depth=True, size=4)
        depth = torch.tensor([[[[1.0, 1.9, 5.0, 16.0]]], [[[3.0, math.nan, 0.0, math.inf]]]])
        found = projection.shares(depth)
        torch.testing.assert_close(found, torch.tensor([[0.5, 0, 0.25, 0.25], [0, 1.0, 0, 0]]))

    def test_what_it_learns_is_not_taken_from_the_coarse_loss(self):
        projection = Projection(4, (1.0, 16.0), learns_depth=True)
        teacher, student = torch.randn(2, 3, 4)
        student.requires_grad_()
        found = projection(teacher, student, torch.ones(3).bool(), torch.full((3, 1, 2, 2), 2.0))
        found.ckd.backward(retain_graph=True)
        assert student.grad.any()
        assert all(p.grad is None for p in projection.parameters())
        student.grad = None
        found.fit.backward()
        assert student.grad is None
        assert all(p.grad.any() for p in projection.parameters())

    def test_joint_learning_forgets_the_images_and_learning_depth_does_not(self):
        """Why the default is not the plain reading of the paper."""
        spreads = {}
        generator = torch.Generator().manual_seed(0)
        teacher = torch.randn(32, 8, generator=generator)
        student = torch.randn(32, 8, generator=generator)  # a student that cannot follow
        depth = torch.exp(1.5 + 0.5 * teacher[:, :1, None, None]).expand(32, 1, 4, 4)
        for learns_depth in (False, True):
            torch.manual_seed(0)
            projection = Projection(8, (0.3, 80.0), learns_depth)
            optimizer = torch.optim.AdamW(projection.parameters(), 1e-2)
            for _ in range(100):
                found = projection(teacher, student, torch.ones(32).bool(), depth)
                (found.ckd + found.fit).backward()
                optimizer.step()
                optimizer.zero_grad()
            spreads[learns_depth] = found.spread.item()
        assert spreads[False] < 0.02
        assert spreads[True] > 0.5

    def test_spread_is_zero_for_vectors_that_are_all_the_same(self):
        projection = Projection(4, (1.0, 16.0), learns_depth=False)
        same = torch.ones(3, 4)
        counted = torch.tensor([True, True, False])
        found = projection(same, same, counted, torch.full((3, 1, 2, 2), 2.0))
        torch.testing.assert_close(found.spread, torch.tensor(0.0), atol=1e-6, rtol=0)
