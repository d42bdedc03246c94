# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Disparity from depth, and the picture of one eye from that of the other."""

import numpy as np
import pytest
import torch

from spike_training.methods.stereo.warp import (
    disparity_of,
    disparity_pyramid,
    left_from_right,
    picture_pyramid,
    right_from_left,
)

WIDTH = 8
COUNTED = torch.arange(WIDTH, dtype=torch.float32).reshape(1, 1, 1, WIDTH)
"""A picture whose pixels say in which column they are."""


def of(value, like=COUNTED):
    return torch.full_like(like[:, :1], value)


class TestDisparity:
    @pytest.mark.parametrize('fx', [300.0, 700.0])
    def test_it_is_that_of_canonical_depth_at_any_focal_length(self, fx):
        canonical_fx, baseline_m, metres = 500.0, 0.12, 4.0
        canonical = torch.full((1, 1, 2, 3), metres * canonical_fx / fx)
        found = disparity_of(canonical, torch.tensor([baseline_m]), canonical_fx)
        # A place 4 m away, seen by cameras of this focal length.
        torch.testing.assert_close(found, torch.full((1, 1, 2, 3), fx * baseline_m / metres))

    def test_disparity_by_hand(self):
        depth = torch.tensor([0.5, 2.0, 80.0, 7.0]).reshape(2, 1, 1, 2)
        baseline_m = torch.tensor([0.1, 0.5])
        disparity = disparity_of(depth, baseline_m, 250.0)
        torch.testing.assert_close(disparity[1, 0, 0, 1], torch.tensor(250 * 0.5 / 7))
        assert disparity[0, 0, 0].tolist() == [50.0, 12.5]

    def test_what_is_no_depth_has_no_disparity(self):
        depth = torch.tensor([0.0, -1.0, torch.nan, torch.inf, 1e-30, 2.0]).reshape(1, 1, 1, 6)
        found = disparity_of(depth, torch.tensor([0.1]), 100.0).flatten()
        assert torch.isnan(found[[0, 1, 2, 4]]).all()
        assert found[[3, 5]].tolist() == [0, 5]  # sky does not move from eye to eye

    def test_gradients_are_finite(self):
        given = torch.tensor([0.0, -1.0, torch.nan, torch.inf, 1e-30, 2.0]).reshape(1, 1, 1, 6)
        given.requires_grad_()
        found = disparity_of(given, torch.tensor([0.5]), 1000.0)
        torch.where(found.isfinite(), found, 0.0).sum().backward()
        assert given.grad.isfinite().all()
        assert given.grad[..., 5] != 0


