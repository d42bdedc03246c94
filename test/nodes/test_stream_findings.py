# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Each row of what ``check_stream`` finds, from facts alone."""

import dataclasses

import pytest

from spike_depth_ros.nodes.parts.stream_findings import (
    CAMERA,
    PAIR,
    CameraFacts,
    InputWarning,
    PairFacts,
    Picture,
    Publisher,
    ReadStream,
    Rig,
    SlashedFrame,
    Stamps,
    judge,
)
from spike_depth_ros.stream.accounting import PlaneAccounting
from spike_depth_ros.stream.health import Exposure
from spike_depth_ros.stream.ingest import UNKNOWN_SIZE

DRIVER = Publisher('/spikes', 'sensor_msgs/msg/Image', 'driver', 'reliable')
STREAM = ReadStream(
    size='80x48',
    packets=25,
    packets_per_s=50.0,
    planes_per_s=2000.0,
    stamped_hz=2000.0,
    silent_s=0.0,
    accounting=PlaneAccounting(expected=1000, received=1000),
    fx_px=380.0,
    is_reliable=True,
    has_profile=True,
)
LOSSY = dataclasses.replace(
    STREAM,
    accounting=PlaneAccounting(expected=1000, received=960, lost_in_transport=40, gaps=1),
)
PICTURE = Picture('little', 0.5, Exposure(0.2, 0.0, 0.0))
FINE = CameraFacts(
    topic='/spikes',
    prefix='',
    publishers=(DRIVER,),
    packets=25,
    has_size=True,
    stream=STREAM,
    slashed=(),
    picture=PICTURE,
    warnings=(),
)
SILENT = dataclasses.replace(FINE, packets=0, has_size=False, stream=None, picture=None)
UNREAD = dataclasses.replace(FINE, stream=None, picture=None)
FINE_PAIR = PairFacts(
    ('80x48', '80x48'), (2000.0, 2000.0), Stamps(10**6, 10**9), Rig(fx_px=430.0, baseline_m=0.12)
)


def camera(**changes):
    return dataclasses.replace(FINE, **changes)


def stream(of=STREAM, **changes):
    return camera(stream=dataclasses.replace(of, **changes))


def picture(**changes):
    return camera(picture=dataclasses.replace(PICTURE, **changes))


def pair(**changes):
    return dataclasses.replace(FINE_PAIR, **changes)


FIRES = {
    'no publisher': dataclasses.replace(SILENT, publishers=()),
    'another type': camera(publishers=(dataclasses.replace(DRIVER, topic_type='a/msg/B'),)),
    'several publishers': camera(publishers=(DRIVER, DRIVER)),
    'none arrived': SILENT,
    'unknown size': dataclasses.replace(UNREAD, has_size=False),
    'unread packets': UNREAD,
    'stopped': stream(silent_s=1.5),
    'small packets': stream(packets_per_s=2000.0),
    'no focal length': stream(fx_px=0.0),
    'unknown rate': stream(stamped_hz=0.0),
    'slow machine': stream(LOSSY, busy='its cores are 95% busy'),
    'lost on the way': stream(LOSSY, is_reliable=False),
    'lost before DDS': stream(LOSSY),
    'behind': stream(planes_per_s=400.0),
    'slash': camera(slashed=(SlashedFrame('spikes', '/camera'),)),
    'other bit order': picture(misfit=2.0),
    'dark': picture(exposure=Exposure(0.001, 0.0, 0.9)),
    'saturated': picture(exposure=Exposure(0.9, 0.8, 0.0)),
    'warning': camera(warnings=(InputWarning('format', 'a packet is damaged', 1),)),
}
FIRES_OF_PAIRS = {
    'unequal sizes': pair(sizes=('80x48', '64x48')),
    'unequal rates': pair(rates_hz=(2000.0, 1000.0)),
    'no overlap': pair(stamps=Stamps(12 * 10**9, 10**9)),
    'no camera_info': pair(rig=Rig(lacking=('left',))),
    'no rig': pair(rig=Rig(problem='a baseline of 0 m; expected 0.001 to 10 metres')),
}
ALL = [(CAMERA, *one) for one in FIRES.items()] + [(PAIR, *one) for one in FIRES_OF_PAIRS.items()]

QUOTED = {'unread packets', 'warning', 'no rig'}
"""Rows without a remedy of their own: what they tell has one, or none is known."""


def found(check, facts):
    return [line.problem for line in judge(check, facts) if line.problem]


def subjects(check, facts):
    return [line.subject for line in judge(check, facts)]


@pytest.mark.parametrize(('check', 'name', 'facts'), ALL, ids=[name for _, name, _ in ALL])
def test_each_row_is_told_of_facts_that_have_its_problem_alone(check, name, facts):
    assert found(check, facts) == [name]


