# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Simulated event camera: a pixel reports when its log brightness has changed by a threshold.

The pixel of Lichtsteiner et al., "A 128x128 120 dB 15 us Latency Asynchronous Temporal Contrast
Vision Sensor", with thresholds that differ from pixel to pixel and a refractory time. Between
samples log brightness is linear, as in Rebecq et al., "ESIM: an Open Event Camera Simulator".
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Annotated, NamedTuple

import torch
from torch import Tensor

from spike_depth_ros.base.schema import refuse
from spike_depth_ros.base.values import within
from spike_training.errors import ConfigError
from spike_training.sensor.pixels import NORMAL_STD, normals

LEAST_THRESHOLD = 0.1
"""Smallest threshold of a pixel, as a share of that of the sensor."""

_BRIGHTER, _DARKER = 32, 33  # streams of random numbers


@dataclasses.dataclass(frozen=True)
class EventSensor:
    """Parameters of an event camera; those of a DAVIS346 vary with its biases."""

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

    def __post_init__(self) -> None:
        """Raise ConfigError, a ValueError, for parameters out of range."""
        refuse(self, ConfigError)


class EventBatch(NamedTuple):
    """Events of a batch between two samples of light, ordered by pixel, each ``[N]``.

    Attributes:
        sample: Number of the recording, int64.
        pixel: ``row * W + column``, int64.
        time_s: Seconds, float64.
        polarity: 1 or -1, int8.
    """

    sample: Tensor
    pixel: Tensor
    time_s: Tensor
    polarity: Tensor


class EventCamera:
    """Event camera of a batch of recordings.

    A recording is a function of its seed and its light: batch and device do not change it.

    Args:
        light: Brightness at the first time, ``[B, H, W]`` float32, 0 and more; 1 is white.
        time_s: That time, seconds.
        seeds: Of the pixels' thresholds, ``[B]`` int64.
        sensor: Parameters.
    """

    def __init__(
        self, light: Tensor, time_s: float, seeds: Tensor, sensor: EventSensor | None = None
    ) -> None:
        self.sensor = sensor or EventSensor()
        self._time_s = time_s
        self._log = self._log_of(light)
        self._reference = self._log.clone()
        self._free_s = torch.full_like(self._log, -math.inf)  # when the pixel's reset ends
        count = light[0].numel()

        def thresholds(mean: float, stream: int) -> Tensor:
            drawn = normals(seeds, count, stream).to(torch.float64).view(light.shape) / NORMAL_STD
            return mean * (1 + self.sensor.mismatch * drawn).clamp_min(LEAST_THRESHOLD)

        self._brighter = thresholds(self.sensor.brighter, _BRIGHTER)
        self._darker = thresholds(self.sensor.darker, _DARKER)

    def see(self, light: Tensor, time_s: float) -> EventBatch:
        """Return the events up to the next sample of light.

        Args:
            light: Brightness, ``[B, H, W]`` float32.
            time_s: Its time, later than the one before.

        Raises:
            ValueError: The time is not later, or a pixel changes by more than one threshold since
                its last event or sample: samples must be nearer in time.
        """
        if not time_s > self._time_s:
            raise ValueError(f'light of {time_s:g} s after that of {self._time_s:g} s')
        log, before, span = self._log_of(light), self._log, time_s - self._time_s
        slope = (log - before) / span
        # A pixel whose reset ends in between starts anew from its brightness at that time.
        waited = (self._free_s - self._time_s).clamp(0, span)
        held = self._free_s > self._time_s
        reference = torch.where(held, before + slope * waited, self._reference)
        still = self._free_s >= time_s
        change = torch.where(still, 0.0, log - reference)
        threshold = torch.where(change > 0, self._brighter, self._darker)
        fires = change.abs() >= threshold
        crossing = reference + torch.sign(change) * threshold
        when = self._time_s + torch.where(fires, (crossing - before) / slope, 0.0)
        again = when + self.sensor.refractory_s
        reset = torch.where(again < time_s, before + slope * (again - self._time_s), log)
        other = torch.where(log > reset, self._brighter, self._darker)
        twice = fires & (again < time_s) & ((log - reset).abs() >= other)
        if twice.any():
            most = float((change.abs() / threshold)[twice].max())
            raise ValueError(
                f'brightness passes {most:.1f} thresholds between {self._time_s:g} and {time_s:g} '
                's: expected one at most: give more samples of light'
            )
        self._free_s = torch.where(fires, again, self._free_s)
        self._reference = torch.where(fires, reset, reference)
        self._log, self._time_s = log, time_s
        sample, row, column = torch.nonzero(fires, as_tuple=True)
        return EventBatch(
            sample,
            row * light.shape[-1] + column,
            when[fires],
            torch.sign(change[fires]).to(torch.int8),
        )

    def _log_of(self, light: Tensor) -> Tensor:
        return (light.to(torch.float64) + self.sensor.dark).log()


def samples_for(light: Iterable[Tensor], sensor: EventSensor) -> int:
    """Return how many parts each gap between samples of light needs, so that none is passed twice.

    Args:
        light: Brightness at successive times, ``[B, H, W]`` each.
        sensor: Parameters; thresholds of its pixels may be lower by their mismatch.

    Returns:
        1 or more.
    """
    # Draws of the mismatch reach almost five deviations.
    least = min(sensor.brighter, sensor.darker) * max(1 - 5 * sensor.mismatch, LEAST_THRESHOLD)
    largest, before = 0.0, None
    for one in light:
        log = (one.to(torch.float64) + sensor.dark).log()
        if before is not None:
            largest = max(largest, float((log - before).abs().max()))
        before = log
    return max(1, math.ceil(largest / least))
