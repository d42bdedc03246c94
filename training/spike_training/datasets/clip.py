# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings that readers of data sets return: of frames or of spikes, some with true depth."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spike_depth_ros.geometry.rectification import Rectification
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.stream.chunk import Geometry, PackedPlanes
from spike_training.datasets.labels import Labels
from spike_training.events.stream import Events

Matrix = npt.NDArray[np.float64]
Times = npt.NDArray[np.float64]
Rgb = npt.NDArray[np.uint8]
Grey = npt.NDArray[np.float32]
Depth = npt.NDArray[np.float32]
Disparity = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class RightFrames:
    """Right eye of a clip of frames, rectified: its rows are those of the left one.

    The principal points may have other columns: what is infinitely far has the disparity
    ``rig.offset_px``.

    Attributes:
        frames: Numbers of the frames that are pairs, increasing; with or without depth.
        image: Function that reads the right frame of a number, as :attr:`Clip.image` the left one.
        disparity: Function that reads the true disparity of a number: left less right column,
            ``[H, W]`` float32 pixels of the left frame, NaN unknown. It raises FrameError as well.
        rig: Calibrations of both eyes; None: unknown, a disparity has no metres.
        modality: What the right camera sees, such as ``nir``; empty: the same as the left one.
    """

    frames: tuple[int, ...]
    image: Callable[[int], Rgb]
    disparity: Callable[[int], Disparity]
    rig: StereoRig | None
    modality: str = ''


@dataclasses.dataclass(frozen=True)
class RightSpikes:
    """Right eye of a recording of spikes.

    Planes of both eyes with the same numbers are of one time. They are those of the sensors:
    ``rig.rectifications`` has what makes their rows correspond. The principal points may have
    other columns, as in :class:`RightFrames`.

    Attributes:
        load: Function that reads its planes, as :attr:`SpikeClip.load` those of the left eye. Of a
            bag, the middle planes of both are the nearest ones by their stamps.
        rig: Calibrations of both eyes.
    """

    load: Callable[[int, int], PackedPlanes]
    rig: StereoRig


class CameraPoses(NamedTuple):
    """Poses of the camera of a clip.

    Attributes:
        times_s: Their times by the clip's clock, ``[M]`` seconds, increasing.
        matrices: From the camera (z forward, x right) to the world, ``[M, 4, 4]`` metres.
    """

    times_s: Times
    matrices: npt.NDArray[np.float64]


@dataclasses.dataclass(eq=False)
class Clip:
    """Recording of one camera: frames in the order of time, some of them with depth.

    Frames are read on demand, never all at once. Functions that read them take their numbers, and
    raise FrameError for what cannot be read.

    Attributes:
        name: Name for reports, such as ``sevenscenes/kitchen/seq-01``.
        camera: Camera matrix of the images as they are stored, ``[3, 3]`` pixels; the centre of
            the top left pixel lies at (0, 0). Depth is registered to the image and of its size.
            None: unknown, and no frame has depth.
        times_s: Times of the frames, ``[N]`` seconds, increasing; from stamps, or number / nominal
            rate.
        image: Function that reads a frame, ``[H, W, 3]`` uint8 RGB, gamma encoded as it is stored.
        depth: Function that reads true depth along the optical axis: ``[H, W]`` float32 metres,
            NaN where unknown, +Inf for sky where the data set marks it; None where there is none.
        labelled: Numbers of the frames with depth, increasing.
        skipped: Names of the frames that the reader left out, by reason.
        video: True if frames follow one another closely, so that motion between them can be
            estimated; else they are single images, shown without motion.
        goes_on: True if the motion between the frames goes on before the first and after the last
            one, for a short time; else the image stands still there.
        mean_rate: Firing rate that simulated spikes aim at, spikes per plane, above 0 to 1; None:
            that of the settings.
        right: Right eye; None: there is none.
        labels: Origin of depth that a foundation model has made; None: it is measured or rendered.
        poses: Poses of the camera at some of the frames; None: unknown.
        modality: What the pictures are of where it is not colour, such as ``nir``.
        events: Function that reads the events of the same pixels from one time to another one, by
            the clip's clock, seconds; it raises FrameError as well. None: there are none.
    """

    name: str
    camera: Matrix | None
    times_s: Times
    image: Callable[[int], Rgb]
    depth: Callable[[int], Depth | None]
    labelled: tuple[int, ...]
    skipped: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    video: bool = True
    goes_on: bool = False
    mean_rate: float | None = None
    right: RightFrames | None = None
    labels: Labels | None = None
    poses: CameraPoses | None = None
    modality: str = ''
    events: Callable[[float, float], Events] | None = None

    def __len__(self) -> int:
        return len(self.times_s)


@dataclasses.dataclass(frozen=True)
class SpikeClip:
    """Recording of a spike camera without gaps, some planes with depth.

    Planes and maps are read on demand, never all at once.

    Attributes:
        name: Name for reports.
        geometry: Sensor size and bit order.
        planes: Number of planes.
        rate_hz: Planes a second.
        camera: Camera matrix, ``[3, 3]`` pixels; None where it is unknown. That of rectified
            images where there is a rectification.
        load: Function that reads the planes from a start up to before a stop: packed,
            ``[planes, H, row_bytes]`` uint8, top row first.
        depth_planes: Number of the plane of each depth map, increasing.
        depths: Functions that read the maps: ``[H, W]`` float32 metres, NaN unknown, +Inf sky.
            They and ``load`` raise FrameError for data that cannot be read.
        skipped: Names of what the reader left out, by reason.
        image_planes: Number of the plane of each sharp reference image, increasing.
        images: Functions that read them: brightness, ``[H, W]`` float32, 0 to 1. They raise
            FrameError as well.
        white_rate: Firing rate, spikes per plane, of brightness 1.
        rectification: Rectification of the lens, for samples: planes, depth and images are those
            of the sensor. None: none.
        right: Right eye, with the left one's geometry and planes; None: there is none.
        labels: As in :class:`Clip`.
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
    image_planes: tuple[int, ...] = ()
    images: tuple[Callable[[], Grey], ...] = ()
    white_rate: float = 1.0
    rectification: Rectification | None = None
    right: RightSpikes | None = None
    labels: Labels | None = None

    def between(self, first: int, last: int) -> SpikeClip:
        """Return the recording of some of the planes, with what belongs to them.

        Args:
            first: First plane.
            last: Plane after the last one.
        """
        load, right = self.load, self.right
        if right is not None:
            of_right = right.load
            right = dataclasses.replace(right, load=lambda a, b: of_right(first + a, first + b))
        depths, images = (
            [(at - first, read) for at, read in zip(*both, strict=True) if first <= at < last]
            for both in ((self.depth_planes, self.depths), (self.image_planes, self.images))
        )
        return dataclasses.replace(
            self,
            planes=last - first,
            load=lambda a, b: load(first + a, first + b),
            depth_planes=tuple(plane for plane, _ in depths),
            depths=tuple(read for _, read in depths),
            image_planes=tuple(plane for plane, _ in images),
            images=tuple(read for _, read in images),
            right=right,
        )
