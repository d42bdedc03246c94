# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tests of the summary of a bag."""

import pytest

from kit import bags, cameras
from spike_depth_ros.io.bags.bag import BagError
from spike_depth_ros.tools.convert.bag_summary import summarise


def test_a_bag_is_summed_up(tmp_path):
    messages = bags.stream(1000, truths=(20, 400), leave_out=(5, 6))
    bags.write(tmp_path / 'bag', [*messages, messages[-1]])  # the last one twice
    found = summarise(tmp_path / 'bag')
    assert found['topics']['/spikes'] == {'type': 'sensor_msgs/msg/Image', 'messages': 24}
    spikes = found['spikes']
    irregularities = spikes.pop('irregularities')
    assert spikes == {
        'topic': '/spikes',
        'frame': 'spike_camera_optical_frame',
        'size': f'{bags.WIDTH}x{bags.HEIGHT}',
        'bit_order': 'little',
        'planes_per_s': bags.RATE,
        'planes': 920,
        'seconds': 0.046,
        'planes_per_packet': 40.0,
        'planes_lost': 80,
        'packets_left_out': 1,
    }
    assert irregularities == [
        'after 200 planes: 80 planes lost',
        'after 920 planes: a stamp 40 planes back',
    ]
    assert found['camera'] == {'fx_px': bags.FX, 'fy_px': bags.FX, 'lens': 'none'}
    assert found['true_depth'] == 2
    assert 'damage' not in found


def test_packets_that_overtake_each_other_are_not_lost(tmp_path):
    messages = bags.stream(1000, truths=(20, 400), leave_out=(5, 6))
    found = []
    for name, sent in (('in_order', messages), ('overtaken', bags.overtaken(messages))):
        found.append(summarise(bags.write(tmp_path / name, sent))['spikes'])
    assert found[1].pop('packets_sorted') > 0
    assert found[1] == found[0]
    assert found[0]['planes_lost'] == 80


def test_a_cut_bag_has_its_damage(tmp_path):
    bags.bag(tmp_path / 'bag', planes=20_000)
    bags.cut_short(tmp_path / 'bag', 5)
    found = summarise(tmp_path / 'bag')
    assert 0 < found['spikes']['planes'] < 20_000
    assert found['damage']


def test_a_bag_without_spikes_or_camera_still_shows_its_topics(tmp_path):
    messages = bags.stream(200)
    bags.write(
        tmp_path / 'one',
        [('/other', at, message) for topic, at, message in messages if topic == '/spikes'],
    )
    found = summarise(tmp_path / 'one')
    assert [*found['topics']] == ['/other']
    assert 'no topic called spikes' in found['spikes']
    with pytest.raises(BagError, match='no topic /missing'):
        summarise(tmp_path / 'one', '/missing')
    with pytest.raises(BagError, match='the sensor size is unknown'):
        summarise(tmp_path / 'one', '/other')
    found = summarise(tmp_path / 'one', '/other', (bags.WIDTH, bags.HEIGHT))
    assert (found['spikes']['planes'], found['camera']) == (200, 'no camera_info')


def test_an_uncalibrated_camera_is_named(tmp_path):
    bags.bag(tmp_path / 'bag', planes=200, fx=0)
    assert summarise(tmp_path / 'bag')['camera'] == 'not calibrated'


@pytest.mark.parametrize('name', ['binning', 'region'])
def test_a_camera_that_is_cut_is_that_of_its_pictures(tmp_path, name):
    message = cameras.camera_info(**cameras.CUT[name])
    found = summarise(bags.bag(tmp_path / 'bag', message))
    k, _ = cameras.read(message)
    assert found['spikes']['size'] == f'{bags.WIDTH}x{bags.HEIGHT}'
    camera = found['camera']
    assert (camera['fx_px'], camera['fy_px']) == (k[0, 0], k[1, 1])
    assert (
        camera['cut']
        == {
            'binning': 'binning 3x3 of 144x96 pixels',
            'region': 'region 48x32 at (320, 100) of 800x500 pixels',
        }[name]
    )


@pytest.mark.parametrize('name', cameras.DOES_NOT_FIT)
def test_a_camera_that_does_not_fit_is_named(tmp_path, name):
    fields, words = cameras.DOES_NOT_FIT[name]
    path = bags.bag(tmp_path / 'bag', cameras.camera_info(**fields))
    assert words in summarise(path)['spikes']
