# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two cameras play from one process by one clock: two files, or a bag that has both."""

import functools
import os
import signal
import time

import numpy as np
import pytest
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from kit import bags
from spike_depth_ros.base import cli
from spike_depth_ros.io.recording import open_recording
from spike_depth_ros.nodes.parts import process
from spike_depth_ros.nodes.parts.player_source import open_source
from spike_depth_ros.nodes.parts.process import UserError
from spike_depth_ros.nodes.player import PlayerOptions
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.decode import chunk_from_msg, stamp_ns

WIDTH, HEIGHT, RATE = 13, 5, 30_000.0
FX, BASELINE = 430.0, 0.12
PAIR = ('--baseline', BASELINE, '--fx', FX)
K = [[FX, 0, 6], [0, FX, 2], [0, 0, 1.0]]
QUEUE = QoSProfile(depth=1000)


def planes_of(seed, planes=90):
    made = np.random.default_rng(seed).integers(0, 256, (planes, HEIGHT, 2), dtype=np.uint8)
    made[:, :, 1] &= 0b11111  # padding bits are 0
    return made


LEFT, RIGHT = planes_of(1), planes_of(2, 70)


def save(path, planes, **content):
    np.savez(path, packed=planes, **{'width': WIDTH, 'rate_hz': RATE, **content})
    return path


@pytest.fixture
def pair(tmp_path):
    """Files of a left camera, and of a right one with fewer planes."""
    return save(tmp_path / 'left.npz', LEFT), save(tmp_path / 'right.npz', RIGHT)


class Eye:
    """What one camera says, by topic."""

    def __init__(self, node, name):
        self.packets, self.cameras, self.truths = [], [], []
        node.create_subscription(Image, f'{name}/spikes', self.packets.append, QUEUE)
        node.create_subscription(CameraInfo, f'{name}/camera_info', self.cameras.append, QUEUE)
        node.create_subscription(Image, f'{name}/depth/truth', self.truths.append, QUEUE)

    def wait(self, spin, packets):
        """Wait for what was sent: it is handled later than its source may end."""
        spin(lambda: len(self.packets) >= packets and self.cameras, what=f'{packets} packets')

    def planes(self, height=HEIGHT, width=WIDTH):
        return np.concatenate([chunk_from_msg(one, height, width).data for one in self.packets])

    def stamps(self):
        return [stamp_ns(one.header.stamp) for one in self.packets]

    def frames(self):
        return {one.header.frame_id for one in (*self.packets, *self.cameras)}


@pytest.fixture
def eyes(ros_node):
    return Eye(ros_node, 'left'), Eye(ros_node, 'right')


def opened(*arguments):
    """The opened source of a command line."""
    options = cli.options(PlayerOptions, 'spike_player', [str(part) for part in arguments])
    return open_source(options, lambda: True)


@pytest.mark.dds
def test_planes_of_both_eyes_arrive_with_the_same_stamps(play, processes, spin, eyes, pair):
    sent = play(pair[0], '--right', pair[1], *PAIR)
    left, right = eyes
    for eye, planes in zip(eyes, (LEFT, RIGHT), strict=True):
        eye.wait(spin, packets=2)
        np.testing.assert_array_equal(eye.planes(), planes[:70])
    assert left.stamps() == right.stamps()
    assert [at - sent['first_stamp_ns'] for at in left.stamps()] == [0, 1_333_333]
    assert (sent['planes_sent'], sent['packets_sent'], sent['rate_hz']) == (70, 2, RATE)
    assert sent['right'] == {'planes_sent': 70, 'packets_sent': 2}
    assert left.frames() == {'left_spike_camera_optical_frame'}
    assert right.frames() == {'right_spike_camera_optical_frame'}
    for eye, shift in zip(eyes, (0, -51.6), strict=True):  # 430 px times 0.12 m
        camera = eye.cameras[0]
        assert (camera.width, camera.height) == (WIDTH, HEIGHT)
        np.testing.assert_allclose(camera.k, np.ravel(K))
        np.testing.assert_allclose(camera.p, [430, 0, 6, shift, 0, 430, 2, 0, 0, 0, 1, 0])
    output = processes.log('player')
    assert output.count('left.npz has 90 planes and ') == output.count('the first 70 of both') == 1
    assert '70 planes of left in 2 packets and 70 planes of right in 2 packets sent' in output


