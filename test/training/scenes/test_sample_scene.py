# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The bundled sample, and the ray caster that its exact depth comes from."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.testing as npt
import pytest

import spike_depth_ros
from spike_depth_ros.stream import packing
from spike_training.scenes import sample_scene, textures
from spike_training.scenes.ray_caster import Box, Camera, Cylinder, Ellipsoid, Scene, Shape

ASSET = Path(spike_depth_ros.__file__).parent / 'assets' / 'street.npz'
GREY = textures.plain(0.5)
NOON = (0.0, 1.0, 0.0)
SLANTED = (-0.6, 0.8, 0.0)


@pytest.fixture(scope='module')
def street() -> Scene:
    return sample_scene.street_scene()


@pytest.fixture(scope='module')
def asset() -> dict[str, np.ndarray]:
    with np.load(ASSET) as archive:
        return dict(archive)


def scene_of(*shapes: Shape, sun: tuple[float, float, float] = NOON) -> Scene:
    """Solids under a black sky, the sun at its highest unless told."""
    return Scene(shapes, sun=sun, sky=textures.plain(0.0))


def small_camera(**pose: float) -> Camera:
    """A camera of 41x31 pixels at the origin that looks along z."""
    return Camera(31, 41, 30.0, (0.0, 0.0, 0.0), **pose)


def whole_image(camera: Camera, shape: Shape, samples: int) -> tuple[slice, slice]:
    """A region that leaves out nothing."""
    return slice(None), slice(None)


# The sample


def test_the_asset_is_a_stream_archive_of_moderate_size(asset) -> None:
    assert asset['packed'].shape == (400, 250, 50)
    assert asset['packed'].dtype == np.uint8
    assert (int(asset['width']), str(asset['bit_order'])) == (400, 'little')
    assert float(asset['rate_hz']) == 20_000
    npt.assert_array_equal(asset['K'], [[400, 0, 199.5], [0, 400, 124.5], [0, 0, 1]])
    assert asset['depth'].shape == (20, 250, 400)
    assert asset['depth'].dtype == np.uint16
    npt.assert_array_equal(asset['depth_planes'], np.arange(0, 400, 20))
    assert ASSET.stat().st_size < 4_000_000


def test_the_committed_spikes_are_what_the_code_makes(street, asset) -> None:
    made = packing.unpack(sample_scene.spikes(street, 16), 400)
    committed = packing.unpack(np.ascontiguousarray(asset['packed'][:16]), 400)
    # Elsewhere a processor may round a picture's last bit otherwise: a few spikes in a million.
    assert np.mean(made != committed) < 1e-5


@pytest.mark.parametrize('index', [0, 13])
def test_the_committed_depth_is_what_the_code_makes(street, asset, index: int) -> None:
    made = sample_scene.true_depth(street, int(asset['depth_planes'][index]))
    assert np.mean(made != asset['depth'][index]) < 1e-4


def test_stored_depth_is_exact_to_a_quarter_of_a_thousandth(street) -> None:
    exact = street.depth(sample_scene.camera_at(60)) * 1000
    stored = sample_scene.true_depth(street, 60)
    npt.assert_array_equal(stored == 0, np.isinf(exact))
    seen = stored > 0
    # Below 2 m the half millimetre of rounding weighs more.
    error = np.abs(stored[seen] - exact[seen]) / np.maximum(exact[seen], 2000)
    assert error.max() < 2.51e-4


def test_the_sample_has_near_and_far_and_moderate_rates(asset) -> None:
    depth = asset['depth'][asset['depth'] > 0] / 1000
    assert 1.5 < depth.min() < 2.5
    assert 40 < depth.max() < 50
    assert 0.02 < (asset['depth'] == 0).mean() < 0.2
    rate = packing.unpack(np.ascontiguousarray(asset['packed']), 400).mean(axis=0)
    low, median, high = np.percentile(rate, [1, 50, 99])
    assert 0.025 < low < 0.07
    assert 0.1 < median < 0.25
    assert 0.45 < high < 0.63


