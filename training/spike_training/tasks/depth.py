# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Task ``depth``: depth from spikes, or from pictures in training."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from spike_depth_ros.checkpoint import Tensors, load
from spike_depth_ros.evaluation.controls import (
    ALIGNED,
    NETWORK,
    comparison_sentence,
    control_name,
)
from spike_depth_ros.pages.blocks import number
from spike_depth_ros.tasks.architectures import TinySettings
from spike_depth_ros.tasks.base import TASKS
from spike_depth_ros.tasks.depth import DepthInfo
from spike_depth_ros.tasks.translation import TranslationInfo
from spike_training.choices import ADABN_BATCH_SIZE, ADABN_BATCHES
from spike_training.errors import ConfigError
from spike_training.evaluation.calibration import NoTruthError, calibrate
from spike_training.evaluation.matched_depth import ScaledDepth, fit_metres
from spike_training.evaluation.post_processing import PostProcessed
from spike_training.evaluation.predictors import build_for_evaluation, network_predictor
from spike_training.evaluation.preparation import TRUE_LOOK
from spike_training.evaluation.rates import RateToGrey
from spike_training.evaluation.report import (
    BASELINE,
    FORMAT,
    checkpoint_metrics,
    domain_sets,
    show,
)
from spike_training.evaluation.statistics import adapt_statistics
from spike_training.run_data.evaluation_sets import (
    Baselines,
    DataSets,
    config_sets,
    evaluate_sets,
)
from spike_training.run_data.recordings import has_depth, open_recordings
from spike_training.run_data.sources import (
    fx_range,
    is_relative,
    make_frames,
    make_source,
    sample_frames,
    target_batches,
)
from spike_training.sampling.sample import Batch
from spike_training.settings.config import BatchSpec, ResolvedStage, RunConfig, batches_of
from spike_training.tasks import base
from spike_training.tasks.base import (
    Exported,
    Given,
    Report,
    SetScores,
    Shown,
    Task,
    register,
    spike_fields,
)
from spike_training.tasks.depth_table import TABLED
from spike_training.tasks.translation import evaluate_looks, has_both_looks, match_look

HELD = (0.58, 0.78)
"""Accepted range of the share of true depth within the 68 % interval."""

RANDOM = DepthInfo(
    architecture='dpt_tiny',
    settings=dataclasses.asdict(TinySettings()),
    bins=32,
    min_depth=0.3,
    max_depth=80.0,
    canonical_fx=400.0,
    fx_range=(200.0, 800.0),
    **base.RANDOM,
)
"""Metadata of an untrained network."""


def depth_fields(config: ResolvedStage) -> dict[str, Any]:
    """Return the metadata of networks of depth that the settings of a stage tell."""
    model = config.model
    return spike_fields(config) | {
        'min_depth': model.min_depth,
        'max_depth': model.max_depth,
        'canonical_fx': model.canonical_fx,
        'fx_range': fx_range(config),
        # A target beside the source has no labels.
        'scale': 'none' if is_relative(config.domains[0]) else config.stage.scale,
        'event_window_s': config.data.events.window_s if config.stage.input == 'events' else None,
    }


def metadata(config: ResolvedStage, common: dict[str, Any]) -> DepthInfo:
    """Return the metadata of the checkpoints of a stage."""
    return DepthInfo(**common, **depth_fields(config))


def evaluate_network(
    config: RunConfig,
    info: DepthInfo,
    network: nn.Module,
    device: torch.device,
    data_sets: DataSets | None = None,
    true_look: bool = False,
) -> dict[str, Any]:
    """Evaluate a network and return the report.

    Args:
        config: Config with the test sets and the scenes of the baselines.
        info: Metadata of the network.
        network: Network in eval mode; may wrap that of the checkpoint.
        device: Device of the network.
        data_sets: Data sets to evaluate in place of the config's test sets.
        true_look: True to show a network of RGB a generated target in the source's colours.
    """
    predictor = network_predictor(network, info)
    modality = info.inputs[0]
    sets = config_sets(config, device, info.canonical_fx, modality, true_look)
    if data_sets is not None:
        planes = data_sets.planes or info.planes
        chosen = dataclasses.replace(
            data_sets, multiple=info.multiple, modality=modality, planes=planes
        )
        sets = chosen.sets(device)
    baselines = Baselines(config, info.canonical_fx, device)
    return {
        'format': FORMAT,
        'stage': info.stage,
        'weights_sha256': info.weights_sha256,
        'seed': config.seed,
        'sets': evaluate_sets(sets, lambda name: predictor, info, baselines),
    }


def evaluate(
    config: RunConfig, info: DepthInfo, weights: Tensors, device: torch.device, given: Given
) -> dict[str, Any]:
    """Evaluate a checkpoint, after what is to be done with it; see :func:`evaluate_network`."""
    before, network = given.before, build_for_evaluation(info, weights, device)
    if before.translate == TRUE_LOOK:
        return evaluate_network(config, info, network, device, true_look=True)
    translator = _translator_of(config, given, device)
    if given.rates:
        network, info = of_spikes(network, info, translator)
    if before.adabn:
        windows = target_batches(config, ADABN_BATCHES, ADABN_BATCH_SIZE, device)
        info = adapt_statistics(network, info, windows)
    if before.matched_scale:
        factor = fit_metres(network, info.canonical_fx, training_pairs(config, device))
        network = ScaledDepth(network, factor).eval()
    if before.post_process:
        network = PostProcessed(network).eval()
    report = evaluate_network(config, info, network, device, given.data)
    if translator is not None and has_both_looks(config):
        report['pictures'] = evaluate_looks(config, translator, device)
    return report


