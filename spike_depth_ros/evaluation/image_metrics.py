# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics of reconstructed grey images: PSNR and SSIM."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
SSIM_K = (0.01, 0.03)
"""Constants of SSIM as in its paper."""

Grey = npt.NDArray[np.floating[Any]]


def psnr(image: Grey, reference: Grey) -> float:
    """Compute the peak signal-to-noise ratio.

    Args:
        image: ``[H, W]``, 0 to 1.
        reference: Same shape and range.

    Returns:
        Decibels; infinite for equal images.

    Raises:
        ValueError: The shapes differ.
    """
    _check(image, reference)
    error = float(np.mean((np.asarray(image, np.float64) - reference) ** 2))
    return math.inf if error == 0 else -10 * math.log10(error)


def ssim(image: Grey, reference: Grey) -> float:
    """Compute the mean structural similarity (Wang et al., "Image Quality Assessment", Eq. 13).

    Gaussian windows of 11x11 pixels with a standard deviation of 1.5, at all positions where they
    lie in the image.

    Args:
        image: ``[H, W]``, 0 to 1, at least 11x11.
        reference: Same shape and range.

    Returns:
        -1 to 1; 1 for equal images.

    Raises:
        ValueError: The shapes differ, or are smaller than a window.
    """
    _check(image, reference)
    if min(image.shape) < SSIM_WINDOW:
        raise ValueError(f'{_text(image)} pixels: expected at least {SSIM_WINDOW}x{SSIM_WINDOW}')
    x, y = np.asarray(image, np.float64), np.asarray(reference, np.float64)
    mean_x, mean_y = _blur(x), _blur(y)
    variances = _blur(x * x) - mean_x**2 + _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    c1, c2 = (k**2 for k in SSIM_K)
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity /= (mean_x**2 + mean_y**2 + c1) * (variances + c2)
    return float(similarity.mean())


def _blur(image: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Average over Gaussian windows that lie in the image, ``[H - 10, W - 10]``."""
    offsets = np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
    kernel = np.exp(-(offsets**2) / (2 * SSIM_SIGMA**2))
    kernel /= kernel.sum()
    for axis in (0, 1):
        image = np.lib.stride_tricks.sliding_window_view(image, SSIM_WINDOW, axis) @ kernel
    return image


def _check(image: Grey, reference: Grey) -> None:
    if image.ndim != 2 or image.shape != reference.shape:
        raise ValueError(f'{_text(image)} and {_text(reference)}: expected two images of a size')


def _text(image: Grey) -> str:
    return 'x'.join(map(str, image.shape))
