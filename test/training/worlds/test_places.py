# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Styles outdoor, hall and office: cameras, depth, layouts; scenes keep their numbers."""

import dataclasses
import json
import math
import re
from pathlib import Path

import numpy as np
import numpy.testing as npt
import pytest
import torch

from spike_training.sampling.procedural import ProceduralSource, apply_flicker
from spike_training.sampling.shifted import Optics, ShiftedSource
from spike_worlds import atlas
from spike_worlds.building.cameras import (
    FOCAL,
    HEIGHTS,
    PITCHES,
    ROLL,
    open_heading,
    sample_jerks,
    sample_rates,
    sample_viewpoint,
)
from spike_worlds.building.primitives import Frame
from spike_worlds.building.sampler import Sampler, cos_sin
from spike_worlds.generator import STYLES, SceneGenerator
from spike_worlds.halls.stairs import STAIRS_STEPS, sample_stairs
from spike_worlds.offices import OFFICE
from spike_worlds.render import render
from spike_worlds.rooms.room import rooms
from spike_worlds.scene import Scenes

CHECKSUMS = Path(__file__).with_name('scene_checksums.json')
PLACES = ('outdoor', 'hall', 'office')
# Least and greatest height of the camera over y = 0; stairwells have floors above it.
CAMERAS = {'outdoor': HEIGHTS, 'hall': (HEIGHTS[0], 9.0), 'office': OFFICE.eye}


def sampler_of(batch: int, seed: int = 0) -> Sampler:
    return Sampler(np.random.default_rng(seed).random((batch, 400), np.float32))


def depths(style: str, split: str, number: int = 120) -> np.ndarray:
    """Canonical depth maps, ``[number, 16, 24]``; the sky is 80 m away."""
    scenes = SceneGenerator(7, style, split).batch(range(number))
    depth = render(scenes, 16, 24, 'cpu').depth.numpy()
    return np.minimum(depth, 80) / scenes.focal[:, None, None]


def checksum(array: np.ndarray) -> float:
    """A weighted mean of an array, relative to its mean size."""
    values = array.astype(np.float64).ravel()
    weights = np.arange(1, values.size + 1) * 0.6180339887 % 1 - 0.5
    return float((values * weights).sum() / max(np.abs(values).sum(), 1e-9))


def checksums(style: str) -> dict[str, list[float]]:
    """Checksums of each field of some scenes of several seeds and all splits."""
    groups = [
        SceneGenerator(seed, style, split).batch(indices)
        for seed, split, indices in (
            (3, 'train', range(4)),
            (11, 'train', (5, 900)),
            (3, 'calibration', (0, 7)),
            (3, 'test', (1, 2)),
        )
    ]
    return {
        field.name: [checksum(getattr(scenes, field.name)) for scenes in groups]
        for field in dataclasses.fields(Scenes)
    }


def image_checksums(style: str) -> dict[str, list[float]]:
    """Mean, standard deviation and checksum of images of one scene; the sky is at 1 / depth 0."""
    images = render(SceneGenerator(3, style).batch([1]), 48, 72, 'cpu', with_rgb=True)
    parts = (1 / images.depth, images.luminance, images.rgb, images.flow)
    names = ('inverse_depth', 'luminance', 'rgb', 'flow')
    return {
        name: [float(part.mean()), float(part.std()), checksum(part.numpy())]
        for name, part in zip(names, parts, strict=True)
    }


@pytest.mark.parametrize('style', list(STYLES))
def test_scenes_keep_their_numbers(style: str) -> None:
    """Shipped models and figures depend on them.

    Processors and versions of NumPy differ in the last bit of some of them. After a change that is
    meant, ``python test/training/worlds/test_places.py`` writes them anew.
    """
    expected = json.loads(CHECKSUMS.read_text())[style]
    found = checksums(style)
    assert found.keys() == expected['scenes'].keys()
    for name, values in found.items():
        assert values == pytest.approx(expected['scenes'][name], rel=0, abs=1e-7), name
    # A pixel at an outline may show the other solid on another processor.
    for name, values in image_checksums(style).items():
        assert values == pytest.approx(expected['images'][name], rel=1e-4, abs=1e-4), name


def test_textures_keep_their_tones() -> None:
    """Each texel is one of 256 tones: all of a tile, or none, are those of shipped models."""
    expected = json.loads(CHECKSUMS.read_text())['tiles']
    assert list(map(len, atlas.TILES.values())) == [row[0] for row in expected.values()]
    tiles = atlas.pyramids()[0]
    for name, (_, *sums) in expected.items():
        found = [checksum(tiles[number]) for number in atlas.TILES[name]]
        assert found == pytest.approx(sums, rel=0, abs=1e-6), name


