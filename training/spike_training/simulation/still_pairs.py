# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Windows of spikes of two simulated cameras before a still picture each."""

from __future__ import annotations

import dataclasses
import zlib

import cv2
import numpy as np
import numpy.typing as npt
import torch

from spike_depth_ros.stream.chunk import PackedPlanes
from spike_depth_ros.stream.preview import GAMMA
from spike_training.datasets.clip import Rgb
from spike_training.sensor.camera import SpikeCamera
from spike_training.sensor.parameters import Sensor

Picture = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class PairCamera:
    """Two cameras of one sensor's parameters, with other pixels in each.

    Attributes:
        planes: Planes of a window, 1 or more.
        rate_hz: Planes per second.
        sensor: Parameters; its plane rate is replaced by ``rate_hz``.
        seed: Of the pixels, their initial charge and noise.
    """

    planes: int
    rate_hz: float
    sensor: Sensor
    seed: int

    def record(
        self, name: str, pictures: tuple[Picture, Picture], mean_rate: float
    ) -> tuple[PackedPlanes, PackedPlanes]:
        """Record a pair of pictures, which does not depend on what was recorded before.

        Args:
            name: Name of the pair: others have other pixels.
            pictures: Left and right one, as of :func:`grey`, of one size.
            mean_rate: Share of the planes in which a pixel of the left camera fires, on average;
                saturation lowers it. Both cameras have one exposure.

        Returns:
            Left and right planes, ``[planes, H, ceil(W / 8)]`` uint8, ``little``.
        """
        # What a preview undoes, so that a perfect sensor would show the pictures themselves.
        light = [(one.astype(np.float32) / 255) ** GAMMA for one in pictures]
        gain = mean_rate / max(float(light[0].mean()), 1e-4)
        sensor = dataclasses.replace(self.sensor, rate_hz=self.rate_hz)
        recorded = []
        for eye, one in enumerate(light):
            seeds = torch.tensor([zlib.crc32(f'{self.seed} {name} {eye}'.encode())])
            exposed = torch.from_numpy((gain * one).clip(0, 1).astype(np.float32))
            still = exposed[None, None].repeat(1, 2, 1, 1)
            height, width = one.shape
            camera = SpikeCamera(height, width, seeds, sensor)
            recorded.append(camera.expose(still, [0, self.planes])[0].numpy())
        return recorded[0], recorded[1]


def grey(image: Rgb) -> Picture:
    """Return the grey picture of an image, ``[H, W]`` uint8, gamma encoded as it is."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
