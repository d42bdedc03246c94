# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Mutants of the product: each place is found once, and the changed text is Python."""

import ast

import pytest

from scripts.try_mutants import Mutant, find_in

SOURCE = """
def clip(low: int = 1, high=2.5, open=True):
    if not low < high and low != 0 or high is not None:
        return f'{low + 1} of 3'
    names = [1 for name in 'ab' if name not in 'b']
    return -low if open else {"a": 0.0}, names
"""


@pytest.mark.parametrize(
    ('kind', 'expected'),
    [
        ('comparison', ['< <=', '!= ==', 'is not is', 'not in in']),
        ('and_or', ['and or', 'or and']),
        ('not', ['not  ']),
        ('constant', ['2.5 5.0', 'True False', '0.0 1.0']),
        ('step', ['1 0', '1 2', '0 (-1)', '0 1', '1 0', '1 2']),
    ],
)
def test_places_of_a_kind_are_found_in_order(kind, expected):
    found = [place for place in find_in('a.py', SOURCE) if place.kind == kind]
    assert [f'{place.text} {place.becomes}' for place in found] == expected


def test_each_change_is_python_and_changes_the_program():
    before = ast.dump(ast.parse(SOURCE))
    for place in find_in('a.py', SOURCE):
        changed = place.change(SOURCE)
        assert ast.dump(ast.parse(changed)) != before
        assert len(changed.splitlines()) == len(SOURCE.splitlines())


def test_a_file_that_has_changed_since_is_refused():
    with pytest.raises(SystemExit, match=r'a\.py:1:0 .* draw mutants again'):
        Mutant('not', 'a.py', 1, 0, 'not ', '').change('if open:\n')
