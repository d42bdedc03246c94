# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images, depth maps and calibrations of data sets, with checks for damage and wrong units."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base.errors import OneLineError, check_regular, special_file
from spike_depth_ros.geometry.calibration import (
    Calibration,
    CalibrationError,
    check_focal_lengths,
)
from spike_depth_ros.geometry.depth_values import to_metres, unit_problem
from spike_depth_ros.geometry.rectification import check_matrix
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.io.arrays import (
    DEPTH_SUFFIXES,
    ArrayFileError,
    read_picture,
    read_stored,
)
from spike_training.datasets.clip import Clip, Depth, Matrix, Rgb, Times
from spike_training.errors import DataSetError, FrameError

Key = TypeVar('Key', bound=Hashable)

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.ppm', '.bmp')
PICTURES, MAPS = ('.png', '.jpg'), ('.png',)
"""Suffixes of any picture; of the pictures and of the depth maps of most data sets."""

MAX_BAD_SHARE = 0.05
"""Largest share of frames that may be left out; above it the data set is refused."""

UNIT = (
    'is the unit right? Option per_metre of folder, dat and tum is the stored value of one metre; '
    'bags and .npz have metres as floats, or millimetres as uint16'
)
"""Question that ends the message for a wrong unit."""

INDOOR_M = (0.2, 20.0)
OUTDOOR_M = (1.0, 300.0)
"""Plausible range of the median of a depth map, metres."""


@dataclasses.dataclass(frozen=True)
class DepthEncoding:
    """Encoding of depth in files.

    What is unknown, and what is beyond, :func:`.depth_values.resolve` decides.

    Attributes:
        per_metre: Stored value of one metre: 1000 for millimetres, 256 for KITTI; None: 1000 of
            integers, 1 of floats.
        sky: Stored value of sky; None: the data set has no such value.
        plausible_m: Plausible range of the median of a map, metres, to detect a wrong unit; from 0
            to infinity: there is no unit.
    """

    per_metre: float | None = 1.0
    sky: int | None = None
    plausible_m: tuple[float, float] = (INDOOR_M[0], OUTDOOR_M[1])

    def metres(self, stored: npt.NDArray[Any], sky: int | None = None) -> Depth:
        """Convert stored values to ``[H, W]`` float32 metres, NaN unknown, +Inf beyond.

        Args:
            stored: Values of a file.
            sky: Stored value of what is beyond in this file; None: that of the data set.
        """
        return to_metres(stored, self.sky if sky is None else sky, self.per_metre)


@contextlib.contextmanager
def frame_errors() -> Iterator[None]:
    """Make errors of a picture or depth map those of a frame.

    Raises:
        FrameError: The file cannot be used.
    """
    try:
        yield
    except ArrayFileError as error:
        raise FrameError(str(error)) from error


def is_one_of(path: Path, suffixes: Sequence[str]) -> bool:
    """Return True if a file has one of some suffixes and is not hidden, as ``._`` files are."""
    return path.suffix.lower() in suffixes and not path.name.startswith('.')


def read_rgb(path: Path, orientation: int = 1) -> Rgb:
    """Read an image, ``[H, W, 3]`` uint8 RGB.

    Args:
        path: The file.
        orientation: EXIF orientation that it is expected to have, 1 to 8; 1: is not turned.

    Raises:
        FrameError: It is missing, damaged, not an image of 8 bits, or of another orientation.
    """
    with frame_errors():
        image, found = read_picture(path)
    if found != orientation:
        raise FrameError(
            f'{path}: viewers turn it (EXIF orientation {found}), expected orientation '
            f'{orientation}: turn the pixels of all alike, such as by mogrify -auto-orient'
        )
    return image


