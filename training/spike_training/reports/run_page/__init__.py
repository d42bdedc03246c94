# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Page of a run: ``OUT/index.html``, generated from the content of its folder at any time."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

from spike_depth_ros.checkpoint import write_atomically
from spike_training.errors import ConfigError, one_line

PAGE = 'index.html'

PACKAGES = {'PIL': 'pillow', 'cv2': 'opencv-python-headless', 'yaml': 'PyYAML'}
"""Package names of modules with another name."""


def page(out: Path) -> None:
    """Write the page of a run again, from the content of its folder.

    Training writes the page after each stage and at the end. Use this command for runs of older
    versions, and of machines without jinja2 or matplotlib. The page is one file, OUT/index.html,
    with all curves and some of the pictures; its links refer to files in the same folder.

    Args:
        out: Folder of the run, finished or not.

    Raises:
        ConfigError: It holds no run, or the page cannot be written.
    """
    _write(out)
    print(f'{out / PAGE}: the page of the run')


def write_page(out: Path) -> bool:
    """Write the page like :func:`page`, but print errors as warnings, so that training continues.

    Args:
        out: Folder of the run.

    Returns:
        True if the page was written.
    """
    try:
        _write(out)
        return True
    except ConfigError as error:
        _warn(out, str(error))
    except Exception as error:
        _warn(out, f'{type(error).__name__}: {one_line(error)}')
    return False


@functools.cache
def _warn(out: Path, why: str) -> None:
    """Print a warning, each one once for a run."""
    print(f'warning: no page of the run: {why}', file=sys.stderr)


def _write(out: Path) -> None:
    # Imported here, as training does not need jinja2 and matplotlib.
    try:
        from spike_training.reports.run_page.folder import read_run
        from spike_training.reports.run_page.render import render

        text = render(read_run(out))
    except ImportError as error:
        name = PACKAGES.get(str(error.name), error.name)
        raise ConfigError(f'a page needs {name}: install it') from error
    try:
        write_atomically(out / PAGE, text.encode())
    except OSError as error:
        raise ConfigError(f'{out / PAGE}: cannot be written: {error.strerror}') from error
