# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Values and types: does one fit the other, what is expected in its place, and as which value.

Types are those of annotations, ``Annotated`` ones with checks of the value included.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from os.path import isdir
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

MOST_SHOWN = 80
"""Characters of a value in a message."""

FINITE = 'a finite number'


@dataclasses.dataclass(frozen=True)
class Check:
    """What a value is to fit beside its type.

    Attributes:
        fits: Returns True for a good value.
        expected: Words for what is expected.
        low: The least number, if it is a range.
        high: The largest.
        infinite: True: numbers may be infinite.
    """

    fits: Callable[[Any], bool]
    expected: str
    low: float = -math.inf
    high: float = math.inf
    infinite: bool = False


def _shown(number: float) -> str:
    return str(number) if isinstance(number, int) else f'{number:g}'


def _words(choice: Any) -> str:
    return ' and '.join(choice) if isinstance(choice, tuple) else str(choice)


def at_least(low: float) -> Check:
    """Return the check of numbers from a limit on."""
    return Check(lambda value: bool(low <= value), f'{_shown(low)} or more', low)


def above(low: float) -> Check:
    """Return the check of numbers above a limit."""
    return Check(lambda value: bool(low < value), f'above {_shown(low)}', low)


def within(low: float, high: float, unit: str = '') -> Check:
    """Return the check of numbers from one limit to another, both included; in a unit."""
    words = f'{_shown(low)} to {_shown(high)} {unit}'.rstrip()
    return Check(lambda value: bool(low <= value <= high), words, low, high)


def multiple_of(step: int, low: int = 0) -> Check:
    """Return the check of whole numbers that are multiples of another, from a limit on."""
    low, more = max(low, step), f', {low} or more' if low > step else ''
    return Check(lambda v: v >= low and v % step == 0, f'a multiple of {step}{more}', low)


def one_of(*choices: Any) -> Check:
    """Return the check of a value that is one of some; a type Literal says it for fixed ones."""
    return Check(lambda value: value in choices, ' or '.join(map(_words, choices)))


def file_of(suffix: str) -> Check:
    """Return the check of paths of files of a kind, which need not exist."""
    return Check(lambda path: path.suffix == suffix and not isdir(path), f'a file {suffix}')


INSIDE = Check(lambda value: bool(0 < value < 1), 'above 0 and below 1', 0, 1)
NAME = Check(str.isidentifier, 'letters, digits and _')
NOT_EMPTY = Check(bool, 'one or more')
DISTINCT = Check(lambda values: len({*values}) == len(values), 'each once')
ASCENDING = Check(lambda values: [*values] == sorted(values), 'the larger one last')

Count = Annotated[int, at_least(1)]
Number = Annotated[int, at_least(0)]
Positive = Annotated[float, above(0)]
NotNegative = Annotated[float, at_least(0)]
Fraction = Annotated[float, within(0, 1)]
Share = Annotated[float, Check(lambda value: bool(0 <= value < 1), '0 to below 1', 0, 1)]
Text = Annotated[str, Check(bool, 'a text')]


class Fault(NamedTuple):
    """What does not fit.

    Attributes:
        place: Where it is within the value, such as ``[2]``; empty: the value itself.
        found: Text of the value there.
        expected: Words for what is expected in its place.
    """

    place: str
    found: str
    expected: str


def shortened(value: object) -> str:
    """Return the text of a value for a message: of a path all, else about 80 characters."""
    if isinstance(value, Path):
        return str(value) if str(value).isprintable() else repr(str(value))
    text = repr(value)
    if isinstance(value, float) and value in (math.inf, -math.inf, float(f'{value:g}')):
        text = f'{value:g}'
    return text if len(text) <= MOST_SHOWN else f'{text[:MOST_SHOWN]}...'


