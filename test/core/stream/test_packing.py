# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from spike_depth_ros.stream import packing

BIT_ORDERS = st.sampled_from(['little', 'big'])
SPIKES = hnp.arrays(
    np.uint8,
    st.tuples(st.integers(1, 70), st.integers(1, 5), st.integers(1, 35)),
    elements=st.integers(0, 1),
)


def packed_bit_by_bit(spikes, bit_order):
    planes, height, width = spikes.shape
    packed = np.zeros((planes, height, (width + 7) // 8), np.uint8)
    for plane, row, column in np.argwhere(spikes):
        place = column % 8 if bit_order == 'little' else 7 - column % 8
        packed[plane, row, column // 8] |= 1 << place
    return packed


@given(SPIKES, BIT_ORDERS)
def test_pack_equals_bit_by_bit_and_unpack_undoes_it(spikes, bit_order):
    packed = packing.pack(spikes, bit_order)
    np.testing.assert_array_equal(packed, packed_bit_by_bit(spikes, bit_order))
    np.testing.assert_array_equal(packing.unpack(packed, spikes.shape[2], bit_order), spikes)


def test_any_non_zero_value_is_a_spike():
    np.testing.assert_array_equal(packing.pack([[0, 255, 0.25, -1, 0, 0, 0, 0, 3]]), [[14, 1]])


@given(SPIKES, BIT_ORDERS, st.integers(1, 40))
def test_bin_counts_equal_sums_of_unpacked_planes(spikes, bit_order, bins):
    packed = packing.pack(spikes, bit_order)
    counts, lengths = packing.bin_counts(packed, spikes.shape[2], bit_order, bins)
    edges = packing.bin_edges(len(spikes), bins)
    np.testing.assert_array_equal(lengths, edges[:, 1] - edges[:, 0])
    np.testing.assert_array_equal(counts, [spikes[a:b].sum(axis=0) for a, b in edges])


@given(st.integers(1, 2000), st.integers(1, 64))
def test_bins_tile_the_window_or_take_the_nearest_plane(planes, bins):
    edges = packing.bin_edges(planes, bins)
    lengths = edges[:, 1] - edges[:, 0]
    if planes >= bins:
        assert edges[0, 0] == 0
        assert edges[-1, 1] == planes
        np.testing.assert_array_equal(edges[1:, 0], edges[:-1, 1])
        assert lengths.max() - lengths.min() <= 1
    else:
        assert set(lengths) == {1}
        centres = (np.arange(bins) + 0.5) * planes / bins
        assert np.abs(edges[:, 0] + 0.5 - centres).max() <= 0.5


def test_counts_above_255_are_uint16():
    packed = packing.pack(np.ones((700, 2, 9), np.uint8))
    counts, lengths = packing.bin_counts(packed, 9, bins=2)
    assert counts.dtype == np.uint16
    assert counts.min() == counts.max() == 350
    assert lengths.tolist() == [350, 350]
    np.testing.assert_array_equal(packing.spike_counts(packed, 9), np.full((2, 9), 700))


def test_counts_go_into_a_view_of_a_padded_buffer():
    spikes = np.random.default_rng(0).integers(0, 2, (50, 3, 13))
    buffer = np.full((32, 5, 16), 77, np.uint8)
    packing.bin_counts(packing.pack(spikes), 13, out=buffer[:, :3, :13])
    expected, _ = packing.bin_counts(packing.pack(spikes), 13)
    np.testing.assert_array_equal(buffer[:, :3, :13], expected)
    assert (buffer[:, 3:] == 77).all()
    assert (buffer[:, :, 13:] == 77).all()
