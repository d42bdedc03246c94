# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import math
import sys

import numpy as np
import pytest

from kit.streams import RATE_UNKNOWN, SETTINGS, SIZED, camera_info, packet
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.stream.ingest import (
    MAX_WAITING_PACKETS,
    SETTLE_AFTER_S,
    Ingest,
)
from spike_depth_ros.stream.window import Camera


@pytest.fixture
def warnings():
    return {}


@pytest.fixture
def ingest(warnings):
    return Ingest(SETTINGS, warnings.setdefault)


def disagreeing(number):
    """First plane of a packet; no two steps to the next ones agree on a rate."""
    return 100 * number + 20 * (number % 2)


def test_without_a_sensor_size_packets_are_refused_with_the_remedy(ingest, warnings):
    for number in range(MAX_WAITING_PACKETS + 3):
        ingest.on_spikes(packet(4 * number))
    assert ingest.packets_refused == {'unknown sensor size': 3}
    assert 'publish camera_info beside the spikes, or set sensor_width' in ''.join(
        warnings.values()
    )


@pytest.mark.parametrize('rate', [20_000, 30_000, 40_000, 1_280, 999.7])
def test_the_rate_is_inferred_and_times_do_not_drift(rate):
    ingest = Ingest(dataclasses.replace(RATE_UNKNOWN, window=10, ring_planes=5000), {}.setdefault)
    for first in range(0, 4000, 40):
        assert (ingest.ring is None) == (first <= 80)
        ingest.on_spikes(packet(first * 20_000 / rate, 40))
    assert ingest.ring.period_ns == round(1e9 / rate)
    for number in range(400):
        window = ingest.ring.take()
        assert abs(window.t0_ns - 10**18 - 10 * number * 1e9 / rate) <= 40
        assert abs(window.reference_ns - 10**18 - (10 * number + 5) * 1e9 / rate) <= 40
    assert (ingest.accounting().windowed, ingest.accounting().received) == (4000, 4000)


def test_a_gap_among_the_first_packets_does_not_spoil_the_rate():
    ingest = Ingest(dataclasses.replace(RATE_UNKNOWN, window=4), {}.setdefault)
    for first in (0, 4, 12, 16):
        ingest.on_spikes(packet(first))
        assert ingest.ring is None
    ingest.on_spikes(packet(20))
    assert ingest.ring.period_ns == 50_000
    ingest.settle()
    assert ingest.accounting().lost_in_transport == 4
    starts = [ingest.ring.take().t0_ns for _ in range(5)]
    assert starts == [10**18 + first * 50_000 for first in (0, 4, 12, 16, 20)]


def test_planes_that_wait_for_the_rate_are_pending_then_refused(warnings):
    ingest = Ingest(RATE_UNKNOWN, warnings.setdefault)
    for number in range(MAX_WAITING_PACKETS + 8):
        ingest.on_spikes(packet(disagreeing(number)))
        assert ingest.accounting().check() == (0, 0)
    ingest.on_spikes(packet(0, bit_order='big'))
    assert (ingest.ring, ingest.geometry) == (None, Geometry(5, 13))
    accounting = ingest.accounting()
    assert accounting.pending == 4 * MAX_WAITING_PACKETS
    assert accounting.refused == {'rate_unknown': 32, 'geometry': 4}
    assert list(warnings) == ['OTHER_GEOMETRY']
    ingest.on_spikes(packet(10_000))
    ingest.on_spikes(packet(10_004))
    ingest.on_spikes(packet(10_008))  # the rate is known before one more is refused
    assert ingest.accounting().refused['rate_unknown'] == 40
    assert ingest.accounting().check() == (0, 0)


def test_equal_losses_at_the_start_do_not_spoil_the_rate_for_good():
    ingest = Ingest(dataclasses.replace(RATE_UNKNOWN, ring_planes=500), {}.setdefault)
    for first in (0, 8, 16, *range(20, 400, 4)):
        ingest.on_spikes(packet(first))
    assert ingest.ring.period_ns == 50_000
    while (window := ingest.ring.take()) is not None:
        last = window
    assert last.t0_ns == 10**18 + 392 * 50_000
    assert ingest.accounting().check() == (0, 0)


