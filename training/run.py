# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command line of the training: ``python training/run.py SUBCOMMAND --help``."""

from __future__ import annotations

import errno
import importlib
import inspect
import sys
from typing import Any

from jsonargparse import auto_parser

from spike_depth_ros.checkpoint import CheckpointError
from spike_training.engine.method import find_method
from spike_training.errors import ConfigError, DataSetError, TrainingError, one_line
from spike_training.settings.command_line import STAGES_HELP, Parser, print_stage_help
from spike_training.settings.config import RunConfig
from spike_training.settings.reading import read_arguments

COMMANDS = {
    'adapt': 'spike_training.commands.adapt:adapt',
    'adabn': 'spike_training.commands.adabn:adabn',
    'bag': 'spike_training.commands.bag:bag',
    'bicross': 'spike_training.settings.config:RunConfig',  # as train
    'curves': 'spike_training.commands.curves:curves',
    'evaluate': 'spike_training.commands.evaluate:evaluate',
    'export': 'spike_training.runs.export:export',
    'inspect': 'spike_training.commands.inspect_data:inspect_data',
    'page': 'spike_training.reports.run_page:page',
    'sample': 'spike_training.commands.sample:sample',
    'simulate': 'spike_training.commands.simulate:simulate',
    'table': 'spike_training.commands.table:table',
    'train': 'spike_training.settings.config:RunConfig',
    'world': 'spike_training.commands.world:show_world',
}
"""Function or dataclass of settings of each subcommand, which defines its options and help."""

RENAMED = {
    'evaluate_real': 'evaluate with the same --data.NAME, and --samples for --frames',
    'inputs': 'evaluate --inputs_only true, and --samples for --scenes and --frames',
}
"""Replacement of each former subcommand."""


def main() -> None:
    """Run one subcommand; exit with status 2 for invalid settings and 1 for failures."""
    # Only the chosen subcommand is imported, so that it does not need the packages of others.
    for name in sys.argv[1:2]:
        if name in RENAMED:
            print(f'{sys.argv[0]}: {name} is now {RENAMED[name]}', file=sys.stderr)
            sys.exit(2)
    chosen = [name for name in sys.argv[1:2] if name in COMMANDS] or COMMANDS
    components = {name: _load(COMMANDS[name]) for name in chosen}
    try:
        result = _call(components)
        if isinstance(result, RunConfig):
            from spike_training.reports.run_page import PageWriter
            from spike_training.runs.pipeline import run

            run(result, PageWriter())
    except (ConfigError, CheckpointError, DataSetError, TrainingError) as error:
        print(f'{sys.argv[0]}: {error}', file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        print(f'{sys.argv[0]}: {one_line(error)}: free space there{_goes_on()}', file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print(f'\ninterrupted{_goes_on()}', file=sys.stderr)
        sys.exit(130)


def _goes_on() -> str:
    """Return the hint on how to resume the subcommand; empty if it starts anew."""
    return {
        'bicross': '; a run goes on from its newest checkpoint with --resume true',
        'train': '; a run goes on from its newest checkpoint with --resume true',
        'adapt': '; the same command goes on where it was',
        'simulate': '; the same command goes on where it was',
        'table': '; the same command goes on where it was',
    }.get(sys.argv[1], '')


def _call(components: dict[str, Any]) -> Any:
    """Call the chosen component with the command line; return its result."""
    arguments = sys.argv[2:]
    if sys.argv[1:] and components.get(sys.argv[1]) is RunConfig:
        if STAGES_HELP in arguments:
            arguments.remove(STAGES_HELP)
            print_stage_help(find_method(read_arguments(arguments).method))
            sys.exit()
        helps = [one for one in arguments if one in ('-h', '--help') or one.endswith('.help')]
        if not helps:
            return read_arguments(arguments)
        sys.argv[2:] = helps  # jsonargparse has no settings of single kinds of stages
    parser = auto_parser(components, as_positional=False, parser_class=Parser)
    given = parser.instantiate(parser.parse_args())
    component, settings = components[given.subcommand], given[given.subcommand]
    # The file of settings has been read. auto_cli would drop any --config, even an argument of
    # the function.
    if 'config' not in inspect.signature(component).parameters:
        settings.pop('config', None)
    return component(**settings)


def _load(place: str) -> Any:
    module, name = place.split(':')
    return getattr(importlib.import_module(module), name)


if __name__ == '__main__':
    main()
