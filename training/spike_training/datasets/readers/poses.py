# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poses of cameras in text files of data sets: matrices, camera to world, metres."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spike_training.datasets.clip import CameraPoses, Matrix, Times
from spike_training.datasets.readers.files import read_lines
from spike_training.errors import DataSetError

_ROTATION_ERROR = 0.01  # of a product of two columns of a rotation
_EXPECTED = 'expected a matrix from camera to world, 16 finite numbers row by row'


def read_pose(path: Path) -> Matrix:
    """Read one pose, ``[4, 4]``.

    Raises:
        DataSetError: The file is missing or contains none.
    """
    if not path.is_file():
        raise DataSetError(f'{path} is missing')
    return _pose(' '.join(read_lines(path)), str(path))


def read_poses(path: Path, number: int) -> list[Matrix]:
    """Read poses, ``[4, 4]`` each, a line for each.

    Args:
        path: The file.
        number: How many are expected.

    Raises:
        DataSetError: There are more or fewer, or a line contains none.
    """
    lines = [line for line in read_lines(path) if line.strip()]
    if len(lines) != number:
        raise DataSetError(
            f'{path}: {len(lines)} rows, expected {number}, one for each image in the order of '
            'their names; another kind of file needs another name'
        )
    return [_pose(line, f'{path}, row {k}') for k, line in enumerate(lines, 1)]


def _pose(text: str, place: str) -> Matrix:
    words = text.split()
    if len(words) != 16:
        raise DataSetError(f'{place}: {len(words)} numbers, {_EXPECTED}')
    try:
        pose: Matrix = np.array(words, np.float64).reshape(4, 4)
    except ValueError as error:
        raise DataSetError(f'{place}: {error}, {_EXPECTED}') from error
    if not np.isfinite(pose).all():
        raise DataSetError(f'{place}: nan or infinite, {_EXPECTED}')
    turn = pose[:3, :3]
    wrong = np.abs(turn.T @ turn - np.eye(3)).max() > _ROTATION_ERROR
    if wrong or np.linalg.det(turn) < 0 or not np.array_equal(pose[3], [0, 0, 0, 1]):
        rows = '; '.join(' '.join(f'{one:.4g}' for one in row) for row in pose)
        raise DataSetError(
            f'{place}: {rows}: expected a rotation and a shift above 0 0 0 1: is it transposed, '
            'mirrored or scaled?'
        )
    return pose


def camera_poses(times_s: Times, poses: Sequence[Matrix | None]) -> CameraPoses | None:
    """Return the poses of the frames that have one; None: no frame has.

    Args:
        times_s: Times of the frames.
        poses: Pose of each, ``[4, 4]``; None: unknown.
    """
    known = [(time, pose) for time, pose in zip(times_s, poses, strict=True) if pose is not None]
    if not known:
        return None
    times, matrices = zip(*known, strict=True)
    return CameraPoses(np.array(times), np.stack(matrices))
