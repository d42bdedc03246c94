# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Times of frames by the names of their files, as cameras, drivers and data sets write them.

Read are seconds with a fraction (``1305031102.160407``, ``1305031102_160407``, ``0.033333``),
seconds, milliseconds, microseconds and nanoseconds of a clock (``1403636579763555584``), and dates
(``2023-05-01_12-30-05.123``, ``20230501_123005123``), with any text and numbers around them.
Other numbers are those of frames. What could be either is refused.
"""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np

from spike_depth_ros.base.errors import shorten
from spike_training.datasets.clip import Times
from spike_training.errors import DataSetError

UNITS = {'s': 1, 'ms': 10**3, 'us': 10**6, 'ns': 10**9}
"""Parts of a second by the unit of a clock."""

Given = Literal['', 's', 'ms', 'us', 'ns', 'date', 'frames']
CHOICES: tuple[Given, ...] = get_args(Given)[1:]
"""Values of the option ``times``."""

MIN_HZ, MAX_HZ = 0.1, 100_000.0
"""Plausible rate of frames, by the median of the times between them."""

_CLOCK_S = (1_000_000_000, 1_900_000_000)  # seconds since 1970: 2001 to 2030
_PARTS = ('year', 'month', 'day', 'hour', 'minute', 'second')
_EPOCH = datetime.datetime(1970, 1, 1)
_DIGITS = 9  # digits of a number that may be a time
_FORMS = {'date': 'date', 'pair': 'pair', 'dotted': 'number', 'number': 'number'}
_COUNTED = 10  # largest step of numbers that may count frames
_REGULAR = 3.0  # times that gaps may differ more where leading zeros are missing

_DATE = r"""
    (?P<year>(?:19|20)\d\d) (?P<d>[-_.]?) (?P<month>0[1-9]|1[0-2]) (?P=d)
    (?P<day>0[1-9]|[12]\d|3[01]) (?:[-_ .]{1,2}|T|_T)?
    (?P<hour>[01]\d|2[0-3]) (?P<t>[-_.:h]?) (?P<minute>[0-5]\d) (?:(?P=t)|m) (?P<second>[0-5]\d)
    (?: [.,](?P<decimals>\d{1,9}) | [-_](?P<apart>\d{9}|\d{6}|\d{3}) | (?P<joined>\d{1,9}) )?