def read_depth(path: Path, encoding: DepthEncoding) -> Depth:
    """Read depth of a .png, .pgm, .npy, .pfm or .exr file, ``[H, W]`` float32 metres.

    Raises:
        FrameError: The file is missing, damaged, not of depth, or in another unit.
    """
    with frame_errors():
        depth = encoding.metres(*read_stored(path))
    if encoding.plausible_m[0]:  # else it has no unit
        check_unit(str(path), depth)
    return depth


@dataclasses.dataclass(frozen=True)
class DataSet:
    """Files of a data set: what they are alike in. The rest is said by its reader.

    Attributes:
        name: Name of the reader, with which those of its clips begin.
        tree: Expected layout, a line for each folder or kind of file, for messages.
        encoding: Encoding of the depth files.
        rate_hz: Frames a second, where the last number in the name of a file is that of a frame.
    """

    name: str
    tree: str
    encoding: DepthEncoding = DepthEncoding()
    rate_hz: float = 1.0

    def missing(self, path: Path) -> DataSetError:
        """Return the error for a missing file or folder."""
        return DataSetError(f'{path} is missing; expected\n{self.tree}')

    def check_folder(self, path: Path) -> None:
        """Refuse what is no folder.

        Raises:
            DataSetError: There is none of that name, or a file, a pipe or a device.
        """
        if kind := special_file(path):
            raise DataSetError(f'{path}: is {kind}; expected a folder or a file of\n{self.tree}')
        if not path.is_dir():
            raise self.missing(path)

    def folders_of(self, root: Path, *patterns: str, example: str) -> list[Path]:
        """Return the folders of files below a folder, in the order of their names.

        Args:
            root: The folder.
            patterns: Patterns of the files' paths below it.
            example: Such a path, which is missing where there is none.

        Raises:
            DataSetError: There is no such folder, or no such file.
        """
        self.check_folder(root)
        found = sorted({path.parent for pattern in patterns for path in root.glob(pattern)})
        if not found:
            raise self.missing(root / example)
        return found

    def listed(self, folder: Path, suffixes: Sequence[str] = PICTURES) -> list[Path]:
        """List the files of a folder with one of some suffixes, in the order of their numbers.

        Raises:
            DataSetError: There is no such folder, or no such file in it.
        """
        self.check_folder(folder)
        files = natural(path for path in folder.iterdir() if is_one_of(path, suffixes))
        if not files:
            raise self.missing(folder / f'*{suffixes[0]}')
        return files

    def depth_maps(self, folder: Path) -> list[Path]:
        """List the depth maps of a folder of any format, likewise, one of each name.

        Raises:
            DataSetError: There is no such folder, no map in it, or one in two formats.
        """
        found = self.listed(folder, DEPTH_SUFFIXES)
        for one, other in itertools.pairwise(sorted(found, key=lambda path: path.stem)):
            if one.stem == other.stem:
                raise DataSetError(
                    f'{one} and {other.name} are of one name, expected one depth map of each: '
                    'move one of the formats to another folder'
                )
        return found

    def by_number(
        self, name: str, images: Iterable[Path], depths: Iterable[Path]
    ) -> tuple[Times, Iterable[tuple[Path, Path]], dict[str, list[str]]]:
        """Pair images and depth maps of one number, for :meth:`clip`.

        Returns:
            Times, frames, and names of unpaired files, by reason.

        Raises:
            DataSetError: Too many do not pair.
        """
        pairs, skipped = pair(numbered(images), numbered(depths), f'{self.name}/{name}')
        return np.array([*pairs]) / self.rate_hz, pairs.values(), skipped

    def clip(
        self,
        name: str,
        camera: Matrix,
        times_s: Times,
        frames: Iterable[tuple[Path, Path | None]],
        skipped: dict[str, list[str]],
        show: Callable[[Path], Rgb] = read_rgb,
        register: Callable[[Depth], Depth] | None = None,
        check: bool = True,
    ) -> Clip:
        """Return the clip of frames and depth maps in one file each.

        Args:
            name: Name of the clip behind that of the data set.
            camera: Matrix of the images, as they are shown.
            times_s: Times of the frames.
            frames: Image and depth map of each frame, None where there is no depth.
            skipped: Frames that were left out.
            show: Function that reads an image.
            register: Function that registers a stored depth map to the image; None if maps are
                registered already.
            check: Check it by :func:`check_clip`.

        Raises:
            DataSetError: Image, depth and unit do not match.
        """
        images, depths = zip(*frames, strict=True)

        def depth(index: int) -> Depth | None:
            if depths[index] is None:
                return None
            found = read_depth(depths[index], self.encoding)
            return found if register is None else register(found)

        labelled = tuple(number for number, path in enumerate(depths) if path is not None)
        whole, image = f'{self.name}/{name}', lambda index: show(images[index])
        clip = Clip(whole, camera, times_s, image, depth, labelled, skipped)
        return check_clip(clip, self.encoding.plausible_m) if check else clip

    def usable(
        self,
        root: Path,
        clips: list[Clip],
        skipped: dict[str, list[str]],
        total: int,
        example: str,
    ) -> list[Clip]:
        """Return the clips of a folder; the first one names what was left out.

        Args:
            root: The folder.
            clips: Its clips.
            skipped: Names of what cannot be used, by reason.
            total: Number of all, including those.
            example: Path of a file below the folder, which is missing where there is none.

        Raises:
            DataSetError: There is no clip, or too many of all cannot be used.
        """
        check_share(skipped, total, f'{self.name}/{root.resolve().name}')
        if not clips and skipped:
            raise DataSetError(f'{root}: {next(iter(skipped))}')
        if not clips:
            raise self.missing(root / example)
        clips[0].skipped.update(skipped)
        return clips

    def matrix(self, path: Path, line: str = '') -> Matrix:
        """Read a camera matrix, ``[3, 3]``, from a text file of its numbers.

        Args:
            path: The file.
            line: Name of a line of KITTI's format, a name, a colon and numbers, with a projection
                matrix, ``[3, 4]``, to read that instead.

        Raises:
            DataSetError: The file is missing or does not contain such a matrix.
        """
        if not path.is_file():
            raise self.missing(path)
        lines, expected = read_lines(path), 'a camera matrix, three rows of three'
        if line:
            lines = [one.partition(':')[2] for one in lines if one.startswith(f'{line}:')][:1]
            expected = f'a line "{line}:" with twelve numbers'
        try:
            numbers = np.array(' '.join(lines).split(), np.float64)
            matrix: Matrix = numbers.reshape(3, 4 if line else 3)
        except ValueError as error:
            raise DataSetError(f'{path}: expected {expected}') from error
        if not np.isfinite(matrix).all():
            raise DataSetError(f'{path}: expected a camera matrix of finite numbers')
        name = line or path.name
        try:
            check_focal_lengths(matrix[0, 0], matrix[1, 1], name)
        except CalibrationError as error:
            raise DataSetError(f'{path}: {error}') from error
        if matrix[1, 0] or not np.array_equal(matrix[2, :3], [0, 0, 1]):
            rows = '; '.join(' '.join(f'{one:g}' for one in row[:3]) for row in matrix)
            raise DataSetError(
                f'{path}: {name} is {rows}, expected fx 0 cx; 0 fy cy; 0 0 1: is it transposed?'
            )
        return matrix


