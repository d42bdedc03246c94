# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from kit import bags
from spike_depth_ros.stream.decode import PacketError, chunk_from_msg, depth_from_msg


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


def test_a_hostile_encoding_is_told_in_one_bounded_line():
    message = bags.packet(0, np.zeros((4, 5, 13), np.uint8))
    message.encoding = 'x' * 10**6 + '\n'
    with pytest.raises(PacketError) as caught:
        chunk_from_msg(message, 5, 13)
    assert len(str(caught.value)) < 1000
    assert 'expected' in str(caught.value)
