# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded streams: packets and what is none, planes by their stamps, times of recording."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import bags
from spike_depth_ros.io.bags.bag import Bag, BagError
from spike_depth_ros.io.streams import Packet, Refused, SizedStream, index
from spike_depth_ros.stream import packing

PLANES = 800


def stream_of(folder, messages, storage='mcap', **given):
    bag = Bag(bags.write(folder, messages, storage))
    return SizedStream(bag, '/spikes', '/camera_info', **given)


def seen(section, start, stop):
    return packing.unpack(section.load(start, stop), bags.WIDTH)


@pytest.fixture(scope='module')
def overtaken(tmp_path_factory):
    """The only section of a stream whose packets overtake each other."""
    folder = tmp_path_factory.mktemp('overtaken') / 'bag'
    return index(stream_of(folder, bags.overtaken(bags.stream(PLANES)))).sections()[0]


@settings(max_examples=30)
@given(st.integers(0, PLANES - 1), st.integers(1, PLANES))
def test_any_planes_are_those_of_their_numbers(overtaken, start, length):
    stop = min(start + length, PLANES)
    np.testing.assert_array_equal(
        seen(overtaken, start, stop), bags.moving_bars(PLANES)[start:stop]
    )


@given(st.integers(0, PLANES - 1))
def test_stamps_and_numbers_of_planes_belong_to_each_other(overtaken, plane):
    stamp_ns = bags.START + plane * bags.PERIOD
    assert overtaken.stamp_of(plane) == stamp_ns
    assert overtaken.plane_at(stamp_ns + 0.4 * bags.PERIOD) == plane


def test_in_order_packets_come_by_their_stamps(tmp_path):
    stream = stream_of(tmp_path / 'bag', bags.overtaken(bags.stream(PLANES)))
    packets = [*stream.packets()]
    assert [one.stamp_ns for one in packets] == sorted(one.stamp_ns for one in packets)
    assert {one.frame_id for one in packets} == {'spike_camera_optical_frame'}
    planes = np.concatenate([one.chunk.data for one in packets])
    np.testing.assert_array_equal(packing.unpack(planes, bags.WIDTH), bags.moving_bars(PLANES))


def test_sections_end_where_packets_are_missing(tmp_path):
    found = index(stream_of(tmp_path / 'bag', bags.stream(PLANES, leave_out=(5, 6, 19))))
    sections = found.sections()
    assert [one.planes for one in sections] == [200, 480]  # the last packet is the missing one
    assert sections[1].stamp_of(0) == bags.START + 280 * bags.PERIOD
    np.testing.assert_array_equal(seen(sections[1], 0, 9), bags.moving_bars(PLANES)[280:289])


def test_what_is_no_packet_is_told_with_its_stamp(tmp_path):
    messages = bags.stream(PLANES)
    odd = bags.image(bags.START + 1, np.zeros((31, 6), np.uint8), '8UC1')
    messages.insert(3, ('/spikes', messages[3][1], odd))
    found = index(stream_of(tmp_path / 'bag', messages))
    (refused,) = found.refused
    assert refused.stamp_ns == bags.START + 1
    assert 'height 31 does not divide by the sensor height 32' in refused.reason
    assert sum(place.planes for place in found.places) == PLANES


def test_a_damaged_message_has_no_stamp(tmp_path):
    stream = stream_of(tmp_path / 'bag', bags.stream(80))
    (entry, *_) = stream.bag.messages(['/spikes'])
    assert isinstance(stream.packet(entry), Packet)
    damaged = stream.packet(entry._replace(data=entry.data[:9]))
    assert isinstance(damaged, Refused)
    assert damaged.stamp_ns is None
    assert 'a message is no sensor_msgs/msg/Image' in damaged.reason


def test_the_size_is_that_of_the_calibration_or_given(tmp_path):
    bag = Bag(bags.write(tmp_path / 'bag', bags.stream(80)))
    assert SizedStream(bag, '/spikes', None, (48, 32)).height == 32
    with pytest.raises(BagError, match='so that the sensor size is unknown'):
        SizedStream(bag, '/spikes')
    with pytest.raises(BagError, match=r'camera_info has 48x32.*; expected 24x32 as given'):
        SizedStream(bag, '/spikes', '/camera_info', (24, 32)).check_size((24, 32))
    SizedStream(bag, '/spikes', '/camera_info').check_size((48, 32))


def test_planes_that_are_gone_are_refused(tmp_path):
    stream = stream_of(tmp_path / 'bag', bags.stream(80))
    (section,) = index(stream).sections()
    bags.cut_short(tmp_path / 'bag', 2)
    with pytest.raises(BagError, match='planes 70 to 80 cannot be read'):
        section.load(70, 80)


def whole(folder):
    """A bag that rosbags opens, with an index."""


def cut(folder):
    """One without an index and an end."""
    file = bags.storage_file(folder)
    content = file.read_bytes()
    file.write_bytes(content[: content.rindex(b'\x0f\x04\x00\x00\x00\x00\x00\x00\x00')])


@pytest.mark.parametrize('damage', [whole, cut])
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_messages_of_some_times_are_those_among_all(tmp_path, storage, damage):
    folder = bags.write(tmp_path / 'bag', bags.stream(PLANES, truths=(50, 90)), storage)
    if storage == 'mcap':
        damage(folder)
    bag, topics = Bag(folder), ['/spikes', '/depth/truth']
    every = [*bag.messages(topics)]
    first, stop = every[3].time_ns, every[9].time_ns
    assert [*bag.messages(topics, first, stop)] == every[3:9]
    assert [*bag.messages(topics, first)] == every[3:]
    assert [*bag.messages(topics, None, stop)] == every[:9]
