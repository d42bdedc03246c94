# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Folders of full-size depth maps with their small maps, which papers on enlargement publish.

The layout is that of six maps of Middlebury 2005 (docs/reference/data_sets.md): ``test_gt`` has
the maps,
``testx8`` an eighth of their rows and columns under the same names, likewise other factors.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spike_depth_ros.filters.upsampling import LEAST_PIXELS, MAX_PIXELS
from spike_depth_ros.io.arrays import ArrayFileError, open_picture, reading
from spike_depth_ros.io.orientation import check_upright
from spike_training.datasets.readers.files import is_one_of, natural
from spike_training.errors import DataSetError

Levels = npt.NDArray[np.uint8]
"""Grey levels of inverse depth or disparity, ``[H, W]``; 0 is unknown."""

TRUTH, SMALL = 'test_gt', 'testx'
"""Folder of the full-size maps; start of the names of the folders of small ones."""

LAYOUT = (
    f'{TRUTH}/NAME.png and, for a factor of 8, {SMALL}8/NAME.png (docs/reference/data_sets.md)'
)
"""Expected files of a folder."""

GREY = 'a PNG of 8 bits and one channel'

SCENES = ('Art', 'Books', 'Dolls', 'Laundry', 'Moebius', 'Reindeer')
"""Scenes of the maps of Middlebury that are published as 1.png to 6.png."""


class DepthMap(NamedTuple):
    """Full-size map with its small ones.

    Attributes:
        name: Name of the scene.
        truth: Full-size map.
        small: Small map of each factor, ``[H / factor, W / factor]``.
    """

    name: str
    truth: Levels
    small: Mapping[int, Levels]


class MapFolder(NamedTuple):
    """Folder of maps with a hash of its content.

    Attributes:
        root: The folder, absolute.
        sha256: Hash of names and bytes of the maps; it does not depend on the folder's place.
    """

    root: Path
    sha256: str


def open_maps(root: Path) -> MapFolder:
    """Find the maps of a folder and hash them.

    Raises:
        DataSetError: The folder has not the expected layout.
    """
    digest = hashlib.sha256()
    for folder in (TRUTH, *(f'{SMALL}{factor}' for factor in factors_of(root))):
        for path in _files(root / folder).values():
            content = path.read_bytes()
            name = f'{folder}/{path.name} {len(content)}\n'
            digest.update(name.encode(errors='surrogateescape') + content)
    return MapFolder(root.absolute(), digest.hexdigest())


def factors_of(root: Path) -> list[int]:
    """Return the factors of a folder's small maps, ascending.

    Raises:
        DataSetError: The folder is missing or has none.
    """
    if not root.is_dir():
        raise DataSetError(f'{root} is no folder: expected one with {LAYOUT}')
    names = [path.name for path in root.iterdir() if path.is_dir()]
    found = [re.fullmatch(rf'{SMALL}([1-9]\d{{0,3}})', name) for name in names]
    factors = sorted(int(match[1]) for match in found if match is not None)
    if not factors:
        raise DataSetError(f'{root} has no small maps: expected {LAYOUT}')
    return factors


def read_maps(root: Path, factors: Sequence[int]) -> list[DepthMap]:
    """Read the maps of a folder, in the order of the numbers in their names.

    Args:
        root: The folder.
        factors: Factors by which a network enlarges; those of them are read that the folder has.

    Raises:
        DataSetError: The folder has not the expected layout or none of the factors; a map is
            missing, cannot be read, is no PNG of 8 bits and one channel, does not have the size of
            its factor, or has no pixel with depth.
    """
    known = factors_of(root)
    chosen = [factor for factor in known if factor in factors]
    if not chosen:
        raise DataSetError(
            f'{root} has small maps of {_listed(known)}: expected one or more of '
            f'{_listed(sorted(factors))}, by which the network enlarges'
        )
    truths = _files(root / TRUTH)
    small = {factor: _files(root / f'{SMALL}{factor}') for factor in chosen}
    for factor, paths in small.items():
        for one, other, folder in (
            (truths, paths, f'{SMALL}{factor}'),
            (paths, truths, TRUTH),
        ):
            if lacking := [name for name in one if name not in other]:
                raise DataSetError(
                    f'{root / folder / lacking[0]}.png is missing: expected the same names in '
                    f'{TRUTH} and {SMALL}{factor}'
                )
    published = [*truths] == [str(k + 1) for k in range(len(SCENES))]
    titles = dict(zip(truths, SCENES if published else truths, strict=True))
    return [
        _read(titles[name], path, {factor: paths[name] for factor, paths in small.items()})
        for name, path in truths.items()
    ]


def _files(folder: Path) -> dict[str, Path]:
    """Return the maps of a folder by their names without suffix."""
    if not folder.is_dir():
        raise DataSetError(f'{folder} is no folder: expected {LAYOUT}')
    paths = natural(
        path for path in folder.iterdir() if is_one_of(path, ('.png',)) and path.is_file()
    )
    if not paths:
        raise DataSetError(f'{folder} has no .png file: expected {LAYOUT}')
    return {path.stem: path for path in paths}


def _read(name: str, path: Path, small: Mapping[int, Path]) -> DepthMap:
    """Read a map and its small ones; see :func:`read_maps`."""
    truth = _levels(path)
    found = {factor: _levels(one) for factor, one in small.items()}
    for factor, levels in found.items():
        rows, columns = (side * factor for side in levels.shape)
        if truth.shape != (rows, columns):
            raise DataSetError(
                f'{small[factor]}: {_size(levels)} pixels, {path} {_size(truth)}: expected '
                f'{factor} times as many rows and columns, {columns} x {rows}'
            )
    return DepthMap(name, truth, found)


def _levels(path: Path) -> Levels:
    try:
        with reading(path), open_picture(path) as image:
            form, mode = str(image.format), image.mode
            width, height = image.size
            fits = (form, mode) == ('PNG', 'L') and width * height <= MAX_PIXELS
            levels = np.zeros((0, 0), np.uint8)
            if fits:
                levels = np.array(image)
                check_upright(image)
    except ArrayFileError as error:
        raise DataSetError(f'{error}: expected {GREY}, copy it again') from error
    if (form, mode) != ('PNG', 'L'):
        raise DataSetError(
            f'{path}: {form} of mode {mode}: expected {GREY}, mode L, of inverse depth or '
            'disparity'
        )
    if width * height > MAX_PIXELS or min(width, height) < LEAST_PIXELS:
        raise DataSetError(
            f'{path}: {width} x {height} pixels: expected at least {LEAST_PIXELS} x '
            f'{LEAST_PIXELS}, {MAX_PIXELS} in all at most'
        )
    if not levels.any():
        raise DataSetError(f'{path}: all pixels are 0, unknown: expected some above 0')
    return levels


def _size(levels: Levels) -> str:
    return f'{levels.shape[1]} x {levels.shape[0]}'


def _listed(factors: Sequence[int]) -> str:
    return ', '.join(f'x{factor}' for factor in factors)
