# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from spike_depth_ros.io.video.placement import Placement

CAMERA = np.array([[721.5, 0, 609.6], [0, 721.5, 172.9], [0, 0, 1]])


@pytest.mark.parametrize(
    ('source', 'size', 'part'),
    [
        ((375, 1242), (250, 400), (0, 321, 375, 600)),  # KITTI: columns go
        ((480, 640), (250, 400), (40, 0, 400, 640)),  # 7-Scenes: rows go
        ((250, 400), (250, 400), (0, 0, 250, 400)),
        ((100, 100), (250, 400), (19, 0, 62, 100)),  # enlarged
    ],
)
def test_aspect_takes_the_largest_centred_part(source, size, part):
    placement = Placement.aspect(source, *size)
    assert (placement.top, placement.left, placement.rows, placement.columns) == part
    assert placement.image(np.zeros(source, np.float32)).shape == size


def test_light_is_averaged_over_pixels():
    light = np.arange(24, dtype=np.float32).reshape(4, 6)
    placed = Placement((4, 6), 0, 0, 4, 6, 2, 3).image(light)
    np.testing.assert_allclose(placed, light.reshape(2, 2, 3, 2).mean((1, 3)))


def test_an_axis_may_grow_while_the_other_shrinks():
    light = np.tile(np.float32([0, 0, 1, 1]), (2, 1))
    placed = Placement((2, 4), 0, 0, 2, 4, 4, 2).image(light)
    np.testing.assert_allclose(placed, np.tile([0, 1], (4, 1)))


def test_colours_stay_bytes():
    colours = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    placed = Placement((20, 30), 0, 0, 20, 30, 10, 15).image(colours)
    assert (placed.dtype, placed.shape) == (np.uint8, (10, 15, 3))
    assert np.abs(placed[0, 0] - colours[:2, :2].mean((0, 1))).max() <= 0.5


def test_depth_comes_from_the_nearest_pixel_and_is_never_mixed():
    depth = np.array([[1, 2, np.nan, 4, 5, np.inf]] * 3, np.float32)
    placed = Placement((3, 6), 0, 0, 3, 6, 1, 2).depth(depth)
    np.testing.assert_array_equal(placed, [[2, 5]])
    np.testing.assert_array_equal(Placement((3, 6), 0, 2, 3, 4, 3, 4).depth(depth), depth[:, 2:])


@pytest.mark.parametrize(
    'placement',
    [Placement.aspect((375, 1242), 250, 400), Placement((375, 1242), 20, 13, 352, 1216, 384, 384)],
)
def test_the_camera_follows_its_pixels(placement):
    """A point in space falls on the same spot; mistaken centres would be off by 0.25 and more."""
    point = np.array([0.4, -0.2, 5.0])
    x, y, _ = CAMERA @ point / point[2]
    placed_x, placed_y, _ = placement.camera(CAMERA) @ point / point[2]
    ramp = np.tile(np.arange(1242, dtype=np.float32), (375, 1))
    assert np.interp(placed_x, np.arange(placement.width), placement.image(ramp)[9]) == (
        pytest.approx(x, abs=0.1)
    )
    ramp = np.tile(np.arange(375, dtype=np.float32)[:, None], (1, 1242))
    assert np.interp(placed_y, np.arange(placement.height), placement.image(ramp)[:, 9]) == (
        pytest.approx(y, abs=0.1)
    )


def test_nothing_changes_where_the_size_fits():
    placement = Placement.aspect((40, 60), 40, 60)
    light = np.random.default_rng(0).random((40, 60), np.float32)
    np.testing.assert_array_equal(placement.image(light), light)
    np.testing.assert_array_equal(placement.depth(light), light)
    np.testing.assert_allclose(placement.camera(CAMERA), CAMERA)
