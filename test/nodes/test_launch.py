# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The launch files, run for real; needs launch_ros and the package installed by colcon."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kit import bags

pytest.importorskip('launch_ros', reason='launch_ros comes with a ROS 2 installation only')

from ament_index_python.packages import get_package_share_directory
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import GetParameters
from rclpy.parameter import parameter_value_to_python
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image

from kit.nodes import call, save_bars, state
from kit.shared_files import family, left_of, steady_files
from spike_depth_ros.nodes.parts import launching, perception_launch
from spike_depth_ros.nodes.parts.process import asset

pytestmark = pytest.mark.dds

SCRIPT = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource as Source
arguments = [tuple(argument.split(':=', 1)) for argument in sys.argv[2:]]
service = LaunchService(argv=sys.argv[2:])
service.include_launch_description(
    LaunchDescription([IncludeLaunchDescription(Source(sys.argv[1]), launch_arguments=arguments)])
)
sys.exit(service.run())
"""


@pytest.fixture
def launch(tmp_path):
    """Start a launch file; (process, function that reads its output)."""
    try:
        share = get_package_share_directory('spike_depth_ros')
    except (LookupError, OSError):
        pytest.skip('the package is not installed by colcon: no launch files to find')
    running = []
    environment = dict(os.environ)
    environment.pop('PYTHONPATH')  # conftest points it at the sources
    environment['PYTHONPATH'] = os.pathsep.join(path for path in sys.path if path)

    def start(name, *arguments):
        log = tmp_path / 'launch.log'
        with log.open('wb') as output:
            process = subprocess.Popen(
                [sys.executable, '-c', SCRIPT, f'{share}/launch/{name}', *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        running.append(process)
        return process, log.read_text

    yield start
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def end(process, read):
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0, read()


def test_the_depth_launch_file_gives_an_active_node(launch, ros_node, spin):
    process, read = launch('depth.launch.py')
    assert state(ros_node, spin) == 'active', read()
    assert parameters_of(ros_node, spin, '/spike_depth', 'spikes.reliability') == {
        'spikes.reliability': 'auto'
    }
    end(process, read)


def parameters_of(node, spin, name, *names):
    """Values of parameters of a node, by name."""
    request = GetParameters.Request(names=list(names))
    values = call(node, spin, GetParameters, f'{name}/get_parameters', request).values
    return {
        name: parameter_value_to_python(value) for name, value in zip(names, values, strict=True)
    }


@pytest.mark.parametrize('pair', [('INT', 'TERM'), ('TERM', 'INT'), ('INT', 'INT')])
def test_two_signals_to_all_processes_of_a_launch_leave_nothing(launch, ros_node, spin, pair):
    images = []
    ros_node.create_subscription(Image, 'depth/image', images.append, QoSProfile(depth=5))
    process, read = launch('demo.launch.py', 'rviz:=false')
    spin(lambda: images, what='depth images')
    pids = family(process.pid)
    own = steady_files(pids)
    assert own
    for name in pair:  # as service managers send them
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, getattr(signal, f'SIG{name}'))
        time.sleep(0.002)
    # Of launch itself more than one signal may be too much.
    spin(lambda: not left_of(own), what='the end of its processes')
    assert 'Traceback' not in read()


def test_its_arguments_reach_the_node(launch, ros_node, spin, tmp_path):
    params = tmp_path / 'mine.yaml'
    params.write_text('/**:\n  ros__parameters:\n    window: 64\n    policy: every\n')
    arguments = ['namespace:=left', 'autostart:=false', f'params_file:={params}', 'device:=cpu']
    arguments += ['reliability:=best_effort', 'use_sim_time:=True']
    process, read = launch('depth.launch.py', *arguments)
    assert state(ros_node, spin, '/left/spike_depth') == 'unconfigured', read()
    expected = {
        'window': 64,
        'policy': 'every',
        'device': 'cpu',
        'spikes.reliability': 'best_effort',
        'use_sim_time': True,
    }
    assert parameters_of(ros_node, spin, '/left/spike_depth', *expected) == expected
    end(process, read)


@pytest.mark.parametrize(
    ('argument', 'expected'),
    [('pointcloud:=true', 'organised'), ('pointcloud:=false', 'none'),
     ('pointcloud:=depth_image_proc', 'none')],
)  # fmt: skip
def test_the_node_gives_points_unless_another_one_does(
    launch, ros_node, spin, tmp_path, argument, expected
):
    if argument.endswith('proc') and launching.missing(['depth_image_proc']):
        pytest.skip('depth_image_proc is not installed here')
    params = tmp_path / 'mine.yaml'
    params.write_text('/**:\n  ros__parameters: {pointcloud: organised, autostart: false}\n')
    process, read = launch('depth.launch.py', f'params_file:={params}', argument)
    found = parameters_of(ros_node, spin, '/spike_depth', 'pointcloud')
    assert found == {'pointcloud': expected}, read()
    end(process, read)


PARAMS_FILE = """
left:
  spike_depth:
    ros__parameters:
      checkpoint: absent.safetensors
      device: cuda
      autostart: true
