# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A training method: its kinds of stages, by their settings; the built-in ones by name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spike_training.errors import ConfigError

if TYPE_CHECKING:
    from spike_training.engine.charts import ScalarChart
    from spike_training.settings.config import StageConfig

BUILT_IN = {
    'bicross': 'spike_training.methods.bicross:METHOD',
}
"""Import paths of the methods of this package."""


@dataclass(frozen=True)
class Method:
    """A training method; modules that define one import no torch, so that help stays fast.

    Attributes:
        stages: The settings of each kind of stage, whose ``kind`` has the name as its default.
            The first one is meant where a config names no kind.
        charts: Of scalars that its stages log, for the page of a run.
    """

    stages: Sequence[type[StageConfig]]
    charts: Sequence[ScalarChart] = ()

    @property
    def kinds(self) -> Mapping[str, type[StageConfig]]:
        """The settings of each kind of stage, by the name of the kind."""
        return {stage.kind: stage for stage in self.stages}


def import_object(path: str) -> Any:
    """Import what an import path, ``package.module:NAME``, names."""
    module, _, name = path.partition(':')
    return getattr(importlib.import_module(module), name)


def find_method(name: str) -> Method:
    """Import a method.

    Args:
        name: Of a built-in method, or an import path, ``my_package.my_method:METHOD``.

    Raises:
        ConfigError: There is none of that name.
    """
    reason = 'it is no Method'
    try:
        method = import_object(BUILT_IN.get(name, name))
        if isinstance(method, Method):
            return method
    except (ImportError, AttributeError, ValueError) as error:
        reason = str(error)
    raise ConfigError(
        f'method is {name!r} ({reason}): expected {", ".join(BUILT_IN)}, or an import path such '
        'as my_package.my_method:METHOD'
    )
