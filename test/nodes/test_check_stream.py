# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import functools
import itertools
import re
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest
from rclpy.qos import QoSReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from kit.nodes import T0, moving_bars
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.nodes import check_stream
from spike_depth_ros.nodes.check_stream import CameraCheck, PairCheck, report
from spike_depth_ros.nodes.parts.calibration import set_fields
from spike_depth_ros.nodes.parts.conversions import spikes_msg
from spike_depth_ros.nodes.parts.spike_topics import publisher_name
from spike_depth_ros.nodes.parts.stream_findings import CAMERA, PAIR
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry, SpikeChunk
from spike_depth_ros.stream.ingest import Ingest, StreamSettings

pytestmark = pytest.mark.dds

K = np.array([[380.0, 0, 39.5], [0, 380, 23.5], [0, 0, 1]])
EYES = ('left', 'right')
RIG = StereoRig.from_baseline(0.12, 430.0, 64, 48)


def scene(level=1.0):
    """400 planes of a smooth picture with an edge."""
    rate = 0.3 + 0.2 * np.sin(np.arange(80) / 9) * np.cos(np.arange(48) / 7)[:, None]
    rate[:, 40:] *= 0.5
    return np.random.default_rng(0).random((400, 48, 80)) < level * rate


BY_PACKETS = """
import sys, types
from spike_depth_ros.nodes import check_stream

real, step_s, arrived = check_stream.time, float(sys.argv.pop(1)), []
take = check_stream.CameraCheck._on_spikes

def on_spikes(check, msg):
    arrived.append(real.monotonic())
    take(check, msg)

def monotonic():
    return arrived[0] + step_s * len(arrived) if arrived else real.monotonic()

check_stream.CameraCheck._on_spikes = on_spikes
check_stream.time = types.SimpleNamespace(
    monotonic=monotonic, process_time=real.process_time, strftime=real.strftime
)
sys.exit(check_stream.main())
"""
"""A check whose time is that of the packets, from the first one on: a busy machine is not slow.

Its first argument is the time from one packet to the next, seconds.
"""


def by_topic(lines):
    return {line[9:19].strip(): line for line in lines}


def test_a_good_stream_is_fine(processes, tmp_path):
    path = tmp_path / 'a.npz'
    # Slowly: a best-effort subscriber on a busy machine must lose nothing.
    np.savez(path, width=80, rate_hz=2000.0, K=K, packed=packing.pack(scene()))
    processes.start('player', path, '--loop')
    status, output = processes.run('check_stream', 0.02, '--duration', 0.5, code=BY_PACKETS)
    lines = by_topic(output.splitlines())
    assert status == 0, lines
    assert 'spike_player: reliable' in lines['publisher']
    assert '80x48 pixels' in lines['sensor']
    assert 'of 40 planes' in lines['packets']
    assert '2000.0 planes/s by stamps' in lines['rate']
    assert 'focal length 380.0 pixels' in lines['camera']
    assert 'little: fits the picture' in lines['bit order']
    assert not [line for line in lines.values() if line.startswith('PROBLEM')]


@pytest.fixture
def judge(capsys, monkeypatch):
    """The lines that are said of a stream of 2000 planes a second."""

    def run(spikes, period_s=0.02, k=K, bit_order='little', frame='camera'):
        publisher = SimpleNamespace(
            topic_type='sensor_msgs/msg/Image',
            node_name='driver',
            qos_profile=SimpleNamespace(reliability=QoSReliabilityPolicy.RELIABLE),
        )
        check = CameraCheck(node_of(publisher), SimpleNamespace(size=None), '')
        sent = []
        monkeypatch.setattr(check_stream.time, 'monotonic', lambda: 1 + period_s * len(sent))
        info = CameraInfo(width=80, height=48, k=k.ravel())
        info.header.frame_id = frame
        check._on_camera_info(info)
        for number in range(25):
            planes = packing.pack(spikes[:40], bit_order)
            chunk = SpikeChunk(planes, Geometry(48, 80), T0 + number * 20_000_000)
            sent.append(None)
            check._on_spikes(spikes_msg(chunk, frame))
        number = report('', CAMERA, check.seen())
        lines = capsys.readouterr().out.splitlines()
        assert number == len([line for line in lines if line.startswith('PROBLEM')])
        return lines

    return run


