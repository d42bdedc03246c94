# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs of generated scenes: true disparity, light, motion and noise of both eyes."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from spike_training.sampling.procedural import ProceduralSource
from spike_training.sampling.sample import collate
from spike_training.sampling.shifted import Optics, ShiftedSource
from spike_training.sampling.transforms import flip_batch
from spike_worlds.generator import STYLES, SceneGenerator
from spike_worlds.render import render
from spike_worlds.second_eye import BASELINES_M, second_eye, without_illumination

HEIGHT, WIDTH = 96, 144


def pairs(**changed):
    given = {
        'styles': ('indoor', 'road'), 'seed': 5, 'height': HEIGHT, 'width': WIDTH,
        'planes': (64,), 'bins': 4, 'with_right': True, 'with_rgb': True, 'with_image': True,
    }  # fmt: skip
    return ProceduralSource(**given | changed)


def warped(image, disparity):
    """Image of the right eye at the places that the left one sees, ``[B, C, H, W]``."""
    rows, columns = image.shape[2:]
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing='ij')
    place = torch.stack(
        [
            (2 * (x - disparity[:, 0]) + 1) / columns - 1,
            ((2 * y + 1) / rows - 1).expand(len(image), -1, -1),
        ],
        -1,
    )
    return F.grid_sample(image, place, align_corners=False), place[..., 0].abs() < 1


def disparity_of(batch):
    return (batch.fx * batch.baseline_m)[:, None, None, None] / batch.depth


@pytest.mark.parametrize('style', STYLES)
def test_the_right_eye_sees_the_places_of_the_left_one_at_their_disparity(style):
    batch = pairs(styles=(style,)).batch(0, 4)
    assert batch.baseline_m.tolist() == pytest.approx([BASELINES_M.get(style, 0.10)] * 4)
    disparity = disparity_of(batch)
    depth, inside = warped(batch.right.depth.nan_to_num(posinf=1e4), disparity)
    seen = inside & ((depth[:, 0] / batch.depth[:, 0].nan_to_num(posinf=1e4) - 1).abs() < 0.05)
    # The rest is hidden from the right eye, or an edge between two pixels.
    assert seen.float().sum() / inside.float().sum() > 0.7
    image, _ = warped(batch.right.image, disparity)
    differs = (image - batch.image).abs()[:, 0]
    unwarped = (batch.right.image - batch.image).abs()[:, 0]
    assert differs[seen].mean() < 0.5 * unwarped[seen].mean()
    assert differs[seen].mean() < 0.02


def test_both_eyes_have_other_noise():
    scenes = SceneGenerator(5, 'indoor').batch([0])
    other = second_eye(scenes, np.zeros(1))
    assert other.seed != scenes.seed
    np.testing.assert_array_equal(other.eye, scenes.eye)
    source = pairs(styles=('indoor',))
    source.baselines_m = [0.0]
    batch = source.batch(0, 4)
    assert torch.equal(batch.image, batch.right.image)
    assert not torch.equal(batch.counts, batch.right.counts)


def test_both_eyes_have_the_exposure_of_the_left_one():
    batch = pairs(styles=('road',), seed=1).batch(0, 8)
    own = [one.mean((1, 2, 3)) for one in (batch.image, batch.right.image)]
    # What either eye sees alone would change its own exposure.
    assert (own[1] / own[0] - 1).abs().max() > 0.02
    image, inside = warped(batch.right.image, disparity_of(batch))
    close = (image - batch.image).abs()[:, 0] < 0.02
    ratio = image[:, 0][inside & close] / batch.image[:, 0][inside & close].clamp_min(1e-3)
    assert float(ratio.median()) == pytest.approx(1.0, abs=0.005)


@pytest.mark.parametrize('axis', [1, 2])
def test_the_right_eye_moves_around_the_turning_rig(axis):
    scenes = SceneGenerator(3, 'home').batch(range(6))
    turning = np.zeros_like(scenes.angular_velocity)
    turning[:, axis] = 0.7
    scenes = dataclasses.replace(scenes, angular_velocity=turning)
    baseline = np.full(6, 0.3)
    moved_first = second_eye(scenes.later(1e-3), baseline).eye
    moved_after = second_eye(scenes, baseline).later(1e-3).eye
    np.testing.assert_allclose(moved_after, moved_first, atol=1e-5)
    still = dataclasses.replace(scenes, angular_velocity=np.zeros_like(turning))
    assert np.abs(second_eye(still, baseline).later(1e-3).eye - moved_first).max() > 1e-4