@pytest.mark.dds
def test_a_loop_of_both_goes_on_counting_and_ends_after_the_planes(play, spin, eyes, pair):
    arguments = ['--loop', '--planes', 155, '--planes-per-packet', 50, '--speed', 0]
    sent = play(pair[0], '--right', pair[1], *PAIR, *arguments, '--frame-id', 'mine')
    for eye, planes in zip(eyes, (LEFT, RIGHT), strict=True):
        eye.wait(spin, packets=5)
        looped = np.concatenate([planes[:70]] * 3)[:155]
        np.testing.assert_array_equal(eye.planes(), looped)
    starts = [plane * 1_000_000_000 // 30_000 for plane in (0, 50, 70, 120, 140)]
    assert [at - sent['first_stamp_ns'] for at in eyes[0].stamps()] == starts
    assert eyes[0].stamps() == eyes[1].stamps()
    assert (sent['planes_sent'], sent['right']['planes_sent']) == (155, 155)
    assert eyes[0].frames() == {'mine'}
    assert eyes[1].frames() == {'right_spike_camera_optical_frame'}


@pytest.mark.dds
def test_the_player_waits_for_a_subscriber_to_each_eye(processes, spin, ros_node, pair):
    left = Eye(ros_node, 'left')
    player = processes.start('player', pair[0], '--right', pair[1], *PAIR, '--wait', 30)
    spin(lambda: ros_node.count_publishers('right/spikes'), what='the player')
    end = time.monotonic() + 1
    spin(lambda: time.monotonic() > end)
    assert not left.cameras  # which come before planes
    right = Eye(ros_node, 'right')
    spin(lambda: player.poll() is not None, what='the end of the player')
    right.wait(spin, packets=2)
    left.wait(spin, packets=2)
    assert 'waiting up to 30 s for a subscriber to /left/spikes and /right/spikes' in (
        processes.log('player')
    )


@pytest.mark.dds
@pytest.mark.timed
def test_an_eye_without_a_subscriber_is_named(play, processes, ros_node, pair):
    best_effort = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)
    ros_node.create_subscription(Image, 'left/spikes', lambda _: None, best_effort)
    play(pair[0], '--right', pair[1], *PAIR, '--wait', 2)
    assert 'no subscriber to /right/spikes; playing without one' in processes.log('player')


@pytest.mark.dds
@pytest.mark.timed
@pytest.mark.usefixtures('eyes')
def test_the_rate_of_both_is_true(play, pair):
    sent = play(pair[0], '--right', pair[1], *PAIR, '--loop', '--planes', 15_000)
    assert sent['planes_per_s'] == pytest.approx(RATE, rel=0.03)
    assert sent['right']['planes_sent'] == 15_000


@pytest.mark.dds
@pytest.mark.timed
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_both(processes, spin, eyes, pair, number):
    processes.start('player', pair[0], '--right', pair[1], *PAIR, '--loop', '--speed', 0.2)
    spin(lambda: all(len(eye.packets) > 3 for eye in eyes), what='packets of both')
    start = time.monotonic()
    processes.stop('player', number)
    assert time.monotonic() - start < 2
    assert 'Traceback' not in processes.log('player')


@pytest.mark.dds
def test_a_file_that_is_cut_ends_both_after_the_same_planes(processes, spin, eyes, tmp_path):
    left, right = tmp_path / 'left.dat', tmp_path / 'right.dat'
    for path in (left, right):
        path.write_bytes(planes_of(3, 4000).tobytes())
    raw = ['--size', f'{WIDTH}x{HEIGHT}', '--rate', 2000, *PAIR]
    player = processes.start('player', left, '--right', right, *raw)
    spin(lambda: all(len(eye.packets) > 3 for eye in eyes), what='packets of both')
    os.truncate(right, 10)
    spin(lambda: player.poll() is not None, what='the end of the player')
    status, output = processes.finish('player')
    assert status == 1
    assert output.count(f'{right}: was cut while it was read') == 1
    assert 'Traceback' not in output
    eyes[1].wait(spin, len(eyes[0].packets))
    assert eyes[0].stamps() == eyes[1].stamps()


def calibration(path, shift, fx=FX, width=WIDTH):
    p = [fx, 0, 6, shift, 0, fx, 2, 0, 0, 0, 1, 0]
    k = [fx, 0, 6, 0, fx, 2, 0, 0, 1]
    path.write_text(
        f'image_width: {width}\nimage_height: {HEIGHT}\n'
        f'camera_matrix: {{data: {k}}}\nprojection_matrix: {{data: {p}}}\n'
    )
    return path


@pytest.fixture
def calibrations(tmp_path):
    return calibration(tmp_path / 'left.yaml', 0), calibration(tmp_path / 'right.yaml', -43)


