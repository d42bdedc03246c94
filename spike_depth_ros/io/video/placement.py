# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Crop and resize of a frame camera's images to the size of a spike camera.

Light is averaged over the area of a pixel, depth is taken from the nearest pixel, and the camera
matrix is adapted exactly. Spikes are never resampled: images are resized before they become
spikes.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar, cast

import cv2
import numpy as np
import numpy.typing as npt

ImageT = TypeVar('ImageT', bound='npt.NDArray[Any]')


@dataclasses.dataclass(frozen=True)
class Placement:
    """Part of an image, and the size that it is resized to.

    Attributes:
        source: (height, width) of the source images, pixels.
        top: First row of the part.
        left: First column of the part.
        rows: Rows of the part.
        columns: Columns of the part.
        height: Rows of the result.
        width: Columns of the result.

    Raises:
        ValueError: The part is empty or not within the image, or the result is empty.
    """

    source: tuple[int, int]
    top: int
    left: int
    rows: int
    columns: int
    height: int
    width: int

    def __post_init__(self) -> None:
        bottom, right = self.top + self.rows, self.left + self.columns
        inside = 0 <= self.top < bottom <= self.source[0]
        inside = inside and 0 <= self.left < right <= self.source[1]
        if not inside or self.height < 1 or self.width < 1:
            raise ValueError(
                f'rows {self.top} to {bottom} and columns {self.left} to {right}, to be '
                f'{self.width}x{self.height}: expected a part of an image of '
                f'{self.source[1]}x{self.source[0]}'
            )

    @classmethod
    def aspect(cls, source: tuple[int, int], height: int, width: int) -> Placement:
        """Make the largest centred placement of the result's aspect ratio.

        Args:
            source: (height, width) of the images, pixels.
            height: Rows of the result.
            width: Columns of the result.
        """
        rows = min(source[0], max(1, round(source[1] * height / width)))
        columns = min(source[1], max(1, round(source[0] * width / height)))
        top, left = (source[0] - rows) // 2, (source[1] - columns) // 2
        return cls(source, top, left, rows, columns, height, width)

    def image(self, image: ImageT) -> ImageT:
        """Place an image, of light or of colours, averaged over the area of each pixel.

        Args:
            image: ``[H, W]`` or ``[H, W, C]`` of the source's size, float32 or uint8.

        Returns:
            ``[height, width]`` or ``[height, width, C]``, a new array.

        Raises:
            ValueError: It is of another size.
        """
        part = self._part(image)
        # Enlarged axes are interpolated linearly, as a pixel's area is less than one.
        for size in ((self.width, self.rows), (self.width, self.height)):
            more = size[0] > part.shape[1] or size[1] > part.shape[0]
            part = cv2.resize(
                part, size, interpolation=cv2.INTER_LINEAR if more else cv2.INTER_AREA
            )
        return cast(ImageT, np.array(part, image.dtype))

    def depth(self, depth: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Place depth by the pixel nearest to the centre of each new one, ``[height, width]``.

        Raises:
            ValueError: It is of another size.
        """
        row = (2 * np.arange(self.height) + 1) * self.rows // (2 * self.height)
        column = (2 * np.arange(self.width) + 1) * self.columns // (2 * self.width)
        placed: npt.NDArray[np.float32] = self._part(depth)[row[:, None], column]
        return placed

    def camera(self, matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the camera matrix of the result, ``[3, 3]`` pixels; centres are at integers."""
        x, y = self.width / self.columns, self.height / self.rows
        moved = np.array(
            [
                [x, 0, (0.5 - self.left) * x - 0.5],
                [0, y, (0.5 - self.top) * y - 0.5],
                [0, 0, 1],
            ]
        )
        placed: npt.NDArray[np.float64] = moved @ matrix
        return placed

    def _part(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if image.shape[:2] != self.source:
            raise ValueError(
                f'an image of {image.shape[1]}x{image.shape[0]} pixels among those of '
                f'{self.source[1]}x{self.source[0]}: expected one size'
            )
        return image[self.top : self.top + self.rows, self.left : self.left + self.columns]
