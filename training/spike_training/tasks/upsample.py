# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Task ``upsample``: enlarged maps of depth, scored on generated scenes and folders of maps."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import spike_depth_ros
from spike_depth_ros.checkpoint import Tensors
from spike_depth_ros.evaluation.controls import NETWORK
from spike_depth_ros.networks.registry import build_with_weights
from spike_depth_ros.pages.blocks import Table, number, percent
from spike_depth_ros.pages.terminal import print_table
from spike_depth_ros.tasks.architectures import SETTINGS, UpsampleLiteSettings
from spike_depth_ros.tasks.base import TASKS
from spike_depth_ros.tasks.upsample import UpsampleInfo
from spike_training.datasets.depth_maps import DepthMap, Levels, factors_of, read_maps
from spike_training.errors import ConfigError, DataSetError
from spike_training.evaluation.preparation import Preparation
from spike_training.evaluation.report import FORMAT, cell
from spike_training.evaluation.small_maps import disturb, grey_levels, shrink
from spike_training.evaluation.upsampling import (
    BASELINES,
    CONDITIONS,
    MAPS,
    Enlarge,
    Scores,
    mad,
    structure_mad,
)
from spike_training.run_data.sources import make_source
from spike_training.settings.config import BatchSpec, ResolvedStage, RunConfig
from spike_training.tasks.base import (
    Exported,
    Given,
    Metric,
    Report,
    SetScores,
    Shown,
    Tabled,
    Task,
    register,
)

RANDOM = UpsampleInfo(
    architecture='upsample_lite',
    settings=dataclasses.asdict(UpsampleLiteSettings()),
    factors=UpsampleLiteSettings().factors,
    stage='random',
    package_version=spike_depth_ros.__version__,
)
"""Metadata of an untrained network."""

COLUMNS = {
    'mad': 'MAD',
    'abs_rel': 'AbsRel',
    'flying_pixels': 'flying',
    'edges_seen': 'edges seen',
}
"""Scores that are printed, with their column titles."""

OF_MAPS = {'mad': 'MAD', 'structure_mad': 'structure MAD'}
"""Scores of maps of a folder, with their titles."""

BY_MAP = {'mad': 'by_map', 'structure_mad': 'structure_mad_by_map'}
"""Key of each of these in a report's rows, by map."""

HIGHER = ('edges_seen',)
"""Those of which higher values are better."""


def metadata(config: ResolvedStage, common: dict[str, Any]) -> UpsampleInfo:
    """Return the metadata of the checkpoints of a stage."""
    return UpsampleInfo(**common, factors=tuple(common['settings']['factors']))


def evaluate(
    config: RunConfig, info: UpsampleInfo, weights: Tensors, device: torch.device, given: Given
) -> dict[str, Any]:
    """Evaluate a network on the test scenes of each style; return the report.

    Each scene is made small under all :data:`.upsampling.CONDITIONS` and by all factors of the
    network, which enlarges it again, as :data:`.upsampling.BASELINES` do.

    Args:
        config: Config with the test scenes; height and width are multiples of the factors.
        info: Metadata of the network.
        weights: Its weights.
        device: Device of the network.
        given: A folder of maps is scored, too.
    """
    # Recordings may have no depth at the size of the tests: generated scenes stand in for them.
    none: dict[str, str] = {}
    data = dataclasses.replace(
        config.data, recordings=none, test_recordings=none, mixed_recordings=none
    )
    config = dataclasses.replace(config, data=data)
    methods = _methods(info, weights, device)
    sets = {
        style: _scores(config, style, info.factors, methods, device)
        for style in config.data.styles
    }
    if given.maps is not None:
        sets |= evaluate_maps(given.maps, info, weights, device)['sets']
    return _origin(info) | {'seed': config.seed, 'sets': sets}


def evaluate_maps(
    root: Path, info: UpsampleInfo, weights: Tensors, device: torch.device
) -> dict[str, Any]:
    """Evaluate a network on a folder of maps with their small maps; return the report.

    Factors that the network and the folder have are scored, by :func:`.upsampling.mad` and
    :func:`.upsampling.structure_mad`, beside :data:`.upsampling.BASELINES`.

    Args:
        root: The folder, see :mod:`spike_training.datasets.depth_maps`.
        info: Metadata of the network.
        weights: Its weights.
        device: Device of the network.

    Raises:
        DataSetError: The folder or a map cannot be used, or no factor is of both.
    """
    maps = read_maps(root, info.factors)
    methods = _methods(info, weights, device)
    keys = [(factor, method) for factor in maps[0].small for method in methods]
    scores = {
        'title': f'{root.resolve().name}: {len(maps)} maps',
        'factors_left_out': [one for one in factors_of(root) if one not in info.factors],
        'rows': [_row(maps, factor, name, methods[name], device) for factor, name in keys],
    }
    return _origin(info) | {'sets': {MAPS: scores}}


