# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Both ways to evaluate a bag, over a real DDS and in lockstep, and what they must agree on."""

import itertools
import json
import shutil
import signal
import sqlite3

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Float64, Header

from kit import bags, cameras
from spike_depth_ros.checkpoint import default_checkpoint, load_info
from spike_depth_ros.evaluation.scores import CSV_COLUMNS
from spike_depth_ros.geometry.rectification import Rectification
from spike_depth_ros.nodes.evaluation import EvaluationNode
from spike_depth_ros.nodes.parts.calibration import set_fields
from spike_depth_ros.nodes.parts.conversions import array_from_msg
from spike_depth_ros.nodes.parts.live_evaluation import DepthNodeStatus
from spike_depth_ros.stream.decode import stamp_ns
from spike_depth_ros.tools.evaluate.command import main as evaluate_bag

pytestmark = pytest.mark.dds

RING = 1024
PLANES = 2 * RING
TRUTHS = list(range(64, PLANES, 300))
QUEUE = QoSProfile(depth=200)

LOCKSTEP = ('--device', 'cpu', '--threads', '1', '--write-bag', 'sqlite3')
NODE = {
    'policy': 'every',
    'ring_planes': RING,
    'device': 'cpu',
    'threads': 1,
    'spikes__reliability': 'reliable',
}


def read_with_ros(folder, topic, kind):
    """Messages of an SQLite bag by ROS's own decoder."""
    (file,) = folder.glob('*.db3')
    query = (
        'SELECT data FROM messages JOIN topics ON topic_id = topics.id '
        'WHERE name = ? ORDER BY messages.id'
    )
    with sqlite3.connect(file) as database:
        rows = database.execute(query, (topic,)).fetchall()
    return [deserialize_message(data, kind) for (data,) in rows]


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    return bags.write(tmp_path_factory.mktemp('bag') / 'bars', bags.stream(PLANES, truths=TRUTHS))


@pytest.fixture(scope='module')
def lockstep(bag):
    """The folder that evaluate_bag wrote."""
    out = bag.parent / 'lockstep'
    assert evaluate_bag([str(bag), '--out', str(out), *LOCKSTEP]) == 0
    return out


def arrived(listener):
    """Windows that the evaluation has, scored or not: what comes after its end is lost."""
    return sum(listener.count(key, 'evaluation') for key in ('windows', 'windows_waiting'))


def test_live_and_lockstep_give_the_same_depth_and_the_same_figures(
    ros_node, processes, depth_parameters, listener, spin, bag, lockstep, tmp_path
):
    live, shares = tmp_path / 'live', []
    ros_node.create_subscription(Float64, 'evaluation/delta1', shares.append, QUEUE)
    live.mkdir()
    earlier = '{"planes_dropped": 0, "models": []}'
    (live / 'metrics.json').write_text(earlier)
    (live / 'windows_other.csv').write_text(','.join(CSV_COLUMNS))  # of another model
    processes.start('depth', *depth_parameters(**NODE))
    processes.start('evaluation', *depth_parameters(out=live))
    spin(lambda: {'stream', 'evaluation'} <= set(listener.status), what='both nodes')
    # At a twentieth of real time the ring of 51 ms bridges a second.
    processes.start('player', bag, '--with-truth', '--speed', 0.05)
    windows = PLANES // 128
    spin(lambda: len(listener.depth) == windows, timeout=60, what='every window')
    assert processes.finish('player')[0] == 0
    spin(lambda: arrived(listener) == windows, what='every window at the evaluation')
    spin(lambda: listener.count('planes_windowed') == PLANES, what='the accounting')
    last = listener.status['stream']
    # The evaluation, too, has then seen the last planes.
    spin(lambda: listener.status['stream'] is not last, what='diagnostics after it')
    spin(lambda: shares, what='a share')
    assert listener.count('planes_overwritten') == 0
    assert listener.count('planes_dropped') == 0
    assert (live / 'metrics.json').read_text() == earlier
    processes.stop('evaluation')
    names = {'metrics.json', 'timing.json', 'windows.csv', 'report.html'}
    assert {file.name for file in live.iterdir()} == names
    assert len((live / 'windows.csv').read_text().splitlines()) == windows + 1

    expected = read_with_ros(lockstep / 'bag', '/depth/image', Image)
    assert len(expected) == windows
    for image, wanted in zip(listener.depth, expected, strict=True):
        assert image.data == wanted.data
        assert (image.encoding, image.step) == (wanted.encoding, wanted.step)
    moved = {
        stamp_ns(image.header.stamp) - stamp_ns(wanted.header.stamp)
        for image, wanted in zip(listener.depth, expected, strict=True)
    }
    assert len(moved) == 1  # all by the same time

    one, other = (json.loads((out / 'metrics.json').read_text()) for out in (lockstep, live))
    same = ('abs_rel', 'rmse', 'silog', 'delta1', 'ause', 'interval_coverage', 'coverage',
            'flicker', 'change_error', 'windows', 'windows_with_truth', 'planes_dropped', 'planes',
            'truth', 'window', 'hop', 'plane_rate_hz', 'boundary_f1', 'ordinal',
            'flying_pixels', 'edges_seen', 'controls')  # fmt: skip
    assert {name: other[name] for name in same} == {name: one[name] for name in same}
    assert one['windows_with_truth'] == len(TRUTHS)
    assert other['mode'] == 'live'
    assert shares[-1].data == pytest.approx(one['delta1'], abs=0.05)
    text = (live / 'report.html').read_text()
    assert 'what came out of the running node, drops included' in text
    assert '<td>unet_lite: age</td>' in text
    assert f'report: {live}/report.html' in processes.log('evaluation')
    received = json.loads((live / 'timing.json').read_text())['depth_images']
    assert received['count'] == windows
    assert received['per_s'] > 0
    assert 0 < received['latency_ms_p50'] <= received['latency_ms_p99']
    assert f'spike_evaluation: {windows} depth images, ' in processes.log('evaluation')
    assert 'spike_evaluation: unet_lite DOES NOT BEAT' in processes.log('evaluation')


