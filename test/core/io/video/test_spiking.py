# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.streams import naive_spikes, plane_quanta, quanta_of
from spike_depth_ros.io.video.spiking import (
    QUANTA,
    IntegrateAndFire,
    LinearLight,
    cut,
    integrate_and_fire,
    linear_light,
    regroup,
    to_quanta,
)
from spike_depth_ros.stream import packing

HEIGHT, WIDTH = 6, 13


def light(seed, high=1.0):
    return np.random.default_rng(seed).random((HEIGHT, WIDTH), np.float32) * np.float32(high)


def empty():
    return IntegrateAndFire(np.zeros((HEIGHT, WIDTH), np.int32))


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 18)),
    cuts=st.lists(st.integers(1, 20), min_size=1, max_size=4),
    seed=st.integers(0, 2**32 - 1),
    levels=st.sampled_from([None, 1, 2, 4]),
)
def test_it_equals_the_naive_loop_bit_for_bit(shape, cuts, seed, levels):
    rng = np.random.default_rng(seed)
    images = rng.random((len(cuts) + 1, *shape), np.float32)
    if levels:  # round shares, 0 and 1 among them, reach the threshold exactly
        images = np.rint(images * levels).astype(np.float32) / np.float32(levels)
    charge = rng.integers(0, QUANTA, shape)
    camera = IntegrateAndFire(charge)
    packed = [camera.expose(*images[k : k + 2], planes) for k, planes in enumerate(cuts)]
    expected = naive_spikes(plane_quanta(images, [0, *np.cumsum(cuts)]), charge)
    np.testing.assert_array_equal(np.concatenate(packed), packing.pack(expected))


@pytest.mark.parametrize('mode', ['keep', 'reset'])
def test_light_of_single_planes_equals_the_naive_loop(mode):
    images = np.random.default_rng(4).random((50, HEIGHT, WIDTH), np.float32)
    charge, spikes = np.zeros((HEIGHT, WIDTH), np.int32), np.empty((HEIGHT, WIDTH), bool)
    single = [LinearLight(1, to_quanta(np, image)) for image in images]
    expected = naive_spikes(quanta_of(images), charge.copy(), mode)
    for plane in integrate_and_fire(np, charge, single, spikes, mode):
        np.testing.assert_array_equal(spikes, expected[plane])
    assert plane == 49


def test_a_pixel_fires_when_its_charge_just_reaches_the_threshold():
    charge = np.random.default_rng(7).integers(0, QUANTA, (HEIGHT, WIDTH))
    for short, fires in ((0, True), (1, False)):
        missing = ((QUANTA - charge - short) / QUANTA).astype(np.float32)
        spikes = packing.unpack(IntegrateAndFire(charge).expose(missing, missing, 1), WIDTH)
        assert (spikes == fires).all()


@pytest.mark.parametrize('share', [1 / 2, 1 / 4, 1 / 7, 1.0])
def test_intervals_are_threshold_over_luminance(share):
    still = np.full((HEIGHT, WIDTH), share, np.float32)
    spikes = packing.unpack(empty().expose(still, still, 700), WIDTH)
    fired = np.flatnonzero(spikes[:, 2, 3])
    assert np.unique(np.diff(fired)).tolist() in ([1 / share], [7, 8])
    assert len(fired) == pytest.approx(700 * share, abs=1)


def test_light_between_two_images_is_linear_and_stays_between_them():
    before, after, planes = light(1), light(2), 37
    _, first, slope = linear_light(np, before, after, planes)
    low, high = np.minimum(before, after) * QUANTA, np.maximum(before, after) * QUANTA
    for plane in range(planes):
        quanta = first + plane * slope
        expected = before + (after.astype(float) - before) * plane / planes
        np.testing.assert_allclose(quanta / QUANTA, expected, atol=(planes + 3) / QUANTA)
        assert (quanta >= np.floor(low)).all()
        assert (quanta <= np.ceil(high)).all()


def test_no_charge_is_lost_between_calls():
    still = light(3)
    whole, cut = (IntegrateAndFire.shuffled(HEIGHT, WIDTH, 1) for _ in range(2))
    parts = [cut.expose(still, still, planes) for planes in (1, 40, 59)]
    np.testing.assert_array_equal(np.concatenate(parts), whole.expose(still, still, 100))


def test_rates_are_the_light():
    planes = 2000
    packed = IntegrateAndFire.shuffled(HEIGHT, WIDTH).expose(light(1), light(2), planes)
    rate = packing.spike_counts(packed, WIDTH) / planes
    np.testing.assert_allclose(rate, (light(1) + light(2)) / 2, atol=2 / planes)


def test_pixels_do_not_fire_together():
    still = np.full((HEIGHT, WIDTH), 0.25, np.float32)
    packed = IntegrateAndFire.shuffled(HEIGHT, WIDTH).expose(still, still, 4)
    per_plane = packing.unpack(packed, WIDTH).sum((1, 2))
    assert per_plane.max() < 0.5 * HEIGHT * WIDTH
    assert per_plane.sum() == HEIGHT * WIDTH


@pytest.mark.parametrize('size', [1, 4, 7, 100])
def test_regroup_planes_are_the_same(size):
    numbers = np.arange(33, dtype=np.uint8).reshape(33, 1, 1)
    blocks = list(regroup([numbers[:5], numbers[5:6], numbers[6:20], numbers[20:]], size))
    np.testing.assert_array_equal(np.concatenate(blocks), numbers)
    assert {len(block) for block in blocks[:-1]} <= {size}
    assert len(blocks[-1]) <= size


def test_a_long_exposure_is_cut_into_short_ones_of_the_same_light():
    before, after = light(1, 0.5), light(2, 0.5)
    parts = list(cut(before, after, 100, 30))
    assert [planes for *_, planes in parts] == [30, 30, 30, 10]
    np.testing.assert_array_equal(parts[0][0], before)
    np.testing.assert_array_equal(parts[-1][1], after)
    for (_, end, _), (start, _, _) in itertools.pairwise(parts):
        np.testing.assert_array_equal(end, start)
    np.testing.assert_allclose(parts[1][1], 0.4 * before + 0.6 * after, atol=1e-6)
    whole, short = (IntegrateAndFire.shuffled(HEIGHT, WIDTH, 3) for _ in range(2))
    expected = whole.expose(before, after, 100)
    planes = np.concatenate([short.expose(*part) for part in parts])
    # A spike moves by a plane here and there: quanta are rounded in each part.
    assert (
        np.abs(
            packing.spike_counts(planes, WIDTH) - packing.spike_counts(expected, WIDTH).astype(int)
        ).max()
        <= 1
    )
    assert (packing.unpack(planes, WIDTH) != packing.unpack(expected, WIDTH)).mean() < 0.01