def test_two_calibrations_are_those_of_the_eyes(pair, calibrations):
    given = ['--camera-info', calibrations[0], '--right-camera-info', calibrations[1]]
    source = opened(pair[0], '--right', pair[1], *given)
    assert [camera.p[3] for camera in source.cameras] == [0, -43]
    assert [camera.header.frame_id for camera in source.cameras] == [
        'left_spike_camera_optical_frame',
        'right_spike_camera_optical_frame',
    ]


@pytest.mark.parametrize(
    ('of_left', 'of_right', 'shift'),
    [(FX, None, -51.6), (None, FX, -51.6), (FX, FX, -51.6), (FX, 2 * FX, None)],
)
def test_a_focal_length_in_the_recording_is_used(tmp_path, of_left, of_right, shift):
    paths = []
    for name, fx in (('left', of_left), ('right', of_right)):
        content = {} if fx is None else {'K': np.diag([fx, fx, 1])}
        paths.append(save(tmp_path / f'{name}.npz', LEFT, **content))
    arguments = [paths[0], '--right', paths[1], '--baseline', BASELINE]
    if shift is None:
        with pytest.raises(
            UserError, match='focal lengths are 430 and 860 pixels; expected equal'
        ):
            opened(*arguments)
    else:
        assert opened(*arguments).cameras[1].p[3] == pytest.approx(shift)
    assert opened(*arguments, '--fx', 100).cameras[1].p[3] == pytest.approx(-12)


FILES = ('{left}', '--right', '{right}')
RIGHT_INFO = '--right-camera-info'
WRONG = {
    'no left file': ('absent.npz', ['absent.npz', '--right', '{right}', *PAIR]),
    'no right file': ('absent.npz', ['{left}', '--right', 'absent.npz', *PAIR]),
    'another width': ('wide.npz', ['{left}', '--right', '{wide}', *PAIR]),
    'another bit order': ('big.npz', ['{left}', '--right', '{big}', *PAIR]),
    'another rate': ('fast.npz', ['{left}', '--right', '{fast}', *PAIR]),
    'no rate': ('rateless.npz', ['{left}', '--right', '{rateless}', *PAIR]),
    'damaged': ('damaged.npz', ['{left}', '--right', '{damaged}', *PAIR]),
    'raw without its size': ('a.dat', ['{left}', '--right', '{raw}', *PAIR]),
    'right is a pipe': ('camera.raw', ['{left}', '--right', '{pipe}', *PAIR]),
    'left is a pipe': ('camera.raw', ['{pipe}', '--right', '{right}', *PAIR]),
    'right is standard input': ('-: ', ['{left}', '--right', '-', *PAIR]),
    'left is standard input': ('-: ', ['-', '--right', '{right}', *PAIR]),
    'right is a bag': ('a_bag', ['{left}', '--right', '{bag}', *PAIR]),
    'left is a bag': ('a_bag', ['{bag}', '--right', '{right}', *PAIR]),
    'topic of a bag': ('--topic', [*FILES, *PAIR, '--topic', '/left/spikes']),
    'no calibration': ('--baseline', FILES),
    'fx alone': ('--fx', [*FILES, '--fx', 430]),
    'baseline alone': ('--baseline', [*FILES, '--baseline', 0.1]),
    'right calibration alone': (RIGHT_INFO, [*FILES, RIGHT_INFO, '{info}']),
    'baseline and a calibration': (
        '--camera-info',
        [*FILES, '--camera-info', '{info}', '--baseline', 0.1],
    ),
    'no calibration file': ('no.yaml', [*FILES, '--camera-info', '{info}', RIGHT_INFO, 'no.yaml']),
    'exchanged calibrations': (
        'P[3]',
        [*FILES, '--camera-info', '{info_r}', RIGHT_INFO, '{info}'],
    ),
    'baseline of one camera': ('--baseline', ['{left}', *PAIR]),
    'right calibration of one camera': (RIGHT_INFO, ['{left}', RIGHT_INFO, '{info}']),
}


@pytest.fixture
def named_files(tmp_path, pair, calibrations):
    """Files for command lines, by their names there."""
    raw, pipe, damaged = tmp_path / 'a.dat', tmp_path / 'camera.raw', tmp_path / 'damaged.npz'
    raw.write_bytes(RIGHT.tobytes())
    os.mkfifo(pipe)
    damaged.write_bytes(pair[1].read_bytes()[:100])
    np.savez(tmp_path / 'rateless.npz', packed=RIGHT, width=WIDTH)
    (tmp_path / 'a_bag').mkdir()
    return {
        'left': pair[0],
        'right': pair[1],
        'wide': save(tmp_path / 'wide.npz', RIGHT, width=14),
        'big': save(tmp_path / 'big.npz', RIGHT, bit_order='big'),
        'fast': save(tmp_path / 'fast.npz', RIGHT, rate_hz=40_000.0),
        'rateless': tmp_path / 'rateless.npz',
        'damaged': damaged,
        'raw': raw,
        'pipe': pipe,
        'bag': tmp_path / 'a_bag',
        'info': calibrations[0],
        'info_r': calibrations[1],
    }


