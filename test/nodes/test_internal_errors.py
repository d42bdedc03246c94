# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exceptions of callbacks and threads are logged and counted, and the node goes on."""

import signal
import sys

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import Int32

from kit.nodes import QUEUE, SENSOR, Driver, call, set_parameter
from spike_depth_ros.nodes.parts.ending import EndRequests
from spike_depth_ros.nodes.parts.internal_errors import (
    INTERNAL_ERRORS,
    InternalErrors,
    guard_executor,
)

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

pytestmark = pytest.mark.dds

FAILING = """
import sys, threading
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from std_msgs.msg import Int32
from lifecycle_msgs.srv import ChangeState
import rclpy
from spike_depth_ros.nodes.parts import process
from spike_depth_ros.nodes.parts.diagnostics import process_status

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
def test_a_node_goes_on_after_an_exception_in_any_callback(ros_node, spin, processes, spinning):
    counts = []

    def on_diagnostics(msg):
        (status,) = msg.status
        counts.append((int(status.values[0].value), status.level, status.message))

    ros_node.create_subscription(DiagnosticArray, '/diagnostics', on_diagnostics, QUEUE)
    numbers = ros_node.create_publisher(Int32, 'numbers', QUEUE)
    node = processes.start('failing', spinning, code=FAILING)
    spin(lambda: counts and counts[-1][0] == 2, what='timer and thread')
    spin(numbers.get_subscription_count, what='the subscription')
    numbers.publish(Int32(data=1))
    spin(lambda: counts[-1][0] == 3, what='the subscription')
    assert not call(ros_node, spin, ChangeState, 'serve', ChangeState.Request()).success
    result = set_parameter(ros_node, spin, 'number', 3, node='failing')
    assert (result.successful, result.reason) == (False, "internal error: KeyError: 'broken'")
    spin(lambda: counts[-1][0] == 5, what='both services')
    assert counts[-1][1] == DiagnosticStatus.ERROR
    assert "5 internal errors, the newest: KeyError: 'broken'" in counts[-1][2]
    assert node.poll() is None
    processes.stop('failing', signal.SIGTERM)
    # All five come from one line of code, which is logged now and then.
    assert 'internal error in' in processes.log('failing')
    assert "KeyError: 'broken'" in processes.log('failing')


FAILS_ONCE = """
import sys
from spike_depth_ros.nodes import depth, evaluation, video_source
from spike_depth_ros.nodes.parts import process
from spike_depth_ros.nodes.parts.live_evaluation import LiveEvaluation
from spike_depth_ros.nodes.parts.topic_outputs import TopicOutputs

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
failing_once(LiveEvaluation, '_statuses')
failing_once(video_source.VideoSource, '_statuses')
sys.exit({'depth': depth, 'evaluation': evaluation, 'video_source': video_source}[command].main())
"""


def test_the_depth_node_gives_depth_after_exceptions_in_each_of_its_threads(
    ros_node, spin, processes, listener, depth_parameters
):
    node = processes.start('fails', 'depth', *depth_parameters(**SENSOR), code=FAILS_ONCE)
    driver = Driver(ros_node)
    driver.connect(spin)
    spin(lambda: driver.give_depth(listener), what='depth')
    spin(lambda: listener.values('process').get('internal_errors') == '3', what='the count')
    assert listener.status['process'].level == DiagnosticStatus.ERROR
    assert node.poll() is None
    processes.stop('fails', signal.SIGTERM)
    for name in ('_statuses', 'on_spikes', 'depth_wanted'):
        assert f"KeyError: '{name}'" in processes.log('fails')


def test_the_evaluation_goes_on_after_an_exception(spin, processes, listener):
    processes.start('fails', 'evaluation', code=FAILS_ONCE)
    spin(lambda: listener.values('process').get('internal_errors') == '1', what='the count')
    processes.stop('fails', signal.SIGTERM)


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


def test_an_interrupt_that_native_code_turned_into_an_error_stays_one(ros_node, monkeypatch):
    class Interrupted(SingleThreadedExecutor):
        def spin_once(self, timeout_sec=None):
            try:
                signal.raise_signal(signal.SIGUSR1)
            except KeyboardInterrupt:
                raise RuntimeError('Unable to convert call argument') from None

    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, *SIGNALS)}
    monkeypatch.setattr(sys, 'unraisablehook', sys.unraisablehook)
    try:
        requests = EndRequests({signal.SIGUSR1: KeyboardInterrupt})
        signal.signal(signal.SIGUSR1, requests._handle)
        requests.raise_them()
        executor = Interrupted()
        guard_executor(executor, (), lambda: bool(requests.raised))
        with pytest.raises(KeyboardInterrupt):
            executor.spin_once()
        executor.shutdown()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
