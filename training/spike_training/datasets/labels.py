# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Origin of labels that a foundation model has made, in ``labels.json`` beside them."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from spike_depth_ros.base.errors import check_regular
from spike_depth_ros.base.results import write_atomically
from spike_depth_ros.base.schema import refuse
from spike_depth_ros.base.values import Check
from spike_training.errors import DataSetError, one_line

FILE = 'labels.json'
"""File in a folder of labels, or in the folder of its recordings."""

RELATIVE = 'relative_depth'
"""Name of relative depth, of folders and in archives, where metres are ``depth``."""

_LARGEST = 1 << 16  # bytes of such a file


Printable = Annotated[
    str, Check(lambda text: bool(text.strip()) and text.isprintable(), 'a printable text')
]


@dataclasses.dataclass(frozen=True)
class Labels:
    """Origin of the depth of a recording that was not measured."""

    teacher: Printable
    """Name of the model."""
    licence: Printable
    """Licence of its weights, as their user has stated it."""
    sha256: Printable
    """Hash of its weights."""
    relative: bool
    """True if 1 / depth is disparity up to scale and shift; False if depth is metres."""

    def __post_init__(self) -> None:
        refuse(self)

    @property
    def data_set(self) -> str:
        """Name for the metadata of a network that learns from them."""
        return f'labels by {self.teacher}, weights {self.sha256[:12]}'


def read_labels(folder: Path) -> Labels | None:
    """Read the origin of a folder's labels; None: they are no model's.

    Raises:
        DataSetError: The file is damaged.
    """
    path = folder / FILE
    if not os.path.lexists(path):  # a link to nothing is no reason to take its labels for true
        return None
    expected = 'teacher, licence, sha256 (texts) and relative (true or false), as label writes it'
    try:
        check_regular(path)
        if path.stat().st_size > _LARGEST:
            raise ValueError(f'over {_LARGEST} bytes')
        content = json.loads(path.read_bytes())
        return Labels(**{one.name: content[one.name] for one in dataclasses.fields(Labels)})
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise DataSetError(f'{path}: {one_line(error)}: expected {expected}') from error


def find_labels(folder: Path, root: Path) -> Labels | None:
    """Read the origin of a recording's labels, beside it or in a folder above, up to a root.

    Args:
        folder: Folder of the recording, the root or one below it.
        root: Root of the data set.

    Raises:
        DataSetError: The file is damaged.
    """
    while (labels := read_labels(folder)) is None and folder not in (root, folder.parent):
        folder = folder.parent
    return labels


def write_labels(
    folder: Path, labels: Labels, settings: Mapping[str, object] | None = None
) -> None:
    """Write the origin of a folder's labels.

    Args:
        folder: Existing folder.
        labels: Their origin.
        settings: What else is to be kept of their making, of JSON's types.

    Raises:
        OSError: The file cannot be written.
    """
    content = dataclasses.asdict(labels) | dict(settings or {})
    write_atomically(folder / FILE, json.dumps(content, indent=2).encode() + b'\n')
