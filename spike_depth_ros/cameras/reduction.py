# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Part of a camera's planes that is published: a region of the sensor, every n-th plane."""

from __future__ import annotations

from spike_depth_ros.cameras.base import Block, CameraError
from spike_depth_ros.stream.chunk import Geometry, PackedPlanes

WHOLE = (0, 0, 0, 0)
"""Region of the whole sensor."""


class Reduction:
    """Region of the sensor and every n-th plane.

    Args:
        sensor: Sensor size and bit order.
        crop: Left column, top row, width and height of the region, pixels; zeros: all of it.
        every_nth: Planes to each one that is kept.

    Attributes:
        geometry: That of the planes that are kept.
        region: Left column, top row, width and height; of the whole sensor, zeros.

    Raises:
        CameraError: The region does not fit the sensor, or begins or ends within a byte.
    """

    def __init__(
        self, sensor: Geometry, crop: tuple[int, int, int, int] = WHOLE, every_nth: int = 1
    ) -> None:
        if crop == (0, 0, sensor.width, sensor.height):
            crop = WHOLE
        x, y, width, height = crop if crop != WHOLE else (0, 0, sensor.width, sensor.height)
        right = x + width
        inside = width > 0 and right <= sensor.width and height > 0 and y + height <= sensor.height
        if not (min(crop) >= 0 and inside):
            raise CameraError(
                f'crop is {_text(crop)}: expected x, y, width and height of a part of '
                f'{sensor.width}x{sensor.height}'
            )
        if x % 8 or (right % 8 and right != sensor.width):
            raise CameraError(
                f'crop is {_text(crop)}: expected whole bytes: x {x // 8 * 8}, width '
                f'{min(-(-right // 8) * 8, sensor.width) - x // 8 * 8}'
            )
        self.region = crop
        self.geometry = Geometry(height, width, sensor.bit_order)
        self._rows = slice(y, y + height)
        self._bytes = slice(x // 8, -(-right // 8))
        self._every = every_nth

    def kept(self, block: Block) -> tuple[PackedPlanes, int]:
        """Return what is kept of planes, and the number of the first one that is.

        Args:
            block: The planes: those whose number is a multiple of ``every_nth`` are kept, also
                after a gap.

        Returns:
            ``[kept, rows, bytes]``, a view, maybe of no planes.
        """
        if block.stride == self._every:
            return block.planes[:, self._rows, self._bytes], block.first
        skipped = -block.first % self._every
        kept = block.planes[skipped :: self._every, self._rows, self._bytes]
        return kept, block.first + skipped


def _text(crop: tuple[int, ...]) -> str:
    return ', '.join(map(str, crop))
