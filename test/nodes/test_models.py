# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Models that cannot be used, set in a running node: one line, and the old one stays."""

import functools
import json
import os

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
from safetensors import safe_open
from safetensors.numpy import save

from kit.checkpoints import not_finite_export
from kit.nodes import SENSOR, Driver, change_state, set_parameter
from spike_depth_ros.checkpoint import METADATA_KEY, default_checkpoint, load, onnx_path

pytestmark = pytest.mark.dds

CHANGES = int(os.environ.get('SPIKE_DEPTH_SWAPS', '16'))
"""Changes of the model whose memory is measured; ``-s`` prints it."""


def checkpoint(path, **changes):
    """The shipped model under another name, with other metadata."""
    with safe_open(default_checkpoint(), framework='numpy') as file:
        fields = json.loads(file.metadata()[METADATA_KEY])
    text = json.dumps(fields | changes)
    path.write_bytes(save(load(default_checkpoint())[1], {METADATA_KEY: text}))
    onnx_path(path).write_bytes(onnx_path(default_checkpoint()).read_bytes())
    return str(path)


@pytest.fixture
def running(ros_node, depth_node, listener, spin):
    """A driver of a depth node that gives depth."""
    depth_node(**SENSOR)
    driver = Driver(ros_node)
    driver.connect(spin)
    spin(lambda: driver.give_depth(listener), what='depth')
    return driver


def test_a_model_that_cannot_be_used_leaves_the_running_one(
    ros_node, running, listener, spin, tmp_path
):
    def gives_depth():
        seen = len(listener.depth)
        spin(lambda: running.give_depth(listener) and len(listener.depth) > seen, what='depth')

    def keeps_the_old_one(path, reason):
        assert set_parameter(ros_node, spin, 'checkpoint', str(path)).successful
        spin(lambda: reason in listener.status['model'].message, what=reason)
        told = listener.status['model']
        assert told.level == DiagnosticStatus.ERROR
        assert 'the new model was not loaded, the old one runs on' in told.message
        assert listener.values('model')['checkpoint'] == str(default_checkpoint())
        gives_depth()
        assert listener.values('model')['checkpoint'] == str(default_checkpoint())

    # Refused at once.
    large = checkpoint(tmp_path / 'large.safetensors', datasets={'d': 'x' * 60_000_000})
    deep = tmp_path / 'deep.safetensors'
    deep.write_bytes(save({}, {METADATA_KEY: '[' * 100_000 + ']' * 100_000}))
    for path, reason in (
        (large, 'its metadata take 60.0 MB, expected at most 1 MB'),
        (deep, 'its metadata are nested too deeply'),
    ):
        refused = set_parameter(ros_node, spin, 'checkpoint', str(path))
        assert not refused.successful
        assert refused.reason == f'{path}: {reason}'
    gives_depth()

    # Refused once they are loaded.
    bins = checkpoint(tmp_path / 'bins.safetensors', bins=32)
    keeps_the_old_one(bins, 'field bins is')
    pool = checkpoint(tmp_path / 'pool.safetensors', settings={'pool': 4})
    keeps_the_old_one(pool, 'field settings.pool is')
    bad = not_finite_export(tmp_path / 'bad.safetensors')
    keeps_the_old_one(bad, 'in a trial window of 64x48 pixels with 0.02 spikes')
    assert listener.values('inference')['windows_failed'] == '0'
    assert listener.values('process')['internal_errors'] == '0'

    # Configured anew, the node has another model, of which the problem says nothing.
    for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP):
        assert change_state(ros_node, spin, transition)
    assert set_parameter(ros_node, spin, 'checkpoint', '').successful
    for transition in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
        assert change_state(ros_node, spin, transition)
    running.connect(spin)
    gives_depth()
    last = listener.status['model']
    spin(lambda: listener.status['model'] is not last, what='the next status')
    assert 'the old one runs on' not in listener.status['model'].message


def test_a_model_without_finite_depth_is_not_started(run_here, depth_parameters, tmp_path):
    path = not_finite_export(tmp_path / 'bad.safetensors')
    arguments = depth_parameters(checkpoint=path, backend='onnx')
    # As in test_depth.py: rclpy keeps the services of a lifecycle node in this process.
    status, output = run_here('depth', *arguments, '-r', '__node:=in_this_process')
    assert status == 1
    assert len(output.splitlines()) == 1
    assert f'cannot be configured: {path}: in a trial window of 128x128 pixels' in output
    assert 'depth is not finite' in output


@pytest.mark.long
@pytest.mark.timeout(60 + 5 * CHANGES)
def test_changes_of_the_model_take_no_memory(
    ros_node, processes, depth_node, listener, spin, tmp_path
):
    depth_node(**SENSOR, backend='onnx')
    driver = Driver(ros_node)
    driver.connect(spin)
    names = [checkpoint(tmp_path / f'{name}.safetensors') for name in ('one', 'other')]

    def shows(name):
        return listener.values('model')['checkpoint'] == name

    def change(times):
        """Change the model; resident memory afterwards, MB."""
        for number in range(times):
            name = names[number % 2]
            assert set_parameter(ros_node, spin, 'checkpoint', name).successful
            spin(functools.partial(shows, name), what='the change')
            driver.give_depth(listener)
        return processes.resident_mb('depth')

    few, many = change(4), change(CHANGES)
    print(f'\n{few:.0f} MB after 4 changes of the model, {many:.0f} MB after {CHANGES} more')
    assert many - few < 60  # what fragments; 100 and more if malloc keeps what was freed
