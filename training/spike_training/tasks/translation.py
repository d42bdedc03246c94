# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Task ``translation``: pictures in another look, scored on scenes that have both looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from spike_depth_ros.checkpoint import Tensors
from spike_depth_ros.evaluation.controls import NETWORK
from spike_depth_ros.pages.blocks import Table
from spike_depth_ros.pages.terminal import print_table
from spike_depth_ros.tasks.base import TASKS
from spike_depth_ros.tasks.translation import TranslationInfo
from spike_training.errors import ConfigError
from spike_training.evaluation.looks import LOOKS, score_pictures
from spike_training.evaluation.predictors import build_for_evaluation
from spike_training.evaluation.rates import picture
from spike_training.evaluation.report import FORMAT
from spike_training.run_data.sources import make_source, make_target, sample_frames
from spike_training.settings.config import BatchSpec, ResolvedStage, RunConfig
from spike_training.tasks.base import Given, Report, Shown, Task, register
from spike_training.tasks.image import tiles, weaknesses

COLUMNS = {'psnr': 'PSNR, dB', 'ssim': 'SSIM', 'edge_f1': 'F1 of edges', 'changed': 'change'}
"""Metrics that are printed and stored, with their column titles."""

COLOUR = 'colour'
"""What pictures of the source are of, as the metadata of a translator say it."""

UNCHANGED = 'unchanged'
"""Name of pictures as they are."""


@runtime_checkable
class Translates(Protocol):
    """Settings of a stage that trains a translator."""

    takes: str
    gives: str


def metadata(config: ResolvedStage, common: dict[str, Any]) -> TranslationInfo:
    """Return the metadata of the checkpoints of a stage."""
    stage, size = config.stage, (config.data.height, config.data.width)
    assert isinstance(stage, Translates)  # by the task
    return TranslationInfo(**common, takes=stage.takes, gives=stage.gives, size=size)


def evaluate(
    config: RunConfig, info: TranslationInfo, weights: Tensors, device: torch.device, given: Given
) -> dict[str, Any]:
    """Evaluate a translator beside looks that are matched without learning.

    Args:
        config: Config with a target.
        info: Metadata of the translator.
        weights: Its weights.
        device: Device.
        given: Nothing of it is used.

    Returns:
        The report; ``sets`` has ``rows`` of each style of the target, by what translates. It is
        empty for recordings, of which there is one look alone.
    """
    assert config.target is not None  # checked with the config
    found: dict[str, Any] = {NETWORK: {}}
    if has_both_looks(config):
        back = info.takes == COLOUR
        looks: dict[str, nn.Module] = {
            NETWORK: build_for_evaluation(info, weights, device),
            UNCHANGED: nn.Identity(),
            **{name: match_look(config, name, device, back) for name in LOOKS},
        }
        found = {name: evaluate_looks(config, look, device, back) for name, look in looks.items()}
    return {
        'format': FORMAT,
        'task': 'translation',
        'stage': info.stage,
        'weights_sha256': info.weights_sha256,
        'seed': config.seed,
        'sets': {
            part: {
                'title': f'{part}, generated',
                'pictures': scores['pictures'],
                'rows': {name: of[part] for name, of in found.items()},
            }
            for part, scores in found[NETWORK].items()
        },
    }


def has_both_looks(config: RunConfig) -> bool:
    """Check for scenes of the target in the look of the source: generated ones alone have both."""
    target = config.target
    return target is not None and not target.recordings and not config.data.recordings


def evaluate_looks(
    config: RunConfig, translator: nn.Module, device: torch.device, back: bool = False
) -> dict[str, dict[str, float]]:
    """Score what gives pictures of the target the look of the source.

    Args:
        config: Config with a target of generated scenes.
        translator: Module from pictures to pictures, in eval mode.
        device: Device.
        back: True if it gives pictures of the source the look of the target.

    Returns:
        By style of the target its number of ``pictures``, and the fields of
        :class:`~.looks.PictureScores`.
    """
    assert config.target_data is not None  # checked with the config
    sizes, scored = config.evaluate, {}
    for part in config.target_data.parts:
        pairs = both_looks(config, part, device)
        if back:
            pairs = ((own, seen) for seen, own in pairs)
        scores = score_pictures(translator, pairs)
        number = sizes.scenes // sizes.batch_size * sizes.batch_size
        scored[part] = {'pictures': number, **scores._asdict()}
    return scored


