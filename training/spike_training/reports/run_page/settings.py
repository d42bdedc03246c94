# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Differences of a run's settings from the defaults."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from spike_training.settings.config import RunConfig, TargetConfig, to_yaml
from spike_training.settings.method import Method

Difference = tuple[str, str, str]
"""Name, value and default of a setting; a dash where there is none."""

NOT_SHOWN = ('out', 'resume')
"""Settings that are not shown, as they do not affect the result."""


def differences(config: Mapping[str, Any], method: Method) -> list[Difference]:
    """Return the settings that differ from their defaults, with stages by their names.

    Args:
        config: All settings, as in a run's config.yaml; those without a default in this version
            count as different.
        method: Method of the run.
    """
    defaults = yaml.safe_load(to_yaml(RunConfig(Path())))
    own = {name: value for name, value in config.items() if name not in NOT_SHOWN}
    stages = own.pop('stages', None) or []
    target = own.pop('target', None)
    found = [*_differences(own, defaults, '')]
    if target is not None:
        found += [*_differences(target, dataclasses.asdict(TargetConfig()), 'target.')] or [
            ('target', 'as by default', 'null')
        ]
    # Configs of older versions contain the settings of other kinds in each stage.
    kinds = [kind() for kind in reversed(method.stages)]
    plain: dict[str, Any] = {}
    for kind in yaml.safe_load(to_yaml(RunConfig(stages=kinds)))['stages']:
        plain |= kind
    for stage in stages:
        found += _differences(stage, plain, f'{stage["name"]}: ')
    return found


def _differences(
    own: Mapping[str, Any], defaults: Mapping[str, Any], where: str
) -> Iterator[Difference]:
    for name, value in own.items():
        default = defaults.get(name)
        if name == 'name' or (name in defaults and value == default):
            continue
        if isinstance(value, dict) and isinstance(default, dict):
            yield from _differences(value, default, f'{where}{name}.')
        else:
            yield f'{where}{name}', _text(value), _text(default) if name in defaults else '–'


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
