# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of stereo pairs of Middlebury and ETH3D: still pictures with disparity.

Scharstein and Szeliski, High-Accuracy Stereo Depth Maps Using Structured Light, 2003; Scharstein
and Pal, Learning Conditional Random Fields for Stereo, 2007. Pairs of 2005 and 2006 are of a third
of the full size, those of 2003 of a quarter; disparity is a png of bytes, so many to a pixel, 0
where it is unknown. At full size all pairs of 2005 and 2006 have one focal length and baseline;
``dmin.txt`` is the disparity there that cropping removed. Those of 2003 are not calibrated.

Scharstein et al., High-Resolution Stereo Datasets with Subpixel-Accurate Ground Truth, 2014;
Schöps et al., A Multi-View Stereo Benchmark with High-Resolution Images and Multi-Camera Videos,
2017: pairs of 2014 and later, of Middlebury's evaluation 3 and of two views of ETH3D have one
layout, of any size. Disparity is .pfm, +Inf where it is unknown; ``calib.txt`` has the cameras,
and a baseline in millimetres. Depth is ``baseline * f / (disparity + doffs)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base.errors import check_regular, printable
from spike_depth_ros.geometry.calibration import (
    MAX_BASELINE_M,
    MIN_BASELINE_M,
    Calibration,
    CalibrationError,
)
from spike_depth_ros.geometry.depth_values import unit_problem
from spike_depth_ros.geometry.rectification import check_matrix
from spike_depth_ros.geometry.rig import ANYWHERE, StereoRig
from spike_depth_ros.io.arrays import ArrayFileError, open_picture, picture_size, read_pfm, reading
from spike_depth_ros.io.orientation import check_upright
from spike_training.datasets.clip import Clip, Depth, Disparity, Matrix, Rgb, RightFrames
from spike_training.datasets.readers import files
from spike_training.errors import FrameError, one_line

TREE = """\
  ROOT/Art/view1.png and view5.png   (left and right picture of 2005 or 2006, third size)
  ROOT/Art/disp1.png                 (of the left one: bytes, 3 to a pixel)
  ROOT/Art/dmin.txt                  (for metres)
  ROOT/Cones/im2.png and im6.png     (of 2003, quarter size)
  ROOT/Cones/disp2.png               (bytes, 4 to a pixel)
  ROOT/Adirondack/im0.png, im1.png   (of 2014, evaluation 3 and ETH3D, any size)
  ROOT/Adirondack/disp0GT.pfm        (or disp0.pfm; of ETH3D, unpack it into the same folder)
  ROOT/Adirondack/calib.txt          (for metres)
or ROOT is the folder of one pair"""

FX_PX, BASELINE_M, THIRD = 3740.0, 0.160, 3
"""Focal length at full size, distance of the eyes, and parts of the full size."""

MAX_WIDTH = 500
"""Widest picture, pixels; the next larger size has more than 600."""

DMIN = 'dmin.txt'
CALIB = 'calib.txt'
MASK = 'mask0nocc.png'
"""Mask of pfm disparity: 0 where it is not evaluated, as it is not known well."""

OFFSET_PX = 0.1
"""Largest difference of ``doffs`` and the columns of both principal points, pixels."""

MOST_DISPARITY = 1.5
"""Largest disparity over ``ndisp``, a bound on it; above it one of both is of another size."""

UNKNOWN_PX = (0.0, -1.0)
"""Disparities of a .pfm that are none, beside NaN and infinity."""

SET = files.DataSet('middlebury', TREE)

PFM_M = (files.INDOOR_M[0], files.OUTDOOR_M[1])
"""Plausible median of depth where ``calib.txt`` gives the scale, metres."""


class Layout(NamedTuple):
    """Names of a pair's three files, and their form.

    Attributes:
        left: Left picture.
        right: Right picture.
        disparity: Disparity of the left picture.
        steps: Stored value of a disparity of one pixel; 0: floats, in pixels.
    """

    left: str
    right: str
    disparity: str
    steps: int


LAYOUTS = (
    Layout('view1.png', 'view5.png', 'disp1.png', THIRD),
    Layout('im2.png', 'im6.png', 'disp2.png', 4),
    Layout('im0.png', 'im1.png', 'disp0GT.pfm', 0),
    Layout('im0.png', 'im1.png', 'disp0.pfm', 0),
)


class Calib(NamedTuple):
    """What ``calib.txt`` or ``dmin.txt`` tells.

    Attributes:
        camera: Matrix of the left camera; None: there is no such file.
        rig: Both cameras; None: there is no baseline.
        most_px: Largest disparity that may be: the width where it does not tell.
    """

    camera: Matrix | None
    rig: StereoRig | None
    most_px: float