def _translator_of(config: RunConfig, given: Given, device: torch.device) -> nn.Module | None:
    """Return what translates the pictures that a network sees; None: nothing does."""
    if given.second is not None:
        return build_for_evaluation(*load(given.second, TranslationInfo), device)
    if given.before.translate is None:
        return None
    return match_look(config, given.before.translate, device)


def of_spikes(
    network: nn.Module, info: DepthInfo, translator: nn.Module | None = None
) -> tuple[nn.Module, DepthInfo]:
    """Return a network that takes spikes: one of RGB gets an adapter from rates to RGB.

    Args:
        network: The network.
        info: Its metadata.
        translator: Module from pictures of rates to those that the network sees; None: none.
    """
    if info.inputs != ('rgb',):
        return network, info
    return RateToGrey(network, translator).eval(), dataclasses.replace(info, inputs=('spikes',))


def training_pairs(config: RunConfig, device: torch.device) -> Iterator[Batch]:
    """Yield pairs of the training scenes of a config, as many as of its calibration scenes."""
    sizes = config.evaluate
    source = make_source(config, 'train', device, spec=BatchSpec(right=True))
    for step in range(sizes.calibration_scenes * len(config.data.parts) // sizes.batch_size):
        yield source.batch(step, sizes.batch_size)


def calibrated(
    config: RunConfig, info: DepthInfo, weights: Tensors, device: torch.device
) -> DepthInfo:
    """Fit the 68 % interval on calibration scenes and return the metadata with it.

    Without depth in metres there is nothing to fit it to. Frames beside the spikes are undamaged.
    """
    if config.data.recordings:
        held = (
            clip
            for one in open_recordings(config.data).sets
            for clip in one.side('calibration', 0.0)
        )
        if not has_depth(held):
            print('the uncertainty is not calibrated: the scenes hold no depth in metres')
            return info
    network = build_for_evaluation(info, weights, device)
    number = config.evaluate.calibration_scenes * len(config.data.parts)
    spec = batches_of(info.inputs[0])
    source = (
        make_frames(config, 'calibration', device, 'clean')
        if info.largest_frame_age_s is not None
        else make_source(config, 'calibration', device, spec=spec)
    )
    scenes = sample_frames(source, number, config.evaluate.batch_size, info.canonical_fx)
    try:
        return calibrate(network, info, scenes.tracked('calibration'))
    except NoTruthError as error:
        print(f'the uncertainty is not calibrated: {error}')
        return info


def check_size(config: RunConfig, info: DepthInfo) -> None:
    """Refuse a config whose images a network cannot take.

    Raises:
        ConfigError: Height or width is not a multiple that the network requires.
    """
    height, width = config.data.height, config.data.width
    if height % info.multiple or width % info.multiple:
        raise ConfigError(
            f'data.height is {height} and data.width {width}: expected multiples of '
            f'{info.multiple}, which {info.architecture} of this checkpoint works on'
        )


def fit_size(config: RunConfig, info: DepthInfo) -> None:
    """Give settings of another run the bins of a network; see :func:`check_size`."""
    config.model.bins = info.bins
    if info.event_window_s is not None:
        config.data.events = dataclasses.replace(
            config.data.events, bins=info.bins, window_s=info.event_window_s
        )
    check_size(config, info)


def _tiles(report: Report) -> Iterator[tuple[str, str]]:
    # A target whose recordings have no depth is not evaluated.
    domain = 'target' if domain_sets(report, 'target') else 'source'
    for part, scores in domain_sets(report, domain).items():
        key, title = 'abs_rel', 'Abs Rel'
        if scores.get('relative'):
            key, title = ALIGNED, 'Abs Rel, aligned'
        own, baseline = (number(scores['predictors'][name][key]) for name in (NETWORK, BASELINE))
        yield f'{title}, {domain}, {part}; {control_name(BASELINE)} {baseline}', own


def weaknesses(scores: SetScores) -> Iterator[str]:
    """Yield sentences on where the scores of a set are poor."""
    where = f'{scores["domain"]}, {scores["part"]}'
    raw = scores['tables'][NETWORK]['aligned' if scores.get('relative') else 'raw']
    if not raw['complete']:
        share = raw['coverage']
        yield f'{where}: INCOMPLETE, {100 * (share or 0):.2f} % of the pixels have a prediction.'
    if scores['not_beaten']:
        yield f'{comparison_sentence(f"{where}: the network", scores)}.'
    held = scores['uncertainty']['interval_coverage']
    if held is not None and not HELD[0] <= held <= HELD[1]:
        yield f'{where}: the 68 % interval holds {100 * held:.0f} % of the truth.'


register(
    Task(
        TASKS['depth'],
        title='Depth from spikes',
        noun='a network of depth',
        metadata=metadata,
        evaluate=evaluate,
        metrics=checkpoint_metrics,
        show=show,
        options=('planes', 'mean_rate', 'data', 'samples'),
        fit=fit_size,
        calibrate=calibrated,
        export=Exported(base.OF_SPIKES, {'dpt_tiny': RANDOM}),
        shown=Shown(_tiles, weaknesses, depth_pictures=True),
        tabled=TABLED,
    )
)
