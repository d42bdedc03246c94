# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Transitions of the depth node, allowed by its state or not."""

import os
from pathlib import Path

import pytest
from lifecycle_msgs.msg import Transition

from kit.nodes import SENSOR, Driver, change_state, state

pytestmark = pytest.mark.dds

ALLOWED = {
    ('unconfigured', Transition.TRANSITION_CONFIGURE): 'inactive',
    ('inactive', Transition.TRANSITION_ACTIVATE): 'active',
    ('active', Transition.TRANSITION_DEACTIVATE): 'inactive',
    ('inactive', Transition.TRANSITION_CLEANUP): 'unconfigured',
}
SHUTDOWNS = {
    Transition.TRANSITION_UNCONFIGURED_SHUTDOWN: 'unconfigured',
    Transition.TRANSITION_INACTIVE_SHUTDOWN: 'inactive',
    Transition.TRANSITION_ACTIVE_SHUTDOWN: 'active',
}
CYCLE = (
    Transition.TRANSITION_CONFIGURE,
    Transition.TRANSITION_ACTIVATE,
    Transition.TRANSITION_DEACTIVATE,
    Transition.TRANSITION_CLEANUP,
)


def test_what_a_state_does_not_allow_is_refused_and_leaves_the_node_alive(
    ros_node, processes, depth_node, listener, spin
):
    depth_node(autostart='false', **SENSOR)
    now = 'unconfigured'
    for move in (*CYCLE, *CYCLE[:2]):
        # No shutdown that the state allows: after it, nothing else is allowed.
        wrong = [one for one in (*CYCLE, 77) if (now, one) not in ALLOWED]
        for wanted in (*wrong, *(one for one, of in SHUTDOWNS.items() if of != now)):
            assert not change_state(ros_node, spin, wanted), (now, wanted)
        assert state(ros_node, spin) == now
        assert change_state(ros_node, spin, move), (now, move)
        now = ALLOWED[now, move]
        assert state(ros_node, spin) == now
    driver = Driver(ros_node)
    driver.connect(spin)
    spin(lambda: driver.give_depth(listener), what='depth')
    assert not change_state(ros_node, spin, Transition.TRANSITION_CLEANUP)
    assert change_state(ros_node, spin, Transition.TRANSITION_ACTIVE_SHUTDOWN)
    for wanted in (*CYCLE, *SHUTDOWNS):
        assert not change_state(ros_node, spin, wanted)
    assert state(ros_node, spin) == 'finalized'
    assert 'Traceback' not in processes.log('depth')


def held(pid):
    """Threads and open files of a process."""
    folder = Path(f'/proc/{pid}')
    return len(os.listdir(folder / 'task')), len(os.listdir(folder / 'fd'))


def entities(node):
    """Publishers, subscriptions and services of the depth node."""
    found = []
    for by_node in (
        node.get_publisher_names_and_types_by_node,
        node.get_subscriber_names_and_types_by_node,
        node.get_service_names_and_types_by_node,
    ):
        found += [name for name, _ in by_node('spike_depth', '/')]
    return sorted(found)


def test_cycles_of_transitions_hold_no_more_threads_files_or_topics(
    ros_node, processes, depth_parameters, listener, spin
):
    node = processes.start('depth', *depth_parameters(autostart='false', **SENSOR))
    spin(lambda: 'stream' in listener.status, what='the first diagnostics')
    seen = []
    for number in range(7):
        for wanted in CYCLE:
            assert change_state(ros_node, spin, wanted), (number, wanted)
        if number in (2, 6):
            seen.append((held(node.pid), entities(ros_node)))
    assert seen[0] == seen[1]
    gone = {'/spikes', '/camera_info', '/depth/image', '/spikes/image'}
    spin(lambda: not gone & set(entities(ros_node)), what='the end of the topics')
