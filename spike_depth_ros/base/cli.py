# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command lines of functions and dataclasses: options, help and errors from their annotations.

A function is a command: its parameters are options, and their meanings stand in the section
``Args`` of its docstring. With ``def enlarge(map: Path, factor: Count = 2)``
there are ``--map FILE`` and ``--factor 4`` or ``--factor=4``. Likewise ``--data.kitti PATH`` for a
dictionary, ``--sensor.dark 0.1`` for a dataclass, or ``--sensor FILE``; a flag needs no value.

The options of a console script are the fields of a dataclass, whose bases are groups of options.
All problems are told at once.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import functools
import inspect
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, ParamSpec, TypeVar, get_args, get_origin, get_type_hints

import yaml

from spike_depth_ros.base import schema
from spike_depth_ros.base.errors import printable
from spike_depth_ros.base.safe_yaml import YamlLimitError, parse_yaml, read_yaml
from spike_depth_ros.base.schema import Field
from spike_depth_ros.base.values import convert, dataclass_of, describe, faults, options_of

HELP = ('-h', '--help')

Options = TypeVar('Options')
Given = ParamSpec('Given')
Result = TypeVar('Result')
Fields = Mapping[str, Field]


@dataclasses.dataclass(frozen=True)
class Option:
    """How a field is given on a command line, in its annotation.

    Attributes:
        positional: True: by its place, without a name.
        parse: Converts its text, and raises ValueError; None: as its type says.
        repeated: True: given again for each value of a list.
    """

    positional: bool = False
    parse: Callable[[str], Any] | None = None
    repeated: bool = False


POSITIONAL = Option(positional=True)
REPEATED = Option(repeated=True)


class OptionsError(ValueError):
    """Options that a command has not, or values that they cannot have; one line."""


def parameters_of(target: Callable[..., Any]) -> dict[str, Field]:
    """Return the options of a function, or of a dataclass."""
    if dataclasses.is_dataclass(target):
        return schema.fields_of(target)
    hints, checked = get_type_hints(target), get_type_hints(target, include_extras=True)
    return {
        name: Field(name, hints[name], checked[name], _default(one.default))
        for name, one in inspect.signature(target).parameters.items()
    }


def _default(default: Any) -> Any:
    return dataclasses.MISSING if default is inspect.Parameter.empty else default


def checked(
    error: Callable[[str], Exception], start: str = ''
) -> Callable[[Callable[Given, Result]], Callable[Given, Result]]:
    """Return a decorator of functions that refuse values which their annotations do not allow.

    Args:
        error: Makes the exception of its message, one line.
        start: Text before the name of a parameter.
    """

    def decorate(function: Callable[Given, Result]) -> Callable[Given, Result]:
        @functools.wraps(function)
        def checking(*args: Given.args, **kwargs: Given.kwargs) -> Result:
            known = parameters_of(function)
            bound = inspect.signature(function).bind(*args, **kwargs).arguments
            problems = [
                f'{start}{name}{place} is {found}: expected {expected.removeprefix("null or ")}'
                for name, value in bound.items()
                for place, found, expected in faults(value, known[name].hint)
            ]
            if problems:
                raise error('; '.join(problems))
            return function(*args, **kwargs)

        return checking

    return decorate


def split(
    arguments: Sequence[str],
    problems: list[str],
    known: Fields = MappingProxyType({}),
) -> Iterator[tuple[str, str | None]]:
    """Yield name and value of each option; dashes of names become underscores.

    Args:
        arguments: ``--name value`` or ``--name=value``; the value of a flag is None.
        problems: List to which arguments are appended that are no options.
        known: Fields of the options: those that are given by their place, and flags, which take
            the next argument for their value only if it is one.
    """
    rest = [*arguments]
    places = [name for name, one in known.items() if option_of(one).positional]
    # Where nothing is given by its place, what follows a flag is a wrong value of it.
    flags = {name for name, one in known.items() if one.type is bool} if places else ()
    while rest:
        name, equals, value = rest.pop(0).partition('=')
        key = underscored(name)
        if not name.startswith('--') and places:
            yield places.pop(0), f'{name}{equals}{value}'
        elif not name.startswith('--'):
            problems.append(f'{name}: expected an option, --name value')
        elif equals:
            yield key, value
        elif (
            not rest
            or rest[0].startswith('--')
            or (key in flags and rest[0] not in ('true', 'false'))
        ):
            yield key, None
        else:
            yield key, rest.pop(0)


