# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import math
import re
from pathlib import Path

import pytest
import rclpy
import yaml
from rclpy.parameter import Parameter as RosParameter

from spike_depth_ros.nodes import parameters
from spike_depth_ros.nodes.evaluation import EVALUATION_PARAMETERS
from spike_depth_ros.nodes.parameters import DEPTH_PARAMETERS, Parameter
from spike_depth_ros.nodes.process import UserError
from spike_depth_ros.nodes.stereo_parameters import STEREO_PARAMETERS
from spike_depth_ros.nodes.video_source import VIDEO_PARAMETERS

TABLES = {'spike_depth': DEPTH_PARAMETERS, 'spike_stereo': STEREO_PARAMETERS}
ALL = {**TABLES, 'evaluation': EVALUATION_PARAMETERS, 'video': VIDEO_PARAMETERS}
CONFIG = Path(__file__).parents[2] / 'config'


def review(name, value, configured=True):
    return parameters.review(DEPTH_PARAMETERS, [RosParameter(name, value=value)], configured)


@pytest.mark.parametrize('table', TABLES.values(), ids=TABLES)
def test_defaults_lie_within_their_ranges_and_choices(table):
    for row in table:
        assert row.description
        assert row.refusal(row.default, configured=False) is None
        if row.low is not None:
            assert row.low <= row.default <= row.high
            descriptor = row.descriptor()
            assert descriptor.integer_range or descriptor.floating_point_range


@pytest.mark.parametrize(('node', 'table'), TABLES.items())
def test_the_shipped_configuration_holds_known_parameters_with_their_defaults(node, table):
    rows = {row.name: row for row in table}
    shipped = yaml.safe_load((CONFIG / f'{node}.yaml').read_text())['/**']['ros__parameters']
    for name, value in shipped.items():
        assert type(value) is type(rows[name].default), name
        assert value == rows[name].default, name
    left_out = {'checkpoint', 'device', 'autostart', 'spikes.reliability'}
    assert set(rows) - set(shipped) == left_out


def test_only_live_parameters_change_while_the_node_runs():
    assert review('uncertainty.max_relative', 0.5).successful
    refused = review('window', 64)
    assert not refused.successful
    assert 'window is read when the node is configured' in refused.reason
    assert review('window', 64, configured=False).successful
    assert review('qos_overrides./spikes.subscription.depth', 5).successful


def test_a_text_that_is_no_choice_is_refused_by_name():
    refused = review('policy', 'newest', configured=False)
    assert refused.reason == "policy is 'newest'; expected one of latest, every"


def test_an_empty_choice_is_named():
    protocol = Parameter('protocol', '', 'Which.', choices=('', 'bicross'))
    assert protocol.refusal('foo', False) == "protocol is 'foo'; expected bicross, or none"


def test_help_names_every_parameter():
    text = parameters.help_text(DEPTH_PARAMETERS)
    for row in DEPTH_PARAMETERS:
        assert f'  {row.name} (default ' in text
        assert row.description in text


def test_a_refusal_is_one_bounded_line():
    refused = review('policy', 'new\x07est' * 1000, configured=False)
    assert len(refused.reason) < 1000
    assert refused.reason.isprintable()


def wrong_values(row):
    """Values of another type, beyond the ends of the range, or that are no choice."""
    kind = type(row.default)
    yield 7 if kind is str else 'text'
    if row.low is not None:
        # By more than the rounding that rclpy allows for.
        yield kind(row.low - 1 - abs(row.low) / 10)
        yield kind(row.high + 1 + abs(row.high) / 10)
        yield from (math.nan, math.inf) if kind is float else ()
    if row.choices:
        yield 'neither of them'


def read(node, row):
    parameters.declare(node, [row])
    return parameters.values(node, [row])


@pytest.mark.dds
@pytest.mark.parametrize('table', ALL.values(), ids=ALL)
def test_each_parameter_of_another_type_or_out_of_range_is_refused_by_name(ros, table):
    ros.start()
    for row in table:
        for value in wrong_values(row):
            node = rclpy.create_node(
                'in_this_process', enable_rosout=False, start_parameter_services=False,
                parameter_overrides=[RosParameter(row.name, value=value)],
            )  # fmt: skip
            try:
                with pytest.raises((UserError, ValueError), match=re.escape(row.name)):
                    read(node, row)
            finally:
                node.destroy_node()
