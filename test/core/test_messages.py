# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import bags
import numpy as np
import pytest

from spike_depth_ros.estimator import Prediction
from spike_depth_ros.stream.messages import (
    PacketError,
    depth_from_msg,
    published_depth,
    scaled_matrix,
)


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


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        ({'encoding': 'rgb8'}, "encoding 'rgb8'; expected '32FC1' .* or '16UC1'"),
        ({'step': 4}, 'width 3 and step 4 bytes; expected at least 4 bytes a pixel'),
        ({'height': 5}, 'data holds 24 bytes; expected height 5 x step 12 = 60'),
        ({'width': 0}, 'width 0'),
    ],
)
def test_what_is_no_depth_is_refused_with_both_numbers(changes, text):
    message = bags.image(0, np.ones((2, 3), np.float32), '32FC1')
    for field, value in changes.items():
        setattr(message, field, value)
    with pytest.raises(PacketError, match=text):
        depth_from_msg(message)


def test_published_depth_says_too_near_beyond_and_masked():
    depth = np.array([[1.0, 1.02, 5.0, 9.8, 7.0]], np.float32)
    unsure = np.array([[0.1, 0.1, 0.1, 0.1, 7.0]], np.float32)
    prediction = Prediction(depth, unsure, (1.0, 10.0), 'metric', 1, ())
    np.testing.assert_array_equal(
        published_depth(prediction), np.float32([[-np.inf, -np.inf, 5, np.inf, 7]])
    )
    assert np.isnan(published_depth(prediction, max_relative=0.5)[0, 4])
    assert depth[0, 0] == 1.0  # the prediction itself is left alone


def test_a_camera_matrix_follows_binned_pixels():
    k = [400.0, 0, 199.5, 0, 400, 124.5, 0, 0, 1]
    assert scaled_matrix(k, 3, 2) == [200.0, 0, 99.5, 0, 200, 62, 0, 0, 1]
    assert scaled_matrix(k, 3, 1) == k
    assert scaled_matrix(np.zeros(9), 3, 2) == [0.0] * 9
