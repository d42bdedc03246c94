# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``world``: a picture of procedural scenes."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Annotated, Literal

from spike_depth_ros.base.cli import checked
from spike_depth_ros.base.values import Count, at_least, file_of, within
from spike_depth_ros.checkpoint import CheckpointError, Tensors, find_checkpoint, load
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.choices import LARGEST_SEED, Style
from spike_training.disk import make_folder
from spike_training.errors import ConfigError


@checked(ConfigError)
def show_world(
    out: Annotated[Path, file_of('.png')],
    style: Style | Literal['all'] = 'home',
    scenes: Count = 6,
    height: Annotated[int, at_least(16)] = 128,
    width: Annotated[int, at_least(16)] = 192,
    planes: Count = 128,
    seed: Annotated[int, within(0, LARGEST_SEED)] = 0,
    checkpoint: Path | None = None,
) -> None:
    """Draw colour, depth and firing rate of some procedural scenes, as one picture.

    Args:
        out: The .png file to write; its folder is made if missing.
        style: Kind of scenes: indoor, road, home, outdoor, hall, office
            (docs/reference/worlds.md), or all:
            one after the other.
        scenes: Number of scenes, of the training split; with a checkpoint, of the test split.
        height: Rows of an image.
        width: Columns of an image.
        planes: Length of the window of spikes.
        seed: Seed of the scenes.
        checkpoint: The .safetensors file of a network of spikes, or the name of a shipped model:
            its depth is drawn beside the true depth, scaled to the same median.

    Raises:
        ConfigError: The settings are wrong.
        CheckpointError: The checkpoint cannot be used.
    """
    make_folder(out.parent)
    import torch

    from spike_depth_ros.pages import pictures
    from spike_training.evaluation.predictors import build_for_evaluation, network_predictor
    from spike_training.reports.contact_sheet import contact_sheet
    from spike_training.sampling.procedural import ProceduralSource

    styles = typing.get_args(Style) if style == 'all' else (style,)
    if checkpoint is None:
        source = ProceduralSource(styles, seed, height, width, (planes,), with_rgb=True)
        sheet = contact_sheet(source.samples(range(scenes)), samples_per_row=2)
    else:
        info, weights = _load(checkpoint, height, width)
        network = build_for_evaluation(info, weights, torch.device('cpu'))
        source = ProceduralSource(
            styles, seed, height, width, (planes,), with_rgb=True, split='test', bins=info.bins
        )
        batch = source.samples(range(scenes))
        predicted = network_predictor(network, info)(batch).depth
        sheet = contact_sheet(batch, samples_per_row=1, predicted=predicted)
    pictures.save_png(sheet, out)
    print(f'{out}: {scenes} scenes of {"all styles" if style == "all" else f"style {style}"}')


def _load(checkpoint: Path, height: int, width: int) -> tuple[DepthInfo, Tensors]:
    """Load a network of spikes for images of a size."""
    info, weights = load(find_checkpoint(checkpoint))
    if info.inputs != ('spikes',):
        raise CheckpointError(f'{checkpoint}: it sees {", ".join(info.inputs)}, expected spikes')
    if height % info.multiple or width % info.multiple:
        raise ConfigError(
            f'height is {height} and width {width}: expected multiples of {info.multiple}, '
            f'which {info.architecture} of this checkpoint works on'
        )
    return info, weights
