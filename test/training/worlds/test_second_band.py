# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scenes in another band of light: the same shapes, other reflectances."""

import numpy as np
import pytest
import torch

from spike_training.sampling.procedural import ProceduralSource
from spike_worlds.generator import SceneGenerator
from spike_worlds.render import render
from spike_worlds.scene import Column
from spike_worlds.second_band import REFLECTANCES, other_band


def scenes(number=6, style='road'):
    return SceneGenerator(3, style, 'test').batch(range(number))


def seen(one):
    return render(one, 64, 96, 'cpu', with_rgb=True)


def test_shapes_stay_and_brightness_is_another():
    own = scenes()
    one, other = seen(own), seen(other_band(own))
    torch.testing.assert_close(one.depth, other.depth, rtol=0, atol=0)
    torch.testing.assert_close(one.flow, other.flow, rtol=0, atol=0)
    assert not torch.equal(one.luminance, other.luminance)


@pytest.mark.parametrize('style', ['road', 'indoor'])
def test_a_reflectance_says_nothing_of_the_other_band(style):
    own = scenes(40, style)
    other = other_band(own)
    for column in (Column.DARK_LUMINANCE, Column.BRIGHT_LUMINANCE):
        both = np.stack([one.material[own.kind >= 0][:, column] for one in (own, other)])
        assert abs(np.corrcoef(np.log(both + 1e-3))[0, 1]) < 0.1


def test_equal_materials_stay_equal_and_scenes_differ():
    own = scenes(2)
    own.material[0, 1] = own.material[0, 0]
    found = other_band(own)
    lit = slice(Column.DARK_LUMINANCE, None)
    np.testing.assert_array_equal(found.material[0, 0], found.material[0, 1])
    assert not np.array_equal(found.material[0, 0, lit], found.material[0, 2, lit])
    np.testing.assert_array_equal(
        found.material[..., Column.UNLIT], own.material[..., Column.UNLIT]
    )
    drawn = found.material[own.kind >= 0][:, Column.DARK_LUMINANCE]
    assert REFLECTANCES[0] <= drawn.min() < drawn.max() <= REFLECTANCES[1]
    np.testing.assert_array_equal(other_band(own).material, found.material)


def sample(**given):
    source = ProceduralSource(('road',), 3, 32, 48, (64,), bins=4, with_right=True, **given)
    return source.samples([0, 1])


def test_the_right_eye_alone_sees_it():
    plain, banded = (sample(with_rgb=True, band=band) for band in ('none', 'right'))
    for name in ('counts', 'rgb', 'depth'):
        torch.testing.assert_close(getattr(banded, name), getattr(plain, name), rtol=0, atol=0)
    torch.testing.assert_close(banded.right.rgb, plain.right.rgb, rtol=0, atol=0)
    torch.testing.assert_close(banded.right.depth, plain.right.depth, rtol=0, atol=0)
    assert not torch.equal(banded.right.counts, plain.right.counts)


def test_planes_are_those_of_the_counts():
    from spike_depth_ros.stream import packing

    for band in ('right', 'all'):
        source = ProceduralSource(('road',), 3, 32, 48, (64,), bins=1, with_right=True, band=band)
        batch = source.samples([0])
        ((left, right),) = source.pairs([0])
        for packed, counts in ((left, batch.counts), (right, batch.right.counts)):
            total = packing.unpack(packed, 48, 'little').sum(axis=0)
            np.testing.assert_array_equal(total, counts[0, 0].numpy())