def option_of(one: Field) -> Option:
    """Return how a field is given."""
    hints = (one.hint, *options_of(one.hint))
    marks = (mark for hint in hints for mark in getattr(hint, '__metadata__', ()))
    return next((mark for mark in marks if isinstance(mark, Option)), Option())


def underscored(name: str) -> str:
    """Return the name of an option without its dashes."""
    return name.removeprefix('--').replace('-', '_')


def parsed(text: str) -> Any:
    """Parse the value of an option as YAML; dates, odd numbers and invalid YAML remain text.

    YAML 1.1 takes 010 for 8 and 1:30 for 90.
    """
    try:
        value = parse_yaml(text)
    except (YamlLimitError, yaml.YAMLError, UnicodeError):
        return text
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf:
        return _number(text)
    return text if isinstance(value, datetime.date) else value


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def parse(target: Callable[..., Any], arguments: Sequence[str], start: str = '') -> dict[str, Any]:
    """Read the options of a function.

    Args:
        target: The function.
        arguments: Its command line.
        start: Text before the names of options in messages.

    Returns:
        Values of its parameters by name.

    Raises:
        OptionsError: An option is unknown, missing or invalid; the message has all problems.
    """
    known, problems = parameters_of(target), list[str]()
    given: dict[str, Any] = {}
    empty = set[str]()
    for name, text in split(arguments, problems, known):
        own, _, key = name.partition('.')
        if own == 'config' and own not in known and text is not None:
            given |= _read_file(text)
        elif own not in known:
            problems.append(f'--{name} is {schema.unknown(own, known)}')
        elif text is None and known[own].type is not bool:
            problems.append(f'--{name} has no value: expected {describe(known[own].hint)}')
            empty.add(own)
        elif key:
            tree = given[own] = {**tree} if isinstance(tree := given.get(own), dict) else {}
            tree[key] = text if _holds_text(known[own].type) else parsed(str(text))
        elif text is not None and dataclass_of(known[own].type):
            given[own] = _read_file(text)
        elif text is not None and option_of(known[own]).repeated:
            given[own] = [*given.get(own, ()), text]
        else:
            given[own] = True if text is None else _given(known[own], text, problems, start)
    values = {}
    for name, value in given.items():
        if name in known:
            values[name] = _converted(known[name], value, problems, start)
        else:
            problems.append(f'{name} is {schema.unknown(name, known)}')
    problems += (
        f'--{one.name} is missing: expected {describe(one.hint)}'
        for one in known.values()
        if one.default is dataclasses.MISSING and one.name not in {*given, *empty}
    )
    if problems:
        raise OptionsError(printable('; '.join(problems)))
    return values


def _read_file(path: str) -> dict[str, Any]:
    try:
        content = read_yaml(Path(path))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise OptionsError(f'{path}: {" ".join(str(error).split())}') from None
    if not isinstance(content, dict):
        raise OptionsError(f'{path}: expected options, "name: value"')
    return {underscored(str(name)): value for name, value in content.items()}


def _given(one: Field, text: str, problems: list[str], start: str) -> Any:
    parse = option_of(one).parse
    if parse is None:
        return _value(text, one.type)
    try:
        return parse(text)
    except ValueError as error:
        problems.append(f'{start}{error}')
        return one.default


