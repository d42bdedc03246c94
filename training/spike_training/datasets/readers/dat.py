# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of folders of Vidar ``.dat`` recordings with depth maps or reference images.

``NAME.dat`` has its depth in ``depth/NAME_PLANE.npy``, one file for each plane with depth, or in
``depth/NAME.npy`` for the middle plane. Sharp images are named likewise, as the tree below
shows. docs/reference/wire_format.md describes the format of .dat files.
"""

from __future__ import annotations

import dataclasses
import glob
import re
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Literal

from spike_depth_ros.base.values import NotNegative, Positive
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.io.vidar import Axes, Packing, RawLayout
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.stream.window import reference_index
from spike_depth_ros.tools.arguments import OptionalFocalLength, PlaneRate, parse_size
from spike_training.datasets.clip import Matrix, RightSpikes, SpikeClip
from spike_training.datasets.readers import files, pairs, recordings
from spike_training.datasets.readers.options import checked
from spike_training.datasets.row_length import measure_layout
from spike_training.errors import DataSetError

TREE = """\
  ROOT/NAME.dat                (packed planes of a Vidar camera, no header; ROOT may be a file)
  ROOT/depth/NAME_01000.npy    (depth at plane 1000; also .pfm, .exr in metres, or uint16 .png)
  ROOT/depth/NAME.npy          (or one map, at the middle plane; no folder depth: no truth)
  ROOT/image/NAME_01000.png    (sharp grey image at plane 1000; ROOT/NAME.png: the middle one)
  ROOT/K.txt                   (camera matrix, 3 x 3, pixels; or give the option fx)
  RIGHT/NAME.dat               (right eye of pairs, the option right; RIGHT may be a file)"""

SET = files.DataSet('dat', TREE)


@checked
def read(
    root: Path,
    size: str = '400x250',
    rate_hz: PlaneRate = 20_000.0,
    per_metre: NotNegative = 0.0,
    fx: OptionalFocalLength = 0.0,
    white_rate: Positive = 1.0,
    row_bytes: int = 0,
    packing: Literal['', Packing] = '',
    skip_columns: int = 0,
    axes: Literal['', Axes] = '',
    right: Path | None = None,
    baseline: float = 0.0,
) -> list[SpikeClip]:
    """Read the recordings in a folder; only those with depth, where any has.

    Args:
        root: Folder, or one file of it.
        size: Width and height of the sensor, pixels.
        rate_hz: Planes a second.
        per_metre: Stored depth of one metre; 0: 1000 for integers (millimetres), 1 for floats.
        fx: Focal length in pixels, with the principal point in the middle, instead of K.txt; 0:
            K.txt if there is one.
        white_rate: Firing rate, spikes per plane, where a reference image is white.
        row_bytes: Bytes from row to row; 0: those of the width, or more where rows are padded.
        packing: rows: each row begins with a new byte; whole: only each plane, as where rows are
            not padded. If not given, rows, and files that clearly are not so are refused.
        skip_columns: Columns at the left of each stored row that are no pixels, and not of size.
        axes: Order of the bits: thw, plane after plane; hwt, pixel after pixel, of all planes.
        right: Folder of the recordings of the right eye under the same names, or the file of the
            only one. Planes of the same number are of one time; the longer file is cut.
        baseline: Distance from the left to the right camera of pairs, metres.

    Raises:
        DataSetError: Files are missing, damaged or clearly of another size, too many depth maps
            belong to no plane, the unit is wrong, or two eyes are no calibrated pair.
    """
    alone = root if root.is_file() else None
    if alone is not None:
        if alone.suffix != '.dat':
            raise DataSetError(f'{alone}: expected a .dat file, or a folder of them')
        root = root.parent
    SET.check_folder(root)
    width, height = parse_size(size, DataSetError)
    geometry = Geometry(height, width)
    found = [alone] if alone is not None else SET.listed(root, ('.dat',))
    order = axes or 'thw'
    layout = _layout(geometry, row_bytes, packing, skip_columns)
    if order == 'thw' and not row_bytes:
        given = {'packing': packing, 'skip_columns': skip_columns, 'axes': axes}
        layout = measure_layout(found, layout, [name for name, one in given.items() if one])
    maps = []
    if (root / 'depth').is_dir():
        maps = SET.depth_maps(root / 'depth')
    stems = {path.stem for path in root.glob('*.dat')}
    if alone is not None:  # maps of other recordings are not counted as skipped
        maps = [path for _, path in _by_plane(maps, alone.stem, sys.maxsize, stems)]
    camera = recordings.centred_camera(fx, geometry)
    if camera is None and (root / 'K.txt').is_file():
        camera = SET.matrix(root / 'K.txt')
    rig = _rig(right, baseline, camera, geometry)
    clips, skipped = [], {path.name for path in maps}
    for path in found:
        planes, load = recordings.dat_planes(path, layout, order)
        eye = None
        if right is not None and rig is not None:
            other = _beside(right, path, len(found))
            also, load_right = recordings.dat_planes(other, layout, order)
            planes, eye = min(planes, also), RightSpikes(load_right, rig)
        placed = _by_plane(maps, path.stem, planes, stems)
        if maps and not placed:
            continue
        skipped -= {depth.name for _, depth in placed}
        labelled = dict(placed)
        depths = tuple(
            recordings.depth_file(file, files.DepthEncoding(per_metre or None), geometry)
            for file in labelled.values()
        )
        middle, numbered = root / f'{path.stem}.png', f'{glob.escape(path.stem)}_*.png'
        images = [middle] if middle.is_file() else []
        images += (root / 'image').glob(numbered)
        shown = dict(_by_plane(images, path.stem, planes, stems))
        clips.append(
            SpikeClip(
                f'dat/{path.stem}', geometry, planes, rate_hz, camera, load,
                tuple(labelled), depths,
                image_planes=tuple(shown),
                images=tuple(recordings.image_file(png, geometry) for png in shown.values()),
                white_rate=white_rate,
                right=eye,
            )
        )  # fmt: skip
    if camera is not None and not fx:  # not before the size of the recordings is known to be right
        files.check_size(root / 'K.txt', camera, (height, width))
    if not clips:
        raise SET.missing(root / 'depth' / f'{found[0].stem}.npy')
    if skipped:
        reasons = {'no plane of a recording for the depth': sorted(skipped)}
        files.check_share(reasons, len(maps), f'dat/{root.name}')
        clips[0].skipped.update(reasons)
    if maps:
        first = clips[0].depths[0]
        recordings.check_depth(clips[0].name, first, files.DepthEncoding().plausible_m)
    if rig is not None:
        pairs.check_alignment(clips)
    return clips


def _layout(
    geometry: Geometry, row_bytes: int, packing: Literal['', Packing], skip_columns: int
) -> RawLayout:
    """Return the layout of the options."""
    kind = packing or 'rows'
    if row_bytes and (skip_columns or kind != 'rows'):
        raise DataSetError(
            f'option row_bytes is {row_bytes}: expected none with packing or skip_columns'
        )
    layout = recordings.padded_layout(geometry, row_bytes)
    try:
        return dataclasses.replace(layout, packing=kind, skip_columns=skip_columns)
    except ValueError as error:
        raise DataSetError(f'option skip_columns: {error}') from error


def _rig(
    right: Path | None, baseline_m: float, camera: Matrix | None, geometry: Geometry
) -> StereoRig | None:
    """Return the rig of the options for two eyes, whose cameras are alike; None: one eye."""
    if right is None:
        if baseline_m:
            raise DataSetError(
                'option baseline is of two eyes: give the right recordings by the option right'
            )
        return None
    if camera is None:
        raise DataSetError(f'{right}: two eyes need a focal length: give the option fx, or K.txt')
    size = geometry.height, geometry.width
    return pairs.rectified_rig('option baseline', camera, camera, baseline_m, size)


def _beside(right: Path, path: Path, number: int) -> Path:
    """Return the right recording of a left one."""
    if right.is_file() and number > 1:
        raise DataSetError(
            f'{right}: is one file for {number} recordings, expected the folder of the right ones'
        )
    other = right if right.is_file() else right / path.name
    if not other.is_file():
        raise DataSetError(f'{other} is missing; expected the right recording of {path}')
    if other.samefile(path):
        raise DataSetError(f'{other}: is the left recording; expected that of the right camera')
    return other


def _by_plane(
    paths: Iterable[Path], stem: str, planes: int, stems: Collection[str]
) -> list[tuple[int, Path]]:
    """Return the files of a recording with their planes, in order; none after its last plane.

    A file that bears the name of another recording is that one's: ``walk_2`` beside ``walk``.
    """
    found = []
    for path in paths:
        if path.stem != stem and path.stem in stems:
            continue
        if match := re.fullmatch(rf'{re.escape(stem)}(?:_(\d+))?', path.stem):
            plane = int(match[1]) if match[1] else reference_index('middle', planes)
            found.append((plane, path))
    return sorted((one for one in found if one[0] < planes), key=lambda one: one[0])
