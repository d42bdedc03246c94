# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Task ``image``: pictures of spikes."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from spike_depth_ros.base.schema import Problems, across
from spike_depth_ros.base.values import Text
from spike_depth_ros.tasks.base import Names, SpikeInfo, names_with, task


@task(
    'image',
    architectures=('recon_lite', 'ssml', 'blind_spot'),
    images=('rate',),
    shipped=('recon_lite',),
    opened_by='spike_depth_ros.estimator.ImageEstimator',
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageInfo(SpikeInfo):
    """Metadata of a checkpoint of the task ``image``: the firing rate at the middle plane.

    Raises:
        CheckpointError: The value of a field is invalid; the message names it.
    """

    task: Text = 'image'
    outputs: Annotated[Names, names_with('rate')] = ('rate',)

    @across('planes', 'bins', 'reference_plane')
    def _single_planes(self) -> Problems:
        if self.bins != self.planes or self.planes % 2 == 0:
            yield (
                f'planes is {self.planes} and bins {self.bins}: expected an odd number, and '
                'as many bins: networks of pictures take single planes around the middle one'
            )
        if self.reference_plane != 'middle':
            yield f"reference_plane is {self.reference_plane!r}: expected 'middle'"
