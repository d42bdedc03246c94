# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of MVSEC: frames, events and depth of the left DAVIS346 of a car, by day and by night.

Zhu et al., "The Multivehicle Stereo Event Camera Dataset: An Event Camera Dataset for 3D
Perception", 2018. Written from public code that reads the set (daniilidis-group/EV-FlowNet,
sunpihai-up/FUSE: scripts/process_mvsec_hdf5.py): no file of the set was at hand. Look at what
``run.py inspect`` shows of yours.

Frames and events are those of the sensor. So is ``depth_image_raw``; ``depth_image_rect``, which
Sun et al. score frames of the sensor with, is undistorted: ``depth=rect`` does as they do.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import h5py  # type: ignore[import-untyped]
import numpy as np

from spike_depth_ros.base.values import Positive
from spike_depth_ros.io.arrays import check_pixels
from spike_depth_ros.tools.arguments import FocalLength
from spike_training.datasets.clip import Clip, Depth, Rgb, Times
from spike_training.datasets.readers import files
from spike_training.datasets.readers.options import checked
from spike_training.errors import DataSetError, FrameError
from spike_training.events.stream import Events, checked_events

TREE = """\
  ROOT/outdoor_day2_data.hdf5   (davis/left: image_raw, image_raw_ts, events; or in folders)
  ROOT/outdoor_day2_gt.hdf5     (davis/left: depth_image_raw and depth_image_rect, with _ts)"""

CAMERA = (223.994, 223.618, 170.768, 128.187)
"""Focal lengths and principal point of the left camera of the drives, pixels, as public code has
them."""

MAX_PART_BYTES = 1 << 28
"""Bytes that a compressed part of a field may expand to."""

SET = files.DataSet('mvsec', TREE, files.DepthEncoding(None, plausible_m=files.OUTDOOR_M))

_GROUP = 'davis/left'


@checked
def read(
    root: Path,
    depth: Literal['raw', 'rect'] = 'raw',
    pair_s: Positive = 0.01,
    fx: FocalLength = CAMERA[0],
) -> list[Clip]:
    """Read the recordings below a folder: a frame for each depth map.

    Args:
        root: Folder of the files.
        depth: Depth of the sensor's pixels, ``raw``, or of undistorted ones, ``rect``.
        pair_s: Longest time from a depth map to its frame, seconds; others are left out.
        fx: Focal length, pixels, of both axes, if it is not that of the drives.

    Raises:
        DataSetError: Files are missing, damaged, or laid out in another way, or too many depth
            maps have no frame.
    """
    found = SET.folders_of(root, '**/*_data.hdf5', example='outdoor_day2_data.hdf5')
    paths = [path for folder in found for path in sorted(folder.glob('*_data.hdf5'))]
    return [_recording(path, f'depth_image_{depth}', pair_s, fx) for path in paths]


def _recording(path: Path, field: str, pair_s: float, fx: float) -> Clip:
    truth = path.with_name(path.name.replace('_data.hdf5', '_gt.hdf5'))
    if not truth.is_file():
        raise SET.missing(truth)
    with _opened(path) as file:
        pictures = _field(file, path, 'image_raw', 3, check_pixels)
        shown_s = _times(file, path, 'image_raw', len(pictures))
        size = pictures.shape[1:]
        if pictures.dtype != np.uint8:
            raise DataSetError(f'{path}: image_raw is {pictures.dtype}, expected uint8')
        _field(file, path, 'events', 2, lambda rows, columns: None)
    with _opened(truth) as file:
        maps = _field(file, truth, field, 3, check_pixels)
        times_s = _times(file, truth, field, len(maps))
        if maps.shape[1:] != size:
            raise DataSetError(
                f'{truth}: {field} of {maps.shape[2]}x{maps.shape[1]} pixels, frames of '
                f'{size[1]}x{size[0]}: expected one size'
            )
    pairs = [
        (number, frame)
        for number, frame in enumerate(_nearest(shown_s, times_s))
        if abs(shown_s[frame] - times_s[number]) <= pair_s
    ]
    name = path.name.removesuffix('_data.hdf5')
    reason = f'no frame within {pair_s:g} s of the depth map'
    kept = {number for number, _ in pairs}
    alone = [f'{name}, depth map {number}' for number in range(len(times_s)) if number not in kept]
    skipped = {reason: alone} if alone else {}
    if not pairs:
        raise DataSetError(
            f'{path}: {reason} for any of {len(times_s)}: are both of one recording?'
        )
    files.check_share(skipped, len(times_s), f'mvsec/{name}')
    fx_px, fy_px, *centre = CAMERA
    camera = files.camera_matrix(fx, fy_px * fx / fx_px, *centre)

    def image(index: int) -> Rgb:
        grey: Rgb = _one(path, 'image_raw', pairs[index][1])
        return np.repeat(grey[..., None], 3, axis=2)

    def metres(index: int) -> Depth:
        stored = _one(truth, field, pairs[index][0])
        return SET.encoding.metres(stored.astype(np.float32))

    clip = Clip(
        f'mvsec/{name}', camera, times_s[[number for number, _ in pairs]], image, metres,
        tuple(range(len(pairs))), skipped, modality='grey',
        events=lambda start_s, stop_s: _events(path, size, start_s, stop_s),
    )  # fmt: skip
    return files.check_clip(clip, SET.encoding.plausible_m)


