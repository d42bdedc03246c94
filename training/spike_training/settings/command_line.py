# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command line: short errors, and help on the settings of each kind of stage."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

from jsonargparse import ArgumentParser

from spike_training.settings.method import Method

STAGES_HELP = '--stages.help'


class Parser(ArgumentParser):
    """Parser of a function's options, or of the help on a run's settings."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Exit the process with status 2 and one message."""
        print(f'{Path(sys.argv[0]).name}: {" ".join(message.split())}', file=sys.stderr)
        print(f'See {Path(sys.argv[0]).name} {" ".join(sys.argv[1:2])} --help', file=sys.stderr)
        sys.exit(2)


def print_stage_help(method: Method) -> None:
    """Print the settings of each kind of stage, with their meanings and defaults."""
    for stage in method.stages:
        parser = ArgumentParser(prog=f'stages of kind {stage.kind}', add_help=False)
        parser.add_class_arguments(stage, 'stages')
        parser.print_help()