def problems(lines):
    return [line[9:19].strip() for line in lines if line.startswith('PROBLEM')]


def test_a_stream_is_fine_to_the_judge_alone(judge):
    lines = judge(scene())
    assert not problems(lines)
    assert '2000.0 planes/s by stamps, 2000/s arrived' in by_topic(lines)['rate']


def test_a_wrong_bit_order_and_a_missing_calibration_are_found(judge):
    lines = judge(scene(), bit_order='big', k=0 * K)
    assert problems(lines) == ['camera', 'bit order'], lines
    assert 'flip is_bigendian in the publisher' in by_topic(lines)['bit order']


def test_a_dark_stream_is_found(judge):
    lines = judge(scene(level=0.02))
    assert problems(lines) == ['light'], lines
    assert 'too dark; open the iris' in by_topic(lines)['light']


def test_a_stream_that_is_slower_than_its_stamps_is_found(judge):
    lines = judge(scene(), period_s=0.1)
    assert problems(lines) == ['rate'], lines
    told = '400 of 2,000 planes/s arrive and none are lost: the publisher is behind'
    assert told in by_topic(lines)['rate']


def test_a_publisher_that_comes_late_is_waited_for(processes, ros_node, spin):
    check = processes.start('check_stream', 0.02, '--duration', 1, code=BY_PACKETS)
    waits = 'waiting for up to 15 s for /spikes'
    spin(lambda: waits in processes.log('check_stream'), what='a line that it waits')
    publisher = ros_node.create_publisher(Image, 'spikes', 10)
    sent = []

    def send():
        publisher.publish(message(len(sent), period_ns=500_000))
        sent.append(None)

    ros_node.create_timer(0.02, send)
    spin(lambda: check.poll() is not None, what='the end of check_stream')
    _, output = processes.finish('check_stream')
    assert 'none could be read: the sensor size is unknown' in output
    packets = int(output.split(' packets arrived')[0].split()[-1])
    assert packets == pytest.approx(50, abs=2), 'a second from the first packet on'


def node_of(publisher):
    """As much of a node as a check needs, with one publisher of each topic."""
    return SimpleNamespace(
        create_subscription=lambda _, topic, handle, __: SimpleNamespace(topic_name=f'/{topic}'),
        get_publishers_info_by_topic=lambda _: [publisher],
    )


def lossy(capsys, busy='', rate_hz=500.0, planes=40, reliable=True, monkeypatch=None):
    """What is said of a stream of which each tenth packet is lost."""
    options = SimpleNamespace(size=(64, 48))
    kind = QoSReliabilityPolicy.RELIABLE if reliable else QoSReliabilityPolicy.BEST_EFFORT
    publisher = SimpleNamespace(
        topic_type='sensor_msgs/msg/Image',
        node_name='driver',
        qos_profile=SimpleNamespace(reliability=kind),
    )
    check = CameraCheck(node_of(publisher), options, '')
    now = itertools.count(0, 1 / rate_hz)
    monkeypatch.setattr(check_stream.time, 'monotonic', lambda: next(now))
    for number in range(200):
        if number % 10 != 9:
            chunk = SpikeChunk(
                packing.pack(moving_bars(planes)), Geometry(48, 64), T0 + planes * number * 50_000
            )
            check._on_spikes(spikes_msg(chunk, 'camera'))
    report('', CAMERA, check.seen(busy))
    output = capsys.readouterr().out
    (loss,) = (line for line in output.splitlines() if line[9:20].strip() == 'loss')
    assert loss.startswith('PROBLEM')
    assert 'PROBLEM  input' not in output
    assert 'PROBLEM  packets' not in output
    return loss.split('gaps: ')[1]