def _nearest(shown_s: Times, times_s: Times) -> list[int]:
    """Return the number of the frame that is nearest to each time; none if there is no frame."""
    if not len(shown_s):
        return []
    after = np.searchsorted(shown_s, times_s).clip(1, max(len(shown_s) - 1, 1))
    after = np.minimum(after, len(shown_s) - 1)
    before = np.maximum(after - 1, 0)
    earlier = times_s - shown_s[before] <= shown_s[after] - times_s
    found: list[int] = np.where(earlier, before, after).tolist()
    return found


def _opened(path: Path) -> Any:
    try:
        return h5py.File(path, 'r')
    except OSError as error:
        raise DataSetError(f'{path}: is damaged, expected an HDF5 file: {error}') from error


def _field(
    file: Any, path: Path, name: str, axes: int, check: Callable[[int, int], object]
) -> Any:
    """Return a field of the left camera, whose type, axes and parts are checked."""
    whole = f'{_GROUP}/{name}'
    found = file.get(whole)
    if not isinstance(found, h5py.Dataset):
        raise DataSetError(
            f'{path}: has no {whole}; expected a file of MVSEC, with that of {_GROUP}'
        )
    if found.dtype.kind not in 'uif' or found.ndim != axes:
        raise DataSetError(
            f'{path}: {whole} is {found.dtype} {list(found.shape)}, expected numbers of {axes} '
            'axes'
        )
    part = math.prod(found.chunks or ()) * found.dtype.itemsize
    if part > MAX_PART_BYTES:
        raise DataSetError(
            f'{path}: {whole} has parts of {part} bytes, expected at most {MAX_PART_BYTES}'
        )
    if name == 'events' and found.shape[1] != 4:
        raise DataSetError(
            f'{path}: {whole} is {list(found.shape)}, expected x, y, t and p of each event'
        )
    try:
        check(*found.shape[-2:])
    except ValueError as error:
        raise DataSetError(f'{path}: {whole}: {error}') from error
    return found


def _times(file: Any, path: Path, name: str, number: int) -> Times:
    """Return the times of pictures or maps, ``[number]`` seconds."""
    found = _field(file, path, f'{name}_ts', 1, lambda *shape: None)
    if len(found) != number:
        raise DataSetError(f'{path}: {len(found)} times of {number} {name}: expected one of each')
    times: Times = np.asarray(found, np.float64)
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise DataSetError(f'{path}: times of {name} are not increasing: expected seconds')
    return times


def _one(path: Path, name: str, number: int) -> Any:
    """Read one picture or map."""
    try:
        with h5py.File(path, 'r') as file:
            return np.asarray(file[f'{_GROUP}/{name}'][number])
    except (OSError, KeyError, ValueError) as error:
        raise FrameError(f'{path}: {name} {number} cannot be read: {error}') from error


class _Stamps:
    """Times of events, read one by one: a recording has more events than fit in memory."""

    def __init__(self, events: Any) -> None:
        self._events = events

    def __len__(self) -> int:
        return len(self._events)

    def __getitem__(self, number: int) -> float:
        return float(self._events[number, 2])

    def __iter__(self) -> Iterator[float]:
        raise TypeError('times are read one by one')


def _events(path: Path, size: tuple[int, int], start_s: float, stop_s: float) -> Events:
    """Read the events between two times.

    Raises:
        FrameError: They cannot be read.
    """
    try:
        with h5py.File(path, 'r') as file:
            stored = file[f'{_GROUP}/events']
            stamps: Any = _Stamps(stored)
            first = bisect.bisect_left(stamps, start_s)
            last = bisect.bisect_right(stamps, stop_s, lo=first)
            rows = np.asarray(stored[first:last])
    except (OSError, KeyError, ValueError) as error:
        raise FrameError(f'{path}: events cannot be read: {error}') from error
    try:
        x, y, times_s, polarity = rows.T
        return checked_events(x, y, times_s, polarity, size, f'{path}, from event {first} on')
    except DataSetError as error:
        raise FrameError(str(error)) from error
