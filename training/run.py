# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command line of the training: ``python training/run.py SUBCOMMAND --help``."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

GET_PACKAGES = "pip install -e '.[train]' in the root of the repository"
"""How to install what the training needs."""

try:
    from spike_depth_ros.base.errors import OneLineError, check_utf8, memory_problem
    from spike_depth_ros.base.locks import FolderLockError
    from spike_depth_ros.checkpoint import CheckpointError
    from spike_depth_ros.commands import leave_closed_terminal
    from spike_training.errors import ConfigError, DataSetError, TrainingError, one_line
except ModuleNotFoundError as missing:
    sys.exit(f'{sys.argv[0]}: needs the Python module {missing.name}: {GET_PACKAGES}')

COMMANDS = {
    'adapt': 'spike_training.commands.adapt:adapt',
    'adabn': 'spike_training.commands.adabn:adabn',
    'bag': 'spike_training.commands.bag:bag',
    'bicross': 'spike_training.settings.config:RunConfig',  # as train
    'curves': 'spike_training.commands.curves:curves',
    'evaluate': 'spike_training.commands.evaluate:evaluate',
    'export': 'spike_training.commands.export:export',
    'inspect': 'spike_training.commands.inspect_data:inspect_data',
    'label': 'spike_training.commands.label:label',
    'page': 'spike_training.reports.run_page:page',
    'sample': 'spike_training.commands.sample:sample',
    'simulate': 'spike_training.commands.simulate:simulate',
    'table': 'spike_training.commands.table:table',
    'train': 'spike_training.settings.config:RunConfig',
    'translate': 'spike_training.commands.translate:translate',
    'world': 'spike_training.commands.world:show_world',
}
"""Function or dataclass of settings of each subcommand, which defines its options and help."""

TRAINING = ('bicross', 'train')

_REMEDIES = dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), 'free space there') | {
    errno.EACCES: 'allow it, or choose another place',
    errno.EROFS: 'choose another place',
    errno.ENOMEM: 'end other programs, or give a smaller input',
    errno.EISDIR: 'give a file, not a folder',
    errno.ENOTDIR: 'give a folder, not a file',
    errno.ENAMETOOLONG: 'give a shorter one',
    errno.ELOOP: 'give one that links to something else than itself',
}
"""What the user can do about errors of files."""

RENAMED = {
    'evaluate_real': 'evaluate with the same --data.NAME, and --samples for --frames',
    'inputs': 'evaluate --inputs_only true, and --samples for --scenes and --frames',
}
"""Replacement of each former subcommand."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run one subcommand.

    Exit with status 2 for invalid settings, 1 for failures, 130 and 143 after SIGINT and SIGTERM
    or SIGHUP.

    Args:
        argv: Subcommand and options; None: those of the command line.
    """
    program, arguments = (sys.argv[0], sys.argv[1:]) if argv is None else ('run.py', [*argv])
    name = arguments[0] if arguments else ''
    try:
        check_utf8(*arguments)
    except OneLineError as error:
        print(f'{program}: {error}', file=sys.stderr)
        sys.exit(2)
    if name in RENAMED:
        print(f'{program}: {name} is now {RENAMED[name]}', file=sys.stderr)
        sys.exit(2)
    try:
        if name in TRAINING:
            _train(name, arguments[1:])
        else:
            _call(arguments)
    except (
        ConfigError,
        CheckpointError,
        DataSetError,
        FolderLockError,
        TrainingError,
    ) as error:
        print(f'{program}: {error}', file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    except ModuleNotFoundError as error:
        package = (error.name or '').partition('.')[0]
        if package in ('', 'spike_depth_ros', 'spike_training', 'spike_worlds'):
            raise  # an error in this package, not a missing one
        wanted = GET_PACKAGES
        if package in ('peft', 'transformers'):
            wanted = wanted.replace('[train]', '[train,teacher]')
        print(f'{program}: needs the Python module {package}: {wanted}', file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:  # as of a pager that was left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        if error.errno not in _REMEDIES:
            raise
        print(
            f'{program}: {one_line(error)}: {_REMEDIES[error.errno]}{_goes_on(name)}',
            file=sys.stderr,
        )
        sys.exit(1)
    except Exception as error:
        if not (problem := memory_problem(error)):
            raise
        print(f'{program}: {problem}{_goes_on(name)}', file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt as end:
        print(f'\ninterrupted{_goes_on(name)}', file=sys.stderr)
        sys.exit(128 + (signal.SIGTERM if isinstance(end, _Terminated) else signal.SIGINT))


class _Terminated(KeyboardInterrupt):
    """Interrupt by SIGTERM, as of a cluster or a container, or by SIGHUP of a closed terminal.

    Unfinished files are removed.
    """


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends at once
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # of a closed terminal there often are two
    leave_closed_terminal()
    raise _Terminated


def _goes_on(name: str) -> str:
    """Return the hint on how to resume a subcommand; empty if it starts anew."""
    if name in TRAINING:
        return '; a run goes on from its newest checkpoint with --resume true'
    return '; the same command goes on where it was' if name in _RESUMED else ''


_RESUMED = ('adapt', 'label', 'simulate', 'table')


def _train(name: str, arguments: list[str]) -> None:
    """Train, or print help."""
    from spike_training.settings.command_line import call, print_stage_help
    from spike_training.settings.reading import check_run, read_arguments

    if '--stages.help' in arguments:
        print_stage_help(read_arguments([one for one in arguments if one != '--stages.help']))
    elif {'-h', '--help'} & {*arguments}:
        call(name, _load(COMMANDS[name]), ['--help'])
    else:
        config = read_arguments(arguments)
        check_run(config)
        # Not before, as torch takes seconds.
        from spike_training.reports.run_page import PageWriter
        from spike_training.runs.pipeline import run

        run(config, PageWriter())


def _call(arguments: list[str]) -> None:
    """Call the function of a subcommand with its options."""
    from spike_depth_ros.base import cli
    from spike_depth_ros.base.schema import unknown
    from spike_training.settings.command_line import call

    name = arguments[0] if arguments else '--help'
    if name in COMMANDS:
        # Only the chosen subcommand is imported, so that it does not need the packages of others.
        call(name, _load(COMMANDS[name]), arguments[1:])
    elif name in ('-h', '--help') and arguments:
        print(cli.list_commands('run.py', {one: _load(at) for one, at in COMMANDS.items()}))
    else:
        what = (
            f'subcommand {name} is {unknown(name, COMMANDS)}'
            if arguments
            else (f'expected a subcommand: {", ".join(COMMANDS)}')
        )
        print(f'run.py: {what}\nSee run.py --help', file=sys.stderr)
        sys.exit(2)


def _load(place: str) -> Any:
    module, name = place.split(':')
    return getattr(importlib.import_module(module), name)


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as by nohup
        signal.signal(signal.SIGHUP, _terminate)
    main()
