# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs against plain lists of stamps; every plane carries its own number as its pixels."""

import dataclasses
import math
import threading

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from spike_depth_ros.stereo.pairing import REPORT_AFTER_NS, WindowPairs
from spike_depth_ros.stream.chunk import Geometry, SpikeChunk
from spike_depth_ros.stream.ring import PlaneRing

GEOMETRY = Geometry(1, 32)
PERIOD = 50_000
T0 = 1_700_000_000_000_000_123


@dataclasses.dataclass
class Eye:
    """Chunks of a stream, ``(first plane, planes, stamp)``, and their planes in runs."""

    chunks: list
    runs: list

    @property
    def planes(self):
        """Number and time of each plane."""
        return [plane for run in self.runs for plane in run]


def eye(lengths, phase=0, drift=0.0, jitter=(0,)):
    """A stream of chunks, each of some planes after some missing ones."""
    number, chunks, runs = 0, [], [[]]
    for index, (planes, missing) in enumerate(lengths):
        number += missing
        stamp = T0 + phase + round(number * PERIOD * (1 + drift)) + jitter[index % len(jitter)]
        if missing and runs[-1]:
            runs.append([])
        runs[-1] += [(number + n, stamp + n * PERIOD) for n in range(planes)]
        chunks.append((number, planes, stamp))
        number += planes
    return Eye(chunks, runs)


def late(stream, late_ns):
    """The stream with stamps that are late."""
    return Eye([(first, planes, ns + late_ns) for first, planes, ns in stream.chunks], stream.runs)


