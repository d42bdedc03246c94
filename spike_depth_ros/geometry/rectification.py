# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rectification of a lens: counts, images and depth as an ideal pinhole camera sees them.

Planes stay as they are: single bits have nothing between 0 and 1. Counts of a window are
remapped, all bins at once.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base import opencv as cv2
from spike_depth_ros.geometry.calibration import Calibration, CalibrationError, check_focal_lengths

Floats = npt.NDArray[np.float32]

COEFFICIENTS = {
    'plumb_bob': (4, 5),
    'rational_polynomial': (8, 12, 14),
    'equidistant': (4,),
    'fisheye': (4,),
}
"""Numbers of coefficients of each distortion model, in the order of
``cv2.initUndistortRectifyMap``; ``plumb_bob`` may have zeros behind them. The last four of 12 are
those of a thin prism, the last two of 14 the tilt of a sensor, which must be 0. ``fisheye`` is
another name of ``equidistant`` (Kannala and Brandt, "A Generic Camera Model and Calibration Method
for Conventional, Wide-Angle, and Fish-Eye Lenses")."""

SCALED = (0.05, 5.0)
"""Lowest and highest focal length of a projection that is chosen here, over the camera's."""

FISHEYE = ('equidistant', 'fisheye')
"""Names of the model of fisheye lenses."""

OFF_CENTRE = 0.4
"""Largest distance of a principal point from the centre, in widths or heights: that of an image
of twice the size lies in its corner."""

GROUP = 16
"""Bins that are remapped together, so that they stay in a cache."""

_ANGLES = np.linspace(0, math.radians(89.9), 2048)  # from the axis, where folds are searched
_COARSE = 8  # pixels between the places where folds are searched
_TILT = 12  # place of the tilt of the sensor in D
_LARGEST = 1e6  # coefficients; keeps powers of them finite


