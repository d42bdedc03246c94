# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Picture of matched views: the source, the source as the target sees it, the target, its depth.

    PYTHONPATH=training python -m benchmarks.matched_views --cache OUT/stages --out views.png

from the repository's root, once ``run.py table --out OUT`` has trained rows of BiCross with fitted
views. Each line has a test scene of the source and one of the target, which no training saw, and
depth of the latter before and after the last stage. With ``--metres`` instead of a picture a table
is printed: errors of depth in metres, and with the factor for all depth that is best on held-out
scenes of the source through the view, which takes no label of the target.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from spike_depth_ros.checkpoint import load
from spike_depth_ros.pages.pictures import save_png, strip
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.errors import ConfigError, one_line
from spike_training.evaluation.predictors import build_for_evaluation, predict
from spike_training.learning.panels import Panel, Panels
from spike_training.matching.fit import Fit
from spike_training.matching.view import SPREAD, Spread, matched_view
from spike_training.run_data.sources import make_source, make_target
from spike_training.sampling.sample import Batch
from spike_training.tables.plan import load_table
from spike_training.tables.units import Training, units_of

TABLES = Path(__file__).parents[1] / 'training/configs/tables'

ROWS = {'mini.yaml': 'bicross', 'scenarios.yaml': 'fog_bicross'}
"""Rows of tables that are drawn."""

COMPARED = {'mini.yaml': ('pre_src_long',), 'scenarios.yaml': ('fog_pre_src_long',)}
"""Rows whose metres are compared with theirs."""

FACTORS = [0.5 + 0.05 * k for k in range(21)]

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


def metres_of(table: Path, row: str, seed: int, cache: Path, scenes: int) -> Iterator[str]:
    """Yield lines of a table: errors in metres of a row and of those that it is compared with.

    Raises:
        ConfigError: A row is not trained.
    """
    own, fit = find_training(table, row, seed, cache)
    every = {one.settings.name: one for one in load_table(table).rows if one.config.stages}
    target = make_target(own.config, 'test', CPU).batch(0, scenes)
    held_out = make_source(own.config, 'calibration', CPU).batch(0, scenes)
    torch.manual_seed(seed)
    seen = matched_view(
        held_out.counts, held_out.planes_per_bin, held_out.metres, fit.view, SPREAD
    )
    through = dataclasses.replace(held_out, counts=seen)
    for name in (row, *COMPARED[table.name]):
        training = units_of(every[name], seed, cache).training
        if not training.done:
            raise ConfigError(f'{training.folder}: not trained, run run.py table --rows {name}')
        limits = own.config.model.min_depth, own.config.model.max_depth
        there, here = (_metres(training, one) for one in (through, target))
        factor = min(FACTORS, key=lambda one: errors(there * one, through.depth, limits)[0])
        found = (*errors(here, target.depth, limits), factor,
                 *errors(here * factor, target.depth, limits)[:2])  # fmt: skip
        yield f'| `{name}` | {" | ".join(f"{value:.3f}" for value in found)} |'


def errors(
    depth: torch.Tensor, truth: torch.Tensor, limits: tuple[float, float]
) -> tuple[float, float, float]:
    """Return AbsRel, RMSE log and median of predicted over true depth, means over images."""
    found = []
    for one, true in zip(depth.clamp(*limits), truth, strict=True):
        known = (true > limits[0]) & (true < limits[1])
        ratio = one[known] / true[known]
        rmse_log = ratio.log().square().mean().sqrt()
        found.append(torch.stack([(ratio - 1).abs().mean(), rmse_log, ratio.median()]))
    abs_rel, rmse_log, median = torch.stack(found).mean(dim=0).tolist()
    return abs_rel, rmse_log, median


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
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument('--out', type=Path, help='PNG to write')
    wanted.add_argument('--metres', action='store_true', help='print errors in metres')
    options = parser.parse_args(args)
    if options.out is not None and options.out.suffix != '.png':
        parser.error(f'--out {options.out}: expected a .png file')
    if options.scenes < 1:
        parser.error(f'--scenes {options.scenes}: expected 1 or more')
    torch.set_num_threads(1)
    panels: list[Panel] = []
    try:
        if options.metres:
            print('| row | AbsRel | RMSE log | predicted / true | factor | AbsRel | RMSE log |')
            print('|---|---|---|---|---|---|---|')
            for table, row in ROWS.items():
                given = options.seed, options.cache, options.scenes
                print('\n'.join(metres_of(TABLES / table, row, *given)))
            return 0
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
