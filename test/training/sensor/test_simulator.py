# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The simulator against the plainest loop, and the physics it stands for."""

from __future__ import annotations

import numpy as np
import numpy.testing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spike_depth_ros.stream import packing
from spike_training.sensor.simulator import QUANTA, SpikeSimulator, simulate


def naive(luminance: np.ndarray, charge: np.ndarray) -> np.ndarray:
    """Spikes by one pixel and one plane at a time; charge and light in whole quanta."""
    planes, height, width = luminance.shape
    packed = np.zeros((planes, height, (width + 7) // 8), np.uint8)
    for row in range(height):
        for column in range(width):
            held = int(charge[row, column])
            for plane in range(planes):
                held += round(float(luminance[plane, row, column]) * QUANTA)
                if held >= QUANTA:
                    held -= QUANTA
                    packed[plane, row, column // 8] |= 1 << (column % 8)
    return packed


def initial_charge(seed: int, height: int, width: int) -> np.ndarray:
    """Charge, in quanta, of a camera that has not seen light yet."""
    camera = SpikeSimulator(height, width, np.random.default_rng(seed))
    return (camera.charge * QUANTA).astype(np.int64)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 12), st.integers(1, 3), st.integers(1, 18)),
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
    levels=st.sampled_from([None, 1, 2, 4]),
)
def test_equals_the_naive_loop_bit_for_bit(shape, seed, dtype, levels) -> None:
    light = np.random.default_rng(seed).random(shape).astype(dtype)
    if levels:  # round shares, 0 and 1 among them, reach the threshold exactly
        light = np.rint(light * levels).astype(dtype) / dtype(levels)
    _, height, width = shape
    packed = simulate(light, np.random.default_rng(seed))
    npt.assert_array_equal(packed, naive(light, initial_charge(seed, height, width)))


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, 30), max_size=4), seed=st.integers(0, 1000))
def test_cutting_a_recording_into_calls_changes_nothing(cuts: list[int], seed: int) -> None:
    light = np.random.default_rng(seed).random((30, 2, 9), np.float32)
    camera = SpikeSimulator(2, 9, np.random.default_rng(seed))
    parts = [camera.step(part) for part in np.split(light, sorted(cuts))]
    npt.assert_array_equal(np.concatenate(parts), simulate(light, np.random.default_rng(seed)))


def test_charge_is_conserved_exactly() -> None:
    rng = np.random.default_rng(3)
    light = np.rint(rng.random((500, 4, 11)) * QUANTA) / QUANTA
    camera = SpikeSimulator(4, 11, rng)
    before = camera.charge
    spikes = packing.unpack(camera.step(light), 11).astype(np.float64)
    # Sums of multiples of 2**-24 below 2**29 are exact in float64.
    npt.assert_array_equal(before + light.sum(axis=0), spikes.sum(axis=0) + camera.charge)
    assert camera.charge.min() >= 0
    assert camera.charge.max() < 1


def test_a_pixel_fires_when_its_charge_just_reaches_the_threshold() -> None:
    for short, fires in ((0, True), (1, False)):
        camera = SpikeSimulator(3, 8, np.random.default_rng(7))
        light = (1 - camera.charge) - short / QUANTA
        spikes = packing.unpack(camera.step(light[None]), 8)
        assert (spikes == fires).all()
        npt.assert_array_equal(camera.charge, 0 if fires else 1 - 1 / QUANTA)


def test_firing_rate_is_linear_in_luminance() -> None:
    shares = np.linspace(0, 1, 101, dtype=np.float32)
    light = np.broadcast_to(shares, (400, 20, 101))
    rate = packing.unpack(simulate(light), 101).mean(axis=0)
    # A count differs from the expected one by less than one spike, whatever the phase.
    assert np.abs(rate - shares).max() < 1 / 400 + 1e-6
    npt.assert_array_equal(rate[:, [0, -1]], np.tile([0, 1], (20, 1)))


def test_phases_are_spread_evenly() -> None:
    light = np.full((10, 100, 100), 0.1, np.float32)
    spikes = packing.unpack(simulate(light, np.random.default_rng(1)), 100)
    assert (spikes.sum(axis=0) == 1).mean() > 0.99
    share = spikes.mean(axis=(1, 2))
    assert share.min() > 0.08
    assert share.max() < 0.12


def test_the_seed_decides_the_phases() -> None:
    light = np.full((8, 5, 9), 0.3, np.float32)
    first, same, other = (simulate(light, np.random.default_rng(seed)) for seed in (1, 1, 2))
    npt.assert_array_equal(first, same)
    assert (first != other).any()


@pytest.mark.parametrize('value', [-0.01, 1.01, 255.0, np.nan])
def test_luminance_out_of_range_is_refused(value: float) -> None:
    light = np.full((2, 3, 4), 0.5, np.float32)
    light[1, 2, 3] = value
    with pytest.raises(ValueError, match='expected 0 to 1'):
        simulate(light)


@pytest.mark.parametrize('shape', [(2, 3, 5), (2, 4, 4), (3, 4)])
def test_another_size_is_refused(shape: tuple[int, ...]) -> None:
    camera = SpikeSimulator(3, 4, np.random.default_rng(0))
    with pytest.raises(ValueError, match='3 rows and 4 columns'):
        camera.step(np.zeros(shape, np.float32))


def test_no_planes_give_no_planes() -> None:
    assert simulate(np.zeros((0, 3, 9), np.float32)).shape == (0, 3, 2)
