# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import itertools
import threading
import time

import pytest

from spike_depth_ros.fusion.pairing import FAR_IN_A_ROW, FrameStore

T0 = 1_700_000_000_000_000_000
MS = 1_000_000


def store_of(*stamps_ms, **options):
    """A store of frames whose payload is their stamp."""
    store = FrameStore(**{'max_age_s': 0.1, **options})
    for stamp in stamps_ms:
        store.add(T0 + stamp * MS, stamp)
    return store


def test_the_last_frame_at_or_before_the_reference_is_found():
    store = store_of(0, 33, 66)
    assert store.find(T0 + 40 * MS) == (33, pytest.approx(0.007))
    assert store.find(T0 + 33 * MS) == (33, 0.0)
    assert store.find(T0 + 33 * MS - 1) == (0, pytest.approx(0.033))
    assert store.find(T0 + 166 * MS) == (66, 0.1)
    assert (store.found, store.stale, store.missing) == (4, 0, 0)


def test_frames_too_old_and_none_are_counted_apart():
    store = store_of(0)
    assert store.find(T0 + 100 * MS + 1) is None
    assert store.find(T0 - 1) is None
    assert (store.found, store.stale, store.missing) == (0, 1, 1)


def test_pairs_depend_on_stamps_alone_whatever_the_order_of_arrival():
    stamps = (0, 20, 40, 90, 130)
    references = [T0 + n * MS for n in range(-5, 135, 9)]
    expected = [store_of(*stamps).find(reference) for reference in references]
    for order in itertools.permutations(stamps):
        store = store_of(*order)
        assert all(map(store.is_decided, references[:-1]))
        assert [store.find(reference) for reference in references] == expected


def test_the_newest_frames_by_stamp_are_kept():
    store = store_of(30, 0, 60, 90, 120, 45, keep=3)
    assert store.dropped == 3
    assert [store.find(T0 + n * MS) for n in (59, 60)] == [None, (60, 0.0)]


def test_a_frame_of_the_same_stamp_is_replaced():
    store = store_of(0, keep=1)
    store.add(T0, 'again')
    assert store.find(T0) == ('again', 0.0)
    assert store.dropped == 0


def test_a_later_frame_decides():
    store = store_of(0, 33)
    assert store.is_decided(T0 + 33 * MS - 1)
    assert not store.is_decided(T0 + 33 * MS)
    store.add(T0 + 10 * MS, 10)  # late
    assert not store.is_decided(T0 + 33 * MS)


def test_wait_ends_with_the_frame_that_decides():
    store = store_of(0)
    assert not store.wait(T0, 0.0)
    threads = [
        threading.Timer(0.02 * n, store.add, (T0 + stamp, None))
        for n, stamp in enumerate((-MS, 0, MS), 1)
    ]
    for thread in threads:
        thread.start()
    begun = time.monotonic()
    assert store.wait(T0, 30.0)
    assert time.monotonic() - begun < 20
    assert store.find(T0 + MS) == (None, 0.0)
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(('offset_s', 'text'), [(-7.5, '7.500 s behind'), (2, '2.000 s ahead of')])
def test_frames_of_another_clock_are_a_problem(offset_s, text):
    store = FrameStore(0.1)
    for n in range(FAR_IN_A_ROW):
        assert store.problem == ''
        store.add(T0 + round(1e9 * (offset_s + n)), None)
        store.find(T0 + n * 1000 * MS)
    assert text in store.problem
    assert 'expected at most 1.1 s' in store.problem
    store.add(T0, None)
    store.find(T0)
    assert store.problem == ''


def test_a_stream_that_stands_still_is_no_other_clock():
    store = FrameStore(0.1)
    store.find(T0 - 10_000 * MS)
    store.add(T0, 0)
    for n in range(2 * FAR_IN_A_ROW):  # no frames
        store.find(T0 + n * 1000 * MS)
    assert store.problem == ''
    for n in range(2 * FAR_IN_A_ROW):  # no windows
        store.add(T0 + n * 1000 * MS, n)
    assert store.problem == ''


def test_a_frame_near_the_spikes_in_between_ends_the_row():
    store = FrameStore(0.1)
    for n in range(4 * FAR_IN_A_ROW):
        store.add(T0 + (n % FAR_IN_A_ROW > 0) * 5000 * MS, None)
        store.find(T0)
        assert store.problem == ''


def test_reset_forgets_frames_and_the_clock():
    store = FrameStore(0.1)
    for n in range(FAR_IN_A_ROW):
        store.add(T0 + n, None)
        store.find(T0 + 5000 * MS)
    assert store.problem
    store.reset()
    assert store.problem == ''
    assert not store.is_decided(0)
    assert store.find(T0 + MS) is None
    assert (store.stale, store.missing) == (FAR_IN_A_ROW, 1)


@pytest.mark.parametrize(('age', 'keep'), [(-0.1, 8), (float('nan'), 8), (0.1, 0)])
def test_arguments_out_of_range_are_refused(age, keep):
    with pytest.raises(ValueError, match='expected seconds, 0 or more, and 1 frame or more'):
        FrameStore(age, keep)
