# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images, depth, spikes and camera brought to another size, or mirrored, all together."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import BitOrder, PackedPlanes
from spike_depth_ros.video.placement import Placement
from spike_training.sampling.sample import Batch

AUTHORS_CROP = (352, 1216)
"""Rows and columns that the authors of BiCross keep of a KITTI image."""


def authors(source: tuple[int, int], height: int = 384, width: int = 384) -> Placement:
    """What the authors' code of BiCross does with KITTI: its crop, then squashed.

    The bottom centre of 352 x 1216 pixels is stretched to the size, 384 x 384 there, so fx and fy
    differ afterwards.

    Args:
        source: (height, width) of the images.
        height: Rows of the result.
        width: Columns of the result.

    Raises:
        ValueError: The images are smaller than the crop.
    """
    rows, columns = AUTHORS_CROP
    if source[0] < rows or source[1] < columns:
        raise ValueError(
            f'images of {source[1]}x{source[0]}: expected at least {columns}x{rows} for the '
            "authors' transform, which is made for KITTI; take aspect"
        )
    return Placement(
        source, source[0] - rows, (source[1] - columns) // 2, rows, columns, height, width
    )


Transform = Literal['aspect', 'authors']
TRANSFORMS: dict[str, Callable[[tuple[int, int], int, int], Placement]] = {
    'aspect': Placement.aspect,
    'authors': authors,
}
"""By name: a function of the images' (height, width), and of the rows and columns wanted."""


@dataclasses.dataclass(frozen=True)
class View:
    """What belongs to one look at a scene.

    Attributes:
        camera: Camera matrix, ``[3, 3]`` pixels; centres of pixels at whole numbers.
        image: ``[H, W, 3]`` uint8 RGB, or light ``[H, W]`` float32; None: not at hand.
        depth: ``[H, W]`` float32 metres; None: not at hand.
        spikes: Packed planes ``[planes, H, ceil(W / 8)]``; None: not yet simulated.
        width: Columns.
        bit_order: Bit order of the spikes.
    """

    camera: npt.NDArray[np.float64]
    width: int
    image: npt.NDArray[np.uint8] | npt.NDArray[np.float32] | None = None
    depth: npt.NDArray[np.float32] | None = None
    spikes: PackedPlanes | None = None
    bit_order: BitOrder = 'little'


def place(view: View, placement: Placement) -> View:
    """Crops a view and brings it to another size.

    Raises:
        ValueError: It has spikes: binary planes are never resampled. Or it is of another size
            than the placement is for.
    """
    if view.spikes is not None:
        raise ValueError(
            'binary planes are never resampled: place the images, then simulate their spikes'
        )
    return dataclasses.replace(
        view,
        camera=placement.camera(view.camera),
        width=placement.width,
        image=None if view.image is None else placement.image(view.image),
        depth=None if view.depth is None else placement.depth(view.depth),
    )


def flip(view: View) -> View:
    """A view as a mirror shows it: left is right."""
    return dataclasses.replace(
        view,
        camera=flip_camera(view.camera, view.width),
        image=None if view.image is None else view.image[:, ::-1].copy(),
        depth=None if view.depth is None else view.depth[:, ::-1].copy(),
        spikes=None
        if view.spikes is None
        else flip_planes(view.spikes, view.width, view.bit_order),
    )


def flip_planes(planes: PackedPlanes, width: int, bit_order: BitOrder = 'little') -> PackedPlanes:
    """Packed planes mirrored left to right; padding bits stay at the end of a row.

    Args:
        planes: ``[..., height, ceil(width / 8)]`` uint8.
        width: Columns.
        bit_order: Bit order.
    """
    return packing.pack(packing.unpack(planes, width, bit_order)[..., ::-1], bit_order)


def flip_camera(matrix: npt.NDArray[np.float64], width: int) -> npt.NDArray[np.float64]:
    """The camera matrix of mirrored images ``width`` pixels wide, ``[3, 3]``."""
    flipped = matrix.copy()
    flipped[0, 1] *= -1
    flipped[0, 2] = width - 1 - matrix[0, 2]
    return flipped


def flip_batch(batch: Batch, chosen: Tensor) -> Batch:
    """Mirrors some samples of a batch: spikes, colours and depth together.

    Focal lengths stay as they are, and a batch tells no principal point.

    Args:
        batch: The batch.
        chosen: Which samples, ``[B]`` bool.
    """
    where = chosen[:, None, None, None]

    def flipped(images: Tensor) -> Tensor:
        return torch.where(where, images.flip(-1), images)

    return dataclasses.replace(
        batch,
        counts=flipped(batch.counts),
        rgb=None if batch.rgb is None else flipped(batch.rgb),
        depth=flipped(batch.depth),
    )
