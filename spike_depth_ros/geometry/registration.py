# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Registration of frames to spikes: both cameras look through a beam splitter from one place."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base import opencv as cv2
from spike_depth_ros.geometry.calibration import Calibration, CalibrationError
from spike_depth_ros.geometry.rectification import Floats, Rectification

Flip = Literal['none', 'horizontal', 'vertical']
FLIPS: tuple[Flip, ...] = get_args(Flip)
"""Ways that frames are flipped before their calibration applies."""

MAX_BASELINE_M = 0.005
"""Largest distance of both cameras, metres: 5 mm are a pixel at 2 m and a focal length of 400
pixels."""

MIN_COVERAGE = 0.1
"""Smallest share of the spike image that a frame must cover."""

_COARSE = 8  # sensor pixels between the places where coverage is measured


@dataclasses.dataclass(frozen=True)
class Registration:
    """Mapping from the spike image to the frames of a second camera at the same place.

    The spike image is rectified where the spike camera has distortion, see
    :class:`~spike_depth_ros.geometry.rectification.Rectification`, and the sensor's own otherwise. R of
    each calibration rotates its camera's axes to common ones, as a stereo calibration writes it.
    For one thread at a time.

    Attributes:
        spikes: Calibration of the spike camera.
        frame: Calibration of the other camera, made of frames that are flipped already.
        flip: Flip of frames as they arrive, one of :data:`FLIPS`; a beam splitter mirrors one of
            its paths.

    Raises:
        CalibrationError: The flip is unknown, a camera is not calibrated or its calibration cannot
            be used, the cameras are too far from each other, or the frame covers too little.
    """

    spikes: Calibration
    frame: Calibration
    flip: Flip = 'none'

    def __post_init__(self) -> None:
        if self.flip not in FLIPS:
            raise CalibrationError(f'flip {self.flip!r}; expected one of {", ".join(FLIPS)}')
        cameras = {'spike': self.spikes, 'frame': self.frame}
        for name, camera in cameras.items():
            if not np.isfinite(camera.k).all():
                raise CalibrationError(
                    f'camera_info of the {name} camera: K is not finite; expected finite numbers, '
                    'or zeros where it is not calibrated'
                )
        missing = [name for name, camera in cameras.items() if not camera.k[0] > 0]
        if missing:
            raise CalibrationError(
                f'no calibration of the {" and the ".join(missing)} camera, K is zeros; expected '
                'both: calibrate them together and publish camera_info of each'
            )
        for name, camera in cameras.items():
            baseline = math.hypot(camera.p[3], camera.p[7]) / (camera.p[0] or 1.0)
            if not abs(baseline) <= MAX_BASELINE_M:
                raise CalibrationError(
                    f'{name} camera: P has a baseline of {1e3 * abs(baseline):.1f} mm; expected '
                    f'at most {1e3 * MAX_BASELINE_M:g} mm, as parallax cannot be undone without '
                    'depth: mount both cameras behind one beam splitter, and calibrate again'
                )
        _ = self._lenses  # each checks its camera
        if self.coverage < MIN_COVERAGE:
            raise CalibrationError(
                f'the frame covers {self.coverage:.1%} of the spike image; expected at least '
                f'{MIN_COVERAGE:.0%}: point both cameras at the same place, and calibrate them '
                'together'
            )

    @functools.cached_property
    def coverage(self) -> float:
        """Share of the spike image that the frame covers, 0 to 1."""
        rows, columns = (-(-n // _COARSE) for n in (self.spikes.height, self.spikes.width))
        return float(np.isfinite(self.sources(rows, columns, _COARSE)[0]).mean())

    def check_size(self, height: int, width: int) -> None:
        """Compare the size of a frame with its calibration's.

        Raises:
            CalibrationError: It is another one.
        """
        if (height, width) != (self.frame.height, self.frame.width):
            raise CalibrationError(
                f'frame of {width}x{height} pixels; expected {self.frame.width}x'
                f'{self.frame.height}, the size of its calibration: calibrate the camera at the '
                'size that it sends'
            )

    def sources(self, rows: int, columns: int, cell: int = 1) -> tuple[Floats, Floats]:
        """Compute where the cells of the spike image lie on frames as they arrive.

        Args:
            rows: Rows of cells.
            columns: Columns of cells.
            cell: Sensor pixels of the spike camera per side of a cell.

        Returns:
            x and y, each ``[rows, columns]``, in pixels of the frame before its flip; NaN: outside
            the frame.
        """
        matrix = self._matrix.copy()
        matrix[:2, 2] = (matrix[:2, 2] + 0.5) / cell - 0.5
        matrix[[0, 1], [0, 1]] /= cell
        x, y = self._lenses[1].sources_of(matrix, self._rotation, rows, columns)
        right, low = self.frame.width - 0.5, self.frame.height - 0.5
        outside = ~((x >= -0.5) & (x <= right) & (y >= -0.5) & (y <= low))
        x[outside] = y[outside] = np.nan
        if self.flip == 'horizontal':
            x = np.float32(self.frame.width - 1) - x
        elif self.flip == 'vertical':
            y = np.float32(self.frame.height - 1) - y
        return x, y

    def apply(
        self, pixels: npt.NDArray[np.uint8], rows: int, columns: int, cell: int = 1
    ) -> Floats:
        """Register a frame to the spike image, bilinearly.

        A frame of more pixels than cells is first averaged down, so that it does not alias.

        Args:
            pixels: The frame as it arrives, ``[height, width, 3]`` of RGB or ``[height, width]``
                of grey.
            rows: Rows of cells.
            columns: Columns of cells.
            cell: Sensor pixels of the spike camera per side of a cell.

        Returns:
            ``[3, rows, columns]``, 0 to 1, owned by the caller; NaN outside the frame.

        Raises:
            CalibrationError: The frame has another size than its calibration.
        """
        height, width = pixels.shape[:2]
        self.check_size(height, width)
        remap = self._remaps.get((rows, columns, cell))
        if remap is None:
            # The network's cells, and the pixels whose offset is measured, take turns.
            while len(self._remaps) >= 2:
                del self._remaps[next(iter(self._remaps))]
            shrink = max(1, round(self._frame_pixels * cell))
            remap = _Remap(*self.sources(rows, columns, cell), (height, width), shrink)
            self._remaps[rows, columns, cell] = remap
        return remap.apply(pixels)

    @functools.cached_property
    def _lenses(self) -> tuple[Rectification, Rectification]:
        """Lenses of the spike camera and of the other one."""
        # P is of rectified images: there are none of the frame, nor of spikes without distortion.
        projects = any(self.spikes.d)
        return _lens('spike', self.spikes, projects), _lens('frame', self.frame, False)

    @functools.cached_property
    def _matrix(self) -> npt.NDArray[np.float64]:
        """Camera matrix of the spike image, ``[3, 3]``."""
        return self._lenses[0].rectified.matrix

    @functools.cached_property
    def _rotation(self) -> npt.NDArray[np.float64]:
        """Rotation from the axes of the frame's camera to those of the spike image, ``[3, 3]``."""
        of_spikes, of_frame = (
            np.array(camera.r).reshape(3, 3) if any(camera.r) else np.eye(3)
            for camera in (self.spikes, self.frame)
        )
        return of_frame if any(self.spikes.d) else of_spikes.T @ of_frame

    @property
    def _frame_pixels(self) -> float:
        """Frame pixels per pixel of the spike image, near the centre."""
        k = self.frame.k
        return math.sqrt(k[0] * k[4] / (self._matrix[0, 0] * self._matrix[1, 1]))

    @functools.cached_property
    def _remaps(self) -> dict[tuple[int, int, int], _Remap]:
        """The last two remappings, by rows, columns and cell."""
        return {}


class _Remap:
    """Remapping of frames to cells.

    Args:
        x: Columns of the frame that cells are at, ``[rows, columns]``; NaN: outside.
        y: Rows likewise.
        size: Rows and columns of the frame.
        shrink: Frame pixels per side that are averaged first.
    """

    def __init__(self, x: Floats, y: Floats, size: tuple[int, int], shrink: int) -> None:
        self._shrink = shrink
        self._rows, self._columns = (n // shrink for n in size)
        columns, lines = (
            (np.nan_to_num(one, nan=0.0) + np.float32(0.5)) / np.float32(shrink) - np.float32(0.5)
            for one in (x, y)
        )
        self._maps = cv2.convertMaps(columns, lines, cv2.CV_16SC2)
        self._white = np.where(np.isnan(x), np.float32(np.nan), np.float32(255))

    def apply(self, pixels: npt.NDArray[np.uint8]) -> Floats:
        """Remap a frame, see :meth:`Registration.apply`."""
        places, weights = self._maps
        source: Any = pixels
        if self._shrink > 1:
            # A rest of less than a cell at the right and lower edge is left out.
            whole = pixels[: self._rows * self._shrink, : self._columns * self._shrink]
            size = self._columns, self._rows
            source = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
        seen = cv2.remap(
            source, places, weights, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        found = np.empty((3, *self._white.shape), np.float32)
        np.divide(np.moveaxis(np.atleast_3d(seen), 2, 0), self._white, out=found)
        return found


def _lens(name: str, camera: Calibration, projects: bool) -> Rectification:
    """Return the lens of a camera, with K for P unless it ``projects``."""
    if not any(camera.d):
        camera = dataclasses.replace(camera, distortion_model='plumb_bob', d=(0.0,) * 5)
    if not projects:
        k = camera.k
        p = (*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0)
        camera = dataclasses.replace(camera, p=p)
    try:
        return Rectification(camera)
    except CalibrationError as error:
        raise CalibrationError(f'{name} camera: {error}') from None