"""
_NUMBER = r'(?P<whole>1[0-8]\d{8})[-_](?P<part>\d{1,9}) | (?P<number>\d+(?:\.\d+)*)'
_TOKEN = re.compile(rf'(?<!\d)(?: {_DATE} (?!\d) | {_NUMBER} (?!\d))', re.VERBOSE)
_DATELESS = re.compile(rf'(?<!\d)(?: {_NUMBER} (?!\d))', re.VERBOSE)


class _Token(NamedTuple):
    """A number or date in a name.

    Attributes:
        kind: ``date``, ``dotted`` (a fraction after a dot), ``pair`` (after another mark) or
            ``number``.
        whole: The number, or the date as seconds since 1970.
        part: Digits of the fraction; of a number empty.
        digits: Digits of the whole number.
        counts: Its last digits may count frames.
    """

    kind: str
    whole: int
    part: str = ''
    digits: int = 0
    counts: bool = False


def read_times(stems: Sequence[str], chosen: Given, where: str) -> Times | None:
    """Return the times that names tell.

    Args:
        stems: Names of the frames without suffix, in their natural order.
        chosen: What their numbers are, one of ``CHOICES``; empty: find out.
        where: Name of the recording, for messages.

    Returns:
        ``[N]`` seconds, in the order of the names; None: the names have numbers of frames, or
        none.

    Raises:
        DataSetError: Names could be read in two ways or differ in what they tell, or two have one
            time.
    """
    if chosen == 'frames' or len(stems) < 2:
        return None
    column = _time_column(stems, chosen, where)
    if column is None:
        if chosen:
            raise DataSetError(
                f'{where}: option times={chosen}, but {_named(stems[0])} has no such time: '
                'expected one in every name, or leave the option out'
            )
        return None
    times = _seconds(stems, [one[column.place] for one in column.tokens], chosen, where)
    if times is None:
        return None
    _check_order(stems, column, times, where)
    if not chosen:
        gap_s = float(np.median(np.diff(np.sort(times))))
        if not 1 / MAX_HZ <= gap_s <= 1 / MIN_HZ:
            raise _undecided(stems, where, f'frames {gap_s:g} s apart')
    return times


def check_gap(times_s: Times, where: Path) -> None:
    """Refuse stamps of a list whose unit is not seconds.

    Raises:
        DataSetError: The frames come at no plausible rate.
    """
    gap_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 1.0
    if not 1 / MAX_HZ <= gap_s <= 1 / MIN_HZ:
        raise DataSetError(
            f'{where}: stamps are {gap_s:g} s apart, expected seconds, {MIN_HZ:g} to {MAX_HZ:g} '
            'frames a second: write the stamps in seconds'
        )


class _Column(NamedTuple):
    """The place of the times among the numbers of names.

    Attributes:
        tokens: Numbers and dates of each name.
        place: Which of them is the time.
    """

    tokens: list[list[_Token]]
    place: int


def _time_column(stems: Sequence[str], chosen: str, where: str) -> _Column | None:
    """Find the number or date that is the time; None: there is none that could be."""
    tokens, forms = _tokens(stems, _TOKEN)
    if len(set(forms)) > 1 and any(one.kind == 'date' for found in tokens for one in found):
        # Eight digits and a counter look like a date and a time up to the 59th.
        counted, other = _tokens(stems, _DATELESS)
        if len(set(other)) == 1 and _counts([one[-1].whole for one in counted]):
            tokens, forms = counted, other
    if len(set(forms)) > 1:
        if not any(_may_be_time(one, chosen) for found in tokens for one in found):
            return None
        odd = next(k for k, form in enumerate(forms) if form != forms[0])
        raise DataSetError(
            f'{where}: {_named(stems[odd])} tells its time in another way than '
            f'{_named(stems[0])}: expected names of one form; rename them, or give times=frames'
        )
    varying = [k for k in range(len(tokens[0])) if len({one[k] for one in tokens}) > 1]
    able = [k for k in varying if any(_may_be_time(one[k], chosen) for one in tokens)]
    clocks = [k for k in able if all(_is_clock(one[k]) for one in tokens)]
    long = [k for k in able if any(_may_be_time(one[k], '') for one in tokens)]
    able = clocks or long or able
    if len(able) > 1:
        raise DataSetError(
            f'{where}: {_named(stems[0])} has several numbers that could be its time: expected '
            'one; rename the files, or give times=frames'
        )
    return _Column(tokens, able[0]) if able else None


def _tokens(
    stems: Sequence[str], pattern: re.Pattern[str]
) -> tuple[list[list[_Token]], list[str]]:
    """Return numbers and dates of names, and what is around them, with their kinds."""
    tokens, forms = [], []
    for stem in stems:
        found = [_token(match) for match in pattern.finditer(stem)]
        kinds = iter(found)
        tokens.append(found)
        forms.append(pattern.sub(lambda _, of=kinds: f'\0{_FORMS[next(of).kind]}\0', stem))  # type: ignore[misc]
    return tokens, forms


def _token(match: re.Match[str]) -> _Token:
    found = match.groupdict()
    if found.get('year'):
        try:
            moment = datetime.datetime.strptime(
                ' '.join(found[name] for name in _PARTS), '%Y %m %d %H %M %S'
            )
        except ValueError:  # the 31st of a shorter month
            return _Token('number', 0, digits=len(match[0]))
        part = found['decimals'] or found['apart'] or found['joined'] or ''
        compact = not (part or found['t'])  # 20230501_000001: the first second, or frame
        counts = compact or found['apart'] is not None
        return _Token('date', int((moment - _EPOCH).total_seconds()), part, counts=counts)
    if found['whole']:
        return _Token('pair', int(found['whole']), found['part'], counts=True)
    groups = found['number'].split('.')
    if len(groups) == 1:
        return _Token('number', int(groups[0]), digits=len(groups[0]))
    # Of more groups, as in cam0.1305031102.16, the last two are the time.
    whole = int(groups[-2])
    return _Token('dotted', whole, groups[-1], len(groups[-2]), counts=_clock_unit(whole) is None)


def _may_be_time(token: _Token, chosen: str) -> bool:
    if chosen == 'date':
        return token.kind == 'date'
    if chosen:
        return token.kind in (
            ('number', 'dotted') if chosen != 's' else ('number', 'dotted', 'pair')
        )
    return token.kind != 'number' or token.digits >= _DIGITS


def _clock_unit(whole: int) -> int | None:
    """Return the unit in which a number is a time of this age; None: in none."""
    for unit in UNITS.values():
        if _CLOCK_S[0] * unit <= whole < _CLOCK_S[1] * unit:
            return unit
    return None


def _is_clock(token: _Token) -> bool:
    return token.kind == 'date' or _clock_unit(token.whole) is not None


def _seconds(stems: Sequence[str], tokens: list[_Token], chosen: str, where: str) -> Times | None:
    """Return the times of one number of each name; None: it counts frames."""
    kind = 'dotted' if any(one.kind == 'dotted' for one in tokens) else tokens[0].kind
    if chosen:
        return np.array([_decimal(one, UNITS.get(chosen, 1)) for one in tokens])
    if kind != 'date' and (units := {_clock_unit(one.whole) for one in tokens}) != {None}:
        if len(units) > 1:
            raise _undecided(stems, where, 'numbers of different units')
        unit = units.pop() or 1
    elif kind == 'number':
        found = _unit_of_steps(stems, tokens, where)
        if found is None:
            return None
        unit = found
    else:
        unit = 1
    times = np.array([_decimal(one, unit) for one in tokens])
    widths = {len(one.part) for one in tokens}
    if len(widths) > 1:
        # A fraction may lose zeros at its end, but a whole number loses those at its beginning.
        if kind == 'pair' or (kind == 'date' and any(one.counts for one in tokens)):
            raise _undecided(stems, where, 'fractions of different lengths')
        ends = any(len(one.part) > 1 and one.part.endswith('0') for one in tokens)
        whole = [one._replace(part=one.part.rjust(max(widths), '0')) for one in tokens]
        other = np.array([_decimal(one, unit) for one in whole])
        if (ends and 0 not in widths) or _spread(times) > _REGULAR * _spread(other):
            raise _undecided(stems, where, 'numbers of different lengths after the dot')
    if any(one.counts for one in tokens):
        scale = 10 ** max(widths)
        ticks = sorted(int(f'{one.whole}{one.part.ljust(max(widths), "0")}') for one in tokens)
        steps = [after - before for before, after in itertools.pairwise(ticks)]
        full = 60 if scale == 1 else 1  # whole seconds carry to the minute
        if 0 < min(steps) <= _COUNTED and not _carries(times, full):
            raise _undecided(stems, where, 'a number that could count frames')
    return times


def _unit_of_steps(stems: Sequence[str], tokens: list[_Token], where: str) -> int | None:
    """Return the unit of numbers of a clock that began at any time; None: they count frames."""
    ordered = sorted(one.whole for one in tokens)
    steps = [after - before for before, after in itertools.pairwise(ordered)]
    padded = len({one.digits for one in tokens}) == 1 and len(str(ordered[-1])) < _DIGITS
    if padded and min(steps) == 1:
        return None
    gap = float(np.median(steps))
    able = [unit for unit in UNITS.values() if 1 / MAX_HZ <= gap / unit <= 1 / MIN_HZ]
    if len(able) != 1 or min(steps) <= _COUNTED:
        raise _undecided(stems, where, 'a number of an unknown unit')
    return able[0]


def _check_order(stems: Sequence[str], column: _Column, times: Times, where: str) -> None:
    """Refuse two frames of one time, and times that go back as other numbers go on."""
    order = np.argsort(times, kind='stable')
    same = np.flatnonzero(np.diff(times[order]) <= 0)
    if len(same):
        first, second = (stems[order[same[0] + k]] for k in (0, 1))
        raise DataSetError(
            f'{where}: {_named(first)} and {_named(second)} have one time: expected different '
            'times; remove one, or give times=frames and frame_hz'
        )
    for place in range(len(column.tokens[0])):
        others = [one[place] for one in column.tokens]
        if place == column.place or others[0].kind != 'number':
            continue
        values = [one.whole for one in others]
        if place > column.place and not _counts(values):
            continue
        by_number = sorted(range(len(stems)), key=lambda k: (values[k], times[k]))
        if len(back := np.flatnonzero(np.diff(times[by_number]) < 0)):
            first, second = (stems[by_number[back[0] + k]] for k in (0, 1))
            raise DataSetError(
                f'{where}: the time goes back from {_named(first)} to {_named(second)}: expected '
                'frames of one camera in the order of time; rename them, or give times=frames'
            )


def _counts(numbers: Sequence[int]) -> bool:
    """Return True of numbers that count: they differ, and few between them are missing."""
    return len({*numbers}) == len(numbers) and max(numbers) - min(numbers) < 2 * len(numbers)


def _carries(times: Times, full: int) -> bool:
    """Return True where times go on evenly over a full second or minute."""
    ordered = np.sort(times)
    gaps, over = np.diff(ordered), np.diff(np.floor(ordered / full + 1e-9)) > 0
    return bool(over.any() and gaps[over].min() <= 2 * np.median(gaps) + 1e-9)


def _spread(times: Times) -> float:
    """Return the largest of the times between frames over their median."""
    gaps = np.diff(np.sort(times))
    return float(gaps.max() / max(np.median(gaps), 1e-12))


def _decimal(token: _Token, unit: int) -> float:
    # One division of whole numbers is rounded once.
    return float(int(f'{token.whole}{token.part}') / (10 ** len(token.part) * unit))


def _undecided(stems: Sequence[str], where: str, seen: str) -> DataSetError:
    choices = ', '.join(f'times={one}' for one in CHOICES)
    return DataSetError(
        f'{where}: the time in names such as {_named(stems[0])} cannot be told ({seen}): give one '
        f'of {choices}, or frame_hz=0 of single images'
    )


def _named(stem: str) -> str:
    return shorten(repr(stem), 220)
