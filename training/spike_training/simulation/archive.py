# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Continuous stream of a simulated camera in an ``.npz`` (docs/reference/wire_format.md)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from spike_depth_ros.base.results import write_atomically
from spike_training.datasets.clip import Clip
from spike_training.errors import DataSetError, FrameError
from spike_training.simulation.clip_camera import ClipCamera
from spike_training.simulation.scene_stream import MOST_MILLIMETRES
from spike_training.simulation.settings import check_stream

MARGIN = 64
"""Planes before the first frame and after the last one: 128 planes lie around each frame."""

_FIXED_DATE = (1980, 1, 1, 0, 0, 0)


def sharpest_pair(clip: Clip) -> int:
    """Return the number of the frame that begins the best pair of neighbouring frames.

    The best pair has the greatest product of sharpness (variance of the Laplacian of the grey
    image) and share of pixels with depth, each the lower one of the two frames.

    Args:
        clip: Two frames or more.

    Raises:
        DataSetError: No two neighbouring frames have depth.
    """
    quality = np.array([_quality(clip, number) for number in range(len(clip))])
    pairs = np.minimum(quality[:-1], quality[1:]).prod(axis=1)
    if not pairs.size or pairs.max() <= 0:
        raise DataSetError(f'{clip.name}: expected two neighbouring frames with depth')
    return int(pairs.argmax())


def stream_between(camera: ClipCamera, first: int) -> dict[str, npt.NDArray[Any]]:
    """Simulate the planes from a frame to the next one, with the measured depth of both.

    Args:
        camera: Camera of a clip.
        first: Number of the frame at plane ``MARGIN``; there is a next one.

    Returns:
        The arrays of an archive: ``packed``, ``width``, ``bit_order``, ``rate_hz``, ``K``,
        ``depth`` in millimetres (0: unknown) and ``depth_planes``.

    Raises:
        ConfigError: The planes are more than readers take.
        DataSetError: A frame cannot be used.
    """
    clip, rate_hz = camera.clip, camera.settings.rate_hz
    start_s, end_s = (float(clip.times_s[number]) for number in (first, first + 1))
    last = MARGIN + round((end_s - start_s) * rate_hz)
    settings = camera.settings
    check_stream(settings.height, settings.width, rate_hz, last + MARGIN + 1, maps=2)
    depths = [camera.depth(number) for number in (first, first + 1)]
    if any(depth is None for depth in depths) or camera.skipped:
        raise DataSetError(f'{clip.name}: frame {first} or the next one cannot be used')
    millimetres = [
        np.where(depth * 1000 <= MOST_MILLIMETRES, depth * 1000, 0)
        for depth in depths
        if depth is not None
    ]
    return {
        'packed': np.concatenate(
            list(camera.planes(start_s - MARGIN / rate_hz, last + MARGIN + 1))
        ),
        'width': np.array(camera.settings.width),
        'bit_order': np.array('little'),
        'rate_hz': np.array(rate_hz),
        'K': camera.matrix,
        'depth': np.rint(millimetres).astype(np.uint16),
        'depth_planes': np.array([MARGIN, last], np.int32),
    }


def write_archive(out: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays as ``numpy.savez_compressed`` does, with a fixed date and the densest deflate.

    The planes are stored with time as the fastest axis, which makes the file a quarter smaller.

    Raises:
        OSError: The file cannot be written.
    """
    written = io.BytesIO()
    with zipfile.ZipFile(written, 'w') as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            stored = np.asfortranarray(array) if name.startswith('packed') else array
            np.save(content, stored, allow_pickle=False)
            entry = zipfile.ZipInfo(f'{name}.npy', _FIXED_DATE)
            archive.writestr(entry, content.getvalue(), zipfile.ZIP_DEFLATED, 9)
    write_atomically(out, written.getvalue())


def _quality(clip: Clip, number: int) -> tuple[float, float]:
    """Return sharpness and share of pixels with depth; zeros where the frame cannot be used."""
    try:
        depth = clip.depth(number)
        if depth is None:
            return 0.0, 0.0
        grey = cv2.cvtColor(clip.image(number), cv2.COLOR_RGB2GRAY)
    except FrameError:
        return 0.0, 0.0
    return float(cv2.Laplacian(grey, cv2.CV_64F).var()), float(np.isfinite(depth).mean())
