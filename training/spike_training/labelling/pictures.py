# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the model sees of clips of frames, videos and recordings of spikes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from spike_depth_ros.estimator import ImageEstimator
from spike_depth_ros.geometry.calibration import Calibration
from spike_depth_ros.io.orientation import QUARTER
from spike_depth_ros.io.video.frames import VideoError, VideoFile, VideoTimeError
from spike_depth_ros.stream import packing, preview
from spike_depth_ros.stream.chunk import PackedPlanes
from spike_depth_ros.stream.window import Window, reference_index
from spike_training.datasets import readers
from spike_training.datasets.clip import Clip, Depth, Matrix, Rgb, SpikeClip
from spike_training.datasets.labels import Labels
from spike_training.datasets.suitability import check_light
from spike_training.errors import ConfigError, DataSetError, FrameError
from spike_training.labelling.files import (
    has_frame_label,
    prepare_frames,
    prepare_windows,
    window_label,
    write_frame,
    write_window,
)
from spike_training.labelling.settings import WINDOW_STEP, LabelSettings, Video

Render = Callable[[Window], npt.NDArray[np.uint8]]
"""Function from a window to a grey picture, ``[H, W]``."""

FINEST, NEAR = 10, 0.05
"""Steps in the shortest gap of a clip, at most, and how near to one a frame is on it."""

_PICTURE_BYTES, _DEPTH_BYTES = 3, 4
"""Bytes of a pixel on the disk, at most."""


class Seen(NamedTuple):
    """Picture to label.

    Attributes:
        number: Of its frame or plane.
        picture: ``[H, W, 3]`` uint8 RGB.
        planes: Window that is written with the label; None of frames.
        known: ``[H, W]``, False where a rectified picture shows nothing; None: nowhere.
    """

    number: int
    picture: Rgb
    planes: PackedPlanes | None = None
    known: npt.NDArray[np.bool_] | None = None


class Unseen(NamedTuple):
    """Picture that cannot be used: number of its frame or plane, and the reason."""

    number: int
    reason: str


class Pictures(ABC):
    """Pictures of one recording that are to be labelled.

    Attributes:
        name: Name of the recording.
        of: What its pictures are numbered by, ``frame`` or ``plane``.
        folder: Folder of its labels.
        camera: Camera matrix, ``[3, 3]`` pixels; None: unknown.
        frame_hz: Frames a second, for the reader of the labels; 0: single images; None: windows,
            or frames whose names are their times.
        skipped: Names of what the reader left out, by reason.
        planned: Number of its labels; of a video by its header.
        present: Number of those that exist.
        nbytes: Approximate size of a label with its picture or window, bytes.
    """

    name: str
    of: Literal['frame', 'plane']
    folder: Path
    camera: Matrix | None
    frame_hz: float | None
    skipped: Mapping[str, list[str]]
    planned: int
    present: int
    nbytes: int

    @abstractmethod
    def see(self) -> Iterator[Seen | Unseen]:
        """Yield the pictures that have no label yet, in order."""

    @abstractmethod
    def prepare(self, labels: Labels) -> None:
        """Make the folder, with camera and origin of the labels."""

    @abstractmethod
    def write(self, seen: Seen, depth: Depth, labels: Labels) -> None:
        """Write a label with its picture or window."""


class _Frames(Pictures):
    """Pictures that are written as they are."""

    of = 'frame'

    def prepare(self, labels: Labels) -> None:
        """Implement :meth:`Pictures.prepare`."""
        prepare_frames(self.folder, self.camera, labels)

    def write(self, seen: Seen, depth: Depth, labels: Labels) -> None:
        """Implement :meth:`Pictures.write`."""
        write_frame(self.folder, self._stem(seen.number), seen.picture, depth, labels)

    def _missing(self, number: int) -> bool:
        return not has_frame_label(self.folder, self._stem(number))

    def _stem(self, number: int) -> str:
        """Return the name of a frame's files without suffix."""
        return f'{number:06d}'


