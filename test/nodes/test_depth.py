# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A model that finishes loading after the node has moved on, without waiting for chance."""

import pytest

pytest.importorskip('rclpy')

import rclpy

from spike_depth_ros.nodes.depth import SpikeDepthNode

pytestmark = pytest.mark.dds


@pytest.fixture
def node():
    rclpy.init(args=['--ros-args', '-p', 'autostart:=false'])
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
