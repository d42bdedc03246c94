# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Task ``fused``: depth from spikes and a frame of a camera beside them."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from spike_depth_ros.base.values import Text, one_of, within
from spike_depth_ros.tasks.base import task
from spike_depth_ros.tasks.depth import DepthInfo

MAX_AGE_S = 10.0
"""Largest age of a frame beside the spikes, seconds."""


@task(
    'fused',
    architectures=('fuse_lite',),
    images=('depth', 'uncertainty'),
    opened_by='spike_depth_ros.estimator.DepthEstimator',
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class FusedInfo(DepthInfo):
    """Metadata of a checkpoint of the task ``fused``: depth from spikes and a frame beside them.

    Raises:
        CheckpointError: The value of a field is invalid; the message names it.
    """

    task: Text = 'fused'
    inputs: Annotated[tuple[Text, ...], one_of(('spikes', 'rgb'))] = ('spikes', 'rgb')
    max_age_s: Annotated[float, within(0, MAX_AGE_S)]
    """Largest age of a frame in training, seconds before the reference plane."""

    @property
    def largest_frame_age_s(self) -> float | None:
        """Largest age of a frame beside the spikes, seconds."""
        return self.max_age_s
