# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of event cameras, and of what networks see of their events; without torch."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from spike_depth_ros.base.values import within


@dataclasses.dataclass(frozen=True)
class EventSensor:
    """Parameters of a simulated event camera; those of a DAVIS346 vary with its biases."""

    brighter: Annotated[float, within(0.01, 2)] = 0.2
    """Change of log brightness of an event of polarity 1; 0.2 is 22 %."""
    darker: Annotated[float, within(0.01, 2)] = 0.2
    """Likewise of polarity -1, as a positive number."""
    mismatch: Annotated[float, within(0, 0.5)] = 0.03
    """Relative standard deviation of the pixels' thresholds."""
    refractory_s: Annotated[float, within(0, 1)] = 1e-3
    """Time after an event in which the pixel is held in reset, seconds."""
    dark: Annotated[float, within(1e-6, 1)] = 1e-3
    """Brightness, of 1 for white, that is added before the logarithm: darkness has no contrast."""


@dataclasses.dataclass(frozen=True)
class EventWindow:
    """What a network sees of events: a voxel grid of those before a picture.

    The defaults are those of Sun et al., "FUSE: Label-Free Image-Event Joint Monocular Depth
    Estimation via Frequency-Decoupled Alignment and Degradation-Robust Fusion" (README and code).
    """

    bins: Annotated[int, within(1, 64)] = 3
    """Bins of time, channels of the network's input."""
    window_s: Annotated[float, within(1e-4, 10)] = 0.05
    """Time before the picture whose events are seen, seconds."""
    sensor: EventSensor = EventSensor()
    """Camera of generated scenes; recordings have their own."""
