# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Picture of matched views: the source, the source as the target sees it, the target, its depth.

    PYTHONPATH=training python -m benchmarks.matched_views --cache OUT/stages --out views.png

from the repository's root, once ``run.py table --out OUT`` has trained rows of BiCross with fitted
views. Each line has a test scene of the source and one of the target, which no training saw, and
depth of the latter before and after the last stage.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from spike_depth_ros.checkpoint import DepthInfo, load
from spike_depth_ros.pictures import save_png, strip
from spike_training.errors import ConfigError, one_line
from spike_training.evaluation.predictors import build_for_evaluation, predict
from spike_training.learning.panels import Panel, Panels
from spike_training.matching.fit import Fit
from spike_training.matching.view import Spread, matched_view
from spike_training.runs.sources import make_source, make_target
from spike_training.sampling.sample import Batch
from spike_training.tables.plan import load_table
from spike_training.tables.units import Training, units_of

TABLES = Path(__file__).parents[1] / 'training/configs/tables'

ROWS = {'mini.yaml': 'bicross', 'scenarios.yaml': 'fog_bicross'}
"""Rows of tables that are drawn."""

LARGER = 2
"""Factor on the size of the pictures."""

CPU = torch.device('cpu')


def find_training(table: Path, row: str, seed: int, cache: Path) -> tuple[Training, Fit]:
    """Return the training of a row and its fit.

    Raises:
        ConfigError: There is no such row, it is not trained, or it has no fitted view.
    """
    rows = {one.settings.name: one for one in load_table(table).rows if one.config.stages}
    if row not in rows:
        raise ConfigError(f'row {row}: expected one of {", ".join(rows)}')
    training = units_of(rows[row], seed, cache).training
    if not training.done:
        raise ConfigError(f'{training.folder}: not trained, run run.py table --rows {row}')
    path = training.folder / training.stage.name / 'selection.json'
    found = json.loads(path.read_text(encoding='utf-8')) if path.exists() else {}
    if 'fit' not in found:
        raise ConfigError(f'row {row}: expected one with adapt.source_views matched')
    return training, Fit.from_fields({name: found[name] for name in Fit.__dataclass_fields__})


def network_of(training: Training) -> tuple[nn.Module, DepthInfo]:
    """Return a trained network."""
    info, weights = load(training.checkpoint)
    return build_for_evaluation(info, weights, CPU), info


def lines_of(training: Training, fit: Fit, scenes: int) -> Iterator[Panel]:
    """Yield the panels of the first test scenes of source and target."""
    config = training.config
    source = make_source(config, 'test', CPU).batch(0, scenes)
    target = make_target(config, 'test', CPU).batch(0, scenes)
    begun = {unit.stage.name: unit for unit in training.needs}[str(training.stage.init_from)]
    unchanged = Spread(*(0.0 for _ in Spread._fields))
    torch.manual_seed(0)
    seen = matched_view(source.counts, source.planes_per_bin, source.metres, fit.view, unchanged)
    show = Panels(config.model)
    columns = [
        show.spikes(_larger(source.counts), 'source'),
        show.spikes(_larger(seen), 'as the target sees it'),
        show.spikes(_larger(target.counts), 'target'),
        show.depth(_larger(_metres(begun, target)), 'depth before'),
        show.depth(_larger(_metres(training, target)), 'depth after'),
        show.depth(_larger(target.depth), 'true depth'),
    ]
    for line in zip(*columns, strict=True):
        yield from line


def _larger(images: torch.Tensor) -> torch.Tensor:
    return images.repeat_interleave(LARGER, dim=2).repeat_interleave(LARGER, dim=3)


@torch.inference_mode()
def _metres(training: Training, batch: Batch) -> torch.Tensor:
    """Return the depth of a network, metres, ``[B, 1, H, W]``."""
    network, info = network_of(training)
    scale = (batch.fx / info.canonical_fx)[:, None, None, None]
    return predict(network, batch, 'spikes').depth * scale


def main(args: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog='python -m benchmarks.matched_views')
    parser.add_argument('--seed', type=int, default=0, help='default: 0')
    parser.add_argument('--cache', type=Path, required=True, help='cache of run.py table')
    parser.add_argument('--scenes', type=int, default=2, help='of each target; default: 2')
    parser.add_argument('--out', type=Path, required=True, help='PNG to write')
    options = parser.parse_args(args)
    if options.out.suffix != '.png':
        parser.error(f'--out {options.out}: expected a .png file')
    if options.scenes < 1:
        parser.error(f'--scenes {options.scenes}: expected 1 or more')
    torch.set_num_threads(1)
    panels: list[Panel] = []
    try:
        for table, row in ROWS.items():
            found = find_training(TABLES / table, row, options.seed, options.cache)
            panels += lines_of(*found, options.scenes)
        save_png(strip(panels, columns=6), options.out)
    except ConfigError as error:
        parser.error(str(error))
    except OSError as error:
        parser.error(f'--out {options.out}: it cannot be written: {one_line(error)}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
