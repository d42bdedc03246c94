# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What readers of data sets hand out: recordings of frames, or of spikes, some with true depth."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from spike_depth_ros.chunk import Geometry, PackedPlanes

Matrix = npt.NDArray[np.float64]
Times = npt.NDArray[np.float64]
Rgb = npt.NDArray[np.uint8]
Depth = npt.NDArray[np.float32]


class Clip(ABC):
    """A recording of one camera: frames in the order of time, some of them with depth.

    Frames are read when they are asked for, never all at once.

    Attributes:
        name: For reports, ``sevenscenes/kitchen/seq-01``.
        camera: Camera matrix of the images as they are stored, ``[3, 3]`` pixels; the centre of
            the top left pixel lies at (0, 0). Depth is registered to the image and of its size.
        times_s: When the frames were taken, ``[N]`` seconds, increasing; from stamps, or number /
            nominal rate.
        labelled: Numbers of the frames with depth, increasing.
        skipped: Frames that the reader left out, their names by reason.
    """

    name: str
    camera: Matrix
    times_s: Times
    labelled: tuple[int, ...]
    skipped: dict[str, list[str]]

    def __len__(self) -> int:
        return len(self.times_s)

    @abstractmethod
    def image(self, index: int) -> Rgb:
        """A frame, ``[H, W, 3]`` uint8 RGB, gamma encoded as it is stored.

        Raises:
            FrameError: It cannot be read.
        """

    @abstractmethod
    def depth(self, index: int) -> Depth | None:
        """True depth along the optical axis at a frame, None where there is none.

        Returns:
            ``[H, W]`` float32 metres, NaN where nothing is known, +Inf for sky where the data set
            tells it.

        Raises:
            FrameError: It cannot be read, or holds something else than depth.
        """


@dataclasses.dataclass(frozen=True)
class SpikeClip:
    """A recording of a spike camera, some planes with depth.

    Attributes:
        name: For reports.
        geometry: Sensor size and bit order.
        planes: Packed planes in the order of time, ``[planes, H, row_bytes]`` uint8, top row
            first; may be a read-only view of a file.
        rate_hz: Planes a second.
        camera: Camera matrix, ``[3, 3]`` pixels; None where the data set tells none.
        depth_planes: Plane that each depth map belongs to, ``[M]``, increasing.
        depths: What reads each map: ``[H, W]`` float32 metres, NaN unknown, +Inf sky. Raises
            FrameError if it cannot be read.
        skipped: Depth maps that the reader left out, their names by reason.
    """

    name: str
    geometry: Geometry
    planes: PackedPlanes
    rate_hz: float
    camera: Matrix | None
    depth_planes: npt.NDArray[np.int64]
    depths: tuple[Callable[[], Depth], ...]
    skipped: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    def depth(self, number: int) -> Depth:
        """A depth map; ``depth_planes[number]`` is its plane.

        Raises:
            FrameError: It cannot be read, or holds something else than depth.
        """
        return self.depths[number]()
