# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import functools

import numpy as np
import pytest

from spike_depth_ros.cameras.base import Block, CameraError
from spike_depth_ros.cameras.reduction import Reduction
from spike_depth_ros.stream.chunk import Geometry

SENSOR = Geometry(20, 43)


def planes_of(rng, planes=11):
    bits = rng.integers(0, 2, (planes, SENSOR.height, SENSOR.width), dtype=np.uint8)
    return bits, np.packbits(bits, axis=-1, bitorder='little')


@pytest.mark.parametrize('crop', [(8, 3, 16, 5), (24, 0, 19, 20), (0, 0, 43, 20), (0, 0, 0, 0)])
def test_a_region_has_the_pixels_of_the_sensor(crop):
    bits, packed = planes_of(np.random.default_rng(0))
    reduction = Reduction(SENSOR, crop)
    kept, first = reduction.kept(Block(packed, 0))
    x, y, width, height = crop if any(crop) else (0, 0, 43, 20)
    assert (reduction.geometry.width, reduction.geometry.height, first) == (width, height, 0)
    found = np.unpackbits(kept, axis=-1, bitorder='little')[..., :width]
    np.testing.assert_array_equal(found, bits[:, y : y + height, x : x + width])
    assert reduction.region == (crop if crop != (0, 0, 43, 20) else (0, 0, 0, 0))


def test_every_nth_plane_keeps_its_phase_over_blocks_and_gaps():
    reduction = Reduction(SENSOR, every_nth=4)
    numbers = np.arange(100, dtype=np.uint8)[:, None, None] * np.ones((1, 20, 6), np.uint8)
    found = []
    for first, stop in ((0, 3), (3, 9), (17, 30), (30, 31)):
        kept, number = reduction.kept(Block(numbers[first:stop], first))
        assert kept[:, 0, 0].tolist() == [*range(number, stop, 4)]
        found += kept[:, 0, 0].tolist()
    assert found == [0, 4, 8, 20, 24, 28]
    kept, number = reduction.kept(Block(numbers[4:12:4], 4, stride=4))  # by the camera itself
    assert (kept[:, 0, 0].tolist(), number) == ([4, 8], 4)


def test_regions_that_do_not_fit_are_refused(refusals):
    crops = {
        'outside': (40, 0, 8, 20), 'below': (0, 15, 8, 6), 'no rows': (0, 0, 8, 0),
        'no columns': (8, 2, 0, 5), 'begins in a byte': (4, 0, 16, 20),
        'ends in a byte': (8, 0, 20, 20), 'negative': (-8, 0, 16, 20),
    }  # fmt: skip
    rows = {
        name: ('crop', functools.partial(Reduction, SENSOR, crop)) for name, crop in crops.items()
    }
    refusals('camera_crop', rows, CameraError)
