# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""No counter decreases and every plane is accounted for, whatever comes."""

import dataclasses
import math

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from kit.streams import packet
from spike_depth_ros.stream.accounting import PlaneAccounting
from spike_depth_ros.stream.ingest import Ingest, StreamSettings
from spike_depth_ros.stream.stamps import RESTART_AFTER_NS

PERIOD = 50_000
FAR = 198_000  # planes in 9.9 s
LATEST = {'window': 8, 'ring_planes': 64, 'spike_rate_hz': 1e9 / PERIOD}
EVERY = {'window': 4, 'policy': 'every', 'ring_planes': 200, 'spike_rate_hz': 1e9 / PERIOD}


def counters(accounting):
    """Each counter by name; ``pending`` is none."""
    counts = dataclasses.asdict(accounting)
    del counts['pending']
    refused = counts.pop('refused')
    return {**counts, **{f'refused {reason}': count for reason, count in refused.items()}}


class Watch:
    """An ingest, and its account before; the arguments are those of the settings."""

    def __init__(self, **given):
        stream = StreamSettings(**given, sensor_width=13, sensor_height=5)
        self.ingest = Ingest(stream, {}.setdefault, settle_after_s=math.inf)
        self._before = {}

    def send(self, first, planes=4, lost_by='transport'):
        self.ingest.on_spikes(packet(first, planes), lost_by)
        return self.look()

    def settled(self):
        self.ingest.settle()
        return self.look()

    def look(self):
        accounting = self.ingest.accounting()
        now = counters(accounting)
        assert accounting.check() == (0, 0)
        assert accounting.pending >= 0
        assert all(now[name] >= self._before.get(name, 0) for name in {*now, *self._before})
        self._before = now
        return accounting


AHEAD = st.one_of(
    st.sampled_from([0, 0, 0, 0, 1, 5, 40, 0.3, 0.6, 2.4, 2.5, 39.7]), st.floats(0, 60)
)
CAUSES = st.sampled_from(['transport', 'queue'])
PLANES = st.integers(1, 50)

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just('next'), PLANES, AHEAD, CAUSES),
        st.tuples(st.just('next'), PLANES, AHEAD, CAUSES),
        # One stamp is off: by less than a restart, by more, backward. Its planes may be counted.
        st.tuples(
            st.just('glitch'),
            PLANES,
            st.one_of(st.floats(-FAR, FAR), st.floats(1, 3), st.sampled_from([FAR, 300_000])),
            st.booleans(),
        ),
        st.tuples(st.just('again'), st.integers(1, 8)),  # so many chunks ago
        # Into a gap, or near it: planes after its start, planes.
        st.tuples(st.just('late'), PLANES, st.floats(-3, 45)),
        # The clock is set, forward or back.
        st.tuples(st.just('clock'), st.one_of(st.floats(-400_000, 400_000), st.floats(-50, 50))),
        st.tuples(st.just('take')),
        st.tuples(st.just('discard')),
        st.tuples(st.just('settle')),
    ),
    min_size=1,
    max_size=60,
)


NEXT = [('next', 4, 0, 'transport')]


class Sender:
    """Turns steps into packets."""

    def __init__(self):
        self._now = 0.0
        self._sent = []
        self._gap = 0.0

    def packet(self, kind, *values):
        """First plane, planes and what lost those before; None where the step sends none."""
        lost_by = 'transport'
        if kind == 'next':
            planes, missing, lost_by = values
            self._gap = self._now if missing else self._gap
            first = self._now + missing
            self._now = first + planes
        elif kind == 'glitch':
            planes, off, counted = values
            first = self._now + off
            self._gap = self._now
            self._now += planes if counted else 0
        elif kind == 'late':
            planes, after = values
            first = self._gap + after
        elif kind == 'again' and self._sent:
            first, planes = self._sent[-min(values[0], len(self._sent))]
        else:
            self._now += values[0] if kind == 'clock' else 0
            return None
        self._sent.append((first, planes))
        return first, planes, lost_by


@given(
    STEPS,
    st.integers(1, 60),
    st.integers(0, 70),
    st.sampled_from(['latest', 'every']),
    st.integers(0, 60),
    st.sampled_from([0.0, 1e9 / PERIOD]),
    st.sampled_from([0.5, 0.0, 3.0]),
)
@example([*NEXT, ('next', 4, 2.4, 'queue'), ('late', 3, -0.4)], 4, 0, 'every', 0, 20e3, 0.5)
@example([*NEXT, ('glitch', 4, FAR, True), *6 * NEXT], 4, 0, 'latest', 9, 20e3, 0.5)
@example(40 * [('glitch', 4, 3, False), *NEXT], 4, 0, 'every', 9, 0.0, 0.0)
@settings(max_examples=100)
def test_counters_never_decrease_and_every_plane_is_accounted_for(
    steps, window, hop, policy, spare, rate_hz, tolerance
):
    capacity = window + spare
    watch = Watch(
        window=window, hop=hop, policy=policy, ring_planes=capacity, spike_rate_hz=rate_hz,
        stamp_tolerance_planes=tolerance,
    )  # fmt: skip
    sender, sent = Sender(), 0
    for kind, *values in steps:
        if kind in ('take', 'discard', 'settle'):
            if watch.ingest.ring is not None:
                getattr(watch.ingest.ring, kind)()
        elif (made := sender.packet(kind, *values)) is not None:
            watch.send(*made)
            sent += made[1]
        assert watch.look().received == sent
    after = counters(watch.settled())
    assert counters(watch.settled()) == after


