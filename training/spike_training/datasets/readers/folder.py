# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of a folder of images, depth maps registered to them, and a camera matrix.

An image and its depth have the same name but for the suffix. Recordings of
ardaduz/deep-video-mvs, such as its HoloLens sample, have this layout: ``images``, ``depth``,
``K.txt``. The command ``label`` writes it, with ``labels.json`` beside.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from spike_depth_ros.base.values import NotNegative
from spike_depth_ros.geometry.calibration import Calibration, CalibrationError
from spike_depth_ros.geometry.ray_depth import ray_lengths
from spike_depth_ros.io.arrays import ArrayFileError, read_picture
from spike_depth_ros.io.orientation import QUARTER, turn
from spike_depth_ros.tools.arguments import OptionalFocalLength
from spike_training.datasets.clip import Clip, Depth, Matrix, RightFrames, Times
from spike_training.datasets.labels import RELATIVE, Labels, find_labels
from spike_training.datasets.name_times import Given, read_times
from spike_training.datasets.readers import files, pairs, poses
from spike_training.datasets.readers.options import checked
from spike_training.errors import DataSetError, FrameError

TREE = """\
  ROOT/images/00000.png   (or rgb/, color/, image/; .png, .jpg, .ppm)
  ROOT/depth/00000.png    (uint16; or float .npy, .exr, .pfm in metres; not with depth=none)
  ROOT/relative_depth/    (in place of depth/: labels, as the command label writes them)
  ROOT/K.txt              (camera matrix of the images, 3 x 3, pixels; or give the option fx)
  ROOT/poses.txt          (optional: camera to world, 16 numbers; a row an image, by time)
  ROOT/nir/00000.png      (right camera, rectified: with right=nir; K_nir.txt if not K.txt)
  (or folders of such recordings below ROOT)"""

SET = files.DataSet('folder', TREE)

FRAME_HZ = 30.0

_TRIES = 3  # pictures that are tried for their orientation
_CLEAR = 4.0  # times that a principal point is nearer to one of two centres
_AGREES = 0.2  # share that a given rate may differ from that of the names

Modality = Literal['', 'grey', 'nir', 'thermal', 'spikes']
"""What a camera sees; empty: colour. ``spikes`` are pictures of firing rates."""

Frames = list[tuple[Path, Path | None]]
"""Images, each with its depth map or None."""

IMAGE_FOLDERS = ('images', 'rgb', 'color', 'image')


@checked
def read(
    root: Path,
    per_metre: NotNegative = 0.0,
    frame_hz: NotNegative = FRAME_HZ,
    fx: OptionalFocalLength = 0.0,
    depth: Literal['', 'none'] = '',
    depth_along: Literal['axis', 'ray'] = 'axis',
    times: Given = '',
    right: str = '',
    right_modality: Modality = '',
    modality: Modality = '',
    baseline: NotNegative = 0.0,
) -> list[Clip]:
    """Read the recording in a folder, or those in the folders below it.

    Args:
        root: Folder of the recording, or of several.
        per_metre: Stored value of one metre; 0: 1000 for integers (millimetres), 1 for floats.
        frame_hz: Frames a second, where names are numbers of frames; numbers missing between names
            are missing frames. 0: single images, without motion between them.
        fx: Focal length in pixels, with the principal point in the middle, instead of K.txt; 0:
            K.txt.
        depth: ``none``: images alone, frames without depth.
        depth_along: What stored depth is measured along: ``axis``, the optical axis, or ``ray``,
            the ray of each pixel, by which it becomes depth along the axis.
        times: What the numbers in names are, where they do not tell it: ``s``, ``ms``, ``us`` or
            ``ns`` of a clock, ``date``, or ``frames``; see ``datasets/name_times.py``.
        right: Folder beside that of the images, such as ``nir``, with those of a camera on their
            right, rectified and named alike; empty: one camera.
        right_modality: What that camera sees, where it is not what the left one sees; ``spikes``
            are pictures of firing rates.
        modality: What pictures are of where it is not colour.
        baseline: Metres from the left to the right camera.

    Raises:
        DataSetError: Files are missing, too many images and depth maps do not pair, the unit is
            wrong, names may be times of several kinds, or the cameras are no pair.
    """
    SET.check_folder(root)
    if bool(right) != bool(baseline) or (right_modality and not right):
        raise DataSetError(
            f'{root}: right is {right!r}, right_modality {right_modality!r} and baseline '
            f'{baseline:g}: expected the folder of the right camera and its distance in metres, '
            'such as right=nir,right_modality=nir,baseline=0.06, or none of them'
        )
    if depth and depth_along == 'ray':
        raise DataSetError('option depth_along is ray, expected axis, or ray with depth')
    found = [root] if _images(root) else _recordings(root)
    register = _along_axis if depth_along == 'ray' else None
    clips = []
    for one in found or [root]:
        clip, pictures = _read(one, root, per_metre, frame_hz, fx, bool(depth), register, times)
        clip.modality = modality
        if right:
            clip.right = _right(one / right, clip, pictures, bool(fx), baseline, right_modality)
        clips.append(clip)
    return clips


