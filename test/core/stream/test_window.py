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


@pytest.mark.parametrize('kind', [bool, np.uint8, np.int64, np.float16, np.float64])
def test_any_type_that_holds_0_and_1_makes_the_same_window(kind):
    spikes = np.random.default_rng(7).integers(0, 2, (10, 3, 13))
    window = Window.from_planes(spikes.astype(kind), np.float32(20_000))
    np.testing.assert_array_equal(window.data, packing.pack(spikes))
