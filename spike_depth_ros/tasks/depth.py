# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Task ``depth``: depth and its uncertainty from a window of spikes."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import numpy as np

from spike_depth_ros.base.schema import Problems, across
from spike_depth_ros.base.values import ASCENDING, Text, above, one_of, within
from spike_depth_ros.geometry.depth_values import FloatImage
from spike_depth_ros.tasks.base import OPTIONAL, Measure, Names, SpikeInfo, names_with, task

MAX_POWER = 4.0
"""Largest absolute value of ``uncertainty_powers``."""

TOO_NEAR = 1.02
"""Multiple of the model's minimum up to which depth is published as -Inf (REP 117)."""

BEYOND = 0.98
"""Share of the range's upper limit from which a prediction means 'beyond' (+Inf)."""

Power = Annotated[float, within(-MAX_POWER, MAX_POWER)]


@task(
    'depth',
    architectures=('dpt_tiny', 'unet_lite', 'dpt_hybrid', 'dpn', 'depth_anything'),
    images=('depth', 'uncertainty'),
    shipped=('unet_lite',),
    opened_by='spike_depth_ros.estimator.DepthEstimator',
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class DepthInfo(SpikeInfo):
    """Metadata of a checkpoint of the task ``depth``.

    Raises:
        CheckpointError: The value of a field is invalid; the message names it.
    """

    task: Text = 'depth'
    outputs: Annotated[Names, names_with('depth', 'uncertainty')] = ('depth', 'uncertainty')
    min_depth: Measure
    """Lowest depth at the canonical focal length, metres."""
    max_depth: Measure
    """Highest depth at the canonical focal length, metres."""
    canonical_fx: Measure
    """Focal length of the predicted depth, pixels."""
    fx_range: Annotated[tuple[Measure, Measure], ASCENDING]
    """Focal lengths in training, pixels."""
    uncertainty_factor: Measure = 1.0
    """Ratio of the 68 % interval's half-width to the head's relative error, which is first
    replaced as by uncertainty_powers."""
    uncertainty_powers: tuple[Power, Annotated[Power, above(0)]] = dataclasses.field(
        default=(0.0, 1.0), metadata={OPTIONAL: True}
    )
    """Powers of depth at the canonical focal length, in metres, and of the head's relative error,
    the product of which replaces this error."""
    event_window_s: Measure | None = dataclasses.field(default=None, metadata={OPTIONAL: True})
    """Time before the picture whose events a network of events sees, seconds; None: it sees
    none."""
    uncertainty_calibrated: bool = False
    """True: these were measured; False: they are 1, and 0 and 1."""
    scale: Annotated[str, one_of('metric', 'inherited', 'none')] = 'none'
    """``metric``: trained on metres; ``inherited``: the scale is another camera's; ``none``: no
    scale."""

    @across('min_depth', 'max_depth')
    def _depths(self) -> Problems:
        if self.min_depth >= self.max_depth:
            yield (
                f'max_depth is {self.max_depth!r}: expected more than min_depth '
                f'({self.min_depth!r})'
            )

    def facts(self) -> list[list[str]]:
        """Return what a reader of a page is told beside weights and data: names and texts."""
        low, high = self.fx_range
        fitted = '' if self.uncertainty_calibrated else 'NOT '
        return [
            [
                'depth',
                f'{self.min_depth:g} to {self.max_depth:g} m at the canonical focal length of '
                f'{self.canonical_fx:g} pixels; trained for {low:g} to {high:g} pixels; scale '
                f'{self.scale}',
            ],
            ['factor of the uncertainty', f'{self.uncertainty_factor:.4g}, {fitted}fitted'],
        ]

    def problem_of_correction(self, height: int, width: int) -> str:
        """Say why the correction of a sensor of this size is none of the network's, or nothing."""
        if self.sensor_size in (None, (height, width)):
            return ''
        assert self.sensor_size is not None
        expected = f'{self.sensor_size[1]}x{self.sensor_size[0]}'
        return f'of {width}x{height} pixels: expected {expected} (field sensor_size)'

    def relative_error(self, depth: FloatImage, error: FloatImage) -> FloatImage:
        """Apply ``uncertainty_powers``.

        Args:
            depth: Metres at the canonical focal length, above 0.
            error: The head's relative error, above 0, of the same shape.

        Returns:
            The relative error that ``uncertainty_factor`` makes a half-width of depth; ``error``
            itself at the powers 0 and 1.
        """
        by_depth, by_error = self.uncertainty_powers
        if (by_depth, by_error) == (0.0, 1.0):
            return error
        with np.errstate(divide='ignore'):  # an error of 0 stays 0
            logarithm: FloatImage = np.log(error)  # faster than powers
        logarithm *= np.float32(by_error)
        logarithm += np.float32(by_depth) * np.log(depth)
        return np.exp(logarithm, out=logarithm)