def test_both_rectify_a_wide_lens_alike(
    ros_node, processes, depth_parameters, listener, spin, tmp_path
):
    planes, rectified = 1024, []
    lens = cameras.lens(
        'equidistant', (0.1, -0.05, 0.0, 0.0), fx=25.0, target=20.0, width=bags.WIDTH,
        height=bags.HEIGHT,
    )  # fmt: skip
    bag = bags.write(
        tmp_path / 'wide', bags.stream(planes, truths=range(64, planes, 128), lens=lens)
    )
    lockstep, live = tmp_path / 'lockstep', tmp_path / 'live'
    assert evaluate_bag([str(bag), '--out', str(lockstep), *LOCKSTEP]) == 0
    ros_node.create_subscription(Image, 'spikes/image_rect', rectified.append, QUEUE)
    processes.start('depth', *depth_parameters(**NODE))
    processes.start('evaluation', *depth_parameters(out=live))
    spin(lambda: {'stream', 'evaluation'} <= set(listener.status), what='both nodes')
    processes.start('player', bag, '--with-truth', '--speed', 0.05)
    windows = planes // 128
    spin(lambda: len(listener.depth) == windows, timeout=60, what='every window')
    assert processes.finish('player')[0] == 0
    spin(lambda: arrived(listener) == windows, what='every window at the evaluation')
    pictures = (rectified, listener.preview, listener.cameras)
    spin(lambda: {len(topic) for topic in pictures} == {windows}, what='pictures')
    processes.stop('evaluation')

    expected = read_with_ros(lockstep / 'bag', '/depth/image', Image)
    assert [image.data for image in listener.depth] == [image.data for image in expected]
    wanted = read_with_ros(lockstep / 'bag', '/depth/camera_info', CameraInfo)
    for camera, other in zip(listener.cameras, wanted, strict=True):
        assert tuple(camera.k) == tuple(other.k) == lens.p[:3] + lens.p[4:7] + lens.p[8:11]
        assert tuple(camera.p) == tuple(other.p) == lens.p
        assert tuple(camera.r) == tuple(other.r) == (1, 0, 0, 0, 1, 0, 0, 0, 1)
        assert (list(camera.d), camera.distortion_model) == ([0.0] * 5, 'plumb_bob')
        assert (list(other.d), other.distortion_model) == ([0.0] * 5, 'plumb_bob')
    one, other = (json.loads((out / 'metrics.json').read_text()) for out in (lockstep, live))
    same = ('abs_rel', 'rmse', 'delta1', 'coverage', 'windows_with_truth', 'truth')
    assert {name: other[name] for name in same} == {name: one[name] for name in same}
    assert one['windows_with_truth'] == windows
    remap = Rectification(lens).remap_picture
    for picture, raw in zip(rectified, listener.preview, strict=True):
        assert picture.header == raw.header
        np.testing.assert_array_equal(array_from_msg(picture), remap(array_from_msg(raw)))
    assert [picture.data for picture in rectified] != [raw.data for raw in listener.preview]

    raw = tmp_path / 'raw'
    assert evaluate_bag([str(bag), '--out', str(raw), '--no-rectify', *LOCKSTEP]) == 0
    (camera, *_) = read_with_ros(raw / 'bag', '/depth/camera_info', CameraInfo)
    assert (tuple(camera.d), tuple(camera.k)) == (lens.d, lens.k)


