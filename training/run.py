# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training from the command line: ``python training/run.py SUBCOMMAND --help``."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from jsonargparse import auto_cli

from spike_depth_ros.checkpoint import CheckpointError
from spike_training.command_line import Parser
from spike_training.config import RunConfig
from spike_training.errors import ConfigError, DataSetError, TrainingError

COMMANDS = {
    'adabn': 'spike_training.adabn:adabn',
    'bag': 'spike_training.bag:bag',
    'bicross': 'spike_training.config:RunConfig',
    'evaluate': 'spike_training.verdict:evaluate_checkpoint',
    'evaluate_real': 'spike_training.real_scenes:evaluate_real',
    'export': 'spike_training.export:export',
    'inspect': 'spike_training.inspect_data:inspect_data',
    'sample': 'spike_training.data.sample_scene:make_sample',
    'simulate': 'spike_training.simulate:simulate',
}
"""By subcommand: a function, or a dataclass of settings; from it come options and help."""


def main() -> None:
    """Run one subcommand; wrong settings end with status 2, failures with 1, each says why."""
    # Only what is asked for is imported: no subcommand needs the packages of another one.
    chosen = [name for name in sys.argv[1:2] if name in COMMANDS] or COMMANDS
    components = {name: _load(COMMANDS[name]) for name in chosen}
    try:
        config = auto_cli(components, as_positional=False, parser_class=Parser)
        if isinstance(config, RunConfig):
            from spike_training.pipeline import run

            run(config)
    except (ConfigError, CheckpointError, DataSetError, TrainingError) as error:
        print(f'{sys.argv[0]}: {error}', file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    except KeyboardInterrupt:
        print('\ninterrupted; a run goes on from its newest checkpoint with --resume true')
        sys.exit(130)


def _load(place: str) -> Any:
    module, name = place.split(':')
    return getattr(importlib.import_module(module), name)


if __name__ == '__main__':
    main()