def test_light_lies_on_the_scene():
    scenes = SceneGenerator(3, 'home').batch([0])
    scenes = dataclasses.replace(scenes, illumination=np.full_like(scenes.illumination, 0.4))
    assert not without_illumination(scenes).illumination.any()
    dark = render(scenes, HEIGHT, WIDTH, torch.device('cpu')).luminance
    even = render(without_illumination(scenes), HEIGHT, WIDTH, torch.device('cpu')).luminance
    assert not torch.equal(dark, even)


def test_a_source_without_a_right_eye_is_as_before():
    one = pairs(with_right=False).batch(3, 4)
    assert one.right is None
    assert one.baseline_m is None
    assert one.unlabelled().right is None


def test_a_shifted_camera_has_two_eyes_of_one_exposure():
    source = ShiftedSource(
        Optics(0.3, vignette=0.4), styles=('home',), seed=2, height=HEIGHT, width=WIDTH,
        planes=(64,), bins=4, with_right=True,
    )  # fmt: skip
    batch = source.batch(0, 4)
    rates = [one.float().mean((1, 2, 3)) for one in (batch.counts, batch.right.counts)]
    assert torch.allclose(*rates, rtol=0.3)


@pytest.mark.parametrize(('with_right', 'calls'), [(False, 1), (True, 3)])
def test_the_lens_is_simulated_once_for_an_eye_that_meters_its_own_light(
    monkeypatch, with_right, calls
):
    seen, through = [], Optics.through_lens

    def counted(optics, luminance):
        seen.append(luminance)
        return through(optics, luminance)

    monkeypatch.setattr(Optics, 'through_lens', counted)
    ShiftedSource(
        Optics(blur=1.0), styles=('home',), height=HEIGHT, width=WIDTH, planes=(16,), bins=2,
        with_right=with_right,
    ).batch(0, 1)  # fmt: skip
    assert len(seen) == calls


def test_windows_of_pairs_have_the_counts_of_their_batch():
    source = pairs(bins=1)
    batch = source.samples(range(3), 64)
    windows = [*source.pairs(range(3), 64)]
    for eye, counts in enumerate((batch.counts, batch.right.counts)):
        found = [np.unpackbits(pair[eye], axis=2, bitorder='little').sum(0) for pair in windows]
        np.testing.assert_array_equal(np.stack(found)[:, :, :WIDTH], counts[:, 0].numpy())


def equal(one, other):
    """Whether two batches have the same tensors."""
    for name, value in vars(one).items():
        beside = getattr(other, name)
        if isinstance(value, torch.Tensor):
            assert torch.equal(value.nan_to_num(), beside.nan_to_num()), name
        elif value is not None:
            equal(value, beside)
    return True


def test_a_flip_exchanges_the_eyes_and_two_are_the_identity():
    batch = pairs().batch(0, 4)
    chosen = torch.tensor([True, False, True, False])
    flipped = flip_batch(batch, chosen)
    for name in ('counts', 'rgb', 'depth', 'image'):
        left, right = getattr(batch, name), getattr(batch.right, name)
        assert torch.equal(getattr(flipped, name)[0], right[0].flip(-1))
        assert torch.equal(getattr(flipped.right, name)[0], left[0].flip(-1))
        assert torch.equal(getattr(flipped, name)[1], left[1])
        assert torch.equal(getattr(flipped.right, name)[1], right[1])
    assert equal(flip_batch(flipped, chosen), batch)
    # The flipped right eye is still to the right: its disparities are above 0.
    depth, inside = warped(flipped.right.depth.nan_to_num(posinf=1e4), disparity_of(flipped))
    near = (depth[:, 0] / flipped.depth[:, 0].nan_to_num(posinf=1e4) - 1).abs() < 0.05
    assert near[inside].float().mean() > 0.7


def test_pairs_are_taken_moved_and_concatenated_with_their_right_eye():
    batch = pairs().batch(0, 4)
    rows = np.array([2, 0])
    taken = batch.take(rows)
    assert torch.equal(taken.right.counts, batch.right.counts[[2, 0]])
    assert torch.equal(taken.baseline_m, batch.baseline_m[[2, 0]])
    parts = [batch.take(np.array([k])) for k in range(4)]
    assert equal(collate(parts), batch)
    assert equal(batch.to('cpu'), batch)
    unlabelled = batch.unlabelled().to('cpu')
    assert torch.equal(unlabelled.right, batch.right.counts)
    assert torch.equal(unlabelled.baseline_m, batch.baseline_m)