@pytest.mark.parametrize('style', PLACES)
def test_depth_is_valid_and_the_sky_is_outdoors_only(style: str) -> None:
    scenes = SceneGenerator(8, style).batch(range(150))
    depth = render(scenes, 24, 36, 'cpu').depth
    assert not torch.isnan(depth).any()
    assert depth.min() > 0.12
    sky = torch.isinf(depth).float().mean((1, 2))
    if style == 'outdoor':
        assert 0.4 < (sky > 0.02).float().mean() < 0.9
        assert 0.04 < (depth[depth.isfinite()] > 20).float().mean() < 0.4
    else:
        assert sky.max() == 0
    if style == 'hall':
        assert 0.02 < (depth > 10).float().mean() < 0.2
    # Few views are filled by one near surface.
    flat = depth.flatten(1).clamp(max=80)
    spread = torch.quantile(flat, 0.95, dim=1) / torch.quantile(flat, 0.05, dim=1)
    assert (spread < 1.3).float().mean() < 0.06


@pytest.mark.parametrize('style', PLACES)
def test_cameras_stay_in_their_ranges_and_use_them(style: str) -> None:
    scenes = SceneGenerator(9, style).batch(range(400))
    low, high = CAMERAS[style]
    height, sine = scenes.eye[:, 1], scenes.axes[:, 2, 1]
    assert low <= height.min() < 0.5
    assert 2.0 < height.max() <= high + 1e-5
    limits = [math.sin(angle) for angle in PITCHES]
    assert limits[0] - 1e-4 <= sine.min() < math.sin(-0.95)
    assert math.sin(0.15) < sine.max() <= limits[1] + 1e-4
    roll = np.abs(scenes.axes[:, 0, 1])
    assert math.sin(0.8 * ROLL) < roll.max() <= math.sin(ROLL) + 1e-4
    assert FOCAL[0] <= scenes.focal.min() < 0.53
    assert 1.3 < scenes.focal.max() <= FOCAL[1] + 1e-5


@pytest.mark.parametrize('style', PLACES)
def test_no_camera_is_inside_of_a_solid_or_a_wall(style: str) -> None:
    scenes = SceneGenerator(10, style).batch(range(200))
    assert (scenes.eye > scenes.shell[:, 0]).all()
    assert (scenes.eye < scenes.shell[:, 1]).all()
    away = scenes.eye[:, None] - scenes.centre
    c, s = scenes.heading[..., 0], scenes.heading[..., 1]
    local = np.stack(
        [c * away[..., 0] - s * away[..., 2], away[..., 1], s * away[..., 0] + c * away[..., 2]],
        -1,
    )
    # Boxes around solids: those of cylinders and ellipsoids hold them.
    gap = np.linalg.norm(np.maximum(np.abs(local) - scenes.half, 0), axis=-1)
    assert gap[scenes.kind >= 0].min() > 0.15


@pytest.mark.parametrize('style', PLACES)
def test_the_median_depth_map_is_a_bad_predictor(style: str) -> None:
    """Median-scaled AbsRel of the median map of some scenes on others."""
    median = np.median(depths(style, 'train'), 0)
    errors = []
    for depth in depths(style, 'test'):
        known = depth < 80 / 1.4
        if known.mean() > 0.05:
            scaled = median * np.median(depth[known]) / np.median(median[known])
            errors.append((np.abs(scaled - depth) / depth)[known].mean())
    assert len(errors) > 100
    assert np.mean(errors) > 0.25


@pytest.mark.parametrize('style', PLACES)
def test_scenes_of_other_seeds_and_splits_differ(style: str) -> None:
    scenes = [
        SceneGenerator(*key).batch([0, 1]) for key in ((1, style), (2, style), (1, style, 'test'))
    ]
    again = SceneGenerator(1, style).batch([0, 1])
    for field in dataclasses.fields(Scenes):
        one, other = getattr(scenes[0], field.name), getattr(again, field.name)
        assert one.tobytes() == other.tobytes(), field.name
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert (scenes[a].eye != scenes[b].eye).any(1).all()


