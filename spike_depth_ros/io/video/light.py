# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Conversion of images of frame cameras to linear light."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Light = npt.NDArray[np.float32]
"""Linear light of an image, ``[height, width]`` float32 of 0 and more."""

_WEIGHTS = (0.2126, 0.7152, 0.0722)
"""Weights of red, green, blue in luminance (ITU-R BT.709); sRGB has the same primaries."""


def _decoding() -> npt.NDArray[np.float64]:
    value = np.arange(256) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


_TABLES = [(weight * _decoding()).astype(np.float32) for weight in _WEIGHTS]


def luminance(image: npt.NDArray[np.uint8], order: Literal['rgb', 'bgr'] = 'rgb') -> Light:
    """Convert an image to luminance as linear light.

    Sensors integrate light, files are gamma encoded: mean rates, blends and smaller images are
    correct only in linear light. The encoding is assumed to be sRGB (IEC 61966-2-1).

    Args:
        image: ``[H, W, 3]`` uint8, gamma encoded.
        order: Order of its channels; OpenCV's is ``bgr``.

    Returns:
        ``[H, W]`` float32 from 0 (black) to 1 (white).

    Raises:
        ValueError: Not such an image.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(
            f'an image of {image.dtype} {list(image.shape)}: expected uint8 [H, W, 3]'
        )
    red, green, blue = np.moveaxis(image if order == 'rgb' else image[..., ::-1], -1, 0)
    light: Light = np.take(_TABLES[0], red)
    light += np.take(_TABLES[1], green)
    light += np.take(_TABLES[2], blue)
    return light
