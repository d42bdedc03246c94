# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ring against plain lists of planes; every plane carries its own number as its pixels."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from spike_depth_ros.stream.chunk import Geometry, SpikeChunk
from spike_depth_ros.stream.ring import PlaneRing
from spike_depth_ros.stream.stamps import RESTART_AFTER_NS, Arrival
from spike_depth_ros.stream.window import Camera, reference_index

GEOMETRY = Geometry(1, 32)
PERIOD = 50_000
T0 = 1_700_000_000_000_000_123


def chunk(first, planes, t0_ns=None, geometry=GEOMETRY):
    """Planes numbered from ``first``, stamped on the clock of plane 0 at ``T0``."""
    numbers = np.arange(first, first + planes, dtype='<u4')
    data = numbers.view(np.uint8).reshape(planes, 1, 4)
    stamp = T0 + first * PERIOD if t0_ns is None else t0_ns
    return SpikeChunk(data, geometry, stamp)


def numbers_of(window):
    return window.data.reshape(-1, 4).copy().view('<u4').ravel().tolist()


def drain(ring):
    taken = []
    while (window := ring.take()) is not None:
        taken.append(window)
    return taken


def ring_of(window, hop=0, policy='every', capacity=10_000, period_ns=PERIOD, **options):
    return PlaneRing(GEOMETRY, period_ns, window, hop, policy, capacity, **options)


# A stream: packets of some planes, each after some missing planes; and when the consumer looks.
PACKETS = st.lists(
    st.tuples(st.integers(1, 9), st.sampled_from([0, 0, 0, 0, 1, 5]), st.booleans()),
    min_size=1,
    max_size=40,
)


def runs_of(packets):
    """Plain lists of consecutive plane numbers, split where planes are missing."""
    runs, number = [[]], 0
    for planes, missing, _ in packets:
        if missing and runs[-1]:
            runs.append([])
        number += missing
        runs[-1] += range(number, number + planes)
        number += planes
    return runs


def play(ring, packets):
    """Append the packets, looking where they say so; the windows that were taken."""
    number, taken = 0, []
    for planes, missing, look in packets:
        number += missing
        ring.append(chunk(number, planes))
        number += planes
        assert ring.accounting().check() == (0, 0)
        if look:
            taken += drain(ring)
            assert ring.accounting().check() == (0, 0)
    return taken


@given(PACKETS, st.integers(1, 12), st.integers(1, 15))
def test_every_gives_each_hop_of_each_run_without_a_gap(packets, window, hop):
    ring = ring_of(window, hop)
    taken = play(ring, packets) + drain(ring)
    ring.settle()
    runs = runs_of(packets)
    expected = [
        run[start : start + window]
        for run in runs
        for start in range(0, len(run) - window + 1, hop)
    ]
    assert [numbers_of(w) for w in taken] == expected
    accounting = ring.accounting()
    seen = {number for numbers in expected for number in numbers}
    assert accounting.received == sum(len(run) for run in runs)
    assert accounting.windowed == len(seen)
    assert accounting.overwritten == 0
    first_missing = packets[0][1]  # before the first packet nothing is known to be missing
    assert accounting.lost_in_transport == sum(p[1] for p in packets) - first_missing


@given(PACKETS, st.integers(1, 12), st.integers(1, 15))
def test_planes_before_a_gap_are_refused_unless_the_hop_skips_them(packets, window, hop):
    ring = ring_of(window, hop)
    play(ring, packets)
    drain(ring)
    refused = skipped = 0
    for run in runs_of(packets)[:-1]:
        windowed, wanted = set(), set()
        start = 0
        while start < len(run):
            wanted |= set(range(start, min(start + window, len(run))))
            if start + window <= len(run):
                windowed |= set(range(start, start + window))
            start += hop
        refused += len(wanted - windowed)
        skipped += len(set(range(len(run))) - wanted)
    accounting = ring.accounting()
    assert accounting.refused.get('gap', 0) == refused
    assert accounting.skipped_by_policy >= skipped


