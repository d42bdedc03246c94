# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time of a picture: ``recon_lite`` against previews without learning and the network of SSML.

    python -m benchmarks.reconstruction --json reconstruction.json

from the repository's root; needs torch. A window of the bundled sample (400x250) is reconstructed
by each in turn: the shipped network on ONNX Runtime, ``preview.render`` by each of its methods,
and ``ssml`` at the sizes of its paper with random weights, in torch, as it is not exported. The
JSON holds ``machine``, ``settings`` and ``rows``: of each its ``name``, the median ``ms``, and
``over_recon_lite``, the median of each repetition's ratio.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks import packing, report
from benchmarks.options import count
from spike_depth_ros.estimator import ImageEstimator
from spike_depth_ros.networks.reconstruction.ssml_net import SsmlNet, SsmlSettings
from spike_depth_ros.stream import preview
from spike_depth_ros.stream.packing import unpack

OURS = 'recon_lite'
PAPER = 'ssml, sizes of the paper'


def rows(options: argparse.Namespace) -> dict[str, Callable[[], object]]:
    """Return the timed functions by name."""
    window = packing.sample_window(128)
    network = ImageEstimator.from_checkpoint(options.checkpoint, 'cpu', threads=options.threads)
    found: dict[str, Callable[[], object]] = {
        OURS: lambda: preview.encode(network.predict(window).rate),
        **{
            f'preview {method}': lambda method=method: preview.render(window, method)
            for method in preview.METHODS
        },
    }
    if options.paper:
        torch.set_num_threads(options.threads)
        torch.manual_seed(0)
        large = SsmlNet(41, SsmlSettings()).eval()
        geometry = window.geometry
        planes = unpack(window.middle(41).data, geometry.width, geometry.bit_order)
        below, right = -geometry.height % 16, -geometry.width % 16
        spikes = torch.nn.functional.pad(
            torch.from_numpy(planes)[None].float(), (0, right, 0, below), mode='replicate'
        )
        bins = torch.ones(41)
        found[PAPER] = torch.inference_mode()(lambda: large(spikes, bins))
    return found


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all rows; the result is as this module's description has it."""
    calls = rows(options)
    times: dict[str, list[float]] = {name: [] for name in calls}
    for repetition in range(options.repetitions + 1):
        for name, call in calls.items():
            if name == PAPER and repetition > options.paper:
                continue
            started = time.perf_counter()
            call()
            if repetition:  # the first call is not counted
                times[name].append(1e3 * (time.perf_counter() - started))
    found = [
        {
            'name': name,
            'ms': statistics.median(own),
            'over_recon_lite': statistics.median(
                a / b for a, b in zip(own, times[OURS], strict=False)
            ),
        }
        for name, own in times.items()
    ]
    settings = {'repetitions': options.repetitions, 'threads': options.threads}
    return {'settings': settings, 'rows': found}


def text(result: dict[str, Any]) -> str:
    """The result as a Markdown table."""
    cells = {'picture': '{name}', 'ms': '{ms:.2f}', '/ recon_lite': '{over_recon_lite:.2f}'}
    return report.columns(result['rows'], cells)


def main(args: list[str] | None = None) -> int:
    parser = report.parser('reconstruction', 'Time of a picture, by method.')
    add = parser.add_argument
    add('--checkpoint', type=Path, help='default: the shipped network')
    add('--repetitions', type=count, default=30, help='default: 30')
    add(
        '--paper',
        type=int,
        default=3,
        help='repetitions of the paper network, 0: none; default: 3',
    )
    add('--threads', type=count, default=2, help='of one inference; default: 2')
    return report.run_command(parser, args, run, text)


if __name__ == '__main__':
    sys.exit(main())
