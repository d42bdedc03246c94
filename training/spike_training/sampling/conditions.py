# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Generated scenes under chosen conditions: window, light, plane rate, speed, kind of camera."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from spike_depth_ros.base.schema import refuse
from spike_depth_ros.base.values import Check, Count, NotNegative, Positive
from spike_training.choices import LONGEST_BIN
from spike_training.sampling.procedural import (
    SEGMENTS,
    ProceduralSource,
    apply_flicker,
    expose,
    light_at_knots,
)
from spike_training.sampling.sample import Batch
from spike_training.sensor.exposure import count_spikes, initial_charge
from spike_worlds.pool import generate
from spike_worlds.render import Rendering, render
from spike_worlds.scene import Array, Scenes

FRAME_LEVELS = 1 << 16
"""Levels of a frame camera from dark to what saturates the spike camera."""

_MOST_SEGMENTS = 128
"""Segments of a window at most: all are in memory at once."""

_BLUR_STEPS = 64
"""Images that a frame is the mean of, at most."""


@dataclasses.dataclass(frozen=True)
class Condition:
    """Conditions under which scenes are recorded.

    Raises:
        ValueError: A number is out of range.
    """

    planes: Count = 128
    """Length of the window, 1 or more."""
    rate_hz: Positive = 20_000.0
    """Planes per second, above 0. The light per plane does not depend on it, as with an aperture
    that is opened for shorter planes."""
    mean_rate: Annotated[float, Check(lambda one: 0 < one <= 1, 'above 0 to 1')] | None = None
    """Mean firing rate that the light is scaled to, above 0 to 1: the share of the planes in which
    a pixel fires; None: each scene's own."""
    speed: NotNegative = 1.0
    """Factor on the motion of the image, 0 or more. Lamps flicker as before."""
    frame_spikes: NotNegative = 0.0
    """0: a spike camera. Above 0: a frame camera with the same pixels, whose exposure is as long
    as a pixel takes, on average, to collect the charge of so many spikes: ``frame_spikes / mean
    rate`` planes, at least one. The darker the scene, the longer is the exposure and the blur. The
    frame is the mean of the light over the exposure, whose middle the depth belongs to. It has 16
    bits and no noise, and every bin of the input holds it: there is no resolution in time. It does
    not depend on ``planes``."""

    def __post_init__(self) -> None:
        refuse(self)


class ConditionSource(ProceduralSource):
    """:class:`ProceduralSource` of the same scenes under several conditions.

    Under a condition with its own ``planes[0]`` and ``rate_hz``, and the defaults for the rest,
    samples are those of :class:`ProceduralSource`, bit for bit. Windows with more motion have more
    knots of light, up to 129, so that the motion between two knots is no larger.
    """

    def batches(
        self, indices: Sequence[int], conditions: Iterable[Condition], windows: int = 1
    ) -> Iterator[Batch]:
        """Yield chosen samples under each condition.

        Args:
            indices: Their numbers, 0 or more.
            conditions: Of any number; scenes are rendered once for all.
            windows: Successive windows of one stream. The bins of the first come first; the depth
                is that in the middle of all.
        """
        scenes = self._weather(generate(self.generators, indices))
        rendering = render(scenes, self.height, self.width, self.device)
        for condition in conditions:
            changed = scenes
            if condition.mean_rate is not None:
                rate = np.full_like(scenes.rate, condition.mean_rate)
                changed = dataclasses.replace(scenes, rate=rate)
            take = self._frames if condition.frame_spikes else self._spikes
            counts, lengths = take(rendering, changed, condition, windows)
            yield self._batch(indices, scenes, rendering, counts, lengths)

    def _spikes(
        self, rendering: Rendering, scenes: Scenes, condition: Condition, windows: int
    ) -> tuple[Tensor, Tensor]:
        """Count the spikes of the bins of some windows."""
        planes, rate_hz = condition.planes * windows, condition.rate_hz
        light, knots = light_at_knots(
            expose(rendering.luminance, scenes.rate),
            rendering.flow * condition.speed,
            planes,
            rate_hz,
            self._segments(planes, condition),
        )
        light = apply_flicker(light, knots, scenes.flicker, rate_hz)
        charge = initial_charge(
            torch.from_numpy(scenes.seed).to(self.device), self.height, self.width
        )
        # Bins longer than can be counted at once are counted in parts, which lie edge to edge.
        parts = -(-condition.planes // (self.bins * LONGEST_BIN))
        counts, lengths = count_spikes(light, knots, charge, self.bins * windows * parts)
        if parts == 1:
            return counts, lengths
        bins = self.bins * windows
        sums = counts.view(-1, bins, parts, self.height, self.width).sum(2, dtype=torch.int32)
        return sums, lengths.view(bins, parts).sum(1, dtype=torch.int32)

    def _segments(self, planes: int, condition: Condition) -> int:
        """Return the number of segments; none has more motion than those of a default window."""
        default_s = self.planes[0] / self.rate_hz
        motion_s = max(condition.speed, 1.0) * planes / condition.rate_hz
        wanted = SEGMENTS * max(math.ceil(motion_s / default_s - 1e-9), 1)
        return min(wanted, _MOST_SEGMENTS)

    def _frames(
        self, rendering: Rendering, scenes: Scenes, condition: Condition, windows: int
    ) -> tuple[Tensor, Tensor]:
        """Expose a frame for each scene; lamps, which change its brightness, do not flicker."""
        light = expose(rendering.luminance, scenes.rate)
        exposure_s = exposure_planes(condition.frame_spikes, scenes.rate) / condition.rate_hz
        motion = torch.from_numpy(exposure_s * condition.speed).to(light)
        frame = motion_blur(light, rendering.flow * motion[:, None, None, None])
        levels = (frame * FRAME_LEVELS).round_().to(torch.int32)[:, None]
        bins = self.bins * windows
        lengths = torch.full((bins,), FRAME_LEVELS, dtype=torch.int32, device=self.device)
        return levels.expand(-1, bins, -1, -1), lengths


def exposure_planes(spikes: float, mean_rate: Array) -> Array:
    """Return the planes in which pixels collect the charge of some spikes, at least 1.

    Args:
        spikes: Above 0.
        mean_rate: Mean firing rate of each image, above 0, ``[B]``.
    """
    planes: Array = np.maximum(spikes / mean_rate, 1)
    return planes


def motion_blur(luminance: Tensor, motion: Tensor) -> Tensor:
    """Return the mean of moving images over an exposure.

    Args:
        luminance: In the middle of the exposure, ``[B, H, W]``, 0 to 1.
        motion: Of each pixel during the exposure, pixels, ``[B, 2, H, W]``.

    Returns:
        Same shape as ``luminance``. Images a pixel of motion apart are averaged, but no more than
        ``_BLUR_STEPS``.
    """
    means = []
    for image, own in zip(luminance[:, None], motion[:, None], strict=True):
        steps = min(2 * math.ceil(max(float(own.abs().amax()), 4) / 2), _BLUR_STEPS)
        # An exposure of a second with a plane for each step.
        images, _ = light_at_knots(image, own, steps, float(steps), steps)
        means.append(torch.trapezoid(images, dim=1) / steps)
    return torch.cat(means)
