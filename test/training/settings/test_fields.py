# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Each field of each class of settings is named where it is unknown, of another type or no number.

Classes and fields are found by themselves: a new one is covered with the others.
"""

import dataclasses
import math
import typing

import pytest

from spike_depth_ros.base import schema
from spike_training.settings.config import RunConfig
from spike_training.settings.method import BUILT_IN, find_method
from spike_training.settings.reading import read_settings
from spike_training.tables.settings import ClaimConfig, PaperConfig, RowConfig, TableConfig

STAGES = {
    f'{method}.{name}': kind
    for method in BUILT_IN
    for name, kind in find_method(method).kinds.items()
}
OTHERS = (RunConfig, TableConfig, RowConfig, ClaimConfig, PaperConfig)
CLASSES = STAGES | {kind.__name__: kind for kind in OTHERS}

OF_ANOTHER_TYPE = {
    int: ('many', 0.5, True, [1]),
    float: ('many', True, [1.0]),
    bool: ('yes', 1),
    str: (3, ['x']),
    list: ('x', 3, {}, [{}]),
    tuple: (1.0, [1.0], [1.0, 'x']),
    dict: ('x', 3, [3]),
    typing.Literal: ('neither', 3, ['x']),
    type: ('x', 3, [3]),  # settings within settings
}


def parts(hint):
    """The types of a setting that may be one of several."""
    return [
        one if typing.get_origin(one) is None else typing.get_origin(one)
        for one in (typing.get_args(hint) if _is_union(hint) else (hint,))
    ]


def _is_union(hint):
    return typing.get_origin(hint) not in (None, list, dict, tuple, typing.Literal)


def inner(hint):
    """The class of settings within settings; None of other settings."""
    found = typing.get_args(hint) if _is_union(hint) else (hint,)
    return next((one for one in found if dataclasses.is_dataclass(one)), None)


def fields(kind, before=()):
    """All settings of a class, as names from the outermost in, with their types."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        path = (*before, field.name)
        yield path, hints[field.name]
        if within := inner(hints[field.name]):
            yield from fields(within, path)


def read(kind, path, value):
    """The settings with a field of that value, and what is wrong with its type."""
    tree, problems = value, []
    for name in reversed(path):
        tree = {name: tree}
    return read_settings(kind, tree, '', problems), problems


def other_values(hint):
    """Values of other types than that of a setting."""
    known = parts(hint)
    values = [None] if type(None) not in known else []
    for one in known:
        one = type if dataclasses.is_dataclass(one) else one
        values += [v for v in OF_ANOTHER_TYPE.get(one, ()) if not _is_of(v, known)]
    return values


def _is_of(value, known):
    return any(one in known for one in (type(value), float if type(value) is int else None))


@pytest.mark.parametrize('kind', CLASSES.values(), ids=CLASSES)
def test_values_of_another_type_and_unknown_fields_are_named(kind):
    for path, hint in fields(kind):
        name = '.'.join(path)
        for value in other_values(hint):
            _, problems = read(kind, path, value)
            assert problems, f'{name} {value!r}'
            for problem in problems:
                assert problem.startswith((f'{name} is {value!r}: expected ', f'{name}['))
                assert len(problem.splitlines()) == 1
        _, (problem,) = read(kind, (*path[:-1], f'{path[-1]}x'), 1)
        assert problem.startswith(f'{name}x is unknown: did you mean ')


@pytest.mark.parametrize('kind', [*STAGES.values(), RunConfig, TableConfig],
                         ids=[*STAGES, 'RunConfig', 'TableConfig'])  # fmt: skip
def test_numbers_below_their_range_and_no_numbers_are_named(kind):
    for path, hint in fields(kind):
        known, name = parts(hint), '.'.join(path)
        numbers = {int, float} & {*known, *typing.get_args(hint)}
        if not numbers or {typing.Literal, dict} & {*known}:
            continue
        taken = set()
        for value in (-1, math.nan, math.inf, -math.inf):
            if not (float in numbers or value == -1):
                continue
            listed = {list: [value], tuple: [value, value]}.get(known[0], value)
            settings, told = read(kind, path, listed)
            told += schema.problems_of(settings)
            if not any(one.startswith((f'{name} is ', f'{name}[0] is ')) for one in told):
                taken.add(value)
        assert not taken, name
