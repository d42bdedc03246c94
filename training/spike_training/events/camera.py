# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Simulated event camera: a pixel reports when its log brightness has changed by a threshold.

The pixel of Lichtsteiner et al., "A 128x128 120 dB 15 us Latency Asynchronous Temporal Contrast
Vision Sensor", with thresholds that differ from pixel to pixel and a refractory time. Between
samples log brightness is linear, as in Rebecq et al., "ESIM: an Open Event Camera Simulator".
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from spike_depth_ros.base.schema import refuse
from spike_training.errors import ConfigError
from spike_training.events.settings import EventSensor, EventWindow
from spike_training.events.voxels import add_to_grid, normalised
from spike_training.sensor.pixels import NORMAL_STD, normals

LEAST_THRESHOLD = 0.1
"""Smallest threshold of a pixel, as a share of that of the sensor."""

_BRIGHTER, _DARKER = 32, 33  # streams of random numbers


class EventBatch(NamedTuple):
    """Events of a batch between two samples of light, in no order, each ``[N]``.

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

    Raises:
        ConfigError: A parameter is out of its range.
    """

    def __init__(
        self, light: Tensor, time_s: float, seeds: Tensor, sensor: EventSensor | None = None
    ) -> None:
        self.sensor = sensor or EventSensor()
        refuse(self.sensor, ConfigError)
        self._time_s = time_s
        self._log = self._log_of(light)
        self._reference = self._log.flatten()
        self._free_s = torch.full_like(self._reference, -math.inf)  # when a pixel's reset ends
        count = light[0].numel()

        def thresholds(mean: float, stream: int) -> Tensor:
            drawn = normals(seeds, count, stream).to(torch.float64).view(light.shape) / NORMAL_STD
            return mean * (1 + self.sensor.mismatch * drawn).clamp_min(LEAST_THRESHOLD)

        self._brighter = thresholds(self.sensor.brighter, _BRIGHTER)
        self._darker = thresholds(self.sensor.darker, _DARKER)

    def see(self, light: Tensor, time_s: float) -> EventBatch:
        """Return the events up to the next sample of light.

        Log brightness is linear in between, and a pixel may pass several thresholds. How near
        samples must be in time is a matter of that line alone.

        Args:
            light: Brightness, ``[B, H, W]`` float32.
            time_s: Its time, later than the one before.

        Raises:
            ValueError: The time is not later.
        """
        if not time_s > self._time_s:
            raise ValueError(f'light of {time_s:g} s after that of {self._time_s:g} s')
        log, start_s, span = self._log_of(light), self._time_s, time_s - self._time_s
        before, after, up, down = (
            one.flatten() for one in (self._log, log, self._brighter, self._darker)
        )
        slope = (after - before) / span
        # A pixel whose reset ends in between starts anew from its brightness at that time.
        waited = (self._free_s - start_s).clamp(0, span)
        held = self._free_s > start_s
        self._reference = torch.where(held, before + slope * waited, self._reference)
        change = torch.where(self._free_s >= time_s, 0.0, after - self._reference)
        fires = change.abs() >= torch.where(change > 0, up, down)
        pixels = fires.nonzero()[:, 0]
        found: list[tuple[Tensor, Tensor, Tensor]] = []
        while len(pixels):
            change = after[pixels] - self._reference[pixels]
            sign = torch.sign(change)
            crossed = self._reference[pixels] + sign * torch.where(
                sign > 0, up[pixels], down[pixels]
            )
            when = start_s + (crossed - before[pixels]) / slope[pixels]
            found.append((pixels, when, sign.to(torch.int8)))
            free = when + self.sensor.refractory_s
            goes_on = free < time_s
            anew = before[pixels] + slope[pixels] * (free - start_s)
            self._reference[pixels] = torch.where(goes_on, anew, after[pixels])
            self._free_s[pixels] = free
            pixels = pixels[goes_on]
            change = after[pixels] - self._reference[pixels]
            threshold = torch.where(change > 0, up[pixels], down[pixels])
            pixels = pixels[change.abs() >= threshold]
        self._log, self._time_s = log, time_s
        if not found:
            none = torch.zeros(0, dtype=torch.int64, device=light.device)
            return EventBatch(none, none, none.double(), none.to(torch.int8))
        place, when, sign = (torch.cat(part) for part in zip(*found, strict=True))
        count = light[0].numel()
        return EventBatch(place // count, place % count, when, sign)

    def _log_of(self, light: Tensor) -> Tensor:
        return (light.to(torch.float64) + self.sensor.dark).log()


def record_grid(light: Tensor, seeds: Tensor, window: EventWindow) -> Tensor:
    """Record scenes by an event camera and return what a network sees of the events.

    Args:
        light: Brightness at times evenly apart over the window, ``[B, K, H, W]``, K 2 or more.
        seeds: Of the pixels' thresholds, ``[B]`` int64.
        window: The window and its camera.

    Returns:
        Normalised voxel grids, ``[B, bins, H, W]`` float32.
    """
    samples, steps = light.shape[:2]
    grid = torch.zeros(samples, window.bins, *light.shape[2:], device=light.device)
    camera = EventCamera(light[:, 0], 0.0, seeds, window.sensor)
    for k in range(1, steps):
        found = camera.see(light[:, k], k * window.window_s / (steps - 1))
        places = found.time_s * ((window.bins - 1) / window.window_s)
        add_to_grid(grid, found.sample, found.pixel, places, found.polarity)
    return normalised(grid)
