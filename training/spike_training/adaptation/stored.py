# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of JSON in the folder of an adaptation, read again and checked when it goes on.

Each is a dataclass, whose annotations say what its fields may be: see
:mod:`spike_depth_ros.base.schema`.
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from spike_depth_ros.base import schema
from spike_depth_ros.base.results import write_atomically
from spike_depth_ros.base.values import FINITE, dataclass_of, describe, may_be_infinite, shortened
from spike_depth_ros.evaluation.metrics import without_nan
from spike_training.errors import ConfigError, one_line

MAX_BYTES = 1 << 20
"""Size of a file, at most; those that are written have a few KB."""

Stored = TypeVar('Stored')


def write(path: Path, content: Any) -> None:
    """Write a dataclass; infinity, which JSON has not, as null."""
    fields = without_nan(dataclasses.asdict(content))
    write_atomically(path, json.dumps(fields, allow_nan=False).encode())


def read(path: Path, kind: type[Stored]) -> Stored:
    """Read a file.

    Args:
        path: File of JSON.
        kind: Dataclass of its content; ``dict``: any fields, which are checked elsewhere.

    Raises:
        ConfigError: The file is damaged, or no plain file.
    """
    try:
        if not path.is_file():  # a pipe would be waited for
            raise ValueError('it is no plain file')
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f'{path.stat().st_size} bytes, expected at most {MAX_BYTES}')
        tree = json.loads(path.read_text(encoding='utf-8'), parse_constant=_refuse)
        return _checked(kind, tree)
    except (OSError, RecursionError, ValueError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> ConfigError:
    """Return the error for a file that cannot be used."""
    return ConfigError(
        f'{path} is damaged ({one_line(error)}): remove the folder of the adaptation to begin '
        'anew, or choose another --out'
    )


def _refuse(constant: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python takes for JSON."""
    raise ValueError(f'{constant}: expected {FINITE}')


def _checked(kind: type[Stored], tree: Any) -> Stored:
    """Build the content of a file; raise ValueError for what does not fit."""
    if not isinstance(tree, dict):
        raise ValueError(f'{shortened(tree)}: expected {describe(kind)}')
    problems: list[str] = []
    found: Any = tree if kind is dict else schema.read(kind, _as_fields(tree, kind), problems)
    if dataclasses.is_dataclass(found) and not problems:
        problems += schema.problems_of(found)
    if problems:
        raise ValueError('; '.join(problems))
    return found  # type: ignore[no-any-return]


def _as_fields(tree: Any, hint: Any) -> Any:
    """Return a tree of JSON with the names of fields, and with infinity where it may be null."""
    kind = dataclass_of(hint)
    if kind is None or not isinstance(tree, dict):
        return math.inf if tree is None and may_be_infinite(hint) else tree
    known = schema.fields_of(kind)
    named = {name.replace(' ', '_'): value for name, value in tree.items()}
    return {
        name: _as_fields(value, known[name].hint if name in known else None)
        for name, value in named.items()
    }
