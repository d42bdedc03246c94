# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Flying pixels of the shipped network before and after the filter, and what else it takes.

    PYTHONPATH=training python -m benchmarks.flying_filter --json flying_filter.json

from the repository's root; needs torch and timm. The network predicts depth of generated scenes
that it was not trained on, a window each.

The JSON holds ``machine``, ``settings`` and ``styles``. Each of these has ``name``, ``maps``, and

- ``before``, ``after``: metric ``flying_pixels`` (docs/reference/metrics.md) without and with the
  filter
- ``removed``: share of the flying pixels that the filter takes
- ``removed_steps``: the same of those that are not on a true plane: near the horizon, a road
  spans as much as an edge does
- ``outside``: share of the pixels outside edge zones that the filter takes
- ``outside_far``: of these pixels, the share taken more than ``FAR`` pixels away from any edge
  zone: edges that the network predicts nearby are not among them
- ``outside_plain``: share taken by the metric's own rule, by which planes fly, too
- ``missed``: goals that are missed
- ``ms``: median of the thread's time for a map of 400x250 pixels

Goals: half of the flying pixels removed, at most 2 % of the pixels outside edge zones.
"""

from __future__ import annotations

import argparse
import collections
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from benchmarks import report
from benchmarks.options import count
from spike_depth_ros.checkpoint import find_checkpoint, load
from spike_depth_ros.evaluation.metrics import (
    EDGE_RADIUS,
    StructureErrors,
    dilate,
    has_truth,
    log_limits,
)
from spike_depth_ros.filters.flying_pixels import EDGE_SPAN, SEEN_RADIUS, find_flying_pixels
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.evaluation.predictors import (
    Predictor,
    build_for_evaluation,
    network_predictor,
)
from spike_training.sampling.procedural import ProceduralSource
from spike_worlds.generator import SPLITS, STYLES

SEED = 59  # training has 0; constants of the filter were chosen on 71 and 72
HEIGHT, WIDTH, PLANES = 256, 384, 128
SENSOR = (400, 250)
BATCH = 10

FAR = 8
"""Chebyshev distance up to which an edge may be predicted beside the true one, pixels."""

LINEAR = 0.02
"""Greatest difference of inverse true depth on a plane from the mean of opposite pixels."""

GOALS = {'removed': 0.5, 'outside': 0.02}
"""Smallest share of flying pixels removed, greatest one of others."""

Depth = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def examples(
    predictor: Predictor, info: DepthInfo, style: str, scenes: int, split: str, seed: int
) -> Iterator[tuple[Depth, Depth]]:
    """Yield predicted and true depth of generated scenes, ``[H, W]`` each, metres."""
    source = ProceduralSource(
        (style,), seed, HEIGHT, WIDTH, (PLANES,), split=split, bins=info.bins
    )
    for first in range(0, scenes, BATCH):
        batch = source.samples(range(first, min(first + BATCH, scenes)))
        depth = predictor(batch).depth.reshape(-1, HEIGHT, WIDTH)
        ratios = (batch.fx / info.canonical_fx).tolist()
        for ratio, predicted, true in zip(ratios, depth, batch.depth, strict=True):
            yield np.asarray(np.float32(ratio) * predicted), true[0].numpy()


def on_plane(truth: Depth) -> Mask:
    """Return a mask of the pixels around which inverse true depth is linear."""
    inverse = np.where(has_truth(truth), 1 / np.where(has_truth(truth), truth, 1), 0)
    rows, columns = inverse.shape
    padded = np.pad(inverse, 2, 'reflect', reflect_type='odd')  # a plane goes on
    bent = ~has_truth(truth)
    for down, right in ((2, 0), (0, 2)):
        both = [
            padded[2 + k * down : 2 + k * down + rows, 2 + k * right : 2 + k * right + columns]
            for k in (-1, 1)
        ]
        bent |= np.abs(inverse - (both[0] + both[1]) / 2) > LINEAR * inverse
    return ~dilate(bent, EDGE_RADIUS)


def masks(prediction: Depth, truth: Depth) -> dict[str, Mask]:
    """Return the pixels of the edge zone, those outside, flying ones, and those of the plain rule.

    Args:
        prediction: Predicted depth, ``[H, W]``; positive and finite.
        truth: True depth, same shape.
    """
    known = has_truth(truth)
    low, high = log_limits(truth, known, EDGE_RADIUS)
    edges = known & (high - low > EDGE_SPAN)
    low, high = log_limits(prediction, np.ones_like(known), SEEN_RADIUS)
    span = high - low
    from_middle = np.abs(np.log(prediction.astype(np.float64)) - (low + high) / 2)
    plain = (span > EDGE_SPAN) & (from_middle < span / 4)
    return {'edges': edges, 'outside': known & ~edges, 'flying': edges & plain, 'plain': plain}


def measure(
    name: str, found: Iterator[tuple[Depth, Depth]], limits: tuple[float, float]
) -> dict[str, Any]:
    """One entry of ``styles``.

    Args:
        name: Of the style.
        found: Predicted and true depth of each map.
        limits: Range of the network's depth, metres.
    """
    before, after = (StructureErrors(*limits) for _ in range(2))
    counts: collections.Counter[str] = collections.Counter()
    times = []
    for prediction, truth in found:
        taken = find_flying_pixels(prediction)
        timed = cv2.resize(prediction, SENSOR).astype(np.float32)
        started = time.thread_time()
        find_flying_pixels(timed)
        times.append(1e3 * (time.thread_time() - started))
        before.add(prediction[None], truth[None])
        after.add(np.where(taken, np.float32(np.nan), prediction)[None], truth[None])
        of = masks(prediction, truth)
        steps = of['flying'] & ~on_plane(truth)
        far = of['outside'] & ~dilate(of['edges'], FAR)
        counted = {
            'flying': of['flying'],
            'removed': of['flying'] & taken,
            'steps': steps,
            'removed_steps': steps & taken,
            'all_outside': of['outside'],
            'outside': of['outside'] & taken,
            'outside_far': far & taken,
            'outside_plain': of['outside'] & of['plain'],
        }
        counts.update({key: int(np.count_nonzero(mask)) for key, mask in counted.items()})
    entry = {
        'name': name,
        'maps': len(times),
        'before': before.flying_pixels,
        'after': after.flying_pixels,
        'removed': counts['removed'] / max(counts['flying'], 1),
        'removed_steps': counts['removed_steps'] / max(counts['steps'], 1),
        **{
            key: counts[key] / max(counts['all_outside'], 1)
            for key in ('outside', 'outside_far', 'outside_plain')
        },
    }
    return {**entry, 'missed': missed(entry), 'ms': statistics.median(times)}


def missed(entry: dict[str, Any]) -> list[str]:
    """Return the names of the goals that an entry of ``styles`` misses."""
    found = [] if entry['removed'] >= GOALS['removed'] else ['removed']
    return found if entry['outside'] <= GOALS['outside'] else [*found, 'outside']


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All measurements; the result is as this module's description has it."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    info, weights = load(find_checkpoint(None))
    assert isinstance(info, DepthInfo)
    predictor = network_predictor(build_for_evaluation(info, weights, torch.device('cpu')), info)
    given = options.scenes, options.split, options.seed
    styles = []
    for style in options.styles:
        print(f'{style}: predicting', file=sys.stderr, flush=True)
        found = examples(predictor, info, style, *given)
        styles.append(measure(style, found, (info.min_depth, info.max_depth)))
    return {
        'settings': report.settings(options, 'styles', 'scenes', 'split', 'seed'),
        'styles': styles,
    }


CELLS = {
    'style': '{name}',
    'flying': '{before:.1%}',
    'after': '{after:.1%}',
    'removed': '{removed:.0%}',
    'at steps': '{removed_steps:.0%}',
    'outside edges': '{outside:.2%}',
    'far from edges': '{outside_far:.2%}',
    'plain rule': '{outside_plain:.1%}',
    'misses': '{missed}',
    'ms': '{ms:.1f}',
}


def text(result: dict[str, Any]) -> str:
    """The result as a Markdown table."""
    rows = ({**row, 'missed': ', '.join(row['missed'])} for row in result['styles'])
    return report.columns(rows, CELLS)


def main(args: list[str] | None = None) -> int:
    parser = report.parser('flying_filter', 'Flying pixels before and after their filter.')
    add = parser.add_argument
    add('--scenes', type=count, default=60, help='of each style; default: 60')
    add('--split', choices=[*SPLITS], default='test', help='default: test')
    add('--seed', type=int, default=SEED, help=f'of the scenes; default: {SEED}')
    add('--styles', nargs='+', default=[*STYLES], choices=[*STYLES], metavar='STYLE',
        help=f'default: all of {", ".join(STYLES)}')  # fmt: skip
    return report.run_command(parser, args, run, text)


if __name__ == '__main__':
    sys.exit(main())
