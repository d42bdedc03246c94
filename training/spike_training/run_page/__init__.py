# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page of a run: ``OUT/index.html``, made from what lies in its folder, at any time."""

from __future__ import annotations

import sys
from pathlib import Path

from spike_depth_ros.checkpoint import write_atomically
from spike_training.errors import ConfigError

PAGE = 'index.html'


def page(out: Path) -> None:
    """Write the page of a run again, from what lies in its folder.

    Training writes it by itself, after each stage and in the end; this is for runs of older
    versions, and of machines without jinja2. It is one file, OUT/index.html, with all curves and
    some of the pictures in it; its links lead to files beside it.

    Args:
        out: Folder of the run, finished or not.

    Raises:
        ConfigError: It holds no run, or the page cannot be written.
    """
    _write(out)
    print(f'{out / PAGE}: the page of the run')


def write_page(out: Path) -> None:
    """As :func:`page`, for a training that must go on: what goes wrong is a warning.

    Args:
        out: Folder of the run.
    """
    try:
        _write(out)
    except ImportError as error:
        print(f'warning: no page of the run: install {error.name}', file=sys.stderr)
    except Exception as error:
        why = ' '.join(str(error).split()) or type(error).__name__
        print(f'warning: no page of the run: {type(error).__name__}: {why}', file=sys.stderr)


def _write(out: Path) -> None:
    # Imported here, for a training goes on without jinja2.
    from spike_training.run_page.folder import read_run
    from spike_training.run_page.render import render

    text = render(read_run(out))
    try:
        write_atomically(out / PAGE, text.encode())
    except OSError as error:
        raise ConfigError(f'{out / PAGE}: cannot be written: {error.strerror}') from error