def test_the_cause_of_lost_planes_is_named_with_the_remedies_that_are_left(capsys, monkeypatch):
    say = functools.partial(lossy, capsys, monkeypatch=monkeypatch)
    monkeypatch.setenv('FASTRTPS_DEFAULT_PROFILES_FILE', 'ours.xml')
    assert say(busy='its cores are 100% busy').startswith('this machine takes ')
    assert 'of 20,000 planes/s (its cores are 100% busy): close other programs' in say(
        busy='its cores are 100% busy'
    )
    lost = 'lost before DDS, in the driver or its link (docs/tasks/connect_camera.md)'
    assert say().endswith(lost)
    assert say(reliable=False) == 'let the publisher be reliable'
    assert say(planes=80) == 'send packets of at most 40 planes'
    assert say(planes=4, rate_hz=20_000.0) == 'pack 40 planes into a packet'
    monkeypatch.delenv('FASTRTPS_DEFAULT_PROFILES_FILE')
    assert say(reliable=False) == (
        'let the publisher be reliable, or use our DDS profile at both ends (docs/tasks/robot.md)'
    )


def test_a_machine_without_time_is_described():
    load = check_stream.Load()
    end = time.monotonic() + 0.5
    while time.monotonic() < end:  # takes all that it gets of a core; of a busy machine, less
        pass
    assert re.fullmatch(
        r'check_stream uses \d+% of a core|its cores are \d+% busy', load.describe()
    )


def test_nobody_publishing_is_found(run_here):
    status, output = run_here('check_stream', '--wait', 0.5)
    assert status == 1
    assert 'no publisher of /spikes: start the driver or spike_player, or remap' in output
    assert '1 problem' in output


@pytest.mark.parametrize('period_s', [0.1, 0.005])  # few packets, and more than are kept waiting
def test_an_unknown_sensor_size_is_found(processes, ros_node, spin, period_s):
    publisher = ros_node.create_publisher(Image, 'spikes', 10)
    chunk = SpikeChunk(packing.pack(scene()[:4]), Geometry(48, 80), 0)
    ros_node.create_timer(period_s, lambda: publisher.publish(spikes_msg(chunk, 'camera')))
    check = processes.start('check_stream', '--duration', 1)
    spin(lambda: check.poll() is not None, what='the end of check_stream')
    status, output = processes.finish('check_stream')
    assert status == 1
    assert output.count('the sensor size is unknown') == 1
    assert 'PROBLEM  sensor' in output
    assert 'or check_stream --size WxH' in output
    assert '1 problem' in output


def test_a_frame_that_tf2_refuses_is_told(judge):
    lines = [line for line in judge(scene(), frame='/spike_camera') if 'PROBLEM' in line]
    assert [line.split('correct')[0] for line in lines] == [
        f"PROBLEM  frame      {topic} has frame_id '/spike_camera', which tf2 refuses for its "
        "slash; expected 'spike_camera': "
        for topic in ('camera_info', 'spikes')
    ]


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_check_is_not_fine(processes, spin, number):
    check = processes.start('check_stream')
    spin(lambda: 'waiting for' in processes.log('check_stream'), what='a line that it waits')
    check.send_signal(number)
    spin(lambda: check.poll() is not None, what='the end of check_stream')
    status, output = processes.finish('check_stream')
    assert status == 1
    assert 'error: interrupted before the check ended: run it again' in output


def test_a_watched_stream_has_a_line_a_second(processes, tmp_path, spin):
    np.savez(tmp_path / 'a.npz', width=80, rate_hz=20_000.0, K=K, packed=packing.pack(scene()))
    processes.start('check_stream', 0.01, '--watch', code=BY_PACKETS)
    spin(lambda: 'lost' in processes.log('check_stream'), what='a line without a stream')
    processes.start('player', tmp_path / 'a.npz', '--loop', '--speed', 0.2)
    spin(lambda: 'spikes per pixel' in processes.log('check_stream'), what='the stream')
    spin(lambda: processes.log('check_stream').count('spikes per pixel') > 2, what='more lines')
    processes.stop('check_stream')
    output = processes.log('check_stream')
    lines = [line for line in output.splitlines() if 'spikes per pixel' in line]
    numbers = lines[-1].split()
    assert float(numbers[1]) == pytest.approx(100, rel=0.05)  # a fifth of 20,000 planes/s
    assert float(numbers[3]) == pytest.approx(4000, rel=0.05)
    # Best effort: a busy machine may lose a packet of 40 planes, but not in each second.
    lost = [line.split()[5:7] for line in lines]
    assert ['0', 'lost'] in lost
    assert all(int(planes) % 40 == 0 and word == 'lost' for planes, word in lost)