def _value(text: str, hint: Any) -> Any:
    """Return a value as its type says: a text where that is one, else what YAML makes of it."""
    value, options = parsed(text), options_of(hint)
    # A dash, the name of standard input, is a list to YAML.
    listed = isinstance(value, list | dict) and any(get_args(one) for one in options)
    if not {str, Path} & {*options} or listed:
        return value
    return None if value is None and type(None) in options else text


def value_of(one: Field, text: str, problems: list[str]) -> Any:
    """Return the value of an option; its problems are appended.

    Args:
        one: The parameter.
        text: Text of the value.
        problems: List to which all problems are appended.
    """
    return _converted(one, _value(text, one.type), problems)


def _holds_text(hint: Any) -> bool:
    return any(get_args(one)[1:] == (str,) for one in options_of(hint))


def _converted(one: Field, value: Any, problems: list[str], start: str = '') -> Any:
    """Return the value of a parameter; its problems are appended."""
    kind, found = dataclass_of(one.type), list[str]()
    if kind is not None and isinstance(value, dict):
        try:
            value = schema.read(kind, value, found, f'{one.name}.', schema.Reading(True))
        except ValueError as error:
            found += (f'{one.name}.{problem}' for problem in str(error).split('; '))
    else:
        for place, text, expected in faults(value, one.hint, numbers_as_text=True):
            meant = expected.removeprefix('null or ')
            found.append(f'{start}{one.name}{place} is {text}: expected {meant}')
        value = value if found else convert(value, one.type, numbers_as_text=True)
    problems += found
    return value


def options(kind: type[Options], program: str, arguments: Sequence[str] | None) -> Options:
    """Read the options of a console script; help and wrong options end the process.

    Args:
        kind: Dataclass of its options.
        program: Name of the script.
        arguments: Its command line; None: that of the process.
    """
    given = sys.argv[1:] if arguments is None else [*arguments]
    if {*HELP} & {*given}:
        print(help_of(kind, program, dashes=True), end='')
        sys.exit(0)
    try:
        found = kind(**parse(kind, given, '--'))
        if problems := [*schema.problems_of(found, '--')]:
            raise OptionsError(printable('; '.join(problems)))
    except OptionsError as error:
        said = re.sub(r'--\w+', lambda name: name[0].replace('_', '-'), str(error))
        for name, one in parameters_of(kind).items():
            if option_of(one).positional:
                said = re.sub(rf'--{name}\b', name.upper(), said)
        print(f'{program}: error: {said} (see {program} --help)', file=sys.stderr)
        sys.exit(2)
    return found


def command(
    kinds: Mapping[str, type], program: str, about: str, arguments: Sequence[str]
) -> tuple[str, Any]:
    """Read a subcommand and its options; help and wrong ones end the process.

    Args:
        kinds: Dataclass of the options of each subcommand.
        program: Name of the console script.
        about: What it is for.
        arguments: Its command line.

    Returns:
        Name of the subcommand, and its options.
    """
    name = arguments[0] if arguments else ''
    if name in kinds:
        return name, options(kinds[name], f'{program} {name}', arguments[1:])
    if name in HELP:
        print(list_commands(program, kinds, about))
        sys.exit(0)
    wrong = f'{name} is {schema.unknown(name, kinds)}' if name else 'expected a subcommand'
    print(f'{program}: error: {printable(wrong)} (see {program} --help)', file=sys.stderr)
    sys.exit(2)


def list_commands(program: str, targets: Mapping[str, Any], about: str = '') -> str:
    """Return the help of a program with subcommands.

    Args:
        program: Its name.
        targets: Function or dataclass of each subcommand, whose first line tells what it does.
        about: What the program is for.
    """
    width = max(map(len, targets))
    lines = [f'usage: {program} SUBCOMMAND [OPTIONS]', '', *([about, ''] if about else [])]
    lines += [f'Subcommands; {program} SUBCOMMAND --help tells more of each:', '']
    for name, target in targets.items():
        lines.append(f'  {name:{width}} {(inspect.getdoc(target) or "").partition(chr(10))[0]}')
    return '\n'.join(lines)


