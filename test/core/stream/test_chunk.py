# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0

from spike_depth_ros.stream.chunk import Geometry


def test_sizes_of_a_width_that_is_not_a_multiple_of_eight():
    geometry = Geometry(height=250, width=401)
    assert (geometry.row_bytes, geometry.plane_bytes) == (51, 12_750)
