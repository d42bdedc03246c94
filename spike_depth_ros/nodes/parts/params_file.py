# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameter files of ROS 2, read as rcl does: sections of nodes, namespaces and wildcards."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from spike_depth_ros.base.errors import one_line
from spike_depth_ros.base.safe_yaml import read_yaml

_PARAMETERS = 'ros__parameters'


class NodeParameters:
    """Parameters of a node: those of a parameter file, and given ones, which win.

    Args:
        path: The file.
        node: Fully qualified name of the node, such as ``/left/spike_depth``.
        given: Given values by parameter.

    Attributes:
        path: The file.
        given: The given values.
        sections: Parameters of the file (names with dots) by the sections that apply to the node,
            in the order of the file: a later one overrides an earlier one, also where ``/**``
            comes after the node's name.

    Raises:
        RuntimeError: It is not a parameter file; the message is one line.
    """

    def __init__(self, path: Path, node: str, given: Mapping[str, Any]) -> None:
        self.path, self.given, self._node = path, dict(given), node
        try:
            named = list(_sections(read_yaml(path), ''))
            self.sections = {name: values for name, values in named if _matches(name, node)}
        except (yaml.YAMLError, ValueError, OSError, re.error) as error:
            raise RuntimeError(
                f'{path}: not a parameter file of ROS 2: {one_line(error)}; expected sections '
                f'such as /**: {_PARAMETERS}: ...'
            ) from None

    def find(self, name: str) -> tuple[Any, str]:
        """Return a value and its source: argument, params_file, or default (the value is None)."""
        if name in self.given:
            return self.given[name], 'argument'
        for values in reversed(self.sections.values()):
            if name in values:
                return values[name], 'params_file'
        return None, 'default'

    def overrides(self) -> dict[str, Any]:
        """Return the content of a second parameter file, with the given values.

        rcl merges sections of one name where the name appears first. The given values are in all
        sections that apply, so that none of the first file comes after them.
        """
        names = ('/**', *self.sections, self._node)
        return {name: {_PARAMETERS: self.given} for name in names}


def _sections(content: Any, namespace: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(content, dict):
        raise ValueError(f'{namespace or "the file"} holds {content!r}')
    for key, value in content.items():
        if key == _PARAMETERS:
            yield namespace, dict(_flat(value, ''))
        else:
            yield from _sections(value, f'{namespace}/{key}' if namespace else str(key))


def _flat(values: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(values, dict):
        raise ValueError(f'{prefix or _PARAMETERS} holds {values!r}')
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f'{prefix}{name}.')
        else:
            yield f'{prefix}{name}', value


def _matches(section: str, node: str) -> bool:
    """Match as ``rclpy`` does: ``/*`` is one name, ``/**`` any number of them."""
    pattern = section if section.startswith('/') else f'/{section}'
    return re.fullmatch(pattern.replace('/*', r'(/\w+)'), node) is not None
