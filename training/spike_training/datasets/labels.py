# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Origin of labels that a foundation model has made, in ``labels.json`` beside them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from spike_training.errors import DataSetError, one_line

FILE = 'labels.json'
"""File in a folder of labels, or in the folder of its recordings."""

_LARGEST = 1 << 16  # bytes of such a file


@dataclasses.dataclass(frozen=True)
class Labels:
    """Origin of the depth of a recording that was not measured.

    Attributes:
        teacher: Name of the model.
        licence: Licence of its weights, as their user has stated it.
        sha256: Hash of its weights.
        relative: True if 1 / depth is disparity up to scale and shift; False if depth is metres.
    """

    teacher: str
    licence: str
    sha256: str
    relative: bool

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
    if not path.is_file():
        return None
    expected = 'teacher, licence, sha256 (texts) and relative (true or false), as label writes it'
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f'over {_LARGEST} bytes')
        content = json.loads(path.read_bytes())
        given = {one.name: content[one.name] for one in dataclasses.fields(Labels)}
    except (OSError, ValueError, RecursionError) as error:
        raise DataSetError(f'{path}: {one_line(error)}: expected {expected}') from error
    except (KeyError, TypeError) as error:
        raise DataSetError(f'{path}: expected {expected}') from error
    relative = given.pop('relative')
    if type(relative) is not bool or not all(
        isinstance(text, str) and text.strip() and text.isprintable() for text in given.values()
    ):
        raise DataSetError(f'{path}: expected {expected}')
    return Labels(**given, relative=relative)
