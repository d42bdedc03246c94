# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image and depth files, read so strictly that what is damaged or of another unit comes to light.

Pillow reads images, for OpenCV fills what is missing of a truncated file with grey.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from spike_training.datasets.clip import Clip, Depth, Matrix, Rgb, Times
from spike_training.errors import DataSetError, FrameError, one_line

Key = TypeVar('Key', bound=Hashable)

MAX_BAD_SHARE = 0.05
"""Largest share of frames that may be left out; more say that something is wrong with the set."""

INDOOR_M = (0.2, 20.0)
OUTDOOR_M = (1.0, 300.0)
"""Between which metres the median of a depth map lies."""


@dataclasses.dataclass(frozen=True)
class DepthEncoding:
    """How files store depth.

    Attributes:
        per_metre: Stored value of one metre: 1000 for millimetres, 256 as KITTI does.
        invalid: Stored values that mean 'nothing measured'. 0 and less, NaN and infinity always
            do.
        sky_m: From so many metres on it is sky, None: the data set tells of no sky.
        plausible_m: Between which metres the median of a map lies; a wrong unit shows by it.
    """

    per_metre: float = 1.0
    invalid: tuple[float, ...] = ()
    sky_m: float | None = None
    plausible_m: tuple[float, float] = (INDOOR_M[0], OUTDOOR_M[1])

    def metres(self, stored: npt.NDArray[Any]) -> Depth:
        """``[H, W]`` float32 metres of stored values, NaN unknown, +Inf sky."""
        depth = stored.astype(np.float32) / np.float32(self.per_metre)
        unknown = ~(np.isfinite(depth) & (depth > 0))
        for value in self.invalid:
            unknown |= stored == value
        if self.sky_m is not None:
            depth[depth >= self.sky_m] = np.inf
        depth[unknown] = np.nan
        return depth


def stored_as(path: Path, per_metre: float) -> DepthEncoding:
    """Return the encoding of depth maps of which nothing is known but a file and maybe the unit.

    Args:
        path: One of the files.
        per_metre: Stored value of one metre; 0: 1000 for integers (millimetres), 1 for floats.
    """
    integers = path.suffix.lower() in ('.png', '.pgm')
    return DepthEncoding(per_metre or (1000.0 if integers else 1.0), (65535,))


def read_rgb(path: Path) -> Rgb:
    """A picture, ``[H, W, 3]`` uint8 RGB.

    Raises:
        FrameError: It is missing, damaged or not a picture of 8 bits.
    """
    try:
        with Image.open(path) as image:
            image.load()
    except Exception as error:  # decoders raise many kinds on damaged files
        raise FrameError(f'{path}: cannot be read: {one_line(error)}') from error
    if image.mode not in ('L', 'P', 'RGB', 'RGBA'):
        raise FrameError(f'{path}: pixels are {image.mode}, expected 8-bit grey or colour')
    return np.asarray(image.convert('RGB'))


def read_depth(path: Path, encoding: DepthEncoding) -> Depth:
    """Depth of a .png, .pgm, .npy, .pfm or .exr file, ``[H, W]`` float32 metres.

    Raises:
        FrameError: It is missing, damaged or holds something else than depth.
    """
    reader = _STORED.get(path.suffix.lower())
    if reader is None:
        raise FrameError(f'{path}: expected depth as {", ".join(_STORED)}')
    try:
        stored = reader(path)
    except Exception as error:  # see above
        raise FrameError(f'{path}: cannot be read: {one_line(error)}') from error
    if stored.ndim != 2:
        raise FrameError(f'{path}: shape {list(stored.shape)}, expected one channel of depth')
    if stored.dtype.itemsize < 2 or stored.dtype.kind not in 'uif':
        raise FrameError(
            f'{path}: {stored.dtype} is a picture of depth, expected 16-bit integers or floats'
        )
    return encoding.metres(stored)


class FileClip(Clip):
    """Frames and depth maps in one file each.

    Args:
        name: See :class:`Clip`.
        camera: See :class:`Clip`.
        times_s: See :class:`Clip`.
        images: A file for each frame.
        depths: A file for each frame, None where there is no depth.
        encoding: Of the depth files.
        skipped: See :class:`Clip`.
        register: Brings a depth map as it is stored into the image; depth that lies in the image
            already needs none.
    """

    def __init__(
        self,
        name: str,
        camera: Matrix,
        times_s: Times,
        images: Sequence[Path],
        depths: Sequence[Path | None],
        encoding: DepthEncoding,
        skipped: dict[str, list[str]] | None = None,
        register: Callable[[Depth], Depth] | None = None,
    ) -> None:
        self.name, self.camera, self.times_s = name, camera, times_s
        self.encoding = encoding
        self.labelled = tuple(i for i, path in enumerate(depths) if path is not None)
        self.skipped = skipped or {}
        self._images, self._depths, self._register = tuple(images), tuple(depths), register

    def image(self, index: int) -> Rgb:
        """See :meth:`Clip.image`."""
        return read_rgb(self._images[index])

    def depth(self, index: int) -> Depth | None:
        """See :meth:`Clip.depth`."""
        path = self._depths[index]
        if path is None:
            return None
        depth = read_depth(path, self.encoding)
        return depth if self._register is None else self._register(depth)

    @classmethod
    def checked(
        cls,
        name: str,
        camera: Matrix,
        times_s: Times,
        frames: Iterable[tuple[Path, Path | None]],
        encoding: DepthEncoding,
        skipped: dict[str, list[str]],
        register: Callable[[Depth], Depth] | None = None,
    ) -> FileClip:
        """Return a clip of images, each with its depth, once :func:`check_clip` has looked at it.

        Args:
            name: As for the class, and so are the others.
            camera: Matrix of the images.
            times_s: Of the frames.
            frames: Image and depth map of each frame, None where there is no depth.
            encoding: Of the depth files.
            skipped: Frames that were left out.
            register: Brings depth into the image.

        Raises:
            DataSetError: Image, depth and unit do not go together.
        """
        images, depths = zip(*frames, strict=True)
        clip = cls(name, camera, times_s, images, depths, encoding, skipped, register)
        check_clip(clip, encoding.plausible_m)
        return clip