def steady(planes, first=0, phase=0, length=4):
    """A stream without gaps, from plane ``first`` on."""
    lengths = [(length, first), *[(length, 0)] * (planes // length - 1)]
    return eye(lengths, phase)


def pairs_of(window, hop=0, policy='every', capacity=10_000, changed=None, **options):
    """Rings of both eyes and their pairs; right stamps may be late by any time unless stated."""
    shared = changed or threading.Condition()
    left, right = (
        PlaneRing(GEOMETRY, PERIOD, window, hop, policy, capacity, changed=shared)
        for _ in range(2)
    )
    return left, right, WindowPairs(left, right, **{'pair_wait_s': math.inf, **options})


def append(ring, chunks):
    for first, planes, stamp in chunks:
        numbers = np.arange(first, first + planes, dtype='<u4')
        ring.append(SpikeChunk(numbers.view(np.uint8).reshape(planes, 1, 4), GEOMETRY, stamp))
        check(ring)


def check(ring):
    accounting = ring.accounting()
    assert accounting.check() == (0, 0)
    assert accounting.pending >= 0


def numbers_of(window):
    return window.data.reshape(-1, 4).copy().view('<u4').ravel().tolist()


def drain(pairs):
    taken = []
    while (pair := pairs.take()) is not None:
        taken.append(pair)
    return taken


def firsts(taken):
    """First plane of both windows of each pair."""
    return [
        (numbers_of(left)[0], None if right is None else numbers_of(right)[0])
        for left, right in taken
    ]


LENGTHS = st.lists(
    st.tuples(st.integers(1, 9), st.sampled_from([0, 0, 0, 0, 1, 5])), min_size=1, max_size=30
)
PHASES = st.one_of(st.integers(-20 * PERIOD, 20 * PERIOD), st.sampled_from([0, PERIOD // 2]))
DRIFTS = st.one_of(st.just(0.0), st.floats(-0.02, 0.02))
JITTERS = st.lists(st.integers(-PERIOD // 10, PERIOD // 10), min_size=1, max_size=5)
EYES = st.builds(eye, LENGTHS, PHASES, DRIFTS, JITTERS)
ORDERS = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60)
LATE = st.integers(-40 * PERIOD, 40 * PERIOD)
POLICIES = st.sampled_from(['latest', 'every'])


def arrive(rings, eyes, order):
    """Append both streams, step by step ``(left?, look?)``; yield the chunks of both to look."""
    sent = ([], [])
    for is_left, look in [*order, *[(True, False)] * 30, *[(False, False)] * 30]:
        side = int(not is_left)
        chunks = eyes[side].chunks
        if len(sent[side]) < len(chunks):
            sent[side].append(chunks[len(sent[side])])
            append(rings[side], sent[side][-1:])
            if look:
                yield sent
    yield sent


def arrived(runs, chunks):
    """The runs as far as they have arrived."""
    planes = sum(chunk[1] for chunk in chunks)
    found = []
    for run in runs:
        found.append(run[:planes])
        planes -= len(found[-1])
    return [run for run in found if run]


def match(reference_ns, runs, window, after):
    """First plane of the right window at a time; ``later``: not yet; ``never``."""
    planes = [plane for run in runs for plane in run]
    if not planes or planes[-1][1] < reference_ns:
        return 'later'
    near = min(planes, key=lambda plane: abs(plane[1] - reference_ns))
    run = next(run for run in runs if near in run)
    start = run.index(near) - window // 2
    if 2 * abs(near[1] - reference_ns) > PERIOD or start < 0 or run[start][0] <= after:
        return 'never'
    if start + window > len(run):
        return 'later' if run is runs[-1] else 'never'
    return run[start][0]


def every_pair(left, right, window, hop):
    """First planes of the pairs of both streams."""
    pairs, after = [], -1
    for run in left.runs:
        for start in range(0, len(run) - window + 1, hop):
            found = match(run[start + window // 2][1], right.runs, window, after)
            if found == 'later':
                return pairs
            if found != 'never':
                pairs.append((run[start][0], found))
                after = found
    return pairs


def newest_pair(left_runs, right_runs, window, earliest, after):
    """First planes of the newest pair whose left window begins at the earliest plane at least."""
    stored = sum(map(len, left_runs))
    for run in reversed(left_runs):
        stored -= len(run)
        for start in range(len(run) - window, -1, -1):
            found = match(run[start + window // 2][1], right_runs, window, after)
            if stored + start >= earliest and found not in ('later', 'never'):
                return stored + start, run[start][0], found
    return None


@given(EYES, EYES, ORDERS, st.integers(1, 9), st.integers(1, 12), LATE)
@settings(max_examples=50)
def test_every_gives_pairs_by_the_stamps_alone(left, right, order, window, hop, late_ns):
    *rings, pairs = pairs_of(window, hop, offset_s=-late_ns / 1e9)
    taken = []
    for _ in arrive(rings, (left, late(right, late_ns)), order):
        taken += drain(pairs)
    assert firsts(taken) == every_pair(left, right, window, hop)


@given(EYES, EYES, ORDERS, ORDERS, st.integers(1, 9), st.integers(1, 12))
@settings(max_examples=50)
def test_the_order_of_arrival_changes_neither_pairs_nor_accounts(
    left, right, order, other, window, hop
):
    results = []
    for looks in (order, other):
        *rings, pairs = pairs_of(window, hop)
        taken = []
        for _ in arrive(rings, (left, right), looks):
            taken += drain(pairs)
        results.append((firsts(taken), [ring.accounting() for ring in rings]))
    assert results[0] == results[1]


@given(EYES, EYES, ORDERS, st.integers(1, 9), st.integers(1, 12), LATE)
@settings(max_examples=50)
def test_latest_gives_the_newest_pair_that_has_arrived(left, right, order, window, hop, late_ns):
    *rings, pairs = pairs_of(window, hop, 'latest', offset_s=-late_ns / 1e9)
    earliest, after = 0, -1
    for sent in arrive(rings, (left, late(right, late_ns)), order):
        runs = [arrived(eye.runs, chunks) for eye, chunks in zip((left, right), sent, strict=True)]
        expected = newest_pair(*runs, window, earliest, after)
        pair = pairs.take()
        assert firsts([] if pair is None else [pair]) == (
            [] if expected is None else [expected[1:]]
        )
        if expected is not None:
            earliest, after = expected[0] + hop, expected[2]


@given(
    EYES,
    EYES,
    ORDERS,
    st.integers(1, 9),
    st.integers(0, 12),
    POLICIES,
    st.integers(0, 60),
    st.integers(-3 * PERIOD, 3 * PERIOD),
)
@settings(max_examples=50)
def test_planes_of_a_pair_are_half_a_period_apart_and_both_accounts_hold(
    left, right, order, window, hop, policy, spare, offset_ns
):
    *rings, pairs = pairs_of(window, hop, policy, window + spare, offset_s=offset_ns / 1e9)
    shifts, seen = (0, offset_ns), (set(), set())
    for turn, sent in enumerate(arrive(rings, (left, right), order)):
        taken = drain(pairs)
        for one in taken:
            for eye, shift, numbers, got in zip((left, right), shifts, seen, one, strict=True):
                first = numbers_of(got)[0]
                assert numbers_of(got) == list(range(first, first + window))
                assert got.reference_ns == dict(eye.planes)[first + window // 2] + shift
                numbers |= set(numbers_of(got))
            off_ns = one.right.reference_ns - one.left.reference_ns
            assert 2 * abs(off_ns) <= PERIOD
        assert not taken or pairs.difference_ns == off_ns
        for ring, numbers, chunks in zip(rings, seen, sent, strict=True):
            check(ring)
            assert ring.accounting().windowed == len(numbers)
            assert ring.accounting().received == sum(chunk[1] for chunk in chunks)
            if turn % 7 == 6:
                ring.discard()
                check(ring)


@pytest.mark.parametrize('fast', [0, 1])
def test_a_clock_that_drifts_by_a_plane_skips_one_or_has_one_in_two_windows(fast):
    *rings, pairs = pairs_of(window=8)
    append(rings[fast], eye([(4, 0)] * 204, drift=-0.01).chunks)
    append(rings[1 - fast], steady(816).chunks)
    taken = drain(pairs)
    assert {right - left for left, right in firsts(taken)} == {n if fast else -n for n in range(9)}
    seen = {number for pair in taken for number in numbers_of(pair.right)}
    assert rings[1].accounting().windowed == len(seen)
    assert 8 * len(taken) - len(seen) == (0 if fast else 8)
    assert [ring.accounting().skipped_by_policy for ring in rings] == [0, 8 * fast]


def test_planes_before_both_streams_run_are_skipped():
    for first, skipped in ((40, (40, 0)), (-40, (0, 40))):
        *rings, pairs = pairs_of(window=8)
        append(rings[0], steady(80, max(0, -first)).chunks)
        append(rings[1], steady(80, max(0, first)).chunks)
        assert len(drain(pairs)) == 5
        assert tuple(ring.accounting().skipped_by_policy for ring in rings) == skipped
        assert [ring.accounting().dropped for ring in rings] == [0, 0]


def test_planes_beside_a_gap_of_the_other_eye_are_skipped():
    for gap in (0, 1):
        *rings, pairs = pairs_of(window=8)
        lossy, whole = eye([(16, 0), (20, 12)]), steady(48)
        append(rings[gap], lossy.chunks)
        append(rings[1 - gap], whole.chunks)
        starts = [0, 8, 28, 36] if gap == 0 else [0, 8, 32, 40]
        assert [numbers_of(pair[0])[0] for pair in drain(pairs)] == starts
        assert rings[1 - gap].accounting().skipped_by_policy == (12, 16)[gap]
        assert rings[gap].accounting().lost_in_transport == 0
        rings[gap].settle()
        assert rings[gap].accounting().lost_in_transport == 12


@pytest.mark.parametrize('policy', ['latest', 'every'])
def test_left_windows_come_alone_once_right_stops(policy):
    left, right, pairs = pairs_of(8, policy=policy, pair_wait_s=40 * PERIOD / 1e9)
    append(right, steady(16).chunks)
    append(left, steady(56).chunks)  # its newest plane is 40 periods later
    paired = drain(pairs)
    assert firsts(paired)[-1] == (8, 8)
    assert None not in [pair.right for pair in paired]
    append(left, steady(4, 56).chunks)
    alone = drain(pairs)
    assert firsts(alone) == [
        (first, None) for first in ([52] if policy == 'latest' else range(16, 56, 8))
    ]
    append(left, steady(40, 60).chunks)
    append(right, steady(40, 60).chunks)  # right goes on
    assert firsts(drain(pairs))[-1] == ((92, 92) if policy == 'latest' else (88, 88))
    assert pairs.problem == ''


def test_left_windows_come_alone_although_right_planes_were_discarded():
    left, right, pairs = pairs_of(8, pair_wait_s=40 * PERIOD / 1e9)
    append(right, steady(16).chunks)
    right.discard()
    append(left, steady(80).chunks)
    assert firsts(drain(pairs))[-1] == (72, None)


def test_a_window_waits_for_right_planes_that_are_late():
    left, right, pairs = pairs_of(8, pair_wait_s=1.0)
    append(left, steady(80).chunks)
    for first in range(0, 80, 4):
        append(right, steady(4, first).chunks)
        expected = [(first - 4, first - 4)] if first % 8 == 4 else []
        assert firsts(drain(pairs)) == expected


def test_latest_pairs_older_windows_while_right_is_late():
    left, right, pairs = pairs_of(8, policy='latest', pair_wait_s=1.0)
    append(left, steady(80).chunks)
    append(right, steady(40).chunks)
    assert firsts([pairs.take()]) == [(32, 32)]
    assert pairs.take() is None
    append(right, steady(4, 40).chunks)
    assert pairs.take() is None  # not a hop later yet
    append(right, steady(4, 44).chunks)
    assert firsts([pairs.take()]) == [(40, 40)]


@pytest.mark.parametrize('late_s', [0.25, -0.25])
def test_the_offset_is_added_to_right_stamps(late_s):
    left, right, pairs = pairs_of(8, offset_s=-late_s, pair_wait_s=0.02)
    append(right, late(steady(8, phase=10_000), round(late_s * 1e9)).chunks)
    append(left, steady(80).chunks)
    taken = drain(pairs)
    append(right, late(steady(80, 8, phase=10_000), round(late_s * 1e9)).chunks)
    taken += drain(pairs)
    assert firsts(taken) == [(first, first) for first in range(0, 80, 8)]
    assert pairs.difference_ns == 10_000
    assert {pair.right.t0_ns - pair.left.t0_ns for pair in taken} == {10_000}


def test_latest_passes_over_left_windows_without_right_planes_at_once(monkeypatch):
    left, right, pairs = pairs_of(8, policy='latest')
    append(left, steady(8000, length=100).chunks)
    append(right, eye([(80, 0), (8, 5000), (8, 3000)]).chunks)
    looks = []
    monkeypatch.setattr(
        right, 'take_at', lambda ns: looks.append(ns) or PlaneRing.take_at(right, ns)
    )
    assert firsts([pairs.take()]) == [(5080, 5080)]
    assert len(looks) <= 3


@pytest.mark.parametrize('policy', ['latest', 'every'])
def test_clocks_that_are_set_back_together_end_no_pairs(policy):
    left, right, pairs = pairs_of(8, policy=policy, pair_wait_s=40 * PERIOD / 1e9)
    append(left, steady(1020, 1000).chunks)
    append(right, steady(1000, 1000).chunks)
    taken = drain(pairs)
    for first in range(0, 80, 4):
        append(left, steady(4, first).chunks)
        append(right, steady(4, first).chunks)
        taken = firsts(drain(pairs)) or taken
    assert taken == [(68, 68)]


@pytest.mark.parametrize('policy', ['latest', 'every'])
@pytest.mark.parametrize(
    ('ahead_ms', 'wait_s', 'text'),
    [
        (-3_600_000, 0.02, '3600.000 s behind'),
        (-3_600_000, math.inf, '3600.000 s behind'),
        (-30, 0.02, '0.030 s behind'),  # less than the ring holds
        (2000, 0.02, '2.000 s ahead of'),
    ],
)
def test_two_clocks_are_reported_with_their_offset(policy, ahead_ms, wait_s, text):
    left, right, pairs = pairs_of(8, policy=policy, capacity=1000, pair_wait_s=wait_s)
    planes = REPORT_AFTER_NS // PERIOD

    def go_on(first, ahead_ms):
        append(left, steady(100, first, length=100).chunks)
        append(right, steady(100, first, ahead_ms * 10**6, 100).chunks)
        return drain(pairs)

    for first in range(0, planes + 1, 100):
        assert pairs.problem == ''
        assert all(pair.right is None for pair in go_on(first, ahead_ms))
    assert pairs.problem == (
        f'left and right stamps do not overlap: right is {text} left: stamp both by one clock, or '
        'set right.offset_s'
    )
    assert go_on(planes + 100, 0) + go_on(planes + 200, 0)
    assert pairs.problem == ''
    go_on(planes + 300, ahead_ms)
    go_on(planes + 400, ahead_ms)
    assert pairs.problem == ''


def test_a_stopped_stream_is_not_reported_as_two_clocks():
    for stopped in (0, 1):
        *rings, pairs = pairs_of(8, capacity=1000, pair_wait_s=0.02)
        append(rings[stopped], steady(100).chunks)
        for first in range(0, 40_000, 1000):
            append(rings[1 - stopped], steady(1000, first, length=1000).chunks)
            drain(pairs)
        assert pairs.problem == ''


def test_two_clocks_are_reported_after_both_were_set_back():
    left, right, pairs = pairs_of(8, capacity=1000, pair_wait_s=0.02)
    hour = 3600 * 10**9
    append(left, steady(1000, phase=hour, length=1000).chunks)
    append(right, steady(100, phase=hour).chunks)  # right has stopped; both start anew
    drain(pairs)
    for first in range(0, REPORT_AFTER_NS // PERIOD + 1000, 100):
        append(left, steady(100, first, length=100).chunks)
        append(right, steady(100, first, -5 * 10**9, 100).chunks)
        drain(pairs)
    assert 'right is 5.000 s behind left' in pairs.problem


def test_packets_longer_than_the_wait_are_no_stop():
    left, right, pairs = pairs_of(8, capacity=1000, pair_wait_s=0.001)
    taken = []
    for first in range(0, 400, 40):  # of 2 ms, each in turn
        append(left, steady(40, first, length=40).chunks)
        taken += drain(pairs)
        append(right, steady(40, first, length=40).chunks)
        taken += drain(pairs)
    assert len(taken) == 50
    assert all(pair.right is not None for pair in taken)


def test_right_planes_are_skipped_once_left_has_stopped():
    left, right, pairs = pairs_of(8, capacity=200, pair_wait_s=0.002)
    append(left, steady(80, length=40).chunks)
    for first in range(0, 2000, 40):
        append(right, steady(40, first, length=40).chunks)
        drain(pairs)
    found = right.accounting()
    assert found.overwritten == found.dropped == 0
    assert found.windowed == 80
    assert found.skipped_by_policy + found.pending == 2000 - 80
    append(left, steady(80, 1960, length=40).chunks)  # it goes on
    append(right, steady(40, 2000, length=40).chunks)
    assert [pair.right is not None for pair in drain(pairs)] == [True] * 10


class WatchedCondition(threading.Condition):
    """Condition that tells when a thread waits."""

    def __init__(self):
        super().__init__()
        self.waited = threading.Event()

    def wait(self, timeout=None):
        self.waited.set()
        return super().wait(timeout)


@pytest.mark.parametrize('last', [0, 1])
def test_planes_of_either_eye_wake_the_consumer(last):
    changed = WatchedCondition()
    *rings, pairs = pairs_of(8, changed=changed)
    append(rings[1 - last], steady(8).chunks)
    taken = []
    consumer = threading.Thread(target=lambda: taken.append(pairs.take(timeout_s=60)))
    consumer.start()
    assert changed.waited.wait(10)
    append(rings[last], steady(8).chunks)
    consumer.join(10)
    assert firsts(taken) == [(0, 0)]


def test_take_gives_up_after_its_time():
    *rings, pairs = pairs_of(8)
    append(rings[0], steady(8).chunks)
    assert pairs.take(timeout_s=0.01) is None


def test_rings_of_another_policy_or_condition_are_refused():
    rings = [PlaneRing(GEOMETRY, PERIOD, 8, policy='every') for _ in range(2)]
    with pytest.raises(ValueError, match='one condition'):
        WindowPairs(*rings)
    other = PlaneRing(GEOMETRY, PERIOD, 8, policy='latest', changed=rings[0].changed)
    with pytest.raises(ValueError, match='same policy'):
        WindowPairs(rings[0], other)
