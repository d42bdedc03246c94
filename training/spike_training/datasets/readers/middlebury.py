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
from collections.abc import Mapping
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
from spike_depth_ros.io.arrays import open_picture, picture_size, read_pfm, reading
from spike_depth_ros.io.orientation import check_upright
from spike_training.datasets.clip import Clip, Depth, Disparity, Matrix, Rgb, RightFrames
from spike_training.datasets.readers import files
from spike_training.errors import DataSetError, FrameError, one_line

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

PFM_M = (files.INDOOR_M[0], files.OUTDOOR_M[1])
"""Plausible median of depth where ``calib.txt`` gives the scale, metres."""


class Layout(NamedTuple):
    """Names of a pair's files.

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

    @property
    def names(self) -> tuple[str, str, str]:
        """The files."""
        return self.left, self.right, self.disparity


LAYOUTS = (
    Layout('view1.png', 'view5.png', 'disp1.png', THIRD),
    Layout('im2.png', 'im6.png', 'disp2.png', 4),
    Layout('im0.png', 'im1.png', 'disp0GT.pfm', 0),
    Layout('im0.png', 'im1.png', 'disp0.pfm', 0),
)


class Calib(NamedTuple):
    """What a ``calib.txt`` tells.

    Attributes:
        camera: Matrix of the left camera.
        rig: Both cameras; None: there is no baseline.
        most_px: Largest disparity that may be: the width where it does not tell.
    """

    camera: Matrix
    rig: StereoRig | None
    most_px: float


class StillPair(Clip):
    """Clip of one frame: a pair of pictures.

    Args:
        folder: Folder of the pair.
        layout: Its files.

    Raises:
        FrameError: It is of another size, or ``dmin.txt`` or ``calib.txt`` cannot be used.
    """

    def __init__(self, folder: Path, layout: Layout) -> None:
        self.name, self.times_s = f'middlebury/{folder.resolve().name}', np.zeros(1)
        self.skipped, self.video = {}, False
        self._folder, self._layout = folder, layout
        width, height = _size(folder / layout.left, MAX_WIDTH if layout.steps else math.inf)
        self.camera, self.labelled, rig = None, (), None
        self._shape, self._most_px = (height, width), float(width)
        self.plausible_m = files.INDOOR_M if layout.steps else PFM_M
        if layout.steps == 0 and (folder / CALIB).is_file():
            self.camera, rig, self._most_px = _calib(folder / CALIB, width, height)
            self.labelled = () if rig is None else (0,)
        elif layout.steps == THIRD and (folder / DMIN).is_file():
            self.labelled = (0,)
            self.camera = Calibration.centred(FX_PX / THIRD, width, height).matrix
            right = self.camera.copy()
            right[0, 2] += _dmin(folder / DMIN) / THIRD
            try:
                rig = files.parallel_rig(self.camera, right, BASELINE_M, (height, width))
            except CalibrationError as error:
                raise FrameError(f'{DMIN}: {error}') from error
        self.right = RightFrames((0,), self._right_image, self._disparity, rig)

    def image(self, index: int) -> Rgb:
        """Implement :meth:`Clip.image`."""
        return files.read_rgb(self._folder / self._layout.left)

    def depth(self, index: int) -> Depth | None:
        """Implement :meth:`Clip.depth`."""
        assert self.right is not None
        if (rig := self.right.rig) is None:
            return None
        disparity = self._disparity(index)
        least = disparity[np.isfinite(disparity)].min(initial=np.inf)
        if least <= rig.offset_px:
            raise FrameError(
                f'{self.name}: disparity of {least:g} pixels, expected more than '
                f'{rig.offset_px:g}, that of what is infinitely far: is it of this calibration?'
            )
        depth = rig.depth_of(disparity)
        if problem := unit_problem(depth, self.plausible_m):
            raise FrameError(f'{self.name}: {problem}: is it of this calibration?')
        return depth

    def _right_image(self, index: int) -> Rgb:
        return files.read_rgb(self._folder / self._layout.right)

    def _disparity(self, index: int) -> Disparity:
        disparity = self._bytes() if self._layout.steps else self._floats()
        if disparity.shape != self._shape:
            raise FrameError(
                f'{self._folder / self._layout.disparity}: {list(disparity.shape)}, expected '
                f'{list(self._shape)}, rows and columns of {self._layout.left}'
            )
        return disparity

    def _floats(self) -> Disparity:
        """Read disparity of a .pfm, NaN where it is unknown or masked."""
        path = self._folder / self._layout.disparity
        with files.frame_errors(), reading(path):
            found = read_pfm(path)
        disparity: Disparity = np.where(np.isfinite(found), found, np.float32(np.nan))
        disparity[np.isin(found, UNKNOWN_PX)] = np.nan
        if (mask := self._folder / MASK).is_file():
            known = files.read_rgb(mask).max(axis=2) > 0
            if known.shape != disparity.shape:
                raise FrameError(f'{mask}: {list(known.shape)}, expected {list(disparity.shape)}')
            disparity[~known] = np.nan
        values = disparity[np.isfinite(disparity)]
        least, most = values.min(initial=np.inf), values.max(initial=-np.inf)
        if least < 0 or most > self._most_px:
            raise FrameError(
                f'{path}: disparities of {least:g} to {most:g} pixels, expected above 0 and at '
                f'most {self._most_px:g}, by ndisp of {CALIB} or the width: is one of them of '
                'another size?'
            )
        return disparity

    def _bytes(self) -> Disparity:
        """Read disparity of a picture, NaN where it is unknown."""
        path = self._folder / self._layout.disparity
        with files.frame_errors(), reading(path), open_picture(path) as image:
            stored = np.asarray(image)
            check_upright(image)
        if stored.dtype != np.uint8 or stored.ndim != 2:
            raise FrameError(f'{path}: {stored.dtype} {list(stored.shape)}, expected grey bytes')
        disparity = stored.astype(np.float32) / self._layout.steps
        disparity[stored == 0] = np.nan
        return disparity


def read(root: Path) -> list[Clip]:
    """Read the pairs in a folder, each a clip of one frame; only calibrated ones have depth.

    Args:
        root: Folder of the pairs, or that of one pair.

    Raises:
        DataSetError: There is no pair, or too many of them cannot be used.
    """
    files.folders(root, TREE)
    clips: list[StillPair] = []
    skipped: dict[str, list[str]] = {}
    for folder in (root, *sorted(path for path in root.iterdir() if path.is_dir())):
        try:
            layout = _layout(folder)
            if layout is not None:
                clips.append(StillPair(folder, layout))
        except FrameError as error:
            files.note_skipped(skipped, str(error), folder.name)
    bad = sum(map(len, skipped.values()))
    files.check_share(skipped, len(clips) + bad, f'middlebury/{root.resolve().name}')
    if not clips and skipped:
        raise DataSetError(f'{root}: {next(iter(skipped))}')
    if not clips:
        raise files.missing(root / 'Art' / LAYOUTS[0].left, TREE)
    clips[0].skipped.update(skipped)
    if calibrated := [clip for clip in clips if clip.labelled]:
        files.check_clip(calibrated[0], calibrated[0].plausible_m)
    return [*clips]


def _layout(folder: Path) -> Layout | None:
    """Return the layout of a pair's folder; None: it holds none of its files."""
    lacking = {
        layout: [name for name in layout.names if not (folder / name).is_file()]
        for layout in LAYOUTS
    }
    for layout, names in lacking.items():
        if not names:
            return layout
    for layout, names in lacking.items():
        if len(names) < len(layout.names):
            raise FrameError(f'{" and ".join(names)} missing, expected {", ".join(layout.names)}')
    return None


def _size(path: Path, most: float) -> tuple[int, int]:
    """Return width and height of a picture."""
    with files.frame_errors():
        height, width = picture_size(path)
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


def _dmin(path: Path) -> float:
    """Read the disparity that cropping removed, pixels of the full size."""
    try:
        check_regular(path)
        value = float(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise FrameError(f'{DMIN}: expected one number of pixels: {one_line(error)}') from error
    if not (math.isfinite(value) and value >= 0):
        raise FrameError(f'{DMIN}: {value:g}, expected a number of pixels, 0 or more')
    return value