def test_at_no_time_a_counter_decreases_when_the_rate_becomes_known():
    ingest = Ingest(RATE_UNKNOWN, {}.setdefault)
    seen = []
    sys.setprofile(lambda *_: seen.append(ingest.accounting().received))  # as other threads may
    for first in (0, 4, 8, 12):
        ingest.on_spikes(packet(first))
    sys.setprofile(None)
    assert seen == sorted(seen)
    assert set(seen) == {0, 4, 8, 12, 16}


def test_a_bad_packet_is_counted_and_shows_as_a_gap(ingest, warnings):
    ingest.on_camera_info(camera_info())
    ingest.on_spikes(packet(0))
    bad = packet(4)
    bad.encoding = 'rgb8'
    ingest.on_spikes(bad)
    ingest.on_spikes(packet(8))
    ingest.ring.settle()
    accounting = ingest.accounting()
    assert ingest.packets_refused == {'format': 1}
    assert (accounting.received, accounting.lost_in_transport, accounting.gaps) == (8, 4, 1)
    assert accounting.check() == (0, 0)
    assert "encoding 'rgb8'" in warnings['format']
    assert 'missing' in warnings['GAP']


def test_what_lost_planes_is_counted_and_told_apart(ingest, warnings):
    ingest.on_spikes(packet(0))
    ingest.on_spikes(packet(8), lost_by='queue')  # waits for the sensor size
    ingest.on_camera_info(camera_info())
    assert 'for the cause and the remedy' in warnings['GAP']
    ingest.on_spikes(packet(13))
    ingest.ring.settle()
    accounting = ingest.accounting()
    assert (accounting.lost_in_queue, accounting.lost_in_transport, accounting.dropped) == (
        4,
        1,
        13,
    )
    assert 'missing' in warnings['GAP']


def test_after_a_silence_the_account_is_final(ingest):
    ingest.on_camera_info(camera_info())
    ingest.on_spikes(packet(0))
    ingest.on_spikes(packet(8))
    assert ingest.accounting().lost_in_transport == 0
    ingest.last_packet_s -= SETTLE_AFTER_S
    assert ingest.accounting().lost_in_transport == 4


def test_where_no_clock_may_decide_the_account_waits(warnings):
    ingest = Ingest(SETTINGS, warnings.setdefault, settle_after_s=math.inf)
    ingest.on_camera_info(camera_info())
    ingest.on_spikes(packet(0))
    ingest.on_spikes(packet(8))
    ingest.last_packet_s -= 1e6
    assert ingest.accounting().lost_in_transport == 0


def test_a_rule_gives_the_capacity_from_the_first_packet(warnings):
    ingest = Ingest(SETTINGS, warnings.setdefault, capacity=lambda planes: 100 * planes)
    ingest.on_camera_info(camera_info())
    ingest.on_spikes(packet(0, planes=3))
    ingest.on_spikes(packet(3))
    assert ingest.ring.capacity == 300


def test_another_bit_order_is_refused(ingest, warnings):
    ingest.on_camera_info(camera_info())
    ingest.on_spikes(packet(0))
    ingest.on_spikes(packet(4, bit_order='big'))
    assert ingest.accounting().refused == {'geometry': 4}
    assert 'another bit order' in warnings['OTHER_GEOMETRY']


def test_camera_info_gives_the_focal_length_and_may_not_change_the_size(ingest, warnings):
    ingest.on_camera_info(camera_info(fx=321.0))
    ingest.on_spikes(packet(0, 8))
    assert ingest.ring.take() is not None
    ingest.on_camera_info(camera_info(height=1))
    assert ingest.camera.fx_px == 321.0
    assert 'size 13x1, expected 13x5' in warnings['camera_info']
    assert ingest.size_problem == warnings['camera_info']
    ingest.on_camera_info(camera_info(fx=321.0))
    assert ingest.size_problem == ''


def test_focal_lengths_that_are_none_in_pixels_leave_the_camera_as_it_was(ingest, warnings):
    ingest.on_camera_info(camera_info(fx=321.0))
    ingest.on_camera_info(camera_info(fx=0.8))
    assert ingest.camera.fx_px == 321.0
    assert (
        'camera_info: K has focal lengths 0.8 and 0.8; expected pixels above 1'
        in (warnings['camera_info'])
    )
    assert ingest.camera_problem == warnings['camera_info']
    ingest.on_camera_info(camera_info(fx=0.0))
    assert (ingest.camera.fx_px, ingest.camera_problem) == (None, '')


