# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bag becomes live topics again: the same planes, gaps, camera and truth, at times from now."""

import functools

import numpy as np
import pytest

from kit import bags, cameras
from kit.nodes import Heard
from spike_depth_ros.base import cli
from spike_depth_ros.nodes.parts.player_source import open_source
from spike_depth_ros.nodes.parts.process import UserError
from spike_depth_ros.nodes.player import PlayerOptions
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.decode import chunk_from_msg, depth_from_msg, stamp_ns


@pytest.fixture
def heard(ros_node):
    return Heard(ros_node)


def chunks_of(heard):
    return [chunk_from_msg(msg, bags.HEIGHT, bags.WIDTH) for msg in heard.packets]


@pytest.mark.dds
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_bag_is_played_as_it_was_recorded(play, spin, heard, tmp_path, storage):
    messages = bags.stream(400, truths=[64, 150.5], leave_out=[3])
    path = bags.write(tmp_path / 'bag', messages, storage, 'message')
    report = play(path)
    heard.wait(spin, packets=9, truths=2)
    chunks = chunks_of(heard)
    first = report['first_stamp_ns']
    starts = [(chunk.t0_ns - first) // bags.PERIOD for chunk in chunks]
    assert starts == [0, 40, 80, 160, 200, 240, 280, 320, 360]  # the gap is still there
    planes = np.concatenate([chunk.data for chunk in chunks])
    expected = np.delete(packing.pack(bags.moving_bars(400)), slice(120, 160), axis=0)
    np.testing.assert_array_equal(planes, expected)
    assert (report['planes_sent'], report['packets_sent'], report['rate_hz']) == (360, 9, 20_000)
    at = [(stamp_ns(truth.header.stamp) - first) / bags.PERIOD for truth in heard.truths]
    assert at == [64, 150.5]
    np.testing.assert_array_equal(depth_from_msg(heard.truths[0]), bags.slope())
    assert heard.cameras[0].k[0] == bags.FX
    assert (heard.cameras[0].width, heard.cameras[0].height) == (bags.WIDTH, bags.HEIGHT)
    frames = {m.header.frame_id for m in (*heard.packets, *heard.cameras, *heard.truths)}
    assert frames == {'spike_camera_optical_frame'}


@pytest.mark.dds
def test_packets_that_overtook_each_other_are_played_in_order(play, spin, heard, tmp_path):
    messages = bags.overtaken(bags.stream(1000, truths=[64, 150, 400, 700]))
    report = play(bags.write(tmp_path / 'bag', messages))
    heard.wait(spin, packets=25, truths=4)
    chunks = chunks_of(heard)
    first = report['first_stamp_ns']
    starts = [(chunk.t0_ns - first) // bags.PERIOD for chunk in chunks]
    assert starts == list(range(0, 1000, 40))
    planes = np.concatenate([chunk.data for chunk in chunks])
    np.testing.assert_array_equal(planes, packing.pack(bags.moving_bars(1000)))
    at = [(stamp_ns(truth.header.stamp) - first) / bags.PERIOD for truth in heard.truths]
    assert at == [64, 150, 400, 700]


@pytest.mark.dds
def test_a_loop_goes_on_in_time_and_ends_after_the_planes_asked_for(play, spin, heard, tmp_path):
    path = bags.write(tmp_path / 'bag', bags.stream(200, truths=[100]))
    arguments = ['--loop', '--planes', 450, '--speed', 0, '--frame-id', 'left']
    report = play(path, *arguments)
    heard.wait(spin, packets=12, truths=2)
    chunks = chunks_of(heard)
    assert [chunk.planes for chunk in chunks] == [40] * 11 + [10]
    starts = [(chunk.t0_ns - report['first_stamp_ns']) // bags.PERIOD for chunk in chunks]
    assert starts == list(range(0, 480, 40))
    np.testing.assert_array_equal(chunks[5].data, chunks[0].data)
    first = report['first_stamp_ns']
    at = [(stamp_ns(truth.header.stamp) - first) / bags.PERIOD for truth in heard.truths]
    assert at == [100, 300]
    assert heard.packets[0].header.frame_id == 'left'


@pytest.mark.dds
def test_a_crashed_bag_is_played_as_far_as_it_goes(play, processes, tmp_path):
    path = bags.write(tmp_path / 'bag', bags.stream(8000))
    (path / 'metadata.yaml').unlink()
    bags.cut_short(path, 7)
    report = play(path, '--speed', 0, '--wait', 0, status=1)
    assert 4000 <= report['planes_sent'] < 7200
    assert 'it has no end: the recorder did not close it' in processes.log('player')


@pytest.mark.dds
@pytest.mark.parametrize('number', [0, 1])
def test_a_packet_at_the_beginning_that_is_damaged_is_left_out(play, processes, tmp_path, number):
    path = bags.write(tmp_path / 'bag', bags.stream(400))
    (file,) = path.glob('*.mcap')
    content = file.read_bytes()
    place = -1
    for _ in range(number + 1):
        place = content.index(b'8UC1\x00', place + 1)
    file.write_bytes(content[: place - 4] + b'\xff\xff\xff\x7f' + content[place:])
    report = play(path, '--speed', 0, '--wait', 0, status=1)
    assert (report['packets_sent'], report['rate_hz']) == (9, 20_000)
    assert 'a packet was left out' in processes.log('player')


def with_stamp(messages, number, stamp):
    """The messages with another stamp in one of them."""
    topic, time, message = messages[number]
    message.header.stamp.sec, message.header.stamp.nanosec = stamp, 0
    return [*messages[:number], (topic, time, message), *messages[number + 1 :]]


@pytest.mark.dds
@pytest.mark.parametrize(('topic', 'stamp'), [('/spikes', 2**31 - 1), ('/depth/truth', 0)])
def test_a_stamp_far_off_is_left_out_and_named(
    play, processes, spin, heard, tmp_path, topic, stamp
):
    messages = bags.stream(400, truths=[64, 200])
    number = [name for name, *_ in messages].index(topic) + (3 if topic == '/spikes' else 0)
    path = bags.write(tmp_path / 'bag', with_stamp(messages, number, stamp))
    report = play(path, status=1)
    output = processes.log('player')
    assert report['packets_sent'] == (9 if topic == '/spikes' else 10)
    truths = 2 if topic == '/spikes' else 1
    heard.wait(spin, report['packets_sent'], truths)
    assert len(heard.truths) == truths
    what = 'packet' if topic == '/spikes' else f'message of {topic}'
    assert output.count(f'a {what} was left out: its stamp is ') == 1
    assert 'expected at most 10 s either way' in output


def test_a_bag_that_cannot_be_played_is_refused(refusals, tmp_path):
    far = 2**31 - 1
    wrong = {
        'a rate': ('--rate', bags.stream(400), ['--rate', 20_000]),
        'a bit order': ('--bit-order', bags.stream(400), ['--bit-order', 'big']),
        'no such topic': ('/eye', bags.stream(400), ['--topic', '/eye']),
        'another size': ('64x48', bags.stream(400), ['--size', '64x48']),
        'no camera_info': ('camera_info', bags.stream(400)[1:], []),
        'one packet': ('packets', bags.stream(40), []),
        'second stamp far off': ('4.47484e+08 s', with_stamp(bags.stream(400), 2, far), []),
        'first stamp far off': ('-4.47484e+08 s', with_stamp(bags.stream(400), 1, far), []),
        'another height': ('31', bags.stream(400)[1:], ['--size', '48x31']),
    }
    rows = {}
    for name, (named, messages, arguments) in wrong.items():
        path = bags.write(tmp_path / str(len(rows)) / 'bag', messages)
        rows[name] = named, functools.partial(opened, path, *arguments)
    for name, (fields, named) in cameras.DOES_NOT_FIT.items():
        message = cameras.camera_info(**fields)
        path = bags.bag(tmp_path / str(len(rows)) / 'bag', message)
        rows[f'camera_info: {name}'] = named, functools.partial(opened, path)
    refusals('player_bag', rows, UserError)


def opened(*arguments):
    """The opened source of a command line."""
    options = cli.options(PlayerOptions, 'spike_player', [str(part) for part in arguments])
    return open_source(options, lambda: True)


@pytest.mark.dds
def test_a_refused_bag_ends_the_player_with_one_line(run_here, tmp_path):
    path = bags.write(tmp_path / 'bag', bags.stream(40))
    status, output = run_here('player', path)
    assert status == 1
    (line,) = output.strip().splitlines()
    assert 'fewer than two packets' in line


@pytest.mark.dds
def test_a_recorded_camera_info_is_repeated_as_it_is(play, spin, heard, tmp_path):
    message = cameras.camera_info(**cameras.CUT['both'])
    message.roi.do_rectify = True
    play(bags.bag(tmp_path / 'bag', message), '--speed', 0)
    heard.wait(spin, packets=10)
    assert len(chunks_of(heard)) == 10
    found = heard.cameras[-1]
    for field in ('width', 'height', 'binning_x', 'binning_y'):
        assert getattr(found, field) == getattr(message, field)
    for field in ('x_offset', 'y_offset', 'width', 'height', 'do_rectify'):
        assert getattr(found.roi, field) == getattr(message.roi, field)
    np.testing.assert_array_equal(found.k, message.k)
    np.testing.assert_array_equal(found.p, message.p)
