# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Player, depth node and a subscriber as separate processes over a real DDS."""

import dataclasses
import os
import subprocess
import time

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from sensor_msgs.msg import CameraInfo, Image

from kit import bags, cameras
from kit.nodes import (
    HEIGHT,
    PERIOD,
    QUEUE,
    RATE,
    SENSOR,
    T0,
    WIDTH,
    Driver,
    assert_balanced,
    change_state,
    moving_bars,
    save_bars,
    set_parameter,
    state,
)
from spike_depth_ros.checkpoint import default_checkpoint, load, save
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.nodes.parts import process
from spike_depth_ros.nodes.parts.conversions import array_from_msg, depth_msg, spikes_msg
from spike_depth_ros.nodes.parts.diagnostic_values import Values
from spike_depth_ros.observation import Observation
from spike_depth_ros.pages.depth_colours import TOO_NEAR
from spike_depth_ros.runtime.backend import has_cuda
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry, SpikeChunk
from spike_depth_ros.stream.decode import stamp_ns
from spike_depth_ros.stream.window import Window

pytestmark = pytest.mark.dds

# As in test_depth.py: rclpy keeps the services of a lifecycle node in this process.
OTHER_NAME = ['-r', '__node:=in_this_process']
K = np.array([[380.0, 0, 31.5], [0, 380, 23.5], [0, 0, 1]])


@pytest.fixture
def recording(tmp_path):
    return save_bars(tmp_path / 'bars.npz', K=K)


def every_hop_of_8(play, depth_node, listener, spin, stream, *arguments):
    """Play 200 planes; ten windows of 128 planes must come out, and nothing else."""
    depth_node(policy='every', window=128, hop=8)
    sent = play(stream, *arguments)
    images = (listener.depth, listener.uncertainty)
    spin(lambda: min(map(len, images)) >= 10, what='ten depth images')
    spin(lambda: listener.count('planes_windowed') == 200, what='the accounting')
    stamps = [stamp_ns(image.header.stamp) for image in listener.depth]
    assert stamps == [sent['first_stamp_ns'] + (8 * n + 64) * PERIOD for n in range(10)]
    assert_balanced(listener.accounting(), sent=200)
    assert listener.count('planes_dropped') == 0
    return listener.depth


def test_each_hop_of_a_short_recording_gives_one_stamped_depth(
    play, depth_node, listener, spin, tmp_path
):
    spikes = moving_bars(200)
    path = tmp_path / 'bars.dat'
    path.write_bytes(packing.pack(spikes)[:, ::-1].tobytes())
    arguments = ['--size', f'{WIDTH}x{HEIGHT}', '--rate', RATE]
    images = every_hop_of_8(play, depth_node, listener, spin, path, *arguments)
    # The very bytes that the library computes for the same windows.
    estimator = DepthEstimator.from_checkpoint()
    for first, image in zip(range(0, 80, 8), images, strict=True):
        window = Window.from_planes(spikes[first : first + 128], RATE)
        expected = depth_msg(
            estimator.predict(Observation(window)).published_depth(), image.header
        )
        assert bytes(image.data) == bytes(expected.data)


def test_the_real_vidar_recording_gives_ten_depth_images(
    real_data, play, depth_node, listener, spin
):
    path = real_data / 'spikes' / 'vidar_car_400x250.dat'
    images = every_hop_of_8(
        play, depth_node, listener, spin, path, '--size', '400x250', '--rate', RATE
    )
    assert {(image.height, image.width) for image in images} == {(250, 400)}


def test_topics_masks_and_colours_of_a_running_node(
    ros_node, processes, depth_node, listener, spin, recording
):
    colours = []
    ros_node.create_subscription(Image, 'depth/colour', colours.append, 10)
    depth_node()
    processes.start('player', recording, '--loop', '--frame-id', 'left_optical_frame')
    spin(lambda: colours, what='colours')
    check_all_topics_carry_one_header_and_the_camera(listener, spin)
    check_uncertain_depth_can_be_masked(ros_node, listener, spin)
    check_depth_is_shown_in_colours_of_a_range_that_changes(ros_node, listener, spin, colours)


