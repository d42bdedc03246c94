# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Page of a run: ``OUT/index.html``, generated from the content of its folder at any time."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from spike_depth_ros.base.results import write_atomically
from spike_training.errors import ConfigError, one_line

AnyT = TypeVar('AnyT')

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
    print(f'{PageWriter().write(out)}: the page of the run')


class Kept:
    """Charts, pictures and hashes, which are made again only where their files have changed."""

    def __init__(self) -> None:
        self._found: dict[Any, Any] = {}

    def get(self, make: Callable[..., AnyT], files: tuple[Path, ...], *arguments: Any) -> AnyT:
        """Return what a function makes of files.

        Args:
            make: The function.
            files: Files that its result depends on; they may be missing.
            *arguments: Arguments of the function.
        """
        states = [file.stat() for file in files if file.exists()]
        now = [(state.st_ino, state.st_size, state.st_mtime_ns) for state in states]
        before, made = self._found.get((make, files), (None, None))
        if before != now:
            made = make(*arguments)
            self._found[make, files] = now, made
        result: AnyT = made
        return result


class PageWriter:
    """Writer of the page of a run that goes on: of finished stages nothing is drawn again."""

    def __init__(self) -> None:
        self._kept = Kept()

    def __call__(self, out: Path) -> Path | None:
        """Write the page, but print errors as warnings, so that training continues.

        Args:
            out: Folder of the run.

        Returns:
            The page; None if it could not be written.
        """
        try:
            return self.write(out)
        except ConfigError as error:
            _warn(out, str(error))
        except Exception as error:
            _warn(out, f'{type(error).__name__}: {one_line(error)}')
        return None

    def write(self, out: Path) -> Path:
        """Write the page, and return it.

        Args:
            out: Folder of the run.

        Raises:
            ConfigError: It holds no run, or the page cannot be written.
        """
        # Imported here, as training does not need jinja2 and matplotlib.
        try:
            from spike_training.reports.run_page.folder import read_run
            from spike_training.reports.run_page.render import render

            text = render(read_run(out), self._kept)
        except ImportError as error:
            name = PACKAGES.get(str(error.name), error.name)
            raise ConfigError(f'a page needs {name}: install it') from error
        try:
            write_atomically(out / PAGE, text.encode())
        except OSError as error:
            raise ConfigError(f'{out / PAGE}: cannot be written: {error.strerror}') from error
        return out / PAGE


@functools.cache
def _warn(out: Path, why: str) -> None:
    """Print a warning, each one once for a run."""
    print(f'warning: no page of the run: {why}', file=sys.stderr)
