# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Samples of the procedural world: determinism and ranges."""

import dataclasses

import cv2
import numpy as np
import pytest
import torch

from spike_depth_ros.checkpoint import find_checkpoint, load
from spike_depth_ros.stream import packing
from spike_training.evaluation.predictors import build_for_evaluation, network_predictor
from spike_training.reports.contact_sheet import contact_sheet
from spike_training.sampling import procedural
from spike_training.sampling.procedural import ProceduralSource
from spike_training.sampling.shifted import Optics, ShiftedSource
from spike_training.sensor.exposure import initial_charge
from spike_training.sensor.parameters import SENSORS
from spike_worlds.building.light import Ground, Site, sample_direction
from spike_worlds.building.materials import Material, MaterialSampler
from spike_worlds.building.primitives import Frame, Primitives
from spike_worlds.building.sampler import Sampler
from spike_worlds.rooms.config import HOME
from spike_worlds.rooms.room import rooms
from spike_worlds.rooms.tables import (
    DINING_HALF_RAIL,
    DINING_HALF_SEAT,
    add_dining_chairs,
)

SMALL = {'height': 37, 'width': 51}


def same(a, b) -> None:
    for name in ('counts', 'depth', 'fx', 'rgb', 'index'):
        one, other = getattr(a, name), getattr(b, name)
        assert one.shape == other.shape
        assert one.numpy().tobytes() == other.numpy().tobytes(), name


def part(batch, rows):
    return type(batch)(
        batch.counts[rows], batch.planes_per_bin, batch.rgb[rows], batch.depth[rows],
        batch.fx[rows], batch.index[rows],
    )  # fmt: skip


def test_a_sample_is_the_same_in_any_batch_and_on_any_number_of_processes() -> None:
    source = ProceduralSource(seed=5, with_rgb=True, planes=(32, 128), **SMALL)
    whole = source.batch(3, 6)
    assert whole.index.tolist() == list(range(18, 24))
    for row, index in enumerate(range(18, 24)):
        planes = int(whole.planes_per_bin.sum())
        same(source.samples([index], planes), part(whole, slice(row, row + 1)))
    for world_size in (2, 3):
        for rank in range(world_size):
            size = 6 // world_size
            rows = slice(rank * size, (rank + 1) * size)
            same(source.batch(3, size, rank, world_size), part(whole, rows))
    same(ProceduralSource(seed=5, with_rgb=True, planes=(32, 128), **SMALL).batch(3, 6), whole)


def test_large_batches_are_made_in_parts(monkeypatch) -> None:
    source = ProceduralSource(seed=5, with_rgb=True, **SMALL)
    whole = source.samples(range(5))
    monkeypatch.setattr(procedural, '_PIXELS', 2 * 37 * 51)
    same(source.samples(range(5)), whole)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_a_gpu_makes_the_same_samples() -> None:
    here = ProceduralSource(seed=5, with_rgb=True, **SMALL).batch(0, 8)
    there = ProceduralSource(seed=5, with_rgb=True, device='cuda', **SMALL).batch(0, 8).to('cpu')
    assert torch.equal(here.fx, there.fx)
    close = torch.isclose(here.depth, there.depth, rtol=1e-4)
    assert close.float().mean() > 0.999
    assert (here.counts != there.counts).float().mean() < 0.01
    keys = torch.tensor([3, 4])
    assert torch.equal(initial_charge(keys, 9, 7), initial_charge(keys.cuda(), 9, 7).cpu())


def test_a_contact_sheet_shows_every_sample() -> None:
    source = ProceduralSource(seed=5, with_rgb=True, **SMALL)
    sheet = contact_sheet(source.samples(range(3)))
    assert sheet.dtype == np.uint8
    assert sheet.shape[2] == 3
    plain = ProceduralSource(seed=5, **SMALL)
    assert contact_sheet(plain.samples(range(3))).shape[1] < sheet.shape[1]


def test_the_world_can_be_looked_at(tmp_path, command) -> None:
    world = ('world', '--height', '32', '--width', '48')
    path = tmp_path / 'new' / 'world.png'
    done = command(*world, '--out', path, '--style', 'road', '--scenes', '2', '--seed', '5')
    assert f'{path}: 2 scenes of style road' in done.stdout
    source = ProceduralSource(('road',), 5, 32, 48, (128,), with_rgb=True)
    expected = contact_sheet(source.samples(range(2)), samples_per_row=2)
    np.testing.assert_array_equal(cv2.imread(str(path))[..., ::-1], expected)
    out = tmp_path / 'world.jpg'
    done = command(*world, '--out', out, '--scenes', '0')
    assert done.returncode == 2
    both = f'out is {out}: expected a file .png; scenes is 0: expected 1 or more'
    assert done.stderr == f'run.py: {both}\nSee run.py world --help\n'