/**:
  ros__parameters:
    checkpoint: MODEL
    device: cpu
    spikes: {reliability: reliable}
    use_sim_time: true
    autostart: false
"""


@pytest.mark.parametrize('given', [{}, {'checkpoint': 'unet_lite', 'autostart': 'true'}])
def test_the_parameter_file_holds_where_no_argument_is_given(
    launch, ros_node, spin, tmp_path, given
):
    params, model = tmp_path / 'mine.yaml', tmp_path / 'mine.safetensors'
    for suffix in ('.safetensors', '.onnx'):
        shutil.copy(asset(f'unet_lite{suffix}'), model.with_suffix(suffix))
    params.write_text(PARAMS_FILE.replace('MODEL', str(model)))
    arguments = [f'{name}:={value}' for name, value in given.items()]
    process, read = launch(
        'depth.launch.py', 'namespace:=left', f'params_file:={params}', *arguments
    )
    expected = {
        'checkpoint': given.get('checkpoint', str(model)),
        'device': 'cpu',
        'spikes.reliability': 'reliable',
        'use_sim_time': True,
        'autostart': bool(given),
    }
    assert parameters_of(ros_node, spin, '/left/spike_depth', *expected) == expected
    source = 'argument' if given else 'params_file'
    line = (
        f'/left/spike_depth: model {expected["checkpoint"]} ({source}), device cpu (params_file)'
    )
    assert line in read()
    end(process, read)


def test_the_sources_of_defaults_and_a_file_for_other_nodes_are_printed(launch, tmp_path):
    params = tmp_path / 'mine.yaml'
    params.write_text('/right/spike_depth:\n  ros__parameters:\n    device: cuda\n')
    process, read = launch('depth.launch.py', f'params_file:={params}', 'policy:=oldest')
    assert process.wait(30) == 1, read()
    assert '/spike_depth: model unet_lite (default), device auto (default)' in read()
    assert 'mine.yaml has no section for /spike_depth' in read()
    assert "policy is 'oldest'" in read()


def test_a_node_that_dies_is_started_again(launch, ros_node, spin):
    process, read = launch('depth.launch.py', 'respawn:=true')
    assert state(ros_node, spin) == 'active', read()
    os.kill(int(re.search(r'started with pid \[(\d+)\]', read()).group(1)), signal.SIGKILL)
    statuses = []
    ros_node.create_subscription(DiagnosticArray, '/diagnostics', statuses.append, 10)
    spin(lambda: read().count('process started with pid') == 2, what='a restart')
    statuses.clear()
    spin(lambda: statuses, what='diagnostics of the new node')
    assert statuses[0].status[0].name == 'spike_depth: stream'
    assert 'not active' not in statuses[0].status[0].message
    end(process, read)


def test_a_node_of_two_cameras_is_started_again_in_its_namespace(launch, ros_node, spin):
    process, read = launch('two_cameras.launch.py', 'respawn:=true', 'autostart:=false')
    for name in ('left', 'right'):
        assert state(ros_node, spin, f'/{name}/spike_depth') == 'unconfigured', read()
    pids = re.findall(r'started with pid \[(\d+)\]', read())
    before = environment_of(pids[0])
    os.kill(int(pids[0]), signal.SIGKILL)
    spin(lambda: read().count('process started with pid') == 3, what='a restart')
    again = re.findall(r'started with pid \[(\d+)\]', read())[2]
    assert '__ns:=/left' in command_of(again)
    assert environment_of(again) == before
    end(process, read)


def environment_of(pid):
    """DDS profile of a process."""
    lines = Path(f'/proc/{pid}/environ').read_text().split('\0')
    return [line for line in lines if line.startswith('FASTRTPS')]


def command_of(pid):
    return Path(f'/proc/{pid}/cmdline').read_text().split('\0')


@pytest.mark.parametrize(
    ('name', 'argument', 'message'),
    [
        ('depth.launch.py', 'params_file:=/nope.yaml', 'params_file:=/nope.yaml: no such file'),
        ('stereo.launch.py', 'params_file:=/nope.yaml', 'params_file:=/nope.yaml: no such file'),
        ('depth.launch.py', 'respawn:=often', 'respawn:=often: expected true or false'),
        ('depth.launch.py', 'autostart:=maybe', 'autostart:=maybe: expected true or false'),
        ('depth.launch.py', 'pointcloud:=pcl', 'true or false or depth_image_proc'),
        ('depth.launch.py', f'params_file:={__file__}', 'not a parameter file of ROS 2'),
        ('replay.launch.py', 'bag:=/nope', 'bag:=/nope: no such file'),
        ('demo.launch.py', 'stream:=/nope.dat', 'stream:=/nope.dat: no such file'),
    ],
)
def test_what_cannot_run_is_refused_before_anything_starts(launch, name, argument, message):
    process, read = launch(name, argument)
    assert process.wait(20) == 1
    assert message in read()
    assert 'process started' not in read()


@pytest.mark.parametrize(
    ('argument', 'package'),
    [('rviz:=true', 'rviz2'), ('pointcloud:=depth_image_proc', 'depth_image_proc')],
)
def test_a_package_that_is_not_installed_is_named_before_anything_starts(
    launch, argument, package
):
    if not launching.missing([package]):
        pytest.skip(f'{package} is installed here')
    process, read = launch('depth.launch.py', argument)
    assert process.wait(20) == 1
    assert re.search(rf'{argument} needs the package .*{package}', read())
    assert 'process started' not in read()


def test_an_unknown_argument_is_told_with_the_nearest_known_one(launch, ros_node, spin):
    arguments = ['rviz:=false', 'devise:=cpu', 'log_level:=warn', 'autostart:=false']
    process, read = launch('demo.launch.py', *arguments)
    spin(lambda: 'process started' in read(), what='a start')
    assert 'warning: unknown launch argument devise; did you mean device?' in read()
    assert read().count('unknown launch argument') == 1  # depth.launch.py sees it, too
    end(process, read)


def test_a_topic_that_is_no_argument_is_told_with_the_way_to_rename_it(launch):
    process, read = launch('depth.launch.py', 'depth/image:=/far', 'params_file:=/nope')
    assert process.wait(20) == 1
    assert (
        "SetRemap('depth/image', ...), or start the node with --ros-args -r depth/image" in read()
    )


def test_arguments_rename_the_topics_of_spikes(launch, ros_node, spin):
    """The driver's topics, with its camera_info beside them."""
    process, read = launch('depth.launch.py', 'spikes:=/camera/events', 'namespace:=robot')
    topics = [('/camera/events', Image), ('/camera/camera_info', CameraInfo)]
    publishers = [ros_node.create_publisher(kind, name, 1) for name, kind in topics]
    spin(lambda: all(one.get_subscription_count() for one in publishers), what='the node')
    end(process, read)


@pytest.mark.parametrize(
    ('given', 'topics'),
    [
        ({}, {}),
        ({'spikes': '', 'image': ''}, {}),
        (
            {'spikes': '/cam/spikes'},
            {'spikes': '/cam/spikes', 'camera_info': '/cam/camera_info'},
        ),
        ({'spikes': 'events'}, {'spikes': 'events'}),
        (
            {'spikes': '/cam/spikes', 'camera_info': '/info'},
            {'spikes': '/cam/spikes', 'camera_info': '/info'},
        ),
        (
            {'image': '/rgb/image_raw'},
            {'image': '/rgb/image_raw', 'image/camera_info': '/rgb/camera_info'},
        ),
        ({'image': 'rgb'}, {'image': 'rgb', 'image/camera_info': 'rgb/camera_info'}),
        (
            {'left_spikes': '/l/s', 'right_camera_info': '/r/i'},
            {
                'left/spikes': '/l/s',
                'left/camera_info': '/l/camera_info',
                'right/camera_info': '/r/i',
            },
        ),
    ],
)
def test_arguments_that_name_topics(given, topics):
    assert dict(perception_launch.remappings(given)) == topics


def test_arguments_of_other_launch_files_are_not_warned_of(launch):
    process, read = launch('replay.launch.py', 'bag:=/nope', 'log_level:=warn', 'rvis:=true')
    assert process.wait(20) == 1
    assert 'unknown launch argument rvis; did you mean rviz?' in read()
    assert read().count('unknown launch argument') == 1
    process, read = launch('two_cameras.launch.py', 'params_file:=/nope', 'devise:=cpu')
    assert process.wait(20) == 1
    assert read().count('unknown launch argument') == 1


@pytest.mark.parametrize('name', ['demo.launch.py', 'replay.launch.py'])
def test_recordings_are_played_reliably_or_not_at_all(launch, name):
    process, read = launch(name, 'bag:=/nope', 'reliability:=best_effort')
    assert process.wait(20) == 1
    assert re.search(r"reliability.*best_effort.*\['reliable'\]", read())
    assert 'process started' not in read()


def test_each_of_two_cameras_has_its_own_depth(launch, processes, ros_node, spin, tmp_path):
    sizes = {'left': (64, 48), 'right': (400, 250)}
    streams = {'left': save_bars(tmp_path / 'bars.npz'), 'right': asset('office.npz')}
    params = tmp_path / 'mine.yaml'
    params.write_text('/right/spike_depth:\n  ros__parameters:\n    policy: every\n')
    images, statuses = {name: [] for name in sizes}, {}

    def on_diagnostics(msg):
        statuses.update({status.name: status for status in msg.status})

    ros_node.create_subscription(DiagnosticArray, '/diagnostics', on_diagnostics, 10)
    process, read = launch('two_cameras.launch.py', 'device:=cpu', f'params_file:={params}')
    for name, stream in streams.items():
        topic = f'/{name}/depth/image'
        ros_node.create_subscription(Image, topic, images[name].append, QoSProfile(depth=5))
        options = ['--loop', '--speed', 0.1, '--frame-id', f'{name}_optical_frame']
        options += ['--ros-args', '-r', f'__ns:=/{name}']
        processes.start('player', stream, *options, name=f'player_{name}')

    def is_complete():
        frames = [statuses[f'{name}/spike_depth: stream'].hardware_id for name in sizes]
        return all(len(found) > 3 for found in images.values()) and all(frames)

    expected = {
        f'{name}/spike_depth: {task}'
        for name in sizes
        for task in ('stream', 'inference', 'model', 'process')
    }
    spin(lambda: expected <= statuses.keys() and is_complete(), what='depth of both')
    for name, found in images.items():
        assert {(image.width, image.height) for image in found} == {sizes[name]}
        assert {image.header.frame_id for image in found} == {f'{name}_optical_frame'}
        stream = statuses[f'{name}/spike_depth: stream']
        assert stream.hardware_id == f'{name}_optical_frame'
        assert 'publishers' not in stream.message
        values = parameters_of(ros_node, spin, f'/{name}/spike_depth', 'policy', 'device')
        assert values == {'policy': 'every' if name == 'right' else 'latest', 'device': 'cpu'}
    processes.stop_all()
    end(process, read)


def test_the_camera_launch_file_publishes_a_recording(launch, ros_node, spin, tmp_path):
    packets = []
    ros_node.create_subscription(Image, 'left/spikes', packets.append, QoSProfile(depth=5))
    given = [f'device:={save_bars(tmp_path / "bars.npz")}', 'backend:=file', 'namespace:=left']
    process, read = launch('camera.launch.py', *given)
    spin(lambda: packets, what='spikes')
    expected = {'backend': 'file', 'planes_per_packet': 40}
    assert parameters_of(ros_node, spin, '/left/spike_camera', *expected) == expected
    assert packets[0].header.frame_id == 'spike_camera_optical_frame'
    end(process, read)


def test_the_stereo_launch_file_gives_depth_of_two_cameras(
    launch, processes, ros_node, spin, tmp_path
):
    images = []
    ros_node.create_subscription(Image, 'depth/image', images.append, QoSProfile(depth=5))
    process, read = launch('stereo.launch.py', 'fill:=none', 'policy:=every')
    assert state(ros_node, spin, '/spike_stereo') == 'active', read()
    assert '/spike_stereo: model unet_lite (default), device auto (default)' in read()
    expected = {'fill': 'none', 'policy': 'every', 'min_depth_m': 0.5}
    assert parameters_of(ros_node, spin, '/spike_stereo', *expected) == expected
    bars = save_bars(tmp_path / 'bars.npz')
    pair = ['--right', bars, '--baseline', 0.1, '--fx', 60, '--loop', '--speed', 0.2]
    processes.start('player', bars, *pair)
    spin(lambda: images, what='depth')
    assert images[0].header.frame_id == 'left_spike_camera_optical_frame'
    spin(lambda: 'baseline 0.100 m, focal length 60 px' in read(), what='the line of the rig')
    processes.stop_all()
    end(process, read)


def test_a_needed_process_that_fails_ends_the_launch(launch, tmp_path):
    stream = tmp_path / 'empty.npz'
    stream.write_bytes(b'no archive')
    process, read = launch('demo.launch.py', 'rviz:=false', f'stream:={stream}')
    assert process.wait(30) == 1, read()
    assert re.search(r'spike_player-\d+ ended with status 1', read())


def test_a_wrong_setting_is_not_tried_again(launch, tmp_path):
    arguments = ['respawn:=true', f'checkpoint:={tmp_path / "absent.safetensors"}']
    process, read = launch('depth.launch.py', *arguments)
    assert process.wait(30) == 1, read()
    assert read().count('process started with pid') == 1
    assert 'absent.safetensors: no such checkpoint' in read()


def test_the_demo_launch_file_gives_depth(launch, ros_node, spin):
    images = []
    ros_node.create_subscription(Image, 'depth/image', images.append, QoSProfile(depth=5))
    arguments = [] if launching.missing(['rviz2']) else ['rviz:=false']
    process, read = launch('demo.launch.py', *arguments)
    spin(lambda: len(images) > 3, what='depth images')
    assert (images[0].width, images[0].height, images[0].encoding) == (400, 250, '32FC1')
    assert parameters_of(ros_node, spin, '/spike_depth', 'spikes.reliability') == {
        'spikes.reliability': 'reliable'
    }
    assert ('rviz2 is not installed, going on without it' in read()) is not bool(arguments)
    end(process, read)


def test_the_replay_launch_file_scores_a_bag_and_ends_with_a_report(launch, tmp_path):
    bag = bags.write(tmp_path / 'bars', bags.stream(8000, truths=range(64, 8000, 400)))
    arguments = [f'bag:={bag}', f'out:={tmp_path / "out"}', 'speed:=0.2', 'device:=cpu']
    arguments.append('policy:=every')
    process, read = launch('replay.launch.py', *arguments)
    assert process.wait(90) == 0, read()
    assert (tmp_path / 'out' / 'metrics.json').exists(), read()
    content = json.loads((tmp_path / 'out' / 'metrics.json').read_text())
    assert content['mode'] == 'live'
    assert content['planes']['expected'] == 8000
    assert content['windows'] > 0
    assert content['windows_with_truth'] > 0
    assert (tmp_path / 'out' / 'report.html').exists()
    assert f'report: {tmp_path}/out/report.html' in read()


def test_a_replay_that_writes_nothing_fails(launch, tmp_path):
    bag = bags.write(tmp_path / 'short', bags.stream(40))  # fewer planes than a window has
    process, read = launch('replay.launch.py', f'bag:={bag}', f'out:={tmp_path / "out"}')
    assert process.wait(90) == 1, read()
    assert 'spike_evaluation' in read()
    assert 'see its last line' in read()
    assert not (tmp_path / 'out' / 'report.html').exists()
