# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Room on disks."""

from __future__ import annotations

import shutil
from pathlib import Path

from spike_training.errors import ConfigError

_SPARE = 1.02


def check_room(folder: Path, wanted: float, remedy: str) -> None:
    """Refuses to fill a disk.

    Args:
        folder: Where it is to be written; it exists.
        wanted: Bytes.
        remedy: What would make it less.

    Raises:
        ConfigError: There is not enough room.
    """
    free = shutil.disk_usage(folder).free
    if free < _SPARE * wanted:
        raise ConfigError(
            f'{folder} has {free / 1e6:.0f} MB free, {wanted / 1e6:.0f} MB are needed: choose '
            f'another disk, {remedy}'
        )