def test_the_depth_of_a_checkpoint_is_shown_beside_the_true_one(tmp_path, command) -> None:
    world = ('world', '--checkpoint', 'unet_lite')
    path = tmp_path / 'all.png'
    small = ['--height', '32', '--width', '64', '--scenes', '6', '--style', 'all']
    done = command(*world, *small, '--out', path)
    assert done.returncode == 0, done.stderr
    assert '6 scenes of all styles' in done.stdout
    batch = ProceduralSource(
        ('indoor', 'road', 'home', 'outdoor', 'hall', 'office'),
        0, 32, 64, (128,), with_rgb=True, split='test', bins=9,
    ).samples(range(6))  # fmt: skip
    info, weights = load(find_checkpoint('unet_lite'))
    network = build_for_evaluation(info, weights, torch.device('cpu'))
    predicted = network_predictor(network, info)(batch).depth
    expected = contact_sheet(batch, predicted=predicted)
    np.testing.assert_array_equal(cv2.imread(str(path))[..., ::-1], expected)
    other = contact_sheet(batch, predicted=predicted[::-1])
    assert (other != expected).any()
    # Scaled by the medians: a factor changes nothing.
    np.testing.assert_array_equal(contact_sheet(batch, predicted=predicted * 2), expected)
    done = command(*world, '--height', '33', '--out', path)
    assert done.returncode == 2
    assert 'height is 33 and width 192: expected multiples of 32' in done.stderr


def test_colour_changes_no_spike() -> None:
    plain = ProceduralSource(seed=5, **SMALL).batch(0, 4)
    assert plain.rgb is None
    coloured = ProceduralSource(seed=5, with_rgb=True, **SMALL).batch(0, 4)
    assert torch.equal(plain.counts, coloured.counts)
    assert coloured.rgb.shape == (4, 3, 37, 51)
    assert coloured.rgb.min() >= 0
    assert coloured.rgb.max() <= 1


def test_ranges() -> None:
    source = ProceduralSource(seed=2, planes=(64,), **SMALL)
    batch = source.samples(range(48))
    assert batch.counts.shape == (48, 32, 37, 51)
    assert batch.planes_per_bin.tolist() == [2] * 32
    assert not torch.isnan(batch.depth).any()
    rate = batch.counts.float().sum(1).mean((1, 2)) / 64
    assert rate.min() > 0.015
    assert rate.max() < 0.7
    assert rate.max() > 0.3
    assert rate.min() < 0.06
    focal = batch.fx / 51
    assert focal.min() < 0.75
    assert focal.max() > 1.2
    indoor, road = batch.depth[0::2], batch.depth[1::2]
    assert torch.isfinite(indoor).all()
    assert indoor.min() > 0.2
    assert indoor.max() < 16
    assert torch.isinf(road).any(dim=(1, 2, 3)).float().mean() > 0.7
    assert road.min() > 0.5


def test_homes_are_shallower_than_the_rooms_of_indoor() -> None:
    def depths(style):
        source = ProceduralSource((style,), seed=2, planes=(64,), **SMALL)
        depth = source.samples(range(48)).depth.flatten(1)
        assert torch.isfinite(depth).all()
        near, far = torch.quantile(depth.log(), torch.tensor([0.05, 0.95]), dim=1)
        return depth, (far - near).mean()

    home, spread = depths('home')
    assert home.min() > 0.3
    assert home.max() < 12
    # From corner to corner a Kinect's frames of a kitchen span a factor of 2.5, e to the 0.9.
    assert 0.7 < spread < 1.1
    assert spread < depths('indoor')[1] - 0.2


@pytest.mark.parametrize('part', ['seats', 'notes', 'blocks', 'screens'])
def test_each_part_of_a_home_is_there_and_can_be_left_out(part) -> None:
    uniform = np.random.default_rng(3).random((200, 8192), np.float32)

    def solids(config):
        return (rooms(Sampler(uniform), config).kind >= 0).sum()

    kind = type(getattr(HOME, part))
    fewer = solids(dataclasses.replace(HOME, **{part: kind(0)}))
    # Random numbers are handed out in turn, so that other things differ by chance, too.
    more = solids(dataclasses.replace(HOME, **{part: 64 if part == 'notes' else 1.0}))
    assert more > fewer + 40