def camera_info(calibration):
    info = CameraInfo(width=calibration.width, height=calibration.height)
    set_fields(info, calibration)
    return info


def message(number, width=64, period_ns=50_000, offset_ns=0):
    """A packet of forty planes of a stream."""
    chunk = SpikeChunk(
        packing.pack(moving_bars(40)[:, :, :width]),
        Geometry(48, width),
        T0 + 40 * number * period_ns + offset_ns,
    )
    return spikes_msg(chunk, 'camera')


@pytest.fixture
def check_pair(ros_node, processes, spin):
    """Check two cameras of this process, some of which are silent; the status and the lines."""

    def run(*options, silent=()):
        publishers, step_s = {}, 0.02 / (2 - len(silent))
        for eye in EYES:
            spikes = ros_node.create_publisher(Image, f'{eye}/spikes', 10)
            info = ros_node.create_publisher(CameraInfo, f'{eye}/camera_info', 10)
            publishers[eye] = spikes, info, camera_info(getattr(RIG, eye))
        sent = []

        def send():
            for eye, (spikes, info, calibration) in publishers.items():
                if eye not in silent:
                    info.publish(calibration)
                    # 2000 planes a second.
                    spikes.publish(message(len(sent), period_ns=500_000))
            sent.append(None)

        # Rarer than the time of packets: a best-effort subscriber on a busy machine, whose queue
        # is 32 messages, must lose nothing.
        timer = ros_node.create_timer(0.02 if silent else 0.05, send)
        check = processes.start('check_stream', step_s, '--stereo', *options, code=BY_PACKETS)
        spin(lambda: check.poll() is not None, what='the end of check_stream')
        timer.cancel()
        status, output = processes.finish('check_stream')
        lines = output.splitlines()
        found = {(line[9:16].strip(), line[16:27].strip()): line for line in lines[:-1]}
        return status, found, lines[-1]

    return run


def test_two_good_cameras_are_fine_as_a_pair(check_pair):
    status, lines, last = check_pair('--duration', 0.5)
    assert (status, last) == (0, 'both streams are fine, as a pair, too'), lines
    for eye in EYES:
        assert 'of 40 planes' in lines[eye, 'packets']
        assert '64x48 pixels' in lines[eye, 'sensor']
        assert 'focal length 430.0 pixels' in lines[eye, 'camera']
        assert '2000.0 planes/s by stamps' in lines[eye, 'rate']
        assert lines[eye, 'loss'].startswith('ok ')
        assert (eye, 'light') in lines
    assert lines['pair', 'sensor'].endswith('both 64x48 pixels')
    assert lines['pair', 'rate'].endswith('both 2000.0 planes/s')
    assert 'ok       pair   stamps     newest of right ' in lines['pair', 'stamps']
    means = 'one pixel of disparity is 0.019 m at 1 m, 0.48 m at 5 m, 1.9 m at 10 m'
    assert lines['pair', 'rig'].endswith(f'baseline 0.120 m, fx 430.0 pixels; {means}')


def test_a_silent_camera_is_named(check_pair):
    status, lines, last = check_pair('--duration', 0.3, '--wait', 6, silent=['right'])
    assert (status, last) == (1, '1 problem'), lines
    assert lines['right', 'packets'].startswith('PROBLEM  right  packets    none arrived')
    assert ('pair', 'rig') not in lines
    assert ('pair', 'rate') not in lines
    assert 'loss' in lines['left', 'loss']


def test_nobody_publishing_is_found_for_both(run_here):
    status, output = run_here('check_stream', '--stereo', '--wait', 0.5)
    assert status == 1
    for eye in EYES:
        assert f'no publisher of /{eye}/spikes: start the driver or spike_player' in output
        assert f'--ros-args -r {eye}/spikes:=/your/topic' in output
    assert '2 problems' in output


