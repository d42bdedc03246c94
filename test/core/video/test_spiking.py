# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import itertools

import numpy as np
import pytest

from spike_depth_ros.stream import packing
from spike_depth_ros.video.spiking import QUANTA, IntegrateAndFire, cut, regrouped

HEIGHT, WIDTH = 6, 13


def light(seed, high=1.0):
    return np.random.default_rng(seed).random((HEIGHT, WIDTH), np.float32) * np.float32(high)


def empty():
    return IntegrateAndFire(np.zeros((HEIGHT, WIDTH), np.int32))


def test_it_is_the_naive_loop():
    before, after, planes = light(1), light(2), 37
    packed = IntegrateAndFire.shuffled(HEIGHT, WIDTH, 5).expose(before, after, planes)
    charge = np.random.default_rng(5).integers(0, QUANTA, (HEIGHT, WIDTH)) / QUANTA
    for plane, spikes in enumerate(packing.unpack(packed, WIDTH)):
        charge += before + (after.astype(float) - before) * plane / planes
        # In whole quanta, light is a little less here and there: look where that cannot matter.
        sure = np.abs(charge - 1) > 1e-4
        np.testing.assert_array_equal(spikes[sure], (charge >= 1)[sure])
        charge -= spikes
    assert packed.shape == (planes, HEIGHT, 2)


@pytest.mark.parametrize('share', [1 / 2, 1 / 4, 1 / 7, 1.0])
def test_intervals_are_threshold_over_luminance(share):
    still = np.full((HEIGHT, WIDTH), share, np.float32)
    spikes = packing.unpack(empty().expose(still, still, 700), WIDTH)
    fired = np.flatnonzero(spikes[:, 2, 3])
    assert np.unique(np.diff(fired)).tolist() in ([1 / share], [7, 8])
    assert len(fired) == pytest.approx(700 * share, abs=1)


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


@pytest.mark.parametrize('value', [-0.1, 1.01, np.nan])
def test_light_out_of_range_is_refused(value):
    with pytest.raises(ValueError, match='expected 0 to 1; scale and clip it'):
        empty().expose(light(1), np.full((HEIGHT, WIDTH), value, np.float32), 3)


def test_images_of_another_size_and_no_planes_are_refused():
    for image, planes in ((light(1)[:3], 5), (light(1), 0)):
        with pytest.raises(ValueError, match=r'expected 1 or more, and images \[6, 13\]'):
            empty().expose(image, image, planes)


def test_charge_out_of_range_is_refused():
    with pytest.raises(ValueError, match='expected 0 to 16777215'):
        IntegrateAndFire(np.full((2, 2), QUANTA, np.int32))


@pytest.mark.parametrize('size', [1, 4, 7, 100])
def test_regrouped_planes_are_the_same(size):
    numbers = np.arange(33, dtype=np.uint8).reshape(33, 1, 1)
    blocks = list(regrouped([numbers[:5], numbers[5:6], numbers[6:20], numbers[20:]], size))
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
