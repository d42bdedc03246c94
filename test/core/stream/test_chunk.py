# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from spike_depth_ros.stream.chunk import Geometry, SpikeChunk


def test_sizes_of_a_width_that_is_not_a_multiple_of_eight():
    geometry = Geometry(height=250, width=401)
    assert (geometry.row_bytes, geometry.plane_bytes) == (51, 12_750)


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (np.zeros((3, 2, 2), np.uint8), r'uint8 \[3, 2, 2\], expected uint8 \[planes, 2, 1\]'),
        (np.zeros((3, 2, 1), np.int8), 'packed planes are int8'),
        (np.zeros((0, 2, 1), np.uint8), 'without planes; expected at least one'),
    ],
)
def test_data_that_does_not_fit_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        SpikeChunk(data, Geometry(2, 8), 0)


def test_bad_geometry_is_refused():
    with pytest.raises(ValueError, match='sensor size 0x250'):
        Geometry(height=250, width=0)
    with pytest.raises(ValueError, match="bit order 'lsb'"):
        Geometry(250, 400, 'lsb')