@pytest.mark.parametrize(
    ('check', 'fires'), [(CAMERA, FIRES), (PAIR, FIRES_OF_PAIRS)], ids=['camera', 'pair']
)
def test_each_problem_has_a_row_and_a_remedy(check, fires):
    rows = [row for group in check for row in group.rows if row.name]
    names = [row.name for row in rows]
    assert sorted(names) == sorted(fires), 'each once, with facts above'
    assert {row.name for row in rows if not row.remedy} <= QUOTED


def test_all_is_fine():
    assert [tuple(line) for line in judge(CAMERA, FINE)] == [
        ('publisher', 'driver: reliable', ''),
        ('packets', '50/s of 40 planes', ''),
        ('sensor', '80x48 pixels', ''),
        ('camera', 'focal length 380.0 pixels', ''),
        ('loss', 'none of 1000 planes', ''),
        ('rate', '2000.0 planes/s by stamps, 2000/s arrived here', ''),
        ('bit order', 'little: fits the picture (0.50)', ''),
        (
            'light',
            '0.200 spikes per pixel and plane; 0.0% of pixels always fire, 0.0% never',
            '',
        ),
    ]
    assert subjects(PAIR, FINE_PAIR) == ['sensor', 'rate', 'stamps', 'rig']
    assert not found(PAIR, FINE_PAIR)


def test_a_pair_of_two_sizes_is_not_looked_at_further():
    assert subjects(PAIR, pair(sizes=('80x48', '64x48'), rates_hz=(1.0, 2.0))) == ['sensor']


def test_what_a_camera_lacks_is_not_told_of_the_pair():
    assert judge(PAIR, PairFacts(None, None, None, None)) == []


def test_that_none_arrived_is_told_only_of_an_otherwise_good_topic():
    wrong = dataclasses.replace(DRIVER, topic_type='a/msg/B')
    silent = dataclasses.replace(SILENT, publishers=(wrong, DRIVER))
    assert found(CAMERA, silent) == ['another type', 'several publishers']


def test_an_unknown_size_or_rate_ends_its_group_and_not_the_check():
    slashed = (SlashedFrame('spikes', '/camera'),)
    facts = dataclasses.replace(UNREAD, has_size=False, slashed=slashed)
    assert found(CAMERA, facts) == ['unknown size', 'slash']
    facts = dataclasses.replace(stream(LOSSY, stamped_hz=0.0), slashed=slashed)
    assert found(CAMERA, facts) == ['unknown rate', 'slash']
    assert 'loss' not in subjects(CAMERA, facts)
    assert 'light' in subjects(CAMERA, facts)


def test_lost_planes_explain_small_packets_and_a_low_rate():
    facts = stream(LOSSY, packets_per_s=2000.0, planes_per_s=400.0)
    assert found(CAMERA, facts) == ['lost on the way']


@pytest.mark.parametrize(
    ('changes', 'remedy'),
    [
        ({'busy': 'x', 'packets_per_s': 2000.0}, 'pack 40 planes into a packet'),
        ({'busy': 'x'}, 'close other programs, lower the plane rate, or take a faster machine'),
        (
            {'packets_per_s': 2000.0, 'is_reliable': False, 'has_profile': False},
            'pack 40 planes into a packet, or let the publisher be reliable, or use our DDS '
            'profile at both ends (docs/tasks/robot.md)',
        ),
        ({'packets': 10}, 'send packets of at most 40 planes'),
    ],
)
def test_remedies_against_lost_planes_are_those_that_are_left(changes, remedy):
    (line,) = [one for one in judge(CAMERA, stream(LOSSY, **changes)) if one.problem]
    assert line.text.startswith('40 of 1000 planes (4.00%) in 1 gaps: ')
    assert line.text.endswith(f': {remedy}')


@pytest.mark.parametrize(
    ('warning', 'is_told'),
    [
        (InputWarning('GAP', 'planes are missing', 1), False),  # as lost planes
        (InputWarning('BACKWARD', 'a packet is older', 2), False),  # as several publishers
        (InputWarning('BACKWARD', 'a packet is older', 1), True),
        (InputWarning('size', f'spikes: packet refused: {UNKNOWN_SIZE}', 1), False),
        (InputWarning('camera_info', f'camera_info: no size; {UNKNOWN_SIZE}', 1), True),
    ],
)
def test_a_warning_is_told_unless_a_finding_has_it(warning, is_told):
    assert found(CAMERA, camera(warnings=(warning,))) == ['warning'] * is_told


@pytest.mark.parametrize('ahead_s', [-1.0, 0.0, 0.2])
def test_stamps_overlap_while_a_node_keeps_and_waits(ahead_s):
    assert not found(PAIR, pair(stamps=Stamps(1e9 * ahead_s, 10**9)))


@pytest.mark.parametrize('ahead_s', [-1.001, 0.201])
def test_stamps_beyond_do_not_overlap(ahead_s):
    assert found(PAIR, pair(stamps=Stamps(1e9 * ahead_s, 10**9))) == ['no overlap']


def test_one_packet_has_no_rate():
    assert 'behind' not in found(CAMERA, stream(packets=1, planes_per_s=0.0))