def test_chairs_of_a_set_look_at_their_table() -> None:
    """The rails of a back are on the side away from the table, whichever side the chair is on."""
    sampler = Sampler(np.random.default_rng(0).random((64, 1400), np.float32))
    materials, solids = MaterialSampler(sampler), Primitives(64)
    floor, sun = materials.sample(Material(('plain',)), 1), sample_direction(sampler, (0.5, 2.5))
    site = Site(sampler, materials, Ground(solids, floor, sun, np.ones((64, 1), np.float32)))
    begin = len(solids.centre)
    x = np.array([[0.0, 5.0]], np.float32).repeat(64, 0)
    table = Frame(x, 0.0, x, sampler.headings(2, (0, 6)))
    sizes = (np.full((64, 2), 0.8, np.float32), np.full((64, 2), 0.4, np.float32))
    add_dining_chairs(site, table, np.ones((64, 2), bool), sizes)
    mask = np.concatenate([k >= 0 for k in solids.kind[begin:]], 1)
    centre, half = (np.concatenate(part[begin:], 1) for part in (solids.centre, solids.half))
    away = np.hypot(*(centre[..., i] - np.where(centre[..., 0] < 2.5, 0, 5) for i in (0, 2)))
    seats = mask & np.isclose(half[..., 1], DINING_HALF_SEAT)
    rails = mask & np.isclose(half[..., 2], DINING_HALF_RAIL)
    assert seats.sum() > 64 * 4
    assert rails.sum() == 3 * seats.sum()
    assert 0.3 < away[seats].min() < away[seats].max() < 1.3
    assert away[rails].mean() > away[seats].mean() + 0.1
    assert (centre[..., 1][rails] > 0.45).all()


def test_splits_and_seeds_never_meet() -> None:
    def depth(seed, split):
        return ProceduralSource(seed=seed, split=split, **SMALL).samples([0, 1]).depth

    maps = [
        depth(*which)
        for which in ((0, 'train'), (1, 'train'), (0, 'calibration'), (0, 'test'), (1, 'test'))
    ]
    for a in range(len(maps)):
        for b in range(a):
            assert (maps[a] == maps[b]).float().mean() < 0.5


def test_every_window_length_comes_up() -> None:
    source = ProceduralSource(('indoor',), 0, 16, 16, planes=(16, 33, 128))
    seen = {int(source.batch(step, 1).planes_per_bin.sum()) for step in range(20)}
    assert seen == {32, 33, 128}  # below 32 planes every bin is one plane


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="style is 'moon', expected one of indoor, road, home"):
        ProceduralSource(('moon',))
    with pytest.raises(ValueError, match="split is 'val', expected one of train"):
        ProceduralSource(split='val')
    with pytest.raises(ValueError, match='expected at least one of each'):
        ProceduralSource(())
    with pytest.raises(ValueError, match='expected positive numbers'):
        ProceduralSource(planes=(128, 0))


@pytest.mark.parametrize('shifted', [False, True])
def test_windows_hold_the_spikes_that_batches_count(monkeypatch, shifted) -> None:
    monkeypatch.setattr(procedural, '_PIXELS', 3 * 16 * 25)  # batches in parts
    sizes = {'seed': 3, 'height': 16, 'width': 25, 'planes': (16, 48, 130), 'rate_hz': 9e3}
    source = ProceduralSource(**sizes)
    if shifted:
        optics = Optics(0.5, 1.5, 0.5, 0.7, SENSORS['vidar_car'])
        source = ShiftedSource(optics, **sizes)
    lengths = set()
    for step in range(6):
        batch = source.batch(step, 4)
        windows = [*source.windows(step, 4)]
        lengths.add(len(windows[0]))
        for counts, window in zip(batch.counts, windows, strict=True):
            found, planes = packing.bin_counts(window, 25)
            np.testing.assert_array_equal(found, counts)
            np.testing.assert_array_equal(planes, batch.planes_per_bin)
    assert lengths == {16, 48, 130}


@pytest.mark.long
def test_processes_that_draw_change_nothing() -> None:
    plain, drawing = (
        ProceduralSource(('indoor', 'road'), seed=4, height=16, width=24, workers=workers)
        for workers in (0, 2)
    )
    # Steps of several chunks of scenes, then one that was not foreseen, and one again.
    for step in (0, 1, 2, 3, 40, 1):
        ours, theirs = plain.batch(step, 150), drawing.batch(step, 150)
        assert torch.equal(ours.counts, theirs.counts)
        assert torch.equal(ours.depth, theirs.depth)
        assert torch.equal(ours.index, theirs.index)
