# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command line by jsonargparse: options and help of functions, and of each kind of stage."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import yaml
from jsonargparse import ArgumentParser, auto_parser, get_loader, set_loader

from spike_depth_ros.safe_yaml import YamlLimitError, check_yaml
from spike_training.datasets.readers import READERS
from spike_training.errors import one_line
from spike_training.settings.config import DataConfig, RunConfig
from spike_training.settings.method import find_kind, find_method
from spike_training.settings.reading import without_dashes

PROGRAM = 'run.py'

_OWN_FILE = (
    ': --config of {} is a file of its own options, not the config of a run: if it is one, leave '
    'it out'
)


class _ArgumentsError(Exception):
    """Arguments that are no options of a function, or values of another type."""


_expand_yaml = get_loader('yaml')  # of jsonargparse, which takes 4e-3 for a number


def _load_yaml(text: str) -> Any:
    """Read a value, or a file of options, once it is known how large it grows."""
    try:
        check_yaml(text)
    except YamlLimitError as error:
        raise _ArgumentsError(f'a file or value among the options {error}') from None
    return _expand_yaml(text)


set_loader('yaml', _load_yaml, (yaml.YAMLError,))


class _Parser(ArgumentParser):
    """Parser of a function's options, or of the help on a run's settings."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise _ArgumentsError(message)


def call(functions: Mapping[str, Callable[..., Any]], arguments: Sequence[str]) -> None:
    """Call the function of a subcommand; exit with status 2 and one message for wrong options.

    Args:
        functions: Functions by the name of their subcommand.
        arguments: Subcommand and options.
    """
    parser = auto_parser(
        functions, as_positional=False, parser_class=_Parser, args=[], prog=PROGRAM
    )
    try:
        given = parser.instantiate(
            parser.parse_args([without_dashes(argument) for argument in arguments])
        )
        function, options = functions[given.subcommand], given[given.subcommand]
        _check_data(function, options)
    except _ArgumentsError as error:
        reason = f'{one_line(error)}{_of_config(functions, arguments)}'
        print(f'{PROGRAM}: {reason}', file=sys.stderr)
        print(f'See {PROGRAM} {" ".join(arguments[:1])} --help', file=sys.stderr)
        sys.exit(2)
    # The file of settings has been read. auto_cli would drop any --config, even an argument of
    # the function.
    if 'config' not in inspect.signature(function).parameters:
        options.pop('config', None)
    function(**options)


def _check_data(function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Refuse a setting of a config, ``--data.height 128``, among the data sets of a function.

    A set may have that name where its reader is given: ``--data.height folder:PATH``.

    Raises:
        _ArgumentsError: There is one.
    """
    settings = {field.name for field in dataclasses.fields(DataConfig)}
    sets = options.get('data')
    for name, where in sets.items() if isinstance(sets, dict) else ():
        own = str(name).partition('.')[0]
        if own not in settings or str(where).partition(':')[0] in READERS:
            continue
        known = inspect.signature(function).parameters
        remedy = 'leave it out'
        if own in known:
            remedy = f'give --{own} {where}'
        elif 'config' in known:
            remedy = 'change it in the file of --config'
        raise _ArgumentsError(
            f'--data.{name} {where}: {own} is a setting of a config, expected a data set, '
            f'--data.NAME PATH: {remedy}'
        )


def _of_config(functions: Mapping[str, Callable[..., Any]], arguments: Sequence[str]) -> str:
    """Return the remedy for an option like ``--model.bins``, a setting of a command's config."""
    function = functions.get(arguments[0]) if arguments else None
    if function is None:
        return ''
    options = inspect.signature(function).parameters
    sections = {field.name for field in dataclasses.fields(RunConfig)} - {*options}
    names = [one.partition('=')[0].removeprefix('--') for one in arguments[1:]]
    if 'config' not in options:
        # Its file has options of the command; that of a run was read as such.
        return _OWN_FILE.format(arguments[0]) if 'config' in names else ''
    for argument in map(without_dashes, arguments[1:]):
        name = argument.partition('=')[0].removeprefix('--')
        if argument.startswith('--') and name.partition('.')[0] in sections:
            return f': --{name} is a setting of a config: change it in the file of --config'
    return ''


def print_stage_help(config: RunConfig) -> None:
    """Print the settings of each kind of stage of a run's methods, with meanings and defaults."""
    method = find_method(config.method)
    methods = {'': method}
    for stage in config.stages:
        kind = find_kind(stage.kind, method)
        methods[kind.prefix] = kind.method
    for prefix, method in methods.items():
        for settings in method.stages:
            name = f'{prefix}{settings.kind}'
            parser = ArgumentParser(prog=f'stages of kind {name}', add_help=False)
            parser.add_class_arguments(settings, 'stages.NAME')
            parser.print_help()
