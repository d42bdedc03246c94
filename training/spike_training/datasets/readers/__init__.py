# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Readers of data sets, one module each, whose ``read(root, ...)`` returns recordings as clips."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

from spike_training.datasets.clip import Clip, SpikeClip
from spike_training.datasets.readers.options import parsed
from spike_training.errors import DataSetError

LICENCES = {
    'cityscapes': 'research, not commercial',
    'dat': "the user's",
    'drivingstereo': "see the data set's page",
    'folder': "the user's",
    'kitti': 'CC BY-NC-SA 3.0',
    'middlebury': 'research, with citation; ETH3D: see its page',
    'mvsec': "see the data set's page",
    'npz': 'that of what they were made from',
    'nyuv2': 'none stated',
    'nyuv2_raw': 'none stated',
    'pittsstereo': 'none stated',
    'rendered': 'models CC BY 3.0 and CC0 1.0, by the authors in ATTRIBUTION.txt of the set',
    'respike': 'none stated',
    'rosbag': "the user's",
    'sevenscenes': 'research, not commercial',
    'tum': 'CC BY 4.0',
    'vkitti': 'CC BY-NC-SA 3.0',
}
"""Licence of each data set, as generally known; stored in the metadata of checkpoints."""

READERS = tuple(LICENCES)
"""Names of data sets, each a module of this package."""


def read(name: str, where: str) -> list[Clip] | list[SpikeClip]:
    """Read the recordings of a data set.

    Args:
        name: One of ``READERS``, or any name where ``where`` begins with a reader and a colon.
        where: Its folder or file, then options of its reader: ``PATH,per_metre=5000,fx=525``, or
            ``folder:PATH,fx=525``.

    Raises:
        DataSetError: There is no such reader or option, or the data set cannot be used.
    """
    reader, root, options = _parsed(name, where)
    clips: list[Clip] | list[SpikeClip] = reader(root, **options)
    return clips


def missing_paths(name: str, where: str) -> list[Path]:
    """Return the missing ones of a data set's folder and of the paths in its options.

    Args:
        name: As for :func:`read`.
        where: As there; none is missing of one that has no such reader or option.
    """
    try:
        _, root, options = _parsed(name, where)
    except DataSetError:
        return []
    named = [root, *(value for value in options.values() if isinstance(value, Path))]
    return [path for path in named if not path.exists()]


def root_of(name: str, where: str) -> Path:
    """Return the folder or file of a data set, which may be missing.

    Args:
        name: As for :func:`read`.
        where: As there.

    Raises:
        DataSetError: There is no such reader or option.
    """
    _, root, _ = _parsed(name, where)
    return root


def whole_place(name: str, where: str) -> str:
    """Return the location of a data set with its reader and whole path, from wherever it is told.

    Args:
        name: As for :func:`read`.
        where: As there.

    Raises:
        DataSetError: There is no such reader or option.
    """
    reader, root, options = _parsed(name, where)
    given = ''.join(f',{option}={value}' for option, value in sorted(options.items()))
    return f'{reader.__module__.rpartition(".")[2]}:{root.absolute()}{given}'


def _parsed(name: str, where: str) -> tuple[Any, Path, dict[str, Any]]:
    """Parse a data set's location: its reader, its folder or file, and its options."""
    named, _, rest = where.partition(':')
    if named in READERS:
        name, where = named, rest
    if name not in READERS:
        raise DataSetError(
            f'data set {name!r}: expected one of {", ".join(READERS)}, or READER:PATH'
        )
    reader = importlib.import_module(f'{__name__}.{name}').read
    path, *options = re.split(r',(?=[a-z_]+=)', where)
    given = dict(option.split('=', 1) for option in options)
    values = parsed(reader, name, given)
    paths = {one: value.expanduser() for one, value in values.items() if isinstance(value, Path)}
    return reader, Path(path).expanduser(), values | paths
