# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Differences of a run's settings from the defaults."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from spike_training.reports.run_page.folder import method_of
from spike_training.settings.config import ABSENT, RunConfig, TargetConfig, to_tree
from spike_training.settings.config import differences as differing
from spike_training.settings.method import Method

Difference = tuple[str, str, str]
"""Name, value and default of a setting; a dash where there is none."""

NOT_SHOWN = ('out', 'resume')
"""Settings that are not shown, as they do not affect the result."""


def differences(config: Mapping[str, Any]) -> list[Difference]:
    """Return the settings that differ from their defaults, with stages by their names.

    Args:
        config: All settings, as in a run's config.yaml; those without a default in this version
            count as different.
    """
    defaults = to_tree(RunConfig())
    own = {name: value for name, value in config.items() if name not in NOT_SHOWN}
    stages = own.pop('stages', None) or []
    target = own.pop('target', None)
    found = _shown(own, defaults, '')
    if target is not None:
        found += _shown(target, to_tree(TargetConfig()), 'target.') or [
            ('target', 'as by default', 'null')
        ]
    for stage in stages:
        plain = _defaults(method_of(stage, config))
        found += _shown({**stage, 'name': plain['name']}, plain, f'{stage["name"]}: ')
    return found


def _defaults(method: Method) -> dict[str, Any]:
    """Return the defaults of all kinds of a method; of one setting those of the first kind.

    Configs of older versions contain the settings of other kinds in each stage.
    """
    kinds = [kind() for kind in reversed(method.stages)]
    plain: dict[str, Any] = {}
    for kind in to_tree(RunConfig(stages=kinds))['stages']:
        plain |= kind
    return plain


def _shown(own: Mapping[str, Any], defaults: Mapping[str, Any], where: str) -> list[Difference]:
    return [
        (name, _text(value), '–' if default is ABSENT else _text(default))
        for name, value, default in differing(own, defaults, where)
        if value is not ABSENT
    ]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