def test_a_size_that_the_packets_do_not_have_is_not_taken(ingest, warnings):
    ingest.on_camera_info(camera_info(fx=321.0))
    ingest.on_spikes(packet(0))
    ingest.on_camera_info(camera_info(height=6))
    assert ingest.ring.geometry == Geometry(5, 13)
    assert 'size 13x6, expected 13x5' in ingest.size_problem


def test_before_the_first_window_a_better_camera_info_makes_the_ring_anew(ingest, warnings):
    ingest.on_camera_info(camera_info(height=1, fx=100.0))
    old = [packet(0), packet(4)]
    for msg in old:
        ingest.on_spikes(msg)
    assert ingest.accounting().received == 40
    first = ingest.ring
    ingest.on_camera_info(camera_info(fx=200.0))
    ingest.on_spikes(packet(8, 8))
    assert first.take() is None
    accounting = ingest.accounting()
    assert (accounting.received, accounting.expected, accounting.check()) == (16, 16, (0, 0))
    window = ingest.ring.take()
    assert (window.geometry, window.camera.fx_px) == (Geometry(5, 13), 200.0)
    assert window.t0_ns == 10**18
    assert not ingest.packets_refused
    assert 'size 13x5 instead of 13x1' in warnings['camera_info']


def test_a_better_camera_info_is_taken_while_packets_wait_for_the_rate(warnings):
    ingest = Ingest(dataclasses.replace(RATE_UNKNOWN, sensor_height=1), warnings.setdefault)
    for number in range(MAX_WAITING_PACKETS + 1):
        ingest.on_spikes(packet(disagreeing(number)))
    assert ingest.accounting().refused == {'rate_unknown': 20}
    ingest.on_camera_info(camera_info(fx=200.0))
    assert 'size 13x5 instead of 13x1' in warnings['camera_info']
    assert ingest.packets_refused == {'other sensor size': 1}
    accounting = ingest.accounting()
    assert (accounting.received, accounting.pending) == (4 * MAX_WAITING_PACKETS,) * 2
    assert ingest.geometry == Geometry(5, 13)


def test_packets_of_another_size_are_refused_once(ingest):
    ingest.on_spikes(packet(0))
    for _ in range(3):
        ingest.on_camera_info(camera_info(width=99))
    ingest.on_spikes(packet(4))
    ingest.on_camera_info(camera_info())
    ingest.on_spikes(packet(8))
    assert ingest.packets_refused == {'format': 2}
    assert ingest.accounting().received == 4


def test_packets_that_were_not_kept_for_the_new_ring_are_counted(ingest):
    ingest.on_camera_info(camera_info(height=1))
    for number in range(MAX_WAITING_PACKETS + 3):
        ingest.on_spikes(packet(4 * number))
    ingest.on_camera_info(camera_info())
    assert ingest.packets_refused == {'other sensor size': 3}
    assert ingest.accounting().received == 4 * MAX_WAITING_PACKETS


@pytest.mark.parametrize('value', [math.nan, math.inf, -380.0])
@pytest.mark.parametrize('place', [0, 4])
def test_a_camera_matrix_that_cannot_be_is_refused_and_the_last_one_stays(
    ingest, warnings, value, place
):
    bad = camera_info(fx=321.0)
    bad.k[place] = value
    ingest.on_camera_info(bad)
    assert (ingest.size, ingest.camera.info) == ((5, 13), None)
    ingest.on_camera_info(camera_info(fx=321.0))
    assert ingest.camera_problem == ''
    ingest.on_camera_info(bad)
    assert ingest.camera.fx_px == 321.0
    assert 'expected finite values' in ingest.camera_problem


def test_windows_keep_frame_and_camera_of_their_own_planes(ingest):
    cameras = [camera_info(fx=380.0), camera_info(fx=190.0)]
    ingest.on_camera_info(cameras[0])
    ingest.on_spikes(packet(0, 8, frame='left'))
    ingest.on_spikes(packet(8, 8, frame='right'))
    ingest.on_camera_info(cameras[1])
    ingest.on_spikes(packet(16, 8, frame='right'))
    taken = [ingest.ring.take() for _ in range(3)]
    assert [window.camera.frame_id for window in taken] == ['left', 'right', 'right']
    assert [window.camera.fx_px for window in taken] == [380.0, 380.0, 190.0]
    infos = [window.camera.info for window in taken]
    assert [cameras.index(info) for info in infos] == [0, 0, 1]
    assert ingest.camera is taken[-1].camera


