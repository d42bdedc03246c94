# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Task ``image``: pictures from spikes, scored on generated scenes and recordings."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from spike_depth_ros.checkpoint import Tensors
from spike_depth_ros.evaluation.controls import NETWORK
from spike_depth_ros.networks.registry import build_with_weights
from spike_depth_ros.pages.blocks import Table, number
from spike_depth_ros.pages.terminal import print_table
from spike_depth_ros.stream import packing
from spike_depth_ros.tasks.base import TASKS
from spike_depth_ros.tasks.image import ImageInfo
from spike_training.datasets import readers
from spike_training.datasets.clip import SpikeClip
from spike_training.errors import DataSetError
from spike_training.evaluation.images import (
    HELD_OUT,
    WINDOWS,
    ImageSample,
    ImageSet,
    score_held_out,
    score_set,
)
from spike_training.evaluation.preparation import Preparation
from spike_training.evaluation.report import FORMAT
from spike_training.run_data.sources import make_source
from spike_training.sampling.procedural import ProceduralSource
from spike_training.settings.config import BatchSpec, RunConfig
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
    spike_fields,
)

MOST_WINDOWS = 20
"""Windows without truth of a recording, evenly spread, at most."""


def evaluate(
    config: RunConfig,
    info: ImageInfo,
    weights: Tensors,
    device: torch.device,
    given: Given,
) -> dict[str, Any]:
    """Evaluate a network and return the report.

    Args:
        config: Config with the test scenes.
        info: Metadata of the network.
        weights: Its weights.
        device: Device of the network.
        given: Recordings are scored in place of the config's scenes: those with reference images
            against them, others by held-out planes. Without, the recordings of the config's target
            are scored beside its scenes.

    Raises:
        DataSetError: A data set cannot be used.
    """
    # Recordings that a run trains on have no true images: generated scenes stand in for them.
    unrecorded = dataclasses.replace(
        config.data, recordings={}, test_recordings={}, planes=[info.planes]
    )
    model = dataclasses.replace(config.model, bins=info.bins)
    config = dataclasses.replace(config, data=unrecorded, model=model)
    network = build_with_weights(info, weights).eval().requires_grad_(False).to(device)
    data = None if given.data is None else given.data.places
    sets: dict[str, Any] = {}
    held_out: dict[str, Any] = {}
    if not data:
        for style in config.data.styles:
            found = ImageSet(f'{style}, generated', _scenes(config, style, device))
            sets[style] = score_set(network, info.planes, found, device)
    if not data and config.target is not None:
        data = config.target.recordings
    for name, where in (data or {}).items():
        clips = [clip for clip in readers.read(name, where) if isinstance(clip, SpikeClip)]
        if not clips:
            raise DataSetError(f'{name}: holds frames, expected recordings of spikes')
        if any(clip.images for clip in clips):
            images = ImageSet(name, _images(clips, info.planes))
            sets[name] = score_set(network, info.planes, images, device)
        held_out[name] = score_held_out(
            network, info.planes, _windows(clips, info.planes + HELD_OUT), device
        )
    return {
        'format': FORMAT,
        'task': 'image',
        'stage': info.stage,
        'weights_sha256': info.weights_sha256,
        'seed': config.seed,
        'sets': sets,
        'held_out': held_out,
    }


