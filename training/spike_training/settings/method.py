# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training methods: kinds of stages, charts of their scalars, and look-up by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from spike_depth_ros.base.schema import nearest
from spike_training.errors import ConfigError, one_line

if TYPE_CHECKING:
    from spike_training.settings.config import StageConfig

BUILT_IN = {
    'bicross': 'spike_training.methods.bicross:METHOD',
    'ssml': 'spike_training.methods.ssml:METHOD',
    'stereo': 'spike_training.methods.stereo:METHOD',
    'dsr': 'spike_training.methods.dsr:METHOD',
    'fuse': 'spike_training.methods.fuse:METHOD',
    'align': 'spike_training.methods.align:METHOD',
    'translate': 'spike_training.methods.translate:METHOD',
}
"""Import paths of the methods of this package."""


Levels = Callable[[Any], list[tuple[float, str]]]
"""Function from a stage's settings to the heights and labels of dashed lines."""


def of_a_guess(settings: Any) -> list[tuple[float, str]]:
    """Return the dashed line of a discriminator's accuracy, see :attr:`ScalarChart.levels`."""
    return [(0.5, 'a guess')]


@dataclass(frozen=True)
class ScalarChart:
    """Chart of scalars that a stage logs, on the page of a run.

    Attributes:
        title: Title above the chart.
        axis: Label of the vertical axis.
        names: Label in the legend of each scalar to draw, by its name without ``train/`` or
            ``validation/``; a label may be empty if it is the only one.
        text: Explanation below the chart.
        limits: Ends of the vertical axis; None: those of the values.
        levels: Dashed lines.
        marks_warnings: True if the steps of warnings are marked.
        draws_zeros: True if a scalar that is 0 throughout is drawn.
    """

    title: str
    axis: str
    names: Mapping[str, str]
    text: str = ''
    limits: tuple[float, float] | None = None
    levels: Levels = lambda settings: []
    marks_warnings: bool = False
    draws_zeros: bool = True


Exported = Callable[[Any, 'Mapping[str, Any] | None'], str]
"""Function from a stage's settings, and the content of its selection.json if there is one, to a
description of the network that it exports."""


def last_weights(settings: Any, selection: Mapping[str, Any] | None) -> str:
    """Describe a network that nothing selects, see :attr:`Method.exported`."""
    return (
        f'The averaged weights of {settings.name} at its last step are exported. Nothing was '
        'selected by a figure.'
    )


@dataclass(frozen=True)
class Method:
    """Training method: its kinds of stages and the charts of their scalars.

    Modules that define one must not import torch, so that ``--help`` stays fast.

    Attributes:
        stages: The settings of each kind of stage, whose ``kind`` has the name as its default.
            The first one is used where a config names no kind.
        charts: Charts of scalars that its stages log, for the page of a run.
        exported: Description of the exported network of a stage, for the page of a run.

    Raises:
        ValueError: The name of a kind has a dot, which separates it from that of a method.
    """

    stages: Sequence[type[StageConfig]]
    charts: Sequence[ScalarChart] = ()
    exported: Exported = last_weights

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if '.' in kind:
                raise ValueError(f'it has a kind {kind!r}: expected a name without a dot')

    @property
    def kinds(self) -> Mapping[str, type[StageConfig]]:
        """Settings of each kind of stage, by the name of the kind."""
        return {stage.kind: stage for stage in self.stages}


class Kind(NamedTuple):
    """Kind of a stage.

    Attributes:
        prefix: Method as written before the kind, with the dot; empty for that of the config.
        method: Method that the kind is of.
        settings: Settings of the kind.
    """

    prefix: str
    method: Method
    settings: type[StageConfig]


def import_object(path: str) -> Any:
    """Import the object of an import path, ``package.module:NAME``."""
    module, _, name = path.partition(':')
    return getattr(importlib.import_module(module), name)


def find_method(name: str) -> Method:
    """Import a method.

    Args:
        name: Name of a built-in method, or an import path, ``my_package.my_method:METHOD``.

    Raises:
        ConfigError: There is no method of that name.
    """
    reason = 'it is no Method'
    try:
        method = import_object(BUILT_IN.get(name, name))
        if isinstance(method, Method):
            return method
    # TypeError: of a name that begins with a dot.
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        reason = one_line(error)
    raise ConfigError(
        f'method is {name!r} ({reason}): expected {", ".join(BUILT_IN)}, or an import path such '
        f'as my_package.my_method:METHOD{nearest(name, BUILT_IN)}'
    )


def find_kind(kind: str, method: Method) -> Kind:
    """Find a kind of stage.

    Args:
        kind: Name of a kind of the config's method, or METHOD.KIND of another method. KIND is
            what follows the last dot, METHOD as in :func:`find_method`: its dots are of the
            method, as in ``my_package.my_method:METHOD.KIND``.
        method: Method of the config.

    Raises:
        ConfigError: There is no method or kind of that name.
    """
    before, dot, name = kind.rpartition('.')
    found = method
    if dot:
        try:
            found = find_method(before)
        except ConfigError as error:
            raise ConfigError(f'kind is {kind!r}: its {error}') from error
    prefix = '' if found is method else f'{before}.'
    settings = found.kinds.get(name)
    if settings is None:
        known = [f'{prefix}{one}' for one in found.kinds]
        raise ConfigError(f'kind is {kind!r}: expected {" or ".join(known)}{nearest(kind, known)}')
    return Kind(prefix, found, settings)
