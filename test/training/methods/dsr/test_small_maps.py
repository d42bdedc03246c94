# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest
import torch

from kit.stages import batch_of
from spike_training.evaluation.small_maps import disturb, grey_levels, metres, shrink
from spike_training.methods.dsr.degradation import draw_pairs
from spike_training.methods.dsr.settings import EnlargeConfig

INF, NAN = float('inf'), float('nan')


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def steps(height=96, width=160):
    """Return a map with edges, fine detail and noise, 8 bit."""
    rng = np.random.default_rng(1)
    image = np.kron(rng.integers(1, 256, (height // 8, width // 8)), np.ones((8, 8)))
    image[:, : width // 4] = rng.integers(0, 256, (height, width // 4))
    return image.astype(np.uint8)


@pytest.mark.parametrize('factor', [2, 4, 8, 16])
def test_the_cubic_small_map_is_that_of_opencv_bit_for_bit(factor):
    image = steps()
    size = image.shape[1] // factor, image.shape[0] // factor
    expected = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    levels = torch.from_numpy(image).float()[None, None]
    found = shrink(levels, factor, 'cubic')[0, 0].numpy()
    np.testing.assert_array_equal(found, expected)


def test_levels_are_inverse_depth_over_its_largest_and_0_without_depth():
    depth = torch.tensor([[[[2.0, 4.0, 3.0, INF]]], [[[NAN, -1.0, 0.0, INF]]]])
    levels, nearest = grey_levels(depth)
    assert levels.flatten().tolist() == [255, 128, 170, 0, 0, 0, 0, 0]  # 127.5 to even
    assert nearest.flatten().tolist() == [2, 1]
    again = metres(levels, nearest)[0].flatten()
    torch.testing.assert_close(again, torch.tensor([2.0, 510 / 128, 3.0, NAN]), equal_nan=True)


def test_the_mean_of_an_area_is_of_its_known_pixels_and_needs_half_of_them():
    levels = torch.tensor([[10.0, 20, 0, 7], [0, 30, 0, 0], [1, 2, 0, 9], [3, 4, 0, 8]])
    found = shrink(levels[None, None], 2, 'area')[0, 0]
    torch.testing.assert_close(found, torch.tensor([[20.0, 0.0], [2.5, 8.5]]))


def test_a_point_is_a_pixel_of_the_middle():
    levels = torch.arange(64.0).view(1, 1, 8, 8)
    assert shrink(levels, 4, 'point').flatten().tolist() == [18, 22, 50, 54]


def test_noise_and_holes_have_the_size_that_is_asked_for():
    small = torch.full((4, 1, 80, 100), 100.0)
    noisy = disturb(small, 0.05, 0.0, generator())
    assert (noisy / small).std().item() == pytest.approx(0.05, rel=0.05)
    assert disturb(small, 5.0, 0.0, generator()).min() > 0
    holed = disturb(small, 0.0, 0.2, generator()) == 0
    assert 0.17 < holed.float().mean() < 0.2  # some single ones lie in patches
    beside = (holed[..., 1:] & holed[..., :-1]).float().mean()
    assert beside > 1.5 * 0.2**2  # patches: single pixels alone would have 0.04
    assert torch.equal(disturb(small, 0.0, 0.0, generator()), small)


def test_pairs_belong_together_and_are_drawn_for_each_batch():
    depth = 1 + 9 * torch.rand(2, 1, 64, 96, generator=generator())
    config = EnlargeConfig(
        factors=[2, 4], low='mixed', noise=0.1, holes=0.4, crop=32, crops=3
    )  # fmt: skip
    drawn = [draw_pairs(batch_of(depth), config, generator(seed)) for seed in range(30)]
    assert {one.factor for one in drawn} == {2, 4}
    for one in drawn:
        assert one.truth.shape == (6, 1, 32, 32)
        assert one.small.shape == (6, 1, 32 // one.factor, 32 // one.factor)
        assert 0 <= one.truth.min() <= one.truth.max() <= 255
    shares = torch.tensor([(one.small == 0).float().mean() for one in drawn])
    assert shares.min() < 0.1 < 0.3 < shares.max() < 0.4
    again = draw_pairs(batch_of(depth), config, generator(7))
    assert torch.equal(again.small, drawn[7].small)
    assert torch.equal(again.truth, drawn[7].truth)
    places = {float(truth[0, 0, 0]) for one in drawn for truth in one.truth}
    assert len(places) > 20

    plain = draw_pairs(batch_of(depth), EnlargeConfig(factors=[4], crop=32, crops=3), generator())
    for small, truth in zip(plain.small[:, 0], plain.truth[:, 0], strict=True):
        expected = cv2.resize(
            truth.numpy().astype(np.uint8), (8, 8), interpolation=cv2.INTER_CUBIC
        )
        np.testing.assert_array_equal(small.numpy(), expected)


def test_maps_that_are_smaller_than_a_crop_give_smaller_ones():
    pairs = draw_pairs(
        batch_of(torch.ones(1, 1, 96, 112)), EnlargeConfig(factors=[16]), generator()
    )
    assert pairs.truth.shape == (16, 1, 96, 96)