def faults(value: Any, hint: Any, numbers_as_text: bool = False) -> Iterator[Fault]:
    """Yield what in a value does not fit a type and its checks.

    True is no number, 5.0 no whole one, and numbers are finite.

    Args:
        value: The value.
        hint: The type.
        numbers_as_text: Take texts such as 4e-3 for numbers, as YAML 1.1 does not.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        checks = checks_of(hint)
        infinite = may_be_infinite(hint) and value in (math.inf, -math.inf)
        found = [] if infinite else [*faults(value, arguments[0], numbers_as_text)]
        meant = value if found or infinite else convert(value, arguments[0], numbers_as_text)
        if not found and not all(one.fits(meant) for one in checks):
            shown = shortened(meant if isinstance(meant, Path) else value)
            found = [Fault('', shown, ', '.join(one.expected for one in checks))]
        elif found and found[0][0] == '' and found[0][2] in (describe(arguments[0]), FINITE):
            words = dict.fromkeys([found[0].expected, *(one.expected for one in checks)])
            found[0] = found[0]._replace(expected=', '.join(words))
        yield from found
    elif is_union(hint):
        each_of = {one: [*faults(value, one, numbers_as_text)] for one in arguments}
        meant = [one for one in arguments if _is_of(value, one, numbers_as_text)]
        if all(each_of.values()):
            yield from each_of[meant[0]] if len(meant) == 1 else [_fault(value, hint)]
    elif not _is_of(value, hint, numbers_as_text):
        yield _fault(value, hint)
    elif origin in _LISTS:
        each = arguments[:1] * len(value) if _of_any_length(hint) else arguments
        for i, (one, of) in enumerate(zip(value, each, strict=True)):
            yield from _within(f'[{i}]', one, of, numbers_as_text)
    elif origin is not None and isinstance(value, Mapping):
        for key, one in value.items():
            for fault in faults(key, arguments[0]):
                yield Fault(f'.{key}', 'unknown', fault.expected)
            yield from _within(f'.{key}', one, arguments[1], numbers_as_text)


def _within(place: str, value: Any, hint: Any, numbers_as_text: bool) -> Iterator[Fault]:
    for one in faults(value, hint, numbers_as_text):
        yield one._replace(place=f'{place}{one.place}')


def _fault(value: Any, hint: Any) -> Fault:
    if hint is float:
        odd = isinstance(value, float)
        return Fault('', shortened(value), FINITE if odd else describe(hint))
    # A number such as 2.0 is shown as it is where a whole one is expected.
    found = repr(float(value)) if isinstance(value, float) else shortened(value)
    return Fault('', found, describe(hint))


def _is_of(value: Any, hint: Any, as_text: bool) -> bool:
    """Check a value's type, but not those of the values in it."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin is Annotated:
        return _is_of(value, arguments[0], as_text)
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in arguments)
    if origin in _LISTS:
        same = _of_any_length(hint)
        return isinstance(value, list | tuple) and (same or len(value) == len(arguments))
    if origin is not None:
        return isinstance(value, Mapping)
    if hint is float:
        return _is_number(value, as_text)
    kind = {int: numbers.Integral, Path: str | Path}.get(hint, hint)
    return isinstance(value, kind) and (hint is bool or not isinstance(value, bool))


def _is_number(value: Any, as_text: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, numbers.Real | str):
        return False
    try:
        return (as_text or not isinstance(value, str)) and math.isfinite(float(value))
    except (ValueError, OverflowError):
        return False


def convert(value: Any, hint: Any, numbers_as_text: bool = False) -> Any:
    """Return a value that fits, see :func:`faults`, as its type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is float or hint is Path:
        return hint(value)
    if origin is Annotated:
        return convert(value, arguments[0], numbers_as_text)
    if is_union(hint):
        fitting = (one for one in arguments if not [*faults(value, one, numbers_as_text)])
        return convert(value, next(fitting), numbers_as_text)
    if origin in _LISTS:
        each = arguments[:1] * len(value) if _of_any_length(hint) else arguments
        values = (convert(*one, numbers_as_text) for one in zip(value, each, strict=True))
        return [*values] if origin is list else tuple(values)
    if origin is not None and isinstance(value, Mapping):
        return {key: convert(one, arguments[1], numbers_as_text) for key, one in value.items()}
    return value


def checks_of(hint: Any) -> list[Check]:
    """Return the checks of a type."""
    return [one for one in getattr(hint, '__metadata__', ()) if isinstance(one, Check)]


def may_be_infinite(hint: Any) -> bool:
    """Check for a type of numbers that may be infinite."""
    return any(one.infinite for one in checks_of(hint))


def dataclass_of(hint: Any) -> Any:
    """Return the dataclass of a type "dataclass" or "dataclass or None"; None: it is no such."""
    return next((one for one in options_of(hint) if dataclasses.is_dataclass(one)), None)


def limits_of(hint: Any) -> tuple[float, float] | tuple[()]:
    """Return the least and the largest number of a type; (): it has no such limits."""
    checks = checks_of(hint)
    low = max((one.low for one in checks), default=-math.inf)
    high = min((one.high for one in checks), default=math.inf)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else ()


def describe(hint: Any) -> str:
    """Return words for a type and its checks."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        words = [describe(arguments[0]), *(one.expected for one in checks_of(hint))]
        return ', '.join(dict.fromkeys(words))
    if origin is Literal:
        return ' or '.join(str(one) or "''" for one in arguments)
    if is_union(hint):
        none_first = sorted(arguments, key=lambda one: one is not type(None))
        return ' or '.join(map(describe, none_first))
    if origin in _LISTS:
        if _of_any_length(hint):
            return f'a list, each {describe(arguments[0])}'
        return f'a list of {len(arguments)}, each {describe(arguments[0])}'
    return _WORDS.get(hint, 'settings, "name: value"')


_WORDS: dict[Any, str] = {
    int: 'a whole number',
    float: 'a number',
    bool: 'true or false',
    str: 'a text',
    type(None): 'null',
    Path: 'a path',
}


def is_union(hint: Any) -> bool:
    """Check for a type that is one of several."""
    return get_origin(hint) in (Union, types.UnionType)


def options_of(hint: Any) -> tuple[Any, ...]:
    """Return the types that a value may have: several of a union."""
    return get_args(hint) if is_union(hint) else (hint,)


_LISTS = (list, tuple, Sequence)


def _of_any_length(hint: Any) -> bool:
    return get_origin(hint) is not tuple or get_args(hint)[1:] == (...,)
