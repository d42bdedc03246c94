# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stamps alone; times are given in planes after ``T0``."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spike_depth_ros.stream.stamps import (
    CONFIRM_AFTER,
    RESTART_AFTER_NS,
    Arrival,
    Gap,
    StampTracker,
)

PERIOD = 50_000
T0 = 1_700_000_000_000_000_123
FAR = 197_960  # planes in 9.9 s, less than a restart
PAUSE = 220_000  # planes in 11 s, more than a restart


def at(plane):
    return T0 + round(plane * PERIOD)


class Stream:
    """A tracker, and what it told."""

    def __init__(self, inferred=False):
        self.gaps = []
        self.tracker = StampTracker(PERIOD, 0.5, self.gaps.append, inferred)

    def follow(self, *starts, planes=4, lost_by='transport'):
        return [self.tracker.follow(at(start), planes, lost_by) for start in starts]

    def lost(self):
        return [(round((gap.at_ns - T0) / PERIOD, 1), gap.planes) for gap in self.gaps]

    def settled(self):
        self.tracker.settle()
        return self.lost()


@pytest.fixture
def stream():
    return Stream()


def test_a_gap_is_confirmed_by_the_chunks_that_follow(stream):
    stream.follow(0)
    assert stream.follow(14) == [Arrival.GAP]
    for step in range(CONFIRM_AFTER):
        assert stream.lost() == []
        stream.follow(18 + 4 * step)
    assert stream.gaps == [Gap(at(14), 10, 'transport')]
    assert stream.settled() == [(14, 10)]


def test_chunks_after_further_gaps_confirm_the_first(stream):
    stream.follow(*range(0, 8 * (CONFIRM_AFTER + 2), 8))
    assert stream.lost() == [(8, 4)]
    assert stream.settled() == [(8 * k, 4) for k in range(1, CONFIRM_AFTER + 2)]


def test_settle_confirms_at_once_and_what_comes_late_then_changes_nothing(stream):
    stream.follow(0, 14)
    assert stream.settled() == [(14, 10)]
    assert stream.follow(4) == [Arrival.BACKWARD]
    assert stream.settled() == [(14, 10)]


def test_the_cause_is_that_of_the_chunk_behind_the_gap(stream):
    stream.follow(0)
    stream.follow(14, lost_by='queue')
    stream.follow(18)
    stream.follow(24)
    stream.tracker.settle()
    assert [(gap.planes, gap.lost_by) for gap in stream.gaps] == [(10, 'queue'), (2, 'transport')]


def test_a_late_chunk_shortens_a_provisional_gap_once(stream):
    stream.follow(0, 14)
    assert stream.follow(6, 18, 6) == [Arrival.BACKWARD, Arrival.NEXT, Arrival.BACKWARD]
    assert stream.settled() == [(14, 6)]


def test_late_chunks_fill_a_gap_from_any_place(stream):
    stream.follow(0, 16, 12, 20, 4, 24, 8, 28)
    assert stream.settled() == []


@pytest.mark.parametrize('length', [0.6, 1, 2.4, 2.5, 3.49])
@pytest.mark.parametrize('planes', [1, 3, 40])
def test_a_late_chunk_longer_than_its_gap_leaves_none(stream, length, planes):
    stream.follow(0, planes=100)
    start = 100 + length
    assert stream.follow(start, planes=100) == [Arrival.GAP]
    assert stream.follow(100, planes=planes) == [Arrival.BACKWARD]
    stream.follow(start + 100)
    left = max(0, max(1, round(length)) - planes)
    assert sum(planes for _, planes in stream.settled()) == left


def test_a_gap_is_at_least_a_plane_and_rounded(stream):
    stream.follow(0, 4.6, 11.0, 17.6)
    assert stream.settled() == [(4.6, 1), (11.0, 2), (17.6, 3)]


RESTART = RESTART_AFTER_NS // PERIOD
"""Planes from which on a step is a restart."""
AHEAD = st.integers(1, 2 * RESTART)


