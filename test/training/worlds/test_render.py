# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The procedural world: exact depth, light, motion, textures, determinism."""

import dataclasses
import math

import numpy as np
import numpy.testing as npt
import pytest
import torch

from spike_training.sampling.procedural import expose, light_at_knots
from spike_worlds import atlas
from spike_worlds.building.cameras import camera_axes, visible
from spike_worlds.building.sampler import Sampler, cos_sin
from spike_worlds.generator import STYLES, SceneGenerator
from spike_worlds.render import render
from spike_worlds.scene import BOX, CYLINDER, ELLIPSOID, MATERIAL, Column, Scenes

HEIGHT, WIDTH = 45, 70
FOCAL = 0.9


def scene(solids=(), eye=(0.0, 1.5, 0.0), pitch=0.0, yaw=0.0, roll=0.0, is_open=True, far=300.0):
    """One scene of solids (kind, centre, half, yaw) on an endless plane or in a room."""
    number = max(len(solids), 1)
    kind = np.full((1, number), -1, np.int8)
    centre, half = np.zeros((1, number, 3)), np.ones((1, number, 3))
    heading = np.zeros((1, number))
    for k, (what, at, size, angle) in enumerate(solids):
        kind[0, k], centre[0, k], half[0, k], heading[0, k] = what, at, size, angle
    material = np.zeros((1, number, len(MATERIAL)), np.float32)
    material[..., Column.SCALES], material[..., Column.TEXELS] = 1, atlas.SIZE
    material[..., Column.REFLECTED] = 0.5
    one = np.ones(1, np.float32)
    return Scenes(
        kind=kind,
        centre=centre.astype(np.float32),
        half=half.astype(np.float32),
        heading=np.stack(cos_sin(heading), -1),
        velocity=np.zeros((1, number, 3), np.float32),
        material=material,
        shell_material=np.repeat(material[:, :1], 5, 1),
        shell=np.array([[[-far, 0, -far], [far, far, far]]], np.float32),
        open=one * is_open,
        focal=one * FOCAL,
        eye=np.array([eye], np.float32),
        axes=camera_axes(one * pitch, one * yaw, one * roll),
        linear_velocity=np.zeros((1, 3), np.float32),
        angular_velocity=np.zeros((1, 3), np.float32),
        sun=np.array([[0, 1, 0]], np.float32),
        light=np.array([[0.5, 0.5, 0]], np.float32),
        lamp=np.zeros((1, 3), np.float32),
        occlusion=one * 0,
        illumination=np.zeros((1, 3, 4), np.float32),
        contrast=one,
        haze=one * 1e6,
        blur=one * 0,
        rate=one * 0.2,
        seed=np.zeros(1, np.int64),
        flicker=np.zeros((1, 3), np.float32),
    )


def depth_of(scenes, height=HEIGHT, width=WIDTH):
    return render(scenes, height, width, 'cpu').depth.numpy()[0]


def image_coordinates(height=HEIGHT, width=WIDTH):
    fx = FOCAL * width
    return (
        (np.arange(width) + 0.5 - width / 2) / fx,
        (np.arange(height)[:, None] + 0.5 - height / 2) / fx,
    )


@pytest.mark.parametrize('pitch', [0.0, -0.3, 0.2])
def test_ground_and_sky(pitch: float) -> None:
    depth = depth_of(scene(pitch=pitch))
    _, v = image_coordinates()
    fall = v * math.cos(pitch) - math.sin(pitch)  # of a ray of depth 1
    # Below the horizon, and not so near to it that the plane's end at 300 m is seen.
    expected = np.broadcast_to(1.5 / np.maximum(fall, 1e-9), depth.shape)
    ground = expected < 200
    npt.assert_allclose(depth[ground], expected[ground], rtol=1e-5)
    above = np.broadcast_to(fall < 0, depth.shape)
    assert ground.any()
    assert np.isposinf(depth[above]).all()