def test_ros_reads_the_new_bag(lockstep):
    images = read_with_ros(lockstep / 'bag', '/depth/image', Image)
    cameras = read_with_ros(lockstep / 'bag', '/depth/camera_info', CameraInfo)
    assert len(images) == len(cameras) == PLANES // 128
    for image, camera in zip(images, cameras, strict=True):
        assert image.header == camera.header
        assert (image.width, image.height, image.encoding) == (bags.WIDTH, bags.HEIGHT, '32FC1')
        assert (camera.width, camera.height, camera.k[0]) == (bags.WIDTH, bags.HEIGHT, bags.FX)
    spikes = read_with_ros(lockstep / 'bag', '/spikes', Image)
    assert sum(image.height for image in spikes) == PLANES * bags.HEIGHT


def test_the_evaluation_replaces_no_report_of_another_origin(run_here, depth_parameters, tmp_path):
    (tmp_path / 'report.html').write_text('mine')
    status, output = run_here('evaluation', *depth_parameters(out=tmp_path))
    assert status == 1
    assert f'{tmp_path / "report.html"}: is of no earlier run' in output
    assert (tmp_path / 'report.html').read_text() == 'mine'


def test_the_evaluation_says_what_it_lacks(processes, depth_parameters, listener, spin, tmp_path):
    old = tmp_path / 'out' / 'report.html'
    old.parent.mkdir()
    old.write_text('of an earlier run')
    (old.parent / 'metrics.json').write_text('{"planes_dropped": 0, "models": []}')
    processes.start('evaluation', *depth_parameters(out=old.parent))
    spin(lambda: 'evaluation' in listener.status, what='the evaluation')
    message = listener.status['evaluation'].message
    assert 'the model is not known yet: start the depth node' in message
    processes.start('depth', *depth_parameters(device='cpu'))
    spin(lambda: listener.status['evaluation'].message == 'no depth yet', what='the model')
    processes.stop('evaluation', status=1)
    assert 'no window arrived: no report' in processes.log('evaluation')
    assert f'the earlier results in {old.parent} are kept' in processes.log('evaluation')
    assert {file.name for file in old.parent.iterdir()} == {'report.html', 'metrics.json'}
    assert old.read_text() == 'of an earlier run'


def test_the_status_of_two_cameras_is_that_of_both():
    def status(part, **values):
        pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
        return DiagnosticStatus(name=f'spike_stereo: {part}', values=pairs)

    found = DepthNodeStatus()
    for part, received in (('left stream', '7'), ('right stream', '5')):
        found.update(status(part, planes_received=received), '')
        found.update(status(part, planes_received='1'), 'of/another')
    found.update(status('stereo', baseline_m='0.1'), '')
    assert found.stream.accounting().received == 7
    assert found.right_stream.accounting().received == 5
    assert found.stereo == {'baseline_m': '0.1'}


def test_what_cannot_be_configured_is_refused(refused_here):
    rows = {
        'no checkpoint': ('m.safetensors', (), {'checkpoint': '/nowhere/m.safetensors'}),
        'no such crop': ('crop', (), {'crop': 'eigen'}),
        'a cap below all depth': ('cap', (), {'cap_m': '0.0001'}),
        'no folder': ('/proc/nothing', (), {'out': '/proc/nothing'}),
        'another type': ('cap_m', (), {'cap_m': 'far'}),
    }
    refused_here('evaluation', 'evaluation', rows)


class Publishers:
    """What a depth node publishes, to be published wrongly."""

    def __init__(self, node):
        self.depth = node.create_publisher(Image, 'depth/image', QUEUE)
        self.uncertainty = node.create_publisher(Image, 'depth/uncertainty', QUEUE)
        self.diagnostics = node.create_publisher(DiagnosticArray, '/diagnostics', QUEUE)

    def send_diagnostics(self, task, **values):
        pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
        status = DiagnosticStatus(name=f'spike_depth: {task}', values=pairs)
        self.diagnostics.publish(DiagnosticArray(status=[status]))


