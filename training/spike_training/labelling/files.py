# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of labels: folders of pictures with depth, and windows of spikes with depth."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from spike_depth_ros.base.errors import check_regular
from spike_depth_ros.base.locks import LOCK
from spike_depth_ros.base.results import PART_SUFFIX, write_atomically
from spike_depth_ros.stream.chunk import Geometry, PackedPlanes
from spike_training.datasets.clip import Depth, Matrix, Rgb
from spike_training.datasets.labels import FILE, RELATIVE, Labels, write_labels
from spike_training.disk import make_folder
from spike_training.errors import ConfigError
from spike_training.simulation.windows import CAMERA_FILE, calibration

_COMPRESSION = 1
"""Of pictures: more takes several times as long, and saves little."""


def prepare_folder(out: Path, labels: Labels, settings: Mapping[str, object]) -> None:
    """Make the folder, write the origin of its labels, and remove files of a killed run.

    Args:
        out: The folder.
        labels: Origin of the labels.
        settings: Settings of the labels, of JSON's types.

    Raises:
        ConfigError: It cannot be made, or holds something else or other labels.
    """
    path = out / FILE
    if path.exists():
        wanted = vars(labels) | dict(settings)
        try:
            check_regular(path)
            found = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            found = None
        found = found if isinstance(found, dict) else {}
        differing = [key for key, value in wanted.items() if found.get(key) != value]
        if differing:
            listed = ', '.join(f'{key} {found.get(key)} (now {wanted[key]})' for key in differing)
            raise ConfigError(
                f'{out} holds other labels: {listed}; use the same settings, or another folder'
            )
    elif out.exists() and (not out.is_dir() or any(one.name != LOCK for one in out.iterdir())):
        raise ConfigError(f'{out}: expected a new or empty folder, or one of labels')
    make_folder(out)
    write_labels(out, labels, settings)
    for part in out.rglob(f'.*{PART_SUFFIX}'):
        part.unlink()


def prepare_frames(folder: Path, camera: Matrix | None, labels: Labels) -> None:
    """Make the folder of a recording of frames, with its camera and the origin of its labels.

    Args:
        folder: The folder.
        camera: Camera matrix, ``[3, 3]`` pixels; None: unknown.
        labels: Origin of the labels; readers of this folder alone need it.
    """
    for one in (folder / 'images', folder / name_depth(labels)):
        one.mkdir(parents=True, exist_ok=True)
    if not (folder / FILE).exists():
        write_labels(folder, labels)
    if camera is not None:
        rows = '\n'.join(' '.join(repr(float(value)) for value in row) for row in camera)
        write_atomically(folder / 'K.txt', f'{rows}\n'.encode())


def name_depth(labels: Labels) -> str:
    """Return the name of the depth of labels; nothing takes that of relative depth for metres."""
    return RELATIVE if labels.relative else 'depth'


def has_frame_label(folder: Path, stem: str) -> bool:
    """Check whether a frame has a label."""
    return any((folder / name / f'{stem}.npy').exists() for name in ('depth', RELATIVE))


def write_frame(folder: Path, stem: str, picture: Rgb, depth: Depth, labels: Labels) -> None:
    """Write a frame and, after it, its label, which is what tells that both are there."""
    content = io.BytesIO()
    Image.fromarray(picture).save(content, 'PNG', compress_level=_COMPRESSION)
    write_atomically(folder / 'images' / f'{stem}.png', content.getvalue(), sync=False)
    content = io.BytesIO()
    np.save(content, depth)
    path = folder / name_depth(labels) / f'{stem}.npy'
    write_atomically(path, content.getvalue(), sync=False)


def prepare_windows(
    folder: Path, camera: Matrix | None, geometry: Geometry, name: str, labels: Labels
) -> None:
    """Make the folder of a recording of spikes; see :func:`prepare_frames`."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / FILE).exists():
        write_labels(folder, labels)
    if camera is not None:
        content = calibration(camera, geometry.width, geometry.height, name)
        write_atomically(folder / CAMERA_FILE, content.encode())


def window_label(folder: Path, plane: int) -> Path:
    """Return the path of the window around a plane."""
    return folder / f'{plane:06d}.npz'


def write_window(
    path: Path,
    planes: PackedPlanes,
    geometry: Geometry,
    rate_hz: float,
    camera: Matrix | None,
    depth: Depth,
    plane: int,
    labels: Labels,
) -> None:
    """Write a window with the label of one of its planes: docs/reference/wire_format.md."""
    arrays: dict[str, Any] = {
        'packed': planes,
        'width': np.array(geometry.width),
        'bit_order': np.array(geometry.bit_order),
        'rate_hz': np.array(rate_hz),
        name_depth(labels): depth[None],
        'depth_planes': np.array([plane]),
    }
    if camera is not None:
        arrays['K'] = camera
    content = io.BytesIO()
    np.savez(content, **arrays)
    write_atomically(path, content.getvalue(), sync=False)
