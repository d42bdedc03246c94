# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Counts of the shape of the tree, by hand on small files."""

import ast

import pytest

from scripts import measure_house as house

CHECKED = '''
"""Words."""
import math

def check_size(value):
    """Say what is wrong."""
    if value < 0:
        raise ValueError('negative')
    return value

def use(info, task):
    if isinstance(info, DepthInfo) or task == 'depth':
        raise TypeError
    kinds = {'depth': 1, 'image': 2, 'other': 3}
    assert task is not None
'''


@pytest.fixture
def module():
    return house.Module('spike_depth_ros/networks/one.py', CHECKED, ast.parse(CHECKED))


def test_statements_and_lines_that_refuse(module):
    # import, two functions, two ifs, two raises, return, assignment, assert.
    assert house.statements(module.tree) == 10
    # Without its docstring a function that checks, and an if that only raises.
    assert house.refusing_lines(module.tree) == 4 + 2


def test_sites_that_ask_for_a_task(module):
    found = [node for node in ast.walk(module.tree) if house.asks_for_task(node)]
    assert {type(node) for node in found} == {ast.Call, ast.Compare, ast.Dict}
    assert len(found) == 3


def test_a_dialect_is_counted_where_it_is_spoken():
    text = 'def problems(self): ...\n'
    at = [
        house.Module(path, text, ast.parse(text))
        for path in ('training/spike_training/a.py', 'spike_depth_ros/a.py', 'test/training/a.py')
    ]
    assert house.dialects(at)['problems() of settings'] == 1


def test_floors_and_circles_of_rooms():
    texts = {
        'base.py': 'import math',
        'model/net.py': 'from spike_depth_ros.base import thing',
        'nodes/depth.py': 'from spike_depth_ros import model\nimport spike_depth_ros.stream.ring',
        'stream/ring.py': 'from spike_depth_ros.networks.net import Net',
        'model/other.py': 'if TYPE_CHECKING:\n    from spike_depth_ros.nodes import depth',
    }
    modules = [
        house.Module(f'spike_depth_ros/{path}', text, ast.parse(text))
        for path, text in texts.items()
    ]
    assert house.house(modules, 'spike_depth_ros') == house.House(4, 4, {})
    text = 'from spike_depth_ros.nodes import depth'
    modules.append(house.Module('spike_depth_ros/networks/up.py', text, ast.parse(text)))
    assert house.house(modules, 'spike_depth_ros').circles == {'model <-> nodes': 1}


def test_a_walk_counts_each_step_once():
    from spike_depth_ros.stream import packing

    def run():
        for _ in range(3):
            packing.bin_edges(8, 4)

    once = house.walk(lambda: packing.bin_edges(8, 4))
    assert house.walk(run) == once
    assert once.rooms >= 1
