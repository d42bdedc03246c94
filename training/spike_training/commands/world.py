# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command ``world``: a picture of procedural scenes."""

from __future__ import annotations

from pathlib import Path

from spike_depth_ros import pictures
from spike_training.errors import ConfigError
from spike_training.reports.contact_sheet import contact_sheet
from spike_training.sampling.procedural import ProceduralSource
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
        style: Kind of scenes: indoor, road, home, outdoor, hall, office (docs/world.md).
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
    pictures.save_png(contact_sheet(source.samples(range(scenes)), samples_per_row=2), out)
    print(f'{out}: {scenes} scenes of style {style}')