def test_some_scenes_are_dark_some_over_exposed_some_jerked() -> None:
    rates, jerks = sample_rates(sampler_of(4000)), sample_jerks(sampler_of(4000))
    assert 0.012 <= rates.min() < 0.015
    assert 1.1 < rates.max() <= 1.2
    assert 0.07 < (rates < 0.03).mean() < 0.13
    assert 0.12 < (rates > 0.6).mean() < 0.18
    assert set(jerks.ravel().tolist()) == {1.0, 4.0}
    assert 0.08 < (jerks == 4).mean() < 0.12
    for style in PLACES:
        scenes = SceneGenerator(12, style).batch(range(300))
        planes = 64
        chosen = [int(np.argmin(scenes.rate)), int(np.argmax(scenes.rate))]
        source = ProceduralSource((style,), 12, 32, 48, (planes,))
        dark, bright = source.samples(chosen).counts.float().sum(1) / planes
        assert dark.mean() < 0.03
        assert (bright > 0.97).float().mean() > 0.2
        assert 4 < np.abs(scenes.angular_velocity).max() <= 12


def test_a_jerk_moves_the_picture_by_some_pixels_in_41_planes() -> None:
    for style in PLACES:
        scenes = SceneGenerator(13, style).batch(range(300))
        fastest = int(np.argmax(np.abs(scenes.angular_velocity[:, :2]).max(1) * scenes.focal))
        flow = render(scenes.take(slice(fastest, fastest + 1)), 128, 192, 'cpu').flow
        pixels = float(flow.norm(dim=1).median()) * 41 / 20_000
        assert 1.5 < pixels < 8


def test_low_cameras_do_not_look_at_the_ground_before_them() -> None:
    batch = 3000
    zero = np.zeros((batch, 1), np.float32)
    view = sample_viewpoint(sampler_of(batch), zero, zero, zero, 0.5, 2.2)
    npt.assert_allclose(view.y, view.height + 0.5, atol=1e-6)
    assert view.height.max() <= 1.9 + 1e-6  # 0.3 m below the ceiling
    assert view.pitch[view.height < 0.3].min() > -0.2
    assert view.pitch.min() < -1
    # The nearest ground, at the lower edge of the widest image.
    lowest = np.sin(-view.pitch) + 0.33 / view.focal * np.cos(view.pitch)
    assert (view.height / np.maximum(lowest, 1e-3)).min() > 0.28


def test_places_ahead_are_in_view_and_nearer_where_the_camera_looks_down() -> None:
    batch = 2000
    zero = np.zeros((batch, 1), np.float32)
    sampler = sampler_of(batch)
    view = sample_viewpoint(sampler, zero, zero, sampler(1, 0, 6))
    limits = (zero + 9, zero + 30)
    frame = view.ahead(sampler, 4, 1.0, 40.0, 1.0, limits)
    assert np.abs(frame.x).max() <= 9
    assert np.abs(frame.z).max() <= 30
    free = view.ahead(sampler, 4, 1.0, 40.0, 1.0)
    c, s = cos_sin(view.yaw)
    aside, distance = c * free.x - s * free.z, s * free.x + c * free.z
    assert distance.min() > 0.99
    assert distance.max() <= 40.01
    assert (np.abs(aside) <= 0.5 / view.focal * distance + 1e-3).all()
    down = view.pitch[:, 0] < -0.6
    assert distance[down].max() < 12
    assert distance[~down].max() > 35
    npt.assert_array_equal(
        view.clear_of(Frame(zero + 3, 0.0, zero + 4, cos_sin(zero)), 4.9), zero == 0
    )
    assert not view.clear_of(Frame(zero + 3, 0.0, zero + 4, cos_sin(zero)), 5.1).any()


def test_headings_prefer_the_longer_way() -> None:
    zero = np.zeros((4000, 1), np.float32)
    c, _ = cos_sin(open_heading(sampler_of(4000), zero, zero, zero + 2, zero + 20))
    assert (np.abs(c) > np.sqrt(0.5)).mean() > 0.7  # half of all headings are


