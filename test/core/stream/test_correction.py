# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spike_depth_ros.stream import packing
from spike_depth_ros.stream.correction import (
    MAX_FAULTY,
    Measured,
    SensorCorrection,
    count_factors,
)

SHAPE = (20, 21)


def correction(faulty=None, shape=SHAPE, gain=1.0, dark=0.0, **options):
    if faulty is None:
        faulty = np.zeros(shape, bool)
    maps = (np.full(faulty.shape, value, np.float32) for value in (gain, dark))
    return SensorCorrection(faulty, *maps, **options)


def nearest_good(faulty, row, column):
    """The good pixels that are nearest to a pixel."""
    rows, columns = np.nonzero(~faulty)
    distance = (rows - row) ** 2 + (columns - column) ** 2
    nearest = distance == distance.min()
    return set(zip(rows[nearest].tolist(), columns[nearest].tolist(), strict=True))


@given(
    st.integers(1, 12),
    st.integers(1, 20),
    st.integers(1, 35),
    st.sampled_from(['little', 'big']),
    st.integers(0, 2**32 - 1),
)
def test_faulty_pixels_have_the_bits_of_a_nearest_good_one(planes, height, width, order, seed):
    generator = np.random.default_rng(seed)
    spikes = generator.random((planes, height, width)) < 0.5
    faulty = np.zeros(height * width, bool)
    number = int(MAX_FAULTY * faulty.size)
    # Also several in one byte.
    faulty[generator.integers(0, max(faulty.size // 3, 1), number)] = True
    faulty = faulty.reshape(height, width)
    packed = packing.pack(spikes, order)
    before = packed.copy()
    found = correction(faulty).replace_faulty(packed, order)
    np.testing.assert_array_equal(packed, before)
    unpacked = packing.unpack(found, width, order)
    np.testing.assert_array_equal(unpacked[:, ~faulty], spikes[:, ~faulty])
    for row, column in np.argwhere(faulty):
        bits = unpacked[:, row, column]
        sources = nearest_good(faulty, row, column)
        assert any(np.array_equal(bits, spikes[:, r, c]) for r, c in sources)
    np.testing.assert_array_equal(found, packing.pack(unpacked, order))  # padding stays 0


@pytest.mark.parametrize('axes', [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_order_of_planes_in_memory_changes_nothing(axes):
    faulty = np.zeros(SHAPE, bool)
    faulty[0, 0] = True
    packed = packing.pack(np.random.default_rng(0).random((9, *SHAPE)) < 0.5)
    expected = correction(faulty).replace_faulty(packed, 'little')
    assert (expected != packed).any()
    stored = np.ascontiguousarray(packed.transpose(axes)).transpose(np.argsort(axes))
    np.testing.assert_array_equal(correction(faulty).replace_faulty(stored, 'little'), expected)


def test_planes_without_faulty_pixels_are_not_copied():
    packed = np.zeros((2, 20, 3), np.uint8)
    assert correction().replace_faulty(packed, 'little') is packed


def test_maps_of_replaced_pixels_are_those_of_their_sources():
    faulty = np.zeros(SHAPE, bool)
    faulty[3, 4] = True
    gain = 1 + np.arange(faulty.size).reshape(SHAPE) / 512
    gain[3, 4], dark = 5.0, np.where(faulty, 7.0, 0.0)
    one = SensorCorrection(faulty, gain, dark)
    row, column = divmod(int(one.sources[3, 4]), SHAPE[1])
    assert (row - 3) ** 2 + (column - 4) ** 2 == 1
    found = one.effective_maps
    assert found[0][3, 4] == np.float16(gain[row, column])
    assert found[1].max() == 0


def test_the_tensors_are_read_back():
    faulty = np.zeros(SHAPE, bool)
    faulty[5, 6] = True
    one = correction(faulty, gain=1.1, dark=210.0, measured=Measured(dark=True))
    again = SensorCorrection.from_tensors({**one.tensors(), 'other': np.zeros(1)})
    for name in ('faulty', 'gain', 'dark'):
        np.testing.assert_array_equal(getattr(one, name), getattr(again, name))
    assert again.measured == (False, True)
    assert again.size == SHAPE
    assert SensorCorrection.from_tensors({'other': np.zeros(1)}) is None


def test_a_part_of_a_sensor_has_its_maps():
    faulty = np.zeros(SHAPE, bool)
    faulty[5, 6] = True
    part = correction(faulty, dark=3.0).crop(slice(4, 16), slice(6, 18))
    assert part.size == (12, 12)
    assert part.faulty[1, 0]
    assert part.faulty.sum() == 1
    # The neighbour to the left is outside.
    assert part.sources[1, 0] in (0, 13, 24)


def test_factors_remove_dark_spikes_of_the_window_and_divide_by_the_response():
    total = np.array([0.0, 3.0, 10.0, 10.0])
    dark = np.array([1.0, 4.0, 4.0, 0.0])
    gain = np.array([1.0, 1.0, 1.5, 0.5])
    np.testing.assert_allclose(count_factors(total, dark, gain) * total, [0, 0, 4, 20])