def check_clip(clip: Clip, plausible_m: tuple[float, float]) -> None:
    """Reads one labelled frame: do image, depth and unit go together?

    A frame that is damaged by itself is not held against the clip; the next one is tried.

    Args:
        clip: The clip.
        plausible_m: Between which metres the median of a depth map lies.

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
        check_median(f'{clip.name}, frame {index}', depth, plausible_m)
        return
    if problem is not None:
        raise DataSetError(str(problem))


def check_median(name: str, depth: Depth, plausible_m: tuple[float, float]) -> None:
    """Refuses depth in a wrong unit.

    Args:
        name: Whose depth it is.
        depth: Metres; NaN and infinity do not count.
        plausible_m: Between which metres the median lies.

    Raises:
        DataSetError: It does not.
    """
    known = depth[np.isfinite(depth)]
    low, high = plausible_m
    if known.size and not low <= (median := float(np.median(known))) <= high:
        raise DataSetError(
            f'{name}: the median depth is {median:.3g} m, expected {low:g} to {high:g} m; is the '
            'unit right?'
        )


def missing(path: Path, tree: str) -> DataSetError:
    """The error for what a data set lacks.

    Args:
        path: The file or folder that is not there.
        tree: What is expected, a line for each folder or kind of file.
    """
    return DataSetError(f'{path} is missing; expected\n{tree}')


def folders(root: Path, tree: str) -> None:
    """Refuses a data set whose folder does not exist.

    Raises:
        DataSetError: There is no such folder.
    """
    if not root.is_dir():
        raise missing(root, tree)


def natural(paths: Iterable[Path]) -> list[Path]:
    """Paths in the order of the numbers in their names: 2.png before 10.png."""
    return sorted(paths, key=lambda path: [_part(part) for part in re.split(r'(\d+)', path.name)])


def reproject(
    depth: Depth,
    depth_camera: Matrix,
    camera: Matrix,
    rotation: Matrix | None = None,
    shift_m: npt.NDArray[np.float64] | None = None,
) -> Depth:
    """Depth of one camera as another one of the same size sees it; of two things, the nearer.

    Every pixel goes to the one that it falls into, so gaps open where the other camera's focal
    length is longer.

    Args:
        depth: ``[H, W]`` metres, NaN unknown.
        depth_camera: Matrix of the depth camera, ``[3, 3]`` pixels.
        camera: Matrix of the other camera.
        rotation: From the depth camera to the other one; parallel unless given.
        shift_m: ``[3]``, likewise: ``rotation @ point + shift_m``.

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


def centred_camera(fx: float, size: Sequence[int]) -> Matrix:
    """Return the matrix of a camera whose centre is that of its image, ``[rows, columns]``."""
    return camera_matrix(fx, fx, (size[1] - 1) / 2, (size[0] - 1) / 2)


def camera_matrix(fx: float, fy: float, cx: float, cy: float) -> Matrix:
    """``[3, 3]`` of focal lengths and centre, pixels."""
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float64)


def read_matrix(path: Path, tree: str) -> Matrix:
    """A camera matrix of nine numbers in a text file.

    Raises:
        DataSetError: The file is missing or holds something else.
    """
    if not path.is_file():
        raise missing(path, tree)
    try:
        matrix = np.array(path.read_text(encoding='utf-8').split(), np.float64).reshape(3, 3)
    except ValueError as error:
        raise DataSetError(f'{path}: expected a camera matrix, three rows of three') from error
    if not (matrix[0, 0] > 0 and matrix[1, 1] > 0 and np.isfinite(matrix).all()):
        raise DataSetError(f'{path}: expected a camera matrix, its focal lengths above 0')
    return matrix