def test_what_is_no_pair_is_refused(refusals, named_files):
    rows = {
        name: (
            named,
            functools.partial(opened, *(str(part).format(**named_files) for part in arguments)),
        )
        for name, (named, arguments) in WRONG.items()
    }
    refusals('player_pair', rows, UserError)


@pytest.mark.dds
def test_a_refused_pair_ends_the_player_with_one_line(run_here, named_files):
    status, output = run_here('player', *(part.format(**named_files) for part in FILES))
    assert status == 1
    (line,) = output.strip().splitlines()
    assert 'two cameras with no calibration; expected either --baseline and --fx, or' in line


def moved(messages, name, shift_ns=0, late_ns=0, frame=None):
    """The messages of a camera, under a namespace, with other stamps and times."""
    for _, _, message in messages:
        shifted = stamp_ns(message.header.stamp) + shift_ns
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(shifted, 10**9)
        message.header.frame_id = frame or name
    return [(f'/{name}{topic}', at + late_ns, message) for topic, at, message in messages]


def write_pair(path, planes=400, shift_ns=20_000, late_ns=20_000, **of_right):
    """A bag of two cameras, the right one with other stamps, recorded later."""
    left = moved(bags.stream(planes, truths=[64, 150.5]), 'robot/left')
    right = moved(bags.stream(planes, **of_right), 'robot/right', shift_ns, late_ns)
    return bags.write(path, sorted((*left, *right), key=lambda message: message[1]))


def starts_of(eye, report):
    return [at - report['first_stamp_ns'] for at in eye.stamps()]


@pytest.mark.dds
def test_a_bag_of_both_is_played_as_it_was_recorded(play, spin, eyes, tmp_path):
    report = play(write_pair(tmp_path / 'bag', leave_out=[3], fx=50.0))
    left, right = eyes
    left.wait(spin, packets=10)
    right.wait(spin, packets=9)
    starts = [number * 40 * bags.PERIOD for number in range(10)]
    assert starts_of(left, report) == starts
    assert starts_of(right, report) == [at + 20_000 for at in np.delete(starts, 3)]
    np.testing.assert_array_equal(
        np.delete(left.planes(bags.HEIGHT, bags.WIDTH), slice(120, 160), axis=0),
        right.planes(bags.HEIGHT, bags.WIDTH),
    )
    spin(lambda: len(left.truths) == 2, what='true depth')
    at = [stamp_ns(truth.header.stamp) - report['first_stamp_ns'] for truth in left.truths]
    assert at == [64 * bags.PERIOD, 150.5 * bags.PERIOD]
    assert (report['planes_sent'], report['packets_sent']) == (400, 10)
    assert report['right'] == {'planes_sent': 360, 'packets_sent': 9}
    assert left.frames() | {one.header.frame_id for one in left.truths} == {'robot/left'}
    assert right.frames() == {'robot/right'}
    assert (left.cameras[0].k[0], right.cameras[0].k[0]) == (bags.FX, 50)


@pytest.mark.dds
def test_a_loop_of_a_bag_keeps_the_relation_of_the_eyes(play, spin, eyes, tmp_path):
    path = write_pair(tmp_path / 'bag', planes=200)
    report = play(path, '--loop', '--planes', 450, '--speed', 0)
    for eye, shift_ns in zip(eyes, (0, 20_000), strict=True):
        eye.wait(spin, packets=12)
        starts = [number * 40 * bags.PERIOD + shift_ns for number in range(12)]
        assert starts_of(eye, report) == starts
    assert (report['planes_sent'], report['right']['planes_sent']) == (450, 450)


@pytest.mark.dds
@pytest.mark.timed
@pytest.mark.parametrize('shift_s', [5, -5])
def test_eyes_of_two_clocks_play_side_by_side(play, spin, eyes, tmp_path, shift_s):
    path = write_pair(tmp_path / 'bag', planes=4000, shift_ns=shift_s * 10**9)
    report = play(path)
    assert 0.19 < report['seconds'] < 1
    assert report['behind_s_max'] < 0.5
    for eye in eyes:
        eye.wait(spin, packets=100)
    difference = eyes[1].stamps()[0] - eyes[0].stamps()[0]
    assert difference == shift_s * 10**9
    assert report['first_stamp_ns'] == min(eyes[0].stamps()[0], eyes[1].stamps()[0])