def _right(
    folder: Path,
    clip: Clip,
    pictures: list[Path],
    nominal: bool,
    baseline_m: float,
    modality: str,
) -> RightFrames:
    """Return the right camera of a clip, whose pictures are named as those of the left one.

    Args:
        folder: Its pictures.
        clip: The left camera; gets the names of pictures without a right one.
        pictures: Those of the left camera.
        nominal: True if its matrix is given by the focal length.
        baseline_m: Distance of the cameras.
        modality: What the right camera sees; empty: the same.
    """
    assert clip.camera is not None
    by_stem = {path.stem: path for path in SET.listed(folder, files.IMAGE_SUFFIXES)}
    found = {
        number: (left, by_stem[left.stem])
        for number, left in enumerate(pictures)
        if left.stem in by_stem
    }
    if not found:
        raise DataSetError(
            f'{clip.name}: no picture of {folder.name} is named as one of the left camera is '
            f'({pictures[0].name}): rename them alike'
        )
    stems = {left.stem for left, _ in found.values()}
    alone = [path.name for path in pictures if path.stem not in stems]
    alone += [path.name for stem, path in by_stem.items() if stem not in stems]
    if alone:
        clip.skipped['a picture of one camera alone'] = alone
        files.check_share(clip.skipped, len(pictures), clip.name)
    own = folder.with_name(f'K_{folder.name}.txt')
    matrix = SET.matrix(own) if own.exists() and not nominal else clip.camera
    return pairs.right_frames(clip, found, matrix, baseline_m, modality)


def _images(folder: Path) -> Path | None:
    """Return the folder of images of a recording; None: it is no recording."""
    return next((folder / name for name in IMAGE_FOLDERS if (folder / name).is_dir()), None)


def _recordings(root: Path) -> list[Path]:
    """Return the folders of the recordings below a folder."""
    found = []
    for path, folders, _ in os.walk(root):
        if _images(Path(path)):
            found.append(Path(path))
            folders.clear()
    return sorted(found)


def _labels(folder: Path, root: Path) -> tuple[Labels | None, str]:
    """Return the origin of a recording's depth, None if it is true, and the name of its folder."""
    labels = find_labels(folder, root)
    if (folder / 'depth').is_dir() or not (folder / RELATIVE).is_dir():
        return (None if labels is None or labels.relative else labels), 'depth'
    if labels is None or not labels.relative:
        raise DataSetError(
            f'{folder / RELATIVE}: expected labels.json of whoever made it beside it, or in a '
            'folder above that is read'
        )
    return labels, RELATIVE


