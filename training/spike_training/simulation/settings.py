# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of the simulated spike camera for clips of frames."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from spike_depth_ros.base.schema import refuse
from spike_depth_ros.base.values import Check, within
from spike_depth_ros.io.recording import MAX_ARCHIVE_BYTES
from spike_training.choices import LARGEST_SEED, MEAN_RATE, Interpolation, Transform
from spike_training.errors import ConfigError
from spike_training.sensor.parameters import IDEAL, Sensor

MAX_SENSOR_PIXELS = 1 << 24
"""Most pixels of a simulated sensor."""


@dataclasses.dataclass(frozen=True)
class CameraSettings:
    """Settings of the simulated spike camera.

    Raises:
        ConfigError: A number out of range, or an unknown name.
    """

    height: int = 250
    """Rows."""
    width: int = 400
    """Columns."""
    rate_hz: float = 20_000.0
    """Planes per second."""
    transform: Transform = 'aspect'
    """Crop and size of the frames, see :data:`.transforms.TRANSFORMS`."""
    mean_rate: Annotated[float, Check(lambda one: 0 < one <= 1, 'above 0, at most 1')] = MEAN_RATE
    """Share of the planes in which a pixel fires, on average over the clip; saturation lowers
    it."""
    interpolation: Interpolation = 'flow'
    """Interpolation between frames: along optical flow, or linear."""
    sensor: Sensor = IDEAL
    """Noise and mismatch of the pixels; its plane rate is replaced by ``rate_hz``."""
    seed: Annotated[int, within(0, LARGEST_SEED)] = 0
    """Of initial charge, noise and mismatch of the pixels."""

    def __post_init__(self) -> None:
        check_stream(self.height, self.width, self.rate_hz)
        refuse(self, ConfigError)


def check_stream(
    height: int, width: int, rate_hz: float, planes: int = 0, eyes: int = 1, maps: int = 0
) -> None:
    """Refuse the stream of a simulated camera that is none, or that readers would refuse.

    Args:
        height: Rows.
        width: Columns.
        rate_hz: Planes per second.
        planes: Planes of an archive; 0: none is written.
        eyes: Cameras of the archive.
        maps: Depth maps of the archive, of two bytes a pixel.

    Raises:
        ConfigError: It is refused.
    """
    if min(height, width) < 1 or height * width > MAX_SENSOR_PIXELS:
        raise ConfigError(
            f'size is {width}x{height}: expected 1x1 or more, and at most {MAX_SENSOR_PIXELS} '
            'pixels'
        )
    if not 1 <= rate_hz <= 1e6:
        raise ConfigError(f'rate is {rate_hz:g}: expected planes a second, 1 to 1e6')
    size = height * (eyes * planes * -(-width // 8) + 2 * maps * width)
    if size > MAX_ARCHIVE_BYTES:
        raise ConfigError(
            f'{planes} planes of {width}x{height} pixels and {maps} depth maps are {size} bytes: '
            f'expected at most {MAX_ARCHIVE_BYTES}, which readers take: fewer planes, or a '
            'smaller size'
        )
