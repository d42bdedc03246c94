# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command line of ``run.py``: its subcommands are functions, whose parameters are options."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spike_depth_ros.base import cli
from spike_training.datasets.readers import READERS
from spike_training.settings.config import DataConfig, RunConfig
from spike_training.settings.method import find_kind, find_method

PROGRAM = 'run.py'

_OWN_FILE = (
    ': --config of {} is a file of its own options, not the config of a run: if it is one, leave '
    'it out'
)


def call(name: str, function: Callable[..., Any], arguments: Sequence[str]) -> None:
    """Call the function of a subcommand; exit with status 2 and one message for wrong options.

    Args:
        name: Name of the subcommand.
        function: Its function.
        arguments: Its options.
    """
    if {*cli.HELP} & {*arguments}:
        print(cli.help_of(function, f'{PROGRAM} {name}'), end='')
        return
    try:
        options = cli.parse(function, arguments)
        _check_data(function, options)
    except cli.OptionsError as error:
        print(f'{PROGRAM}: {error}{_of_config(name, function, arguments)}', file=sys.stderr)
        print(f'See {PROGRAM} {name} --help', file=sys.stderr)
        sys.exit(2)
    function(**options)


def _check_data(function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Refuse a setting of a config, ``--data.height 128``, among the data sets of a function.

    A set may have that name where its reader is given: ``--data.height folder:PATH``.
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
        raise cli.OptionsError(
            f'--data.{name} {where}: {own} is a setting of a config, expected a data set, '
            f'--data.NAME PATH: {remedy}'
        )


def _of_config(name: str, function: Callable[..., Any], arguments: Sequence[str]) -> str:
    """Return the remedy for an option like ``--model.bins``, a setting of a command's config."""
    options = inspect.signature(function).parameters
    sections = {field.name for field in dataclasses.fields(RunConfig)} - {*options}
    given = [option for option, _ in cli.split(arguments, [])]
    if 'config' not in options:
        # Its file has options of the command; that of a run was read as such.
        return _OWN_FILE.format(name) if 'config' in given else ''
    for option in given:
        if option.partition('.')[0] in sections:
            return f': --{option} is a setting of a config: change it in the file of --config'
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
            print(cli.help_of(settings, f'stages of kind {name}', 'stages.NAME.'), end='')
