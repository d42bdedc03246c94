# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses of pairs without labels, against their equations written out in numpy."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from spike_training.learning.appearance import appearance_loss
from spike_training.methods.stereo.photometric_loss import (
    disagreements,
    disagreements_printed,
    left_right_loss,
    photometric_loss,
    smoothness_loss,
)
from spike_training.methods.stereo.settings import PhotometricSettings
from spike_training.methods.stereo.warp import (
    disparity_of,
    disparity_pyramid,
    left_from_right,
    picture_pyramid,
    right_from_left,
)
from spike_training.sampling.procedural import ProceduralSource

RNG = np.random.default_rng(4)


def pictures(*shape):
    return torch.from_numpy(RNG.random(shape, np.float32))


def slanted(slope=0.1, nearest=3.0, shape=(12, 40)):
    """Disparities of both eyes of one slanted plane, in pixels."""
    height, width = shape
    x = torch.arange(float(width)).expand(1, 1, height, width)
    left = slope * x + nearest
    # Of the left column u at the right column (1 - slope) u - nearest.
    right = slope * (x + nearest) / (1 - slope) + nearest
    return left, right


class TestSmoothness:
    def test_equation_4(self):
        disparity, picture = pictures(2, 1, 7, 9) * 5, pictures(2, 3, 7, 9)
        found = smoothness_loss(disparity, picture)
        d, i = disparity.numpy().astype(np.float64) / 9, picture.numpy().astype(np.float64)
        expected = 0
        for axis in (2, 3):
            edge = np.abs(np.diff(i, axis=axis)).mean(1, keepdims=True)
            expected += (np.abs(np.diff(d, axis=axis)) * np.exp(-edge)).mean((1, 2, 3))
        np.testing.assert_allclose(found, expected, rtol=1e-5)

    def test_an_edge_of_the_picture_makes_a_step_cheaper(self):
        disparity = torch.zeros(1, 1, 6, 8)
        disparity[..., 4:] = 3
        flat, edge = torch.zeros(1, 1, 6, 8), torch.zeros(1, 1, 6, 8)
        edge[..., 4:] = 1
        cheaper, dearer = (smoothness_loss(disparity, one) for one in (edge, flat))
        torch.testing.assert_close(cheaper, dearer * math.exp(-1))
        torch.testing.assert_close(dearer, torch.tensor([3 / 8 / 7]))

    def test_unknown_disparities_do_not_count(self):
        disparity, picture = torch.ones(1, 1, 6, 8), pictures(1, 1, 6, 8)
        disparity[..., 3, 3] = torch.nan
        disparity.requires_grad_()
        found = smoothness_loss(disparity, picture)
        found.sum().backward()
        assert found.tolist() == [0]
        assert disparity.grad.isfinite().all()


class TestLeftRight:
    def test_a_consistent_pair_has_none_and_the_printed_form_has(self):
        of_left, of_right = slanted()
        found = left_right_loss(disagreements(of_left, of_right), width=40)
        torch.testing.assert_close(found, torch.zeros(1), atol=1e-6, rtol=0)
        printed = left_right_loss(disagreements_printed(of_left, of_right), width=40)
        assert printed > 0.01

    def test_equation_5(self):
        of_left, of_right = pictures(2, 1, 5, 12) * 4, pictures(2, 1, 5, 12) * 4
        found = left_right_loss(disagreements(of_left, of_right), width=12)
        expected = np.zeros(2)
        for here, there, sign in ((of_left, of_right, -1), (of_right, of_left, 1)):
            for image in range(2):
                errors = []
                for row, column in np.ndindex(5, 12):
                    d = float(here[image, 0, row, column])
                    at = column + sign * d
                    if 0 <= at <= 11:
                        other = np.interp(at, range(12), there[image, 0, row].numpy())
                        errors.append(abs(d - other) / 12)
                expected[image] += np.mean(errors)
        np.testing.assert_allclose(found, expected, rtol=1e-5)

    def test_the_printed_form_compares_a_map_with_itself(self):
        of_left = torch.tensor([1.0, 2.0, 1.5, 7.0]).reshape(1, 1, 1, 4)
        found = disagreements_printed(of_left, torch.zeros(1, 1, 1, 4))
        # d(0) with d(1), d(1) with d(3); the other two are outside.
        assert found[0].flatten()[:2].tolist() == [1, 5]
        assert torch.isnan(found[0].flatten()[2:]).all()
        assert found[1].flatten().tolist() == [0, 0, 0, 0]
        other = disagreements_printed(torch.zeros(1, 1, 1, 4), of_left.flip(-1))
        assert torch.equal(other[1].nan_to_num(9), found[0].flip(-1).nan_to_num(9))

    def test_what_leaves_the_picture_does_not_count(self):
        of_left = torch.full((1, 1, 2, 6), 4.0)
        left, right = disagreements(of_left, torch.full((1, 1, 2, 6), 3.0))
        assert torch.isnan(left[..., :4]).all()
        assert (left[..., 4:] == 1).all()
        assert (right[..., :3] == 1).all()
        assert torch.isnan(right[..., 3:]).all()


