# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""TUM RGB-D: images and depth maps with stamps of their own, paired by time.

Sturm et al., A Benchmark for the Evaluation of RGB-D SLAM Systems, 2012: depth png of uint16, 5000
to a metre, registered to colour, 0 where nothing was measured. The page gives 525 pixels and the
centre (319.5, 239.5) for all of it, and calibrated values for the cameras of fr1, fr2 and fr3,
which are taken where the folder's name tells the camera.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from spike_training.datasets.clip import Clip, Matrix
from spike_training.datasets.readers import files
from spike_training.errors import DataSetError

TREE = """\
  ROOT/rgb.txt     ("STAMP rgb/STAMP.png" on each line, # for comments)
  ROOT/depth.txt   ("STAMP depth/STAMP.png")
  ROOT/rgb/*.png
  ROOT/depth/*.png (uint16, 5000 to a metre)
or ROOT/SEQUENCE/rgb.txt and so on for several"""

MAX_APART_S = 0.02
"""An image and a depth map that were taken further apart than this do not pair."""

CAMERAS = {
    'freiburg1': (517.3, 516.5, 318.6, 255.3),
    'freiburg2': (520.9, 521.0, 325.1, 249.7),
    'freiburg3': (535.4, 539.2, 320.1, 247.6),
}
"""Focal lengths and centres of the colour cameras, pixels, by what the folder's name holds."""
ANY_CAMERA = (525.0, 525.0, 319.5, 239.5)


def read(root: Path, per_metre: float = 5000.0, fx: float = 0.0) -> list[Clip]:
    """The sequences below a folder.

    Args:
        root: A sequence, or a folder of some.
        per_metre: Stored value of one metre.
        fx: Focal length in pixels, with TUM's nominal centre; 0: as published.

    Raises:
        DataSetError: Lists or files are missing, or too many images and depth maps do not pair.
    """
    files.folders(root, TREE)
    sequences = sorted(path.parent for path in [*root.glob('rgb.txt'), *root.glob('*/rgb.txt')])
    if not sequences:
        raise files.missing(root / 'rgb.txt', TREE)
    return [_sequence(folder, per_metre, fx) for folder in sequences]


def _sequence(folder: Path, per_metre: float, fx: float) -> Clip:
    image_times, pictures = _list(folder / 'rgb.txt')
    depth_times, depths = _list(folder / 'depth.txt')
    partner = associate(image_times, depth_times, MAX_APART_S)
    skipped: dict[str, list[str]] = {}
    alone = [path.name for path, which in zip(pictures, partner, strict=True) if which < 0]
    if alone:
        skipped[f'no depth within {MAX_APART_S:g} s'] = alone
    name = f'tum/{folder.name}'
    if len(alone) == len(pictures):
        raise DataSetError(
            f'{name}: no image was taken within {MAX_APART_S:g} s of a depth map; do rgb.txt and '
            'depth.txt belong to one recording?'
        )
    if len(pictures) < 2:
        raise DataSetError(f'{name}: {len(pictures)} images, expected 2 or more')
    encoding = files.DepthEncoding(per_metre, (0,), plausible_m=files.INDOOR_M)
    # Images without depth stay: the spikes between frames need them.
    clip = files.FileClip(
        name,
        _camera(folder.name, fx),
        image_times,
        pictures,
        [depths[which] if which >= 0 else None for which in partner],
        encoding,
        skipped,
    )
    files.check_clip(clip, encoding.plausible_m)
    return clip


def associate(
    times: np.ndarray[tuple[int], np.dtype[np.float64]],
    others: np.ndarray[tuple[int], np.dtype[np.float64]],
    apart_s: float,
) -> list[int]:
    """The nearest of some times to each time; each is given away once, to the nearest.

    Args:
        times: ``[N]`` seconds, increasing.
        others: ``[M]`` seconds, increasing.
        apart_s: Farther ones do not count.

    Returns:
        For each of ``times`` the number of its partner, -1 for none.
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


def _list(path: Path) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], list[Path]]:
    """Times and files of a list, in the order of time."""
    if not path.is_file():
        raise files.missing(path, TREE)
    entries = []
    for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
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
    if fx > 0:
        return files.camera_matrix(fx, fx, *ANY_CAMERA[2:])
    known = [values for part, values in CAMERAS.items() if part in name]
    return files.camera_matrix(*(known or [ANY_CAMERA])[0])
