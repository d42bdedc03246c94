# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files in the folder of an adaptation, read again and checked when it goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from spike_depth_ros.base.values import faults
from spike_depth_ros.result_files import write_atomically
from spike_training.errors import ConfigError, one_line

MAX_BYTES = 1 << 20
"""Size of a file, at most; those that are written have a few KB."""

Parsed = TypeVar('Parsed')


def resume(path: Path, compute: Callable[[], str], parse: Callable[[Any], Parsed]) -> Parsed:
    """Return the parsed content of a file, computed first unless an interrupted adaptation did.

    Args:
        path: File of JSON.
        compute: Returns its text.
        parse: Checks and converts the content.

    Raises:
        ConfigError: The file is damaged, or no plain file.
    """
    if not path.exists() and not path.is_symlink():
        write_atomically(path, compute().encode())
    return read(path, parse)


def read(path: Path, parse: Callable[[Any], Parsed]) -> Parsed:
    """Read and parse a file.

    Raises:
        ConfigError: The file is damaged, or no plain file.
    """
    try:
        if not path.is_file():  # a pipe would be waited for
            raise ValueError('it is no plain file')
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f'{path.stat().st_size} bytes, expected at most {MAX_BYTES}')
        return parse(json.loads(path.read_text(encoding='utf-8')))
    except (
        ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError,
        ValueError,
    ) as error:  # fmt: skip
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> ConfigError:
    """Return the error for a file that cannot be used."""
    return ConfigError(
        f'{path} is damaged ({one_line(error)}): remove the folder of the adaptation to begin '
        'anew, or choose another --out'
    )


def fitting(value: Any, hint: Any) -> Any:
    """Return a value that fits a type and its checks.

    Raises:
        ValueError: It does not; the message names the place.
    """
    for place, found, expected in faults(value, hint):
        raise ValueError(f'{place.lstrip(".")} {found}: expected {expected}'.strip())
    return value


def mapping(value: Any) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        ValueError: It is something else.
    """
    found: dict[str, Any] = fitting(value, dict[str, Any])
    return found