def check_clip(clip: Clip, plausible_m: tuple[float, float]) -> Clip:
    """Return a clip, of which one labelled frame shows that image, depth and unit match.

    If the frame cannot be read, the next one is tried.

    Args:
        clip: Clip to check.
        plausible_m: Plausible range of the median of a depth map, metres.

    Raises:
        DataSetError: Sizes differ, the unit is wrong, or none of a few frames can be read.
    """
    middle = len(clip.labelled) // 2
    problem = None
    for index in clip.labelled[middle : middle + 3]:
        try:
            image, depth = clip.image(index), clip.depth(index)
        except FrameError as error:
            problem = error
            continue
        assert depth is not None
        if image.shape[:2] != depth.shape:
            raise DataSetError(
                f'{clip.name}: images are {_size(image)} and depth maps {_size(depth)} pixels; '
                'expected depth that is registered to the image'
            )
        if not np.isfinite(depth).any():
            continue
        if wrong := unit_problem(depth, plausible_m):
            raise DataSetError(f'{clip.name}, frame {index}: {wrong}; {UNIT}')
        return clip
    if problem is not None:
        raise DataSetError(str(problem))
    return clip


class UnitError(FrameError):
    """Depth map whose unit seems to be another one."""


def check_unit(name: str, depth: Depth) -> None:
    """Refuse one of the maps of a recording by what is plausible for any camera.

    Args:
        name: Name of the map, for messages.
        depth: Depth, metres.

    Raises:
        UnitError: Its unit seems to be another one.
    """
    if problem := unit_problem(depth):
        raise UnitError(f'{name}: {problem}; {UNIT}')


