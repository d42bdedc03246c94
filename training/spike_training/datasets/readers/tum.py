# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of TUM RGB-D: images and depth maps with stamps of their own, paired by time.

Sturm et al., A Benchmark for the Evaluation of RGB-D SLAM Systems, 2012: depth png of uint16, 5000
to a metre, registered to colour, 0 where nothing was measured. The data set's page gives 525
pixels and the principal point (319.5, 239.5) for all sequences, and calibrated values for the
cameras of fr1, fr2 and fr3, which are used where the folder's name includes the camera.
"""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path

import numpy as np

from spike_depth_ros.tools.arguments import OptionalFocalLength, PerMetre
from spike_training.datasets.clip import Clip, Matrix, Times
from spike_training.datasets.name_times import check_gap
from spike_training.datasets.readers import files
from spike_training.datasets.readers.options import checked
from spike_training.errors import DataSetError

TREE = """\
  ROOT/rgb.txt     ("STAMP rgb/STAMP.png" on each line, # for comments)
  ROOT/depth.txt   ("STAMP depth/STAMP.png")
  ROOT/rgb/*.png
  ROOT/depth/*.png (uint16, 5000 to a metre)
or ROOT/SEQUENCE/rgb.txt and so on for several"""

MAX_APART_S = 0.02
"""Longest time between an image and a depth map of a pair."""

CAMERAS = {
    'freiburg1': (517.3, 516.5, 318.6, 255.3),
    'freiburg2': (520.9, 521.0, 325.1, 249.7),
    'freiburg3': (535.4, 539.2, 320.1, 247.6),
}
"""Focal lengths and principal points of the colour cameras, pixels, by part of folder name."""
ANY_CAMERA = (525.0, 525.0, 319.5, 239.5)

SET = files.DataSet('tum', TREE)


@checked
def read(root: Path, per_metre: PerMetre = 5000.0, fx: OptionalFocalLength = 0.0) -> list[Clip]:
    """Read the sequences below a folder.

    Args:
        root: Folder of a sequence, or of several.
        per_metre: Stored value of one metre.
        fx: Focal length in pixels, with TUM's nominal principal point; 0: as published.

    Raises:
        DataSetError: Lists or files are missing, or no image has depth. Images without depth are
            kept and named, as there may be more of them.
    """
    root = Path(os.path.abspath(root))  # its name tells the camera
    sequences = SET.folders_of(root, 'rgb.txt', '*/rgb.txt', example='rgb.txt')
    encoding = files.DepthEncoding(per_metre, plausible_m=files.INDOOR_M)
    data = dataclasses.replace(SET, encoding=encoding)
    return [_sequence(folder, data, fx) for folder in sequences]


def _sequence(folder: Path, data: files.DataSet, fx: float) -> Clip:
    image_times, images = _list(folder / 'rgb.txt')
    frames, skipped = pair_by_time(image_times, images, *_list(folder / 'depth.txt'), MAX_APART_S)
    name = f'tum/{folder.name}'
    check_gap(image_times, folder / 'rgb.txt')
    if not any(depth for _, depth in frames):
        raise DataSetError(
            f'{name}: no image was taken within {MAX_APART_S:g} s of a depth map; do rgb.txt and '
            'depth.txt belong to one recording?'
        )
    if len(images) < 2:
        raise DataSetError(f'{name}: {len(images)} images, expected 2 or more')
    return data.clip(folder.name, _camera(folder.name, fx), image_times, frames, skipped)


def pair_by_time(
    times: Times, images: list[Path], depth_times: Times, depths: list[Path], apart_s: float
) -> tuple[list[tuple[Path, Path | None]], dict[str, list[str]]]:
    """Pair each image with the depth map that is nearest in time.

    Images without depth are kept, as the simulation of spikes between frames needs them.

    Args:
        times: Times of the images, seconds, increasing.
        images: The images.
        depth_times: Times of the depth maps, likewise.
        depths: The depth maps.
        apart_s: Longest time between the two of a pair, seconds.

    Returns:
        Images, each with its depth map or None, and names of those with none, by reason.
    """
    partner = associate(times, depth_times, apart_s)
    maps = [depths[which] if which >= 0 else None for which in partner]
    frames = [*zip(images, maps, strict=True)]
    alone = [image.name for image, depth in frames if depth is None]
    return frames, {f'no depth within {apart_s:g} s': alone} if alone else {}


def associate(times: Times, others: Times, apart_s: float) -> list[int]:
    """Match each time with the nearest of other times; each of those is used once at most.

    Of several times with the same nearest one, the one closest to it is matched.

    Args:
        times: ``[N]`` seconds, increasing.
        others: ``[M]`` seconds, increasing.
        apart_s: Longest time between the two of a match, seconds.

    Returns:
        For each of ``times`` the index of its match in ``others``, -1 for none.
    """
    after = np.clip(np.searchsorted(others, times), 1, max(len(others) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(others) - 1)
    nearest = np.where(times - others[before] <= others[after] - times, before, after)
    distance = np.abs(others[nearest] - times)
    partner = [-1] * len(times)
    taken: set[int] = set()
    for index in np.argsort(distance, kind='stable').tolist():
        which = int(nearest[index])
        if distance[index] <= apart_s and which not in taken:
            partner[index] = which
            taken.add(which)
    return partner


def _list(path: Path) -> tuple[Times, list[Path]]:
    """Read times and files of a list, in the order of time."""
    if not path.is_file():
        raise SET.missing(path)
    entries = []
    for number, line in enumerate(files.read_lines(path), 1):
        if not line.strip() or line.startswith('#'):
            continue
        match = re.match(r'(\d+(?:\.\d+)?)\s+(\S+)', line)
        if match is None:
            raise DataSetError(
                f'{path}, line {number}: expected "STAMP FILE", found {line[:60]!r}'
            )
        entries.append((float(match[1]), path.parent / match[2]))
    if not entries:
        raise DataSetError(f'{path}: expected "STAMP FILE" on each line; it lists nothing')
    entries.sort()
    return np.array([time for time, _ in entries]), [file for _, file in entries]


def _camera(name: str, fx: float) -> Matrix:
    if fx:
        return files.camera_matrix(fx, fx, *ANY_CAMERA[2:])
    known = [values for part, values in CAMERAS.items() if part in name]
    return files.camera_matrix(*(known or [ANY_CAMERA])[0])
