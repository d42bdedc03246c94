# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import threading
import time

import numpy as np

from spike_depth_ros.cameras.capture_ring import CaptureRing

BYTES = 16


def put(ring, first, planes, missing=0, stride=1):
    """Put planes that hold their numbers."""
    data = np.zeros((planes, BYTES // 8), '<i8')
    data[:, 0] = np.arange(planes) * stride + first
    ring.miss(missing)
    ring.put(data.ctypes.data, planes, first)


def numbers(taken):
    found = taken.planes.view('<i8')[:, 0].tolist()
    assert found[0] == taken.first
    return found


def test_planes_come_out_in_order_around_the_end_of_the_memory():
    ring = CaptureRing(BYTES, 10)
    put(ring, 0, 7)
    assert numbers(ring.take(5, 0)) == [0, 1, 2, 3, 4]
    assert numbers(ring.take(5, 0)) == [5, 6]
    put(ring, 7, 6)  # over the end
    assert ring.waiting == 6
    assert numbers(ring.take(9, 0)) == [7, 8, 9]
    assert numbers(ring.take(9, 0)) == [10, 11, 12]
    assert ring.take(9, 0) is None


def test_taken_planes_stay_until_more_are_taken():
    ring = CaptureRing(BYTES, 4)
    put(ring, 0, 4)
    taken = ring.take(4, 0)
    put(ring, 4, 1)  # no room yet
    assert numbers(taken) == [0, 1, 2, 3]
    assert ring.take(4, 0) is None
    put(ring, 5, 1)
    again = ring.take(1, 0)
    assert (numbers(again), again.missing, again.overrun) == ([5], 0, 1)


def test_what_is_lost_stands_before_the_planes_behind_it():
    ring = CaptureRing(BYTES, 6)
    put(ring, 0, 4)
    put(ring, 7, 2, missing=3)
    put(ring, 9, 1)  # full
    put(ring, 12, 1, missing=2)  # full
    taken = ring.take(9, 0)
    assert (numbers(taken), taken.missing, taken.overrun) == ([0, 1, 2, 3], 0, 0)
    taken = ring.take(9, 0)
    assert (numbers(taken), taken.missing, taken.overrun) == ([7, 8], 3, 0)
    put(ring, 13, 1)
    taken = ring.take(9, 0)
    assert (numbers(taken), taken.missing, taken.overrun) == ([13], 2, 2)


def test_numbers_may_have_a_stride_and_begin_anew():
    ring = CaptureRing(BYTES, 6, stride=5)
    put(ring, 100, 2, stride=5)
    put(ring, 110, 1)
    assert numbers(ring.take(9, 0)) == [100, 105, 110]
    put(ring, 120, 1)  # without a loss: planes that are left out hide it
    put(ring, 125, 1)
    assert numbers(ring.take(9, 0)) == [120, 125]
    put(ring, 130, 1, missing=4)
    ring.clear()
    put(ring, 0, 2, stride=5)
    taken = ring.take(9, 0)
    assert (numbers(taken), taken.missing) == ([0, 5], 0)


def test_a_full_ring_takes_no_more_memory():
    ring = CaptureRing(BYTES, 2)
    for number in range(1, 2000, 2):
        put(ring, number, 1, missing=1)
    assert len(ring._gaps) <= 2


def test_a_reader_that_waits_is_woken_by_the_planes():
    ring = CaptureRing(BYTES, 100)
    threading.Timer(0.05, put, (ring, 0, 8)).start()
    begun = time.monotonic()
    assert len(ring.take(8, 20).planes) == 8
    assert time.monotonic() - begun < 5
    assert ring.take(8, 0.01) is None
