# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import math
import re
from typing import Annotated, get_args

import pytest
import rclpy
import yaml
from rclpy.parameter import Parameter as RosParameter

from scripts import from_fields
from spike_depth_ros.base.schema import across
from spike_depth_ros.evaluation.metrics import Alignment
from spike_depth_ros.nodes.evaluation import EvaluationParameters
from spike_depth_ros.nodes.parts import parameters
from spike_depth_ros.nodes.parts.camera_parameters import CameraParameters
from spike_depth_ros.nodes.parts.depth_parameters import DepthParameters
from spike_depth_ros.nodes.parts.parameters import Mark, build, parameters_of
from spike_depth_ros.nodes.parts.process import UserError
from spike_depth_ros.nodes.parts.stereo_parameters import (
    STEREO_PLANES,
    STEREO_RING,
    StereoParameters,
)
from spike_depth_ros.nodes.video_source import VideoParameters
from spike_depth_ros.stream.ingest import DEFAULT_RING, StreamSettings
from spike_depth_ros.stream.preview import SHORT_PLANES

KINDS = [
    DepthParameters, StereoParameters, EvaluationParameters, VideoParameters, CameraParameters,
]  # fmt: skip


def review(name, value, running=True):
    return parameters.review(DepthParameters, [RosParameter(name, value=value)], running)


@pytest.mark.parametrize('kind', KINDS)
def test_each_parameter_has_a_meaning_a_good_default_and_its_range_in_the_descriptor(kind):
    rows = parameters_of(kind)
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        assert row.meaning
        assert row.problem(row.default) == ''
        descriptor = row.descriptor()
        spans = [*descriptor.integer_range, *descriptor.floating_point_range]
        assert [(span.from_value, span.to_value) for span in spans] == [row.limits] * len(spans)
        assert len(spans) == bool(row.limits)
        assert not row.choices or descriptor.additional_constraints


def test_values_arrive_in_the_fields_of_their_parameters():
    assert build(DepthParameters, {}) == DepthParameters()
    given = {'hop': 7, 'filter.flying': True, 'preview': 'learnt', 'preview.max_hz': 5.0}
    built = build(DepthParameters, {**given, 'image.flip': 'vertical'})
    assert (built.hop, built.filter.flying, built.preview) == (7, True, 'learnt')
    assert (built.preview_network.max_hz, built.image.flip) == (5.0, 'vertical')
    assert StreamSettings(64, **built.of_stream).hop == 7
    two = build(StereoParameters, {'matcher.checkpoint': 'a', 'sgbm.P1': 3, 'right.offset_s': 1.0})
    assert (two.matching_network.checkpoint, two.sgbm.P1, two.right.offset_s) == ('a', 3, 1.0)


def test_what_a_range_does_not_say_is_in_the_descriptor():
    (odd,) = (one for one in parameters_of(StereoParameters) if one.name.endswith('window_size'))
    assert odd.descriptor().additional_constraints == 'a whole number, 1 to 31, an odd number'


def test_meanings_have_the_numbers_of_the_code():
    meaning = {row.name: row.meaning for row in parameters_of(DepthParameters)}
    two = {row.name: row.meaning for row in parameters_of(StereoParameters)}
    scores = {row.name: row.meaning for row in parameters_of(EvaluationParameters)}
    assert f'{SHORT_PLANES} planes' in meaning['preview']
    assert f'{SHORT_PLANES} planes' in two['picture']
    assert f'both {STEREO_PLANES}' in two['window']
    assert f'0: {STEREO_RING} with policy latest' in two['ring_planes']
    for ring in (meaning, two):
        assert f'{DEFAULT_RING["every"]} with every' in ring['ring_planes']
    assert f'{DEFAULT_RING["latest"]} with policy latest' in meaning['ring_planes']
    assert ', '.join(get_args(Alignment)) in scores['alignment']


@dataclasses.dataclass(frozen=True)
class Inner:
    """A group under another name than its field's."""

    a: int = 1
    """One."""

    @across('a')
    def _even(self):
        if self.a % 2:
            yield f'a is {self.a}: expected an even number'


@dataclasses.dataclass(frozen=True)
class Outer:
    """Parameters."""

    field: Annotated[Inner, Mark(group='group')] = Inner()


def test_a_group_with_a_name_of_its_own_is_named_by_it():
    with pytest.raises(ValueError, match=r'^group\.a is 3: expected an even number$'):
        build(Outer, {'group.a': 3})
    assert build(Outer, {'group.a': 4}).field.a == 4


