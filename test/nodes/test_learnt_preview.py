# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The preview by a network: same header as depth, its own thread, and no window lost by it."""

import os
import threading

import numpy as np
import pytest
from lifecycle_msgs.msg import Transition

from kit.nodes import (
    HEIGHT,
    PERIOD,
    RATE,
    WIDTH,
    assert_balanced,
    change_state,
    moving_bars,
    save_bars,
    set_parameter,
)
from spike_depth_ros.estimator import ImageEstimator
from spike_depth_ros.nodes.parts.conversions import array_from_msg
from spike_depth_ros.nodes.parts.learnt_preview import NICENESS, LearntPreview
from spike_depth_ros.stream import preview
from spike_depth_ros.stream.decode import stamp_ns
from spike_depth_ros.stream.window import Window

pytestmark = pytest.mark.dds


@pytest.fixture
def spikes():
    return moving_bars(200)


@pytest.fixture
def stream(tmp_path):
    return save_bars(tmp_path / 'bars.npz', 200)


def test_a_learnt_preview_is_that_of_the_library_and_skips_pictures_alone(
    play, depth_node, listener, spin, spikes, stream
):
    depth_node(policy='every', window=128, hop=8, preview='learnt', preview__max_hz=1000.0)
    first = play(stream)['first_stamp_ns']
    spin(lambda: len(listener.depth) == 10, what='ten depth images')
    spin(lambda: listener.preview, what='a preview')
    spin(lambda: listener.count('planes_windowed') == 200, what='the accounting')
    assert_balanced(listener.accounting(), sent=200)
    network = ImageEstimator.from_checkpoint(device='cpu')
    for image in listener.preview:
        number, rest = divmod(stamp_ns(image.header.stamp) - first - 64 * PERIOD, 8 * PERIOD)
        assert rest == 0
        window = Window.from_planes(spikes[8 * number : 8 * number + 128], RATE)
        expected = preview.encode(network.predict(window).rate)
        found = array_from_msg(image)
        assert found.shape == (HEIGHT, WIDTH)
        # Sums in another order may round a grey value the other way.
        assert np.abs(found.astype(int) - expected).max() <= 1


def test_short_windows_are_shown_without_the_network(
    processes, depth_node, listener, spin, stream
):
    depth_node(window=32, preview='learnt', preview__max_hz=1000.0)
    processes.start('player', stream, '--loop')
    spin(lambda: len(listener.preview) > 2, what='previews')
    spin(
        lambda: 'window of 32 planes: expected 41 or more' in processes.log('depth'),
        what='the warning',
    )


def test_a_network_that_cannot_be_used_is_refused_before_it_is_chosen(
    ros_node, depth_node, spin, tmp_path
):
    depth_node(preview__checkpoint=str(tmp_path / 'none.safetensors'))

    def refusal():
        result = set_parameter(ros_node, spin, 'preview', 'learnt')
        assert not result.successful
        return result.reason

    assert 'none.safetensors: no such checkpoint' in refusal()
    for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP):
        assert change_state(ros_node, spin, transition)
    assert 'none.safetensors: no such checkpoint' in refusal()
    assert set_parameter(ros_node, spin, 'preview.checkpoint', 'x' * 5000).successful
    assert change_state(ros_node, spin, Transition.TRANSITION_CONFIGURE)
    reason = refusal()
    assert 'File name too long' in reason
    assert len(reason) < 700  # one short line
    assert set_parameter(ros_node, spin, 'preview', 'short').successful


def shown_by(load, warn, window):
    """Show one window in a thread of its own; return what was published."""
    published, done = [], threading.Event()
    thread = LearntPreview(
        load, 10.0, lambda *picture: published.append(picture), warn, lambda: True
    )
    thread.start()
    thread.offer(window, lambda duration_ms: done.set())
    assert done.wait(30)
    thread.end()
    thread.join()
    return published


def test_the_preview_leaves_the_cores_to_depth(spikes):
    found = []

    def load():
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return ImageEstimator.from_checkpoint(device='cpu', threads=1)

    here = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert shown_by(load, pytest.fail, Window.from_planes(spikes, RATE))
    assert found == [min(here + NICENESS, 19)]


def test_a_picture_that_is_ready_after_the_end_is_not_published(spikes):
    window, published = Window.from_planes(spikes[:40], RATE), []
    thread = LearntPreview(
        lambda: ImageEstimator.from_checkpoint(device='cpu', threads=1),
        10.0,
        lambda *picture: published.append(picture),
        lambda kind, text: thread.end(),  # while the picture of a short window is made
        lambda: True,
    )
    thread.start()
    thread.offer(window, lambda duration_ms: None)
    thread.join(30)
    assert not thread.is_alive()
    assert not published


def test_the_method_may_change_while_planes_arrive(
    ros_node, processes, depth_node, listener, spin, stream
):
    depth_node(preview='learnt', preview__max_hz=1000.0)
    processes.start('player', stream, '--loop')
    for method in ('interval', 'learnt', 'short', 'learnt'):
        spin(lambda: len(listener.preview) > 2, what='previews')
        assert set_parameter(ros_node, spin, 'preview', method).successful
        listener.preview.clear()
    spin(lambda: len(listener.preview) > 2, what='previews')
    assert 'internal error' not in processes.log('depth')
