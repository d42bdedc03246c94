# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics of rows by the task of their networks, under the names that OUT/results.json has."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from spike_depth_ros.architectures import SETTINGS
from spike_training.evaluation.upsampling import BASELINES, COLUMNS, CONDITIONS, MAPS
from spike_training.runs.translation_evaluation import has_both_looks
from spike_training.sampling.frames import CONDITIONS as FRAME_CONDITIONS
from spike_training.settings.config import RunConfig
from spike_training.tables.paper import METRICS, SHARES
from spike_training.tables.settings import TRUE_LOOK, Preparation

SCALED = 'scaled_'
"""Start of the names of metrics of depth that is scaled by each image's median."""


@dataclasses.dataclass(frozen=True)
class Metric:
    """Metric of a row.

    Attributes:
        title: Title in tables and sentences.
        lower: True if lower values are better.
    """

    title: str
    lower: bool = True


@dataclasses.dataclass(frozen=True)
class TableTask:
    """What tables of a task have.

    Attributes:
        metrics: Function from the config of a row, valid and, but for the baseline, with a stage,
            and what is done with its network, to its metrics that claims may be of, by name.
        baseline: True if rows may have no stage.
        prepared: True if networks may be prepared before they are scored, see
            :class:`.settings.Preparation`.
        averaged: True if a row may be the mean of two networks.
        paper: True if a paper's results may be printed beside.
        estimates: Names of estimates without learning that claims may compare rows with.
        maps: True if a folder of maps may be scored.
    """

    metrics: Callable[[RunConfig, Preparation], Mapping[str, Metric]]
    baseline: bool = False
    prepared: bool = False
    averaged: bool = False
    paper: bool = True
    estimates: tuple[str, ...] = ()
    maps: bool = False


DEPTH = {
    f'{prefix}{name}': Metric(f'{words}{title}', name not in SHARES)
    for prefix, words in (('', ''), (SCALED, 'scaled '))
    for name, title in METRICS.items()
}
"""Metrics of depth."""

UNCERTAINTY = {
    'rank_correlation': Metric('rank correlation of U', lower=False),
    'aurg': Metric('AURG', lower=False),
    'edge_ratio': Metric('U at outlines / elsewhere', lower=False),
}
"""Metrics of the uncertainty of depth, U."""

SCALE_ERROR = 'scale_error'

OF_NETWORKS = UNCERTAINTY | {SCALE_ERROR: Metric('error of scale')}
"""Metrics of networks of depth alone, which the median-depth baseline lacks."""

IMAGE = {'psnr': Metric('PSNR, dB', lower=False), 'ssim': Metric('SSIM', lower=False)}
"""Metrics of pictures."""

RECORDED = '_recorded'
"""End of the names of metrics of pictures of recordings, those of the target."""

HIGHER = ('edges_seen',)
"""Metrics of enlarged maps of which higher values are better."""


def factors_of(config: RunConfig) -> tuple[int, ...]:
    """Return the factors by which the network of a row enlarges, ascending.

    Args:
        config: Valid config with a stage of the task ``upsample``.
    """
    model = config.stages[-1].resolve(config).model
    return tuple(sorted(SETTINGS[model.architecture](**model.settings).factors))


def image_metrics(config: RunConfig, before: Preparation) -> dict[str, Metric]:
    """Return the metrics of pictures: of test scenes, and of the recordings of a target."""
    if config.target is None or not config.target.recordings:
        return IMAGE
    recorded = {
        f'{name}{RECORDED}': Metric(f'{one.title}, recordings', one.lower)
        for name, one in IMAGE.items()
    }
    return IMAGE | recorded


PICTURES = {
    'psnr': Metric('PSNR of pictures, dB', lower=False),
    'ssim': Metric('SSIM of pictures', lower=False),
    'edge_f1': Metric('F1 of edges', lower=False),
    'changed': Metric('change of pictures'),
}
"""Metrics of translated pictures, of rows with ``translate`` and generated scenes."""


def depth_metrics(config: RunConfig, before: Preparation) -> dict[str, Metric]:
    """Return the metrics of depth, of networks, and of the pictures that a row translates."""
    translates = before.translate not in (None, TRUE_LOOK) and has_both_looks(config)
    return DEPTH | (OF_NETWORKS if config.stages else {}) | (PICTURES if translates else {})


def upsample_metrics(config: RunConfig, before: Preparation) -> dict[str, Metric]:
    """Return the metrics of enlarged maps: means over maps, by condition and factor."""
    return {
        f'{name}_{condition}_x{factor}': Metric(
            f'{title}, {condition} x{factor}', name not in HIGHER
        )
        for condition, columns in (
            (MAPS, {'mad': COLUMNS['mad']}),
            *((one.name, COLUMNS) for one in CONDITIONS),
        )
        for factor in factors_of(config)
        for name, title in columns.items()
    }


FUSED = {
    f'{prefix}abs_rel_{condition}': Metric(f'{words}AbsRel, {condition.replace("_", " ")}')
    for prefix, words in (('', ''), (SCALED, 'scaled '))
    for condition in FRAME_CONDITIONS
}
"""Metrics of networks of spikes and a frame, by what is wrong with these."""

TASKS = {
    'depth': TableTask(depth_metrics, baseline=True, prepared=True),
    'image': TableTask(image_metrics, paper=False),
    'fused': TableTask(lambda config, before: FUSED, averaged=True),
    'upsample': TableTask(upsample_metrics, estimates=tuple(BASELINES), maps=True),
}
"""Tasks that tables may be of."""
