# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What stages that translate pictures have in common: their checks and their optimisers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from spike_training.engine.optim import ParameterGroup, groups_of
from spike_training.methods.translate.settings import LEAST_EDGES


def undecayed(*parts: nn.Module, lr_scale: float = 1.0) -> list[ParameterGroup]:
    """Group the parameters of translators or discriminators, which have no weight decay."""
    groups = [group for part in parts for group in groups_of(part, lr_scale)]
    return [ParameterGroup({**group, 'decay': False}) for group in groups]


def edge_warnings(metrics: Mapping[str, float], advice: str) -> Sequence[str]:
    """Return a warning where translated pictures do not show the edges of their input.

    Args:
        metrics: Means of a validation.
        advice: What may help.
    """
    found = metrics.get('edges', 1.0)
    if found >= LEAST_EDGES:
        return ()
    return [
        f'edges of translated pictures agree with those of their input by an F1 of {found:.2f}, '
        f'expected {LEAST_EDGES:g} or more: the translator moves or draws things; {advice}'
    ]
