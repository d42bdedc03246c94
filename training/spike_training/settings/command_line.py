# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line: short errors, and help on the settings of each kind of stage."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import ArgumentParser

from spike_training.engine.method import Method
from spike_training.settings.reading import without_dashes


class Parser(ArgumentParser):
    """Command line of a function, or the help of a run's settings."""

    def parse_args(self, args: Any = None, *arguments: Any, **options: Any) -> Any:
        """As of any parser, of options as settings are named; see :func:`without_dashes`."""
        given = [without_dashes(one) for one in (sys.argv[1:] if args is None else args)]
        return super().parse_args(given, *arguments, **options)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Ends the process with status 2 and one message."""
        print(f'{Path(sys.argv[0]).name}: {" ".join(message.split())}', file=sys.stderr)
        print(f'See {Path(sys.argv[0]).name} {" ".join(sys.argv[1:2])} --help', file=sys.stderr)
        sys.exit(2)


def print_stage_help(method: Method) -> None:
    """Print the settings of each kind of stage, with their meanings and defaults."""
    for stage in method.stages:
        parser = ArgumentParser(prog=f'stages of kind {stage.kind}', add_help=False)
        parser.add_class_arguments(stage, 'stages')
        parser.print_help()
