# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Contact sheets of samples: colour, depth and firing rate side by side."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from spike_depth_ros.pages import pictures
from spike_depth_ros.pages.depth_colours import Rgb
from spike_training.datasets.clip import Depth
from spike_training.sampling.sample import Batch

_SPARSE = 0.3
_LARGE = 320


def firing_rates(batch: Batch) -> npt.NDArray[np.float32]:
    """Return the share of the planes in which each pixel fired, ``[B, H, W]``."""
    spikes = batch.counts.numpy().sum(1, dtype=np.float32)
    rates: npt.NDArray[np.float32] = spikes / np.float32(batch.planes_per_bin.sum())
    return rates


def contact_sheet(
    batch: Batch,
    rate_title: str = 'rate',
    samples_per_row: int = 1,
    predicted: Depth | None = None,
) -> Rgb:
    """Draw colour (where there is one), depth and firing rate of every sample of a batch.

    Args:
        batch: Samples on the CPU.
        rate_title: Title of firing rates, before their mean.
        samples_per_row: Samples side by side.
        predicted: Predicted depth, metres up to one factor, ``[B, H, W]``: drawn as well, scaled
            to the median of the true depth. Images of 320 columns and more are then drawn at half
            size.

    Returns:
        The sheet. All depths share one colour scale, beside predictions those of a sample; the
        square root of the firing rate is shown, each image stretched to its own brightest
        hundredth.
    """
    depths = batch.depth[:, 0].numpy()
    low, high = _limits(depths)
    step = 2 if predicted is not None and depths.shape[-1] >= _LARGE else 1
    panels: list[tuple[Rgb | None, str]] = []
    for k, (rate, depth) in enumerate(zip(firing_rates(batch), depths, strict=True)):
        if batch.rgb is not None:
            colour = (batch.rgb[k].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
            colour = np.ascontiguousarray(colour[::step, ::step])
            panels.append((colour, f'{int(batch.index[k])}: fx {float(batch.fx[k]):.0f} px'))
        if predicted is not None:
            low, high = _limits(depth)
        shown = None
        if not np.isnan(depth).all():
            shown = pictures.depth_panel(_thick(depth)[::step, ::step], low, high)
        panels.append((shown, 'depth'))
        if predicted is not None:
            scaled = _median_scaled(predicted[k], depth)[::step, ::step]
            panels.append((pictures.depth_panel(scaled, low, high), 'predicted depth'))
        bright = np.sqrt(np.minimum(rate / max(float(np.percentile(rate, 99)), 1e-6), 1))
        grey = pictures.spike_panel((bright * 255).astype(np.uint8)[::step, ::step])
        panels.append((grey, f'{rate_title}, mean {rate.mean():.2f}'))
    columns = samples_per_row * (len(panels) // len(depths))
    return pictures.strip(panels, pictures.LEGEND, columns)


def _limits(depth: Depth) -> tuple[float, float]:
    """Return the ends of a colour scale, metres."""
    finite = depth[np.isfinite(depth)]
    low, high = np.percentile(finite, (0.5, 99.5)).tolist() if finite.size else (1.0, 2.0)
    return low, max(high, low * 1.01)


def _median_scaled(predicted: Depth, depth: Depth) -> Depth:
    """Scale a prediction to the median of the true depth, where that is finite."""
    known = np.isfinite(depth)
    if not known.any():
        return predicted
    scaled: Depth = predicted * (np.median(depth[known]) / np.median(predicted[known]))
    return scaled


def _thick(depth: Depth) -> Depth:
    """Enlarge single points of a laser scanner to three pixels, to make them visible."""
    known = np.isfinite(depth)
    if known.mean() > _SPARSE:
        return depth
    far = np.float32(1e9)
    near = cv2.erode(np.where(known, depth, far), np.ones((3, 3), np.uint8))
    drawn: Depth = np.where(known | (near == far), depth, near)
    return drawn
