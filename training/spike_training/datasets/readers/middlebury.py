# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of Middlebury's stereo pairs of 2003, 2005 and 2006: still pictures with disparity.

Scharstein and Szeliski, High-Accuracy Stereo Depth Maps Using Structured Light, 2003; Scharstein
and Pal, Learning Conditional Random Fields for Stereo, 2007. Pairs of 2005 and 2006 are of a third
of the full size, those of 2003 of a quarter; disparity is a png of bytes, so many to a pixel, 0
where it is unknown. At full size all pairs of 2005 and 2006 have one focal length and baseline;
``dmin.txt`` is the disparity there that cropping removed. Those of 2003 are not calibrated.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from spike_depth_ros.calibration import CalibrationError
from spike_depth_ros.errors import check_regular
from spike_training.datasets.clip import Clip, Depth, Disparity, Rgb, RightFrames
from spike_training.datasets.readers import files
from spike_training.errors import DataSetError, FrameError, one_line

TREE = """\
  ROOT/Art/view1.png and view5.png   (left and right picture of 2005 or 2006, third size)
  ROOT/Art/disp1.png                 (of the left one: bytes, 3 to a pixel)
  ROOT/Art/dmin.txt                  (for metres)
  ROOT/Cones/im2.png and im6.png     (of 2003, quarter size)
  ROOT/Cones/disp2.png               (bytes, 4 to a pixel)
or ROOT is the folder of one pair"""

FX_PX, BASELINE_M, THIRD = 3740.0, 0.160, 3
"""Focal length at full size, distance of the eyes, and parts of the full size."""

MAX_WIDTH = 500
"""Widest picture, pixels; the next larger size has more than 600."""

DMIN = 'dmin.txt'


class Layout(NamedTuple):
    """Names of a pair's files.

    Attributes:
        left: Left picture.
        right: Right picture.
        disparity: Disparity of the left picture.
        steps: Stored value of a disparity of one pixel.
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
)


class StillPair(Clip):
    """Clip of one frame: a pair of pictures.

    Args:
        folder: Folder of the pair.
        layout: Its files.

    Raises:
        FrameError: It is of another size, or its ``dmin.txt`` is no disparity.
    """

    def __init__(self, folder: Path, layout: Layout) -> None:
        self.name, self.times_s = f'middlebury/{folder.resolve().name}', np.zeros(1)
        self.skipped, self.video = {}, False
        self._folder, self._layout = folder, layout
        width, height = _size(folder / layout.left)
        self.camera, self.labelled, rig = None, (), None
        if layout.steps == THIRD and (folder / DMIN).is_file():
            self.labelled = (0,)
            self.camera = files.centred_camera(FX_PX / THIRD, (height, width))
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
        rig = self.right.rig
        return None if rig is None else rig.depth_of(self._disparity(index))

    def _right_image(self, index: int) -> Rgb:
        return files.read_rgb(self._folder / self._layout.right)

    def _disparity(self, index: int) -> Disparity:
        path = self._folder / self._layout.disparity
        try:
            check_regular(path)
            with Image.open(path) as image:
                stored = np.asarray(image)
        except Exception as error:  # decoders raise many kinds on damaged files
            raise FrameError(f'{path}: cannot be read: {one_line(error)}') from error
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
    clips: list[Clip] = []
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
        files.check_clip(calibrated[0], files.INDOOR_M)
    return clips


def _layout(folder: Path) -> Layout | None:
    """Return the layout of a pair's folder; None: it holds none of its files.

    Raises:
        FrameError: It holds some of them.
    """
    for layout in LAYOUTS:
        lacking = [name for name in layout.names if not (folder / name).is_file()]
        if not lacking:
            return layout
        if len(lacking) < len(layout.names):
            raise FrameError(
                f'{" and ".join(lacking)} missing, expected {", ".join(layout.names)}'
            )
    return None


def _size(path: Path) -> tuple[int, int]:
    """Return width and height of a picture.

    Raises:
        FrameError: It cannot be read, or is too wide.
    """
    try:
        check_regular(path)
        with Image.open(path) as image:
            width, height = image.size
    except Exception as error:  # decoders raise many kinds on damaged files
        raise FrameError(f'{path.name} cannot be read: {one_line(error)}') from error
    if width > MAX_WIDTH:
        raise FrameError(
            f'{path.name} is {width} pixels wide, expected at most {MAX_WIDTH}: take the third '
            'size of 2005 and 2006, the quarter size of 2003'
        )
    return width, height


def _dmin(path: Path) -> float:
    """Read the disparity that cropping removed, pixels of the full size.

    Raises:
        FrameError: It is not such a number.
    """
    try:
        check_regular(path)
        value = float(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise FrameError(f'{DMIN}: expected one number of pixels: {one_line(error)}') from error
    if not (math.isfinite(value) and value >= 0):
        raise FrameError(f'{DMIN}: {value:g}, expected a number of pixels, 0 or more')
    return value