@given(PACKETS, st.integers(1, 8), st.integers(1, 10), st.integers(0, 10))
def test_windows_of_a_small_ring_are_consecutive_and_every_plane_is_counted(
    packets, window, hop, spare
):
    ring = ring_of(window, hop, capacity=window + spare)
    taken = play(ring, packets) + drain(ring)
    seen = set()
    for got in taken:
        numbers = numbers_of(got)
        assert numbers == list(range(numbers[0], numbers[0] + window))
        assert got.t0_ns == T0 + numbers[0] * PERIOD
        assert got.reference_ns == T0 + (numbers[0] + window // 2) * PERIOD
        seen |= set(numbers)
    starts = [numbers_of(w)[0] for w in taken]
    assert starts == sorted(set(starts))
    accounting = ring.accounting()
    assert accounting.windowed == len(seen)
    assert accounting.received == sum(p[0] for p in packets)
    assert accounting.pending < window + max(hop, window + spare)


def test_planes_that_a_long_hop_skips_are_not_overwritten():
    ring = ring_of(4, 100, capacity=16)
    taken = []
    for first in range(0, 400, 4):
        ring.append(chunk(first, 4))
        taken += drain(ring)
    assert [numbers_of(window)[0] for window in taken] == [0, 100, 200, 300]
    accounting = ring.accounting()
    assert (accounting.windowed, accounting.overwritten) == (16, 0)
    assert accounting.skipped_by_policy + accounting.pending == 400 - 16


@given(
    PACKETS,
    st.integers(1, 12),
    st.integers(1, 15),
    st.integers(0, 12),
    st.sampled_from(['latest', 'every']),
    st.sampled_from(['first', 'middle', 'last']),
)
def test_a_window_has_the_camera_of_its_reference_plane(
    packets, window, hop, spare, policy, reference
):
    ring = ring_of(window, hop, policy, window + spare, reference=reference)
    number, taken, cameras = 0, [], {}
    for sent, (planes, missing, look) in enumerate(packets):
        number += missing
        camera = Camera(f'frame {sent}', float(1 + sent), object())
        cameras |= dict.fromkeys(range(number, number + planes), camera)
        ring.append(chunk(number, planes), camera=camera)
        number += planes
        taken += drain(ring) if look else []
    for got in taken + drain(ring):
        assert got.camera is cameras[numbers_of(got)[reference_index(reference, window)]]


def test_the_camera_of_a_refused_packet_is_none_of_the_stream():
    left, right = Camera('left', 380.0), Camera('right', 190.0)
    ring = ring_of(window=4)
    ring.append(chunk(4, 4), camera=left)
    assert ring.append(chunk(0, 4), camera=right) is Arrival.BACKWARD
    ring.append(chunk(8, 4), camera=left)
    assert [w.camera for w in drain(ring)] == [left, left]


def newest_window(runs, stored, window, earliest):
    """The last planes of the newest run that has a whole window late enough; else none."""
    for run in reversed(runs):
        if len(run) >= window and stored.index(run[-window]) >= earliest:
            return run[-window:]
    return []


@given(PACKETS, st.integers(1, 8), st.integers(1, 10))
def test_latest_gives_the_newest_full_window(packets, window, hop):
    ring = ring_of(window, hop, 'latest')
    number, runs, stored, earliest, seen = 0, [[]], [], 0, set()
    for planes, missing, look in packets:
        number += missing
        if missing:
            runs.append([])
        runs[-1] += range(number, number + planes)
        stored += range(number, number + planes)
        ring.append(chunk(number, planes))
        number += planes
        if look:
            got = ring.take()
            numbers = [] if got is None else numbers_of(got)
            assert numbers == newest_window(runs, stored, window, earliest)
            if numbers:
                earliest = stored.index(numbers[0]) + hop
                seen |= set(numbers)
        assert ring.accounting().check() == (0, 0)
    accounting = ring.accounting()
    assert accounting.windowed == len(seen)
    assert (accounting.overwritten, accounting.refused) == (0, {})


@given(PACKETS, st.integers(1, 8), st.sampled_from(['latest', 'every']), st.integers(0, 9))
def test_nothing_is_dropped_while_nobody_wants_windows(packets, window, policy, spare):
    ring = ring_of(window, 0, policy, capacity=window + spare)
    number, taken = 0, []
    ring.discard()
    for planes, missing, look in packets:
        number += missing
        ring.append(chunk(number, planes))
        number += planes
        if look:
            ring.discard()
        accounting = ring.accounting()
        assert accounting.check() == (0, 0)
        assert (accounting.overwritten, accounting.refused) == (0, {})
    assert ring.accounting().skipped_by_policy + ring.accounting().pending == sum(
        p[0] for p in packets
    )
    ring.discard()
    ring.append(chunk(number, window))
    taken = drain(ring)
    assert [numbers_of(w) for w in taken] == [list(range(number, number + window))]


def test_a_full_ring_overwrites_the_oldest_and_counts_them():
    ring = ring_of(window=4, capacity=8)
    ring.append(chunk(0, 8))
    ring.append(chunk(8, 3))
    assert ring.accounting().overwritten == 3
    assert [numbers_of(w)[0] for w in drain(ring)] == [3, 7]
    assert ring.accounting().pending == 0


def test_a_packet_above_the_capacity_keeps_its_newest_planes():
    ring = ring_of(window=4, capacity=6)
    ring.append(chunk(0, 20))
    assert numbers_of(ring.take()) == [14, 15, 16, 17]
    assert ring.accounting().overwritten == 14
    assert ring.accounting().check() == (0, 0)


TWO_CLOCKS = [clock + 4 * step for step in range(5) for clock in (1000, 0)]


@pytest.mark.parametrize(
    ('starts', 'arrivals', 'restarts', 'windows'),
    [
        ((0, 4, 0, 8), 'FNBN', 0, [0, 4, 8]),  # late, or repeated
        ((1000, 0, 4, 8), 'FBRN', 1, [1000, 4, 8]),  # the clock is set back
        (TWO_CLOCKS, 'FBNBNBNBNB', 0, [1000, 1004, 1008, 1012, 1016]),  # two publishers
    ],
)
def test_packets_from_the_past_are_refused(starts, arrivals, restarts, windows):
    ring = ring_of(window=4)
    assert ''.join(ring.append(chunk(first, 4)).name[0] for first in starts) == arrivals
    accounting = ring.accounting()
    assert accounting.refused == {'backward': 4 * arrivals.count('B')}
    assert (accounting.restarts, accounting.lost_in_transport, accounting.gaps) == (restarts, 0, 0)
    assert [numbers_of(w)[0] for w in drain(ring)] == windows


def test_a_long_pause_is_a_restart_not_a_loss():
    ring = ring_of(window=4)
    ring.append(chunk(0, 4))
    pause = 1 + RESTART_AFTER_NS // PERIOD
    assert ring.append(chunk(4 + pause, 4)) is Arrival.RESTART
    assert ring.accounting().lost_in_transport == 0
    assert ring.append(chunk(8 + 2 * pause - 2, 4)) is Arrival.GAP
    ring.settle()
    assert ring.accounting().lost_in_transport == pause - 2


def test_another_geometry_is_refused():
    ring = ring_of(window=4)
    ring.append(chunk(0, 4))
    assert ring.append(chunk(4, 4, geometry=Geometry(1, 32, 'big'))) is Arrival.OTHER_GEOMETRY
    assert ring.append(chunk(4, 4)) is Arrival.NEXT
    assert ring.accounting().refused == {'geometry': 4}
    assert ring.accounting().check() == (0, 0)


def test_stamps_within_the_tolerance_are_no_gap():
    ring = ring_of(window=4, stamp_tolerance=3.0)
    ring.append(chunk(0, 4))
    assert ring.append(chunk(4, 4, T0 + 7 * PERIOD)) is Arrival.NEXT
    assert ring.append(chunk(8, 4, T0 + 15 * PERIOD)) is Arrival.GAP
    ring.settle()
    assert ring.accounting().lost_in_transport == 4


def test_discarded_planes_are_skipped_and_the_stream_goes_on():
    ring = ring_of(window=4, hop=2)
    ring.append(chunk(0, 7))
    ring.discard()
    assert ring.accounting().skipped_by_policy == 7
    assert ring.take() is None
    assert ring.append(chunk(7, 4)) is Arrival.NEXT
    assert numbers_of(ring.take()) == [7, 8, 9, 10]
    assert ring.accounting().check() == (0, 0)


def test_a_window_is_owned():
    ring = ring_of(window=4, capacity=4)
    ring.append(chunk(0, 4))
    window = ring.take()
    ring.append(chunk(4, 4))
    assert numbers_of(window) == [0, 1, 2, 3]


@pytest.mark.parametrize(('reference', 'plane'), [('first', 0), ('middle', 5), ('last', 9)])
def test_the_reference_plane_gives_the_stamp(reference, plane):
    ring = ring_of(window=10, reference=reference)
    ring.append(chunk(0, 10))
    window = ring.take()
    assert window.reference_plane == plane
    assert window.reference_ns == T0 + plane * PERIOD


@pytest.mark.parametrize('factor', [0.5, 2])
def test_another_rate_is_taken_over_after_a_while(factor):
    ring = ring_of(window=4, inferred=True)
    for step in range(40):
        ring.append(chunk(4 * step, 4))
    drain(ring)
    before = ring.accounting()
    start, period = T0 + 160 * PERIOD, round(factor * PERIOD)
    arrivals = []
    for step in range(80):
        arrivals.append(ring.append(chunk(160 + 4 * step, 4, start + 4 * step * period)))
        assert ring.accounting().check() == (0, 0)
        windows = drain(ring)
    assert arrivals.count(Arrival.NEW_RATE) == 1
    assert set(arrivals[40:]) == {Arrival.NEXT}
    assert ring.period_ns == period
    assert numbers_of(windows[-1]) == list(range(476, 480))
    assert windows[-1].t0_ns == start + 316 * period
    assert ring.accounting().restarts == before.restarts + 1


def test_a_rate_that_was_set_is_kept_and_the_stamps_are_heard():
    ring = ring_of(window=4)
    for step in range(40):
        assert ring.append(chunk(4 * step, 4, T0 + 8 * step * PERIOD)) is not Arrival.NEW_RATE
    assert ring.period_ns == PERIOD
    assert ring.stamped_period_ns == 2 * PERIOD


def test_a_stamp_that_is_early_costs_its_packet_alone():
    ring = ring_of(window=4)
    ring.append(chunk(0, 4))
    assert ring.append(chunk(4, 4, T0 + 4 * PERIOD - 40_000)) is Arrival.BACKWARD
    assert ring.append(chunk(8, 4, T0 + 8 * PERIOD - 40_000)) is Arrival.NEXT
    accounting = ring.accounting()
    assert (accounting.expected, accounting.lost_in_transport) == (12, 0)
    assert accounting.refused == {'backward': 4}
    assert [numbers_of(w)[0] for w in drain(ring)] == [0, 8]


@given(
    PACKETS,
    st.lists(
        st.builds(
            lambda plane, off_ns: plane * PERIOD + off_ns,
            st.integers(-1, 60),
            st.one_of(st.just(0), st.integers(-PERIOD // 2, PERIOD // 2)),
        ),
        min_size=1,
        max_size=30,
    ),
    st.integers(1, 12),
    st.sampled_from(['latest', 'every']),
    st.sampled_from(['first', 'middle', 'last']),
)
def test_take_at_gives_the_window_of_the_nearest_plane(packets, times, window, policy, reference):
    ring = ring_of(window, policy=policy, reference=reference)
    play(ring, [(planes, missing, False) for planes, missing, _ in packets])
    runs = [run for run in runs_of(packets) if run]
    index, after, seen = reference_index(reference, window), -1, set()
    stored = [number for run in runs for number in run]
    for off_ns in sorted(times):
        nearest = min(stored, key=lambda number: abs(number * PERIOD - off_ns))
        numbers = list(range(nearest - index, nearest - index + window))
        run = next(run for run in runs if nearest in run)
        near = 2 * abs(nearest * PERIOD - off_ns) <= PERIOD
        begins = near and numbers[0] in run and numbers[0] > after
        arrived = off_ns <= runs[-1][-1] * PERIOD
        awaited = not arrived or (begins and (numbers[-1] in run or run is runs[-1]))
        assert ring.awaits(T0 + off_ns) == awaited
        taken = ring.take_at(T0 + off_ns)
        if arrived and begins and numbers[-1] in run:
            assert numbers_of(taken) == numbers
            after = numbers[0]
            seen |= set(numbers)
        else:
            assert taken is None
        accounting = ring.accounting()
        assert accounting.check() == (0, 0)
        assert accounting.windowed == len(seen)
    assert ring.accounting().overwritten == 0


@given(PACKETS, st.integers(1, 8), st.integers(0, 10), st.integers(0, 9), st.data())
def test_windows_taken_in_every_manner_count_each_plane_once(packets, window, hop, spare, data):
    policy = data.draw(st.sampled_from(['latest', 'every']))
    ring = ring_of(window, hop, policy, window + spare)
    number, seen = 0, set()
    for planes, missing, _ in packets:
        number += missing
        ring.append(chunk(number, planes))
        number += planes
        manner = data.draw(st.sampled_from(['take', 'until', 'take_at', 'skip', 'discard', '']))
        time_ns = T0 + data.draw(st.integers(-2, number + 2)) * PERIOD
        taken = None
        if manner == 'take':
            taken = ring.take()
        elif manner == 'until':
            expected_ns = ring.next_reference_ns(time_ns)
            taken = ring.take(until_ns=time_ns)
            assert expected_ns == (taken and taken.reference_ns)
            assert taken is None or taken.reference_ns <= time_ns
        elif manner == 'take_at':
            taken = ring.take_at(time_ns)
        elif manner:
            getattr(ring, manner)()
        seen |= set(numbers_of(taken)) if taken is not None else set()
        accounting = ring.accounting()
        assert accounting.check() == (0, 0)
        assert accounting.windowed == len(seen)
        assert accounting.pending <= window + spare


def test_a_window_at_a_time_is_awaited_until_a_later_plane_arrives():
    ring = ring_of(window=4, reference='last')
    assert ring.newest_ns is None
    assert ring.awaits(T0)
    ring.append(chunk(0, 8))
    assert ring.newest_ns == T0 + 7 * PERIOD
    time_ns = T0 + 7 * PERIOD + 10
    assert ring.take_at(time_ns) is None  # the next plane might be nearer, by its own stamp
    assert ring.awaits(time_ns)
    ring.append(chunk(8, 1))
    assert numbers_of(ring.take_at(time_ns)) == [4, 5, 6, 7]
    assert not ring.awaits(time_ns)


def test_a_chunk_that_is_early_may_have_the_nearest_plane():
    ring = ring_of(window=4, reference='last')
    ring.append(chunk(0, 8))
    ring.append(chunk(8, 8, T0 + 8 * PERIOD - 20_000))
    assert numbers_of(ring.take_at(T0 + 7 * PERIOD + 14_999)) == [4, 5, 6, 7]
    assert numbers_of(ring.take_at(T0 + 7 * PERIOD + 15_001)) == [5, 6, 7, 8]


@pytest.mark.parametrize('emptied', ['discard', 'close_unused', 'overwritten'])
def test_planes_that_left_the_ring_are_not_awaited(emptied):
    ring = ring_of(window=4, capacity=8)
    ring.append(chunk(0, 8))
    if emptied == 'overwritten':
        ring.append(chunk(8, 8))
    else:
        getattr(ring, emptied)()
    assert ring.take_at(T0 + 4 * PERIOD) is None
    assert not ring.awaits(T0 + 4 * PERIOD)
    assert ring.awaits(ring.newest_ns + PERIOD)


def test_a_window_at_a_time_starts_later_than_the_last_one():
    ring = ring_of(window=4)
    ring.append(chunk(0, 8))
    ring.append(chunk(10, 20))
    assert numbers_of(ring.take_at(T0 + 20 * PERIOD)) == [18, 19, 20, 21]
    assert ring.take_at(T0 + 20 * PERIOD) is None
    assert ring.take_at(T0 + 4 * PERIOD) is None
    assert numbers_of(ring.take_at(T0 + 21 * PERIOD)) == [19, 20, 21, 22]
    accounting = ring.accounting()
    assert (accounting.windowed, accounting.skipped_by_policy, accounting.pending) == (5, 16, 7)


def test_planes_before_a_gap_are_refused_with_the_last_window_there():
    ring = ring_of(window=4)
    ring.append(chunk(0, 6))
    ring.append(chunk(8, 2))
    ring.take()
    assert ring.accounting().refused == {'gap': 2}


def test_a_window_at_a_time_may_follow_discarded_planes():
    ring = ring_of(window=4)
    ring.append(chunk(0, 8))
    ring.discard()
    ring.append(chunk(8, 8))
    assert not ring.awaits(T0 + 9 * PERIOD)  # it would begin before them
    assert numbers_of(ring.take_at(T0 + 10 * PERIOD)) == [8, 9, 10, 11]
    assert not ring.close_unused()


@pytest.mark.parametrize('looks', ['take', 'next_reference_ns', 'take_at'])
def test_planes_count_as_overwritten_once_there_is_a_consumer_again(looks):
    ring = ring_of(window=4, capacity=8)
    ring.discard()
    ring.append(chunk(0, 3))
    assert getattr(ring, looks)(*[T0] * (looks == 'take_at')) is None
    ring.append(chunk(3, 7))
    accounting = ring.accounting()
    assert (accounting.overwritten, accounting.skipped_by_policy) == (2, 0)


def test_a_skipped_window_is_none_of_the_stream():
    ring = ring_of(window=4, hop=3)
    ring.skip()
    ring.append(chunk(0, 11))
    ring.skip()
    assert ring.accounting().skipped_by_policy == 3
    assert [numbers_of(w)[0] for w in drain(ring)] == [3, 6]
    assert ring.accounting().pending == 1


def test_the_next_window_of_every_waits_for_its_time():
    ring = ring_of(window=4)
    ring.append(chunk(0, 12))
    assert ring.take(until_ns=T0 + 2 * PERIOD - 1) is None
    assert numbers_of(ring.take(until_ns=T0 + 9 * PERIOD)) == [0, 1, 2, 3]
    assert ring.next_reference_ns() == T0 + 6 * PERIOD
