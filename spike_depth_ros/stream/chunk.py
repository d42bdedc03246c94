# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Chunks of bit-packed spike planes, the common type of readers, topics and windows."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
import numpy.typing as npt

BitOrder = Literal['little', 'big']
"""Leftmost pixel of a byte: ``little``: its lowest bit (Vidar); ``big``: its highest."""

PackedPlanes = npt.NDArray[np.uint8]
"""Packed planes, ``[planes, height, ceil(width / 8)]`` uint8, top row first."""


@dataclasses.dataclass(frozen=True)
class Geometry:
    """Geometry of a packed plane: sensor size in pixels and bit order.

    Raises:
        ValueError: The size is not positive or the bit order is unknown.
    """

    height: int
    width: int
    bit_order: BitOrder = 'little'

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise ValueError(
                f'sensor size {self.width}x{self.height}: expected width and height of at least 1'
            )
        if self.bit_order not in ('little', 'big'):
            raise ValueError(f"bit order {self.bit_order!r}: expected 'little' or 'big'")

    @property
    def row_bytes(self) -> int:
        """Bytes of one packed row; its padding bits at the right are 0."""
        return (self.width + 7) // 8

    @property
    def plane_bytes(self) -> int:
        """Bytes of one packed plane."""
        return self.height * self.row_bytes

    def __str__(self) -> str:
        return f'{self.width}x{self.height} {self.bit_order}'


@dataclasses.dataclass(frozen=True)
class SpikeChunk:
    """Consecutive planes as they came from a file, a pipe or a message.

    Attributes:
        data: Packed planes, ``[planes, height, row_bytes]`` uint8, top row first. A reader may
            return a view with any strides (a bottom-up file is a flipped view). Read-only.
        geometry: Sensor size and bit order.
        t0_ns: Time of the first plane, integer nanoseconds.

    Raises:
        ValueError: The data does not have the geometry's shape, is empty or is not uint8.
    """

    data: PackedPlanes
    geometry: Geometry
    t0_ns: int

    def __post_init__(self) -> None:
        expected = (self.geometry.height, self.geometry.row_bytes)
        if self.data.dtype != np.uint8 or self.data.ndim != 3 or self.data.shape[1:] != expected:
            raise ValueError(
                f'packed planes are {self.data.dtype} {list(self.data.shape)}, expected uint8 '
                f'[planes, {expected[0]}, {expected[1]}] for a sensor of {self.geometry}'
            )
        if len(self.data) == 0:
            raise ValueError('a chunk without planes; expected at least one')

    @property
    def planes(self) -> int:
        """Number of planes."""
        return len(self.data)
