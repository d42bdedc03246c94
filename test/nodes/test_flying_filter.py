# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The nodes mask flying pixels of any prediction, in depth alone, as their parameter says."""

import numpy as np
import pytest
import rclpy
from rclpy.parameter import Parameter

from spike_depth_ros.estimator import Prediction
from spike_depth_ros.filters.flying_pixels import find_flying_pixels
from spike_depth_ros.nodes.depth import SpikeDepthNode
from spike_depth_ros.nodes.parts.conversions import array_from_msg
from spike_depth_ros.nodes.stereo import SpikeStereoNode
from spike_depth_ros.observation import Observation
from spike_depth_ros.stream.window import Window

pytestmark = pytest.mark.dds

NODES = {
    SpikeDepthNode: ['-r', '__node:=in_this_process'],
    SpikeStereoNode: ['-r', '__node:=stereo_in_this_process', '-p', 'fill:=none'],
}
"""Arguments of each node; its name as in test_depth.py."""


@pytest.fixture(params=NODES, ids=['depth', 'stereo'])
def node(request):
    arguments = NODES[request.param]
    rclpy.init(args=['--ros-args', *arguments, '-p', 'autostart:=false'])
    made = request.param()
    yield made
    made.trigger_cleanup()
    made.close()
    made.destroy_node()
    rclpy.try_shutdown()


def step():
    """Prediction of a step from 2 to 3 m with a ramp."""
    share = np.clip((np.arange(90) - 44.5) / 4 + 0.5, 0, 1)
    depth = np.tile(2 * 1.5**share, (60, 1)).astype(np.float32)
    return Prediction(depth, 0.1 * depth, (0.1, 99.0), 'metric', 1, ())


def published(node, prediction, monkeypatch):
    """Depth and uncertainty that a configured node publishes for a prediction."""
    heard = {}
    for name in ('_depth', '_uncertainty'):
        topic = getattr(node._outputs, name)
        monkeypatch.setattr(topic, 'publish', lambda msg, name=name: heard.update({name: msg}))
        monkeypatch.setattr(topic, 'get_subscription_count', lambda: 1)
    window = Window.from_planes(np.zeros((8, 60, 90), bool), 20_000.0)
    node._outputs.publish_depth(Observation(window), prediction)
    return [array_from_msg(heard[name]) for name in ('_depth', '_uncertainty')]


def test_flying_pixels_are_masked_in_depth_alone_from_the_change_on(node, monkeypatch):
    assert node.trigger_configure().name == 'SUCCESS'
    prediction = step()
    flying = find_flying_pixels(prediction.depth)
    assert flying.sum() == 120
    before, uncertainty = published(node, prediction, monkeypatch)
    np.testing.assert_array_equal(before, prediction.published_depth())
    (changed,) = node.set_parameters([Parameter('filter.flying', value=True)])
    assert changed.successful
    after, same = published(node, prediction, monkeypatch)
    np.testing.assert_array_equal(after, np.where(flying, np.nan, prediction.depth))
    np.testing.assert_array_equal(same, uncertainty)
    assert np.isfinite(prediction.depth).all()


def test_it_may_be_on_at_configuration_and_wins_over_the_range(node, monkeypatch):
    values = [('filter.flying', True), ('filter.max_depth', 2.4), ('filter.min_depth', 2.2)]
    node.set_parameters([Parameter(name, value=value) for name, value in values])
    assert node.trigger_configure().name == 'SUCCESS'
    prediction = step()
    depth = published(node, prediction, monkeypatch)[0]
    np.testing.assert_array_equal(np.isnan(depth), find_flying_pixels(prediction.depth))
    assert (depth[:, :43] == -np.inf).all()
    assert (depth[:, 47:] == np.inf).all()
