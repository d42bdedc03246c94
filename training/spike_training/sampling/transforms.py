# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Crop and size of images, and horizontal flips of batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from spike_depth_ros.io.video.placement import Placement
from spike_training.sampling.sample import Batch, View

AUTHORS_CROP = (352, 1216)
"""Rows and columns that the authors of BiCross keep of a KITTI image."""


def authors(source: tuple[int, int], height: int = 384, width: int = 384) -> Placement:
    """Return the placement of the authors' code of BiCross for KITTI: crop, then stretch.

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


TRANSFORMS: dict[str, Callable[[tuple[int, int], int, int], Placement]] = {
    'aspect': Placement.aspect,
    'authors': authors,
}
"""By name: a function of the images' (height, width) and the rows and columns of the result."""


def flip_batch(batch: Batch, chosen: Tensor) -> Batch:
    """Mirror some samples of a batch: spikes, colours, depth and true image together.

    Focal lengths stay; a batch has no principal point. The eyes of a pair are exchanged, as the
    mirrored left one is on the right.

    Args:
        batch: The batch.
        chosen: Which samples, ``[B]`` bool.
    """
    where = chosen[:, None, None, None]
    left = View(batch.counts, batch.rgb, batch.depth, batch.image)
    right = batch.right or left

    def exchanged(of: View, by: View) -> View:
        mirrored: dict[str, Any] = {
            name: None if tensor is None else torch.where(where, vars(by)[name].flip(-1), tensor)
            for name, tensor in vars(of).items()
        }
        return View(**mirrored)

    flipped = exchanged(left, right)
    frame = batch.frame
    return dataclasses.replace(
        batch,
        **vars(flipped),
        frame=None if frame is None else torch.where(where, frame.flip(-1), frame),
        right=None if batch.right is None else exchanged(right, left),
    )
