# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What readers of data sets hand out: recordings of frames, or of spikes, some with true depth."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from spike_depth_ros.stream.chunk import Geometry, PackedPlanes

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
        video: Whether frames follow one another closely, so that what moves between them can be
            found; else they are single pictures, seen standing still.
    """

    name: str
    camera: Matrix
    times_s: Times
    labelled: tuple[int, ...]
    skipped: dict[str, list[str]]
    video: bool = True

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
    """A recording of a spike camera without gaps, some planes with depth.

    Planes and maps are read when they are asked for, never all at once.

    Attributes:
        name: For reports.
        geometry: Sensor size and bit order.
        planes: How many planes.
        rate_hz: Planes a second.
        camera: Camera matrix, ``[3, 3]`` pixels; None where nothing tells it.
        load: Reads planes from a first one up to before a last one: packed,
            ``[planes, H, row_bytes]`` uint8, top row first.
        depth_planes: The plane that each depth map belongs to, increasing.
        depths: What reads each map: ``[H, W]`` float32 metres, NaN unknown, +Inf sky. It and
            ``load`` raise FrameError for what cannot be read.
        skipped: What the reader left out, names by reason.
    """

    name: str
    geometry: Geometry
    planes: int
    rate_hz: float
    camera: Matrix | None
    load: Callable[[int, int], PackedPlanes]
    depth_planes: tuple[int, ...]
    depths: tuple[Callable[[], Depth], ...]
    skipped: dict[str, list[str]] = dataclasses.field(default_factory=dict)