def test_a_face_has_one_depth_along_the_axis_and_sharp_edges() -> None:
    depth = depth_of(scene([(BOX, (0.3, 1.5, 5.0), (0.8, 0.6, 1.0), 0.0)]))
    u, v = image_coordinates()
    inside = (np.abs(u * 4 - 0.3) < 0.8) & (np.abs(v * 4) < 0.6)
    npt.assert_allclose(depth[inside], 4.0, rtol=1e-6)
    assert (np.abs(depth[~inside] - 4.0) > 1e-3).all()


def test_a_ball() -> None:
    depth = depth_of(scene([(ELLIPSOID, (0.2, 1.7, 4.0), (0.9, 0.9, 0.9), 0.4)]))
    u, v = image_coordinates()
    a = u * u + v * v + 1
    b = u * 0.2 - v * 0.2 + 4.0
    free = b * b - a * (0.2**2 + 0.2**2 + 16 - 0.81)
    inside = free > 1e-3
    npt.assert_allclose(depth[inside], ((b - np.sqrt(np.maximum(free, 0))) / a)[inside], rtol=2e-5)


def test_walls_are_met_from_inside() -> None:
    room = scene(is_open=False, far=3.0)
    depth = depth_of(room)
    assert np.isfinite(depth).all()
    npt.assert_allclose(depth[HEIGHT // 2, WIDTH // 2], 3.0, rtol=1e-6)
    u, _ = image_coordinates()
    assert depth[HEIGHT // 2].min() >= 3.0 / max(1, np.abs(u).max()) - 1e-4


def naive_depth(solids, eye, yaw, pitch, roll):
    """Depth at which each ray meets the nearest solid that is not turned, in closed form."""
    (cy, sy), (cp, sp), (cr, sr) = ((math.cos(a), math.sin(a)) for a in (yaw, pitch, roll))
    heading = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rise = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    lean = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    u, v = np.broadcast_arrays(*image_coordinates())
    rays = np.stack([u, -v, np.ones_like(u)], -1) @ (heading @ rise @ lean).T
    nearest = np.full(u.shape, np.inf)
    for kind, centre, half, _ in solids:
        start, step = (np.array(eye) - centre) / half, rays / half
        low = np.minimum((-1 - start) / step, (1 - start) / step)
        high = np.maximum((-1 - start) / step, (1 - start) / step)
        flat = {BOX: [0, 1, 2], CYLINDER: [1], ELLIPSOID: []}[kind]
        enter = low[..., flat].max(-1, initial=-np.inf)
        leave = high[..., flat].min(-1, initial=np.inf)
        if kind != BOX:  # within the unit circle, or ball, along these axes
            on = [0, 2] if kind == CYLINDER else [0, 1, 2]
            squared, mixed = (step[..., on] ** 2).sum(-1), (start[on] * step[..., on]).sum(-1)
            with np.errstate(invalid='ignore'):  # NaN of a ray that misses: no hit
                root = np.sqrt(mixed**2 - squared * ((start[on] ** 2).sum() - 1))
            enter = np.maximum(enter, (-mixed - root) / squared)
            leave = np.minimum(leave, (-mixed + root) / squared)
        hit = (enter < leave) & (enter > 0)
        nearest = np.where(hit, np.minimum(nearest, enter), nearest)
    return nearest


@pytest.mark.parametrize('seed', range(4))
def test_depth_agrees_with_the_naive_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    solids = []
    for _ in range(14):
        size = rng.uniform(0.1, 0.9, 3)
        at = np.array([rng.uniform(-3, 3), rng.uniform(0.1, 3), rng.uniform(2.5, 14)])
        solids.append((int(rng.integers(3)), at, size, 0.0))
    view = {'yaw': rng.uniform(-0.3, 0.3), 'pitch': rng.uniform(-0.3, 0.2), 'roll': 0.1}
    found = depth_of(scene(solids, **view))
    ground = (BOX, np.array([0.0, -0.5, 0.0]), np.array([300.0, 0.5, 300.0]), 0.0)
    expected = naive_depth([*solids, ground], (0.0, 1.5, 0.0), **view)
    near = expected < 100
    agree = np.isclose(found[near], expected[near], rtol=1e-4)
    assert agree.mean() > 0.997  # a ray may just touch or just miss an outline
    assert (found[np.isinf(expected)] > 250).mean() > 0.99


def test_turning_the_world_and_the_camera_changes_nothing() -> None:
    solids = [
        (BOX, (0.5, 1.0, 4.0), (0.5, 0.4, 0.2), 0.3),
        (CYLINDER, (-0.9, 0.7, 5.0), (0.3, 0.7, 0.5), -0.5),
        (ELLIPSOID, (0.1, 2.0, 6.0), (0.9, 0.3, 0.5), 0.9),
    ]
    angle = 0.7
    c, s = math.cos(angle), math.sin(angle)
    turned = [
        (kind, (c * x + s * z, y, c * z - s * x), half, heading + angle)
        for kind, (x, y, z), half, heading in solids
    ]
    one, other = depth_of(scene(solids)), depth_of(scene(turned, yaw=angle))
    close = np.isclose(one, other, rtol=1e-4)
    assert close.mean() > 0.995


def test_solids_around_and_behind_the_camera_do_no_harm() -> None:
    beside = [
        (BOX, (0.0, 0.05, 0.0), (30.0, 0.05, 100.0), 0.0),  # a pavement underfoot
        (BOX, (3.0, 2.0, 0.0), (0.5, 4.0, 50.0), 0.02),  # a wall alongside
        (ELLIPSOID, (0.0, 1.5, -3.0), (1.0, 1.0, 1.0), 0.0),
    ]
    depth = depth_of(scene(beside))
    assert depth.min() > 0
    npt.assert_allclose(depth[-1, 0], 1.4 / image_coordinates()[1][-1, 0], rtol=1e-5)
    assert np.abs(depth[HEIGHT // 2, -1] - 2.5 / image_coordinates()[0][-1]) < 0.2
    only = depth_of(scene(beside[:1]))
    assert np.isposinf(only[0]).all()


@pytest.mark.parametrize('seed', range(3))
def test_what_is_left_out_as_out_of_view_is_out_of_view(seed: int) -> None:
    rng = np.random.default_rng(seed)
    solids = [
        (int(rng.integers(3)), rng.uniform((-6, 0, -6), (6, 3, 6)), rng.uniform(0.05, 1.5, 3),
         rng.uniform(-3, 3))
        for _ in range(150)
    ]  # fmt: skip
    everything = scene(solids, pitch=-0.2, yaw=0.4, roll=0.1)
    names = ('kind', 'centre', 'half', 'heading', 'velocity', 'material')
    fields = {name: getattr(everything, name) for name in names}
    view = everything.eye, everything.axes, everything.focal
    fewer = visible(fields, *view, distance=0.0)
    assert 20 < (fewer['kind'] >= 0).sum() < 120
    npt.assert_array_equal(depth_of(dataclasses.replace(everything, **fewer)),
                           depth_of(everything))  # fmt: skip
    clear = dataclasses.replace(everything, **visible(fields, *view, distance=1.5))
    depth = depth_of(clear)
    assert depth[depth < 299].min() > 1.5 / 1.3  # along the axis, at the image's edge


@pytest.mark.parametrize(('height', 'width'), [(1, 1), (16, 16), (17, 31), (128, 192)])
def test_any_size(height: int, width: int) -> None:
    rendering = render(
        SceneGenerator(3, 'road').batch([0, 1]), height, width, 'cpu', with_rgb=True
    )
    assert rendering.depth.shape == rendering.luminance.shape == (2, height, width)
    assert rendering.rgb.shape == (2, 3, height, width)
    assert rendering.flow.shape == (2, 2, height, width)


@pytest.mark.parametrize('style', list(STYLES))
def test_scenes_are_rich_and_sound(style: str) -> None:
    scenes = SceneGenerator(11, style).batch(range(40))
    for field in dataclasses.fields(Scenes):
        expected = {'kind': np.int8, 'seed': np.int64}.get(field.name, np.float32)
        assert getattr(scenes, field.name).dtype == expected, field.name
    rendering = render(scenes, 48, 72, 'cpu', with_rgb=True)
    for part in (rendering.luminance, rendering.rgb, rendering.flow):
        assert torch.isfinite(part).all()
    assert not torch.isnan(rendering.depth).any()
    assert rendering.luminance.min() >= 0
    assert (scenes.kind >= 0).sum(1).mean() > 35
    sky = torch.isinf(rendering.depth)
    assert bool(sky.any()) == (style in ('road', 'outdoor'))
    finite = rendering.depth[~sky]
    assert finite.min() > 0.15
    spread = rendering.luminance.flatten(1)
    assert (spread.std(1) / spread.mean(1)).median() > 0.3  # contrast
    # Many solids are seen: depth has many edges.
    depth = rendering.depth.clamp(max=500)
    edges = ((depth[:, :, 1:] / depth[:, :, :-1]).log().abs() > 0.05).float().mean((1, 2))
    assert edges.median() > 0.04


def test_scenes_do_not_depend_on_their_batch_and_splits_differ() -> None:
    for style in STYLES:
        world = SceneGenerator(4, style)
        whole = world.batch([7, 2, 9])
        for row, index in enumerate((7, 2, 9)):
            alone, within = world.sample(index), whole.take(slice(row, row + 1))
            for field in dataclasses.fields(Scenes):
                a, b = getattr(alone, field.name), getattr(within, field.name)
                assert a.tobytes() == b.tobytes(), field.name
        for split in ('calibration', 'test'):
            other = SceneGenerator(4, style, split).sample(7)
            assert other.focal[0] != whole.focal[0]
            assert SceneGenerator(5, style, split).sample(7).focal[0] != other.focal[0]
    # Numbers move between places of a key, never to another scene.
    assert (
        SceneGenerator(0, 'road').sample(1).focal[0]
        != SceneGenerator(1, 'road').sample(0).focal[0]
    )


def test_world_settings_are_checked() -> None:
    with pytest.raises(ValueError, match='seed is -1, expected'):
        SceneGenerator(-1, 'road')
    with pytest.raises(ValueError, match='index is 4294967296, expected'):
        SceneGenerator(0, 'road').sample(2**32)
    with pytest.raises(IndexError, match='more than 3 random numbers'):
        Sampler(np.zeros((2, 3), np.float32))(4)


def test_turns_are_rotations() -> None:
    angles = np.linspace(-7, 7, 57, dtype=np.float32)
    c, s = cos_sin(angles)
    npt.assert_allclose(c, np.cos(angles), atol=2e-5)
    npt.assert_allclose(s, np.sin(angles), atol=2e-5)
    npt.assert_allclose(c * c + s * s, 1, atol=1e-6)


@pytest.mark.parametrize('style', list(STYLES))
def test_motion_is_that_of_the_exact_pictures(style: str) -> None:
    """Moving one picture comes much closer to a later exact one than leaving it as it is."""
    rate, planes = 20_000.0, 512
    # A soft lens: steps along sharp edges differ from one exact picture to the next too.
    scenes = dataclasses.replace(
        SceneGenerator(21, style).batch(range(16)), blur=np.ones(16, np.float32)
    )
    now = render(scenes, 96, 144, 'cpu')
    light, knots = light_at_knots(expose(now.luminance, scenes.rate), now.flow, planes, rate)
    gain = expose(now.luminance, scenes.rate) / now.luminance.clamp(min=1e-9)
    for k in (0, -1):
        later = render(scenes.later((knots[k] - planes // 2) / rate), 96, 144, 'cpu').luminance
        exact = (later * gain).clamp(0, 1)
        moved = (light[:, k] - exact).abs().mean((1, 2))
        left = (light[:, 2] - exact).abs().mean((1, 2))
        fast = left > left.median()
        assert (moved[fast] / left[fast]).median() < 0.6
        assert (moved <= left + 1e-3).float().mean() > 0.85
    assert torch.equal(light[:, 2], expose(now.luminance, scenes.rate))


@pytest.mark.parametrize(
    ('drift', 'spin', 'velocity', 'expected'),
    [
        ((1.0, 0, 0), (0, 0, 0), (0, 0, 0), (-0.25, 0)),
        ((0, 1.0, 0), (0, 0, 0), (0, 0, 0), (0, 0.25)),
        ((0, 0, 0), (0, 0, 0), (2.0, 0, 0), (0.5, 0)),
        ((0, 0, 0), (1.0, 0, 0), (0, 0, 0), (0, 1.0)),
        ((0, 0, 0), (0, 1.0, 0), (0, 0, 0), (-1.0, 0)),
    ],
)
def test_flow_in_the_middle_of_a_wall_four_metres_off(drift, spin, velocity, expected) -> None:
    wall = scene([(BOX, (0.0, 1.5, 5.0), (3.0, 3.0, 1.0), 0.0)])
    wall = dataclasses.replace(
        wall,
        linear_velocity=np.array([drift], np.float32),
        angular_velocity=np.array([spin], np.float32),
        velocity=np.array([[velocity]], np.float32),
    )
    flow = render(wall, 45, 71, 'cpu').flow[0, :, 22, 35].numpy()
    npt.assert_allclose(flow, np.array(expected) * FOCAL * 71, rtol=1e-4, atol=1e-3)


def test_nearer_to_the_lamp_is_brighter_and_far_is_hazy() -> None:
    wall = scene([(BOX, (0.0, 1.5, 5.0), (9.0, 9.0, 1.0), 0.0)])
    lit = dataclasses.replace(
        wall, light=np.array([[0, 0.1, 2]], np.float32), lamp=np.array([[-2, 1.5, 3]], np.float32)
    )
    row = render(lit, 45, 70, 'cpu').luminance[0, 22]
    assert row[5] > 1.5 * row[65]
    hazy = dataclasses.replace(wall, haze=np.full(1, 4, np.float32))
    clear, dim = (render(s, 45, 70, 'cpu').luminance[0, 22, 35] for s in (wall, hazy))
    npt.assert_allclose(dim, (clear + 0.7) / 2, rtol=1e-4)


def test_pyramids_keep_the_mean() -> None:
    levels = atlas.pyramids()
    assert [level.shape[1] for level in levels] == [256 >> k for k in range(9)]
    assert len(levels[0]) == sum(map(len, atlas.TILES.values()))
    npt.assert_allclose(levels[0].mean((1, 2)), levels[-1][:, 0, 0], atol=1.01)
    assert (levels[0].std((1, 2)) > 1.2).all()


def test_far_textures_fade_to_their_mean_and_near_ones_show() -> None:
    """Checks of three centimetres: seen at one metre, grey at forty."""

    def contrast(distance: float) -> float:
        wall = scene([(BOX, (0.0, 1.5, distance + 1), (99.0, 99.0, 1.0), 0.0)])
        material = wall.material
        material[..., Column.TEXTURE] = atlas.TILES['checks'][0] * atlas.TEXELS
        material[..., Column.SCALES], material[..., Column.TEXELS] = 4.0, 4.0 * atlas.SIZE
        material[..., Column.DARK_LUMINANCE], material[..., Column.BRIGHT_LUMINANCE] = 0.0, 1.0
        return float(render(wall, 45, 70, 'cpu').luminance[0, :20].std())

    assert contrast(1.0) > 0.06
    assert contrast(40.0) < 0.01
