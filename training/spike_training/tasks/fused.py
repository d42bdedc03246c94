# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Task ``fused``: depth from spikes and a frame, scored by what is wrong with these."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from spike_depth_ros.checkpoint import Tensors, load
from spike_depth_ros.evaluation.controls import NETWORK, comparison_sentence, control_name
from spike_depth_ros.pages.blocks import Table, number, percent
from spike_depth_ros.pages.terminal import print_table
from spike_depth_ros.tasks.architectures import FuseLiteSettings
from spike_depth_ros.tasks.base import TASKS
from spike_depth_ros.tasks.fused import FusedInfo
from spike_training.evaluation.mean_depth import MeanDepth
from spike_training.evaluation.predictors import build_for_evaluation, network_predictor
from spike_training.evaluation.report import (
    BASELINE,
    FORMAT,
    cell,
    coverage_cell,
    domain_sets,
)
from spike_training.evaluation.scores import EvaluationSet, evaluate_set
from spike_training.run_data.evaluation_sets import Baselines
from spike_training.run_data.sources import make_frames, sample_frames
from spike_training.sampling.frames import CONDITIONS, MAX_AGE_S, MISSING
from spike_training.settings.config import ResolvedStage, RunConfig
from spike_training.tasks import base
from spike_training.tasks.base import (
    Domain,
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
from spike_training.tasks.depth import calibrated, depth_fields, fit_size, weaknesses
from spike_training.tasks.depth_table import SCALED, Scale, value

RANDOM = FusedInfo(
    architecture='fuse_lite',
    settings=dataclasses.asdict(
        FuseLiteSettings(pool=2, features2=16, head=16, upsampling='convex')
    ),
    bins=9,
    min_depth=0.3,
    max_depth=80.0,
    canonical_fx=400.0,
    fx_range=(200.0, 800.0),
    max_age_s=MAX_AGE_S,
    **base.RANDOM,
)
"""Metadata of an untrained network."""

METRICS = {
    f'{prefix}abs_rel_{condition}': Metric(f'{words}AbsRel, {condition.replace("_", " ")}')
    for prefix, words in (('', ''), (SCALED, 'scaled '))
    for condition in CONDITIONS
}
"""Metrics in tables, by what is wrong with spikes or frame."""

COLUMNS = {
    'abs_rel': 'AbsRel',
    'delta1': 'delta1',
    'abs_rel_median_scaled': 'AbsRel, scaled',
    'delta1_median_scaled': 'delta1, scaled',
}
"""Metrics that are printed and stored, with their column titles."""


def metadata(config: ResolvedStage, common: dict[str, Any]) -> FusedInfo:
    """Return the metadata of the checkpoints of a stage."""
    return FusedInfo(**common, **depth_fields(config), max_age_s=MAX_AGE_S)


def evaluate(
    config: RunConfig, info: FusedInfo, weights: Tensors, device: torch.device, given: Given
) -> dict[str, Any]:
    """Evaluate a checkpoint, or its mean with another one; see :func:`evaluate_fused`."""
    network = build_for_evaluation(info, weights, device)
    if given.second is not None:
        other = build_for_evaluation(*load(given.second, FusedInfo), device)
        network = MeanDepth(network, other).eval()
    return evaluate_fused(config, info, network, device)


def evaluate_fused(
    config: RunConfig, info: FusedInfo, network: nn.Module, device: torch.device
) -> dict[str, Any]:
    """Evaluate a network of spikes and a frame; each set has a condition of them.

    Args:
        config: Config with the test scenes and those of the baseline.
        info: Metadata of the network.
        network: Network in eval mode.
        device: Device of the network.

    Returns:
        The report; ``part`` of a set is one of :data:`~.frames.CONDITIONS`. Each has scenes of all
        styles, the same in all of them.
    """
    predictor, sizes = network_predictor(network, info), config.evaluate
    baselines, scored = Baselines(config, info.canonical_fx, device), {}
    for condition in CONDITIONS:
        source = make_frames(config, 'test', device, condition)
        samples = sample_frames(source, sizes.scenes, sizes.batch_size, info.canonical_fx)
        size, rate_hz = (source.height, source.width), config.data.rate_hz
        one = EvaluationSet('source', condition, samples, *size, source.planes, rate_hz)
        scored[one.name] = evaluate_set(predictor, info, one, baselines.of(one))
    return {
        'format': FORMAT,
        'task': 'fused',
        'stage': info.stage,
        'weights_sha256': info.weights_sha256,
        'seed': config.seed,
        'sets': scored,
    }


def show(report: Mapping[str, Any]) -> None:
    """Print the controls that are not beaten, then a row for each condition of a report."""
    for scores in report['sets'].values():
        if scores['not_beaten']:
            print(comparison_sentence(f'{scores["title"]}: the {NETWORK}', scores))
    rows = [
        [_words(scores), *_cells(scores, NETWORK), _held(scores)]
        for scores in report['sets'].values()
    ]
    # All conditions have the same scenes, hence the same baseline.
    first = next(iter(report['sets'].values()))
    rows.append([control_name(BASELINE), *_cells(first, BASELINE), ''])
    title = f'{report["stage"]}: {first["windows"]} test scenes'
    print_table(Table(['', *COLUMNS.values(), '68 % interval holds'], rows, title))
    print(
        'Means over pixels; scaled: by the median of each image, which borrows from the truth. '
        'Rows: what is wrong with spikes or frame.'
    )


def metrics(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that are stored in a checkpoint, by condition and name."""
    metrics = {
        f'{scores["part"]}_{name}': value
        for scores in report['sets'].values()
        for name, value in (
            *((name, scores['predictors'][NETWORK][name]) for name in COLUMNS),
            ('interval_coverage', scores['uncertainty']['interval_coverage']),
        )
    }
    return {name: round(value, 4) for name, value in metrics.items() if value is not None}


def _words(scores: Mapping[str, Any]) -> str:
    return str(scores['part']).replace('_', ' ')


def _cells(scores: Mapping[str, Any], predictor: str) -> list[str]:
    return [cell(scores['predictors'][predictor][name]) for name in COLUMNS]


def _held(scores: Mapping[str, Any]) -> str:
    return coverage_cell(scores['uncertainty']['interval_coverage'])


def _tiles(report: Report) -> Iterator[tuple[str, str]]:
    for part, scores in domain_sets(report, 'source').items():
        if part in ('clean', *MISSING):
            yield f'Abs Rel, {part.replace("_", " ")}', number(_own(scores)['abs_rel'])


def _results(report: Report) -> Table:
    rows = [
        [
            scores['part'].replace('_', ' '),
            *(number(_own(scores)[name]) for name in COLUMNS),
            percent(scores['uncertainty']['interval_coverage']),
        ]
        for scores in report['sets'].values()
    ]
    columns = ['', *COLUMNS.values(), '68 % interval holds']
    note = 'Rows: what is wrong with spikes or frame. Scaled: by the median of each image.'
    return Table(columns, rows, 'Depth from spikes and a frame', caption=note)


def _own(scores: SetScores) -> Mapping[str, float | None]:
    found: Mapping[str, float | None] = scores['predictors'][NETWORK]
    return found


def _read(
    config: RunConfig, report: Report, name: str, domain: Domain, predictor: str
) -> float | None:
    scale: Scale = 'median_scaled' if name.startswith(SCALED) else 'raw'
    condition = name.removeprefix(SCALED).removeprefix('abs_rel_')
    return value(report, 'abs_rel', scale, 'source', predictor, condition)


register(
    Task(
        TASKS['fused'],
        title='Depth from spikes and a frame',
        noun='a network of spikes and a frame',
        metadata=metadata,
        evaluate=evaluate,
        metrics=metrics,
        show=show,
        fit=fit_size,
        calibrate=calibrated,
        export=Exported(base.OF_SPIKES, {'fuse_lite': RANDOM}),
        shown=Shown(_tiles, weaknesses, _results, depth_pictures=True),
        tabled=Tabled(lambda config, before: METRICS, _read, layout='conditions', averaged=True),
    )
)