def _origin(info: UpsampleInfo) -> dict[str, Any]:
    """Return the part of a report that names its form and the network."""
    return {
        'format': FORMAT,
        'task': 'upsample',
        'stage': info.stage,
        'weights_sha256': info.weights_sha256,
    }


def _methods(info: UpsampleInfo, weights: Tensors, device: torch.device) -> Mapping[str, Enlarge]:
    """Return the network and the enlargements without learning, by name."""
    if info.inputs != ('depth',):
        raise ConfigError(
            f'the network takes {" and ".join(info.inputs)}: expected depth alone, of which maps '
            'are made small'
        )
    network = build_with_weights(info, weights).eval().requires_grad_(False).to(device)
    return {NETWORK: network, **BASELINES}


def _row(
    maps: list[DepthMap], factor: int, name: str, enlarge: Enlarge, device: torch.device
) -> dict[str, Any]:
    """Return the scores of a method on all maps, enlarged one at a time."""
    found, structure = {}, {}
    for one in maps:
        truth = _tensor(one.truth, device)
        with torch.inference_mode():
            enlarged = enlarge(_tensor(one.small[factor], device), factor)
        found[one.name] = mad(enlarged, truth)
        structure[one.name] = structure_mad(enlarged, truth)
        if math.isnan(found[one.name]):
            raise DataSetError(
                f'{one.name}, x{factor}: no pixel is known in both sizes: expected a small map of '
                'the full-size one'
            )
    return {
        'condition': MAPS,
        'factor': factor,
        'method': name,
        'maps': len(maps),
        'mad': statistics.fmean(found.values()),
        'by_map': found,
        'structure_mad': statistics.fmean(structure.values()),
        'structure_mad_by_map': structure,
    }


