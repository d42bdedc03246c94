# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Values against types: what is taken, what is refused in which words, what becomes of it."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from spike_depth_ros.base.values import (
    ASCENDING,
    DISTINCT,
    NAME,
    NOT_EMPTY,
    Check,
    Count,
    Fraction,
    NotNegative,
    Positive,
    Share,
    Text,
    above,
    at_least,
    convert,
    describe,
    faults,
    file_of,
    limits_of,
    multiple_of,
    one_of,
    within,
)

VALUES = (
    0, 1, -1, 5.0, 0.5, -0.5, True, False, None, '1e-4', '4e-3', '', 'x', 'true', math.nan,
    math.inf, -math.inf, 10**400, [], [1], [1.0, 2], ['x'], [True], (1, 2), {}, {'a': 1},
    {'a': 'x'}, np.float32(0.5), np.int64(3), Path('x'),
)  # fmt: skip
"""Thirty values, of which each type takes some."""

TAKEN = {
    int: [0, 1, -1, 10**400, np.int64(3)],
    float: [0, 1, -1, 5.0, 0.5, -0.5, np.float32(0.5), np.int64(3)],
    bool: [True, False],
    str: ['1e-4', '4e-3', '', 'x', 'true'],
    Path: ['1e-4', '4e-3', '', 'x', 'true', Path('x')],
    type(None): [None],
    list[int]: [[], [1], (1, 2)],
    list[float]: [[], [1], [1.0, 2], (1, 2)],
    tuple[float, float]: [[1.0, 2], (1, 2)],
    tuple[int, ...]: [[], [1], (1, 2)],
    Sequence[str]: [[], ['x']],
    dict[str, int]: [{}, {'a': 1}],
    Mapping[str, str]: [{}, {'a': 'x'}],
    Literal['x', 1]: [1, 'x'],
    bool | Literal['x']: [True, False, 'x'],
    int | None: [0, 1, -1, 10**400, None, np.int64(3)],
    Count: [1, 10**400, np.int64(3)],
    Positive: [1, 5.0, 0.5, np.float32(0.5), np.int64(3)],
    NotNegative: [0, 1, 5.0, 0.5, np.float32(0.5), np.int64(3)],
    Share: [0, 0.5, np.float32(0.5)],
    Fraction: [0, 1, 0.5, np.float32(0.5)],
    Text: ['1e-4', '4e-3', 'x', 'true'],
    Annotated[list[int], NOT_EMPTY]: [[1], (1, 2)],
    list[Positive]: [[], [1], [1.0, 2], (1, 2)],
    Positive | None: [1, 5.0, 0.5, None, np.float32(0.5), np.int64(3)],
    Annotated[float, Check(lambda one: one >= 1, '1 or more', infinite=True)]: [
        1,
        5.0,
        math.inf,
        np.int64(3),
    ],
}


def same(one, other):
    return type(one) is type(other) and repr(one) == repr(other)


@pytest.mark.parametrize('hint', TAKEN, ids=[*map(describe, TAKEN)])
def test_a_type_takes_these_of_thirty_values(hint):
    taken = [value for value in VALUES if not [*faults(value, hint)]]
    expected = [value for value in VALUES if any(same(value, one) for one in TAKEN[hint])]
    assert len(expected) == len(TAKEN[hint])
    assert taken == expected


def test_numbers_as_text_are_taken_where_a_file_has_them():
    assert not [*faults('4e-3', float, numbers_as_text=True)]
    assert convert('4e-3', float) == 0.004
    for text in ('x', '', 'nan', 'inf', '1e999'):
        assert [*faults(text, float, numbers_as_text=True)]
    assert [*faults('4', int, numbers_as_text=True)]
    assert [*faults('1e3', Fraction, numbers_as_text=True)] == [('', "'1e3'", '0 to 1')]
    assert not [*faults('1e-3', Fraction, numbers_as_text=True)]


