# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Options of readers: the parameters of their ``read``, whose annotations say what they may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from spike_depth_ros.base import cli, schema
from spike_training.errors import DataSetError

checked = cli.checked(DataSetError, 'option ')
"""Decorator of a ``read``: values that its annotations do not allow are refused at each call."""


def parsed(read: Callable[..., Any], name: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Convert options to the types of a reader's parameters.

    Args:
        read: Function of the reader.
        name: Name of the data set, for messages.
        given: Texts of the options by name.

    Raises:
        DataSetError: An option is unknown or invalid; the message has all problems.
    """
    known = {one: field for one, field in cli.parameters_of(read).items() if one != 'root'}
    problems = [f'{one} is {schema.unknown(one, known)}' for one in given.keys() - known.keys()]
    values = {
        one: cli.value_of(known[one], text, problems)
        for one, text in given.items()
        if one in known
    }
    if problems:
        raise DataSetError(f'data set {name}: option {"; option ".join(problems)}')
    return values
