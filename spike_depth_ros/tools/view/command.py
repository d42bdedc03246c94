# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``spike_view``: shows depth of running nodes, or of a recording, in Rerun's viewer."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from spike_depth_ros.base import cli
from spike_depth_ros.base.cli import POSITIONAL
from spike_depth_ros.base.values import Count
from spike_depth_ros.commands import run_library, run_node
from spike_depth_ros.tools.arguments import (
    Amount,
    CameraOptions,
    Port,
    RecordingOptions,
)

GET_RERUN = (
    'spike_view needs Rerun, which needs Python 3.11 and numpy 2: make view-environment, then '
    '.venv-view/bin/spike_view (docs/tasks/view.md)'
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedOptions(CameraOptions, RecordingOptions):
    """Recordings alone."""

    checkpoint: Path | None = None
    """Model file, or the name of a shipped model."""
    topic: str | None = None
    """Topic of the spikes in a bag. Default: the one called spikes."""
    every: Count | None = None
    """Planes between windows. Default: a window."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ViewOptions(RecordedOptions):
    """Look at depth, uncertainty, spikes and points in the viewer of Rerun.

    Of a running depth node, at most five times a second, or of a recording. For example:
    spike_view, spike_view --web, spike_view --ros-args -r __ns:=/left, and spike_view my.dat
    --size 400x250 --save look.rrd (docs/tasks/view.md).
    """

    recording: Annotated[Path | None, POSITIONAL] = None
    """.dat, .npy or .npz file, or a rosbag2. Default: topics of a running depth node."""
    web: bool = False
    """Look in a browser of this machine, in place of a window."""
    port: Port = 9090
    """Port of the page for a browser, on 127.0.0.1; its data come through the next one."""
    save: Path | None = None
    """Look into a file, FILE.rrd: later, also without this package, by Rerun's command, rerun
    --bind 127.0.0.1 FILE.rrd: in the environment, .venv-view/bin/rerun."""
    overwrite: bool = False
    """Replace an existing file."""
    max_gb: Amount = 4.0
    """Largest size of the file, GB."""


def main(args: Sequence[str] | None = None) -> int:
    """Run the console script ``spike_view``; return the exit status."""
    given = list(sys.argv[1:] if args is None else args)
    own = given[: given.index('--ros-args')] if '--ros-args' in given else given
    options = cli.options(ViewOptions, 'spike_view', own)
    if importlib.util.find_spec('rerun') is None:
        print(f'spike_view: error: {GET_RERUN}', file=sys.stderr)
        return 1
    os.environ['RUST_LOG'] = 'off'  # Rerun would log each frame that does not arrive
    if options.recording is None:
        return run_node('spike_view', 'view')
    return run_library('spike_view', 'spike_depth_ros.tools.view.recorded', options)


if __name__ == '__main__':
    sys.exit(main())