SAID = [
    (0, Count, '', '0', '1 or more'),
    (2.0, Count, '', '2.0', 'a whole number, 1 or more'),
    (-1.0, Positive, '', '-1', 'above 0'),
    (math.nan, Positive, '', 'nan', 'a finite number, above 0'),
    (1 + 1e-9, Fraction, '', '1.000000001', '0 to 1'),
    ('/' + 90 * 'a', Annotated[Path, file_of('.png')], '', '/' + 90 * 'a', 'a file .png'),
    ('x', Positive | None, '', "'x'", 'null or a number, above 0'),
    (-1, Positive | None, '', '-1', 'above 0'),
    ([1, 0], list[Count], '[1]', '0', '1 or more'),
    (['x'], list[Count], '[0]', "'x'", 'a whole number, 1 or more'),
    ((1, 2, 3), tuple[int, int], '', '(1, 2, 3)', 'a list of 2, each a whole number'),
    ('x', list[int], '', "'x'", 'a list, each a whole number'),
    ({'a': [0]}, dict[str, list[Count]], '.a[0]', '0', '1 or more'),
    ({'b': 1}, dict[Annotated[str, one_of('a')], int], '.b', 'unknown', 'a'),
    ([2, 1], Annotated[tuple[int, int], ASCENDING], '', '[2, 1]', 'the larger one last'),
    ([1, 1], Annotated[list[int], NOT_EMPTY, DISTINCT], '', '[1, 1]', 'one or more, each once'),
    (24, Annotated[int, multiple_of(16, 32)], '', '24', 'a multiple of 16, 32 or more'),
    ('a b', Annotated[str, NAME], '', "'a b'", 'letters, digits and _'),
    ('b', Literal['x', 'y'], '', "'b'", 'x or y'),
    (('b',), Annotated[tuple[str, ...], one_of(('a',), ('a', 'c'))], '', "('b',)", 'a or a and c'),
    (2**31, Annotated[int, within(0, 2**31 - 1)], '', '2147483648', '0 to 2147483647'),
    ('x' * 200, int, '', f"'{'x' * 79}...", 'a whole number'),
    ({1: 2}, int, '', '{1: 2}', 'a whole number'),
    ([], dict[str, int], '', '[]', 'settings, "name: value"'),
]  # fmt: skip


@pytest.mark.parametrize(('value', 'hint', 'place', 'found', 'expected'), SAID)
def test_a_fault_names_its_place_what_is_there_and_what_is_expected(
    value, hint, place, found, expected
):
    assert [*faults(value, hint)] == [(place, found, expected)]


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(-100, 100), st.floats(0, 100))
def test_ranges_take_the_numbers_within(value, low, span):
    high = low + span
    expected = math.isfinite(value) and low <= value <= high
    assert (not [*faults(value, Annotated[float, within(low, high)])]) == expected
    least = math.isfinite(value) and value >= low
    assert (not [*faults(value, Annotated[float, at_least(low)])]) == least
    assert (not [*faults(value, Annotated[float, above(low)])]) == (least and value != low)


@given(st.lists(st.integers(-3, 3)))
def test_each_fault_of_a_list_is_told_once_by_its_place(values):
    told = [*faults(values, list[Count])]
    assert [one.place for one in told] == [f'[{i}]' for i, v in enumerate(values) if v < 1]


def test_values_become_those_of_their_type():
    assert convert([1, 2], tuple[float, ...]) == (1.0, 2.0)
    assert [type(one) for one in convert([1, 2], list[float])] == [float, float]
    assert convert((1, 2), list[int]) == [1, 2]
    assert convert(['a'], Sequence[Path]) == (Path('a'),)
    assert convert({'a': 1}, dict[str, float]) == {'a': 1.0}
    assert convert('a', Path | None) == Path('a')
    assert convert(None, Path | None) is None
    assert convert({'a': [1]}, Any) == {'a': [1]}


def test_types_are_described_with_their_checks():
    assert describe(Annotated[float, within(0, 60)]) == 'a number, 0 to 60'
    assert describe(Path | None) == 'null or a path'
    assert describe(Text) == 'a text'
    assert describe(tuple[int, int]) == 'a list of 2, each a whole number'


def test_limits_are_those_of_all_checks():
    assert limits_of(Annotated[int, at_least(0), within(-5, 9)]) == (0, 9)
    assert limits_of(Share) == (0, 1)
    for hint in (int, Count, str, Text):
        assert limits_of(hint) == ()
