# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A network taught true depth in metres, and one taught the same as relative labels.

    PYTHONPATH=training python -m benchmarks.relative_labels --json labels.json

from the repository's root. Pictures of generated scenes are written twice, as reader ``folder``
reads them: with depth in metres, and with relative depth as ``run.py label`` writes it, each
picture's disparity with another scale and shift. ``unet_lite`` learns from each, in the same
steps, and is scored on 1 / depth of unseen scenes after a fit of scale and shift.

The JSON holds ``machine``, ``settings`` and ``styles``: AbsRel by name, ``metres``, ``relative``
and ``ratio`` (relative over metres), and ``mean``.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks import report
from benchmarks.options import count
from spike_depth_ros.checkpoint import load
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.cpu import configure_cpu
from spike_training.datasets.labels import RELATIVE, Labels, write_labels
from spike_training.evaluation.predictors import build_for_evaluation, canonical_depth
from spike_training.labelling.agreement import relative_depth
from spike_training.methods.bicross.settings import PretrainConfig
from spike_training.runs import pipeline
from spike_training.sampling.procedural import ProceduralSource
from spike_training.sampling.sample import Batch
from spike_training.settings.config import (
    DataConfig,
    EvaluateConfig,
    ModelConfig,
    RunConfig,
    StageConfig,
    TrainConfig,
)
from spike_training.tasks.depth import evaluate_network
from spike_worlds.generator import STYLES

DEPTH = {'metres': 'depth', 'relative': RELATIVE}
KINDS = (*DEPTH,)
SIZE = (128, 192)
FX = 200.0
SEED = 41  # scenes of training have 0
SETTINGS = {
    'pool': 1, 'picture': 'three_rates', 'features2': 16, 'head': 16, 'upsampling': 'convex',
}  # fmt: skip
TOGETHER = 6


def run(options: argparse.Namespace) -> dict[str, Any]:
    configure_cpu(1)
    with tempfile.TemporaryDirectory(prefix='relative_labels_') as folder:
        found = measure(Path(folder), options)
    names = ('pictures', 'steps', 'scenes', 'styles')
    settings = report.settings(options, *names)
    settings['device'] = report.device_name(options.device)
    return {'settings': settings, 'styles': found}


def text(result: dict[str, Any]) -> str:
    names = (*KINDS, 'ratio')
    rows = [
        [style, *(f'{row[name]:.3f}' for name in names)] for style, row in result['styles'].items()
    ]
    return report.table(['AbsRel, aligned', *names], rows)


def tens(text: str) -> int:
    """Parse a number of scenes, which are rendered and predicted ten at a time."""
    value = count(text)
    if value % 10:
        raise argparse.ArgumentTypeError(f'{text}: expected a multiple of 10')
    return value


def measure(folder: Path, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Write both folders, train both networks and score them."""
    write_pictures(folder, options.pictures, options.styles)
    errors = {}
    for kind in KINDS:
        config = settings(folder, kind, options)
        pipeline.run(config)
        info, weights = load(config.out / 'model.safetensors', DepthInfo)
        config.data = dataclasses.replace(config.data, recordings={}, styles=options.styles)
        config.seed = SEED
        device = torch.device(options.device)
        network = build_for_evaluation(info, weights, device)
        scored = evaluate_network(config, info, network, device)
        errors[kind] = {
            one['part']: one['predictors']['network']['abs_rel_aligned']
            for one in scored['sets'].values()
        }
    rows = {style: {kind: errors[kind][style] for kind in KINDS} for style in options.styles}
    rows['mean'] = {kind: float(np.mean([*errors[kind].values()])) for kind in KINDS}
    for row in rows.values():
        row['ratio'] = row['relative'] / row['metres']
    return rows


def write_pictures(folder: Path, number: int, styles: Sequence[str]) -> None:
    """Write pictures of training scenes in both folders."""
    source = ProceduralSource(tuple(styles), SEED, *SIZE, with_rgb=True, with_spikes=False)
    height, width = SIZE
    camera = np.array([[FX, 0, (width - 1) / 2], [0, FX, (height - 1) / 2], [0, 0, 1]])
    for kind in KINDS:
        for name in ('images', DEPTH[kind]):
            (folder / kind / name).mkdir(parents=True)
        np.savetxt(folder / kind / 'K.txt', camera)
    origin = Labels('true depth', 'Apache-2.0', 64 * '0', relative=True)
    write_labels(folder / 'relative', origin)
    for step in range(-(-number // TOGETHER)):
        for place, (picture, depth) in enumerate(pictures(source.batch(step, TOGETHER))):
            name = f'{TOGETHER * step + place:06d}'
            for kind in KINDS:
                cv2.imwrite(str(folder / kind / 'images' / f'{name}.png'), picture[..., ::-1])
            np.save(folder / 'metres' / DEPTH['metres'] / f'{name}.npy', depth)
            np.save(folder / 'relative' / RELATIVE / f'{name}.npy', relative_depth(1 / depth))


def pictures(batch: Batch) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return colours and depth, at one focal length and without sky, of a batch."""
    assert batch.rgb is not None
    colours = (255 * batch.rgb).round().byte().permute(0, 2, 3, 1).numpy()
    depths = canonical_depth(batch, FX)[:, 0].numpy()
    return [*zip(colours, np.where(np.isfinite(depths), depths, np.nan), strict=True)]


def settings(folder: Path, kind: str, options: argparse.Namespace) -> RunConfig:
    """Return the settings of a training."""
    stage = PretrainConfig(
        name=kind, init_from='imagenet', imagenet='package', backbone_lr_scale=0, si='absolute',
        gradient_weight=1.0,
    )  # fmt: skip
    recordings = {'folder': f'{folder / kind},frame_hz=0'}  # single images
    height, width = SIZE
    return short_run(
        folder / f'run_{kind}',
        stage,
        ModelConfig(architecture='unet_lite', bins=9, settings=SETTINGS, canonical_fx=FX),
        DataConfig(height=height, width=width, planes=[128], recordings=recordings),
        TrainConfig(steps=options.steps, batch_size=16, learning_rate=2e-3),
        options,
    )


def short_run(
    out: Path,
    stage: StageConfig,
    model: ModelConfig,
    data: DataConfig,
    train: TrainConfig,
    options: argparse.Namespace,
) -> RunConfig:
    """Return the settings of a short training of one stage, tested on some scenes a style.

    ``options`` has ``scenes`` and ``device``.
    """
    train = dataclasses.replace(
        train, warmup_steps=50, ema_decay=0.99, validate_every=0, picture_every=0, prefetch=1,
        tensorboard=False, log_every=50,
    )  # fmt: skip
    tests = EvaluateConfig(
        scenes=options.scenes,
        baseline_scenes=10,
        calibration_scenes=10,
        batch_size=10,
        export=False,
    )
    return RunConfig(
        out=out, stages=[stage], model=model, data=data, train=train, evaluate=tests,
        device=options.device, threads=1,
    )  # fmt: skip


def main(args: list[str] | None = None) -> int:
    parser = report.parser('relative_labels', 'Metres and relative labels as teachers.')
    add = parser.add_argument
    add('--pictures', type=tens, default=1200, help='in each folder, tens; default: 1200')
    add('--steps', type=count, default=600, help='of 16 pictures; default: 600')
    add('--scenes', type=tens, default=60, help='unseen ones of each style, tens; default: 60')
    add('--styles', nargs='+', choices=STYLES, default=[*STYLES], help='default: all')
    report.add_device(parser)
    return report.run_command(parser, args, run, text)


if __name__ == '__main__':
    sys.exit(main())
