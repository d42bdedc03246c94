# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from spike_depth_ros.stream import packing
from spike_depth_ros.stream.window import Camera, Window, reference_index


@pytest.mark.parametrize(('reference', 'plane'), [('first', 0), ('middle', 5), ('last', 9)])
def test_the_reference_plane_gives_the_stamp(reference, plane):
    spikes = np.random.default_rng(7).integers(0, 2, (10, 3, 13))
    window = Window.from_planes(spikes, 20_000, t0_ns=123, reference=reference)
    assert reference_index(reference, 10) == window.reference_plane == plane
    assert window.reference_ns == 123 + plane * 50_000
    assert (window.planes, window.rate_hz) == (10, 20_000)
    np.testing.assert_array_equal(window.data, packing.pack(spikes))
    assert window.camera == Camera('', None)


def test_spikes_that_make_no_window_are_refused():
    with pytest.raises(ValueError, match=r'spikes \[3, 4\]'):
        Window.from_planes(np.zeros((3, 4)), 20_000)
    with pytest.raises(ValueError, match='plane rate 0 Hz'):
        Window.from_planes(np.zeros((3, 4, 5)), 0)
    for rate in ('20k', None, float('nan'), -1, 2e9):
        with pytest.raises(ValueError, match=r'plane rate .*: expected a number of planes'):
            Window.from_planes(np.zeros((3, 4, 5)), rate)


@pytest.mark.parametrize('kind', [bool, np.uint8, np.int64, np.float16, np.float64])
def test_any_type_that_holds_0_and_1_makes_the_same_window(kind):
    spikes = np.random.default_rng(7).integers(0, 2, (10, 3, 13))
    window = Window.from_planes(spikes.astype(kind), np.float32(20_000))
    np.testing.assert_array_equal(window.data, packing.pack(spikes))


@pytest.mark.parametrize(
    ('value', 'kind', 'line'),
    [
        (np.nan, float, '1 values other than 0 and 1, the first is nan'),
        (255, np.uint8, 'the first is 255: .* convert a mask by mask > 0'),
        (2, np.int64, 'the first is 2'),
        (-1, np.int8, 'the first is -1'),
        (0.5, np.float32, 'the first is 0.5'),
        ('x', str, 'spikes of type <U1: expected bool, or numbers 0 and 1'),
        (1j, complex, 'spikes of type complex128'),
    ],
)
def test_other_values_are_refused(value, kind, line):
    spikes = np.zeros((3, 4, 5), kind)
    spikes[1, 2, 3] = value
    with pytest.raises(ValueError, match=line) as caught:
        Window.from_planes(spikes, 20_000)
    assert '\n' not in str(caught.value)