def test_packets_that_waited_for_the_size_take_its_camera_and_keep_their_frames(ingest):
    ingest.on_spikes(packet(0, 8, frame='left'))
    ingest.on_spikes(packet(8, 8, frame='right'))
    assert (ingest.ring, ingest.camera) == (None, Camera('right'))
    ingest.on_camera_info(camera_info(fx=380.0))
    assert (ingest.accounting().received, ingest.packets_refused.total()) == (16, 0)
    taken = [ingest.ring.take() for _ in range(2)]
    assert [window.t0_ns for window in taken] == [10**18, 10**18 + 8 * 50_000]
    assert [window.camera for window in taken] == [Camera('left', 380.0), Camera('right', 380.0)]


def test_packets_before_the_first_camera_info_have_the_set_size_and_stay_uncalibrated():
    ingest = Ingest(SIZED, {}.setdefault)
    ingest.on_spikes(packet(0, 8))
    assert (ingest.ring.geometry, ingest.camera.fx_px) == (Geometry(5, 13), None)
    ingest.on_camera_info(camera_info(fx=380.0))
    ingest.on_spikes(packet(8, 8))
    taken = [ingest.ring.take() for _ in range(2)]
    assert [window.camera for window in taken] == [Camera('frame'), Camera('frame', 380.0)]


def test_packets_that_wait_for_the_rate_keep_their_camera():
    ingest = Ingest(RATE_UNKNOWN, {}.setdefault)
    ingest.on_spikes(packet(0, 8, frame='left'))
    ingest.on_camera_info(camera_info(fx=380.0))
    ingest.on_spikes(packet(8, 8, frame='right'))
    ingest.on_camera_info(camera_info(fx=190.0))
    ingest.on_spikes(packet(16, 8, frame='right'))
    taken = [ingest.ring.take().camera for _ in range(3)]
    assert taken == [Camera('left'), Camera('right', 380.0), Camera('right', 190.0)]


def test_a_camera_info_without_size_is_refused(ingest, warnings):
    ingest.on_camera_info(camera_info(0, 0))
    assert ingest.camera.info is None
    assert 'size 0x0' in warnings['camera_info']


def test_the_ring_is_large_enough_for_two_windows_and_as_large_as_asked_for():
    assert dataclasses.replace(SETTINGS, ring_planes=0).capacity == 8192
    latest = dataclasses.replace(SETTINGS, ring_planes=0, policy='latest')
    assert latest.capacity == 1024
    assert dataclasses.replace(latest, window=1280).capacity == 2560
    assert dataclasses.replace(SETTINGS, ring_planes=3).capacity == 8


@pytest.mark.parametrize(('settings', 'waiting'), [(SETTINGS, 0), (RATE_UNKNOWN, 2)])
def test_a_ring_that_memory_cannot_hold_is_refused(warnings, settings, waiting):
    ingest = Ingest(dataclasses.replace(settings, ring_planes=10**13), warnings.setdefault)
    ingest.on_camera_info(camera_info())
    for number in range(waiting + 2):
        ingest.on_spikes(packet(4 * number))
    assert ingest.packets_refused == {'ring': 2}
    accounting = ingest.accounting()
    assert (accounting.pending, sum(accounting.refused.values())) == (0, 4 * waiting)
    assert accounting.check() == (0, 0)
    assert ingest.geometry is None  # no status says that the rate is unknown
    assert 'lower ring_planes' in warnings['ring']


def test_k_of_zeros_means_uncalibrated(ingest):
    ingest.on_camera_info(camera_info())
    assert ingest.camera.fx_px is None


def test_packets_that_wait_are_bounded_in_bytes(warnings):
    ingest = Ingest(RATE_UNKNOWN, warnings.setdefault)
    ingest.size = None
    for number in range(20):
        message = packet(4 * number)
        message.data = np.broadcast_to(np.uint8(0), 48_000_000)
        ingest.on_spikes(message)
    # 256 MiB are 5 packets of 48 MB.
    assert ingest.packets_refused == {'unknown sensor size': 20 - 5}
