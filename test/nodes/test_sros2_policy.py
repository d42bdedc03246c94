# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""config/sros2/policy.xml against the topics and services that the running nodes have."""

import signal
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import cv2
import numpy as np
import pytest
import rclpy
from rclpy.node import NodeNameNonExistentError
from std_srvs.srv import Trigger

import spike_depth_ros.commands

pytestmark = pytest.mark.dds

POLICY = Path(__file__).parents[2] / 'config' / 'sros2' / 'policy.xml'

RIGHTS = {
    ('topics', 'publish'): 'get_publisher_names_and_types_by_node',
    ('topics', 'subscribe'): 'get_subscriber_names_and_types_by_node',
    ('services', 'reply'): 'get_service_names_and_types_by_node',
    ('services', 'request'): 'get_client_names_and_types_by_node',
}
"""Element and attribute of the policy -> the question to the graph."""

FRAMES = {
    (verb, f'/{topic}')
    for verb in ('publish', 'subscribe')
    for topic in ('image', 'image/camera_info')
}
"""Allowed, but only there where frames are taken, played or recorded."""

SOMETIMES = {
    ('subscribe', '/clock'), ('subscribe', '/odom'), ('publish', '/depth/truth'), *FRAMES,
}  # fmt: skip
"""Allowed, but only there with simulated time, odometry, a bag that is played, or frames."""

OF_PAIRS = {
    (verb, f'/{topic}')
    for verb in ('publish', 'subscribe')
    for topic in (
        'left/spikes', 'left/camera_info', 'left/depth/truth', 'right/spikes', 'right/camera_info',
    )
}  # fmt: skip
"""Allowed, but only there when two cameras are played, checked or recorded."""


NODES = {
    'spike_depth', 'spike_stereo', 'spike_player', 'spike_camera', 'video_source',
    'spike_evaluation',
    'check_stream', 'spike_inspect', 'spike_record',
}  # fmt: skip


def allowed():
    """Node -> its rights, each a verb and a full name."""
    policy = ElementTree.parse(POLICY).getroot()
    rights = {}
    for enclave in policy.iter('enclave'):
        (profile,) = enclave.iter('profile')
        assert enclave.get('path') == f'/{profile.get("node")}'
        rights[profile.get('node')] = set(rights_of(profile))
    return rights


def rights_of(profile):
    for kind, verb in RIGHTS:
        for group in profile.findall(kind):
            assert set(group.attrib.values()) == {'ALLOW'}
            if verb in group.attrib:
                for entry in group:
                    name = entry.text.replace('~', f'/{profile.get("node")}', 1)
                    yield verb, name if name.startswith('/') else f'/{name}'


def used(ros_node, node):
    """The rights that a running node makes use of; empty while it is not yet known."""
    try:
        return {
            (verb, name)
            for (_, verb), question in RIGHTS.items()
            for name, _ in getattr(ros_node, question)(node, '/')
        }
    except NodeNameNonExistentError:
        return set()


@pytest.fixture
def video(tmp_path):
    path = tmp_path / 'a.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, (64, 48))
    for level in (50, 200):
        writer.write(np.full((48, 64, 3), level, np.uint8))
    writer.release()
    return path


def assert_covered(ros_node, name, node, optional=SOMETIMES):
    """Wait until a node has all that the policy allows; it must not have more."""
    rights = allowed()[name]
    end = time.monotonic() + 60
    while (missing := rights - optional - used(ros_node, node)) and time.monotonic() < end:
        rclpy.spin_once(ros_node, timeout_sec=0.05)
    known = ros_node.get_node_names_and_namespaces()
    assert not missing, f'{name} has not what the policy allows: {sorted(missing)}; nodes: {known}'
    assert used(ros_node, node) <= rights, name


