# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of labels, and what is labelled; without torch."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from spike_depth_ros.base.schema import refuse
from spike_depth_ros.base.values import Check, Number, within
from spike_training.datasets import readers
from spike_training.errors import ConfigError

Picture = Literal['interval', 'learnt', 'frame']
"""What the model sees of a recording of spikes: ``interval``, inter-spike intervals; ``learnt``,
the shipped network of pictures; ``frame``, the recording's own registered pictures."""

FieldOfView = Annotated[
    float, Check(lambda degrees: degrees == 0 or 1 <= degrees <= 175, '0, or 1 to 175 degrees')
]
"""Horizontal field of view, degrees; 0: it comes from elsewhere."""

WINDOW_STEP = 1000
"""Planes between two labelled windows of a recording, if not given: 50 ms at 20 kHz."""

LONGEST = 1 << 16
"""Planes of a window, at most."""


@dataclasses.dataclass(frozen=True)
class LabelSettings:
    """Settings of labels.

    Raises:
        ConfigError: A value is out of its range.
    """

    picture: Picture = 'interval'
    """See :data:`Picture`."""
    every: Number = 0
    """Step between two labels, in planes of a recording of spikes or in frames; 0:
    :data:`WINDOW_STEP` planes, every registered picture, or every frame."""
    planes: Annotated[int, within(1, LONGEST)] = 128
    """Planes of the window that is written around a label of a recording."""
    agreement: Annotated[float, Check(lambda one: 0 < one <= 1, 'above 0, at most 1')] = 0.1
    """Largest difference of the passes of a pixel: of the range of disparity, or relative of
    metres."""

    def __post_init__(self) -> None:
        refuse(self, ConfigError)


@dataclasses.dataclass(frozen=True)
class Video:
    """Video to label, and its lens.

    Raises:
        ConfigError: Neither or both of them are given.
    """

    path: Path
    """The file."""
    fx_px: float = 0.0
    """Focal length, pixels; 0: from ``hfov_deg``."""
    hfov_deg: float = 0.0
    """Horizontal field of view, degrees; 0: from ``fx_px``."""

    def __post_init__(self) -> None:
        if (self.fx_px != 0) == (self.hfov_deg != 0):
            raise ConfigError(
                'a video has no camera matrix: expected its focal length, --fx PIXELS, or its '
                'horizontal field of view, --hfov DEGREES'
            )

    def focal_length(self, width: int) -> float:
        """Return the focal length in pixels for frames of a width."""
        return self.fx_px or width / 2 / math.tan(math.radians(self.hfov_deg) / 2)


def name_source(data: Mapping[str, str], video: Video | None) -> list[str]:
    """Return the places of what is labelled, to find other sources in the same folder.

    Raises:
        DataSetError: There is no such reader or option.
    """
    if video is not None:
        lens = f'fx {video.fx_px:g}' if video.fx_px else f'hfov {video.hfov_deg:g}'
        return [f'{video.path.absolute()}, {lens}']
    return [readers.whole_place(name, where) for name, where in data.items()]
