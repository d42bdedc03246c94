# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import cv2
import numpy as np
import pytest

from spike_depth_ros.evaluation.image_metrics import psnr, ssim


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    reference = cv2.GaussianBlur(rng.random((40, 57)), (0, 0), 2.0)
    return np.clip(reference + 0.05 * rng.standard_normal(reference.shape), 0, 1), reference


def plain_ssim(image, reference):
    """Return SSIM by a loop over positions, with covariances as weighted sums of deviations."""
    offsets = np.arange(-5, 6)
    weight = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    weight /= weight.sum()
    values = []
    for row in range(reference.shape[0] - 10):
        for column in range(reference.shape[1] - 10):
            x, y = (one[row : row + 11, column : column + 11] for one in (image, reference))
            mean_x, mean_y = (weight * x).sum(), (weight * y).sum()
            dx, dy = x - mean_x, y - mean_y
            values.append(
                (2 * mean_x * mean_y + 1e-4) / (mean_x**2 + mean_y**2 + 1e-4)
                * (2 * (weight * dx * dy).sum() + 9e-4)
                / ((weight * dx**2).sum() + (weight * dy**2).sum() + 9e-4)
            )  # fmt: skip
    return np.mean(values)


def test_psnr_is_that_of_opencv(pair):
    image, reference = pair
    assert psnr(image, reference) == pytest.approx(cv2.PSNR(image, reference, 1.0), abs=1e-6)
    assert psnr(np.full((3, 4), 0.6), np.full((3, 4), 0.5)) == pytest.approx(20)
    assert psnr(reference, reference) == math.inf


def test_ssim_is_that_of_a_loop(pair):
    image, reference = pair
    assert ssim(image, reference) == pytest.approx(plain_ssim(image, reference), abs=1e-9)
    assert ssim(reference, reference) == pytest.approx(1)
    assert ssim(1 - reference, reference) < 0


def test_images_of_other_shapes_are_refused(pair):
    image, reference = pair
    with pytest.raises(ValueError, match='40x56 and 40x57: expected two images of a size'):
        psnr(image[:, :-1], reference)
    with pytest.raises(ValueError, match='10x57 pixels: expected at least 11x11'):
        ssim(image[:10], reference[:10])