@settings(max_examples=30)
@given(
    st.integers(1, 2 * RESTART).filter(lambda ahead: ahead != 4 and abs(ahead - RESTART) > 1),
    st.booleans(),
)
@example(3, True)
@example(FAR, False)
@example(PAUSE, True)
def test_a_wrong_stamp_ahead_loses_nothing(ahead, in_its_place):
    """Ahead by as much as a packet it would be the stamp of the next one."""
    stream = Stream()
    stream.follow(0)
    jumped = stream.follow(4 + ahead)
    assert jumped == [Arrival.GAP if ahead < RESTART else Arrival.RESTART]
    start = 8 if in_its_place else 4
    arrivals = stream.follow(*range(start, start + 40, 4))
    assert arrivals.count(Arrival.BACKWARD) == 1
    if ahead > 4:
        assert arrivals[:2] == [Arrival.BACKWARD, Arrival.RESTART]
    assert stream.settled() == []


@pytest.mark.parametrize('second', [FAR, 2 * FAR, 9])
def test_two_wrong_stamps_in_a_row_lose_nothing(stream, second):
    stream.follow(0, FAR, second + 4)
    assert stream.follow(12, 16) == [Arrival.BACKWARD, Arrival.RESTART]
    stream.follow(*range(20, 60, 4))
    assert stream.settled() == []


def test_what_is_missing_behind_a_wrong_stamp_is_lost(stream):
    stream.follow(0, FAR)  # counted in place of plane 4 to 7; 8 to 15 are missing
    stream.follow(16, 20, 24, 28, 32, 36, 40)
    assert stream.lost() == [(16, 8)]


def test_a_chunk_that_overtook_others_is_not_missing_later(stream):
    assert stream.follow(0, 16, 4, 8, 12, 20, 24) == [
        Arrival.FIRST,
        Arrival.GAP,
        Arrival.BACKWARD,
        Arrival.RESTART,
        Arrival.NEXT,
        Arrival.GAP,
        Arrival.NEXT,
    ]
    assert stream.settled() == []


def test_a_clock_set_back_drops_what_is_provisional(stream):
    stream.follow(1000, 1010, 0, 4, 8)
    assert stream.settled() == []


def test_a_confirmed_gap_stays_when_the_stream_goes_back(stream):
    stream.follow(0, *range(FAR, FAR + 24, 4))
    assert stream.lost() == [(FAR, FAR - 4)]
    assert stream.follow(4, 8, 12) == [Arrival.BACKWARD, Arrival.RESTART, Arrival.NEXT]
    assert stream.settled() == [(FAR, FAR - 4)]


def test_gaps_by_the_old_rate_that_are_provisional_are_dropped_with_it():
    stream = Stream(inferred=True)
    stream.follow(0, 4, 8)
    arrivals = stream.follow(*range(16, 336, 8))
    assert arrivals.count(Arrival.NEW_RATE) == 1
    gaps = arrivals.index(Arrival.NEW_RATE)
    assert set(arrivals[gaps + 1 :]) == {Arrival.NEXT}
    assert len(stream.settled()) == gaps - CONFIRM_AFTER


def test_a_chunk_apart_does_not_join(stream):
    joins = []
    for start in (0, 4, 9, 12, 16, 20):  # that at 12 is a plane early
        arrival = stream.follow(start)
        joins.append((arrival[0], stream.tracker.joins))
    assert joins == [
        (Arrival.FIRST, False),
        (Arrival.NEXT, True),
        (Arrival.GAP, False),
        (Arrival.BACKWARD, False),
        (Arrival.NEXT, False),
        (Arrival.NEXT, True),
    ]
    assert stream.settled() == []


@pytest.mark.parametrize(
    ('share', 'stamped'), [(1.0, 0), (1.009, 0), (1.011, 50_550), (2, 100_000)]
)
def test_another_rate_is_told_after_a_while(stream, share, stamped):
    for step in range(33):
        assert stream.tracker.stamped_period_ns == 0
        stream.follow(4 * step * share)
    assert stream.tracker.stamped_period_ns == stamped