def numbered(times_s: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
    """Return numbers of frames whose times are multiples of one step, gaps too.

    Args:
        times_s: Times of the frames, ascending; two or more.

    Returns:
        Numbers a second, and the number of each frame: the coarsest within :data:`NEAR` steps of
        each time, else :data:`FINEST` in the shortest gap.
    """
    shortest_s, since_s = float(np.diff(times_s).min()), times_s - times_s[0]
    for parts in range(1, FINEST + 1):
        exact = since_s * parts / shortest_s
        numbers = np.floor(exact + 0.5)
        if np.abs(exact - numbers).max() <= NEAR:
            break
    return parts / shortest_s, numbers


class ClipPictures(_Frames):
    """Frames of a clip.

    Args:
        clip: The clip.
        folder: Folder of its labels.
        settings: Settings of the labels.
    """

    def __init__(self, clip: Clip, folder: Path, settings: LabelSettings) -> None:
        self.name, self.folder, self.camera = clip.name, folder, clip.camera
        self.skipped, self._clip = clip.skipped, clip
        self.frame_hz, names = 0.0, np.arange(float(len(clip)))
        if clip.video and len(clip) > 1:
            # Numbers by which, and this rate, readers find the times again, gaps too.
            self.frame_hz, names = numbered(clip.times_s)
        chosen = range(0, len(clip), settings.every or 1)
        names_of = {index: int(names[index]) for index in chosen}
        self._names = {k: name for k, name in names_of.items() if self._missing(name)}
        self.planned = len(chosen)
        self.present = self.planned - len(self._names)

    @cached_property
    def nbytes(self) -> int:  # type: ignore[override]
        """Approximate size of a label, by the first frame that can be read."""
        return _frame_bytes(self._size or (0, 0))

    @cached_property
    def _size(self) -> tuple[int, ...] | None:
        """Rows and columns of the first frame that can be read."""
        for index in range(len(self._clip)):
            try:
                return self._clip.image(index).shape[:2]
            except FrameError:
                continue
        return None

    def see(self) -> Iterator[Seen | Unseen]:
        """Implement :meth:`Pictures.see`."""
        for index, name in self._names.items():
            try:
                image = self._clip.image(index)
                if image.shape[:2] != self._size:
                    sizes = ' and '.join(
                        f'{size[1]}x{size[0]}' for size in (image.shape, self._size or ())
                    )
                    raise FrameError(f'pictures of {sizes} pixels: expected one size')
                yield Seen(name, image)
            except FrameError as error:
                yield Unseen(name, str(error))


class VideoPictures(_Frames):
    """Frames of a video, which are named by their times, seconds, where its rate varies.

    Args:
        video: The video and its lens.
        folder: Folder of its labels.
        settings: Settings of the labels.

    Raises:
        DataSetError: The video cannot be used.
    """

    def __init__(self, video: Video, folder: Path, settings: LabelSettings) -> None:
        try:
            self._file = VideoFile(video.path)
        except VideoError as error:
            raise DataSetError(str(error)) from error
        self.name, self.folder, self.skipped = video.path.name, folder, {}
        height, width = self._file.size
        if video.hfov_deg and self._file.orientation in QUARTER:
            raise DataSetError(
                f'{video.path}: viewers turn it by a quarter, and hfov may be of the stored or '
                'the shown frames: give fx'
            )
        self.camera = Calibration.centred(video.focal_length(width), width, height).matrix
        self.frame_hz = self._file.frame_rate
        self.nbytes = _frame_bytes((height, width))
        self._every = settings.every or 1
        # Read once without pictures: only the frames tell their times, and their number.
        self._times: list[float] = []
        try:
            for at in self._file.times():
                self._times.append(at)
        except VideoTimeError as error:
            raise DataSetError(str(error)) from error
        except VideoError:
            pass  # it is told when the frames before the damage are labelled
        rate = self._file.frame_rate
        if self._times != [number / rate for number in range(len(self._times))]:
            self.frame_hz = None
        numbers = range(0, len(self._times), self._every)
        self.planned = len(numbers)
        self.present = sum(not self._missing(number) for number in numbers)

    def _stem(self, number: int) -> str:
        if self.frame_hz is not None or number >= len(self._times):
            return super()._stem(number)
        return f'{self._times[number]:.6f}'

    def see(self) -> Iterator[Seen | Unseen]:
        """Implement :meth:`Pictures.see`."""
        number, before = 0, None
        try:
            for _, image in self._file.frames():
                if image is before:  # the last one comes twice
                    return
                if number % self._every == 0 and self._missing(number):
                    yield Seen(number, np.ascontiguousarray(image[..., ::-1]))
                number, before = number + 1, image
        except VideoError as error:
            yield Unseen(number, str(error))


class SpikePictures(Pictures):
    """Pictures of windows of a recording of spikes, which is rectified if its lens is known.

    Args:
        clip: The recording.
        folder: Folder of its labels.
        settings: Settings of the labels.
        render: Function from a window to a picture; None: the recording's own pictures.
        shown: Planes of a window that the function sees, at most.
    """

    of = 'plane'
    frame_hz = None

    def __init__(
        self,
        clip: SpikeClip,
        folder: Path,
        settings: LabelSettings,
        render: Render | None,
        shown: int,
    ) -> None:
        self.name, self.folder, self.camera = clip.name, folder, clip.camera
        self.skipped, self._clip, self._render, self._shown = clip.skipped, clip, render, shown
        self._planes = settings.planes
        self._before = reference_index('middle', settings.planes)
        numbers = self._chosen(settings.every)
        self._numbers = [k for k in numbers if not window_label(folder, k).exists()]
        self.planned = len(numbers)
        self.present = self.planned - len(self._numbers)
        geometry = clip.geometry
        pixels = geometry.height * geometry.width
        self.nbytes = self._planes * geometry.plane_bytes + _DEPTH_BYTES * pixels
        if clip.rectification is not None:
            self._nearest = clip.rectification.nearest(geometry.height, geometry.width)

    def _chosen(self, every: int) -> list[int]:
        """Return the planes to label, around which a whole window was recorded."""
        first = self._before
        last = self._clip.planes - self._planes + first
        if self._render is not None:
            return [*range(first, last + 1, every or WINDOW_STEP)]
        chosen: list[int] = []
        for plane in self._clip.image_planes:
            if first <= plane <= last and (not chosen or plane - chosen[-1] >= every):
                chosen.append(plane)
        return chosen

    def see(self) -> Iterator[Seen | Unseen]:
        """Implement :meth:`Pictures.see`."""
        for number in self._numbers:
            try:
                yield self._seen(number)
            except (FrameError, ValueError) as error:  # ValueError: too few planes or pixels
                yield Unseen(number, str(error))

    def prepare(self, labels: Labels) -> None:
        """Implement :meth:`Pictures.prepare`."""
        prepare_windows(self.folder, self.camera, self._clip.geometry, self.name, labels)

    def write(self, seen: Seen, depth: Depth, labels: Labels) -> None:
        """Implement :meth:`Pictures.write`."""
        assert seen.planes is not None
        path, clip = window_label(self.folder, seen.number), self._clip
        write_window(
            path, seen.planes, clip.geometry, clip.rate_hz, clip.camera, depth, self._before,
            labels,
        )  # fmt: skip

    def _seen(self, number: int) -> Seen:
        clip = self._clip
        first = number - self._before
        low = max(0, min(first, number - self._shown // 2))
        high = min(clip.planes, max(first + self._planes, number + -(-self._shown // 2)))
        planes, known = np.ascontiguousarray(clip.load(low, high)), None
        geometry = clip.geometry
        if clip.rectification is not None:
            row, column, known = self._nearest
            spikes = packing.unpack(planes, geometry.width, geometry.bit_order)
            planes = packing.pack(spikes[:, row, column], geometry.bit_order)
        if self._render is None:
            image = clip.images[clip.image_planes.index(number)]()
            grey = np.rint(255 * image.clip(0, 1)).astype(np.uint8)
            grey = grey if known is None else grey[row, column]
        else:
            period_ns, at = max(1, round(1e9 / clip.rate_hz)), number - low
            grey = self._render(Window(planes, geometry, 0, period_ns, at, at * period_ns))
        return Seen(
            number,
            np.repeat(grey[..., None], 3, axis=2),
            np.ascontiguousarray(planes[first - low : first - low + self._planes]),
            known,
        )


def find_pictures(
    data: Mapping[str, str],
    video: Video | None,
    settings: LabelSettings,
    out: Path,
    device: str = 'auto',
    threads: int = 0,
) -> list[Pictures]:
    """Find what is to be labelled.

    Args:
        data: Paths and options of data sets by name.
        video: A video in their place; None: none.
        settings: Settings of the labels.
        out: Folder of the labels. The only recording of frames lies in it, others below it in
            folders of their names.
        device: Device of the network of pictures: ``cpu``, ``cuda``, ``auto``.
        threads: CPU threads of that network; 0: one per core.

    Raises:
        ConfigError: A setting does not fit the data.
        CheckpointError: The shipped network of pictures cannot be used.
        DataSetError: A data set cannot be used, or nothing of it can be labelled.
    """
    if video is not None:
        _check_frames(settings)
        return [VideoPictures(video, out, settings)]
    clips = [clip for name, where in data.items() for clip in readers.read(name, where)]
    names = [clip.name for clip in clips]
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataSetError(f'{twice[0]}: two recordings of this name: label them one by one')
    frames = [clip for clip in clips if isinstance(clip, Clip)]
    if frames and len(frames) < len(clips):
        raise DataSetError('frames and spikes: expected data sets of one kind; label both apart')
    if frames:
        _check_frames(settings)
        folders = [out / name for name in names] if len(names) > 1 else [out]
        return [
            ClipPictures(clip, folder, settings)
            for clip, folder in zip(frames, folders, strict=True)
        ]
    render, shown = _choose_render(settings, device, threads)
    spikes = [clip for clip in clips if isinstance(clip, SpikeClip)]
    found: list[Pictures] = [
        SpikePictures(clip, out / clip.name, settings, render, shown) for clip in spikes
    ]
    if not any(one.planned for one in found):
        needed = 'pictures of its own in them' if render is None else f'{settings.planes} or more'
        longest = max((clip.planes for clip in spikes), default=0)
        raise DataSetError(
            f'{", ".join(data)}: windows of {settings.planes} planes, the longest recording has '
            f'{longest}: expected {needed}; choose fewer --planes or another --picture'
        )
    if render is not None:
        check_light(spikes)
    return found


def _check_frames(settings: LabelSettings) -> None:
    if settings.picture != 'interval':
        raise ConfigError(
            f'picture is {settings.picture!r}: expected it with recordings of spikes alone'
        )


def _choose_render(
    settings: LabelSettings, device: str, threads: int
) -> tuple[Render | None, int]:
    """Return the function from windows to pictures, and the planes that it sees."""
    if settings.picture == 'frame':
        return None, settings.planes
    if settings.picture == 'interval':
        return preview.render, preview.MOST_PLANES
    network = ImageEstimator.from_checkpoint(device=device, threads=threads)
    return lambda window: preview.encode(network.predict(window).rate), network.info.planes


def _frame_bytes(size: tuple[int, ...]) -> int:
    return size[0] * size[1] * (_PICTURE_BYTES + _DEPTH_BYTES)
