# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node of a camera: topics, transitions, faults and its end."""

import functools
import itertools
import os
import signal

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition

from kit import spikelink
from kit.nodes import (
    HEIGHT,
    WIDTH,
    Heard,
    Statuses,
    assert_balanced,
    change_state,
    save_bars,
    set_parameter,
    state,
)
from spike_depth_ros.geometry.calibration import Calibration
from spike_depth_ros.stream.decode import chunk_from_msg

pytestmark = pytest.mark.dds

NODE = '/spike_camera'
RATE = 2000.0

needs_compiler = pytest.mark.skipif(not spikelink.compiler(), reason='needs a C compiler (gcc)')


@pytest.fixture(scope='module')
def library(tmp_path_factory):
    return spikelink.build(tmp_path_factory.mktemp('spikelink'))


@pytest.fixture
def arguments(depth_parameters):
    """Arguments of a camera node."""

    def make(**values):
        size = {'sensor_width': WIDTH, 'sensor_height': HEIGHT, 'rate_hz': RATE}
        return depth_parameters(**size | values)

    return make


@pytest.fixture
def start(processes, arguments, library, monkeypatch):
    """Start a node of the library that misbehaves on request."""

    def run(*faults, name='camera', **values):
        monkeypatch.setenv('FAKE_SPIKELINK', ' '.join(faults))
        monkeypatch.setenv('FAKE_RATE', f'{RATE:g}')
        given = arguments(**{'library': library, 'device': library, **values})
        return processes.start('camera', *given, name=name, env=dict(os.environ))

    return run


def numbered(packets, height=HEIGHT, width=WIDTH):
    chunks = [chunk_from_msg(msg, height, width) for msg in packets]
    return chunks, np.concatenate([spikelink.numbers(chunk.data) for chunk in chunks])


@needs_compiler
def test_every_plane_of_the_library_is_published_once_with_its_time(
    start, processes, ros_node, spin
):
    heard, statuses = Heard(ros_node), Statuses(ros_node)
    start()
    heard.wait(spin, packets=30)
    spin(lambda: int(statuses.values('stream').get('planes_sent', 0)) > 1000, what='a status')
    status = statuses.status['stream']
    assert (status.level, status.message) == (DiagnosticStatus.OK, 'planes are published')
    values = statuses.values('stream')
    assert float(values['planes_per_s_asked']) == RATE
    counted = {key.removeprefix('planes_'): int(float(value)) for key, value in values.items()
               if key.startswith('planes_')}  # fmt: skip
    assert_balanced(counted)
    assert counted['sent'] == counted['windowed'] == counted['received']
    processes.stop('camera')
    chunks, numbers = numbered(heard.packets)
    np.testing.assert_array_equal(np.diff(numbers), 1)
    start_ns = chunks[0].t0_ns - int(numbers[0] * 1e9 / RATE)
    firsts = np.cumsum([0, *(chunk.planes for chunk in chunks)])[:-1] + numbers[0]
    for chunk, first in zip(chunks, firsts, strict=True):
        assert chunk.t0_ns - start_ns == int(first * 1e9 / RATE)
    info = heard.cameras[-1]
    assert (info.width, info.height, info.roi.width, info.k[0]) == (WIDTH, HEIGHT, 0, 0.0)
    frames = {msg.header.frame_id for msg in (*heard.packets, info)}
    assert frames == {'spike_camera_optical_frame'}


@needs_compiler
def test_a_region_and_every_nth_plane_have_their_calibration_and_rate(
    start, processes, ros_node, spin
):
    heard = Heard(ros_node)
    start(crop='[0,0,64,30]', every_nth=5, planes_per_packet=8, fx=50.0)
    heard.wait(spin, packets=30)
    processes.stop('camera')
    chunks, numbers = numbered(heard.packets, height=30)
    np.testing.assert_array_equal(np.diff(numbers), 5)
    steps = {(b.t0_ns - a.t0_ns) / a.planes for a, b in itertools.pairwise(chunks)}
    assert steps == {5e9 / RATE}
    info = heard.cameras[-1]
    assert (info.width, info.height) == (WIDTH, HEIGHT)  # of the full sensor
    assert (info.roi.x_offset, info.roi.width, info.roi.height) == (0, 64, 30)
    cut = Calibration.from_message(info)
    assert (cut.width, cut.height) == (64, 30)
    assert cut.k[5] == info.k[5] == (HEIGHT - 1) / 2


