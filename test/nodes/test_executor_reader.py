# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages are read without the private functions of rclpy, and that is reported."""

import types

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.duration import Duration
from rclpy.qos import QoSProfile
from std_msgs.msg import Int32

from kit.nodes import SENSOR, Driver
from spike_depth_ros.nodes.parts import private_rclpy
from spike_depth_ros.nodes.parts.executor_reader import (
    ExecutorReader,
    make_reader,
    problem,
    reader_group,
)
from spike_depth_ros.nodes.parts.topic_reader import Input, TopicReader

pytestmark = pytest.mark.dds

OLD_RCLPY = """
import sys, types
from spike_depth_ros.nodes import depth
from spike_depth_ros.nodes.parts import private_rclpy
private_rclpy.rclpy_implementation = types.SimpleNamespace()
sys.exit(depth.main())
"""


@pytest.fixture
def old_rclpy(monkeypatch):
    """An rclpy without private functions."""
    monkeypatch.setattr(private_rclpy, 'rclpy_implementation', types.SimpleNamespace())


def subscribe(node):
    return node.create_subscription(
        Int32, 'numbers', print, QoSProfile(depth=100), callback_group=reader_group(problem(node))
    )


def test_this_rclpy_has_all_and_is_read_by_a_thread(ros_node):
    assert private_rclpy.missing(ros_node.context) == []
    given = [Input(subscribe(ros_node), print)]
    assert isinstance(make_reader(ros_node, given, pytest.fail, problem(ros_node)), TopicReader)


def test_what_is_missing_is_named(ros_node, monkeypatch):
    class Other:
        def __init__(self, subscriptions):
            pass

        add_subscription = clear_entities = wait = None

    class Older:
        pass

    found = types.SimpleNamespace(WaitSet=Other, Subscription=Older)
    monkeypatch.setattr(private_rclpy, 'rclpy_implementation', found)
    assert private_rclpy.missing(ros_node.context) == ['Subscription.take_message']
    Older.take_message = None
    assert private_rclpy.missing(ros_node.context) == ['WaitSet as before (TypeError)']


@pytest.mark.usefixtures('old_rclpy')
def test_an_executor_gives_each_message_with_its_number(ros_node, spin):
    publisher = ros_node.create_publisher(Int32, 'numbers', QoSProfile(depth=100))
    seen, texts = [], []

    def handle(message, number):
        seen.append((message.data, number))
        if message.data == 0:
            raise ValueError('broken')

    reader = make_reader(
        ros_node,
        [Input(subscribe(ros_node), handle)],
        lambda error, where: texts.append(f'{where}: {error}'),
        problem(ros_node),
    )
    assert isinstance(reader, ExecutorReader)
    reader.start()
    spin(publisher.get_subscription_count)
    for value in range(5):
        publisher.publish(Int32(data=value))
    spin(lambda: len(seen) == 5)
    assert seen == [(value, value + 1) for value in range(5)]
    assert texts == ['the handler of /numbers: broken']
    reader.stop()
    publisher.publish(Int32(data=9))
    assert publisher.wait_for_all_acked(Duration(seconds=10))
    spin(lambda: True)
    assert len(seen) == 5


@pytest.mark.usefixtures('old_rclpy')
def test_a_subscription_takes_over_and_no_message_is_handled_twice(ros_node, spin):
    publisher = ros_node.create_publisher(Int32, 'numbers', QoSProfile(depth=100))
    first, second = subscribe(ros_node), subscribe(ros_node)
    seen = []
    reader = make_reader(
        ros_node,
        [Input(first, lambda message, _: seen.append(message.data))],
        pytest.fail,
        problem(ros_node),
    )
    reader.start()
    spin(lambda: publisher.get_subscription_count() == 2)
    publisher.publish(Int32(data=0))
    spin(lambda: seen)
    reader.hand_over(first, Input(second, lambda message, _: seen.append(message.data)))
    assert reader.reads(first)
    assert reader.uses(second)
    for value in range(1, 9):
        publisher.publish(Int32(data=value))
    spin(lambda: 8 in seen)
    assert reader.reads(second)
    assert not reader.uses(first)
    assert sorted(set(seen)) == sorted(seen)
    reader.stop()


def test_a_depth_node_with_an_old_rclpy_gives_depth_and_reports_it(
    ros_node, processes, depth_parameters, listener, spin
):
    processes.start('depth', *depth_parameters(**SENSOR), code=OLD_RCLPY)
    driver = Driver(ros_node)
    driver.connect(spin)
    spin(lambda: driver.give_depth(listener), what='depth')
    words = 'this rclpy lacks WaitSet.add_subscription, '
    spin(
        lambda: 'stream' in listener.status and words in listener.status['stream'].message,
        what='the report',
    )
    assert listener.status['stream'].level == DiagnosticStatus.WARN
    assert processes.log('depth').count(words) == 1
    assert listener.values('process')['internal_errors'] == '0'


@pytest.mark.usefixtures('old_rclpy')
def test_the_report_is_one_line_with_the_consequence(ros_node):
    assert problem(ros_node).endswith('planes may be lost while it is busy; use ROS 2 Jazzy')
