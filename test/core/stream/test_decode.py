# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np

from kit import bags
from spike_depth_ros.stream.decode import depth_from_msg


def test_millimetres_and_metres_say_the_same():
    metres = np.array([[1.5, 0.25], [np.nan, 6.0]], np.float32)
    millimetres = np.array([[1500, 250], [0, 6000]], np.uint16)
    for encoding, pixels in (('32FC1', metres), ('16UC1', millimetres)):
        np.testing.assert_allclose(depth_from_msg(bags.image(0, pixels, encoding)), metres)


def test_padded_rows_and_big_endian_images_are_read():
    message = bags.image(0, np.array([[1000, 2000, 9], [3000, 4000, 9]], '>u2'), '16UC1')
    message.width, message.is_bigendian = 2, 1
    np.testing.assert_allclose(depth_from_msg(message), [[1, 2], [3, 4]])


def test_what_is_no_measurement_is_unknown_and_sky_stays():
    pixels = np.array([[0, -1, np.inf, -np.inf]], np.float32)
    np.testing.assert_array_equal(
        depth_from_msg(bags.image(0, pixels, '32FC1')), [[np.nan, np.nan, np.inf, -np.inf]]
    )
