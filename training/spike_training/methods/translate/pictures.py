# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What stages that translate pictures have in common: their checks and their optimisers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from spike_training.engine.optim import ParameterGroup, groups_of
from spike_training.errors import DataSetError
from spike_training.learning.looks import source_picture, target_picture
from spike_training.methods.translate.settings import LEAST_EDGES
from spike_training.sampling.sample import Pair

CONSTANT = 1e-3
"""Standard deviation below which all pictures of a batch together are one value."""


def undecayed(*parts: nn.Module, lr_scale: float = 1.0) -> list[ParameterGroup]:
    """Group the parameters of translators or discriminators, which have no weight decay."""
    groups = [group for part in parts for group in groups_of(part, lr_scale)]
    return [ParameterGroup({**group, 'decay': False}) for group in groups]


def check_varied(domain: str, pictures: Tensor) -> None:
    """Refuse pictures that are all of one value: no translator could learn their look.

    Raises:
        DataSetError: They are.
    """
    if not float(pictures.std()) > CONSTANT:
        raise DataSetError(
            f'pictures of the {domain} are all {float(pictures.mean()):.3f}: expected pictures '
            'that show something; look at its data with run.py sample'
        )


def check_pair(pair: Pair) -> None:
    """Refuse a batch in which either domain is all of one value.

    Raises:
        DataSetError: One is.
    """
    check_varied('source', source_picture(pair.source))
    check_varied('target', target_picture(pair.target))


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