def _along_axis(camera: Matrix, depth: Depth) -> Depth:
    """Return depth along the optical axis of depth along the ray of each pixel."""
    try:
        rays = ray_lengths(Calibration.from_matrix(camera, depth.shape[1], depth.shape[0]))
    except CalibrationError as error:
        raise FrameError(f'option depth_along is ray: {error}') from error
    found: Depth = depth / rays
    return found


def _read(
    folder: Path,
    root: Path,
    per_metre: float,
    frame_hz: float,
    fx: float,
    without_depth: bool,
    register: Callable[[Matrix, Depth], Depth] | None,
    times: Given,
) -> tuple[Clip, list[Path]]:
    """Read one recording and list its pictures in the order of time; see :func:`read`."""
    images = SET.listed(_images(folder) or folder / IMAGE_FOLDERS[0], files.IMAGE_SUFFIXES)
    name = '/'.join([os.path.basename(os.path.abspath(root)), *folder.relative_to(root).parts])
    whole, data, labels, skipped = f'folder/{name}', SET, None, dict[str, list[str]]()
    frames: Frames = [(image, None) for image in images]
    if not without_depth:
        labels, depth_name = _labels(folder, root)
        depths = SET.depth_maps(folder / depth_name)
        by_stem, maps = ({path.stem: path for path in found} for found in (images, depths))
        if not by_stem.keys() & maps.keys():
            raise DataSetError(
                f'{whole}: no depth map is named as an image is ({images[0].name}, '
                f'{depths[0].name}): rename them alike; if they are of different times, list them '
                'in rgb.txt and depth.txt for the reader tum'
            )
        matched, skipped = files.pair(by_stem, maps, whole)
        frames = [*matched.values()]
        encoding = files.DepthEncoding(per_metre or None)
        if labels is not None and labels.relative:
            encoding = dataclasses.replace(encoding, plausible_m=(0.0, math.inf))
        data = dataclasses.replace(SET, encoding=encoding)
    shown = _Shown.of(frames, whole)
    if fx:
        camera = Calibration.centred(fx, *shown.size[::-1]).matrix
    else:
        camera = shown.camera(SET.matrix(folder / 'K.txt'), whole)
        files.check_size(folder / 'K.txt', camera, shown.size)
    known: dict[Path, Matrix] = {}
    if (folder / 'poses.txt').exists():
        if shown.orientation != 1:
            raise _ambiguous(whole, Path('poses.txt'), shown.orientation, 'poses.txt')
        every = _timed([(image, None) for image in images], frame_hz, times, whole)[1]
        rows = poses.read_poses(folder / 'poses.txt', len(every))
        known = {image: pose for (image, _), pose in zip(every, rows, strict=True)}
    found, frames = _timed(frames, frame_hz, times, whole)

    def registered(stored: Depth) -> Depth:
        turned = stored if shown.orientation == 1 else shown.depth(stored)
        return turned if register is None else register(camera, turned)

    show = functools.partial(files.read_rgb, orientation=shown.orientation)
    clip = data.clip(name, camera, found, frames, skipped, show, registered)
    clip.labels, clip.video = labels, frame_hz > 0
    clip.poses = poses.camera_poses(found, [known.get(image) for image, _ in frames])
    return clip, [image for image, _ in frames]


