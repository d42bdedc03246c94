# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Difference of pictures, against its equation written out in numpy."""

import numpy as np
import torch

from spike_training.learning.appearance import appearance_loss, ssim

RNG = np.random.default_rng(4)


def pictures(*shape):
    return torch.from_numpy(RNG.random(shape, np.float32))


def ssim_by_hand(one, other):
    """SSIM of blocks of 3x3 pixels, a loop over them."""
    one, other = one.numpy().astype(np.float64), other.numpy().astype(np.float64)
    *more, height, width = one.shape
    found = np.empty((*more, height - 2, width - 2))
    for row, column in np.ndindex(height - 2, width - 2):
        x, y = (a[..., row : row + 3, column : column + 3].reshape(*more, 9) for a in (one, other))
        mean_x, mean_y = x.mean(-1), y.mean(-1)
        covariance = ((x - mean_x[..., None]) * (y - mean_y[..., None])).mean(-1)
        found[..., row, column] = (
            (2 * mean_x * mean_y + 1e-4) * (2 * covariance + 9e-4)
            / (mean_x**2 + mean_y**2 + 1e-4) / (x.var(-1) + y.var(-1) + 9e-4)
        )  # fmt: skip
    return found


class TestSsim:
    def test_it_is_that_of_its_blocks(self):
        one, other = pictures(2, 3, 7, 9), pictures(2, 3, 7, 9)
        np.testing.assert_allclose(ssim(one, other), ssim_by_hand(one, other), atol=2e-6)

    def test_it_is_one_for_equal_pictures(self):
        one = pictures(1, 1, 6, 6)
        torch.testing.assert_close(ssim(one, one), torch.ones(1, 1, 4, 4))
        assert (ssim(one, 1 - one) < 0.9).all()

    def test_it_is_that_of_float32_in_half_precision(self):
        # In bfloat16 itself, flat pictures had an SSIM of -20 and 10.
        one = (0.7 + 0.02 * pictures(1, 1, 9, 9)).bfloat16()
        other = (0.7 + 0.02 * pictures(1, 1, 9, 9)).bfloat16()
        found = ssim(one, other)
        assert found.dtype == torch.float32
        np.testing.assert_allclose(found, ssim_by_hand(one.float(), other.float()), atol=1e-3)


class TestAppearance:
    def test_it_is_the_sum_of_both_parts(self):
        one, other = pictures(2, 3, 8, 10), pictures(2, 3, 8, 10)
        everywhere = torch.ones(2, 1, 8, 10, dtype=torch.bool)
        found = appearance_loss(one, other, everywhere, alpha=0.7)
        structure = (1 - ssim_by_hand(one, other)) / 2
        expected = 0.7 * structure.mean((1, 2, 3)) + 0.3 * (one - other).abs().numpy().mean(
            (1, 2, 3)
        )
        np.testing.assert_allclose(found, expected, rtol=1e-5)

    def test_masked_pixels_do_not_count_nor_blocks_that_have_one(self):
        one, other = pictures(1, 1, 8, 10), pictures(1, 1, 8, 10)
        counted = torch.ones(1, 1, 8, 10, dtype=torch.bool)
        counted[..., 5:] = False
        found = appearance_loss(one, other, counted, alpha=0.85)
        expected = appearance_loss(one[..., :5], other[..., :5], counted[..., :5], alpha=0.85)
        torch.testing.assert_close(found, expected)
        other[..., 5:] = torch.nan
        torch.testing.assert_close(appearance_loss(one, other, counted, 0.85), expected)

    def test_nothing_counted_is_zero(self):
        one = pictures(1, 1, 8, 10).requires_grad_()
        nowhere = torch.zeros(1, 1, 8, 10, dtype=torch.bool)
        found = appearance_loss(one, pictures(1, 1, 8, 10), nowhere)
        found.sum().backward()
        assert found.tolist() == [0]
        assert (one.grad == 0).all()
