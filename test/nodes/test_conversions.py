# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import array
import functools

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from spike_depth_ros.estimator import Prediction
from spike_depth_ros.nodes.parts import conversions
from spike_depth_ros.stream import decode, packing
from spike_depth_ros.stream.chunk import Geometry, SpikeChunk

STAMP = 1_700_000_000_123_456_789


def stream(planes=7, height=5, width=13):
    return np.random.default_rng(0).integers(0, 2, (planes, height, width), dtype=np.uint8)


@pytest.mark.parametrize('bit_order', ['little', 'big'])
def test_a_chunk_survives_the_message(bit_order):
    spikes = stream()
    sent = SpikeChunk(packing.pack(spikes, bit_order), Geometry(5, 13, bit_order), STAMP)
    msg = conversions.spikes_msg(sent, 'camera_optical_frame')
    assert (msg.height, msg.width, msg.step, msg.encoding) == (35, 2, 2, '8UC1')
    assert msg.is_bigendian == (bit_order == 'big')
    assert msg.header.frame_id == 'camera_optical_frame'
    received = decode.chunk_from_msg(msg, 5, 13)
    assert received.geometry == sent.geometry
    assert received.t0_ns == STAMP
    np.testing.assert_array_equal(packing.unpack(received.data, 13, bit_order), spikes)


def test_packed_planes_are_a_view_of_the_message():
    msg = conversions.spikes_msg(
        SpikeChunk(packing.pack(stream()), Geometry(5, 13), STAMP), 'frame'
    )
    received = decode.chunk_from_msg(msg, 5, 13)
    msg.data[0] ^= 0xFF
    assert received.data[0, 0, 0] == msg.data[0]


def test_flipped_rows_are_sent_as_they_are_seen():
    upside_down = packing.pack(stream())[:, ::-1]
    msg = conversions.spikes_msg(SpikeChunk(upside_down, Geometry(5, 13), STAMP), 'frame')
    received = decode.chunk_from_msg(msg, 5, 13)
    np.testing.assert_array_equal(packing.unpack(received.data, 13), stream()[:, ::-1])


def test_one_unpacked_plane_is_packed():
    plane = stream(planes=1)[0]
    padded = np.full((5, 16), 99, np.uint8)
    padded[:, :13] = plane * 255
    msg = Image(
        height=5, width=13, step=16, encoding='mono8', data=array.array('B', padded.tobytes())
    )
    received = decode.chunk_from_msg(msg, 5, 13)
    np.testing.assert_array_equal(packing.unpack(received.data, 13)[0], plane)


def packed_msg(**changes):
    msg = conversions.spikes_msg(
        SpikeChunk(packing.pack(stream()), Geometry(5, 13), STAMP), 'frame'
    )
    for field, value in changes.items():
        setattr(msg, field, value)
    return msg


def test_a_message_that_does_not_fit_is_refused(refusals):
    wrong = {
        'half a plane': ('height 34', {'height': 34}),
        'no row': ('height 0', {'height': 0, 'data': array.array('B')}),
        'another width': ('width 3', {'width': 3, 'step': 3}),
        'another step': ('step 4', {'step': 4}),
        'another encoding': ('encoding', {'encoding': 'bgr8'}),
        'a byte is missing': ('69 bytes', {'data': array.array('B', bytes(69))}),
        'a plane of another size': ('2x35', {'encoding': 'mono8'}),
    }
    rows = {
        name: (named, functools.partial(decode.chunk_from_msg, packed_msg(**changes), 5, 13))
        for name, (named, changes) in wrong.items()
    }
    refusals('packet', rows, decode.PacketError)


def prediction(depth, uncertainty):
    depth, uncertainty = np.array([depth], np.float32), np.array([uncertainty], np.float32)
    return Prediction(depth, uncertainty, (1.0, 100.0), 'metric', 1, ())


def blank(side, binning):
    """A prediction of that size."""
    depth = np.ones((side, side), np.float32)
    return Prediction(depth, depth, (1.0, 100.0), 'metric', binning, ())


def test_depth_out_of_range_is_infinite_and_masked_depth_is_nan():
    msg = conversions.depth_msg(
        prediction(
            [1.0, 1.02, 1.03, 50.0, 97.9, 98.0, 10.0], [0, 0, 0, 24, 0, 0, 6]
        ).published_depth(max_relative=0.5),
        Header(frame_id='f'),
    )
    assert (msg.encoding, msg.height, msg.width, msg.step) == ('32FC1', 1, 7, 28)
    pixels = np.frombuffer(msg.data, np.float32)
    expected = [-np.inf, -np.inf, 1.03, 50, 97.9, np.inf, np.nan]
    np.testing.assert_allclose(pixels, np.array(expected, np.float32))


def test_nothing_is_masked_by_default_and_the_prediction_stays_whole():
    seen = prediction([0.5, 10.0], [0, 500])
    pixels = np.frombuffer(
        conversions.depth_msg(seen.published_depth(), Header()).data, np.float32
    )
    np.testing.assert_array_equal(pixels, np.array([-np.inf, 10], np.float32))
    np.testing.assert_array_equal(seen.depth, [[0.5, 10]])


def test_uncertainty_and_preview_come_back():
    head = Header(frame_id='f')
    seen = prediction([2.0, 3.0], [0.25, np.inf])
    msg = conversions.uncertainty_msg(seen, head)
    np.testing.assert_array_equal(conversions.array_from_msg(msg), seen.uncertainty)
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    msg = conversions.preview_msg(grey, head)
    assert msg.encoding == 'mono8'
    np.testing.assert_array_equal(conversions.array_from_msg(msg), grey)


def test_the_camera_of_a_depth_image_follows_its_size():
    camera = CameraInfo(height=1000, width=1000)
    camera.k = [800.0, 0.0, 499.5, 0.0, 810.0, 480.0, 0.0, 0.0, 1.0]
    camera.p = [800.0, 0.0, 499.5, 0.0, 0.0, 810.0, 480.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    head = Header(frame_id='f')
    same = conversions.camera_info_msg(camera, head, blank(1000, 1))
    assert list(same.k) == list(camera.k)
    assert same.header == head
    half = conversions.camera_info_msg(camera, head, blank(500, 2))
    assert (half.height, half.width) == (500, 500)
    # A ray must keep its direction: sensor pixel 499.5 is depth pixel 249.5 is the optical axis.
    np.testing.assert_allclose(half.k, [400, 0, 249.5, 0, 405, 239.75, 0, 0, 1])
    np.testing.assert_allclose(half.p, [400, 0, 249.5, 0, 0, 405, 239.75, 0, 0, 0, 1, 0])
    assert camera.k[0] == 800


def test_an_uncalibrated_camera_stays_uncalibrated():
    info = conversions.camera_info_msg(None, Header(frame_id='f'), blank(500, 2))
    assert not any(info.k)
    assert (info.height, info.width) == (500, 500)


@pytest.mark.parametrize('nanoseconds', [0, 1, 999_999_999, STAMP])
def test_stamps_are_exact(nanoseconds):
    assert decode.stamp_ns(conversions.stamp_msg(nanoseconds)) == nanoseconds