def test_the_evaluation_refuses_what_cannot_be_read_and_goes_on(
    ros_node, processes, depth_parameters, listener, spin, tmp_path
):
    publishers = Publishers(ros_node)
    processes.start('evaluation', *depth_parameters(out=tmp_path / 'out'))
    spin(lambda: 'evaluation' in listener.status, what='the evaluation')
    for publisher in (publishers.depth, publishers.uncertainty):  # beside the test's own
        spin(lambda p=publisher: p.get_subscription_count() == 2, what='a subscriber')
    publishers.send_diagnostics(
        'stream', planes_lost_in_transport='many', planes_expected='nan', gaps='inf'
    )
    publishers.send_diagnostics('inference', predict_ms_p50='slow', predict_ms_p99='nan')
    size = {'height': 4, 'width': 5}
    publishers.depth.publish(Image(encoding='rgb8', step=15, data=bytes(60), **size))
    publishers.depth.publish(Image(encoding='32FC1', step=20, data=bytes(7), **size))
    publishers.uncertainty.publish(Image(encoding='32FC1', step=3, data=bytes(12), **size))
    publishers.depth.publish(Image(encoding='32FC1', step=20, data=bytes(80), **size))
    small = {'height': 4, 'width': 4, 'encoding': '32FC1', 'step': 16}
    publishers.uncertainty.publish(Image(data=bytes(64), **small))
    spin(lambda: listener.count('images_refused', 'evaluation') == 4, what='the count of images')
    assert '4 images refused' in listener.status['evaluation'].message
    assert listener.values('process')['internal_errors'] == '0'
    processes.stop('evaluation', status=1)
    assert 'no window arrived: no report' in processes.log('evaluation')


def test_the_evaluation_counts_truth_in_another_unit_as_unusable_and_goes_on(
    ros_node, processes, depth_parameters, listener, spin, tmp_path
):
    """Depth is 2 m; truth 1 m, in which the code of 16 bits for unknown is no depth."""
    publishers = Publishers(ros_node)
    truth = ros_node.create_publisher(Image, 'depth/truth', QUEUE)
    out, shipped = tmp_path / 'out', default_checkpoint()
    processes.start('evaluation', *depth_parameters(out=out, checkpoint=shipped))
    spin(lambda: 'evaluation' in listener.status, what='the evaluation')
    for publisher, number in ((publishers.depth, 2), (publishers.uncertainty, 2), (truth, 1)):
        spin(lambda p=publisher, n=number: p.get_subscription_count() == n, what='a subscriber')

    def send(publisher, number, pixels, encoding='32FC1'):
        message = Image(height=4, width=5, encoding=encoding, step=5 * pixels.itemsize)
        message.header.stamp.sec, message.data = 1 + number, pixels.tobytes()
        publisher.publish(message)

    integers = np.full((4, 5), 1000, np.uint16)
    integers[0] = 65535
    pixels = np.ones((4, 5), np.float32)
    truths = [(integers, '16UC1'), (1000 * pixels, '32FC1'), (pixels, '32FC1')]
    for number in range(5):
        send(publishers.depth, number, 2 * pixels)
        send(publishers.uncertainty, number, pixels)
        send(truth, number, *truths[min(number, 2)])
    spin(lambda: listener.count('truth_unusable', 'evaluation') == 1, what='the count of truths')
    reason = 'true depth: the median depth is 1e+03 m, expected 0.05 to 300 m: record 32FC1 in'
    assert reason in listener.status['evaluation'].message
    assert listener.values('process')['internal_errors'] == '0'
    processes.stop('evaluation')
    content = json.loads((out / 'metrics.json').read_text())
    assert (content['truth']['used'], content['truth']['unusable']) == (4, 1)
    assert content['models'][0]['depth']['pixels'] == 15 + 3 * 20
    assert content['abs_rel'] == pytest.approx(1.0)
    assert reason in (out / 'report.html').read_text()
    assert reason in processes.log('evaluation')


def test_the_evaluation_follows_a_swap_of_the_model(
    ros_node, processes, depth_parameters, listener, spin, tmp_path
):
    publishers = Publishers(ros_node)
    processes.start('evaluation', *depth_parameters(out=tmp_path / 'out'))
    spin(lambda: 'evaluation' in listener.status, what='the evaluation')

    def swap(path, sha256, message):
        publishers.send_diagnostics('model', checkpoint=str(path), weights_sha256=sha256)
        spin(lambda: message in listener.status['evaluation'].message, what=message)

    shipped = default_checkpoint()
    known = load_info(shipped).weights_sha256
    swap(shipped, known, 'no depth yet')
    swap('/nowhere/m.safetensors', 'e' * 64, '/nowhere/m.safetensors cannot be read here: set the')
    swap(shipped, known, 'no depth yet')
    processes.stop('evaluation', status=1)  # no window arrived
    assert processes.log('evaluation').count('set the parameter checkpoint') == 1