def check_all_topics_carry_one_header_and_the_camera(listener, spin):
    by_stamp, shared, cameras = {}, [], []

    def arrived():
        by_stamp.update((stamp_ns(image.header.stamp), image) for image in listener.depth)
        topics = listener.uncertainty, listener.cameras
        shared[:], cameras[:] = (
            [one for one in topic if stamp_ns(one.header.stamp) in by_stamp] for topic in topics
        )
        return len(shared) > 2 and cameras and len(listener.preview) > 5

    spin(arrived, what='depth, uncertainty and camera_info of the same windows')
    for uncertainty in shared:
        depth = by_stamp[stamp_ns(uncertainty.header.stamp)]
        assert depth.header == uncertainty.header
        assert depth.header.frame_id == 'left_optical_frame'
        assert (depth.encoding, uncertainty.encoding) == ('32FC1', '32FC1')
        assert (depth.height, depth.width) == (HEIGHT, WIDTH)
        assert (array_from_msg(uncertainty) >= 0).all()
    camera = cameras[0]
    assert camera.header == by_stamp[stamp_ns(camera.header.stamp)].header
    assert (camera.height, camera.width, camera.k[0]) == (HEIGHT, WIDTH, 380.0)
    grey = array_from_msg(listener.preview[0])
    assert (grey.shape, grey.dtype) == ((HEIGHT, WIDTH), np.uint8)
    assert grey.std() > 10  # the bars are seen


def check_uncertain_depth_can_be_masked(ros_node, listener, spin):
    assert not np.isnan(array_from_msg(listener.depth[-1])).any()
    assert set_parameter(ros_node, spin, 'uncertainty.max_relative', 1e-9).successful
    spin(lambda: np.isnan(array_from_msg(listener.depth[-1])).all(), what='masked depth')
    refused = set_parameter(ros_node, spin, 'uncertainty.max_relative', -1.0)
    assert not refused.successful
    assert set_parameter(ros_node, spin, 'uncertainty.max_relative', 0.0).successful
    spin(lambda: not np.isnan(array_from_msg(listener.depth[-1])).any(), what='all depth')


def check_depth_is_shown_in_colours_of_a_range_that_changes(ros_node, listener, spin, colours):
    height, width = array_from_msg(listener.depth[-1]).shape
    assert (colours[-1].encoding, colours[-1].step) == ('rgb8', 3 * width)

    def shades():
        return len(np.unique(np.frombuffer(colours[-1].data, np.uint8).reshape(-1, 3), axis=0))

    assert len(colours[-1].data) == 3 * height * width
    spin(lambda: shades() > 20, what='colours of depth that is not masked')
    assert {stamp_ns(image.header.stamp) for image in listener.depth} & {
        stamp_ns(image.header.stamp) for image in colours
    }
    diagnostics = []
    ros_node.create_subscription(DiagnosticArray, '/diagnostics', diagnostics.append, 10)

    def metres():
        values = [
            Values.of(status)
            for message in diagnostics
            for status in message.status
            if status.name.endswith(': inference')
        ]
        return values and (values[-1].number('colour_near_m'), values[-1].number('colour_far_m'))

    spin(lambda: metres() and metres()[1] >= 1.49 * metres()[0] > 0, what='metres of the colours')
    refused = set_parameter(ros_node, spin, 'colour.min_depth', 5.0)
    assert refused.successful  # there is no largest depth
    refused = set_parameter(ros_node, spin, 'colour.max_depth', 4.0)
    assert refused.reason == 'colour.max_depth is 4: expected above colour.min_depth, 5, or 0'
    assert set_parameter(ros_node, spin, 'colour.max_depth', 20.0).successful
    spin(lambda: metres() == (5.0, 20.0), what='the given metres')
    assert set_parameter(ros_node, spin, 'filter.temporal', 0.5).successful
    assert set_parameter(ros_node, spin, 'filter.min_depth', 900.0).successful
    spin(lambda: (array_from_msg(listener.depth[-1]) == -np.inf).all(), what='too near')
    spin(lambda: (array_from_msg(colours[-1]) == TOO_NEAR).all(), what='the colour of too near')