@dataclasses.dataclass(frozen=True)
class Rectification:
    """Mapping from a distorted sensor to the pinhole camera of a calibration's R and P.

    Attributes:
        calibration: Calibration of the sensor, with distortion.
        off_centre: Largest distance of the principal points from the centre, in widths or heights.

    Raises:
        CalibrationError: The calibration cannot be used.
    """

    calibration: Calibration
    off_centre: float = OFF_CENTRE

    def __post_init__(self) -> None:
        try:
            cv2.remap  # noqa: B018
        except ImportError as error:
            raise CalibrationError(f'rectification: {error}') from None
        _check_values(self.calibration, self.off_centre)
        self._check_folds()
        self._check_picture()

    @functools.cached_property
    def rectified(self) -> Calibration:
        """Calibration of rectified images: D zeros, K that of P, R identity."""
        given = self.calibration
        p = np.array(given.p).reshape(3, 4) if any(given.p) else self._choose_projection()
        k, r = p[:, :3].ravel().tolist(), np.eye(3).ravel().tolist()
        return Calibration(
            given.width, given.height, 'plumb_bob', (0.0,) * 5, tuple(k), tuple(r),
            tuple(p.ravel().tolist()),
        )  # fmt: skip

    @property
    def fx_px(self) -> float:
        """Focal length of rectified images, sensor pixels."""
        return self.rectified.k[0]

    def sources(self, rows: int, columns: int, cell: int = 1) -> tuple[Floats, Floats]:
        """Compute where the cells of a rectified image lie on the sensor.

        Args:
            rows: Rows of cells.
            columns: Columns of cells.
            cell: Sensor pixels per side of a cell.

        Returns:
            x and y, each ``[rows, columns]``, in cells of the sensor; NaN: behind the last angle
            that the lens shows.
        """
        x, y = self.sources_of(self._target(cell), self._rotation, rows, columns)
        x, y = ((one + np.float32(0.5)) / np.float32(cell) - np.float32(0.5) for one in (x, y))
        return x, y

    def sources_of(
        self,
        matrix: npt.NDArray[np.float64],
        rotation: npt.NDArray[np.float64],
        rows: int,
        columns: int,
    ) -> tuple[Floats, Floats]:
        """Compute where the pixels of any pinhole camera at the same place lie on the sensor.

        Args:
            matrix: Its camera matrix, ``[3, 3]``.
            rotation: Rotation from the axes of the sensor to its own, ``[3, 3]``.
            rows: Its rows.
            columns: Its columns.

        Returns:
            x and y, each ``[rows, columns]``, in pixels of the sensor, of which they may be beyond
            the edge; NaN: behind the last angle that the lens shows.
        """
        k = self.calibration.matrix
        make = cv2.fisheye.initUndistortRectifyMap if self._is_fisheye else (
            cv2.initUndistortRectifyMap
        )  # fmt: skip
        x, y = make(k, self._d, rotation, matrix, (columns, rows), cv2.CV_32FC1)
        rays = _rays(matrix, rows, columns) @ rotation
        angles = np.arctan2(np.hypot(rays[..., 0], rays[..., 1]), rays[..., 2])
        beyond = ~(angles < self._last_angle)
        x[beyond] = y[beyond] = np.nan
        return x, y

    def known(self, rows: int, columns: int, cell: int = 1) -> npt.NDArray[np.bool_]:
        """Return True for the cells of a rectified image that the sensor has, see above."""
        x, y = self.sources(rows, columns, cell)
        right, low = (n / cell - 0.5 for n in (self.calibration.width, self.calibration.height))
        known: npt.NDArray[np.bool_] = (x >= -0.5) & (x <= right) & (y >= -0.5) & (y <= low)
        return known  # NaN compares as False

    def nearest(
        self, rows: int, columns: int, cell: int = 1
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """Compute the cell of the sensor nearest to each cell of a rectified image, see above.

        Returns:
            Row, column, and True where it is one that the sensor has, each ``[rows, columns]``.
        """
        x, y = self.sources(rows, columns, cell)
        row, column = (
            np.rint(np.nan_to_num(one, nan=0.0).clip(0, most - 1)).astype(np.intp)
            for one, most in ((y, rows), (x, columns))
        )
        return row, column, self.known(rows, columns, cell)

    def remap_picture(self, picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Rectify a grey image of the sensor, ``[height, width]``; black where there is none."""
        places, weights = self._picture_maps
        found: npt.NDArray[np.uint8] = cv2.remap(picture, places, weights, cv2.INTER_LINEAR)
        return found

    def remap_depth(self, depth: Floats) -> Floats:
        """Rectify depth of the sensor without mixing distances.

        Args:
            depth: Metres along the optical axis, ``[rows, columns]`` of the sensor, or of cells of
                2x2 pixels; may hold NaN and infinities.

        Returns:
            Depth along the rectified axis, as ``depth``; NaN where the sensor has none.
        """
        rows, columns = depth.shape
        cell = max(1, round(self.calibration.width / columns))
        row, column, inside = self.nearest(rows, columns, cell)
        along = _rays(self._target(cell), rows, columns) @ self._rotation  # R^T of each ray
        found: Floats = np.where(inside, depth[row, column] / along[..., 2], np.nan)
        return found.astype(np.float32)

    def _target(self, cell: int) -> npt.NDArray[np.float64]:
        """Return the rectified camera matrix in cells, ``[3, 3]``."""
        matrix = self.rectified.matrix
        matrix[:2, 2] = (matrix[:2, 2] + 0.5) / cell - 0.5
        matrix[[0, 1], [0, 1]] /= cell
        return matrix

    @property
    def _is_fisheye(self) -> bool:
        return self.calibration.distortion_model in FISHEYE

    @property
    def _d(self) -> npt.NDArray[np.float64]:
        """Coefficients for OpenCV, which takes a few numbers of them only."""
        return np.array(self.calibration.d[: COEFFICIENTS[self.calibration.distortion_model][-1]])

    @functools.cached_property
    def _rotation(self) -> npt.NDArray[np.float64]:
        r = self.calibration.r
        return np.array(r).reshape(3, 3) if any(r) else np.eye(3)

    @functools.cached_property
    def _picture_maps(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        x, y = self.sources(self.calibration.height, self.calibration.width)
        outside = np.isnan(x)
        x[outside] = y[outside] = -10.0
        found: tuple[npt.NDArray[Any], npt.NDArray[Any]] = cv2.convertMaps(x, y, cv2.CV_16SC2)
        return found

    @functools.cached_property
    def _last_angle(self) -> float:
        """Largest angle from the optical axis up to which the lens does not fold, radians."""
        radii = self._radii()
        with np.errstate(invalid='ignore'):
            folds = np.flatnonzero(~(np.diff(radii) > 0))
        return float(_ANGLES[folds[0]]) if folds.size else float(_ANGLES[-1])

    def _radii(self) -> npt.NDArray[np.float64]:
        """Return the distance of each of ``_ANGLES`` from the centre, over the focal length."""
        d = np.zeros(8)
        radial = self._d[: len(d)]  # a thin prism, behind them, has no radius
        d[: len(radial)] = radial
        r = _ANGLES if self._is_fisheye else np.tan(_ANGLES)
        s = r**2
        if self._is_fisheye:
            radii = r * (1 + s * (d[0] + s * (d[1] + s * (d[2] + s * d[3]))))
            return np.asarray(radii)
        below = 1 + s * (d[5] + s * (d[6] + s * d[7]))
        with np.errstate(divide='ignore', invalid='ignore'):
            radii = r * (1 + s * (d[0] + s * (d[1] + s * d[4]))) / below
        # From a pole on there is no image; up to it the radii grow without bounds.
        radii[np.maximum.accumulate(~(below > 0))] = np.nan
        return np.asarray(radii)

    def _check_folds(self) -> None:
        """Refuse a distortion that shows a corner of the sensor at no angle."""
        given = self.calibration
        fx, fy, cx, cy = (given.k[n] for n in (0, 4, 2, 5))
        x = max(cx + 0.5, given.width - 0.5 - cx) / fx
        y = max(cy + 0.5, given.height - 0.5 - cy) / fy
        radii, last = self._radii(), self._last_angle
        seen = float(radii[int(np.searchsorted(_ANGLES, last))])
        # Pixels behind the last of the angles are of no pinhole camera, and no fold.
        if last < _ANGLES[-1] and seen < math.hypot(x, y):
            raise CalibrationError(
                f'distortion {given.distortion_model} {_numbers(given.d)} folds the image '
                f'{math.degrees(last):.1f} degrees from the axis, {seen * fx:.0f} pixels from the '
                f'centre; expected no fold up to the corners ({math.hypot(x, y) * fx:.0f} '
                'pixels): calibrate with the target in the corners, too'
            )

    def _check_picture(self) -> None:
        """Refuse a distortion that folds the image elsewhere: tangential coefficients do so."""
        given = self.calibration
        x, y = self.sources(-(-given.height // _COARSE), -(-given.width // _COARSE), _COARSE)
        right, low = given.width / _COARSE - 0.5, given.height / _COARSE - 0.5
        with np.errstate(invalid='ignore'):
            outside = ~((x >= -0.5) & (x <= right) & (y >= -0.5) & (y <= low))
        x[outside] = np.nan
        across, down = [[np.diff(one, axis=n) for one in (x, y)] for n in (1, 0)]
        area = across[0][1:] * down[1][:, 1:] - across[1][1:] * down[0][:, 1:]
        if (area <= 0).any():
            raise CalibrationError(
                f'distortion {given.distortion_model} {_numbers(given.d)} folds the image; '
                'expected each part of it once: calibrate again'
            )

    def _choose_projection(self) -> npt.NDArray[np.float64]:
        """Choose P where it is zeros: the largest image without pixels beyond the sensor."""
        given = self.calibration
        size, d = (given.width, given.height), self._d
        k = given.matrix
        try:
            if self._is_fisheye:
                chosen = cv2.fisheye.estimateNewCameraMatrixForUndistortRectify(
                    k, d, size, self._rotation
                )
            else:
                chosen, _ = cv2.getOptimalNewCameraMatrix(k, d, size, 0)
        except cv2.error:
            chosen = np.full((3, 3), np.nan)
        low, high = (factor * k[0, 0] for factor in SCALED)
        inside = given.is_region or (
            0 <= chosen[0, 2] < given.width and 0 <= chosen[1, 2] < given.height
        )
        if not (low <= chosen[0, 0] <= high and low <= chosen[1, 1] <= high and inside):
            raise CalibrationError(
                'P is zeros and none fits this distortion: set projection_matrix, as '
                'camera_calibration writes it'
            )
        return np.hstack([chosen, np.zeros((3, 1))])


class NewestLens:
    """Rectification of the newest message: found once for messages alike.

    Drivers send one with each packet.
    """

    def __init__(self) -> None:
        self._calibration: Calibration | None = None
        self._found: Rectification | CalibrationError | None = None

    def update(self, camera: Any) -> Rectification | None:
        """Return the rectification of a camera; None: it has no distortion.

        Args:
            camera: Its calibration, or a CameraInfo.

        Raises:
            CalibrationError: It has a distortion, region or binning that cannot be used.
        """
        calibration = Calibration.from_message(camera)
        if not any(calibration.d):
            return None
        if calibration != self._calibration:
            self._calibration = calibration
            try:
                self._found = Rectification(calibration)
            except CalibrationError as error:
                self._found = error
        if isinstance(self._found, CalibrationError):
            raise CalibrationError(str(self._found))
        return self._found


class CountRemap:
    """Remapping of the counts of windows, for one thread at a time.

    Args:
        rectification: The lens.
        size: Rows and columns of counts, of which those beyond ``used`` repeat its last ones.
        used: Rows and columns that lie on the sensor, at least in part.
        cell: Sensor pixels per side of a count.

    Attributes:
        x: Columns that counts are taken from, ``[rows, columns]`` float32.
        y: Rows likewise.
    """

    def __init__(
        self,
        rectification: Rectification,
        size: tuple[int, int],
        used: tuple[int, int],
        cell: int,
    ) -> None:
        x, y = rectification.sources(*used, cell)
        # Counts need a value everywhere: the nearest on the sensor; depth there is NaN.
        x = np.nan_to_num(x, nan=0.0).clip(0, used[1] - 1)
        y = np.nan_to_num(y, nan=0.0).clip(0, used[0] - 1)
        beyond = [(0, n - m) for n, m in zip(size, used, strict=True)]
        self.x, self.y = np.pad(x, beyond, 'edge'), np.pad(y, beyond, 'edge')
        self._maps = cv2.convertMaps(self.x, self.y, cv2.CV_16SC2)
        pixels = GROUP * size[0] * size[1]
        self._beside = np.empty(pixels, np.uint16)
        self._source, self._target = (np.empty(pixels, np.float32) for _ in range(2))

    def apply(self, counts: npt.NDArray[np.uint16], scale: int) -> None:
        """Remap counts in place, bilinearly.

        Args:
            counts: ``[bins, rows, columns]`` uint16, contiguous.
            scale: Factor on all counts, which still fit then. Results are rounded down.
        """
        rows, columns = counts.shape[1:]
        for first in range(0, len(counts), GROUP):
            some = counts[first : first + GROUP].reshape(-1, rows * columns)
            bins = len(some)
            beside, source, target = (
                one[: some.size].reshape(rows * columns, bins)
                for one in (self._beside, self._source, self._target)
            )
            # Side by side: a place and its weights are looked up once for all bins.
            cv2.transpose(some, dst=beside)
            np.copyto(source, beside)
            cv2.remap(
                source.reshape(rows, columns, bins), *self._maps, cv2.INTER_LINEAR,
                dst=target.reshape(rows, columns, bins), borderMode=cv2.BORDER_REPLICATE,
            )  # fmt: skip
            np.multiply(target, np.float32(scale), out=beside, casting='unsafe')
            cv2.transpose(beside, dst=some)


def _check_values(given: Calibration, off_centre: float) -> None:
    """Check the numbers of a calibration with distortion."""
    expected = COEFFICIENTS.get(given.distortion_model)
    if expected is None:
        raise CalibrationError(
            f'distortion model {given.distortion_model!r}; expected one of '
            f'{", ".join(COEFFICIENTS)}: calibrate by one of these'
        )
    behind = given.d[expected[-1] :] if given.distortion_model == 'plumb_bob' else ()
    if len(given.d) - len(behind) not in expected or any(behind):
        zeros = ', or zeros behind these' if behind else ''
        raise CalibrationError(
            f'D has {len(given.d)} coefficients; expected {" or ".join(map(str, expected))} for '
            f'{given.distortion_model}{zeros}: calibrate again'
        )
    for name, values, count in (
        ('D', given.d, len(given.d)), ('K', given.k, 9), ('R', given.r, 9), ('P', given.p, 12),
    ):  # fmt: skip
        if len(values) != count:
            raise CalibrationError(f'{name} has {len(values)} numbers; expected {count}')
        if not all(map(math.isfinite, values)):
            raise CalibrationError(f'{name} is {_numbers(values)}; expected finite numbers')
    if any(given.d[_TILT:]):
        raise CalibrationError(
            f'D has a tilted sensor, {_numbers(given.d[_TILT:])} as its last coefficients; '
            'expected 0 and 0: calibrate without a tilted model'
        )
    if max(map(abs, given.d)) > _LARGEST:
        raise CalibrationError(f'D is {_numbers(given.d)}; expected at most {_LARGEST:g} each')
    if not (0 < given.width < 32767 and 0 < given.height < 32767):  # limit of cv2.remap
        raise CalibrationError(
            f'size {given.width}x{given.height}; expected 1 to 32766 pixels each way'
        )
    check_matrix('K', given.matrix, given, off_centre)
    if any(given.p):
        check_matrix('P', np.array(given.p).reshape(3, 4)[:, :3], given, off_centre)
    r = np.array(given.r).reshape(3, 3)
    turned = np.abs(r).max() <= 2 and np.allclose(r @ r.T, np.eye(3), atol=1e-3)
    if any(given.r) and not (turned and np.linalg.det(r) > 0):
        raise CalibrationError(f'R is {_numbers(given.r)}; expected a rotation, or zeros')


def check_camera(given: Calibration) -> None:
    """Check K of a camera, with or without distortion; K[0] = 0: not calibrated.

    Raises:
        CalibrationError: K is none, or that of another size; or D does not tell which lens it is.
    """
    k = given.matrix
    fx, fy = k[0, 0], k[1, 1]
    if not (math.isfinite(fx) and math.isfinite(fy) and fx >= 0 and fy >= 0):
        raise CalibrationError(
            f'focal lengths {fx:g} and {fy:g} in K, expected finite values, not negative'
        )
    if not np.isfinite(k).all():
        raise CalibrationError(f'K is {_numbers(k.ravel())}, expected finite numbers')
    if not fx:
        return
    check_matrix('K', k, given)
    if given.distortion_model in FISHEYE and given.d and not any(given.d):
        raise CalibrationError(
            f'D of the model {given.distortion_model} is zeros, by which some programs bend rays '
            'and others do not; expected numbers, or plumb_bob for a lens without distortion'
        )


def check_matrix(
    name: str, matrix: npt.NDArray[np.float64], given: Calibration, off_centre: float = OFF_CENTRE
) -> None:
    """Check a camera matrix, ``[3, 3]``.

    Args:
        name: Name of the matrix.
        matrix: The matrix.
        given: Its camera.
        off_centre: Largest distance of the principal point from the centre, see
            :data:`OFF_CENTRE`; infinity: any.

    Raises:
        CalibrationError: It is none, or that of another size.
    """
    fx, fy, cx, cy = matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]
    check_focal_lengths(fx, fy, name)
    if not np.array_equal(matrix, [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]):
        raise CalibrationError(
            f'{name} is {_numbers(matrix.ravel())}; expected fx 0 cx, 0 fy cy, 0 0 1'
        )
    longest = max(given.width, given.height)
    if not all(longest / 1000 <= f <= longest * 1000 for f in (fx, fy)):
        raise CalibrationError(
            f'{name} has focal lengths {fx:g} and {fy:g}; expected {longest / 1000:g} to '
            f'{longest * 1000:g} pixels: calibrate again'
        )
    across, down = (abs((c + 0.5) / n - 0.5) for c, n in ((cx, given.width), (cy, given.height)))
    if not max(across, down) <= (math.inf if given.is_region else off_centre):
        raise CalibrationError(
            f'{name} has its principal point at ({cx:g}, {cy:g}), far from the centre of '
            f'{given.width}x{given.height} pixels; expected a calibration of this size: calibrate '
            'again'
        )


def _rays(matrix: npt.NDArray[np.float64], rows: int, columns: int) -> npt.NDArray[np.float64]:
    """Return the ray of each pixel, ``[rows, columns, 3]``, with 1 along the axis."""
    rays = np.ones((rows, columns, 3))
    rays[..., 0] = (np.arange(columns) - matrix[0, 2]) / matrix[0, 0]
    rays[..., 1] = ((np.arange(rows) - matrix[1, 2]) / matrix[1, 1])[:, None]
    return rays


def _numbers(values: Any) -> str:
    return ' '.join(f'{value:g}' for value in values)
