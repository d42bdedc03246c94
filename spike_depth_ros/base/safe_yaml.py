# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Safe YAML: size, depth and aliases are checked before a file is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from spike_depth_ros.base.errors import OneLineError, one_line

MAX_BYTES = 1 << 20
"""Largest file, bytes; the metadata of a bag of a thousand files has a fifth of it."""

MAX_DEPTH = 32
"""Deepest nesting, levels; metadata of bags and calibrations have at most 8."""

MAX_NODES = 100_000
"""Largest number of values, aliases expanded."""

# The loader in C is twenty times as fast; some builds of PyYAML lack it.
_LOADER: Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


class YamlLimitError(OneLineError):
    """Error of a file beyond the limits; the message is one line."""


def read_yaml(path: Path) -> Any:
    """Read a file of plain values.

    Args:
        path: The file, UTF-8.

    Raises:
        YamlLimitError: Too large, too deep, or too much of it is repeated by aliases.
        yaml.YAMLError: It is not YAML, or a value does not have the type of its tag.
        OSError: It cannot be read.
        ValueError: It is not UTF-8.
    """
    with path.open('rb') as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise YamlLimitError(
            f'{path}: larger than {MAX_BYTES >> 20} MiB; expected a short YAML file'
        )
    try:
        return parse_yaml(data.decode())
    except YamlLimitError as error:
        raise YamlLimitError(f'{path}: {error}') from None


def parse_yaml(text: str) -> Any:
    """Read a text of plain values.

    Raises:
        YamlLimitError: Too deep, or too much of it is repeated by aliases.
        yaml.YAMLError: It is not YAML, or a value does not have the type of its tag.
    """
    check_yaml(text)
    try:
        return yaml.load(text, Loader=_LOADER)  # noqa: TID251 - checked above
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        # PyYAML raises the conversion's error for invalid dates, numbers and booleans.
        raise yaml.YAMLError(f'a value is not of its type: {one_line(error)}') from None


def check_yaml(text: str) -> None:
    """Check depth and number of values without loading them.

    Raises:
        YamlLimitError: There are too many.
        yaml.YAMLError: It is not YAML.
    """
    nodes = 0
    begun: list[tuple[str | None, int]] = []
    anchored: dict[str | None, int] = {}
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, first = begun.pop()
            anchored[anchor] = nodes - first
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in begun):
                raise YamlLimitError(
                    f'alias {event.anchor!r} is within the value that it repeats; expected the '
                    'file as its program wrote it, copy it again'
                )
            nodes += anchored.get(event.anchor, 1)
        elif isinstance(event, yaml.NodeEvent):
            nodes += 1
            if isinstance(event, yaml.CollectionStartEvent):
                begun.append((event.anchor, nodes - 1))
        if len(begun) > MAX_DEPTH:
            raise YamlLimitError(
                f'nested more than {MAX_DEPTH} levels deep; expected the file as its program '
                'wrote it, copy it again'
            )
        if nodes > MAX_NODES:
            raise YamlLimitError(
                f'holds more than {MAX_NODES} values, aliases expanded; expected the file as its '
                'program wrote it, copy it again'
            )