def test_every_plane_of_a_long_stream_is_accounted_for(
    play, depth_node, listener, spin, recording
):
    depth_node(policy='latest', input_timeout_s=60.0)  # a busy machine reads the status late
    play(recording, '--loop', '--planes', 20_020)
    spin(lambda: listener.count('planes_expected') == 20_020, what='the accounting')
    spin(lambda: listener.depth, what='depth')
    # The last window may be taken after that report.
    spin(
        lambda: listener.count('planes_windowed') >= 128 * len(listener.depth),
        what='the accounting of each window',
    )
    assert_balanced(listener.accounting(), sent=20_020)
    assert listener.count('planes_dropped') == 0
    assert 'no spikes' not in listener.status['stream'].message


def camera_of(fx, width=WIDTH):
    matrix = [fx, 0.0, (WIDTH - 1) / 2, 0.0, fx, (HEIGHT - 1) / 2, 0.0, 0.0, 1.0]
    return CameraInfo(height=HEIGHT, width=width, k=matrix)


def test_depth_has_frame_and_focal_length_of_its_own_planes(
    ros_node, processes, depth_node, listener, spin
):
    depth_node(policy='every', window=40, hop=20, spike_rate_hz=float(RATE))
    cameras = ros_node.create_publisher(CameraInfo, 'camera_info', QUEUE)
    driver = Driver(ros_node)
    driver.connect(spin)
    spin(lambda: cameras.get_subscription_count() > 0, what='a subscriber')
    spikes = moving_bars(100)

    def send(first, end, frame):
        planes = packing.pack(spikes[first:end])
        stamp = T0 + first * PERIOD
        chunk = SpikeChunk(planes, Geometry(HEIGHT, WIDTH), stamp)
        driver.publisher.publish(spikes_msg(chunk, frame))

    def first_depth():
        # Best effort: what is published before the node has found the publisher is lost.
        cameras.publish(camera_of(380.0))
        return len(listener.uncertainty) == 1

    send(0, 30, 'left')
    send(30, 50, 'right')  # completes planes 0 to 39
    spin(first_depth, what='the first depth')
    cameras.publish(camera_of(190.0))
    cameras.publish(camera_of(190.0, width=1))  # refused in the log: the one before was taken
    spin(lambda: 'size 1x48, expected 64x48' in processes.log('depth'), what='the other camera')
    send(50, 100, 'right')  # completes planes 20 to 59, ..., 60 to 99
    spin(lambda: len(listener.uncertainty) == 4, what='four uncertainty images')
    spin(lambda: len(listener.depth) == 4, what='four depth images')
    estimator = DepthEstimator.from_checkpoint()
    expected = [('left', 380.0), ('right', 380.0), ('right', 190.0), ('right', 190.0)]
    spin(lambda: len(listener.cameras) == 4, what='four cameras')
    for number, (frame, fx) in enumerate(expected):
        depth, camera = listener.depth[number], listener.cameras[number]
        assert (stamp_ns(depth.header.stamp) - T0) // PERIOD == 20 * number + 20
        assert (depth.header.frame_id, camera.k[0]) == (frame, fx)
        assert depth.header == camera.header == listener.uncertainty[number].header
        window = Window.from_planes(spikes[20 * number : 20 * number + 40], RATE)
        predicted = estimator.predict(Observation(window, fx))
        assert bytes(depth.data) == bytes(
            depth_msg(predicted.published_depth(), depth.header).data
        )