def natural(paths: Iterable[Path]) -> list[Path]:
    """Sort paths by the numbers in their names: 2.png before 10.png."""
    return sorted(paths, key=lambda path: [_part(part) for part in re.split(r'(\d+)', path.name)])


def reproject(
    depth: Depth,
    depth_camera: Matrix,
    camera: Matrix,
    rotation: Matrix | None = None,
    shift_m: npt.NDArray[np.float64] | None = None,
) -> Depth:
    """Reproject depth into another camera of the same size; of two surfaces, the nearer is kept.

    Each pixel is assigned to the nearest pixel of the other camera, which leaves gaps where that
    camera's focal length is longer.

    Args:
        depth: ``[H, W]`` metres, NaN unknown.
        depth_camera: Matrix of the depth camera, ``[3, 3]`` pixels.
        camera: Matrix of the other camera.
        rotation: Rotation from the depth camera to the other one; parallel unless given.
        shift_m: Translation, ``[3]`` metres, likewise: ``rotation @ point + shift_m``.

    Returns:
        ``[H, W]`` metres, NaN unknown.
    """
    rows, columns = np.nonzero(np.isfinite(depth))
    pixels = np.stack([columns, rows, np.ones(len(rows))])
    points = np.linalg.inv(depth_camera) @ pixels * depth[rows, columns]
    if rotation is not None:
        points = rotation @ points
    if shift_m is not None:
        points = points + shift_m[:, None]
    seen = camera @ points
    x, y = np.rint(seen[:2] / seen[2]).astype(np.intp)
    height, width = depth.shape
    inside = (points[2] > 0) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    nearest = np.full(depth.shape, np.inf, np.float32)
    np.minimum.at(nearest, (y[inside], x[inside]), points[2, inside].astype(np.float32))
    nearest[np.isinf(nearest)] = np.nan
    return nearest


def camera_matrix(fx: float, fy: float, cx: float, cy: float) -> Matrix:
    """Return the camera matrix, ``[3, 3]``, of focal lengths and principal point, pixels."""
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float64)