@pytest.mark.dds
def test_a_topic_chooses_one_eye_of_a_bag(play, spin, ros_node, eyes, tmp_path):
    packets = []
    ros_node.create_subscription(Image, 'spikes', packets.append, QUEUE)
    report = play(write_pair(tmp_path / 'bag'), '--topic', '/robot/right/spikes')
    spin(lambda: len(packets) == 10, what='packets')
    assert 'right' not in report
    assert packets[0].header.frame_id == 'robot/right'
    assert not eyes[0].packets
    assert not eyes[1].packets


def test_calibrations_replace_those_of_a_bag(tmp_path):
    source = opened(write_pair(tmp_path / 'bag'), '--baseline', 0.1)
    assert source.cameras[1].p[3] == pytest.approx(-0.1 * bags.FX)
    assert source.cameras[1].header.frame_id == 'robot/right'


def test_other_rates_in_a_bag_are_named(tmp_path):
    source = opened(write_pair(tmp_path / 'bag', per_packet=20))
    assert not source.warnings
    path = write_pair(tmp_path / 'other', leave_out=[1])
    assert opened(path).warnings == [
        '/robot/left/spikes begins with 20000 planes/s, /robot/right/spikes with 10000; expected '
        'one rate: they are played as recorded'
    ]


def wider(messages):
    for topic, _, message in messages:
        if topic.endswith('right/camera_info'):
            message.width = bags.WIDTH - 1
    return messages


def bag_messages(shift_ns=0, late_ns=0, planes=400):
    left = moved(bags.stream(400), 'left')
    return [*left, *moved(bags.stream(planes), 'right', shift_ns, late_ns)]


def test_a_bag_that_is_no_pair_is_refused(refusals, tmp_path):
    apart = 11 * 10**9
    bad = {
        'stamps apart': ('11 s', bag_messages(apart), []),
        'recorded apart': ('11 s', bag_messages(late_ns=apart), []),
        'another width': ('47x32', wider(bag_messages()), []),
        'two topics of one name': ('spikes', bag_messages(planes=40), []),
        'fx alone': ('--fx', bag_messages(), ['--fx', 40]),
        'baseline of one camera': (
            '--baseline',
            bag_messages(),
            ['--topic', '/left/spikes', '--baseline', 0.1],
        ),
    }
    rows = {}
    for name, (named, messages, arguments) in bad.items():
        path = bags.write(tmp_path / str(len(rows)) / 'bag', messages)
        rows[name] = named, functools.partial(opened, path, *arguments)
    refusals('player_pair_of_a_bag', rows, UserError)


def test_the_eyes_of_one_recording_play_both(tmp_path):
    path = tmp_path / 'two.npz'
    matrix = np.array(K)
    two = {'packed_right': planes_of(2), 'K': matrix, 'K_right': matrix, 'baseline_m': BASELINE}
    source = opened(save(path, LEFT, **two))
    assert source.prefixes == ['left/', 'right/']
    played = [np.concatenate([one.data for one in packets]) for packets in by_eye(source)]
    np.testing.assert_array_equal(played, [LEFT, planes_of(2)])
    left, right = source.cameras
    np.testing.assert_allclose(left.p, [430, 0, 6, 0, 0, 430, 2, 0, 0, 0, 1, 0])
    np.testing.assert_allclose(right.p, [430, 0, 6, -51.6, 0, 430, 2, 0, 0, 0, 1, 0])
    given = opened(path, '--baseline', 0.5)
    assert given.cameras[1].p[3] == pytest.approx(-0.5 * FX)


def by_eye(source):
    packets = list(source.items)
    return [[one for one in packets if one.eye == eye] for eye in (0, 1)]


def test_a_wrong_bit_order_of_either_file_is_told(tmp_path):
    planes = open_recording(process.asset('office.npz')).planes[:60, ::-1]
    for eye, order in (('left', 'little'), ('right', 'big')):
        stored = planes if order == 'little' else packing.pack(packing.unpack(planes, 400), order)
        (tmp_path / f'{eye}.dat').write_bytes(np.ascontiguousarray(stored).tobytes())
    both = (tmp_path / 'left.dat', '--right', tmp_path / 'right.dat', *PAIR)
    source = opened(*both, '--size', '400x250', '--rate', 20_000)
    (text,) = source.warnings
    assert text.startswith(f'{tmp_path / "right.dat"}: the picture has 8-pixel stripes')
