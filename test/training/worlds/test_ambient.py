# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Light that has been around: corners, uneven rooms, contrast."""

import numpy as np
import torch

from spike_worlds.ambient import ambient_occlusion, contrast_factors, illumination_factors

ONE = torch.ones(1)


def inverse_depth(depth) -> torch.Tensor:
    return 1 / torch.as_tensor(depth, dtype=torch.float32)[None]


def test_a_plane_has_no_corners() -> None:
    rows, columns = np.mgrid[:40, :60]
    plane = torch.from_numpy(0.2 + 0.004 * rows - 0.001 * columns).float()[None]
    inside = ambient_occlusion(plane, ONE)[:, 8:-8, 8:-8]
    np.testing.assert_allclose(inside, 1, atol=1e-4)


def test_wide_and_low_images_have_shade_too() -> None:
    shade = ambient_occlusion(torch.rand(1, 16, 640) + 0.2, ONE)
    assert shade.isfinite().all()


def test_the_corner_of_a_room_is_dark_and_an_edge_is_not() -> None:
    away = np.abs(np.arange(61) - 30)
    hollow = np.tile(4 / (1 + 0.02 * away), (40, 1))  # farthest in the middle
    ridge = np.tile(4 / (1 - 0.02 * away), (40, 1))  # nearest in the middle
    shade = ambient_occlusion(inverse_depth(hollow), ONE)[0, 20]
    assert shade[30] < 0.9
    assert shade[30] == shade.min()
    np.testing.assert_allclose(shade[[8, -9]], 1, atol=1e-4)
    assert ambient_occlusion(inverse_depth(ridge), ONE)[0, 20, 20:41].min() > 0.99


def test_things_far_before_a_wall_take_no_light_from_it() -> None:
    depth = np.full((40, 60), 4.0)
    depth[:, :30] = 1.0
    np.testing.assert_array_equal(ambient_occlusion(inverse_depth(depth), ONE), 1)


def test_strength_limits_the_shade_and_the_sky_has_none() -> None:
    away = np.abs(np.arange(61) - 30)
    inverse = torch.from_numpy(np.tile(1 + 0.1 * away, (2, 40, 1))).float()
    inverse[1] = 0  # the sky
    shade = ambient_occlusion(inverse, torch.tensor([0.3, 1.0]))
    assert 0.7 <= shade[0].min() < 0.8
    np.testing.assert_array_equal(shade[1], 1)
    np.testing.assert_array_equal(ambient_occlusion(inverse, torch.zeros(2)), 1)


def test_uneven_light_meets_its_lattice() -> None:
    lattice = torch.zeros(2, 3, 4)
    lattice[1, 0, 0], lattice[1, 2, 3] = np.log(2), -np.log(4)
    light = illumination_factors(lattice, 31, 43)
    np.testing.assert_array_equal(light[0], 1)
    np.testing.assert_allclose(light[1, [0, -1], [0, -1]], [2, 0.25], rtol=1e-5)
    assert light.shape == (2, 31, 43)


def test_contrast_is_a_power_about_middle_grey() -> None:
    image = torch.tensor([[[0.05, 0.2, 0.8]], [[0.05, 0.2, 0.8]]])
    found = image * contrast_factors(image, torch.tensor([1.0, 2.0]))
    np.testing.assert_allclose(found[0], image[0], rtol=1e-6)
    np.testing.assert_allclose(found[1], [[0.0125, 0.2, 3.2]], rtol=1e-5)
    assert contrast_factors(torch.zeros(1, 1, 1), torch.tensor([0.5])).isfinite().all()
