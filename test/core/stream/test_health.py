# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from spike_depth_ros.stream import health as stream_health
from spike_depth_ros.stream import packing


def smooth_stream(width=80):
    """A scene with slopes and an edge, seen over 100 planes."""
    rng = np.random.default_rng(0)
    rate = 0.3 + 0.25 * np.sin(np.arange(width) / 9) * np.cos(np.arange(40) / 7)[:, None]
    rate[:, width // 2 :] *= 0.5
    return rng.random((100, 40, width)) < rate


@pytest.mark.parametrize('width', [80, 83])
def test_the_right_bit_order_fits_and_the_wrong_one_does_not(width):
    packed = packing.pack(smooth_stream(width), 'little')
    right = packing.spike_counts(packed, width, 'little')
    wrong = packing.spike_counts(packed, width, 'big')
    assert stream_health.bit_order_misfit(right) < 1 / stream_health.STRIPES_SURE
    assert stream_health.bit_order_misfit(wrong) > stream_health.STRIPES_SURE


@pytest.mark.parametrize('counts', [np.full((5, 64), 7), np.arange(50).reshape(5, 10)])
def test_a_picture_that_cannot_tell_gives_one(counts):
    assert stream_health.bit_order_misfit(counts.astype(np.uint8)) == 1.0


def test_light_counts_pixels():
    counts = np.array([[0, 0, 5, 10], [10, 10, 5, 0]], np.uint8)
    light = stream_health.light(counts, planes=10)
    assert (light.mean_rate, light.always, light.never) == (0.5, 3 / 8, 3 / 8)
    assert light.saturated
    assert not light.too_dark
    assert stream_health.light(np.zeros((2, 2), np.uint8), 10).too_dark