# Chunks of some planes, each after some missing ones: what was lost is known.
LOSSES = st.lists(st.tuples(PLANES, st.sampled_from([0, 0, 0, 1, 7, 300]), CAUSES), min_size=2)


@given(LOSSES)
def test_what_is_missing_is_lost_once_and_by_its_cause(packets):
    watch = Watch(**LATEST)
    number, lost = 0, {'transport': 0, 'queue': 0}
    for index, (planes, missing, lost_by) in enumerate(packets):
        if index:
            number += missing
            lost[lost_by] += missing
        accounting = watch.send(number, planes, lost_by)
        assert accounting.lost_in_transport <= lost['transport']
        assert accounting.lost_in_queue <= lost['queue']
        number += planes
    accounting = watch.settled()
    assert (accounting.lost_in_transport, accounting.lost_in_queue) == tuple(lost.values())
    assert accounting.gaps == sum(packet[1] > 0 for packet in packets[1:])
    assert accounting.expected == number
    assert accounting.dropped == accounting.lost_in_transport + accounting.lost_in_queue


@given(
    st.lists(PLANES, min_size=12, max_size=30),
    st.integers(2, 4),
    st.one_of(st.integers(2000, FAR), st.integers(1 + RESTART_AFTER_NS // PERIOD, 10**7)),
    st.integers(1, 3),
)
def test_wrong_stamps_ahead_lose_nothing(lengths, wrong, ahead, several):
    watch = Watch(**LATEST)
    number = 0
    for index, planes in enumerate(lengths):
        off = ahead * (index - wrong + 1) if wrong <= index < wrong + several else 0
        watch.send(number + off, planes)
        number += planes
    accounting = watch.settled()
    assert (accounting.lost_in_transport, accounting.lost_in_queue, accounting.gaps) == (0, 0, 0)
    assert accounting.expected == accounting.received == number
    assert accounting.refused == {'backward': lengths[wrong + several]}


def test_a_stamp_ahead_by_less_than_a_restart_loses_nothing():
    watch = Watch(**EVERY)
    first = [0, 4, FAR, *range(12, 36, 4)]
    second = [36, FAR, *range(44, 68, 4)]
    for restarts, starts, end in ((1, first, 36), (2, second, 68)):
        for start in starts:
            watch.send(start)
        accounting = watch.settled()
        assert (accounting.lost_in_transport, accounting.restarts) == (0, restarts)
        assert accounting.expected == end


def test_late_packets_longer_than_their_gap_leave_no_loss():
    for length, planes in ((2.4, 3), (10.4, 50), (0.6, 2)):
        watch = Watch(**EVERY)
        for first, count in ((0, 50), (50 + length, 50), (50, planes), (100 + length, 50)):
            watch.send(first, count)
        accounting = watch.settled()
        assert (accounting.lost_in_transport, accounting.gaps) == (0, 0)
        assert accounting.refused['backward'] == planes


def test_a_late_packet_after_its_gap_was_confirmed_adds_to_expected():
    watch = Watch(**EVERY)
    for first in (0, 8, 12, 16, 20, 24):
        watch.send(first)
    assert watch.look().lost_in_transport == 4
    accounting = watch.send(4)
    assert (accounting.expected, accounting.received, accounting.lost_in_transport) == (32, 28, 4)
    assert accounting.refused == {'backward': 4}


def test_the_account_tells_what_does_not_add_up():
    accounting = PlaneAccounting(expected=14, received=6, lost_in_transport=2, lost_in_queue=1)
    accounting.missed_resubscribing = 4
    accounting.windowed = 3
    accounting.refuse(2, 'gap')
    accounting.refuse(0, 'rate')
    assert accounting.refused == {'gap': 2}
    assert accounting.check() == (1, 1)
    assert accounting.dropped == 9


@pytest.mark.parametrize(
    ('lost_by', 'lost'),
    [('transport', (3, 0, 0)), ('queue', (0, 3, 0)), ('resubscribing', (0, 0, 3))],
)
def test_a_gap_is_counted_by_its_cause(lost_by, lost):
    accounting = PlaneAccounting()
    accounting.lose(3, lost_by)
    counted = (
        accounting.lost_in_transport,
        accounting.lost_in_queue,
        accounting.missed_resubscribing,
    )
    assert counted == lost
    assert (accounting.expected, accounting.gaps) == (3, 1)
    assert (accounting.check(), accounting.dropped) == ((0, 0), 3)


def test_a_snapshot_does_not_change():
    accounting = PlaneAccounting()
    accounting.receive(4)
    copy = accounting.snapshot(pending=4)
    accounting.refuse(4, 'gap')
    assert (copy.pending, copy.refused, copy.check()) == (4, {}, (0, 0))
