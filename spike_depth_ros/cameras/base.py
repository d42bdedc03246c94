# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Interface of the back ends of cameras, and their settings."""

from __future__ import annotations

import abc
import dataclasses
import importlib
import pkgutil
from typing import Annotated, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base.errors import OneLineError
from spike_depth_ros.base.schema import Problems, across
from spike_depth_ros.base.values import one_of, within
from spike_depth_ros.cameras import backends
from spike_depth_ros.stream.chunk import BitOrder, Geometry, PackedPlanes

NAMES = tuple(sorted(found.name for found in pkgutil.iter_modules(backends.__path__)))
"""Names of the back ends: of the modules in ``cameras/backends/``."""


class CameraError(OneLineError):
    """Error of a camera that cannot be opened, or that has failed; has reason and remedy."""


class StreamEnd(Exception):  # noqa: N818 (no error)
    """End of a file or pipe: no more planes will come."""


@dataclasses.dataclass(frozen=True)
class CameraSettings:
    """Settings of a camera that all back ends share; each uses those that it needs."""

    backend: Annotated[str, one_of(*NAMES)] = 'spikelink'
    """What reads the camera: spikelink (the SDK of M1K40), pipe (packed planes of a program), file
    (a recording in its place)."""
    device: str = ''
    """Of spikelink: driver library of the card (libhda100.so), or a raw file for the SDK's dummy
    camera; of pipe: a named pipe, empty for standard input; of file: the recording."""
    library: str = 'libspikelinkapi.so'
    """Library of the camera's SDK: a path, or a name that the loader finds."""
    sensor_width: Annotated[int, within(0, 16_384)] = 0
    """Columns of the sensor, pixels; 0: as recorded."""
    sensor_height: Annotated[int, within(0, 16_384)] = 0
    """Rows of the sensor, pixels; 0: as recorded."""
    rate_hz: Annotated[float, within(0, 1_000_000)] = 0.0
    """Planes a second; 0: as recorded."""
    bit_order: Literal['auto', 'little', 'big'] = 'auto'
    """Leftmost pixel in the lowest (little) or highest bit of a byte; auto: little, or as
    recorded."""
    row_order: Literal['auto', 'bottom_up', 'top_down'] = 'auto'
    """Row that comes first; auto: top_down of spikelink, bottom_up of a pipe or raw file (Vidar),
    or as recorded."""
    frame_planes: Annotated[int, within(1, 10_000)] = 1
    """Planes in a frame of the SDK."""
    frames: Annotated[int, within(2, 100_000)] = 2048
    """Frames that the SDK holds: 2048 of one plane are 0.1 s at 20 kHz."""
    ring_mb: Annotated[int, within(1, 65_536)] = 256
    """Memory for planes that wait to be published, MB; when it is full, planes are lost and
    counted."""
    every_nth: Annotated[int, within(1, 10_000)] = 1
    """Publish every n-th plane alone; the stamps have the rate that is left."""
    loop: bool = True
    """Begin a file again at its end; stamps go on."""

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of the sensor, pixels; None: as recorded."""
        size = self.sensor_width, self.sensor_height
        return size if all(size) else None

    @property
    def given_bit_order(self) -> BitOrder | None:
        """Bit order; None: the default."""
        return None if self.bit_order == 'auto' else self.bit_order

    @property
    def given_row_order(self) -> Literal['bottom_up', 'top_down'] | None:
        """Row order; None: the default."""
        return None if self.row_order == 'auto' else self.row_order

    @across('sensor_width', 'sensor_height')
    def _both_sides(self) -> Problems:
        if bool(self.sensor_width) != bool(self.sensor_height):
            yield 'sensor_width or sensor_height is 0: expected both of them, or none'

    @across('device')
    def _a_device(self) -> Problems:
        if not self.device and self.backend == 'file':
            yield 'device is empty: expected a recording'


@dataclasses.dataclass(frozen=True)
class Sensor:
    """What an open camera delivers.

    Attributes:
        geometry: Sensor size and bit order.
        rate_hz: Planes a second.
        matrix: Camera matrix, ``[3, 3]`` pixels; None: not known.
    """

    geometry: Geometry
    rate_hz: float
    matrix: npt.NDArray[np.float64] | None = None


class Block(NamedTuple):
    """Planes of a camera, and what was lost before them.

    Attributes:
        planes: ``[planes, height, row_bytes]`` uint8, top row first; may be none. A view that is
            valid until the next block is read.
        first: Number of the first plane since the start of the camera; those lost have one, too.
        stride: Step to the number of the next plane: 1, or ``every_nth`` where the camera leaves
            out the others itself.
        missing: Planes before them that the device did not deliver, by its numbers.
        overrun: Planes before them that found the ring full.
        refused: Planes of frames of another size since the block before.
    """

    planes: PackedPlanes
    first: int
    stride: int = 1
    missing: int = 0
    overrun: int = 0
    refused: int = 0


class Camera(abc.ABC):
    """Camera of one back end. The five methods are called by one thread at a time, in this order.

    Args:
        settings: Its settings.

    Attributes:
        warnings: What the user should know and was not told yet, one line each.
    """

    def __init__(self, settings: CameraSettings) -> None:
        self.settings = settings
        self.warnings: list[str] = []

    @abc.abstractmethod
    def open(self) -> Sensor:
        """Open the device.

        Raises:
            CameraError: It cannot be opened; nothing of it is held.
        """

    @abc.abstractmethod
    def start(self) -> None:
        """Begin to take planes.

        Raises:
            CameraError: The device does not start.
        """

    @abc.abstractmethod
    def read(self, most: int, wait_s: float) -> Block | None:
        """Return the next planes, between start and stop.

        Args:
            most: Planes at most, with those left out; fewer only if they do not come in time, or
                before a gap.
            wait_s: Longest wait, seconds.

        Returns:
            The planes; None: there are none yet.

        Raises:
            CameraError: The device has failed.
            StreamEnd: The stream is over.
        """

    @abc.abstractmethod
    def stop(self) -> None:
        """Take no more planes; it may start again. Allowed in any state."""

    @abc.abstractmethod
    def close(self) -> None:
        """Close the device and release what is held; it may be opened again. Always allowed."""


def find(name: str) -> type[Camera]:
    """Return the class of a back end.

    Args:
        name: One of :data:`NAMES`.
    """
    module = importlib.import_module(f'{backends.__name__}.{name}')
    kind: type[Camera] = module.BACKEND
    return kind


def listing() -> str:
    """Return the back ends, a line each."""
    width = max(map(len, NAMES))
    return '\n'.join(
        f'{name:{width}}  {(find(name).__doc__ or "").splitlines()[0]}' for name in NAMES
    )
