# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Window of planes, the input of an estimator, and its choice from a stream."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from spike_depth_ros.geometry.calibration import Calibration
from spike_depth_ros.geometry.rectification import Rectification
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import BitOrder, Geometry, PackedPlanes

Policy = Literal['latest', 'every']
"""Choice of windows: ``latest``: the newest full window, older planes are skipped; ``every``:
one each hop."""

ReferencePlane = Literal['first', 'middle', 'last']
"""Plane of a window that its depth belongs to."""


def reference_index(reference: ReferencePlane, planes: int) -> int:
    """Return the index of the reference plane in a window of ``planes`` planes."""
    return {'first': 0, 'middle': planes // 2, 'last': planes - 1}[reference]


def planes_after_reference(reference: ReferencePlane, planes: int) -> int:
    """Return the planes after the reference plane in a window of ``planes`` planes."""
    return planes - 1 - reference_index(reference, planes)


@dataclasses.dataclass(frozen=True)
class Camera:
    """Camera of a stream at one time: its optical frame and its calibration.

    Attributes:
        frame_id: Optical frame; empty: unknown.
        fx_px: Focal length of the calibration in sensor pixels, of rectified pictures where the
            lens is rectified; None: not calibrated.
        info: Message of the calibration; None: not received. Not part of comparisons.
        rectification: Rectification of the lens, which estimators apply; None: none.
    """

    frame_id: str = ''
    fx_px: float | None = None
    info: Any = dataclasses.field(default=None, compare=False)
    rectification: Rectification | None = None

    @functools.cached_property
    def calibration(self) -> Calibration | None:
        """Calibration of rectified pictures, or of the sensor; None: not received."""
        if self.rectification is not None:
            return self.rectification.rectified
        return None if self.info is None else Calibration.from_message(self.info)

    @property
    def matrix(self) -> list[float] | None:
        """Matrix K of rectified pictures, or of the sensor, row by row; None: not calibrated."""
        if self.fx_px is None or self.calibration is None:
            return None
        return [*self.calibration.k]


UNKNOWN_CAMERA = Camera()
"""Camera of planes without one."""


@dataclasses.dataclass(frozen=True)
class Window:
    """Consecutive packed planes: the input of an estimator.

    Attributes:
        data: Packed planes, ``[planes, height, row_bytes]`` uint8, contiguous, top row first.
        geometry: Sensor size and bit order.
        t0_ns: Time of the first plane, integer nanoseconds.
        period_ns: Time between planes, integer nanoseconds, at least 1.
        reference_plane: Index of the plane that the depth belongs to.
        reference_ns: Time of that plane, integer nanoseconds.
        camera: Camera of that plane. Depth is predicted for the focal length of the
            :class:`~spike_depth_ros.estimator.Observation`, which may differ.
        segment: Number of the part of the stream without a gap that the planes are from.
    """

    data: PackedPlanes
    geometry: Geometry
    t0_ns: int
    period_ns: int
    reference_plane: int
    reference_ns: int
    camera: Camera = UNKNOWN_CAMERA
    segment: int = 0

    @property
    def planes(self) -> int:
        """Number of planes."""
        return len(self.data)

    @property
    def rate_hz(self) -> float:
        """Planes a second."""
        return 1e9 / self.period_ns

    def middle(self, planes: int) -> Window:
        """Return the window of some planes around the reference plane.

        Where the reference plane is near an end, it is not in the middle.

        Args:
            planes: Number of planes, 1 to that of this window.

        Raises:
            ValueError: This window has fewer planes.
        """
        if not 1 <= planes <= self.planes:
            raise ValueError(f'{planes} planes: expected 1 to {self.planes}, those of the window')
        first = max(0, min(self.reference_plane - planes // 2, self.planes - planes))
        return dataclasses.replace(
            self,
            data=self.data[first : first + planes],
            t0_ns=self.t0_ns + first * self.period_ns,
            reference_plane=self.reference_plane - first,
        )

    @classmethod
    def from_planes(
        cls,
        spikes: npt.ArrayLike,
        rate_hz: float,
        bit_order: BitOrder = 'little',
        t0_ns: int = 0,
        reference: ReferencePlane = 'middle',
    ) -> Window:
        """Pack unpacked planes into a window.

        Args:
            spikes: ``[planes, height, width]`` of bool, or numbers 0 and 1; top row first.
            rate_hz: Planes a second, above 0 and at most 1e9.
            bit_order: Bit order of the packed window, see
                :data:`~spike_depth_ros.stream.chunk.BitOrder`.
            t0_ns: Time of the first plane, nanoseconds.
            reference: The plane that the depth belongs to.

        Raises:
            ValueError: Not three-dimensional, empty, values other than 0 and 1, or the rate is not
                a number or out of range.
        """
        array = np.asarray(spikes)
        _check_spikes(array)
        rate: object = rate_hz
        number = isinstance(rate, (int, float, np.integer, np.floating))
        if not number or not 0 < rate_hz <= 1e9:
            raise ValueError(
                f'plane rate {rate_hz!r} Hz: expected a number of planes a second above 0 and at '
                'most 1e9, for example 20000'
            )
        period_ns = round(1e9 / rate_hz)
        index = reference_index(reference, len(array))
        return cls(
            data=packing.pack(array, bit_order),
            geometry=Geometry(array.shape[1], array.shape[2], bit_order),
            t0_ns=t0_ns,
            period_ns=period_ns,
            reference_plane=index,
            reference_ns=t0_ns + index * period_ns,
        )


def _check_spikes(spikes: npt.NDArray[Any]) -> None:
    if spikes.ndim != 3 or spikes.size == 0:
        raise ValueError(f'spikes {list(spikes.shape)}: expected [planes, height, width]')
    if spikes.dtype.kind not in 'buif':
        raise ValueError(f'spikes of type {spikes.dtype}: expected bool, or numbers 0 and 1')
    if spikes.dtype.kind == 'b':
        return
    wrong = spikes[(spikes != 0) & (spikes != 1)]
    if wrong.size:
        raise ValueError(
            f'spikes hold {wrong.size} values other than 0 and 1, the first is {wrong[0]}: '
            'expected 1 where a pixel fired: convert a mask by mask > 0, and grey frames by '
            'simulation'
        )
