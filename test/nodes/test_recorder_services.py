# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings that services of the recorder start and stop."""

import functools
import re
import signal
import time

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo
from std_srvs.srv import Trigger

from kit.nodes import HEIGHT, save_bars
from spike_depth_ros.io.bags.bag import IMAGE, Bag, decode
from spike_depth_ros.nodes.parts.graph import SETTLE_S
from spike_depth_ros.stream.decode import stamp_ns

pytestmark = pytest.mark.dds

ASK_AGAIN_S = 20.0
PERIOD = 200_000
K = np.array([[380.0, 0, 31.5], [0, 380, 23.5], [0, 0, 1]])


@pytest.fixture
def player(processes, tmp_path):
    """Play a short recording again and again."""
    processes.start('player', save_bars(tmp_path / 'a.npz', 800, rate_hz=5e3, K=K), '--loop')


@pytest.fixture
def call(ros_node, spin):
    """Call a service of the recorder; its success and message."""

    @functools.cache
    def client(service):
        made = ros_node.create_client(Trigger, service)
        spin(made.service_is_ready, what=service)
        end = time.monotonic() + SETTLE_S
        spin(lambda: time.monotonic() > end)
        return made

    def answer(name, node='/spike_record'):
        future = client(f'{node}/{name}').call_async(Trigger.Request())
        end = time.monotonic() + ASK_AGAIN_S
        spin(lambda: future.done() or time.monotonic() > end)
        if not future.done():  # a server that has not yet discovered a client answers nobody
            future = client(f'{node}/{name}').call_async(Trigger.Request())
        spin(future.done, what='the response')
        return future.result().success, future.result().message

    return answer


def assert_whole(bag, report):
    """What was recorded of a stream, beside what its report counts; the planes are continuous."""
    found = Bag(bag)
    messages = [decode(one.data, IMAGE) for one in found.messages(['/spikes'])]
    assert not found.damage
    assert found.topics['/camera_info'].messages > 0
    stamps = [stamp_ns(message.header.stamp) for message in messages]
    planes = [message.height // HEIGHT for message in messages]
    assert report.startswith(f'{bag}: {len(messages)} packets, ')
    recorded, lost = re.search(r' (\d+) planes; lost: (\w+)', report).groups()
    assert int(recorded) == sum(planes) > 0
    missing = 0 if lost == 'none' else int(lost)
    assert (stamps[-1] - stamps[0]) // PERIOD + planes[-1] == sum(planes) + missing


def test_each_start_makes_a_bag_that_stop_completes(processes, player, call, tmp_path):
    out = tmp_path / 'new' / 'drive'
    first, second = (out.with_name(f'drive_00{number}') for number in range(2))
    processes.start('recorder', '/spikes', '--out', out, '--services')
    nothing = 'nothing is being recorded; call /spike_record/start first'
    assert call('stop') == (False, nothing)
    assert call('start') == (True, f'{first}: /spikes is being recorded')
    busy = f'{first} is being recorded: call /spike_record/stop first'
    assert call('start') == (False, busy)
    stopped, report = call('stop')
    assert stopped
    assert_whole(first, report)
    assert call('stop') == (False, nothing)
    assert call('start')[0]
    processes.stop('recorder', signal.SIGTERM)  # status 0
    assert_whole(second, processes.log('recorder').splitlines()[-1])
    assert {one.name for one in out.parent.iterdir()} == {first.name, second.name}


def test_a_recording_ends_at_its_limit_and_the_next_one_has_the_next_number(
    processes, player, call, spin, tmp_path
):
    (tmp_path / 'drive_007').mkdir()
    processes.start(
        'recorder', '/spikes', '--out', tmp_path / 'drive', '--services', '--seconds', 0.5,
        '--ros-args', '-r', '__node:=left',
    )  # fmt: skip
    for number in (8, 9):
        bag = tmp_path / f'drive_00{number}'
        assert call('start', '/left') == (True, f'{bag}: /spikes is being recorded')
        spin((bag / 'metadata.yaml').exists, what='the end of the recording')
        stopped, text = call('stop', '/left')
        assert not stopped
        before, after = 'nothing is being recorded; the last recording ended by itself: ', '; call'
        assert text.startswith(before)
        assert text.endswith(f'{after} /left/start first')
        assert_whole(bag, text.removeprefix(before).rpartition(after)[0])


def test_a_refused_start_says_why_and_the_next_one_is_not(
    processes, ros_node, call, spin, tmp_path
):
    publisher = ros_node.create_publisher(CameraInfo, '/spikes', 1)
    processes.start('recorder', 'spikes', '--out', tmp_path / 'drive', '--services')
    wrong = '/spikes is sensor_msgs/msg/CameraInfo; expected sensor_msgs/msg/Image'
    assert call('start') == (False, f'{wrong}: name another topic')
    ros_node.destroy_publisher(publisher)
    processes.start('player', save_bars(tmp_path / 'a.npz', 800, rate_hz=5e3, K=K), '--loop')
    spin(lambda: ros_node.count_publishers('/spikes'), what='the player')
    assert call('start')[0]
    stopped, report = call('stop')
    assert stopped
    assert_whole(tmp_path / 'drive_000', report)


def test_a_start_after_which_nothing_fits_leaves_no_bag(processes, player, call, tmp_path):
    limit = 1e-7
    processes.start(
        'recorder', '/spikes', '--out', tmp_path / 'drive', '--services', '--max-gb', limit
    )
    full = (False, f'/spikes: no packet fits: {limit:g} GB are recorded, the limit')
    assert call('start') == call('start') == full
    assert not list(tmp_path.glob('drive*'))


def test_a_recording_of_several_files_has_each_plane_once(processes, player, tmp_path):
    out = tmp_path / 'drive'
    status, output = processes.run(
        'recorder', '/spikes', '--out', out, '--seconds', 2.5, '--split-seconds', 1,
        '--split-gb', 0.001,
    )  # fmt: skip
    assert status == 0, output
    report = output.splitlines()[-1]
    files = sorted(out.glob('*.mcap'))
    assert re.search(rf' MB in {len(files)} files, ', report)
    assert len(files) > 3
    assert {one.name for one in out.iterdir()} == {one.name for one in files} | {'metadata.yaml'}
    assert_whole(out, report)
    parts = [Bag(file) for file in files]
    assert all(part.topics['/camera_info'].messages for part in parts)
    data = [one.data for part in parts for one in part.messages(['/spikes'])]
    assert data == [one.data for one in Bag(out).messages(['/spikes'])]


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (
            ('--services', '--overwrite'),
            '--overwrite is given: with --services each bag',
        ),
        (
            ('--split-seconds', 20),
            '--split-seconds is 20: expected 1 or more, and less than --',
        ),
        (('--split-seconds', 'nan'), "--split-seconds is 'nan': expected a number, above 0"),
        (('--split-gb', 4), '--split-gb is 4: expected 0.001 or more, and less than --max-gb (4)'),
        (('--split-gb', 1e-6), '--split-gb is 1e-06: expected 0.001 or more'),
        (('--split-gb', -1), '--split-gb is -1: expected above 0'),
    ],
)
def test_options_that_make_no_sense_are_one_line(run_here, tmp_path, options, words):
    status, output = run_here('recorder', '/spikes', '--out', tmp_path / 'bag', *options)
    assert status == 2
    assert words in output.splitlines()[-1]
