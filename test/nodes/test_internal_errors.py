# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exceptions of callbacks and threads are logged and counted, and the node goes on."""

import subprocess
import sys

import pytest

pytest.importorskip('rclpy')

from depth_node import QUEUE, SENSOR, Driver, Listener, call
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from std_msgs.msg import Int32

from spike_depth_ros.nodes.internal_errors import INTERNAL_ERRORS, InternalErrors

pytestmark = pytest.mark.dds

FAILING = """
import sys, threading
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from std_msgs.msg import Int32
from lifecycle_msgs.srv import ChangeState
import rclpy
from spike_depth_ros.nodes import process
from spike_depth_ros.nodes.diagnostics import process_status

def fail(*_):
    raise KeyError('broken')

class Failing(Node):
    def __init__(self):
        super().__init__('failing')
        self.create_subscription(Int32, 'numbers', fail, 10)
        self.create_service(ChangeState, 'serve', fail)
        self.declare_parameter('number', 0)
        self.add_on_set_parameters_callback(fail)
        self.timer = self.create_timer(0.2, self.once)
        self.publisher = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self.create_timer(0.1, self.publish)

    def once(self):
        self.timer.cancel()
        threading.Thread(target=fail, name='worker').start()
        fail()

    def publish(self):
        self.publisher.publish(DiagnosticArray(status=[process_status('failing: process')]))

def spin_once_again_and_again(node):
    while rclpy.ok():
        rclpy.spin_once(node, timeout_sec=0.1)
    return 0

work = {'spin': process.spin, 'spin_once': spin_once_again_and_again}[sys.argv[1]]
sys.exit(process.run(Failing, sys.argv, work))
"""


@pytest.mark.parametrize('spinning', ['spin', 'spin_once'])
def test_a_node_goes_on_after_an_exception_in_any_callback(ros_node, spin, tmp_path, spinning):
    counts = []

    def on_diagnostics(msg):
        (status,) = msg.status
        counts.append((int(status.values[0].value), status.level, status.message))

    ros_node.create_subscription(DiagnosticArray, '/diagnostics', on_diagnostics, QUEUE)
    numbers = ros_node.create_publisher(Int32, 'numbers', QUEUE)
    log = tmp_path / 'log'
    with log.open('w') as file:
        node = subprocess.Popen(
            [sys.executable, '-c', FAILING, spinning], stdout=file, stderr=subprocess.STDOUT
        )
    try:
        spin(lambda: counts and counts[-1][0] == 2, what='timer and thread')
        spin(numbers.get_subscription_count, what='the subscription')
        numbers.publish(Int32(data=1))
        spin(lambda: counts[-1][0] == 3, what='the subscription')
        assert not call(ros_node, spin, ChangeState, 'serve', ChangeState.Request()).success
        wish = Parameter('number', value=3).to_parameter_msg()
        request = SetParameters.Request(parameters=[wish])
        (result,) = call(ros_node, spin, SetParameters, 'failing/set_parameters', request).results
        assert (result.successful, result.reason) == (False, "internal error: KeyError: 'broken'")
        spin(lambda: counts[-1][0] == 5, what='both services')
        assert counts[-1][1] == DiagnosticStatus.ERROR
        assert "5 internal errors, the newest: KeyError: 'broken'" in counts[-1][2]
        assert node.poll() is None
    finally:
        node.terminate()
        assert node.wait(30) == 0
    text = log.read_text()
    # All five come from one line of code, which is logged now and then.
    assert 'internal error in' in text
    assert "KeyError: 'broken'" in text


FAILS_ONCE = """
import sys
from spike_depth_ros.nodes import depth, evaluation, process, video_source
from spike_depth_ros.nodes.topic_outputs import TopicOutputs

def failing_once(kind, name):
    right, failed = getattr(kind, name), []
    def wrong(*arguments, **named):
        if not failed:
            failed.append(True)
            raise KeyError(name)
        return right(*arguments, **named)
    setattr(kind, name, wrong)

command = sys.argv.pop(1)
failing_once(depth.SpikeDepthNode, '_statuses')
failing_once(depth.Ingest, 'on_spikes')
failing_once(TopicOutputs, 'depth_wanted')
failing_once(evaluation.EvaluationNode, '_statuses')
failing_once(video_source.VideoSource, '_statuses')
sys.exit({'depth': depth, 'evaluation': evaluation, 'video_source': video_source}[command].main())
"""


def start(command, arguments, log):
    return subprocess.Popen(
        [sys.executable, '-c', FAILS_ONCE, command, *arguments], stdout=log, stderr=log
    )


def test_the_depth_node_gives_depth_after_exceptions_in_each_of_its_threads(
    ros_node, spin, depth_parameters, tmp_path
):
    listener = Listener(ros_node)
    with (tmp_path / 'log').open('w') as log:
        node = start('depth', depth_parameters(**SENSOR), log)
    try:
        driver = Driver(ros_node)
        driver.connect(spin)
        spin(lambda: driver.give_depth(listener), what='depth')
        spin(lambda: listener.values('process').get('internal_errors') == '3', what='the count')
        assert listener.status['process'].level == DiagnosticStatus.ERROR
        assert node.poll() is None
    finally:
        node.terminate()
        assert node.wait(30) == 0
    text = (tmp_path / 'log').read_text()
    for name in ('_statuses', 'on_spikes', 'depth_wanted'):
        assert f"KeyError: '{name}'" in text


def test_the_evaluation_goes_on_after_an_exception(ros_node, spin, tmp_path):
    listener = Listener(ros_node)
    with (tmp_path / 'log').open('w') as log:
        node = start('evaluation', [], log)
    try:
        spin(lambda: listener.values('process').get('internal_errors') == '1', what='the count')
    finally:
        node.terminate()
        assert node.wait(30) == 0


def test_the_same_line_is_logged_once_and_counted_each_time():
    errors, texts = InternalErrors(), []
    errors.log = texts.append
    for number in range(3):
        try:
            raise ValueError(f'line\n{number}')
        except ValueError as error:
            errors.add(error, 'a test')
    assert (errors.count, errors.newest, len(texts)) == (3, 'ValueError: line 2', 1)
    assert errors.recent
    assert not InternalErrors().recent
    assert INTERNAL_ERRORS.count == 0