def _scenes(config: RunConfig, style: str, device: torch.device) -> Iterator[ImageSample]:
    """Yield the test scenes of a style, with the true firing rate as brightness."""
    source = make_source(config, 'test', device, [style], BatchSpec(image=True))
    assert isinstance(source, ProceduralSource)
    size = config.evaluate.batch_size
    for step in range(config.evaluate.scenes // size):
        batch = source.batch(step, size)
        assert batch.image is not None
        for counts, truth in zip(batch.counts.cpu(), batch.image[:, 0].cpu(), strict=True):
            yield ImageSample(counts, truth.numpy(), 1.0, style)


def _images(clips: list[SpikeClip], planes: int) -> Iterator[ImageSample]:
    """Yield the reference images of recordings with one odd length of planes around each."""
    # All have the rows of the shortest: means over other images would not compare.
    beside, name, nearest = min(
        (min(plane, clip.planes - 1 - plane, max(WINDOWS) // 2), clip.name, plane)
        for clip in clips
        for plane in clip.image_planes
    )
    if 2 * beside + 1 < planes:
        raise DataSetError(
            f'{name}: its picture at plane {nearest} has {beside} planes beside it, expected '
            f'{planes // 2} on either side for this network'
        )
    for clip in clips:
        for plane, read in zip(clip.image_planes, clip.images, strict=True):
            spikes = _load(clip, plane - beside, plane + beside + 1)
            yield ImageSample(spikes, read(), clip.white_rate, clip.name)


def _windows(clips: list[SpikeClip], planes: int) -> Iterator[Tensor]:
    """Yield windows of recordings, evenly spread."""
    for clip in clips:
        if clip.planes < planes:
            raise DataSetError(
                f'{clip.name}: {clip.planes} planes, expected {planes} or more to hold '
                f'{HELD_OUT} of them out for this network'
            )
        last = clip.planes - planes
        number = min(MOST_WINDOWS, 1 + last // HELD_OUT)
        for k in range(number):
            first = round(k * last / max(number - 1, 1))
            yield _load(clip, first, first + planes)


def _load(clip: SpikeClip, first: int, stop: int) -> Tensor:
    """Read planes as 0 and 1, ``[planes, H, W]`` uint8."""
    packed = clip.load(first, stop)
    return torch.from_numpy(packing.unpack(packed, clip.geometry.width, clip.geometry.bit_order))


def show(report: Mapping[str, Any]) -> None:
    """Print the tables of a report of images."""
    for scores in report['sets'].values():
        recordings = next(iter(scores['rows'].values()))['recordings']
        rows = []
        for name, row in scores['rows'].items():
            each = (f'{one["psnr"]:.2f} / {one["ssim"]:.3f}' for one in row['recordings'].values())
            rows.append([name, f'{row["psnr"]:.2f}', f'{row["ssim"]:.3f}', *each])
        title = f'{scores["title"]}: {scores["pictures"]} pictures'
        print_table(Table(['', 'PSNR, dB', 'SSIM', *recordings], rows, title))
    for name, scores in report['held_out'].items():
        rows = [[row, f'{values["mse"]:.5f}'] for row, values in scores['rows'].items()]
        title = f'{name}: {scores["windows"]} windows, {HELD_OUT} planes held out'
        print_table(Table(['', 'mean squared error'], rows, title))


def metrics(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that are stored in a checkpoint, by set and name."""
    return {
        f'{name}_{metric}': round(scores['rows'][NETWORK][metric], 4)
        for name, scores in report['sets'].items()
        for metric in ('psnr', 'ssim')
    }


def tiles(report: Report) -> Iterator[tuple[str, str]]:
    """Yield the PSNR of each set."""
    for scores in report['sets'].values():
        yield f'PSNR, dB, {scores["title"]}', f'{scores["rows"][NETWORK]["psnr"]:.2f}'


def _results(report: Report) -> Table:
    rows = [
        [f'{scores["title"]}, {name}', f'{row["psnr"]:.2f}', number(row['ssim'])]
        for scores in report['sets'].values()
        for name, row in scores['rows'].items()
    ]
    return Table(['', 'PSNR, dB', 'SSIM'], rows, 'Pictures', caption='Higher is better.')


def weaknesses(scores: SetScores) -> Iterator[str]:
    """Yield what has a higher PSNR than the network."""
    own = scores['rows'][NETWORK]['psnr']
    for name, row in scores['rows'].items():
        if name != NETWORK and row['psnr'] >= own:
            other = row['psnr']
            yield f'{scores["title"]}: {name} has a PSNR of {other:.2f}, the network {own:.2f}.'


METRICS = {'psnr': Metric('PSNR, dB', lower=False), 'ssim': Metric('SSIM', lower=False)}
"""Metrics in tables."""

RECORDED = '_recorded'
"""End of their names for recordings, those of the target."""


def table_metrics(config: RunConfig, before: Preparation) -> dict[str, Metric]:
    """Return the metrics of pictures: of test scenes, and of the recordings of a target."""
    if config.target is None or not config.target.recordings:
        return METRICS
    recorded = {
        f'{name}{RECORDED}': Metric(f'{one.title}, recordings', one.lower)
        for name, one in METRICS.items()
    }
    return METRICS | recorded


def _read(
    config: RunConfig, report: Report, name: str, domain: Domain, method: str
) -> float | None:
    recordings = () if config.target is None else config.target.recordings
    recorded = name.endswith(RECORDED)
    key = name.removesuffix(RECORDED)
    found = [
        float(scores['rows'][method][key])
        for one, scores in report['sets'].items()
        if (one in recordings) == recorded
    ]
    return statistics.fmean(found) if found else None


register(
    Task(
        TASKS['image'],
        title='Pictures from spikes',
        noun='a network of pictures',
        metadata=lambda config, common: ImageInfo(**common, **spike_fields(config)),
        evaluate=evaluate,
        metrics=metrics,
        show=show,
        options=('data',),
        export=Exported(base.OF_SPIKES, {}),
        shown=Shown(tiles, weaknesses, _results),
        tabled=Tabled(table_metrics, _read, 'pictures', paper=False),
    )
)
