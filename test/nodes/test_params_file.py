# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameter files, read as a node of rclpy reads them."""

import functools
import json

import pytest
import rclpy

from spike_depth_ros.nodes.parts.params_file import NodeParameters

pytestmark = pytest.mark.dds

FILES = {
    'specific_last': '/**: {ros__parameters: {a: 1, b: 1}}\n/left/x: {ros__parameters: {b: 2}}',
    'wildcard_last': '/left/x: {ros__parameters: {a: 1, b: 1}}\n/**: {ros__parameters: {b: 2}}',
    'nested': 'left: {x: {ros__parameters: {a: 1, c: {d: {e: 2}, f: 3}}}}',
    'nested_wildcard': 'left: {"*": {ros__parameters: {a: 1}}}\n"*": {x: {ros__parameters: {}}}',
    'one_level': '/*/x: {ros__parameters: {a: 1}}\n/*: {ros__parameters: {b: 2}}',
    'any_level': '/**/x: {ros__parameters: {a: 1}}\n/left/**: {ros__parameters: {b: 2}}',
    'bare_name': 'x: {ros__parameters: {a: 1}}\n/**: {ros__parameters: {c.d: 2}}',
    'of_others': '/right/x: {ros__parameters: {a: 1}}\n/left/y: {ros__parameters: {b: 2}}',
    'bare_then_wildcard': 'x: {ros__parameters: {a: 1}}\n/*: {ros__parameters: {a: 2}}',
}


def overrides(namespace, *paths):
    """Parameters that a node of rclpy gets from parameter files."""
    arguments = ['--ros-args', '-r', f'__ns:={namespace}']
    for path in paths:
        arguments += ['--params-file', str(path)]
    node = rclpy.create_node(
        'x',
        cli_args=arguments,
        use_global_arguments=False,
        start_parameter_services=False,
        enable_rosout=False,
    )
    found = {name: value.value for name, value in node._parameter_overrides.items()}
    node.destroy_node()
    return found


@pytest.mark.parametrize('namespace', ['/', '/left'])
@pytest.mark.parametrize('name', FILES)
def test_a_file_is_read_as_ros_reads_it_and_overridden_whatever_its_sections(
    tmp_path, ros, name, namespace
):
    ros.start()
    path, given = tmp_path / 'a.yaml', tmp_path / 'given.yaml'
    path.write_text(FILES[name])
    node = f'{namespace.rstrip("/")}/x'
    read = NodeParameters(path, node, {'b': 9})
    of_file = {name: value for part in read.sections.values() for name, value in part.items()}
    assert of_file == overrides(namespace, path)
    given.write_text(json.dumps(read.overrides()))
    assert overrides(namespace, path, given) == {**of_file, 'b': 9}
    for name, value in of_file.items():
        assert NodeParameters(path, node, {}).find(name) == (value, 'params_file')


def test_a_given_value_wins_over_the_file_and_both_over_the_default(tmp_path):
    path = tmp_path / 'a.yaml'
    path.write_text('/x: {ros__parameters: {a: 1, b: 1}}')
    read = NodeParameters(path, '/x', {'b': 9})
    assert read.find('b') == (9, 'argument')
    assert read.find('a') == (1, 'params_file')
    assert read.find('c') == (None, 'default')


def test_what_is_no_parameter_file_is_refused(refusals, tmp_path):
    path = tmp_path / 'a.yaml'
    wrong = {
        'damaged': 'a: [', 'a list': '- 1', 'a number': '/**: 3',
        'parameters that are a number': '/**: {ros__parameters: 3}',
        'a name that is none': '"/(": {ros__parameters: {}}',
    }  # fmt: skip

    def read(text):
        path.write_text(text)
        NodeParameters(path, '/x', {})

    rows = {name: ('a.yaml', functools.partial(read, text)) for name, text in wrong.items()}
    refusals(
        'params_file',
        rows,
        RuntimeError,
        {r'ROS 2: (while|missing).*': 'ROS 2: <why, of a library>'},
    )