def test_depth_maps_agree_with_each_other_through_the_motion(asset) -> None:
    """Points seen at one plane, moved to the other's camera, meet that plane's own depth."""
    first, second = (sample_scene.camera_at(plane) for plane in (0, 100))
    before, after = (asset['depth'][index] / 1000.0 for index in (0, 5))
    seen = before > 0
    away = [
        start + before[seen] * ray[seen] - end
        for start, ray, end in zip(first.position, first.rays(), second.position, strict=True)
    ]
    x, y, z = (sum(a * b for a, b in zip(away, axis, strict=True)) for axis in second.axes())
    columns = np.rint(second.fx * x / z + 199.5).astype(int)
    rows = np.rint(-second.fx * y / z + 124.5).astype(int)
    inside = (columns >= 0) & (columns < 400) & (rows >= 0) & (rows < 250)
    there = after[rows[inside], columns[inside]]
    assert np.mean(np.abs(there - z[inside]) < 0.015 * z[inside]) > 0.9
    # Without the motion they do not agree: the camera moves 6 cm in between.
    assert np.mean(np.abs(after[seen] - before[seen]) < 0.003 * before[seen]) < 0.5


def test_light_in_between_pictures_is_blended(street) -> None:
    first, second = sample_scene.luminance(street, 4)
    assert first.shape == (2, 250, 400)
    assert first.min() > 0.029
    assert first.max() < 0.621
    npt.assert_allclose(first[1], (first[0] + second[0]) / 2)
    assert 0 < np.abs(second[0] - first[0]).mean() < 0.01


# The ray caster


def test_depth_is_along_the_optical_axis_and_not_along_the_ray() -> None:
    wall = Box((-90.0, -90.0, 5.0), (90.0, 90.0, 6.0), GREY)
    npt.assert_allclose(scene_of(wall).depth(small_camera()), 5.0, rtol=1e-12)


def test_depth_of_tilted_ground_by_hand() -> None:
    # 2 m below a camera that looks down by pitch p: along the ray of row v the ground lies at
    # depth 2 / (v cos p + sin p).
    ground = Box((-900.0, -3.0, -900.0), (900.0, -2.0, 900.0), GREY)
    depth = scene_of(ground).depth(small_camera(pitch=-0.7))
    v = (np.arange(31) - 15) / 30.0
    expected = 2 / (v * math.cos(0.7) + math.sin(0.7))
    npt.assert_allclose(depth, np.repeat(expected[:, None], 41, axis=1), rtol=1e-12)


def test_round_solids_by_hand() -> None:
    ball = scene_of(Ellipsoid((0.0, 0.0, 10.0), (1.0, 1.0, 2.0), GREY)).depth(small_camera())
    assert ball[15, 20] == pytest.approx(8.0)
    pole = scene_of(Cylinder((0.0, -50.0, 10.0), 1.0, 100.0, GREY)).depth(small_camera())
    npt.assert_allclose(pole[:, 20], 9.0)
    # Beside its axis: the ray (u, 1) meets the circle at the smaller root.
    u = 2 / 30
    root = (10 - math.sqrt(100 - (1 + u * u) * 99)) / (1 + u * u)
    npt.assert_allclose(pole[:, 22], root)
    lid = scene_of(Cylinder((0.0, -9.0, 4.0), 2.0, 8.0, GREY)).depth(small_camera())
    npt.assert_allclose(lid[25, 20], 1 / (10 / 30))


def test_axes_of_the_image_and_turns_of_the_camera() -> None:
    def centre(**pose: float) -> tuple[float, float]:
        ball = scene_of(Ellipsoid((1.0, 2.0, 10.0), (0.4, 0.4, 0.4), GREY))
        rows, columns = np.isfinite(ball.depth(small_camera(**pose))).nonzero()
        return float(rows.mean()), float(columns.mean())

    # By the camera matrix: row 15 - 30 * 0.2, column 20 + 30 * 0.1.
    row, column = centre()
    assert (row, column) == (pytest.approx(9, abs=0.3), pytest.approx(23, abs=0.3))
    assert centre(yaw=0.2)[1] < column - 3
    assert centre(pitch=0.2)[0] > row + 3
    assert centre(roll=0.3)[1] < column - 1