@needs_compiler
def test_transitions_open_and_close_the_camera(start, processes, ros_node, spin):
    heard = Heard(ros_node)
    start(autostart='false', ring_mb=1)
    change = functools.partial(change_state, ros_node, spin, name=NODE)
    assert set_parameter(ros_node, spin, 'every_nth', 2, node=NODE).successful
    for _ in range(2):
        assert change(Transition.TRANSITION_CONFIGURE)
        refused = set_parameter(ros_node, spin, 'every_nth', 3, node=NODE)
        assert refused.reason.startswith('every_nth is read when the node is configured')
        for _ in range(2):
            before = len(heard.packets)
            assert change(Transition.TRANSITION_ACTIVATE)
            heard.wait(spin, packets=before + 3)
            assert change(Transition.TRANSITION_DEACTIVATE)
        assert change(Transition.TRANSITION_CLEANUP)
    log = processes.log('camera')
    assert log.count('lost: none') == 4
    assert 'Traceback' not in log


@needs_compiler
def test_a_camera_that_is_unplugged_is_told_and_can_come_back(
    start, processes, ros_node, spin, monkeypatch
):
    statuses, heard = Statuses(ros_node), Heard(ros_node)
    monkeypatch.setenv('FAKE_FRAMES', '1500')
    start('unplugged')

    def told():
        status = statuses.status.get('stream')
        return status and status.level == DiagnosticStatus.ERROR and 'plug it in' in status.message

    spin(told, what='the error')
    assert state(ros_node, spin, NODE) == 'unconfigured'
    (line,) = [one for one in processes.log('camera').splitlines() if 'has stopped' in one]
    assert '[ERROR]' in line
    before = len(heard.packets)
    assert change_state(ros_node, spin, Transition.TRANSITION_CONFIGURE, NODE)
    assert change_state(ros_node, spin, Transition.TRANSITION_ACTIVATE, NODE)
    heard.wait(spin, packets=before + 3)


@needs_compiler
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_second_node_is_refused_until_a_signal_has_ended_the_first(
    start, processes, ros_node, spin, number
):
    heard = Heard(ros_node)
    start(name='first')
    heard.wait(spin, packets=3)
    start(name='second')
    status, output = processes.finish('second')
    assert status == 1
    (line,) = output.strip().splitlines()
    assert 'another process uses it: end the other one' in line
    processes.stop('first', number)
    assert 'Traceback' not in processes.log('first')
    start(name='third')
    spin(lambda: 'published' in processes.log('third'), what='the third one')


def test_a_recording_ends_with_its_last_plane(processes, arguments, ros_node, spin, tmp_path):
    heard = Heard(ros_node)
    path = save_bars(tmp_path / 'bars.npz', planes=900)
    given = arguments(backend='file', device=path, loop='false', rate_hz=400.0)
    source = processes.start('camera', *given)
    spin(lambda: source.poll() is not None, what='the end of the recording')
    status, output = processes.finish('camera')
    assert status == 0, output
    assert 'Traceback' not in output
    with np.load(path) as recorded:
        found = np.concatenate([chunk_from_msg(m, HEIGHT, WIDTH).data for m in heard.packets])
        np.testing.assert_array_equal(found, recorded['packed'][-len(found) :])


def test_planes_of_standard_input_are_published(processes, arguments, ros_node, spin, tmp_path):
    heard = Heard(ros_node)
    reading, writing = os.pipe()
    given = arguments(backend='pipe', row_order='top_down')
    source = processes.start('camera', *given, stdin=reading)
    os.close(reading)
    planes = np.zeros((40, HEIGHT, WIDTH // 8), np.uint8)
    sent = itertools.count(step=40)

    def write():
        planes[:, 0].view('<i8')[:, 0] = next(sent) + np.arange(40)
        file.write(planes.tobytes())
        return len(heard.packets) > 3

    with open(writing, 'wb', buffering=0) as file:
        spin(write, what='packets')
    spin(lambda: source.poll() is not None, what='the end of the pipe')
    assert processes.finish('camera')[0] == 0
    _, numbers = numbered(heard.packets)
    np.testing.assert_array_equal(np.diff(numbers), 1)
    assert numbers[-1] == next(sent) - 1


def test_the_back_ends_are_listed(run_here):
    status, output = run_here('camera', '--list')
    assert status == 0
    assert [line.split()[0] for line in output.splitlines()] == ['file', 'pipe', 'spikelink']


def test_bad_parameters_get_one_line(refused_here, tmp_path):
    bars = save_bars(tmp_path / 'bars.npz')
    recorded = {'backend': 'file', 'device': bars}
    rows = {
        'no back end': ('backend', (), {'backend': 'usb'}),
        'no device': ('device', (), {'backend': 'file'}),
        'one side': ('sensor_height', (), {'sensor_width': 64}),
        'region': ('crop', (), {**recorded, 'crop': '[0,0,128,48]'}),
        'two calibrations': ('fx', (), {**recorded, 'fx': 50.0, 'camera_info': 'a.yaml'}),
        'no calibration': ('a.yaml', (), {**recorded, 'camera_info': tmp_path / 'a.yaml'}),
    }
    refused_here('spike_camera', 'camera', rows)
