# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A model that finishes loading after the node has moved on, without waiting for chance."""

import threading

import pytest
import rclpy
from rclpy.lifecycle import LifecycleNode
from rclpy.parameter import Parameter

from spike_depth_ros.nodes.depth import SpikeDepthNode

pytestmark = pytest.mark.dds

# rclpy keeps the services of a state machine as long as the process lives. Under the node's own
# name later tests would take them for those of their node.
ROS_ARGUMENTS = ['--ros-args', '-r', '__node:=in_this_process']


@pytest.fixture
def node():
    rclpy.init(args=[*ROS_ARGUMENTS, '-p', 'autostart:=false'])
    made = SpikeDepthNode()
    yield made
    made.close()
    made.destroy_node()
    rclpy.try_shutdown()


def test_the_newest_wish_for_a_model_wins(node):
    node.trigger_configure()
    first = node._estimator
    node._model_wanted = 2
    node._swap('', 1)
    assert node._estimator is first
    node._swap('', 2)
    assert node._estimator not in (first, None)


def test_a_late_model_does_not_revive_a_cleaned_up_node(node):
    node.trigger_configure()
    node.trigger_cleanup()
    node._swap('', node._model_wanted)
    assert node._estimator is None


def test_a_node_that_closes_waits_for_the_model_being_loaded(node, monkeypatch):
    node.trigger_configure()
    first = node._estimator
    loading, go_on = threading.Event(), threading.Event()
    load = node._load

    def slow(path):
        loading.set()
        assert go_on.wait(10)
        return load(path)

    monkeypatch.setattr(node, '_load', slow)
    node.set_parameters([Parameter('checkpoint', value='')])
    assert loading.wait(10)
    closing = threading.Thread(target=node.close)
    closing.start()
    closing.join(0.2)
    assert closing.is_alive()
    go_on.set()
    closing.join(10)
    assert not closing.is_alive()
    assert node._estimator is first  # what was still loading came too late


def test_an_interrupt_while_it_starts_leaves_no_thread(monkeypatch):
    activate = LifecycleNode.on_activate

    def interrupted(self, state):
        running = {thread.name for thread in threading.enumerate()}
        assert {'topic_reader', 'inference'} <= running
        activate(self, state)
        raise KeyboardInterrupt

    monkeypatch.setattr(LifecycleNode, 'on_activate', interrupted)
    rclpy.init(args=ROS_ARGUMENTS)
    try:
        with pytest.raises(KeyboardInterrupt):
            SpikeDepthNode()
        running = {thread.name for thread in threading.enumerate()}
        assert not {'topic_reader', 'inference'} & running
    finally:
        rclpy.try_shutdown()


ENDS_WHILE_LOADING = """
import sys, time
from rclpy.parameter import Parameter
from spike_depth_ros.nodes.parts import process
from spike_depth_ros.nodes.depth import SpikeDepthNode

def change_model_and_end(node):
    node.set_parameters([Parameter('checkpoint', value='')])
    time.sleep(0.01)  # inside the native library by now
    return 0

sys.exit(process.run(SpikeDepthNode, ['spike_depth'], change_model_and_end))
"""


def test_a_process_that_ends_while_a_model_is_loaded_ends_well(processes):
    status, output = processes.run('ends', code=ENDS_WHILE_LOADING)
    assert (status, 'terminate' in output) == (0, False), output
