# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of pictures and maps: their size is read from the header before pixels are expanded."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy.typing as npt

from spike_depth_ros.stream.recording import NpyFile

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 100_000_000
"""Most pixels of a picture, map or frame that are expanded."""


def check_pixels(width: int, height: int) -> None:
    """Refuse a picture that is too large to be expanded.

    Raises:
        ValueError: It has more than :data:`MAX_PIXELS`.
    """
    if width * height > MAX_PIXELS:
        raise ValueError(f'{width}x{height} pixels, expected at most {MAX_PIXELS / 1e6:g} million')


@contextlib.contextmanager
def open_picture(
    file: Path | IO[bytes], formats: tuple[str, ...] | None = None
) -> Iterator[Image.Image]:
    """Open a picture without decoding it, and close it at the end.

    Args:
        file: The file.
        formats: Names of the formats of Pillow that it may have; None: any.

    Raises:
        ValueError: It has more than :data:`MAX_PIXELS`.
        OSError: There is no such file, or it is no picture; at damage Pillow raises others, too.
    """
    from PIL import Image

    # Pillow warns of fewer pixels than are allowed here.
    warnings.simplefilter('ignore', Image.DecompressionBombWarning)
    try:
        opened = Image.open(file, formats=formats)  # noqa: TID251 - the one place
    except Image.DecompressionBombError as error:
        raise ValueError(
            f'too many pixels, expected at most {MAX_PIXELS / 1e6:g} million ({error})'
        ) from None
    with opened as image:
        check_pixels(*image.size)
        yield image


def read_npy(path: Path) -> npt.NDArray[Any]:
    """Read the array of a .npy file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is damaged, or has more than :data:`MAX_PIXELS` values.
    """
    stored = NpyFile(path)
    if math.prod(stored.shape) > MAX_PIXELS:
        raise ValueError(
            f'shape {list(stored.shape)}, expected at most {MAX_PIXELS / 1e6:g} million values'
        )
    return stored.whole()