def read_projection(path: Path, name: str, tree: str) -> Matrix:
    """The camera matrix of a projection matrix in a calibration file of KITTI's form.

    Args:
        path: Lines of a name, a colon and numbers.
        name: Of the line with the projection matrix, twelve numbers.
        tree: What is expected where.

    Raises:
        DataSetError: The file is missing or lacks that line.
    """
    if not path.is_file():
        raise missing(path, tree)
    for line in path.read_text(encoding='utf-8').splitlines():
        if line.startswith(f'{name}:'):
            try:
                return np.array(line.split()[1:], np.float64).reshape(3, 4)[:, :3]
            except ValueError:
                break
    raise DataSetError(f'{path}: expected a line "{name}:" with twelve numbers')


def number_of(path: Path) -> int:
    """The last number in a file's name.

    Raises:
        DataSetError: There is none.
    """
    digits = re.findall(r'\d+', path.stem)
    if not digits:
        raise DataSetError(f'{path}: expected a number in the name')
    return int(digits[-1])


def pair(
    images: Mapping[Key, Path], depths: Mapping[Key, Path], name: str
) -> tuple[dict[Key, tuple[Path, Path]], dict[str, list[str]]]:
    """Images and depth maps that belong together.

    Args:
        images: Images by what they share with their depth, a number or a name.
        depths: Depth maps likewise.
        name: Of the clip, for messages.

    Returns:
        Pairs in the order of the images, and names of what has no partner, by reason.

    Raises:
        DataSetError: Too many have none, or fewer than two pairs are left.
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
    """Add names to those that were left out for a reason, each once."""
    known = skipped.setdefault(reason, [])
    known += [name for name in dict.fromkeys(names) if name not in known]


def check_share(skipped: dict[str, list[str]], total: int, name: str) -> None:
    """Refuses a set of which too much had to be left out.

    Args:
        skipped: Names by reason.
        total: Frames, those left out included.
        name: Of the set or clip.

    Raises:
        DataSetError: More than ``MAX_BAD_SHARE`` of the frames, and more than one.
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


def _read_png(path: Path) -> npt.NDArray[Any]:
    with Image.open(path) as image:
        stored = np.asarray(image)
    # Pillow hands out some 16-bit files as 32-bit ones.
    return stored.astype(np.uint16) if image.mode == 'I' else stored


def _read_npy(path: Path) -> npt.NDArray[Any]:
    stored: npt.NDArray[Any] = np.load(path, allow_pickle=False)
    return stored.reshape(stored.shape[-3:-1]) if stored.shape[-1:] == (1,) else stored


def read_pfm(path: Path) -> npt.NDArray[np.float32]:
    """A portable float map, top row first, ``[H, W]`` or ``[H, W, 3]``.

    The format (Debevec's HDRShop): ``Pf`` or ``PF``, width and height, a scale whose sign tells
    the byte order (negative: little-endian), then rows of float32 from the bottom to the top.

    Raises:
        OSError: There is no such file.
        ValueError: It is not of that form, or too short.
    """
    content = path.read_bytes()
    header = re.match(rb'(P[fF])\s+(\d+)\s+(\d+)\s+(-?[\d.eE+-]+)\s', content)
    if header is None:
        raise ValueError('expected a portable float map, Pf')
    channels = 3 if header[1] == b'PF' else 1
    width, height = int(header[2]), int(header[3])
    order = '<' if float(header[4]) < 0 else '>'
    expected = width * height * channels * 4
    found = len(content) - header.end()
    if found < expected:
        raise ValueError(f'{found} bytes of {width} x {height} floats, expected {expected}')
    values = np.frombuffer(content, f'{order}f4', width * height * channels, header.end())
    image = values.astype(np.float32).reshape(height, width, channels)[::-1]
    return image if channels == 3 else image[:, :, 0]


def _read_exr(path: Path) -> npt.NDArray[Any]:
    # OpenCV leaves this format off unless that is asked for, before its first use.
    os.environ.setdefault('OPENCV_IO_ENABLE_OPENEXR', '1')
    import cv2

    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if stored is None:
        raise ValueError('not an OpenEXR file, damaged, or this OpenCV reads none')
    return np.asarray(stored)


_STORED: dict[str, Callable[[Path], npt.NDArray[Any]]] = {
    '.png': _read_png,
    '.pgm': _read_png,
    '.npy': _read_npy,
    '.pfm': read_pfm,
    '.exr': _read_exr,
}

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.ppm', '.bmp')
DEPTH_SUFFIXES = tuple(_STORED)


def is_one_of(path: Path, suffixes: Sequence[str]) -> bool:
    """Whether a file has one of some suffixes; what macOS leaves in archives, ``._``, has not."""
    return path.suffix.lower() in suffixes and not path.name.startswith('.')


def list_files(folder: Path, suffixes: Sequence[str], tree: str) -> list[Path]:
    """The files of a folder with one of some suffixes, in the order of their numbers.

    Raises:
        DataSetError: There is no such folder, or no such file in it.
    """
    folders(folder, tree)
    files = natural(path for path in folder.iterdir() if is_one_of(path, suffixes))
    if not files:
        raise missing(folder / f'*{suffixes[0]}', tree)
    return files


def _part(text: str) -> tuple[int, float, str]:
    return (0, float(text), '') if text.isdigit() else (1, 0.0, text)


def _size(image: npt.NDArray[Any]) -> str:
    return f'{image.shape[1]} x {image.shape[0]}'
