# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fields of dataclasses: type, range, choices and meaning, said once.

A field says what it may be in its annotation, and what it means in the text under it::

    @dataclass(frozen=True)
    class Lens:
        vignette: Share = 0.0
        '''Share of the light that the corners lose.'''
        sizes: list[Count] = field(default_factory=list)
        '''Rows of each picture.'''

        @across('vignette', 'sizes')
        def _sizes_of_vignette(self) -> Problems:
            if self.vignette and not self.sizes:
                yield 'sizes is []: expected one or more with a vignette'

:func:`read` builds such a dataclass from the tree of a file, and :func:`problems_of` checks one;
:func:`fields_of` is what help, parameters of nodes and comments of files are made from. All
problems are told at once.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import functools
import inspect
import itertools
import re
import textwrap
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, get_args, get_type_hints

from spike_depth_ros.base.values import (
    convert,
    dataclass_of,
    describe,
    faults,
    may_be_infinite,
    shortened,
)

Problems = Iterator[str]
"""Problems, a phrase for each field: ``train.steps is 0: expected 1 or more``."""

Rule = TypeVar('Rule', bound=Callable[[Any], Problems])


def across(*names: str) -> Callable[[Rule], Rule]:
    """Register a method as a check across fields.

    Args:
        *names: Fields without which it means nothing: it is left out where one has a problem.
    """

    def register(method: Rule) -> Rule:
        method._across = names  # type: ignore[attr-defined]
        return method

    return register


class Field(NamedTuple):
    """Field of a dataclass.

    Attributes:
        name: Its name.
        type: Its type, without checks but that of numbers that may be infinite.
        hint: Its type, with checks.
        default: Its default; ``dataclasses.MISSING``: it has none.
    """

    name: str
    type: Any
    hint: Any
    default: Any


class Reading(NamedTuple):
    """How a tree is read.

    Attributes:
        numbers_as_text: Take texts such as 4e-3 for numbers, as YAML 1.1 does not.
        renamed: New names of fields that had another one.
        element: Function in place of :func:`read` for the dataclasses of a list.
    """

    numbers_as_text: bool = False
    renamed: Mapping[str, str] = types.MappingProxyType({})
    element: Callable[[type, Mapping[str, Any], list[str], str], Any] | None = None


STRICT = Reading()


def read(
    kind: Any, given: Mapping[str, Any], problems: list[str], where: str = '',
    how: Reading = STRICT,
) -> Any:  # fmt: skip
    """Build a dataclass from a tree; what has a problem of name or type keeps its default.

    Args:
        kind: The dataclass.
        given: Values by name.
        problems: List to which all problems of names and types are appended; the other ones are
            those of :func:`problems_of`.
        where: Prefix of the names in messages.
        how: How the tree is read.

    Returns:
        The dataclass; None if a field without default is missing or has a problem.
    """
    known, good = fields_of(kind), {}
    for key, value in given.items():
        name = f'{where}{key}'
        if key not in known:
            problems.append(f'{name} is {_instead(str(key), known, how)}')
            continue
        hint = known[key].type
        hint = hint if value is None else dataclass_of(hint) or hint
        element = (*get_args(hint), None)[0]
        if dataclasses.is_dataclass(hint) and isinstance(value, dict):
            good[key] = read(hint, value, problems, f'{name}.', how)
        elif dataclasses.is_dataclass(element) and isinstance(value, list):
            good[key] = [*_elements(element, value, problems, name, how)]
        elif found := [*_problems_of_value(value, hint, name, how.numbers_as_text)]:
            problems += found
        else:
            good[key] = convert(value, hint, how.numbers_as_text)
    lacking = [one for one in known.values() if one.default is dataclasses.MISSING]
    problems += (
        f'{where}{one.name} is missing: expected {describe(one.hint)}'
        for one in lacking
        if one.name not in given
    )
    return None if any(one.name not in good for one in lacking) else kind(**good)


def _elements(
    kind: Any, values: list[Any], problems: list[str], name: str, how: Reading
) -> Iterator[Any]:
    problems += (
        f'{name}[{i}] is {shortened(item)}: expected {describe(kind)}'
        for i, item in enumerate(values)
        if not isinstance(item, dict)
    )
    for i, item in enumerate(values):
        given, where = item if isinstance(item, dict) else {}, f'{name}[{i}].'
        if how.element is None:
            yield read(kind, given, problems, where, how)
        else:
            yield how.element(kind, given, problems, where)