TOGETHER = {
    'filter.max_depth is 1: expected above filter.min_depth, 2, or 0': (
        DepthParameters, {'filter.min_depth': 2.0, 'filter.max_depth': 1.0},
    ),
    'colour.max_depth is 2: expected above colour.min_depth, 2, or 0': (
        StereoParameters, {'colour.min_depth': 2.0, 'colour.max_depth': 2.0},
    ),
    'sgbm.P1 is 9, P2 8: expected P2 above P1': (StereoParameters, {'sgbm.P1': 9, 'sgbm.P2': 8}),
    'camera_height_m is 0: expected above 0 with scale_from height: set it to the height of the '
    'lens above the floor, in metres': (DepthParameters, {'scale_from': 'height'}),
    'matcher is network, matcher.checkpoint is empty: expected a model file of the task stereo: '
    'set it, or matcher to sgbm': (StereoParameters, {'matcher': 'network'}),
}  # fmt: skip


@pytest.mark.parametrize('expected', TOGETHER)
def test_values_that_do_not_go_together_are_refused_by_their_names(expected):
    with pytest.raises(ValueError, match=f'^{re.escape(expected)}$'):
        build(*TOGETHER[expected])


@pytest.mark.parametrize('node', from_fields.NODES)
def test_the_shipped_configuration_is_written_from_the_parameters(node):
    shipped = (from_fields.CONFIG / f'{node}.yaml').read_text()
    assert shipped == from_fields.parameter_file(node), 'python -m scripts.from_fields'
    read = yaml.safe_load(shipped)['/**']['ros__parameters']
    read = {name: parameters.plain(value) for name, value in read.items()}
    rows = {row.name: row.default for row in parameters_of(from_fields.NODES[node])}
    assert read.items() <= rows.items()
    assert {name: type(value) for name, value in read.items()}.items() <= {
        name: type(value) for name, value in rows.items()
    }.items()
    of_launch = {'checkpoint', 'device', 'autostart', 'spikes.reliability'}
    assert rows.keys() - read == of_launch & rows.keys()


def test_the_tables_of_the_pages_are_written_from_the_fields():
    pages = {path: path.read_text() for path in from_fields.DOCS.rglob('*.md')}
    tables = sum(len(from_fields.TABLE.findall(text)) for text in pages.values())
    assert tables == sum(text.count('<!-- fields of ') for text in pages.values()) > 4
    for path, text in pages.items():
        assert from_fields.page(text) == text, f'{path.name}: python -m scripts.from_fields'


def test_only_live_parameters_change_while_the_node_runs():
    assert not review('uncertainty.max_relative', 0.5)
    assert 'window is read when the node is configured' in review('window', 64)
    assert not review('window', 64, running=False)
    assert not review('qos_overrides./spikes.subscription.depth', 5)


def test_a_text_that_is_no_choice_is_refused_by_name():
    assert review('policy', 'newest', False) == "policy is 'newest': expected latest or every"


def test_an_empty_choice_is_named():
    with pytest.raises(ValueError, match=r"^protocol is 'foo': expected '' or bicross$"):
        build(EvaluationParameters, {'protocol': 'foo'})


@pytest.mark.parametrize('kind', KINDS)
def test_help_names_every_parameter(kind):
    text = parameters.help_text(kind)
    for row in parameters_of(kind):
        assert f'  {row.name} (default ' in text
        assert row.meaning in text


def test_a_refusal_is_one_bounded_line():
    refused = review('policy', 'new\x07est' * 1000)
    assert len(refused) < 1000
    assert refused.isprintable()


def wrong_values(row):
    """Values of another type, beyond the ends of the range, or that are no choice."""
    kind = type(row.default)
    yield 7 if kind is str else 'text'
    if row.limits:
        low, high = row.limits
        yield from (kind(low - 1), kind(high + 1))
        yield from (math.nan, math.inf) if kind is float else ()
    if row.choices:
        yield 'neither of them'


def read(node, kind):
    parameters.declare(node, kind)
    parameters.values(node, kind)


@pytest.mark.dds
@pytest.mark.parametrize('kind', KINDS)
def test_each_parameter_of_another_type_or_out_of_range_is_refused_by_name(ros, kind):
    ros.start()
    for row in parameters_of(kind):
        for value in wrong_values(row):
            node = rclpy.create_node(
                'in_this_process', enable_rosout=False, start_parameter_services=False,
                parameter_overrides=[RosParameter(row.name, value=value)],
            )  # fmt: skip
            try:
                with pytest.raises((UserError, ValueError), match=re.escape(row.name)):
                    read(node, kind)
            finally:
                node.destroy_node()
