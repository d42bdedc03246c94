# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Creation of output folders, and checks of outputs and of free space."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from spike_depth_ros.base.errors import OneLineError, check_link
from spike_training.errors import ConfigError

_SPARE = 1.02


def make_folder(folder: Path) -> None:
    """Create a folder unless it exists.

    Raises:
        ConfigError: It cannot be created, or not be written to.
    """
    _check_link(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f'{folder}: cannot be made: {error.strerror}') from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f'{folder}: cannot be written to, expected a folder of your own')


def check_new(out: Path, overwrite: bool) -> None:
    """Refuse an output that exists, unless it may be replaced and is no link.

    Raises:
        ConfigError: It is refused.
    """
    _check_link(out)
    if os.path.lexists(out) and not overwrite:
        raise ConfigError(
            f'out is {out}, which exists: choose another one, or give --overwrite true'
        )
    if out.is_symlink():
        raise ConfigError(f'out is {out}, a link: expected the file or folder to replace itself')


def _check_link(out: Path) -> None:
    try:
        check_link(out)
    except OneLineError as error:
        raise ConfigError(str(error)) from None


def check_room(folder: Path, wanted: float, remedy: str) -> None:
    """Refuse to write more than the free space of a disk.

    Args:
        folder: Existing folder to write to.
        wanted: Bytes to write.
        remedy: Advice on how to write less, for the message.

    Raises:
        ConfigError: There is not enough room.
    """
    free = shutil.disk_usage(folder).free
    if free < _SPARE * wanted:
        raise ConfigError(
            f'{folder} has {free / 1e6:.0f} MB free, {wanted / 1e6:.0f} MB are needed: choose '
            f'another disk, {remedy}'
        )
