# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""In what the settings of a run differ from the defaults."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from spike_training.settings.config import RunConfig, StageConfig, TargetConfig, to_yaml

Difference = tuple[str, str, str]
"""Name, value and default of a setting; a dash where there is none."""

NOT_SHOWN = ('out', 'resume')
"""Settings that say nothing of the run."""


def differences(config: Mapping[str, Any]) -> list[Difference]:
    """Settings that are not as by default, stages by their names.

    Args:
        config: All settings, as a run's config.yaml has them; those that this version does not
            know count as different.
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
    plain = yaml.safe_load(to_yaml(RunConfig(Path(), stages=[StageConfig()])))['stages'][0]
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
