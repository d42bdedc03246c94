# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Target domain without data sets: procedural scenes in other light and by another camera."""

from __future__ import annotations

import copy
import dataclasses
import math

import numpy as np
import torch
from torch import Tensor

from spike_training.sampling.blur import gaussian_blur
from spike_training.sampling.lens import dirt, falloff
from spike_training.sampling.procedural import (
    ProceduralSource,
)
from spike_training.sensor.camera import SpikeCamera, simulate_counts
from spike_training.sensor.parameters import IDEAL, Sensor
from spike_worlds.render import Rendering
from spike_worlds.scene import Scenes

_MOST_SEGMENTS = 8.0  # of light in a window, over those of scenes of the source's speed


@dataclasses.dataclass(frozen=True)
class Optics:
    """Lens, exposure and sensor of a camera; the defaults change nothing.

    Attributes:
        light: Factor on the target mean firing rate of the exposure.
        contrast: Exponent on the luminance of the scene: above 1 shadows are deeper.
        vignette: Share of the light that the corners lose.
        blur: Standard deviation of the lens's blur, pixels.
        sensor: Noise and mismatch.
        veil: Share of the light that dirt on the lens scatters over the picture.
    """

    light: float = 1.0
    contrast: float = 1.0
    vignette: float = 0.0
    blur: float = 0.0
    sensor: Sensor = IDEAL
    veil: float = 0.0

    def through_lens(self, luminance: Tensor) -> Tensor:
        """Return the light on the sensor: contrast, then veil, then blur, then vignette.

        Args:
            luminance: ``[B, H, W]``, linear, 0 or more.

        Returns:
            Same shape, in arbitrary units, before the exposure.
        """
        if self.contrast != 1:
            # Relative to each image's mean, so that powers of small numbers do not underflow.
            mean = luminance.mean(dim=(1, 2), keepdim=True).clamp_min(1e-6)
            luminance = (luminance / mean).clamp(max=1e3).pow(self.contrast)
        if self.veil:
            scattered = luminance.mean(dim=(1, 2), keepdim=True)
            rows, columns = luminance.shape[1:]
            seen = dirt(rows, columns, luminance.device)
            luminance = luminance * (1 - self.veil) + scattered * (self.veil * seen)
        if self.blur:
            luminance = gaussian_blur(luminance, self.blur)
        if self.vignette:
            rows, columns = luminance.shape[1:]
            dark = falloff(rows, columns, luminance.device)
            luminance = luminance * (1 - self.vignette * dark)
        return luminance


class ShiftedSource(ProceduralSource):
    """:class:`ProceduralSource` with another lens and sensor.

    One sensor records all scenes, another one what right eyes see; their pixels are a function of
    the seed.

    Args:
        optics: Lens, light and sensor.
        fog_m: Depth at which fog scatters half of the light, metres; None: the scenes' own haze.
        speed: Factor on the speed of camera and things.
        **arguments: Of :class:`ProceduralSource`. Colours are those of its camera: neither lens
            nor light changes them.
    """

    def __init__(
        self,
        optics: Optics,
        fog_m: float | None = None,
        speed: float = 1.0,
        **arguments: object,
    ) -> None:
        super().__init__(**arguments)  # type: ignore[arg-type]
        self.fog_m, self.speed = fog_m, speed
        self.optics = dataclasses.replace(
            optics, sensor=dataclasses.replace(optics.sensor, rate_hz=self.rate_hz)
        )

    def _weather(self, scenes: Scenes) -> Scenes:
        if self.fog_m is not None:
            scenes = dataclasses.replace(scenes, haze=np.full_like(scenes.haze, self.fog_m))
        if self.speed != 1:
            names = ('velocity', 'linear_velocity', 'angular_velocity')
            faster = {name: getattr(scenes, name) * np.float32(self.speed) for name in names}
            scenes = dataclasses.replace(scenes, **faster)
        return scenes

    def segments(self, planes: int, rate_hz: float) -> int:
        """Return the number of segments of light in a window; more where things are faster."""
        factor = min(max(self.speed, 1.0), _MOST_SEGMENTS)
        return 2 * math.ceil(super().segments(planes, rate_hz) * factor / 2)

    def record(
        self, rendering: Rendering, scenes: Scenes, optics: Optics, planes: int, rate_hz: float
    ) -> tuple[Tensor, Tensor]:
        """Record rendered scenes through another lens and sensor.

        Args:
            rendering: The scenes, rendered once for any number of cameras.
            scenes: The scenes.
            optics: Lens, light and sensor.
            planes: Length of the window.
            rate_hz: Planes per second.

        Returns:
            Counts ``[B, bins, H, W]`` uint8, and the planes of each bin, ``[bins]`` int32.
        """
        camera = copy.copy(self)
        camera.optics = dataclasses.replace(
            optics, sensor=dataclasses.replace(optics.sensor, rate_hz=rate_hz)
        )
        light, knots = camera._light(rendering, scenes, planes, rate_hz)
        return camera._counts(light, knots, torch.from_numpy(scenes.seed).to(self.device))

    def _light(
        self,
        rendering: Rendering,
        scenes: Scenes,
        planes: int,
        rate_hz: float,
        metered: Tensor | None = None,
    ) -> tuple[Tensor, list[int]]:
        seen = dataclasses.replace(
            rendering, luminance=self.optics.through_lens(rendering.luminance)
        )
        lit = None if metered is None else self.optics.through_lens(metered)
        rate = (scenes.rate * self.optics.light).astype(np.float32)
        return super()._light(seen, dataclasses.replace(scenes, rate=rate), planes, rate_hz, lit)

    def _counts(
        self, light: Tensor, knots: list[int], seeds: Tensor, right: bool = False
    ) -> tuple[Tensor, Tensor]:
        return simulate_counts(
            light, knots, seeds, self.optics.sensor, self._sensor_ids(right), self.bins
        )

    def _camera(self, seeds: Tensor, right: bool = False) -> SpikeCamera:
        ids = self._sensor_ids(right)
        return SpikeCamera(self.height, self.width, seeds, self.optics.sensor, ids)

    def _sensor_ids(self, right: bool) -> Tensor:
        # Equal pixels of both eyes would match at a disparity of 0.
        return torch.tensor([~self.seed if right else self.seed], device=self.device)
