# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A small stand-in for a foundation model, and its copy that sees spikes (kind align).

    PYTHONPATH=training python -m benchmarks.align --json align.json

from the repository's root. The stand-in, of the architecture of Depth Anything with 0.2 million
parameters, learns the depth of generated colour pictures. Written as a folder, it teaches its
features to spikes without depth. All are scored on 1 / depth of unseen scenes after a fit of scale
and shift.

The JSON holds ``machine``, ``settings``, ``parameters`` and ``styles``: AbsRel by name of

- ``colours``: the stand-in on colours
- ``frozen``: the stand-in on pictures of the spikes (``interval``)
- ``aligned``: its copy on spikes
- ``ratio``: aligned over frozen

and ``mean``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import report
from benchmarks.options import count
from benchmarks.relative_labels import short_run, tens
from spike_depth_ros.checkpoint import load
from spike_depth_ros.networks.depth_anything import PARTS, weights_of_transformers
from spike_depth_ros.networks.registry import build_with_weights
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.cpu import configure_cpu
from spike_training.evaluation.predictors import build_for_evaluation
from spike_training.methods.bicross.settings import PretrainConfig
from spike_training.methods.fuse.settings import AlignConfig
from spike_training.runs import pipeline
from spike_training.runs.third_party import evaluate_teacher
from spike_training.settings.config import (
    DataConfig,
    ModelConfig,
    RunConfig,
    StageConfig,
    TrainConfig,
)
from spike_training.tasks.depth import evaluate_network
from spike_training.teacher import Teacher, find_teacher
from spike_worlds.generator import STYLES

ROWS = ('colours', 'frozen', 'aligned')
HEIGHT, WIDTH = 128, 192
PATCH = 14
SETTINGS = {
    'hidden': 48, 'layers': 4, 'heads': 4, 'mlp_ratio': 2, 'patch': PATCH, 'grid': 12,
    'taps': [1, 2, 3, 4], 'neck': [16, 24, 24, 24], 'fusion': 24, 'head': 16,
}  # fmt: skip


def run(options: argparse.Namespace) -> dict[str, Any]:
    configure_cpu(1)
    with tempfile.TemporaryDirectory(prefix='align_') as folder:
        parameters, found = measure(Path(folder), options)
    settings = report.settings(options, 'steps', 'align_steps', 'scenes', 'styles')
    settings['device'] = report.device_name(options.device)
    return {'settings': settings, 'parameters': parameters, 'styles': found}


def text(result: dict[str, Any]) -> str:
    rows = [
        [style, *(f'{row[name]:.3f}' for name in (*ROWS, 'ratio'))]
        for style, row in result['styles'].items()
    ]
    table = report.table(['AbsRel, aligned', *ROWS, 'ratio'], rows)
    return f'{result["parameters"] / 1e6:.2f} million parameters\n\n{table}'


def measure(folder: Path, options: argparse.Namespace) -> tuple[int, dict[str, dict[str, float]]]:
    """Train the stand-in and its copy, and score them; return the parameters and the rows."""
    device = torch.device(options.device)
    taught = PretrainConfig(
        name='stand_in', kind='bicross.pretrain', input='rgb', si='absolute', gradient_weight=1.0
    )
    config = settings(folder / 'stand_in', taught, options, steps=options.steps, rate=2e-3)
    pipeline.run(config)
    stand_in = load(config.out / 'model.safetensors', DepthInfo)
    parameters = write_teacher(folder / 'teacher', *stand_in)
    copied = AlignConfig(name='copy', teacher=str(folder / 'teacher'), licence='Apache-2.0')
    config = settings(folder / 'copy', copied, options, steps=options.align_steps, rate=5e-4)
    pipeline.run(config)
    copy = load(config.out / 'model.safetensors', DepthInfo)
    teacher = Teacher(find_teacher(folder / 'teacher', 'Apache-2.0'), device)
    reports = (
        evaluate_network(config, stand_in[0], build_for_evaluation(*stand_in, device), device),
        evaluate_teacher(config, teacher, device),
        evaluate_network(config, copy[0], build_for_evaluation(*copy, device), device),
    )
    rows: dict[str, dict[str, float]] = {style: {} for style in options.styles}
    for name, scored in zip(ROWS, reports, strict=True):
        for one in scored['sets'].values():
            rows[one['part']][name] = one['predictors']['network']['abs_rel_aligned']
    rows['mean'] = {
        name: float(np.mean([rows[style][name] for style in options.styles])) for name in ROWS
    }
    for row in rows.values():
        row['ratio'] = row['aligned'] / row['frozen']
    return parameters, rows


def write_teacher(folder: Path, info: DepthInfo, weights: dict[str, np.ndarray]) -> int:
    """Write a network as a folder of ``transformers``; return the number of its parameters."""
    import transformers

    network = build_with_weights(info, weights)
    backbone = transformers.Dinov2Config(
        hidden_size=info.settings['hidden'],
        num_hidden_layers=info.settings['layers'],
        num_attention_heads=info.settings['heads'],
        mlp_ratio=info.settings['mlp_ratio'],
        image_size=info.settings['grid'] * PATCH,
        patch_size=PATCH,
        out_indices=[*info.settings['taps']],
        reshape_hidden_states=False,
    )
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone,
        patch_size=PATCH,
        reassemble_hidden_size=info.settings['hidden'],
        neck_hidden_sizes=[*info.settings['neck']],
        fusion_hidden_size=info.settings['fusion'],
        head_hidden_size=info.settings['head'],
    )
    model = transformers.DepthAnythingForDepthEstimation(config)
    own, names = network.state_dict(), {new: old for old, new in PARTS.items()}
    given = {
        names[new] + name.removeprefix(new): own[name]
        for name in weights_of_transformers(network)
        for new in names
        if name.startswith(new)
    }
    model.load_state_dict(model.state_dict() | given)
    model.save_pretrained(folder)
    # To the nearest whole patches, as the network does.
    rows, columns = ((size + PATCH // 2) // PATCH * PATCH for size in (HEIGHT, WIDTH))
    transformers.DPTImageProcessor(
        size={'height': rows, 'width': columns},
        keep_aspect_ratio=False,
        ensure_multiple_of=PATCH,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
        do_pad=False,
    ).save_pretrained(folder)
    return sum(value.numel() for value in given.values())


def settings(
    out: Path, stage: StageConfig, options: argparse.Namespace, steps: int, rate: float
) -> RunConfig:
    """Return the settings of a training of one stage."""
    config = short_run(
        out,
        stage,
        ModelConfig(architecture='depth_anything', bins=9, settings=SETTINGS, canonical_fx=200.0),
        DataConfig(styles=options.styles, height=HEIGHT, width=WIDTH, planes=[128]),
        TrainConfig(steps=steps, batch_size=12, learning_rate=rate),
        options,
    )
    config.method = 'fuse'
    return config


def main(args: list[str] | None = None) -> int:
    parser = report.parser('align', 'A stand-in for a foundation model, and its copy for spikes.')
    add = parser.add_argument
    add('--steps', type=count, default=4800, help='of the stand-in; default: 4800')
    add('--align-steps', type=count, default=1600, help='of its copy; default: 1600')
    add('--scenes', type=tens, default=40, help='unseen ones of each style, tens; default: 40')
    add('--styles', nargs='+', choices=STYLES, default=['home', 'indoor'], help='default: rooms')
    report.add_device(parser)
    return report.run_command(parser, args, run, text)


if __name__ == '__main__':
    sys.exit(main())