def test_bad_packets_are_counted_and_the_node_goes_on(ros_node, depth_node, listener, spin):
    depth_node(policy='every', window=40, **SENSOR)
    driver = Driver(ros_node)
    driver.connect(spin)
    driver.send(0)
    driver.send(40, encoding='rgb8')  # shows as a gap
    driver.send(80, planes=50)  # 10 of them are stranded before the next gap
    driver.send(130, height=HEIGHT * 40 + 1)
    driver.send(170)
    driver.send(80)  # late
    driver.send(210)
    spin(lambda: len(listener.depth) == 4, what='four depth images')
    spin(lambda: listener.count('planes_windowed') == 160)
    # The last gap is counted once the stream is silent.
    spin(lambda: listener.count('planes_lost_in_transport') == 80)
    accounting = listener.accounting()
    assert_balanced(accounting)
    assert listener.count('packets_refused_format') == 2
    assert accounting['lost_in_transport'] == 80
    assert listener.count('planes_refused_gap') == 10
    assert listener.count('planes_refused_backward') == 40
    assert listener.count('planes_dropped') == 130
    stamps = [(stamp_ns(i.header.stamp) - 10**18) // PERIOD for i in listener.depth]
    assert stamps == [20, 100, 190, 230]


def test_a_wrong_camera_info_is_replaced_before_the_first_window(
    ros_node, depth_node, listener, spin
):
    depth_node(policy='every', window=60, spike_rate_hz=float(RATE))
    cameras = ros_node.create_publisher(CameraInfo, 'camera_info', QUEUE)
    driver = Driver(ros_node)
    driver.connect(spin)
    spin(cameras.get_subscription_count, what='a subscriber')
    half = camera_of(380.0)
    half.height //= 2

    def repeated(camera, sensor):
        cameras.publish(camera)  # best effort
        return listener.values('stream').get('sensor') == sensor

    driver.send(0, planes=20)
    spin(lambda: repeated(half, '64x24 little'), what='the wrong size')
    spin(lambda: listener.count('planes_received') == 40, what='planes of half the height')
    spin(lambda: repeated(camera_of(380.0), '64x48 little'), what='the right size')
    driver.send(20, planes=100)
    spin(lambda: len(listener.depth) == 2, what='two depth images')
    assert {(image.width, image.height) for image in listener.depth} == {(WIDTH, HEIGHT)}
    spin(lambda: listener.count('planes_windowed') == 120, what='the accounting')
    assert_balanced(listener.accounting(), sent=120)

    def reported():
        cameras.publish(half)
        return listener.status['stream'].level == DiagnosticStatus.ERROR

    spin(reported, what='the size that cannot be taken any more')
    assert 'size 64x24, expected 64x48' in listener.status['stream'].message
    bad = camera_of(float('nan'))

    def refused():
        cameras.publish(bad)
        return 'focal lengths nan' in listener.status['stream'].message

    spin(refused, what='the camera matrix that is refused')


def test_several_publishers_of_a_topic_are_named(
    ros_node, processes, depth_node, depth_parameters, listener, spin
):
    depth_node(**SENSOR)
    first = Driver(ros_node)
    first.connect(spin)
    spin(lambda: first.give_depth(listener), what='depth')
    assert 'publishers' not in listener.status['stream'].message
    other = rclpy.create_node('second_driver', namespace='/left')
    try:
        second = other.create_publisher(Image, '/spikes', QUEUE)
        both = '2 publishers of spikes: /left/second_driver, /test; stop all but one'
        spin(lambda: both in listener.status['stream'].message, what='both')
        assert listener.status['stream'].level == DiagnosticStatus.WARN
        other.destroy_publisher(second)
        other.create_publisher(Image, 'depth/image', QUEUE)  # in its own namespace
        spin(lambda: 'publishers' not in listener.status['stream'].message, what='one publisher')
        other.create_publisher(Image, '/depth/image', QUEUE)
        spin(
            lambda: (
                '2 publishers of depth/image: /left/second_driver, /spike_depth'
                in listener.status['stream'].message
            ),
            what='two publishers of depth',
        )
    finally:
        other.destroy_node()


@pytest.mark.timed
@pytest.mark.parametrize(('queue', 'overflows'), [(512, False), (16, True)])
def test_a_stall_is_bridged_by_the_queue_or_counted_there(
    processes, depth_parameters, listener, spin, recording, queue, overflows
):
    values = {'spikes__reliability': 'reliable', 'spikes__queue_packets': queue}
    processes.start('depth', *depth_parameters(**values))
    spin(lambda: 'stream' in listener.status, what='the first diagnostics')
    processes.start('player', recording, '--loop', '--planes', 40_000)
    spin(lambda: listener.count('planes_received') > 2000, what='the stream')
    with processes.paused('depth'):
        time.sleep(0.5)
    spin(lambda: listener.count('planes_expected') == 40_000, what='the end of the stream')
    accounting = listener.accounting()
    assert_balanced(accounting, sent=40_000)
    assert accounting['lost_in_transport'] == 0
    assert (accounting['lost_in_queue'] > 0) == overflows
    assert processes.finish('player')[0] == 0


def test_without_subscribers_nothing_is_predicted(ros_node, processes, depth_parameters, spin):
    status = {}
    ros_node.create_subscription(
        DiagnosticArray,
        '/diagnostics',
        lambda msg: status.update(
            {s.name: {p.key: p.value for p in s.values} for s in msg.status}
        ),
        QUEUE,
    )
    processes.start('depth', *depth_parameters(spikes__reliability='reliable', **SENSOR))
    driver = Driver(ros_node)
    driver.connect(spin)
    for number in range(20):
        driver.send(40 * number)
    spin(lambda: status.get('spike_depth: stream', {}).get('planes_skipped_by_policy') == '800')
    assert status['spike_depth: inference']['windows_out'] == '0'


def test_the_lifecycle_with_a_checkpoint_that_is_mended_on_the_way(
    ros_node, processes, depth_node, listener, spin, recording
):
    depth_node(autostart='false', checkpoint='/nowhere/model.safetensors')
    assert listener.status['stream'].message == 'not active'
    assert not change_state(ros_node, spin, Transition.TRANSITION_CONFIGURE)
    assert state(ros_node, spin) == 'unconfigured'
    assert '/nowhere/model.safetensors: no such checkpoint' in processes.log('depth')
    assert set_parameter(ros_node, spin, 'checkpoint', '').successful
    assert change_state(ros_node, spin, Transition.TRANSITION_CONFIGURE)
    for _ in range(2):
        assert change_state(ros_node, spin, Transition.TRANSITION_ACTIVATE)
        seen = len(listener.depth)
        processes.start('player', recording, '--loop', '--planes', 4000)
        spin(lambda seen=seen: len(listener.depth) > seen)
        assert processes.finish('player')[0] == 0
        assert change_state(ros_node, spin, Transition.TRANSITION_DEACTIVATE)
    spin(lambda: listener.status['stream'].message == 'not active')
    refused = set_parameter(ros_node, spin, 'window', 64)
    assert 'window is read when the node is configured' in refused.reason
    # A model that is still being loaded must not bring a cleaned-up node back to life.
    assert set_parameter(ros_node, spin, 'checkpoint', '').successful
    assert change_state(ros_node, spin, Transition.TRANSITION_CLEANUP)
    assert set_parameter(ros_node, spin, 'window', 64).successful
    assert change_state(ros_node, spin, Transition.TRANSITION_CONFIGURE)
    assert change_state(ros_node, spin, Transition.TRANSITION_INACTIVE_SHUTDOWN)
    assert state(ros_node, spin) == 'finalized'


def test_the_model_is_changed_in_the_running_node_without_a_lost_window(
    ros_node, depth_node, listener, spin, tmp_path
):
    # A ring for all that a busy machine lets wait: then only the change could lose a plane.
    depth_node(policy='every', window=120, hop=120, ring_planes=100_000, **SENSOR)
    copy = tmp_path / 'other.safetensors'
    copy.write_bytes(default_checkpoint().read_bytes())
    copy.with_suffix('.onnx').write_bytes(default_checkpoint().with_suffix('.onnx').read_bytes())
    driver = Driver(ros_node)
    driver.connect(spin)
    timer = ros_node.create_timer(0.02, driver.send_next)
    spin(lambda: len(listener.depth) > 3)
    damaged = tmp_path / 'damaged.safetensors'
    damaged.write_bytes(copy.read_bytes()[:1000])
    refused = set_parameter(ros_node, spin, 'checkpoint', str(damaged))
    assert not refused.successful
    assert 'damaged.safetensors' in refused.reason
    bound = tmp_path / 'bound.safetensors'
    info, tensors = load(copy)
    save(bound, tensors, dataclasses.replace(info, sensor_size=(480, 640)))
    refused = set_parameter(ros_node, spin, 'checkpoint', str(bound))
    assert 'sensor_size is 640x480, expected 64x48' in refused.reason
    assert set_parameter(ros_node, spin, 'checkpoint', str(copy)).successful
    spin(lambda: listener.values('model').get('checkpoint') == str(copy), what='the other model')
    changed_after = driver.planes
    spin(lambda: driver.planes > changed_after + 1200, what='planes of the other model')
    ros_node.destroy_timer(timer)
    spin(lambda: len(listener.depth) == driver.planes // 120, what='every window')
    stamps = np.array([stamp_ns(image.header.stamp) for image in listener.depth])
    assert set(np.diff(stamps)) == {120 * PERIOD}
    assert listener.count('planes_dropped') == 0


def test_flying_pixels_are_masked_while_the_node_runs(
    ros_node, processes, depth_node, listener, spin
):
    depth_node()
    processes.start('player', process.asset('office.npz'), '--loop')
    spin(lambda: len(listener.depth) > 1)
    assert not np.isnan(array_from_msg(listener.depth[-1])).any()
    assert set_parameter(ros_node, spin, 'filter.flying', True).successful
    spin(lambda: np.isnan(array_from_msg(listener.depth[-1])).any(), what='masked depth')
    assert np.isnan(array_from_msg(listener.depth[-1])).mean() < 0.1
    assert np.isfinite(array_from_msg(listener.uncertainty[-1])).all()
    assert set_parameter(ros_node, spin, 'filter.flying', False).successful
    spin(lambda: not np.isnan(array_from_msg(listener.depth[-1])).any(), what='all depth')


def test_what_cannot_be_configured_is_refused(refused_here):
    exchanged = {'filter.min_depth': '3.0', 'filter.max_depth': '2.0'}
    rows = {
        'depths exchanged': ('max_depth', (), exchanged),
        'no checkpoint': ('checkpoint', (), {'checkpoint': '/nowhere/model.safetensors'}),
        'onnx by cuda': ('backend', (), {'device': 'cuda', 'backend': 'onnx'}),
        'no such policy': ('policy', (), {'policy': 'newest'}),
        'whole number': ('spike_rate_hz', (), {'spike_rate_hz': '20000'}),
        'below the range': ('hop', (), {'hop': '-1'}),
    }
    refused_here('depth', 'depth', rows)


@pytest.mark.skipif(has_cuda(), reason='this machine has a CUDA device')
def test_a_device_that_is_not_there_is_refused(run_here, depth_parameters):
    status, output = run_here('depth', *depth_parameters(device='cuda'), *OTHER_NAME)
    assert status == 1
    assert "device 'cuda': torch" in output
    assert len(output.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('windw', 'parameter windw is unknown and ignored: did you mean window?'),
        ('spikes.reliabilty', 'did you mean spikes.reliability?'),
        ('zzz', 'parameter zzz is unknown and ignored\n'),
    ],
)
def test_an_unknown_parameter_is_named_with_the_nearest_one(
    run_here, depth_parameters, name, text
):
    # Ends by itself, after the parameters were read.
    values = {name: 5, 'checkpoint': '/nowhere.safetensors', 'use_sim_time': 'true'}
    values['qos_overrides./spikes.subscription.depth'] = 5
    status, output = run_here('depth', *depth_parameters(**values), *OTHER_NAME)
    assert status == 1
    assert text in output
    assert output.count('is unknown and ignored') == 1


def test_a_file_of_parameters_that_is_not_there_ends_with_one_line(processes):
    status, output = processes.run('depth', '--ros-args', '--params-file', '/nowhere.yaml')
    assert status == 1
    (line,) = output.strip().splitlines()
    assert "'--params-file /nowhere.yaml'" in line


def test_a_publisher_of_other_qos_is_reported_with_the_remedy(
    processes, depth_node, listener, spin, recording
):
    depth_node(input_timeout_s=0.5)
    processes.start('player', recording, '--loop', '--reliability', 'best_effort', '--wait', 1)
    spin(lambda: 'no spikes for' in listener.status['stream'].message, what='the silence')
    spin(lambda: 'offers other QoS' in listener.status['stream'].message, what='the report')
    status = listener.status['stream']
    assert status.level == DiagnosticStatus.ERROR
    assert 'set spikes.reliability to auto' in status.message
    assert 'no spikes for' in status.message


def test_standard_input_and_named_pipes_are_played(
    processes, depth_node, listener, spin, tmp_path
):
    depth_node(policy='every', window=100, spike_rate_hz=float(RATE))
    raw = packing.pack(moving_bars(250))[:, ::-1].tobytes()
    arguments = ['--size', f'{WIDTH}x{HEIGHT}', '--rate', RATE]
    player = processes.start('player', '-', *arguments, stdin=subprocess.PIPE)
    player.stdin.write(raw)
    player.stdin.close()
    spin(lambda: len(listener.depth) == 2)
    assert processes.finish('player')[0] == 0
    pipe = tmp_path / 'pipe'
    os.mkfifo(pipe)
    processes.start('player', pipe, *arguments, name='piped')
    with pipe.open('wb') as end:
        end.write(raw[:-5])
    spin(lambda: len(listener.depth) == 4)
    assert_balanced(listener.accounting())
    status, output = processes.finish('piped')
    assert status == 1
    assert 'the stream ended within a plane: 379 of 384 bytes' in output


def test_ros_2_run_arguments_and_namespaces_work(processes, ros_node, spin):
    command = ['--ros-args', '-r', '__ns:=/left', '-r', '__node:=eye']
    processes.start('depth', *command)
    names = set()

    def there():
        names.update(name for name, _ in ros_node.get_topic_names_and_types())
        return {'/left/depth/image', '/left/spikes/image', '/left/depth/uncertainty'} <= names

    spin(there, what='the topics')
    status, output = processes.run('depth', '--unknown', name='wrong')
    assert status == 2
    assert 'spike_depth: error: --unknown: expected parameters alone' in output


def test_depth_of_cut_pictures_lies_where_image_geometry_has_them(
    processes, depth_node, listener, spin, tmp_path
):
    message = cameras.camera_info(**cameras.CUT['both'])
    path = bags.bag(tmp_path / 'bag', message)
    depth_node()
    processes.start('player', path, '--loop', '--frame-id', '/spike_frame')
    spin(lambda: listener.cameras and listener.depth, what='depth and its camera')
    camera = listener.cameras[0]
    assert camera.header.frame_id == listener.depth[0].header.frame_id == 'spike_frame'
    assert (camera.binning_x, camera.binning_y, camera.roi) == (0, 0, CameraInfo().roi)
    for found, expected in zip(cameras.read(camera), cameras.read(message), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