def test_the_policy_covers_every_topic_and_service_of_the_running_nodes(
    processes, depth_parameters, ros_node, tmp_path
):
    spikes = tmp_path / 'a.npz'
    np.savez(spikes, packed=np.zeros((80, 48, 8), np.uint8), width=64, rate_hz=1000.0)
    processes.start('depth')
    processes.start('player', spikes, '--loop')
    evaluation = processes.start('evaluation', *depth_parameters(out=tmp_path / 'out'))
    processes.start('check_stream', '--duration', 600, '--watch')
    processes.start('recorder', '/spikes', '--out', tmp_path / 'bag', '--services')
    inspect = processes.start('inspection', 'diagnostics', '--watch', '--timeout', 60)
    for name in ('spike_depth', 'spike_evaluation'):
        assert_covered(ros_node, name, name)
    for name in ('spike_player', 'check_stream'):
        assert_covered(ros_node, name, name, SOMETIMES | OF_PAIRS)
    start = ros_node.create_client(Trigger, '/spike_record/start')
    assert start.wait_for_service(60)
    start.call_async(Trigger.Request())
    assert_covered(ros_node, 'spike_record', 'spike_record', SOMETIMES | OF_PAIRS)
    one_subcommand = {('subscribe', '/diagnostics'), ('publish', '/parameter_events')}
    others = allowed()['spike_inspect'] - one_subcommand
    assert_covered(ros_node, 'spike_inspect', f'_spike_inspect_{inspect.pid}', others)
    evaluation.send_signal(signal.SIGINT)
    status, log = processes.finish('evaluation')
    assert (status == 1) is ('no window arrived' in log), log


def test_the_policy_covers_the_node_of_two_cameras(
    processes, depth_parameters, ros_node, tmp_path
):
    spikes = tmp_path / 'a.npz'
    np.savez(spikes, packed=np.zeros((80, 48, 8), np.uint8), width=64, rate_hz=1000.0)
    processes.start('stereo', *depth_parameters(fill='none'))
    pair = ['--right', spikes, '--baseline', 0.1, '--fx', 60]
    processes.start('player', spikes, '--loop', *pair)
    assert_covered(ros_node, 'spike_stereo', 'spike_stereo')
    of_one = {('publish', '/spikes'), ('publish', '/camera_info')}
    others = SOMETIMES | of_one | {('publish', '/left/depth/truth')}
    assert_covered(ros_node, 'spike_player', 'spike_player', others)


def test_the_policy_covers_a_camera(processes, depth_parameters, ros_node, tmp_path):
    spikes = tmp_path / 'a.npz'
    np.savez(spikes, packed=np.zeros((80, 48, 8), np.uint8), width=64, rate_hz=1000.0)
    processes.start('camera', *depth_parameters(backend='file', device=spikes))
    assert_covered(ros_node, 'spike_camera', 'spike_camera')


def test_the_policy_covers_a_video_source(processes, depth_parameters, ros_node, video):
    values = {'sensor_width': 64, 'sensor_height': 48, 'rate_hz': 1000.0, 'loop': 'true'}
    processes.start('video_source', *depth_parameters(video=video, **values))
    assert_covered(ros_node, 'video_source', 'video_source')


def test_every_command_that_is_a_node_has_an_enclave():
    module = spike_depth_ros.commands
    commands = {
        name
        for name, value in vars(module).items()
        if getattr(value, '__module__', None) == module.__name__
    }
    nodes = {name for name in commands if name.startswith(('spike_', 'video_', 'check_'))}
    assert set(allowed()) == nodes - {'spike_demo'}  # which talks over the loopback alone


def test_the_operator_may_request_what_the_commands_need():
    policy = allowed()
    assert set(policy) == NODES
    requested = {name for verb, name in policy['spike_inspect'] if verb == 'request'}
    offered = {name for rights in policy.values() for verb, name in rights if verb == 'reply'}
    assert requested <= offered
    for node in set(policy) - {'spike_inspect', 'spike_record'}:
        assert {f'/{node}/{verb}_parameters' for verb in ('get', 'list', 'set')} <= requested
    for node in ('spike_depth', 'spike_stereo'):
        assert {f'/{node}/{name}' for name in ('get_state', 'change_state')} <= requested
    seen = {name for verb, name in policy['spike_inspect'] if verb == 'subscribe'}
    assert seen >= {
        name for rights in policy.values() for verb, name in rights if verb == 'publish'
    }
