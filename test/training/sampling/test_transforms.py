# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from spike_training.sampling.sample import Batch
from spike_training.sampling.transforms import TRANSFORMS, authors, flip_batch


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
        image=torch.rand(3, 1, 6, 7, generator=generator),
    )
    mirrored = flip_batch(batch, torch.tensor([True, False, True]))
    for name in ('counts', 'depth', 'image', *(['rgb'] if with_rgb else [])):
        before, after = getattr(batch, name), getattr(mirrored, name)
        assert after.dtype == before.dtype
        assert torch.equal(after[[0, 2]], before[[0, 2]].flip(-1))
        assert torch.equal(after[1], before[1])
    assert (mirrored.rgb is None) == (not with_rgb)
    assert torch.equal(mirrored.fx, batch.fx)