class _Shown(NamedTuple):
    """Pictures as viewers show them.

    Attributes:
        orientation: Their EXIF orientation, 1 to 8.
        size: (height, width) as shown, pixels.
    """

    orientation: int
    size: tuple[int, int]

    @classmethod
    def of(cls, frames: Frames, name: str) -> _Shown:
        """Find out by the first picture that can be read.

        Raises:
            DataSetError: None of a few can be read, or depth may be of the picture as it is stored
                or as it is shown.
        """
        problem: ArrayFileError | None = None
        for path, depth in frames[:_TRIES]:
            try:
                image, orientation = read_picture(path)
            except ArrayFileError as error:
                problem = problem or error
                continue
            height, width = image.shape[:2]
            same = height == width or orientation not in QUARTER
            if orientation != 1 and same and depth is not None:
                raise _ambiguous(name, path, orientation, 'depth')
            return cls(orientation, (height, width))
        assert problem is not None  # there is a frame
        raise DataSetError(str(problem))

    def depth(self, stored: Depth) -> Depth:
        """Turn a map that is of the size of the stored pictures; others are left as they are."""
        return turn(stored, self.orientation) if stored.shape == self.size[::-1] else stored

    def camera(self, matrix: Matrix, name: str) -> Matrix:
        """Return the camera matrix of the shown pictures, whichever this one is of.

        Raises:
            DataSetError: Its principal point does not tell.
        """
        if self.orientation == 1:
            return matrix
        height, width = self.size
        x, y = matrix[0, 2], matrix[1, 2]
        as_shown = math.hypot(x - (width - 1) / 2, y - (height - 1) / 2)
        as_stored = math.hypot(x - (height - 1) / 2, y - (width - 1) / 2)
        clear = max(as_shown, as_stored) >= _CLEAR * min(as_shown, as_stored)
        if self.orientation not in QUARTER or not clear or height == width:
            raise _ambiguous(name, Path('K.txt'), self.orientation, 'K.txt')
        if as_shown < as_stored:
            return matrix
        column = y if self.orientation in (5, 8) else width - 1 - y
        row = x if self.orientation in (5, 6) else height - 1 - x
        return files.camera_matrix(matrix[1, 1], matrix[0, 0], column, row)


def _ambiguous(name: str, path: Path, orientation: int, what: str) -> DataSetError:
    advice = {'K.txt': ', or give fx in its place', 'poses.txt': ', or rename poses.txt'}
    return DataSetError(
        f'{name}, {path.name}: viewers turn the pictures (EXIF orientation {orientation}), and '
        f'{what} may be of the stored or the shown ones: turn the pixels to fit it and remove the '
        f'mark (mogrify -auto-orient turns them as shown){advice.get(what, "")}'
    )


def _timed(frames: Frames, frame_hz: float, chosen: Given, name: str) -> tuple[Times, Frames]:
    """Return the times of frames, and the frames in their order."""
    images = [image for image, _ in frames]
    told = None
    if frame_hz or chosen:
        told = read_times([image.stem for image in images], chosen, name)
    if told is None:
        return _numbers(images, chosen == 'frames') / (frame_hz or 1.0), frames
    order = np.argsort(told).tolist()
    times = told[order]
    rate = 1 / float(np.median(np.diff(times)))
    if frame_hz not in (0, FRAME_HZ) and abs(frame_hz / rate - 1) > _AGREES:
        raise DataSetError(
            f'{name}: option frame_hz is {frame_hz:g}, but the names are times of {rate:.4g} '
            'frames a second: leave the option out, or give times=frames too'
        )
    return times, [frames[k] for k in order]


def _numbers(images: list[Path], chosen: bool) -> Times:
    """Return the numbers of the frames: those in their names, else their positions."""
    found = [re.findall(r'\d+', path.stem) for path in images]
    if len({len(one) for one in found}) == 1:
        # What is the same in all names is no number of a frame: before it, or behind it.
        varying = [column for column in zip(*found, strict=True) if len({*column}) > 1]
        # Numbers of different lengths make none together.
        even = all(len({len(one) for one in column}) == 1 for column in varying[1:])
        found = [list(one) for one in zip(*varying, strict=True)] if even and varying else []
    numbered = len(found) == len(images)
    digits = [''.join(one) for one in found]
    # Several numbers, which are long together, are not those of frames unless they are chosen.
    if numbered and all(text and (chosen or len(text.lstrip('0')) <= 8) for text in digits):
        numbers = np.array([int(text) for text in digits], np.float64)
        if (np.diff(numbers) > 0).all():
            return numbers
    return np.arange(len(images), dtype=np.float64)
