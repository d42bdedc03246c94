# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frame of a camera beside the spikes, as a network takes it."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base import opencv as cv2

if TYPE_CHECKING:
    from spike_depth_ros.geometry.registration import Registration
    from spike_depth_ros.runtime.layout import Layout


@dataclasses.dataclass(frozen=True)
class Frame:
    """Frame of a camera beside the spikes.

    Attributes:
        pixels: RGB, gamma encoded, ``[height, width, 3]`` uint8; or grey, ``[height, width]``.
        age_s: Time from the frame to the reference plane of the window, seconds, 0 or more.
        registration: Mapping from the spikes to the frame; None: the frame has the size of the
            sensor, and shows the same place at each pixel (of the rectified image, where the
            window's camera has a rectification).

    Raises:
        TypeError: The pixels are no array of bytes.
        ValueError: Their shape is another one, or the age is negative or not finite.
    """

    pixels: npt.NDArray[np.uint8]
    age_s: float = 0.0
    registration: Registration | None = None

    def __post_init__(self) -> None:
        pixels: object = self.pixels
        if not (isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8):
            kind = getattr(pixels, 'dtype', type(pixels).__name__)
            raise TypeError(f'frame of {kind}: expected an array of uint8, grey or RGB')
        shape = pixels.shape
        if not (len(shape) in (2, 3) and shape[2:] in ((), (3,)) and min(shape[:2]) > 0):
            raise ValueError(
                f'frame of shape {list(shape)}: expected [height, width, 3] of RGB, or '
                '[height, width] of grey'
            )
        if not (self.age_s >= 0 and math.isfinite(self.age_s)):
            raise ValueError(f'age_s is {self.age_s:g}: expected seconds, 0 or more')

    def image(self, layout: Layout) -> npt.NDArray[np.float32]:
        """Return the input of a network.

        Args:
            layout: Layout of the window.

        Returns:
            ``[3, *layout.input_size]`` float32, 0 to 1, NaN where the frame shows nothing. As of
            counts, what lies beyond the sensor repeats its last row and column.

        Raises:
            ValueError: The frame has another size than the sensor, and no registration.
        """
        rows, columns = (-(-side // layout.pool) for side in (layout.height, layout.width))
        if self.registration is not None:
            seen = self.registration.apply(self.pixels, rows, columns, layout.cell)
        else:
            seen = self._cells(layout, rows, columns)
        beyond = [(0, n - m) for n, m in zip(layout.input_size, (rows, columns), strict=True)]
        return np.pad(seen, [(0, 0), *beyond], mode='edge')

    def _cells(self, layout: Layout, rows: int, columns: int) -> npt.NDArray[np.float32]:
        """Return the means of cells of a frame of the sensor's size, ``[3, rows, columns]``."""
        sensor = layout.geometry
        height, width = self.pixels.shape[:2]
        if (height, width) != (sensor.height, sensor.width):
            raise ValueError(
                f'frame of {width}x{height} pixels: expected {sensor.width}x{sensor.height}, the '
                'size of the sensor, or a registration: spike_depth_ros.geometry.registration'
            )
        pixels = self.pixels if self.pixels.ndim == 3 else self.pixels[:, :, None]
        cell = layout.cell
        beyond = [(0, n * cell - m) for n, m in zip((rows, columns), (height, width), strict=True)]
        cut = [slice(0, max(0, n * cell)) for n in (rows, columns)]
        padded = np.pad(pixels, [*((0, max(0, n)) for _, n in beyond), (0, 0)], mode='edge')
        whole = padded[cut[0], cut[1]].astype(np.float32)
        means = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA) / np.float32(255)
        found = means.reshape(rows, columns, -1).transpose(2, 0, 1)
        return np.ascontiguousarray(np.broadcast_to(found, (3, rows, columns)))
