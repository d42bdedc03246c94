# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Samples for people to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spike_depth_ros import pictures
from spike_training.errors import ConfigError
from spike_training.sampling.procedural import ProceduralSource
from spike_training.sampling.sample import Batch
from spike_training.settings.config import Style


def show_world(
    out: Path,
    style: Style = 'home',
    scenes: int = 6,
    height: int = 128,
    width: int = 192,
    planes: int = 128,
    seed: int = 0,
) -> None:
    """Look at the procedural world: colour, depth and firing rate of some scenes, as one picture.

    Args:
        out: The .png file to write; its folder is made if missing.
        style: Kind of scenes: indoor, road, home (docs/world.md).
        scenes: How many; those of training with the same seed.
        height: Rows of an image.
        width: Columns of an image.
        planes: Length of the window of spikes.
        seed: Of the world.

    Raises:
        ConfigError: The settings are wrong.
    """
    wrong = [
        f'{name} is {value}: expected {least} or more'
        for name, value, least in (
            ('scenes', scenes, 1),
            ('height', height, 16),
            ('width', width, 16),
            ('planes', planes, 1),
        )
        if value < least
    ]
    if out.suffix != '.png':
        wrong.append(f'out is {out}: expected a file .png')
    if wrong:
        raise ConfigError('; '.join(wrong))
    source = ProceduralSource((style,), seed, height, width, (planes,), with_rgb=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    pictures.save_png(contact_sheet(source.samples(range(scenes))), out)
    print(f'{out}: {scenes} scenes of style {style}')


def contact_sheet(batch: Batch, samples_per_row: int = 2) -> pictures.Rgb:
    """Colour (where there is one), depth and firing rate of every sample of a batch.

    Args:
        batch: Samples on the CPU.
        samples_per_row: Samples side by side.

    Returns:
        The sheet. All depths share one colour scale; the square root of the firing rate is
        shown, each image stretched to its own brightest hundredth.
    """
    depth = batch.depth[:, 0].numpy()
    finite = depth[np.isfinite(depth)]
    vmin, vmax = (float(limit) for limit in np.percentile(finite, (0.5, 99.5)))
    rates = batch.counts.numpy().sum(1) / int(batch.planes_per_bin.sum())
    panels: list[tuple[pictures.Rgb | None, str]] = []
    for k, index in enumerate(batch.index.tolist()):
        rate = np.sqrt(np.minimum(rates[k] / max(float(np.percentile(rates[k], 99)), 1e-6), 1))
        row = [
            (pictures.depth_panel(depth[k], vmin, max(vmax, vmin * 1.01)), 'depth'),
            (
                pictures.spike_panel((rate * 255).astype(np.uint8)),
                f'rate, mean {rates[k].mean():.2f}',
            ),
        ]
        if batch.rgb is not None:
            colour = (batch.rgb[k].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
            row.insert(0, (colour, f'{index}: fx {batch.fx[k]:.0f} px'))
        panels += row
    columns = samples_per_row * (len(panels) // len(batch.index))
    return pictures.strip(panels, pictures.LEGEND, columns)