def test_the_nearest_of_several_solids_is_seen() -> None:
    near = Box((-0.5, -90.0, 3.0), (90.0, 90.0, 4.0), GREY)
    far = Box((-90.0, -90.0, 8.0), (90.0, 90.0, 9.0), GREY)
    for order in ((near, far), (far, near)):
        depth = scene_of(*order).depth(small_camera())
        npt.assert_allclose(depth[:, 0], 8.0)
        npt.assert_allclose(depth[:, 40], 3.0)


def test_nothing_is_cut_off_by_the_regions(street, monkeypatch) -> None:
    camera = Camera(50, 80, 80.0, (-0.2, 1.5, 0.1), yaw=0.15, pitch=-0.1, roll=0.2)
    quick = street.depth(camera)
    monkeypatch.setattr(Camera, 'region', whole_image)
    npt.assert_array_equal(quick, street.depth(camera))


def test_what_is_behind_the_camera_is_not_seen() -> None:
    shapes = [
        Box((-9.0, -9.0, -5.0), (9.0, 9.0, -4.0), GREY),
        Ellipsoid((0.0, 0.0, -6.0), (1.0, 1.0, 1.0), GREY),
        Cylinder((0.0, -2.0, -6.0), 1.0, 4.0, GREY),
    ]
    assert np.isinf(scene_of(*shapes).depth(small_camera())).all()
    # Nor by a ray that no region keeps away.
    origin = (np.array(0.0), np.array(0.0), np.array(0.0))
    assert all(np.isinf(shape.hit(origin, small_camera().rays())).all() for shape in shapes)


def test_shadows_fall_away_from_the_sun() -> None:
    ground = Box((-9.0, -3.0, -1.0), (9.0, -2.0, 30.0), GREY)
    post = Box((-0.2, -2.0, 8.0), (0.2, 0.0, 12.0), textures.plain(0.0))
    bare = scene_of(ground, sun=SLANTED).picture(small_camera(pitch=-0.2))
    light = scene_of(ground, post, sun=SLANTED).picture(small_camera(pitch=-0.2))
    darker = light < 0.7 * bare
    columns = darker.nonzero()[1]
    # The sun stands at the left: 1.5 m of shadow to the right of the wall's 0.2 m, at 8 m
    # (column 20 + 30 * 1.7 / 8.2) and beyond.
    assert columns.min() >= 19
    assert 25 <= columns.max() <= 26


def test_walls_that_face_the_sun_are_brighter() -> None:
    left = Box((-9.0, -9.0, 4.0), (-2.0, 0.5, 20.0), GREY)
    right = Box((2.0, -9.0, 4.0), (9.0, 9.0, 20.0), GREY)
    light = scene_of(left, right, sun=SLANTED).picture(small_camera())
    assert light[15, 32] > 1.5 * light[15, 8]


@pytest.mark.parametrize(
    'texture',
    [
        textures.checks(0.1, 0.9, 0.31),
        textures.stripes(0.1, 0.9, 0.23, 0.3),
        textures.bricks(0.6, 0.2),
        textures.windows(textures.plain(0.4)),
        textures.street(3.0, 2.7),
        textures.noise(0.5, 0.6, 0.2),
    ],
)
def test_textures_are_filtered_to_the_pixel(texture: textures.Texture) -> None:
    side = (np.arange(600) + 0.5) * 0.05
    u, v = np.meshgrid(side, side)
    fine = texture(u, v, np.full_like(u, 0.01))
    coarse = texture(u, v, np.full_like(u, 4.0))
    assert fine.min() >= 0
    assert fine.max() <= 1
    assert fine.std() > 0.02
    assert coarse.std() < 0.5 * fine.std()
    assert coarse.mean() == pytest.approx(fine.mean(), abs=0.04)
