# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training from the command line: ``python training/run.py SUBCOMMAND --help``."""

from __future__ import annotations

from typing import Any

from jsonargparse import auto_cli

from spike_training.data.sample_scene import make_sample
from spike_training.export import export

COMMANDS: dict[str, Any] = {
    'export': export,
    'sample': make_sample,
}


def main() -> None:
    """Run one subcommand; its function's signature and docstring are its options."""
    auto_cli(COMMANDS, as_positional=False)


if __name__ == '__main__':
    main()
