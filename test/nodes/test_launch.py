# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The launch files, run for real; needs launch_ros and the package installed by colcon."""

import json
import os
import re
import signal
import subprocess
import sys

import bags
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('launch_ros', reason='launch_ros comes with a ROS 2 installation only')

from ament_index_python.packages import get_package_share_directory
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import GetParameters
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

pytestmark = pytest.mark.dds

SCRIPT = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource as Source
arguments = [tuple(argument.split(':=', 1)) for argument in sys.argv[2:]]
service = LaunchService()
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


def call(node, spin, kind, name, request):
    client = node.create_client(kind, name)
    spin(client.service_is_ready, what=name)
    future = client.call_async(request)
    spin(future.done, what=f'an answer of {name}')
    return future.result()


def state(node, spin, name='/spike_depth'):
    return call(node, spin, GetState, f'{name}/get_state', GetState.Request()).current_state.label


def test_the_depth_launch_file_gives_an_active_node(launch, ros_node, spin):
    process, read = launch('depth.launch.py')
    assert state(ros_node, spin) == 'active', read()
    end(process, read)


def test_its_arguments_reach_the_node(launch, ros_node, spin, tmp_path):
    params = tmp_path / 'mine.yaml'
    params.write_text('/**:\n  ros__parameters:\n    window: 64\n    policy: every\n')
    arguments = ['namespace:=left', 'autostart:=false', f'params_file:={params}', 'device:=cpu']
    process, read = launch('depth.launch.py', *arguments, 'reliability:=best_effort')
    assert state(ros_node, spin, '/left/spike_depth') == 'unconfigured', read()
    names = ['window', 'policy', 'device', 'spikes.reliability', 'use_sim_time']
    values = call(
        ros_node,
        spin,
        GetParameters,
        '/left/spike_depth/get_parameters',
        GetParameters.Request(names=names),
    ).values
    assert values[0].integer_value == 64
    assert [value.string_value for value in values[1:4]] == ['every', 'cpu', 'best_effort']
    assert values[4].bool_value is False
    end(process, read)


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


def test_the_demo_launch_file_gives_depth(launch, ros_node, spin):
    images = []
    ros_node.create_subscription(Image, 'depth/image', images.append, QoSProfile(depth=5))
    process, read = launch('demo.launch.py', 'rviz:=false')
    spin(lambda: len(images) > 3, what='depth images')
    assert (images[0].width, images[0].height, images[0].encoding) == (400, 250, '32FC1')
    end(process, read)


def test_the_replay_launch_file_scores_a_bag_and_ends_with_a_report(launch, tmp_path):
    bag = bags.write(tmp_path / 'bars', bags.stream(8000, truths=range(64, 8000, 400)))
    arguments = [f'bag:={bag}', f'out:={tmp_path / "out"}', 'speed:=0.2', 'device:=cpu']
    process, read = launch('replay.launch.py', *arguments)
    assert process.wait(90) == 0, read()
    content = json.loads((tmp_path / 'out' / 'metrics.json').read_text())
    assert content['mode'] == 'live'
    assert content['planes']['expected'] == 8000
    assert content['windows'] > 0
    assert content['windows_with_truth'] > 0
    assert (tmp_path / 'out' / 'report.html').exists()
    assert f'report: {tmp_path}/out/report.html' in read()