class TestWarps:
    def test_three_pixels_to_the_left_eye(self):
        found = left_from_right(COUNTED, of(3.0))
        # Column 3 of the left eye is column 0 of the right one.
        assert found.picture.flatten().tolist() == [0, 0, 0, 0, 1, 2, 3, 4]
        assert found.inside.flatten().tolist() == [False] * 3 + [True] * 5

    def test_three_pixels_to_the_right_eye(self):
        found = right_from_left(COUNTED, of(3.0))
        assert found.picture.flatten().tolist() == [3, 4, 5, 6, 7, 0, 0, 0]
        assert found.inside.flatten().tolist() == [True] * 5 + [False] * 3

    def test_disparities_below_zero_go_the_other_way(self):
        for one, other in (
            (left_from_right(COUNTED, of(-3.0)), right_from_left(COUNTED, of(3.0))),
            (right_from_left(COUNTED, of(-3.0)), left_from_right(COUNTED, of(3.0))),
        ):
            assert torch.equal(one.picture, other.picture)
            assert torch.equal(one.inside, other.inside)

    def test_between_pixels_it_is_linear(self):
        picture = torch.tensor([0.0, 4.0, 10.0, 12.0]).reshape(1, 1, 1, 4)
        disparity = torch.tensor([0.0, 0.25, 1.5, 0.5]).reshape(1, 1, 1, 4)
        found = left_from_right(picture, disparity)
        # Columns 0, 0.75, 0.5 and 2.5.
        assert found.picture.flatten().tolist() == [0, 3, 2, 11]
        found = right_from_left(picture, disparity)
        # Columns 0, 1.25, 3.5 (outside) and 3.5.
        assert found.picture.flatten().tolist() == [0, 5.5, 0, 0]
        assert found.inside.flatten().tolist() == [True, True, False, False]

    def test_every_row_image_and_channel_has_its_own(self):
        picture = torch.rand(2, 3, 4, 9)
        disparity = torch.randint(0, 5, (2, 1, 4, 9)).float()
        found = left_from_right(picture, disparity)
        for b, row, column in np.ndindex(2, 4, 9):
            at = column - int(disparity[b, 0, row, column])
            assert bool(found.inside[b, 0, row, column]) == (at >= 0)
            expected = picture[b, :, row, at] if at >= 0 else torch.zeros(3)
            torch.testing.assert_close(found.picture[b, :, row, column], expected)

    def test_unknown_pixels_do_not_count(self):
        picture, disparity = COUNTED.clone(), of(1.0)
        picture[..., 2] = torch.nan
        disparity[..., 6] = torch.nan
        disparity[..., 7] = torch.inf
        found = left_from_right(picture, disparity)
        # The place between columns 1 and 2 is unknown as well.
        assert found.inside.flatten().nonzero().flatten().tolist() == [1, 4, 5]
        assert found.picture.isfinite().all()

    def test_the_gradient_says_which_way_the_picture_changes(self):
        picture = torch.tensor([0.0, 1.0, 4.0, 9.0]).reshape(1, 1, 1, 4).requires_grad_()
        disparity = torch.tensor([0.5, 0.5, 0.5, 0.5]).reshape(1, 1, 1, 4).requires_grad_()
        left_from_right(picture, disparity).picture.sum().backward()
        assert disparity.grad.flatten().tolist() == [0, -1, -3, -5]
        assert picture.grad.flatten().tolist() == [0.5, 1, 1, 0.5]
        disparity.grad = None
        right_from_left(picture, disparity).picture.sum().backward()
        assert disparity.grad.flatten().tolist() == [1, 3, 5, 0]

    @pytest.mark.parametrize('warp', [left_from_right, right_from_left])
    def test_gradients_are_finite(self, warp):
        picture = torch.rand(1, 2, 3, 8)
        disparity = torch.rand(1, 1, 3, 8) * 4
        picture[0, 0, 0, 3] = torch.nan
        picture[0, 1, 1, 3] = torch.inf
        disparity[0, 0, 2, 2:5] = torch.tensor([torch.nan, torch.inf, -1e30])
        picture.requires_grad_()
        disparity.requires_grad_()
        found = warp(picture, disparity)
        found.picture.square().sum().backward()
        assert picture.grad.isfinite().all()
        assert disparity.grad.isfinite().all()

    def test_other_sizes_are_refused(self):
        with pytest.raises(
            ValueError, match=r'picture \[1, 1, 1, 8\] and disparity \[1, 1, 2, 8\]'
        ):
            left_from_right(COUNTED, torch.zeros(1, 1, 2, 8))


class TestPyramids:
    def test_pictures_are_averaged(self):
        picture = torch.rand(2, 3, 24, 33)
        levels = picture_pyramid(picture, 4)
        assert [tuple(one.shape[2:]) for one in levels] == [(24, 33), (12, 16), (6, 8), (3, 4)]
        assert torch.equal(levels[0], picture)
        torch.testing.assert_close(levels[3][1, 2, 1, 0], picture[1, 2, 8:16, :8].mean())

    def test_disparities_are_pixels_of_their_level(self):
        disparity = torch.rand(2, 1, 16, 24) * 10
        levels = disparity_pyramid(disparity, 3)
        torch.testing.assert_close(levels[2][0, 0, 1, 3], disparity[0, 0, 4:8, 12:16].mean() / 4)

    def test_too_small_pictures_are_refused(self):
        with pytest.raises(ValueError, match='16x23: expected at least 24x24 for 4 levels'):
            picture_pyramid(torch.rand(1, 1, 16, 23), 4)
