# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command line by jsonargparse: options and help of functions, and of each kind of stage."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, auto_parser

from spike_training.errors import one_line
from spike_training.settings.config import RunConfig
from spike_training.settings.method import find_kind, find_method
from spike_training.settings.reading import without_dashes

PROGRAM = 'run.py'


class _ArgumentsError(Exception):
    """Arguments that are no options of a function, or values of another type."""


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
    except _ArgumentsError as error:
        print(f'{PROGRAM}: {one_line(error)}', file=sys.stderr)
        print(f'See {PROGRAM} {" ".join(arguments[:1])} --help', file=sys.stderr)
        sys.exit(2)
    function, options = functions[given.subcommand], given[given.subcommand]
    # The file of settings has been read. auto_cli would drop any --config, even an argument of
    # the function.
    if 'config' not in inspect.signature(function).parameters:
        options.pop('config', None)
    function(**options)


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