def parallel_rig(left: Matrix, right: Matrix, baseline_m: float, size: Sequence[int]) -> StereoRig:
    """Return the rig of two rectified cameras.

    Args:
        left: Matrix of the left camera, ``[3, 3]`` pixels.
        right: Matrix of the right camera.
        baseline_m: Distance from the left to the right camera, metres.
        size: Rows and columns of the images.

    Raises:
        CalibrationError: Their rows do not correspond, or the distance is not above 0.
    """
    eyes = [Calibration.from_matrix(one, size[1], size[0]) for one in (left, right)]
    p = eyes[1].p
    moved = dataclasses.replace(eyes[1], p=(*p[:3], -p[0] * baseline_m, *p[4:]))
    return StereoRig(eyes[0], moved)


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file; what is not UTF-8, as in old comments, becomes U+FFFD.

    Raises:
        DataSetError: It is a pipe or a device.
    """
    try:
        check_regular(path)
    except OneLineError as error:
        raise DataSetError(str(error)) from error
    return path.read_text(encoding='utf-8', errors='replace').splitlines()


def check_size(path: Path, matrix: Matrix, size: Sequence[int]) -> None:
    """Refuse the camera matrix of a file that is of pictures of another size.

    Args:
        path: The file, for messages.
        matrix: The matrix; its skew is not used anywhere.
        size: Rows and columns of the pictures.

    Raises:
        DataSetError: The principal point is far from their centre.
    """
    straight = camera_matrix(matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2])
    try:
        check_matrix('K', straight, Calibration(size[1], size[0]))
    except CalibrationError as error:
        raise DataSetError(f'{path}: {error}, or give the option fx') from error


def numbered(paths: Iterable[Path]) -> dict[int, Path]:
    """Return files by the last numbers in their names.

    Raises:
        DataSetError: A name has none.
    """
    found = {}
    for path in paths:
        digits = re.findall(r'\d+', path.stem)
        if not digits:
            raise DataSetError(f'{path}: expected a number in the name')
        found[int(digits[-1])] = path
    return found


def pair(
    images: Mapping[Key, Path], depths: Mapping[Key, Path], name: str
) -> tuple[dict[Key, tuple[Path, Path]], dict[str, list[str]]]:
    """Pair images and depth maps with the same key.

    Args:
        images: Images by key, a number or a name.
        depths: Depth maps by key.
        name: Name of the clip, for messages.

    Returns:
        Pairs in the order of the images, and names of unpaired files, by reason.

    Raises:
        DataSetError: Too many files are unpaired, or fewer than two pairs are left.
    """
    pairs = {key: (image, depths[key]) for key, image in images.items() if key in depths}
    skipped = {}
    if alone := [image.name for key, image in images.items() if key not in depths]:
        skipped['no depth for the image'] = alone
    if alone := [depth.name for key, depth in depths.items() if key not in images]:
        skipped['no image for the depth'] = alone
    check_share(skipped, len(images.keys() | depths.keys()), name)
    if len(pairs) < 2:
        raise DataSetError(f'{name}: {len(pairs)} images with depth, expected 2 or more')
    return pairs, skipped


def note_skipped(skipped: dict[str, list[str]], reason: str, *names: str) -> None:
    """Add names to those left out for a reason, each once."""
    known = skipped.setdefault(reason, [])
    known += [name for name in dict.fromkeys(names) if name not in known]


@contextlib.contextmanager
def left_out(skipped: dict[str, list[str]], name: str) -> Iterator[None]:
    """Note a name by the reason for which it cannot be used, where there is one."""
    try:
        yield
    except FrameError as error:
        note_skipped(skipped, str(error), name)


def check_share(skipped: dict[str, list[str]], total: int, name: str) -> None:
    """Refuse a data set or clip of which too many frames were left out.

    Args:
        skipped: Names of the frames left out, by reason.
        total: Number of frames, including those left out.
        name: Name of the data set or clip.

    Raises:
        DataSetError: More than ``MAX_BAD_SHARE`` of the frames, and more than one, were left out.
    """
    bad = sum(map(len, skipped.values()))
    if bad > max(1, MAX_BAD_SHARE * total):
        reasons = '; '.join(
            f'{reason}: {len(names)}, for instance {names[0]}' for reason, names in skipped.items()
        )
        raise DataSetError(
            f'{name}: {bad} of {total} frames cannot be used, expected at most '
            f'{MAX_BAD_SHARE:.0%} ({reasons})'
        )


def _part(text: str) -> tuple[int, float, str]:
    return (0, float(text), '') if text.isdecimal() else (1, 0.0, text)


def _size(image: npt.NDArray[Any]) -> str:
    return f'{image.shape[1]} x {image.shape[0]}'