def _pair(folder: Path, layout: Layout) -> Clip:
    """Return the clip of a pair of pictures.

    Raises:
        FrameError: It is of another size, or ``dmin.txt`` or ``calib.txt`` cannot be used.
    """
    name = f'middlebury/{folder.resolve().name}'
    width, height = _size(folder / layout.left, MAX_WIDTH if layout.steps else math.inf)
    about = Calib(None, None, float(width))
    if layout.steps == 0 and (folder / CALIB).is_file():
        about = _calib(folder / CALIB, width, height)
    elif layout.steps == THIRD and (folder / DMIN).is_file():
        about = _third(folder / DMIN, width, height)
    rig, plausible_m = about.rig, files.INDOOR_M if layout.steps else PFM_M

    def disparity(index: int) -> Disparity:
        path = folder / layout.disparity
        found = _bytes(path, layout.steps) if layout.steps else _floats(path, about.most_px)
        if found.shape != (height, width):
            raise FrameError(
                f'{path}: {list(found.shape)}, expected {[height, width]}, rows and columns of '
                f'{layout.left}'
            )
        return found

    def depth(index: int) -> Depth | None:
        if rig is None:
            return None
        found = disparity(index)
        least = found[np.isfinite(found)].min(initial=np.inf)
        if least <= rig.offset_px:
            raise FrameError(
                f'{name}: disparity of {least:g} pixels, expected more than {rig.offset_px:g}, '
                'that of what is infinitely far: is it of this calibration?'
            )
        metres = rig.depth_of(found)
        if problem := unit_problem(metres, plausible_m):
            raise FrameError(f'{name}: {problem}: is it of this calibration?')
        return metres

    def picture(file: str) -> Callable[[int], Rgb]:
        return lambda index: files.read_rgb(folder / file)

    return Clip(
        name,
        about.camera,
        np.zeros(1),
        picture(layout.left),
        depth,
        () if rig is None else (0,),
        video=False,
        right=RightFrames((0,), picture(layout.right), disparity, rig),
    )


def _floats(path: Path, most_px: float) -> Disparity:
    """Read disparity of a .pfm, NaN where it is unknown or masked."""
    with files.frame_errors(), reading(path):
        found = read_pfm(path)
    disparity: Disparity = np.where(np.isfinite(found), found, np.float32(np.nan))
    disparity[np.isin(found, UNKNOWN_PX)] = np.nan
    if (mask := path.parent / MASK).is_file():
        known = files.read_rgb(mask).max(axis=2) > 0
        if known.shape != disparity.shape:
            raise FrameError(f'{mask}: {list(known.shape)}, expected {list(disparity.shape)}')
        disparity[~known] = np.nan
    values = disparity[np.isfinite(disparity)]
    least, most = values.min(initial=np.inf), values.max(initial=-np.inf)
    if least < 0 or most > most_px:
        raise FrameError(
            f'{path}: disparities of {least:g} to {most:g} pixels, expected above 0 and at most '
            f'{most_px:g}, by ndisp of {CALIB} or the width: is one of them of another size?'
        )
    return disparity


def _bytes(path: Path, steps: int) -> Disparity:
    """Read disparity of a picture, so many steps to a pixel, NaN where it is unknown."""
    with files.frame_errors(), reading(path), open_picture(path) as image:
        stored = np.asarray(image)
        check_upright(image)
    if stored.dtype != np.uint8 or stored.ndim != 2:
        raise FrameError(f'{path}: {stored.dtype} {list(stored.shape)}, expected grey bytes')
    disparity = stored.astype(np.float32) / steps
    disparity[stored == 0] = np.nan
    return disparity


def read(root: Path) -> list[Clip]:
    """Read the pairs in a folder, each a clip of one frame; only calibrated ones have depth.

    Args:
        root: Folder of the pairs, or that of one pair.

    Raises:
        DataSetError: There is no pair, or too many of them cannot be used.
    """
    SET.check_folder(root)
    clips: list[Clip] = []
    skipped: dict[str, list[str]] = {}
    for folder in (root, *sorted(path for path in root.iterdir() if path.is_dir())):
        with files.left_out(skipped, folder.name):
            if layout := _layout(folder):
                clips.append(_pair(folder, layout))
    total = len(clips) + sum(map(len, skipped.values()))
    clips = SET.usable(root, clips, skipped, total, f'Art/{LAYOUTS[0].left}')
    if calibrated := [clip for clip in clips if clip.labelled]:
        files.check_clip(calibrated[0], PFM_M)  # reading depth checks its own range
    return clips


def _layout(folder: Path) -> Layout | None:
    """Return the layout of a pair's folder; None: it holds none of its files."""
    lacking = {
        layout: [name for name in layout[:3] if not (folder / name).is_file()]
        for layout in LAYOUTS
    }
    best = min(LAYOUTS, key=lambda layout: len(lacking[layout]))
    if len(lacking[best]) == len(best[:3]):
        return None
    if lacking[best]:
        raise FrameError(f'{" and ".join(lacking[best])} missing, expected {", ".join(best[:3])}')
    return best


def _size(path: Path, most: float) -> tuple[int, int]:
    """Return width and height of a picture."""
    try:
        height, width = picture_size(path)
    except ArrayFileError as error:
        raise FrameError(str(error).removeprefix(f'{path.parent}/')) from error
    if width > most:
        raise FrameError(
            f'{path.name} is {width} pixels wide, expected at most {most}: take the third '
            'size of 2005 and 2006, the quarter size of 2003'
        )
    return width, height


