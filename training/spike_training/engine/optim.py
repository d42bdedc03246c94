# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Optimisers of a stage and their learning-rate schedule."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypedDict

import torch
from torch import nn


class ParameterGroup(TypedDict):
    """Parameters with the same learning rate and weight decay.

    Attributes:
        params: The parameters; each trainable one is in exactly one group of one optimiser.
        lr_scale: Learning rate over the configured one.
        decay: True if weight decay is applied to them.
    """

    params: list[nn.Parameter]
    lr_scale: float
    decay: bool


Groups = Mapping[str, Sequence[ParameterGroup]]
"""Parameter groups by the optimiser's name."""


def groups_of(
    module: nn.Module,
    lr_scale: float = 1.0,
    part: nn.Module | None = None,
    part_scale: float = 1.0,
) -> list[ParameterGroup]:
    """Group the trainable parameters of a module by weight decay and learning rate.

    Parameters with two or more dimensions (matrices and kernels) have weight decay, others none.

    Args:
        module: A network or a part of one.
        lr_scale: Learning rate over the configured one.
        part: Submodule with a learning rate of its own.
        part_scale: Learning rate of the submodule over the configured one.
    """
    own = set() if part is None else {id(p) for p in part.parameters()}
    scales = {False: lr_scale, True: part_scale}
    if part_scale == lr_scale or not own:
        own, scales = set(), {False: lr_scale}
    parameters = [p for p in module.parameters() if p.requires_grad]
    return [
        ParameterGroup(
            params=[p for p in parameters if (p.ndim > 1) == decay and (id(p) in own) == within],
            lr_scale=scale,
            decay=decay,
        )
        for within, scale in scales.items()
        for decay in (True, False)
    ]


def check_groups(stage: nn.Module, groups: Groups) -> None:
    """Check that the groups of all optimisers cover the trainable parameters of a stage once.

    Raises:
        ValueError: A trainable parameter is in no group or in several, or a frozen or foreign one
            is in a group. The message names all of them.
    """
    found = Counter(id(p) for part in groups.values() for group in part for p in group['params'])
    problems = []
    for name, parameter in stage.named_parameters():
        times = found.pop(id(parameter), 0)
        if parameter.requires_grad and times != 1:
            problems.append(f'{name} is in {times or "no"} group{"s" if times > 1 else ""}')
        elif not parameter.requires_grad and times:
            problems.append(f'{name} is frozen, but in a group')
    if found:
        problems.append(f"{len(found)} parameters are not the stage's")
    if problems:
        raise ValueError(
            'optimisers: expected each trainable parameter in exactly one group; '
            + ', '.join(problems)
        )


def build_optimizers(
    stage: nn.Module,
    groups: Groups,
    learning_rate: float,
    weight_decay: float,
    betas: tuple[float, float],
) -> dict[str, torch.optim.Optimizer]:
    """Build an AdamW optimiser for each name.

    Args:
        stage: The module whose parameters are trained.
        groups: Parameter groups by the optimiser's name.
        learning_rate: Peak learning rate; :func:`set_learning_rate` sets the one of each step.
        weight_decay: Weight decay of the groups with decay.
        betas: Coefficients of AdamW's running averages.

    Raises:
        ValueError: See :func:`check_groups`.
    """
    check_groups(stage, groups)
    fused = all(p.is_cuda for p in stage.parameters())
    return {
        name: torch.optim.AdamW(
            [
                {
                    'params': group['params'],
                    'lr_scale': group['lr_scale'],
                    'weight_decay': weight_decay if group['decay'] else 0.0,
                }
                for group in part
                if group['params']
            ],
            lr=learning_rate,
            betas=betas,
            fused=fused,
        )
        for name, part in groups.items()
    }


def lr_factor(step: int, steps: int, warmup_steps: int, final: float) -> float:
    """Return the learning rate of a step over the peak: linear warm-up, then half a cosine.

    It is a function of the step alone, so a schedule has no state to save.

    Args:
        step: Number of the step, from 0.
        steps: Number of steps of the whole training.
        warmup_steps: Length of the warm-up; step ``warmup_steps - 1`` is the first at the peak.
        final: Value that the last step approaches.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, steps - warmup_steps)
    return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2


def stepped_lr_factor(step: int, warmup_steps: int, drop_every: int) -> float:
    """Return the learning rate of a step over the peak: linear warm-up, then drops to a tenth.

    Args:
        step: Number of the step, from 0.
        warmup_steps: Length of the warm-up, as for :func:`lr_factor`.
        drop_every: Steps between two drops, the first one ``drop_every`` after step 0.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return float(10.0 ** -(step // drop_every))


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Set the learning rate of every parameter group, multiplied by its scale."""
    for group in optimizer.param_groups:
        group['lr'] = learning_rate * group['lr_scale']


def learning_rates(
    optimizers: Mapping[str, torch.optim.Optimizer], learning_rate: float
) -> dict[str, float]:
    """Return the learning rates of a step by the names under which they are logged.

    Args:
        optimizers: Optimisers by name.
        learning_rate: Learning rate of the step, before the groups' scales.

    Returns:
        ``learning_rate``, that of most parameters; that of each other optimiser, such as
        ``learning_rate_discriminators``; and those of groups with another scale, such as
        ``learning_rate_main_x0.1``.
    """
    found = {'learning_rate': learning_rate}
    for name, optimizer in optimizers.items():
        scales = sorted({group['lr_scale'] for group in optimizer.param_groups})
        for scale in scales:
            several = f'_x{scale:g}' if len(scales) > 1 else ''
            if name != 'main' or scale != 1:
                found[f'learning_rate_{name}{several}'] = learning_rate * scale
    return found