def _tensor(levels: Levels, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(levels).to(device, torch.float32)[None, None]


def _scores(
    config: RunConfig,
    style: str,
    factors: tuple[int, ...],
    methods: Mapping[str, Enlarge],
    device: torch.device,
) -> dict[str, Any]:
    """Return the scores of all methods on the test scenes of a style."""
    source = make_source(config, 'test', device, [style], BatchSpec(spikes=False))
    keys = [
        (condition, factor, method)
        for condition in CONDITIONS
        for factor in factors
        for method in methods
    ]
    found = {key: Scores() for key in keys}
    # One at a time: whole maps are large.
    for index in range(config.evaluate.scenes):
        truth, near = grey_levels(source.batch(index, 1).depth)
        for condition in CONDITIONS:
            for factor in factors:
                generator = torch.Generator().manual_seed(index)
                small = shrink(truth, factor, condition.low)
                small = disturb(small, condition.noise, condition.holes, generator)
                for name, enlarge in methods.items():
                    with torch.inference_mode():
                        enlarged = enlarge(small, factor)
                    found[condition, factor, name].add(enlarged, truth, near, index)
    return {
        'title': f'{style}, generated',
        'rows': [
            {'condition': condition.name, 'factor': factor, 'method': name}
            | found[condition, factor, name].report()
            for condition, factor, name in keys
        ],
    }


def show(report: Report) -> None:
    """Print a table for each set of a report, and the meaning of its columns."""
    if MAPS in report['sets']:
        show_maps(report)
        return
    for scores in report['sets'].values():
        header = ['small maps', 'factor', 'method', *COLUMNS.values()]
        print_table(Table(header, _printed(scores['rows']), scores['title']))
    print(
        'MAD: mean absolute difference of 8-bit inverse depth, mean of maps. flying: share of the '
        'seen edge pixels that are on neither side of the edge. sensor: means of areas with '
        'noise and holes.'
    )


def _printed(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    return [
        [row['condition'], str(row['factor']), row['method'], *(cell(row[key]) for key in COLUMNS)]
        for row in rows
    ]


def metrics(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that are stored in a checkpoint, by set, condition and factor."""
    return {
        f'{name}_{row["condition"]}_x{row["factor"]}_mad': round(row['mad'], 4)
        for name, scores in report['sets'].items()
        for row in scores['rows']
        if row['method'] == NETWORK and row['mad'] is not None
    }


def show_maps(report: Mapping[str, Any]) -> None:
    """Print a table of the maps of a folder; the lowest MAD of a factor is marked."""
    scores = report['sets'][MAPS]
    rows = scores['rows']
    names = [*rows[0]['by_map']]
    lowest: dict[int, list[float]] = {}
    for row in rows:
        values = _mads(row)
        before = lowest.get(row['factor'], values)
        lowest[row['factor']] = [min(pair) for pair in zip(before, values, strict=True)]
    cells = [
        [
            f'x{row["factor"]}',
            row['method'],
            cell(row['structure_mad']),
            *(
                f'{"*" if value == least else ""}{value:.3f}'
                for value, least in zip(_mads(row), lowest[row['factor']], strict=True)
            ),
        ]
        for row in rows
    ]
    print_table(Table(['factor', 'method', 'structure', 'mean', *names], cells, scores['title']))
    print(
        'MAD: mean absolute difference in levels of 8 bits, mean of maps and of each. *: the '
        'lowest of a factor. structure: MAD of the differences of neighbours, mean of maps.'
    )
    if left_out := scores['factors_left_out']:
        print(f'not scored: {", ".join(f"x{one}" for one in left_out)}, not of the network')


def _mads(row: Mapping[str, Any]) -> list[float]:
    """Return the mean MAD of a row, and that of each map."""
    return [row['mad'], *row['by_map'].values()]


def metrics_by_name(report: Mapping[str, Any], method: str = NETWORK) -> dict[str, float]:
    """Return the metrics of a method, of tables: ``METRIC_CONDITION_xFACTOR``.

    Args:
        report: Report of generated scenes, of maps of a folder, or of both.
        method: ``network`` or one of ``BASELINES``.

    Returns:
        Means over all maps of a condition, such as ``mad_cubic_x8``; left out where a set has no
        score. Of maps of a folder also each map's, such as ``mad_Art_x8``.
    """
    parts: dict[str, list[tuple[float | None, int]]] = {}
    for scores in report['sets'].values():
        for row in scores['rows']:
            if row['method'] == method:
                for metric in COLUMNS | OF_MAPS:
                    if metric in row:  # maps of a folder and scenes have their own
                        name = f'{metric}_{row["condition"]}_x{row["factor"]}'
                        parts.setdefault(name, []).append((row[metric], row['maps']))
                for metric, key in BY_MAP.items():
                    for one, value in row.get(key, {}).items():
                        parts[f'{metric}_{one}_x{row["factor"]}'] = [(value, 1)]
    found = {}
    for name, values in parts.items():
        known = [(value, number) for value, number in values if value is not None]
        if len(known) == len(values):
            total = sum(number for _, number in known)
            found[name] = sum(value * number for value, number in known) / total
    return found


def _tiles(report: Report) -> Iterator[tuple[str, str]]:
    for scores in report['sets'].values():
        rows = [row for row in scores['rows'] if row['method'] == NETWORK]
        by_factor = ', '.join(f'{number(row["mad"])} x{row["factor"]}' for row in rows)
        yield f'MAD, {scores["title"]}', by_factor


def _results(report: Report) -> Table:
    rows = [
        [
            f'{scores["title"]}, {row["condition"]}, x{row["factor"]}, {row["method"]}',
            number(row['mad']),
            number(row['abs_rel']),
            percent(row['flying_pixels']),
        ]
        for scores in report['sets'].values()
        for row in scores['rows']
    ]
    columns = ['', 'MAD', 'AbsRel', 'flying pixels']
    note = 'MAD: mean difference of inverse depth in 256 grey levels.'
    return Table(columns, rows, 'Enlarged maps of depth', caption=note)


def _weaknesses(scores: SetScores) -> Iterator[str]:
    own = {
        (row['condition'], row['factor']): row['mad']
        for row in scores['rows']
        if row['method'] == NETWORK
    }
    for row in scores['rows']:
        mine = own[row['condition'], row['factor']]
        if row['method'] != NETWORK and None not in (mine, row['mad']) and row['mad'] <= mine:
            yield (
                f'{scores["title"]}, {row["condition"]}, x{row["factor"]}: {row["method"]} has a '
                f'MAD of {row["mad"]:.3f}, the network {mine:.3f}.'
            )


def factors_of_row(config: RunConfig) -> tuple[int, ...]:
    """Return the factors by which the network of a row enlarges, ascending.

    Args:
        config: Valid config with a stage of the task ``upsample``.
    """
    model = config.resolve(config.stages[-1]).model
    return tuple(sorted(SETTINGS[model.architecture](**model.settings).factors))


def table_metrics(config: RunConfig, before: Preparation) -> dict[str, Metric]:
    """Return the metrics of enlarged maps: means over maps, by condition and factor."""
    return {
        f'{name}_{condition}_x{factor}': Metric(
            f'{title}, {condition} x{factor}', name not in HIGHER
        )
        for condition, columns in (
            (MAPS, OF_MAPS),
            *((one.name, COLUMNS) for one in CONDITIONS),
        )
        for factor in factors_of_row(config)
        for name, title in columns.items()
    }


register(
    Task(
        TASKS['upsample'],
        title='Enlarged maps of depth',
        noun='a network that enlarges depth maps',
        metadata=metadata,
        evaluate=evaluate,
        metrics=metrics,
        show=show,
        export=Exported('spike_training.exports.maps', {'upsample_lite': RANDOM}),
        shown=Shown(_tiles, _weaknesses, _results),
        tabled=Tabled(
            table_metrics,
            lambda config, report, name, domain, method: metrics_by_name(report, method).get(name),
            layout='factors',
            estimates=tuple(BASELINES),
            maps=True,
        ),
    )
)