def pair_lines(capsys, right_info=None, left_info=None, **of_right):
    """What is said of a pair whose right camera is another one; the number of problems."""
    ingests = {eye: Ingest(StreamSettings(128, rectify=False), lambda *_: None) for eye in EYES}
    infos = {'left': camera_info(RIG.left), 'right': camera_info(RIG.right)}
    if right_info is not None:
        infos['right'] = right_info
    if left_info is not None:
        infos['left'] = left_info
    infos['right'].width = of_right.get('width', 64)
    check = PairCheck(*(SimpleNamespace(ingest=one) for one in ingests.values()))
    for eye, one in ingests.items():
        one.on_camera_info(infos[eye])
    for number in range(8):
        for eye, one in ingests.items():
            one.on_spikes(message(number, **(of_right if eye == 'right' else {})))
            check.look()
    return report('pair', PAIR, check.seen()), capsys.readouterr().out


@pytest.mark.parametrize(
    ('of_right', 'words'),
    [
        ({'period_ns': 51_000}, 'PROBLEM  pair   rate       left 20000.0, right 19607.8 planes/s'),
        (
            {'offset_ns': -12_000_000_000},
            'PROBLEM  pair   stamps     do not overlap: right is 12.000 s behind left: stamp both '
            'by one clock, or set right.offset_s',
        ),
        ({'offset_ns': 10**9}, 'do not overlap: right is 1.000 s ahead of left: '),
        (
            {'right_info': camera_info(RIG.left)},
            'both eyes have the left calibration: P[3] of the right camera is 0, a baseline of 0',
        ),
        (
            {'left_info': camera_info(RIG.right)},
            'PROBLEM  pair   rig        both eyes have the right calibration: P[3] is -51.6 of',
        ),
        ({'right_info': CameraInfo(width=64, height=48)}, 'right camera is not calibrated'),
    ],
)
def test_two_cameras_that_make_no_pair_are_told_so(capsys, of_right, words):
    problems, output = pair_lines(capsys, **of_right)
    assert words in output
    assert problems == output.count('PROBLEM') == 1, output


def test_two_sizes_are_no_pair(capsys):
    problems, output = pair_lines(capsys, width=56)
    assert 'PROBLEM  pair   sensor     left 64x48, right 56x48 pixels; expected one' in output
    assert problems == 1


def test_clocks_that_differ_by_little_overlap(capsys):
    problems, output = pair_lines(capsys, period_ns=50_100, offset_ns=-3_000_000)
    assert problems == 0
    assert 'ok       pair   stamps     newest of right ' in output


def test_an_absurd_baseline_is_told_and_does_not_end_the_check(capsys):
    tiny = camera_info(RIG.right)
    tiny.p[3] = -5e-324
    _, output = pair_lines(capsys, right_info=tiny)
    assert 'PROBLEM  pair   rig        a baseline of 0 m; expected 0.001 to 10 metres' in output


def test_two_watched_streams_have_a_line_each(processes, spin):
    processes.start('check_stream', '--stereo', '--watch')
    spin(lambda: processes.log('check_stream').count('packets/s') >= 2, what='two lines')
    processes.stop('check_stream')
    first, second = processes.log('check_stream').splitlines()[:2]
    assert first.split()[1:3] == ['left', '0']
    assert second.split()[1:3] == ['right', '0']


def test_a_publisher_that_is_not_named_yet_is_said_to_be_one(capsys):
    publisher = SimpleNamespace(
        topic_type='sensor_msgs/msg/Image',
        node_name='_NODE_NAME_UNKNOWN_',
        node_namespace='_NODE_NAMESPACE_UNKNOWN_',
        qos_profile=SimpleNamespace(reliability=QoSReliabilityPolicy.RELIABLE),
    )
    check = CameraCheck(node_of(publisher), SimpleNamespace(size=None), '')
    report('', CAMERA, check.seen())
    assert 'a node whose name has not arrived yet: reliable' in capsys.readouterr().out
    assert publisher_name(publisher) == 'a node whose name has not arrived yet'
