# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Without a subscriber the inference thread waits for the event of one."""

import threading
import types

import pytest
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image

from spike_depth_ros.fusion.source import FusedSource
from spike_depth_ros.nodes.parts import depth_outputs
from spike_depth_ros.nodes.parts.depth_parameters import DepthParameters
from spike_depth_ros.nodes.parts.inference import Inference
from spike_depth_ros.nodes.parts.topic_outputs import TopicOutputs

SETTINGS = DepthParameters()


class Unwanted:
    """Outputs without a subscriber, which count how often they are asked."""

    def __init__(self):
        self.asked = 0
        self.twice = threading.Event()

    def depth_wanted(self):
        self.asked += 1
        if self.asked == 2:
            self.twice.set()
        return False

    def preview_wanted(self):
        return False

    def alive(self):
        return True


def started(idle_s):
    outputs = Unwanted()
    stream = types.SimpleNamespace(ring=types.SimpleNamespace(discard=lambda: None))
    inference = Inference(None, FusedSource(stream), outputs, pytest.fail, idle_s=idle_s)
    inference.start()
    return inference, outputs


def test_without_a_subscriber_the_thread_waits_until_it_is_woken():
    inference, outputs = started(60)
    assert not outputs.twice.wait(0.3)
    inference.wake()
    assert outputs.twice.wait(10)
    inference.stop()
    assert not inference.is_alive()


def test_without_events_the_thread_looks_from_time_to_time():
    inference, outputs = started(0.01)
    assert outputs.twice.wait(10)
    inference.stop()


@pytest.fixture
def lifecycle_node(ros_node):
    node = LifecycleNode('in_this_process')
    yield node
    node.destroy_node()


@pytest.mark.dds
def test_a_subscriber_that_comes_or_goes_is_an_event(ros_node, lifecycle_node, spin):
    import rclpy

    outputs = TopicOutputs(lifecycle_node, SETTINGS, pytest.fail)
    assert outputs.has_matched_events
    calls = []
    outputs.matched = lambda: calls.append(outputs.depth_wanted())

    def comes(wanted):
        rclpy.spin_once(lifecycle_node, timeout_sec=0.01)
        return calls and calls[-1] is wanted

    subscription = ros_node.create_subscription(Image, 'depth/image', print, 1)
    spin(lambda: comes(True), what='the event of a subscriber')
    ros_node.destroy_subscription(subscription)
    spin(lambda: comes(False), what='the event of its end')
    outputs.destroy()


def refuse(**callbacks):
    raise TypeError('unexpected keyword argument')


@pytest.mark.dds
def test_an_rclpy_without_such_events_is_asked_from_time_to_time(lifecycle_node, monkeypatch):
    monkeypatch.setattr(depth_outputs, 'PublisherEventCallbacks', refuse)
    outputs = TopicOutputs(lifecycle_node, SETTINGS, pytest.fail)
    assert not outputs.has_matched_events
    assert not outputs.depth_wanted()
    outputs.destroy()