def test_a_camera_in_a_stairwell_stands_on_a_floor() -> None:
    batch = 500
    one = np.ones((batch, 1), np.float32)
    sampler = sampler_of(batch)
    half_x, half_z, height = sampler(1, 1.6, 4.5), sampler(1, 2.6, 3.6), sampler(1, 4.5, 9.9)
    flight, standing = sample_stairs(sampler, (half_x, half_z, height), one > 0, one > 0)
    run, mid = STAIRS_STEPS * flight.going, STAIRS_STEPS * flight.rise
    assert (2 * mid + 1.1 < height).all()  # one can be at the top
    assert flight.going.min() > 0.15
    assert flight.rise.min() > 0.14
    foot, middle, top = (
        np.abs(standing.floor - level) < 1e-5 for level in (0 * mid, mid, 2 * mid)
    )
    assert (foot | middle | top).all()
    assert min(part.mean() for part in (foot, middle, top)) > 0.2
    # On the landing beyond the first flight, on the gallery before it, or below the gallery.
    along = standing.z - flight.frame.z
    assert ((along > run) & (along < run + 2 * flight.landing))[middle].all()
    assert ((along < 0) & (along > -2 * flight.landing))[~middle].all()
    assert (np.abs(standing.x) <= 2 * flight.half_w + flight.gap).all()
    assert flight.covers(standing.x, standing.z, 0.0).all()
    assert not flight.covers(standing.x + 9.0, standing.z, 0.0).any()


def test_most_offices_have_a_block_of_desks() -> None:
    uniform = np.random.default_rng(3).random((200, 8192), np.float32)
    with_desks, without = (
        (rooms(Sampler(uniform), config).kind >= 0).sum(1)
        for config in (OFFICE, dataclasses.replace(OFFICE, furnish=None))
    )
    assert 0.5 < (with_desks > without + 15).mean() < 0.95


def test_lamps_flicker_with_the_mains() -> None:
    rate_hz = 20_000.0
    knots = [0, 32, 64, 96, 128]
    light = torch.full((3, 5, 2, 3), 0.4)
    flicker = np.array([[0, 100, 0.3], [0.5, 100, 0.25], [0.8, 120, 0.0]], np.float32)
    found = apply_flicker(light, knots, flicker, rate_hz)
    assert torch.equal(found[0], light[0])
    fade = np.sinc(100 * 32 / rate_hz) ** 2
    expected = 0.4 * (
        1 + 0.5 * fade * np.cos(2 * np.pi * (0.25 + 100 * np.array(knots) / rate_hz))
    )
    npt.assert_allclose(found[1, :, 0, 0], expected, atol=1e-5)
    # Knots a period apart or more follow nothing: the mean stays.
    slow = apply_flicker(light, [4 * k for k in (0, 42, 84, 126, 168)], flicker, rate_hz)
    npt.assert_allclose(slow[2], 0.4, atol=0.01)
    assert apply_flicker(light, knots, 0 * flicker, rate_hz) is light
    bright = apply_flicker(light * 2.5, knots, flicker, rate_hz)
    assert bright.max() == 1


@pytest.mark.parametrize('shifted', [False, True])
def test_flicker_reaches_the_spikes_and_no_other_scene_of_a_batch(shifted: bool) -> None:
    settings = {'styles': ('office', 'home'), 'seed': 14, 'height': 16, 'width': 24, 'bins': 4}
    source = ShiftedSource(Optics(), **settings) if shifted else ProceduralSource(**settings)
    scenes = SceneGenerator(14, 'office').batch(range(0, 200, 2))
    strongest = 2 * int(np.argmax(scenes.flicker[:, 0] * (scenes.rate < 0.4)))
    with_office = source.samples([strongest, 1])
    alone = source.samples([1])
    assert torch.equal(with_office.counts[1:], alone.counts)
    share, frequency, phase = SceneGenerator(14, 'office').sample(strongest).flicker[0]
    assert share > 0.7
    middles = np.array([16, 48, 80, 112]) / 20_000
    wave = np.cos(2 * np.pi * (phase + frequency * middles))
    counts = with_office.counts[0].float().sum((1, 2)).numpy()
    assert np.corrcoef(wave, counts)[0, 1] > 0.9


def test_only_lamps_flicker() -> None:
    shares = [SceneGenerator(15, style).batch(range(300)).flicker[:, 0] for style in PLACES]
    outdoors, hall, office = ((share > 0).mean() for share in shares)
    assert 0.005 < outdoors < 0.06
    assert 0.2 < hall < 0.4
    assert 0.2 < office < 0.4
    assert max(share.max() for share in shares) <= 0.9


if __name__ == '__main__':
    tables = {
        style: {'scenes': checksums(style), 'images': image_checksums(style)} for style in STYLES
    }
    tables['tiles'] = {
        name: [len(numbers), *(checksum(atlas.pyramids()[0][number]) for number in numbers)]
        for name, numbers in atlas.TILES.items()
    }
    rows = json.dumps(tables, indent=1)
    CHECKSUMS.write_text(re.sub(r'(?<=[\[,])\n\s+(?=-?\d)|(?<=\d)\n\s+(?=\])', ' ', rows) + '\n')
