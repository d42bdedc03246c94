# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cost of variants of ``unet_lite`` against the model that a named commit ships.

    PYTHONPATH=training python -m benchmarks.candidates --against f6a607d --json candidates.json

from the repository's root; needs torch, timm and onnx. Each variant gets random weights, on which
its cost does not depend, is exported, and predicts from a window of the bundled sample (400x250)
on ONNX Runtime: packed planes to depth. The named commit predicts with its own code and model from
the same window. Each runs in a process of its own; in each repetition every variant is called
right after the named commit, three calls at a time of which the median counts.

The JSON holds ``machine``, ``settings`` and ``candidates``. Each of these has ``name``, ``bins``,
``settings`` (those that differ from the defaults), ``gflop`` of one inference (a multiplication
with its sum is two), ``parameters``, ``safetensors_mib``, ``onnx_mib``, the medians ``ours_ms``
and ``theirs_ms``, and ``ours_over_theirs``, the median of each repetition's ratio.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks import named_commit, network_size, packing, report
from benchmarks.options import count
from spike_depth_ros.checkpoint import onnx_path, save
from spike_depth_ros.networks.registry import build, weights_of
from spike_depth_ros.runtime.layout import Layout
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.runs.export import export

NARROW = {'dim': 64, 'features8': 32, 'features': 32, 'head': 16}
MEDIUM = {'dim': 96, 'features8': 48, 'features': 48, 'head': 16}
WIDE = {'dim': 160, 'features8': 96, 'features': 64, 'head': 32}
THREE = {'picture': 'three_rates'}
LEAN = {'features2': 16, 'head': 16}

CANDIDATES: dict[str, tuple[int, dict[str, Any]]] = {
    'pool 2, mean and bins': (32, {'pool': 2}),
    'pool 2': (9, {'pool': 2, **THREE}),
    'pool 2, narrow, stride 2': (9, {'pool': 2, **THREE, **NARROW, 'features2': 16}),
    'pool 2, medium, stride 2': (9, {'pool': 2, **THREE, **MEDIUM, 'features2': 16}),
    'pool 2, lean stride 2': (9, {'pool': 2, **THREE, **LEAN}),
    'pool 2, lean stride 2, convex': (9, {'pool': 2, **THREE, **LEAN, 'upsampling': 'convex'}),
    **{
        f'pool 2, lean stride 2, {end}': (9, {'pool': 2, **THREE, **LEAN, 'upsampling': end})
        for end in ('nearest', 'convex_full', 'selected')
    },
    'pool 2, stride 2': (9, {'pool': 2, **THREE, 'features2': 32}),
    'pool 2, wide, stride 2': (9, {'pool': 2, **THREE, **WIDE, 'features2': 32}),
    'pool 1, mean and bins': (32, {}),
    'pool 1, narrow': (9, {**THREE, **NARROW}),
    'pool 1, narrow, stride 2': (9, {**THREE, **NARROW, 'features2': 16}),
    'pool 1, medium': (9, {**THREE, **MEDIUM}),
    'pool 1, medium, stride 2': (9, {**THREE, **MEDIUM, 'features2': 16}),
    'pool 1': (9, THREE),
    'pool 1, lean stride 2, convex': (9, {**THREE, **LEAN, 'upsampling': 'convex'}),
    'pool 2, narrow, stride 2, convex': (
        9,
        {'pool': 2, **THREE, **NARROW, **LEAN, 'upsampling': 'convex'},
    ),
    'pool 2, head 16': (9, {'pool': 2, **THREE, 'head': 16}),
    'pool 2, lean stride 2, convex, mean': (
        9,
        {'pool': 2, 'picture': 'mean', **LEAN, 'upsampling': 'convex'},
    ),
}
"""Bins and settings by name; "stride 2" is the decoder level there."""


def write(name: str, folder: Path) -> tuple[Path, DepthInfo]:
    """Write a candidate with random weights, and its export."""
    bins, settings = CANDIDATES[name]
    described = network_size.describe('unet_lite', 'spikes', bins)
    info = dataclasses.replace(described, settings=settings, stage='random', datasets={})
    path = folder / f'{name.replace(", ", "_").replace(" ", "_")}.safetensors'
    torch.manual_seed(0)
    save(path, weights_of(build(info)), info)
    with contextlib.redirect_stdout(sys.stderr):
        export(path, checkpoint=path)
    return path, info


def size_of(info: DepthInfo, path: Path) -> dict[str, float]:
    """Parameters, operations and files of a candidate."""
    window = packing.sample_window(32)
    layout = Layout(window.geometry, window.planes, info.bins, pool=info.pool)
    height, width = (side * info.pool for side in layout.input_size)
    with torch.device('meta'):
        network = build(info).eval()
    flops = network_size.operations(network, info.bins, height, width)['total']
    return {
        'gflop': flops / 1e9,
        'parameters': network_size.parameters(network),
        'safetensors_mib': path.stat().st_size / 2**20,
        'onnx_mib': onnx_path(path).stat().st_size / 2**20,
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all candidates; the result is as this module's description has it."""
    rows = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix='candidates.')))
        tree = stack.enter_context(named_commit.worktree(options.against))
        theirs = stack.enter_context(packing.predictor(tree, threads=options.threads))
        ours = {}
        for name in options.candidates:
            path, info = write(name, folder)
            row = {'name': name, 'bins': info.bins, 'settings': info.settings}
            rows.append(row | size_of(info, path))
            ours[name] = stack.enter_context(
                packing.predictor(named_commit.ROOT, path, options.threads)
            )
        calls = {
            name: lambda predict=predict: (theirs(options.planes), predict(options.planes))
            for name, predict in ours.items()
        }
        times = report.in_turn(calls, options.repetitions)
    for row in rows:
        pairs = times[row['name']]
        row['theirs_ms'], row['ours_ms'] = map(statistics.median, zip(*pairs, strict=True))
        row['ours_over_theirs'] = statistics.median(mine / other for other, mine in pairs)
    settings = {
        'planes': options.planes,
        'repetitions': options.repetitions,
        'threads': options.threads,
        'commit': options.against,
    }
    return {'settings': settings, 'candidates': rows}


def text(result: dict[str, Any]) -> str:
    """The result as a Markdown table."""
    commit = result['settings']['commit']
    cells = {
        'candidate': '{name}',
        'bins': '{bins}',
        'GFLOP': '{gflop:.2f}',
        'M parameters': '{millions:.2f}',
        'safetensors MiB': '{safetensors_mib:.2f}',
        'onnx MiB': '{onnx_mib:.2f}',
        'ms': '{ours_ms:.1f}',
        f'{commit} ms': '{theirs_ms:.1f}',
        f'/ {commit}': '{ours_over_theirs:.2f}',
    }
    rows = [row | {'millions': row['parameters'] / 1e6} for row in result['candidates']]
    return report.columns(rows, cells)


def main(args: list[str] | None = None) -> int:
    parser = report.parser(
        'candidates', 'Cost of variants of unet_lite against the model that a commit ships.'
    )
    add = parser.add_argument
    add('--against', metavar='COMMIT', default='f6a607d', help='default: f6a607d')
    add('--candidates', nargs='+', default=[*CANDIDATES], choices=CANDIDATES, metavar='NAME',
        help=f'default: all of {"; ".join(CANDIDATES)}')  # fmt: skip
    add('--planes', type=count, default=128, help='of the window; default: 128')
    add('--repetitions', type=count, default=30, help='default: 30')
    add('--threads', type=count, default=2, help='of one inference; default: 2')
    return report.run_command(parser, args, run, text)


if __name__ == '__main__':
    sys.exit(main())
