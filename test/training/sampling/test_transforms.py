# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from spike_depth_ros.stream import packing
from spike_depth_ros.video.placement import Placement
from spike_training.sampling.sample import Batch
from spike_training.sampling.transforms import (
    TRANSFORMS,
    View,
    authors,
    flip,
    flip_batch,
    flip_planes,
    place,
)

CAMERA = np.array([[500.0, 0, 7.5], [0, 510.0, 4], [0, 0, 1]])
RNG = np.random.default_rng(0)


def view(width=13, bit_order='little'):
    spikes = RNG.random((5, 9, width)) < 0.4
    return View(
        camera=CAMERA,
        width=width,
        image=RNG.integers(0, 256, (9, width, 3), dtype=np.uint8),
        depth=RNG.random((9, width), np.float32),
        spikes=packing.pack(spikes, bit_order),
        bit_order=bit_order,
    )


def test_the_authors_crop_the_bottom_centre_of_kitti_and_squash_it():
    placement = TRANSFORMS['authors']((375, 1242), 384, 384)
    assert placement == authors((375, 1242))
    assert (placement.top, placement.left) == (23, 13)
    assert (placement.rows, placement.columns) == (352, 1216)
    matrix = placement.camera(np.diag([721.0, 721.0, 1.0]))
    assert matrix[0, 0] == pytest.approx(721 * 384 / 1216)
    assert matrix[1, 1] == pytest.approx(721 * 384 / 352)


def test_the_authors_transform_is_for_large_images():
    with pytest.raises(ValueError, match=r'640x480: expected at least 1216x352 .* take aspect'):
        authors((480, 640))


def test_a_view_is_placed_as_a_whole():
    placement = Placement((20, 30), 2, 3, 16, 24, 8, 12)
    image, depth = RNG.random((20, 30), np.float32), RNG.random((20, 30), np.float32)
    placed = place(View(CAMERA, 30, image, depth), placement)
    assert placed.width == 12
    np.testing.assert_array_equal(placed.image, placement.image(image))
    np.testing.assert_array_equal(placed.depth, placement.depth(depth))
    np.testing.assert_array_equal(placed.camera, placement.camera(CAMERA))


def test_binary_planes_are_never_resampled():
    with pytest.raises(ValueError, match='never resampled: place the images, then simulate'):
        place(view(), Placement.aspect((9, 13), 4, 6))


@pytest.mark.parametrize('width', [8, 13, 16, 17])
@pytest.mark.parametrize('bit_order', ['little', 'big'])
def test_a_flip_mirrors_everything_together(width, bit_order):
    seen = view(width, bit_order)
    mirrored = flip(seen)
    np.testing.assert_array_equal(mirrored.image, seen.image[:, ::-1])
    np.testing.assert_array_equal(mirrored.depth, seen.depth[:, ::-1])
    spikes = packing.unpack(seen.spikes, width, bit_order)
    np.testing.assert_array_equal(
        packing.unpack(mirrored.spikes, width, bit_order), spikes[..., ::-1]
    )
    # A point at the right of the axis lies as far to the left of the mirrored camera's.
    x, mirrored_x = (
        (c @ [s * 0.1, 0, 2.0])[0] / 2 for c, s in ((CAMERA, 1), (mirrored.camera, -1))
    )
    assert mirrored_x == pytest.approx(width - 1 - x)


@pytest.mark.parametrize('width', [13, 16])
def test_a_second_flip_undoes_the_first(width):
    seen = view(width)
    back = flip(flip(seen))
    np.testing.assert_array_equal(back.spikes, seen.spikes)
    np.testing.assert_array_equal(back.camera, seen.camera)
    np.testing.assert_array_equal(back.image, seen.image)


def test_padding_bits_stay_zero():
    ones = packing.pack(np.ones((2, 3, 13), np.uint8))
    np.testing.assert_array_equal(flip_planes(ones, 13), ones)


@pytest.mark.parametrize('with_rgb', [True, False])
def test_chosen_samples_of_a_batch_are_mirrored(with_rgb):
    generator = torch.Generator().manual_seed(0)
    batch = Batch(
        counts=torch.randint(0, 5, (3, 4, 6, 7), dtype=torch.uint8, generator=generator),
        planes_per_bin=torch.full((4,), 4, dtype=torch.int32),
        rgb=torch.rand(3, 3, 6, 7, generator=generator) if with_rgb else None,
        depth=torch.rand(3, 1, 6, 7, generator=generator),
        fx=torch.tensor([400.0, 410.0, 420.0]),
        index=torch.arange(3),
    )
    mirrored = flip_batch(batch, torch.tensor([True, False, True]))
    for name in ('counts', 'depth', *(['rgb'] if with_rgb else [])):
        before, after = getattr(batch, name), getattr(mirrored, name)
        assert after.dtype == before.dtype
        assert torch.equal(after[[0, 2]], before[[0, 2]].flip(-1))
        assert torch.equal(after[1], before[1])
    assert (mirrored.rgb is None) == (not with_rgb)
    assert torch.equal(mirrored.fx, batch.fx)
