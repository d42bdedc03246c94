# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of two cameras in one bag."""

import re
import signal

import pytest
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from std_srvs.srv import Trigger

from kit.nodes import HEIGHT, PERIOD, T0, moving_bars
from spike_depth_ros.io.bags.bag import IMAGE, Bag, decode
from spike_depth_ros.nodes.parts.conversions import spikes_msg
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry, SpikeChunk
from spike_depth_ros.stream.decode import stamp_ns

pytestmark = pytest.mark.dds

PLANES, WIDTH = 40, 64
EYES = ('left', 'right')
NAMES = ('spikes', 'camera_info')


class Rig:
    """Two cameras on one clock, which send a packet each fifty times a second.

    Args:
        node: Node of their publishers.
        namespace: Of their topics.
    """

    def __init__(self, node, namespace=''):
        queue = QoSProfile(depth=100)
        self._packed = packing.pack(moving_bars(PLANES))
        self.spikes, self.cameras = {}, {}
        self.silent, self.leave_out = set(), set()  # eyes; eyes whose next packet is left out
        for eye in EYES:
            self.spikes[eye] = node.create_publisher(Image, f'{namespace}/{eye}/spikes', queue)
            self.cameras[eye] = node.create_publisher(
                CameraInfo, f'{namespace}/{eye}/camera_info', queue
            )
        self._node, self._sent = node, 0
        self._timer = node.create_timer(0.02, self.send)

    def send(self):
        for eye, publisher in self.spikes.items():
            if eye in self.silent:
                continue
            self.cameras[eye].publish(CameraInfo(width=WIDTH, height=HEIGHT))
            if eye in self.leave_out:
                self.leave_out.remove(eye)
                continue
            at_ns = T0 + self._sent * PLANES * PERIOD
            publisher.publish(
                spikes_msg(SpikeChunk(self._packed, Geometry(HEIGHT, WIDTH), at_ns), eye)
            )
        self._sent += 1

    def end(self, eye):
        self._node.destroy_publisher(self.spikes.pop(eye))


@pytest.fixture
def rig(ros_node):
    return Rig(ros_node)


@pytest.fixture
def record(processes, spin):
    """Record while the test's own node goes on; the status and the output."""

    def run(*arguments, until=None, then=lambda: None, **options):
        recorder = processes.start('recorder', *arguments, **options)
        if until is not None:
            spin(until, what='the recording')
            then()
        spin(lambda: recorder.poll() is not None, what='the end of the recorder')
        return processes.finish('recorder')

    return run


def has_packets(bag):
    """Whether several packets of both cameras are on the disk."""
    return any(file.stat().st_size > 40 * PLANES * HEIGHT * 8 for file in bag.glob('*.mcap'))


def assert_whole(bag, report, lost=()):
    """What was recorded of both cameras, beside what its report counts."""
    found = Bag(bag)
    parts = dict(part.split(': ', 1) for part in report.removeprefix(f'{bag}: ').split(' | '))
    assert set(parts) == {'/left/spikes', '/right/spikes'}
    for eye in EYES:
        messages = [decode(one.data, IMAGE) for one in found.messages([f'/{eye}/spikes'])]
        assert {message.header.frame_id for message in messages} == {eye}
        assert found.topics[f'/{eye}/camera_info'].messages > 2
        planes = PLANES * len(messages)
        part = parts[f'/{eye}/spikes']
        assert part.startswith(f'{len(messages)} packets, ')
        missing = PLANES if eye in lost else 0
        assert f', {planes} planes; lost: {missing or "none"}' in part
        stamps = [stamp_ns(message.header.stamp) for message in messages]
        assert (stamps[-1] - stamps[0]) // PERIOD + PLANES == planes + missing > PLANES
    assert not found.damage


def test_both_cameras_are_in_one_bag_with_an_accounting_each(rig, record, tmp_path):
    out = tmp_path / 'drive'
    status, output = record(
        '--stereo', '--out', out, '--seconds', 2.5, '--split-seconds', 1,
        until=lambda: has_packets(out), then=lambda: rig.leave_out.add('right'),
    )  # fmt: skip
    assert status == 0, output
    assert_whole(out, output.splitlines()[-1], lost={'right'})
    files = sorted(out.glob('*.mcap'))
    assert len(files) > 1
    for file in files:  # each is of use without the others
        topics = Bag(file).topics
        assert all(topics[f'/{eye}/{name}'].messages for eye in EYES for name in NAMES)