def total_by_hand(left, right, of_left, of_right, settings):
    """The sum over levels, without masks, and its parts."""
    width = left.shape[-1]
    parts = {'appearance': 0, 'smoothness': 0, 'consistency': 0}
    eyes = [picture_pyramid(one, settings.levels) for one in (left, right)]
    maps = [disparity_pyramid(one, settings.levels) for one in (of_left, of_right)]
    for level in range(settings.levels):
        one, other, d, e = (stack[level] for stack in (*eyes, *maps))
        for picture, warped in (
            (one, left_from_right(other, d)),
            (other, right_from_left(one, e)),
        ):
            parts['appearance'] += appearance_loss(
                picture, warped.picture, warped.inside, settings.alpha
            )
        smooth = smoothness_loss(d, one) + smoothness_loss(e, other)
        parts['smoothness'] += settings.smooth / 2**level * smooth
        apart = left_right_loss(disagreements(d, e), width // 2**level)
        parts['consistency'] += settings.consistency * apart
    return parts


class TestTotal:
    @pytest.fixture
    def pair(self):
        return (
            pictures(2, 1, 32, 48), pictures(2, 1, 32, 48),
            pictures(2, 1, 32, 48) * 6, pictures(2, 1, 32, 48) * 6,
        )  # fmt: skip

    @staticmethod
    def loss(left, right, of_left, of_right, settings):
        maps = (disparity_pyramid(one, settings.levels) for one in (of_left, of_right))
        return photometric_loss(left, right, *maps, settings)

    def test_the_defaults_are_those_of_godard(self):
        ours = PhotometricSettings()
        assert (ours.alpha, ours.smooth, ours.consistency, ours.levels) == (0.85, 0.1, 1.0, 4)
        assert (ours.smooth_halves, ours.printed) == (True, False)

    def test_parts_are_sums_over_levels(self, pair):
        settings = PhotometricSettings(alpha=0.6, mask=0.0)
        found = self.loss(*pair, settings)
        expected = total_by_hand(*pair, settings)
        for name, value in expected.items():
            torch.testing.assert_close(getattr(found, name), value)
        torch.testing.assert_close(found.total, sum(expected.values()))
        assert found.total.shape == (2,)

    def test_each_weight_has_its_part(self, pair):
        one = PhotometricSettings(mask=0.0)
        for name, part in (('smooth', 'smoothness'), ('consistency', 'consistency')):
            doubled = dataclasses.replace(one, **{name: 2 * getattr(one, name)})
            before, after = self.loss(*pair, one), self.loss(*pair, doubled)
            torch.testing.assert_close(getattr(after, part), 2 * getattr(before, part))
            torch.testing.assert_close(after.appearance, before.appearance)

    def test_smoothness_weighs_less_from_level_to_level(self, pair):
        halved, equal = (
            self.loss(*pair, PhotometricSettings(smooth_halves=one)) for one in (True, False)
        )
        maps = [disparity_pyramid(one, 4) for one in pair[2:]]
        eyes = [picture_pyramid(one, 4) for one in pair[:2]]
        levels = [
            sum(smoothness_loss(d[k], eye[k]) for d, eye in zip(maps, eyes, strict=True))
            for k in range(4)
        ]
        torch.testing.assert_close(equal.smoothness, 0.1 * sum(levels))
        torch.testing.assert_close(
            halved.smoothness, 0.1 * sum(one / 2**k for k, one in enumerate(levels))
        )

    def test_printed_is_the_printed_equation(self, pair):
        found = self.loss(*pair, PhotometricSettings(levels=1, printed=True))
        expected = left_right_loss(disagreements_printed(*pair[2:]), width=48)
        torch.testing.assert_close(found.consistency, expected)

    @pytest.mark.parametrize('printed', [False, True])
    def test_occluded_pixels_do_not_count(self, printed):
        of_left, of_right = torch.full((1, 1, 24, 32), 2.0), torch.full((1, 1, 24, 32), 2.5)
        of_left[..., 12:20] = 6  # these disagree by 3.5 pixels, those beside by 1.5 on the right
        left, right = pictures(1, 1, 24, 32), pictures(1, 1, 24, 32)
        settings = PhotometricSettings(levels=1, mask=1.4, printed=printed)
        found = self.loss(left, right, of_left, of_right, settings)
        counted = torch.ones(1, 1, 24, 32, dtype=torch.bool)
        counted[..., :2] = counted[..., 12:20] = False
        expected = appearance_loss(left, left_from_right(right, of_left).picture, counted)
        there = torch.ones(1, 1, 24, 32, dtype=torch.bool)
        there[..., 9:18] = there[..., 29:] = False
        expected += appearance_loss(right, right_from_left(left, of_right).picture, there)
        torch.testing.assert_close(found.appearance, expected)
        share = (counted.float().mean() + there.float().mean()) / 2
        torch.testing.assert_close(found.counted, share[None])
        # Their disagreement counts: else they could never come to agree.
        settings = dataclasses.replace(settings, mask=4.1, printed=False)
        again = self.loss(left, right, of_left, of_right, settings)
        assert again.counted > found.counted
        if not printed:
            torch.testing.assert_close(again.consistency, found.consistency)

    def test_the_mask_is_in_pixels_of_the_finest_level(self):
        of_left, of_right = torch.full((1, 1, 24, 48), 4.0), torch.full((1, 1, 24, 48), 4.0)
        of_left[..., 16:32] = 12  # 2 pixels of level 2 away
        left, right = pictures(1, 1, 24, 48), pictures(1, 1, 24, 48)
        at_two = [
            one[2:] for one in (disparity_pyramid(of_left, 3), disparity_pyramid(of_right, 3))
        ]
        small = [one[2:] for one in (picture_pyramid(left, 3), picture_pyramid(right, 3))]
        fine = PhotometricSettings(levels=3, mask=7.0)
        coarse = dataclasses.replace(fine, levels=1, mask=7.0 / 4)
        maps = disparity_pyramid(of_left, 3), disparity_pyramid(of_right, 3)
        whole = photometric_loss(left, right, *maps, fine).appearance
        first_two = photometric_loss(
            left, right, maps[0][:2], maps[1][:2], dataclasses.replace(fine, levels=2)
        ).appearance
        alone = photometric_loss(small[0][0], small[1][0], *at_two, coarse).appearance
        torch.testing.assert_close(whole - first_two, alone)

    def test_gradients_are_finite_whatever_is_given(self, pair):
        left, right, of_left, of_right = (one.clone() for one in pair)
        left[0, 0, 3, 5], right[1, 0, 9, 20] = torch.nan, torch.inf
        of_left[0, 0, 8, :20], of_right[0, 0, 2:6, 9] = torch.nan, -torch.inf
        of_left[1], right[0, 0, :, 30:] = torch.nan, 0
        given = [one.requires_grad_() for one in (left, right, of_left, of_right)]
        for settings in (
            PhotometricSettings(),
            PhotometricSettings(mask=1e-6),
            PhotometricSettings(smooth_halves=False, consistency=0.01, printed=True, mask=0.0),
        ):
            found = self.loss(*given, settings)
            assert all(one.isfinite().all() for one in found)
            found.total.sum().backward()
            assert all(one.grad.isfinite().all() for one in given)

    def test_everything_masked_is_zero(self, pair):
        left, right, *_ = pair
        unknown = torch.full_like(left, torch.nan).requires_grad_()
        found = self.loss(left, right, unknown, unknown, PhotometricSettings())
        assert [one.tolist() for one in found] == [[0, 0]] * 5
        found.total.sum().backward()
        assert (unknown.grad == 0).all()

    def test_zero_depth_has_no_gradient(self, pair):
        left, right, *_ = pair
        depth = pictures(2, 1, 32, 48) * 3
        depth[:, :, 10:14, 5:9] = 0
        depth.requires_grad_()
        disparity = disparity_of(depth, torch.tensor([0.1, 0.5]), 40.0)
        self.loss(left, right, disparity, disparity, PhotometricSettings()).total.sum().backward()
        assert depth.grad.isfinite().all()
        assert (depth.grad[:, :, 10:14, 5:9] == 0).all()
        assert (depth.grad != 0).any()

    def test_other_numbers_and_sizes_are_refused(self, pair):
        left, right, of_left, of_right = pair
        maps = disparity_pyramid(of_left, 3), disparity_pyramid(of_right, 3)
        with pytest.raises(ValueError, match='3 and 3 disparities: expected 4 each'):
            photometric_loss(left, right, *maps, PhotometricSettings())
        with pytest.raises(ValueError, match='expected one size'):
            photometric_loss(left, right, maps[0][::-1], maps[1], PhotometricSettings(levels=3))
        with pytest.raises(ValueError, match='expected one size'):
            photometric_loss(left, right[..., :-1], *maps, PhotometricSettings(levels=3))


@pytest.fixture(scope='module')
def batch():
    source = ProceduralSource(
        ('indoor', 'road', 'outdoor'), 3, 96, 144, (16,), with_rgb=True, with_right=True
    )
    return source.samples(range(9))


class TestScenes:
    @staticmethod
    def true_disparities(batch):
        # Of true depth, canonical at the focal length of each sample.
        return [
            disparity_of(depth, batch.baseline_m * batch.fx, 1.0)
            for depth in (batch.depth, batch.right.depth)
        ]

    def test_true_disparity_makes_one_eye_of_the_other(self, batch):
        of_left, of_right = self.true_disparities(batch)
        left, right = batch.rgb, batch.right.rgb
        for picture, other, apart, warp, disparity in (
            (left, right, disagreements(of_left, of_right)[0], left_from_right, of_left),
            (right, left, disagreements(of_left, of_right)[1], right_from_left, of_right),
        ):
            seen = apart < 0.5  # by both eyes; NaN compares as False
            assert (seen.float().mean((1, 2, 3)) > 0.4).all()
            warped = appearance_loss(picture, warp(other, disparity).picture, seen)
            unwarped = appearance_loss(picture, other, seen)
            assert warped.mean() <= 0.2 * unwarped.mean()

    def test_true_disparity_is_better_than_any_other_scale(self, batch):
        maps = self.true_disparities(batch)

        def loss(factor):
            levels = (disparity_pyramid(factor * one, 4) for one in maps)
            return photometric_loss(
                batch.rgb, batch.right.rgb, *levels, PhotometricSettings()
            ).appearance.mean()

        true = loss(1.0)
        assert all(true < loss(factor) for factor in (0.0, 0.8, 0.9, 1.1, 1.2, -1.0))