def match_look(
    config: RunConfig, name: str, device: torch.device, back: bool = False
) -> nn.Module:
    """Match pictures of the target to those of the source, over their training scenes.

    Args:
        config: Config with a target.
        name: Key of :data:`~.looks.LOOKS`.
        device: Device.
        back: True to match those of the source to the target.
    """
    number = config.evaluate.calibration_scenes * len(config.data.parts)
    size = config.evaluate.batch_size
    source = make_source(config, 'train', device, spec=BatchSpec(rgb=True, spikes=False))
    target = make_target(config, 'train', device, labels=False)
    pictures: list[tuple[Tensor, Tensor]] = []
    for step in range(max(1, number // size)):
        colours, spikes = source.batch(step, size).rgb, target.batch(step, size)
        assert colours is not None  # asked for
        pictures.append((colours, picture(spikes.counts, spikes.planes_per_bin)))
    own, other = (torch.cat(parts) for parts in zip(*pictures, strict=True))
    if back:
        own, other = other, own
    matched: nn.Module = LOOKS[name](own, other).eval().to(device)
    return matched


def both_looks(
    config: RunConfig, part: str, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield pictures of the target's test scenes, and the same scenes in the source's look."""
    source = make_target(config, 'test', device, [part], spec=BatchSpec('target', rgb=True))
    sizes = config.evaluate
    for batch in sample_frames(source, sizes.scenes, sizes.batch_size, config.model.canonical_fx):
        assert batch.rgb is not None  # asked for
        yield picture(batch.counts, batch.planes_per_bin), batch.rgb


def show(report: Mapping[str, Any]) -> None:
    """Print the scores of a report, by style of the target."""
    if not report['sets']:
        print('nothing is scored: of recordings there is one look alone')
        return
    for scores in report['sets'].values():
        rows = [
            [name, *(f'{row[column]:.3f}' for column in COLUMNS)]
            for name, row in scores['rows'].items()
        ]
        title = f'{scores["title"]}: {scores["pictures"]} pictures of the target'
        print_table(Table(['', *COLUMNS.values()], rows, title))
    print(
        'PSNR and SSIM: luminance against the same scenes in the look of the source. F1 of edges: '
        'against the picture before translation.'
    )


def metrics(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that are stored in a checkpoint, by style and name."""
    return {
        f'{part}_{name}': round(scores['rows'][NETWORK][name], 4)
        for part, scores in report['sets'].items()
        for name in COLUMNS
    }


def _results(report: Report) -> Table:
    rows = [
        [f'{scores["title"]}, {name}', *(f'{row[column]:.3f}' for column in COLUMNS)]
        for scores in report['sets'].values()
        for name, row in scores['rows'].items()
    ]
    note = (
        'Against the same scenes in the look of the source; edges against the picture before '
        'translation. moments, histogram: matched without learning.'
    )
    return Table(['', *COLUMNS.values()], rows, 'Translated pictures', caption=note)


def check_looks(config: RunConfig, info: TranslationInfo) -> None:
    """Refuse settings of another run whose scenes do not have both looks."""
    if not has_both_looks(config):
        raise ConfigError(
            'a translator of pictures is scored on generated scenes of a target: expected a '
            'config with one, and without recordings'
        )


register(
    Task(
        TASKS['translation'],
        title='Pictures in another look',
        noun='a translator of pictures',
        metadata=metadata,
        evaluate=evaluate,
        metrics=metrics,
        show=show,
        fit=check_looks,
        shown=Shown(tiles, weaknesses, _results),
    )
)
