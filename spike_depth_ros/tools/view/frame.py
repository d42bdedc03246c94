# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a view shows of one window."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from spike_depth_ros.geometry.depth_values import FloatImage

NO_MATRIX = (0.0,) * 9
"""Matrix K of a camera that is not calibrated."""

PLOTS: Mapping[str, str] = {
    'latency': 'latency, ms',
    'lost': 'lost planes',
    'scale': 'scale',
}
"""Titles of the plots of a view: durations, planes since the start, and the factor on the depth of
the model, as from the height of the camera."""


@dataclasses.dataclass(frozen=True)
class ViewFrame:
    """Depth of one window, and what belongs to it.

    Attributes:
        stamp_ns: Time of the window's reference plane, nanoseconds.
        depth: As published (REP 117): metres along the optical axis, -Inf too near, +Inf beyond
            range, NaN masked; ``[height, width]``.
        uncertainty: Half-width of the 68 % interval, metres, same shape; None: not known.
        picture: Grey picture of the spikes, of the camera of the depth image, ``[rows, columns]``
            uint8; None: none.
        matrix: Matrix K of the depth image, row by row, pixels; zeros: not calibrated.
        measured: Points that a correction by the motion of the camera has used, ``[N, 3]`` float32
            metres in the optical frame; None: there is none.
        values: Values by plot, a key of :data:`PLOTS`, and name of the curve.
        notes: What is wrong, one line each.
    """

    stamp_ns: int
    depth: FloatImage
    uncertainty: FloatImage | None = None
    picture: npt.NDArray[np.uint8] | None = None
    matrix: tuple[float, ...] = NO_MATRIX
    measured: FloatImage | None = None
    values: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