def test_a_namespace_is_that_of_the_node(ros_node, record, tmp_path):
    Rig(ros_node, '/rig')
    status, output = record(
        '--stereo', '--out', tmp_path / 'drive', '--seconds', 0.3, '--timeout', 60,
        '--ros-args', '-r', '__ns:=/rig',
    )  # fmt: skip
    assert status == 0, output
    topics = {f'/rig/{eye}/{name}' for eye in EYES for name in NAMES}
    assert set(Bag(tmp_path / 'drive').topics) == topics


def test_a_camera_that_ends_is_named_and_the_other_goes_on(rig, record, tmp_path):
    out = tmp_path / 'drive'
    status, output = record(
        '--stereo', '--out', out, '--seconds', 3,
        until=lambda: has_packets(out), then=lambda: rig.end('left'),
    )  # fmt: skip
    assert status == 0, output
    assert 'warning: /left/spikes: its publisher has gone\n' in output
    left, right = output.splitlines()[-1].split(' | ')
    assert '; its publisher has gone' in left
    assert 'publisher' not in right
    counts = [int(re.search(r'(\d+) packets', part)[1]) for part in (left, right)]
    assert counts[0] < counts[1]


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_leaves_a_whole_bag_of_both(rig, record, processes, tmp_path, number):
    out = tmp_path / 'drive'
    status, output = record(
        '--stereo', '--out', out, '--seconds', 60,
        until=lambda: has_packets(out),
        then=lambda: processes._running['recorder'].send_signal(number),
    )  # fmt: skip
    assert status == 1, output
    assert_whole(out, output.splitlines()[-2])
    assert re.search(r'error: asked to end after [0-9.]+ s, expected 60 s; ', output)


def test_asked_to_end_while_one_camera_is_awaited_leaves_nothing(rig, record, processes, tmp_path):
    rig.silent.add('left')
    out = tmp_path / 'drive'
    status, output = record(
        '--stereo', '--out', out, '--timeout', 60,
        until=lambda: has_packets(out),
        then=lambda: processes._running['recorder'].send_signal(signal.SIGINT),
    )  # fmt: skip
    assert status == 1
    assert output.endswith('error: asked to end before anything was recorded\n')
    assert not out.exists()


def test_services_start_and_stop_both(rig, processes, ros_node, spin, tmp_path):
    processes.start(
        'recorder', '--stereo', '--out', tmp_path / 'drive', '--services', '--timeout', 2
    )

    def call(name):
        client = ros_node.create_client(Trigger, f'/spike_record/{name}')
        spin(client.service_is_ready, what=name)
        future = client.call_async(Trigger.Request())
        spin(future.done, what='the response')
        return future.result().success, future.result().message

    first = tmp_path / 'drive_000'
    started = f'{first}: /left/spikes and /right/spikes are being recorded'
    assert call('start') == (True, started)
    spin(lambda: has_packets(first))
    stopped, report = call('stop')
    assert stopped
    assert_whole(first, report)
    rig.silent.add('right')
    assert call('start') == (False, 'no message on /right/spikes within 2 s')
    rig.end('right')
    started, why = call('start')
    assert not started
    assert why.startswith('no topic /right/spikes within 2 s; the nearest known is /')
    assert {one.name for one in tmp_path.glob('drive*')} == {first.name}


def test_options_that_do_not_go_together_are_refused(refused_here, tmp_path):
    out = ('--out', tmp_path / 'drive')
    wrong = {
        'a topic beside a pair': ('/spikes', ('/spikes', '--stereo')),
        'a camera beside a pair': ('/c', ('--stereo', '--camera-info', '/c')),
        'neither': ('--stereo', ()),
    }
    rows = {name: (named, (*out, *options), {}) for name, (named, options) in wrong.items()}
    refused_here('recorder_stereo', 'recorder', rows, status=2)
    assert not (tmp_path / 'drive').exists()


@pytest.mark.parametrize('name', NAMES)
def test_topics_that_make_no_pair_are_one_line(rig, record, tmp_path, name):
    remapped = ('--ros-args', '-r', f'right/{name}:=/left/{name}')
    status, output = record('--out', tmp_path / 'drive', '--stereo', *remapped)
    assert status == 1
    words = f'left and right camera are both /left/{name}; expected two topics: remap one'
    assert words in output.splitlines()[-1]
    assert not (tmp_path / 'drive').exists()
