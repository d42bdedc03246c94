# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Task ``stereo``: disparity of two cameras."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from spike_depth_ros.base.schema import Problems, across
from spike_depth_ros.base.values import Text, one_of, shortened
from spike_depth_ros.tasks.base import Measure, Names, SpikeInfo, is_int, names_with, task


@task(
    'stereo',
    architectures=('stereo_lite',),
    images=('disparity', 'uncertainty'),
    opened_by='spike_depth_ros.stereo.network.StereoNetwork',
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class StereoInfo(SpikeInfo):
    """Metadata of a checkpoint of the task ``stereo``: disparity of pairs of windows.

    The eyes are rectified, and disparity is that beyond what is infinitely far.

    Raises:
        CheckpointError: The value of a field is invalid; the message names it.
    """

    task: Text = 'stereo'
    inputs: Annotated[tuple[Text, ...], one_of(('spikes', 'right'))] = ('spikes', 'right')
    outputs: Annotated[Names, names_with('disparity', 'uncertainty')] = (
        'disparity', 'uncertainty',
    )  # fmt: skip
    uncertainty_factor: Measure = 1.0
    """Ratio of the 68 % interval's half-width to the predicted one."""
    uncertainty_calibrated: bool = False
    """True: it was measured; False: it is 1."""

    @across('settings')
    def _disparities(self) -> Problems:
        found: Any = self.settings.get('disparities')
        pool = self.settings.get('pool', 1)
        step = 16 * (pool if is_int(pool) else 1)
        if not is_int(found) or found < 1 or found % step:
            yield f'settings.disparities is {shortened(found)}: expected a multiple of {step}'

    @property
    def disparities(self) -> int:
        """Searched disparities, from 0 on, image pixels; a multiple of 16 ``pool``."""
        return int(self.settings['disparities'])
