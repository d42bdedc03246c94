# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of recordings in another look, as files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from spike_depth_ros.io.video.placement import Placement
from spike_depth_ros.pages.pictures import save_png
from spike_depth_ros.stream import packing
from spike_depth_ros.tasks.translation import TranslationInfo
from spike_training.datasets.clip import Clip, Matrix, Rgb, SpikeClip
from spike_training.datasets.readers.files import check_share
from spike_training.errors import DataSetError, FrameError
from spike_training.evaluation.rates import picture

Camera = Literal['left', 'right']

LARGEST_FACTOR = 2.0
"""Factor, either way, on the size of pictures that a translator learnt on; what lies beyond has
another sharpness than it knows."""


def translate_clip(
    clip: Clip | SpikeClip,
    translator: nn.Module,
    info: TranslationInfo,
    folder: Path,
    camera: Camera,
    planes: int,
    every: int,
    device: torch.device,
) -> tuple[int, int]:
    """Write the pictures of a recording in another look.

    Args:
        clip: Frames, or spikes.
        translator: Module from pictures to pictures, in eval mode.
        info: Its metadata.
        folder: Folder to write to; made.
        camera: Which one of a pair.
        planes: Planes of a window of spikes.
        every: Every Nth picture.
        device: Device of the translator.

    Returns:
        Numbers of pictures written, and of those that cannot be read.

    Raises:
        DataSetError: The recording is of another kind than the translator takes, of another size,
            has no such camera, or too much of it cannot be read.
    """
    kind, matrix, pictures = _pictures_of(clip, camera, planes)
    if kind != info.takes:
        raise DataSetError(
            f'{clip.name}: pictures of {kind}, and the translator takes {info.takes}: expected '
            f'recordings of {info.takes}'
        )
    (folder / 'images').mkdir(parents=True)
    left_out: list[str] = []
    written = total = 0
    place: Placement | None = None
    for number, read in pictures:
        if number % every:
            continue
        total += 1
        try:
            image = read()
        except FrameError as error:
            left_out.append(f'{number}: {error}')
            continue
        if place is None or place.source != image.shape[:2]:
            place = _placement(clip.name, image, info)
        seen = torch.from_numpy(place.image(image)).to(device).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            made = translator(seen.contiguous(memory_format=torch.channels_last))[0]
        changed = (made.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
        save_png(np.ascontiguousarray(changed), folder / f'images/{number:06d}.png')
        written += 1
    if left_out:
        check_share({'cannot be read': left_out}, total, clip.name)
    if matrix is not None and place is not None:
        rows = (' '.join(f'{value:.9g}' for value in row) for row in place.camera(matrix))
        (folder / 'K.txt').write_text('\n'.join(rows) + '\n', encoding='ascii')
    return written, len(left_out)


def _placement(name: str, image: Rgb, info: TranslationInfo) -> Placement:
    """Return the placement at the translator's size; of a file without it, whole fours of pixels.

    Raises:
        DataSetError: The pictures are much smaller or larger.
    """
    rows, columns = image.shape[:2]
    height, width = info.size or (rows // 4 * 4, columns // 4 * 4)
    try:
        place = Placement.aspect((rows, columns), height, width)
    except ValueError as error:
        raise DataSetError(f'{name}: {error}') from error
    factor = place.rows / height
    if not 1 / LARGEST_FACTOR <= factor <= LARGEST_FACTOR:
        raise DataSetError(
            f'{name}: pictures of {columns}x{rows} pixels, and the translator learnt on '
            f'{width}x{height}: expected a size within a factor of {LARGEST_FACTOR:g}'
        )
    return place


def _pictures_of(
    clip: Clip | SpikeClip, camera: Camera, planes: int
) -> tuple[str, Matrix | None, Iterator[tuple[int, Callable[[], Rgb]]]]:
    """Return what the pictures of a camera are of, its matrix, and functions that read them."""
    right = clip.right
    if camera == 'right' and right is None:
        raise DataSetError(f'{clip.name}: has no right camera: expected a pair, or camera left')
    if isinstance(clip, SpikeClip):
        load = clip.load if camera == 'left' else clip.right.load  # type: ignore[union-attr]
        starts = range(0, clip.planes - planes + 1, planes)
        if not starts:
            raise DataSetError(
                f'{clip.name}: {clip.planes} planes: expected {planes} or more, see --planes'
            )
        width = clip.geometry.width
        return 'spikes', clip.camera, (
            (number, lambda first=first: _rates(load(first, first + planes), clip, width))
            for number, first in enumerate(starts)
        )  # fmt: skip
    if camera == 'left':
        return clip.modality or 'colour', clip.camera, (
            (number, lambda number=number: clip.image(number)) for number in range(len(clip))
        )  # fmt: skip
    assert clip.right is not None
    pair = clip.right
    matrix = clip.camera if pair.rig is None else pair.rig.right.matrix
    return pair.modality or 'colour', matrix, (
        (number, lambda number=number: pair.image(number)) for number in pair.frames
    )  # fmt: skip


def _rates(packed: npt.NDArray[np.uint8], clip: SpikeClip, width: int) -> Rgb:
    """Return the picture of the firing rates of planes, ``[H, W, 3]`` uint8."""
    planes = packing.unpack(packed, width, clip.geometry.bit_order)
    counts = torch.from_numpy(planes.sum(axis=0, dtype=np.int32))[None, None]
    rates: Any = picture(counts.float(), torch.tensor([len(planes)], dtype=torch.int32))
    found: Rgb = (rates[0] * 255).round().byte().permute(1, 2, 0).numpy()
    return np.ascontiguousarray(found)
