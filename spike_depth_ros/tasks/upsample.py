# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Task ``upsample``: enlargement of depth maps."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from spike_depth_ros.base.values import ASCENDING, DISTINCT, NOT_EMPTY, Text, one_of
from spike_depth_ros.tasks.base import CheckpointInfo, task

FACTORS = (2, 4, 8, 16)
"""Factors by which networks of the task enlarge height and width."""


@task(
    'upsample',
    architectures=('upsample_lite', 'dsr_net'),
    images=('depth',),
    shipped=('upsample_lite',),
    opened_by='spike_depth_ros.filters.upsampling.Upsampler',
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class UpsampleInfo(CheckpointInfo):
    """Metadata of a checkpoint of the task ``upsample``: a depth map enlarged, without spikes.

    Raises:
        CheckpointError: The value of a field is invalid; the message names it.
    """

    task: Text = 'upsample'
    inputs: Annotated[tuple[Text, ...], one_of(('depth',), ('depth', 'rgb'), ('rgb',))] = (
        'depth',
    )
    """``depth``, the small map; with ``rgb`` also a picture of the enlarged size; or ``rgb``
    alone, of a network that only training uses."""
    outputs: Annotated[tuple[Text, ...], one_of(('depth',))] = ('depth',)
    factors: Annotated[
        tuple[Annotated[int, one_of(*FACTORS)], ...], NOT_EMPTY, DISTINCT, ASCENDING
    ]
    """Factors by which the network enlarges height and width, some of ``FACTORS``."""
