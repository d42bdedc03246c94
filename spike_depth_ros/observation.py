# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a network sees: windows of planes, the frame of a camera beside them, calibrations."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base import opencv as cv2
from spike_depth_ros.geometry.rectification import Rectification
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.stream.window import Window

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


@dataclasses.dataclass(frozen=True)
class Observation:
    """Input of a prediction.

    Attributes:
        window: Packed planes; of a pair, those of the left camera.
        fx_px: Focal length in sensor pixels (``K[0]`` of the camera matrix; of the rectified one
            where the window's camera has a rectification). None or 0: not calibrated; the
            canonical focal length is assumed. That of a pair is the rig's.
        right: Packed planes of the right camera at the same time; None: one camera, or the right
            one has stopped.
        rig: Calibrations of both cameras; None: one camera, or not calibrated.
        image: Frame of a camera beside the spikes, for networks that take one; None: none.

    Raises:
        TypeError: A window is not a :class:`Window`.
        ValueError: The focal length is not a number, negative or not finite; the windows are not
            of one size, that of the rig.
    """

    window: Window
    fx_px: float | None = None
    right: Window | None = None
    rig: StereoRig | None = None
    image: Frame | None = None

    def __post_init__(self) -> None:
        for window in self._windows:
            if not isinstance(window, Window):
                raise TypeError(
                    f'window of type {type(window).__name__}: expected a Window, made of planes '
                    'by Window.from_planes(spikes, rate_hz)'
                )
        self._check_pair()
        if self.fx_px is None:
            return
        fx: object = self.fx_px
        number = isinstance(fx, (int, float, np.integer, np.floating))
        if not (number and self.fx_px >= 0 and math.isfinite(self.fx_px)):
            raise ValueError(
                f'focal length {fx!r} pixels: expected a number above 0, or 0 for not calibrated'
            )

    @property
    def rectification(self) -> Rectification | None:
        """Rectification of the depth image; None: none."""
        if self.rig is not None:
            return self.rig.rectifications[0]
        return self.window.camera.rectification

    def _check_pair(self) -> None:
        """Refuse windows of another size than the rig's, or than each other."""
        sizes = [(one.geometry.width, one.geometry.height) for one in self._windows]
        if self.rig is not None:
            expected, reference = (self.rig.left.width, self.rig.left.height), 'the rig'
        else:
            expected, reference = sizes[0], 'the left window'
        for name, size in zip(('left', 'right'), sizes, strict=False):
            if size != expected:
                raise ValueError(
                    f'{name} window of {size[0]}x{size[1]} pixels: expected '
                    f'{expected[0]}x{expected[1]}, those of {reference}'
                )

    @property
    def _windows(self) -> list[Window]:
        return [self.window, *([] if self.right is None else [self.right])]