def help_of(
    target: Callable[..., Any], program: str, prefix: str = '', dashes: bool = False
) -> str:
    """Return the help of a function or dataclass.

    Args:
        target: The function or dataclass.
        program: The start of its command line.
        prefix: Text before the names of its options.
        dashes: True: names have dashes in place of underscores.
    """
    text = re.split(r'\n(?:Args|Attributes|Raises):', inspect.getdoc(target) or '')[0]
    places = [one for one in parameters_of(target).values() if option_of(one).positional]
    shown_places = ''.join(
        f' {one.name.upper()}' if _is_needed(one) else f' [{one.name.upper()}]' for one in places
    )
    parser = argparse.ArgumentParser(
        prog=program, description=text.strip(), usage=f'%(prog)s{shown_places} [OPTIONS]',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    _add(parser, target, prefix, dashes)
    return parser.format_help()


def _add(parser: Any, target: Any, prefix: str, dashes: bool) -> None:
    meanings = schema.meanings_of(target)
    groups: dict[type, Any] = {}
    for one in parameters_of(target).values():
        inner, owner = dataclass_of(one.type), _owner(target, one.name)
        if owner not in groups:
            groups[owner] = parser if owner is target else _group(parser, owner)
        words = ['a file of settings'] if inner else _words(one)
        text = meanings.get(one.name, '') + (f' ({"; ".join(words)})' if words else '')
        text = text.replace('%', '%%')
        name = f'{prefix}{one.name}'
        if option_of(one).positional:
            groups[owner].add_argument(name, metavar=one.name.upper(), help=text)
        else:
            name = f'--{name.replace("_", "-") if dashes else name}'
            metavar = {} if one.type is bool and dashes else {'metavar': _metavar(one)}
            action = {'action': 'store_true'} if one.type is bool and dashes else {}
            groups[owner].add_argument(name, help=text, **metavar, **action)
        if inner is not None:
            within = f'{prefix}{one.name}.'
            group = parser.add_argument_group(f'--{within}NAME')
            _add(_Within(parser, group), inner, within, dashes)


def _group(parser: Any, owner: Any) -> Any:
    title = (inspect.getdoc(owner) or '').partition('\n')[0].rstrip('.')
    return parser.add_argument_group(f'{title[:1].lower()}{title[1:]}')


class _Within:
    """Group of a parser, which its groups are added beside."""

    def __init__(self, parser: Any, group: Any) -> None:
        self.add_argument, self.add_argument_group = group.add_argument, parser.add_argument_group


def _owner(target: Any, name: str) -> Any:
    """Return the dataclass that defines a field; the function of a parameter."""
    bases = target.__mro__ if isinstance(target, type) else ()
    owners = (one for one in bases if name in inspect.get_annotations(one))
    return next(owners, target)


def _words(one: Field) -> list[str]:
    """Return words for what an option is, beside its placeholder, and for its default."""
    words = describe(one.hint).removeprefix('null or ')
    is_known = words == 'a text' or option_of(one).parse or _metavar(one)[0] == '{'
    found = [] if is_known else [words]
    if _is_needed(one):
        return [*found, 'required']
    if one.default is None or one.default is False or one.default in ('', ()):
        return found
    return [*found, f'default: {shown(one.default)}']


def _is_needed(one: Field) -> bool:
    return one.default is dataclasses.MISSING


def shown(default: Any) -> str:
    """Return the text of a default, as an option takes it."""
    if isinstance(default, bool) or default is None:
        return {True: 'true', False: 'false', None: 'null'}[default]
    return str([*default] if isinstance(default, tuple) else default)


def _metavar(one: Field) -> str:
    (hint, *_) = [kind for kind in options_of(one.type) if kind is not type(None)]
    if hint is bool:
        return '{true,false}'
    if get_origin(hint) is Literal:
        return '{' + ','.join(str(choice) for choice in get_args(hint) if choice != '') + '}'
    return one.name.upper()