@pytest.mark.usefixtures('ros_node')
def test_the_lens_of_the_evaluation_stays_where_that_of_the_node_does():
    lens = cameras.lens(
        'equidistant', (0.1, -0.05, 0.0, 0.0), fx=25.0, target=20.0, width=bags.WIDTH,
        height=bags.HEIGHT,
    )  # fmt: skip
    good, folded, wrong = (CameraInfo(width=bags.WIDTH, height=bags.HEIGHT) for _ in range(3))
    for info in (good, folded):
        set_fields(info, lens)
    folded.distortion_model, folded.d = 'plumb_bob', [-9.0, 0.0, 0.0, 0.0, 0.0]
    wrong.k[0] = -1.0
    node = EvaluationNode()
    heard = node.evaluation
    try:
        heard._on_sensor(good)
        known = heard._rectification
        assert known is not None
        for info in (folded, wrong):
            heard._on_sensor(info)
            assert heard._rectification is known
        heard._on_sensor(CameraInfo(width=bags.WIDTH, height=bags.HEIGHT))  # rectified pictures
        assert heard._rectification is None
    finally:
        heard.live.finish()
        node.destroy_node()


SLOW = """
import time
from spike_depth_ros.evaluation.live import LiveScores
from spike_depth_ros.nodes.evaluation import main
def add_window(scores, window):
    print('a window is taken', flush=True)
    time.sleep(0.5)
    print('and kept', flush=True)
LiveScores.add_window = add_window
raise SystemExit(main())
"""


def test_an_interrupt_while_a_window_is_taken_waits_until_it_is_kept(
    ros_node, processes, depth_parameters, spin, tmp_path
):
    """An exception in the middle could leave the lock taken that the end waits for."""
    publishers = Publishers(ros_node)
    processes.start('evaluation', *depth_parameters(out=tmp_path / 'out'), code=SLOW)
    image = {'height': 4, 'width': 5, 'encoding': '32FC1', 'step': 20, 'data': bytes(80)}

    def taken():
        publishers.depth.publish(Image(**image))
        publishers.uncertainty.publish(Image(**image))
        return 'a window is taken' in processes.log('evaluation')

    spin(taken, what='a window')
    processes.stop('evaluation', signal.SIGINT, status=1)
    log = processes.log('evaluation')
    assert log.count('a window is taken') == log.count('and kept')


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_results_that_cannot_be_written_are_one_line(
    ros_node, processes, depth_parameters, listener, spin, tmp_path, number
):
    publishers = Publishers(ros_node)
    out = tmp_path / 'out'
    processes.start('evaluation', *depth_parameters(out=out))
    spin(lambda: 'evaluation' in listener.status, what='the evaluation')
    for publisher in (publishers.depth, publishers.uncertainty):  # beside the test's own
        spin(lambda p=publisher: p.get_subscription_count() == 2, what='a subscriber')
    shipped = str(default_checkpoint())
    known = load_info(default_checkpoint()).weights_sha256
    publishers.send_diagnostics('model', checkpoint=shipped, weights_sha256=known)
    spin(lambda: 'no depth yet' in listener.status['evaluation'].message, what='the model')
    image = {'height': 4, 'width': 5, 'encoding': '32FC1', 'step': 20}
    seconds = itertools.count(1)

    def scored():
        header = Header()
        header.stamp.sec = next(seconds)
        ones = np.ones((4, 5), np.float32).tobytes()
        publishers.depth.publish(Image(header=header, data=ones, **image))
        publishers.uncertainty.publish(Image(header=header, data=ones, **image))
        return listener.count('windows', 'evaluation') > 0  # without a truth 64 windows wait

    spin(scored, what='a window')
    shutil.rmtree(out)  # as a disk that was taken away
    processes.stop('evaluation', number, status=1)
    (line,) = [one for one in processes.log('evaluation').splitlines() if 'error' in one]
    assert ': error: no results: ' in line
    assert 'No such file or directory' in line


@pytest.mark.parametrize('topic', ['spikes', 'depth/image'])
def test_the_evaluation_refuses_topics_of_several_publishers(
    ros_node, processes, depth_parameters, listener, spin, tmp_path, topic
):
    out = tmp_path / 'out'
    evaluation = processes.start('evaluation', *depth_parameters(out=out))
    ros_node.create_publisher(Image, topic, QUEUE)
    spin(lambda: 'evaluation' in listener.status, what='the evaluation')
    assert evaluation.poll() is None
    ros_node.create_publisher(Image, topic, QUEUE)
    spin(lambda: evaluation.poll() is not None, what='the end')
    status, output = processes.finish('evaluation')
    assert status == 1
    assert f'error: not evaluated: 2 publishers of {topic}: /test, /test; stop' in output
    assert 'Traceback' not in output
    assert list(out.glob('*.json')) == []