def problems_of(part: Any, where: str = '') -> Problems:
    """Yield the problems of a dataclass: of each field, of what it holds, then across fields."""
    kind: Any = type(part)
    bad: set[str] = set()
    for one in fields_of(kind).values():
        found = [*_problems_of_value(getattr(part, one.name), one.hint, f'{where}{one.name}')]
        yield from found
        bad.update([one.name] if found else [])
    for name, needed in _rules_of(kind).items():
        if not bad.intersection(needed):
            yield from (f'{where}{problem}' for problem in getattr(part, name)())


def _problems_of_value(
    value: Any, hint: Any, name: str, numbers_as_text: bool = False
) -> Problems:
    if dataclasses.is_dataclass(value):
        yield from problems_of(value, f'{name}.')
    elif isinstance(value, list | tuple) and any(map(dataclasses.is_dataclass, value)):
        for i, item in enumerate(value):
            yield from problems_of(item, f'{name}[{i}].')
    else:
        for place, found, expected in faults(value, hint, numbers_as_text):
            yield f'{name}{place} is {found}: expected {expected}'


def refuse(part: Any, error: type[ValueError] = ValueError) -> None:
    """Refuse a dataclass with problems; in its ``__post_init__``, so that there can be none.

    Args:
        part: The dataclass.
        error: What is raised.

    Raises:
        ValueError: It has some; the message is a line.
    """
    if problems := list(problems_of(part)):
        raise error('; '.join(problems))


@functools.cache
def fields_of(kind: Any) -> dict[str, Field]:
    """Return the fields of a dataclass by name."""
    bare, hints = get_type_hints(kind), get_type_hints(kind, include_extras=True)
    found = {}
    for one in dataclasses.fields(kind):
        made = one.default_factory
        default = one.default if made is dataclasses.MISSING else made()
        hint = hints[one.name]
        plain = hint if may_be_infinite(hint) else bare[one.name]
        found[one.name] = Field(one.name, plain, hint, default)
    return found


@functools.cache
def _rules_of(kind: Any) -> dict[str, tuple[str, ...]]:
    """Return the checks across fields, those of bases first, with the fields that they need."""
    return {
        name: member._across
        for base in reversed(kind.__mro__)
        for name, member in vars(base).items()
        if hasattr(member, '_across')
    }


@functools.cache
def meanings_of(target: Any) -> dict[str, str]:
    """Return the meanings of the fields of a dataclass, or of the parameters of a function.

    Those of a dataclass stand under each field, or with those of its bases in ``Attributes`` of
    its docstring; those of a function in ``Args``.
    """
    if not dataclasses.is_dataclass(target):
        return _section(target, 'Args')
    found: dict[str, str] = {}
    bases: list[Any] = [one for one in reversed(target.__mro__) if dataclasses.is_dataclass(one)]  # type: ignore[union-attr]
    for base in bases:
        found |= _section(base, 'Attributes')
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        for one, after in itertools.pairwise(getattr(body, 'body', [])):
            match one, after:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    found[name] = ' '.join(text.split())
    return found


def _section(target: Any, title: str) -> dict[str, str]:
    """Return the entries of a section of a docstring, in Google style."""
    _, _, section = (inspect.cleandoc(target.__doc__ or '') + '\n').partition(f'\n{title}:\n')
    found: dict[str, str] = {}
    for line in itertools.takewhile(lambda one: one[:1] in ('', ' '), section.split('\n')):
        if entry := re.match(r' {4}(\w+): (.*)', line):
            name, found[entry[1]] = entry.groups()
        elif line.strip():
            found[name] += f' {line.strip()}'
    return found


def unknown(name: str, known: Iterable[str]) -> str:
    """Return words for a name that is unknown, with the nearest known one."""
    names = [*known]
    return f'unknown{nearest(name, names, ": ") or f": expected {_one_of(names)}"}'


def nearest(name: str, known: Iterable[str], before: str = '; ') -> str:
    """Return a question for the known name that is nearest to an unknown one.

    Args:
        name: The unknown name.
        known: The known ones.
        before: Text before the question.

    Returns:
        The question; empty: none is near.
    """
    near = difflib.get_close_matches(name, [*known], 1)
    return f'{before}did you mean {near[0]}?' if near else ''


def _one_of(names: Sequence[str]) -> str:
    return f'one of {", ".join(names)}' if len(names) > 1 else (*names, 'none')[0]


def _instead(key: str, known: Mapping[str, Field], how: Reading) -> str:
    return f'now {new}' if (new := how.renamed.get(key)) in known else unknown(key, known)