def _calib(path: Path, width: int, height: int) -> Calib:
    """Read a ``calib.txt`` of a picture of a size."""
    found = _values(path)
    size = [float(found[name][0]) if name in found else 0.0 for name in ('width', 'height')]
    if size != [width, height]:
        told = f'{size[0]:g} x {size[1]:g}' if all(size) else 'not told'
        raise FrameError(
            f'{CALIB}: width and height are {told}, the picture is {width} x {height}: expected '
            'its own size, with cam0, cam1 and doffs of that size'
        )
    matrices = {name: found[name].reshape(3, 3) for name in CAMERAS if name in found}
    try:
        for name, matrix in matrices.items():
            check_matrix(name, matrix, Calibration(width, height), ANYWHERE)
        if 'cam0' not in matrices:
            raise FrameError(f'{CALIB}: no line cam0=, expected the matrix of the left camera')
        camera, rig = matrices['cam0'], None
        if 'baseline' in found:
            right = _right_matrix(matrices, found)
            rig = files.parallel_rig(camera, right, _metres(found['baseline']), (height, width))
    except CalibrationError as error:
        raise FrameError(f'{CALIB}: {error}') from error
    most = MOST_DISPARITY * float(found['ndisp'][0]) if 'ndisp' in found else float(width)
    return Calib(camera, rig, most)


CAMERAS = ('cam0', 'cam1')
NUMBERS = {'doffs': 1, 'baseline': 1, 'width': 1, 'height': 1, 'ndisp': 1} | dict.fromkeys(
    CAMERAS, 9
)
"""Lines of a ``calib.txt`` that are read, and how many numbers they have."""


def _values(path: Path) -> dict[str, npt.NDArray[np.float64]]:
    """Return the numbers of the lines ``name=...`` of a ``calib.txt``, those of NUMBERS alone."""
    found: dict[str, npt.NDArray[np.float64]] = {}
    try:
        lines = files.read_lines(path)
    except OSError as error:
        raise FrameError(f'{CALIB} cannot be read: {one_line(error)}') from error
    for line in lines:
        name, _, text = line.strip('\ufeff \t').partition('=')
        name = name.strip()
        if name not in NUMBERS:
            continue
        if name in found:
            raise FrameError(f'{CALIB}: two lines {name}=, expected one')
        try:
            values = np.array(text.translate(_BRACKETS).split(), np.float64)
        except ValueError:
            values = np.array([])
        if len(values) != NUMBERS[name] or not np.isfinite(values).all():
            many = 'one number' if NUMBERS[name] == 1 else 'nine numbers, [f 0 x; 0 f y; 0 0 1]'
            raise FrameError(f'{CALIB}: {name}={printable(text.strip()[:60])}, expected {many}')
        found[name] = values
    return found


_BRACKETS = str.maketrans('[];,', '    ')


def _right_matrix(matrices: Mapping[str, Matrix], found: Mapping[str, Matrix]) -> Matrix:
    """Return the matrix of the right camera, whose principal point ``doffs`` gives."""
    if 'cam1' not in matrices:
        raise FrameError(f'{CALIB}: baseline= without cam1=, expected the right camera, too')
    left, right = matrices['cam0'], matrices['cam1'].copy()
    offset = right[0, 2] - left[0, 2]
    doffs = float(found['doffs'][0]) if 'doffs' in found else offset
    if abs(doffs - offset) > OFFSET_PX:
        raise FrameError(
            f'{CALIB}: doffs={doffs:g}, but the columns of the principal points differ by '
            f'{offset:g}: expected cam1 less cam0, of one size of the picture'
        )
    right[0, 2] = left[0, 2] + doffs
    return right


def _metres(baseline_mm: npt.NDArray[np.float64]) -> float:
    """Convert the baseline to metres."""
    metres = float(baseline_mm[0]) / 1000
    if not MIN_BASELINE_M <= metres <= MAX_BASELINE_M:
        raise FrameError(
            f'{CALIB}: baseline={1000 * metres:g}, expected millimetres, '
            f'{1000 * MIN_BASELINE_M:g} to {1000 * MAX_BASELINE_M:g}: one in metres times 1000'
        )
    return metres


def _third(path: Path, width: int, height: int) -> Calib:
    """Read a ``dmin.txt``, the disparity that cropping removed, of a picture of a third."""
    try:
        check_regular(path)
        removed_px = float(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise FrameError(f'{DMIN}: expected one number of pixels: {one_line(error)}') from error
    if not (math.isfinite(removed_px) and removed_px >= 0):
        raise FrameError(f'{DMIN}: {removed_px:g}, expected a number of pixels, 0 or more')
    camera = Calibration.centred(FX_PX / THIRD, width, height).matrix
    right = camera.copy()
    right[0, 2] += removed_px / THIRD
    try:
        rig = files.parallel_rig(camera, right, BASELINE_M, (height, width))
    except CalibrationError as error:
        raise FrameError(f'{DMIN}: {error}') from error
    return Calib(camera, rig, float(width))
