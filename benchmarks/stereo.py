# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth from two cameras: generated pairs in metres, Middlebury's pairs in disparity.

    SPIKE_DEPTH_DATA=folder PYTHONPATH=training python -m benchmarks.stereo --json stereo.json

from the repository's root; needs torch and timm. Each pair is a window of 128 planes of either eye
at 20 kHz, and gives its own factor of the fill. Generated pairs are scenes that the shipped
network was not trained on, by an ideal sensor; Middlebury's are still pictures whose spikes the
sensor ``vidar_car`` records, other pixels in either eye.

The JSON holds ``machine``, ``settings``, ``skipped`` (reason for each set that is missing),
``styles``, ``middlebury``, and what is fitted. Each of ``styles`` has ``name``, ``pairs``, and
over all pixels with a true depth:

- ``matched``: share of matched pixels
- ``ratio``: median of predicted over true depth of these
- ``abs_rel``: AbsRel in metres of those whose true disparity is above 4 pixels
- ``error_px``: quantile of 68 % of their error in disparity, which ``DISPARITY_ERROR_PX`` is
- ``holds``: share of them whose interval holds the truth
- ``mono``, ``fused``: AbsRel in metres of the other pixels by the network alone, and filled
- ``fused_holds``: share of these whose interval holds the truth
- ``fused_error``: quantile of 68 % of their error over the half-width of the interval

Of all styles together ``error_px`` and ``fused_error`` are what fits ``DISPARITY_ERROR_PX`` and
``FILLED_ERROR``.

``middlebury`` is as ``spike_training.evaluation.stereo.score_pairs`` returns it, the rows of
``run.py evaluate --config training/configs/stereo.yaml``.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks import report
from benchmarks.options import count
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.evaluation.results import INTERVAL
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.observation import Observation
from spike_depth_ros.stereo.estimator import (
    DISPARITY_ERROR_PX,
    FILLED,
    FILLED_ERROR,
    MATCHED,
    StereoEstimator,
)
from spike_depth_ros.stereo.sgbm import SgbmMatcher, SgbmSettings
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.stream.window import Window, reference_index
from spike_training.datasets import readers
from spike_training.errors import DataSetError
from spike_training.evaluation.stereo import score_pairs, table
from spike_training.evaluation.stereo_pairs import PairsOf
from spike_training.sampling.procedural import ProceduralSource
from spike_training.sensor.parameters import SENSORS
from spike_training.simulation.still_pairs import PairCamera
from spike_worlds.generator import STYLES

SEED = 38  # training has 0
HEIGHT, WIDTH, PLANES, RATE_HZ = 256, 384, 128, 20_000
BATCH = 8
NEAREST_M = {'road': 2.0}  # of the search; MIN_DEPTH_M in other styles
MIN_DEPTH_M = 0.5
MIN_DISPARITY_PX = 4.0
"""True disparity from which depth in metres counts: a pixel is a quarter there."""

MIDDLEBURY = 'middlebury_third'
DISPARITIES = 80
RATES = (0.2, 0.05)
"""Mean firing rates of Middlebury's pairs."""

FITTED = ('error_px', 'fused_error')

Floats = npt.NDArray[np.float32]


def window_of(planes: npt.NDArray[np.uint8], width: int) -> Window:
    """Return the window of packed planes."""
    period_ns, reference = 10**9 // RATE_HZ, reference_index('middle', len(planes))
    geometry = Geometry(planes.shape[1], width)
    return Window(planes, geometry, 0, period_ns, reference, reference * period_ns)


def measure_style(
    style: str, pairs: int, split: str, mono: DepthEstimator
) -> dict[str, npt.NDArray[Any]]:
    """Return what the pixels of a style add to an entry, by its keys."""
    source = ProceduralSource(
        (style,), SEED, HEIGHT, WIDTH, (PLANES,), RATE_HZ, split=split, with_right=True
    )
    found: dict[str, list[npt.NDArray[Any]]] = {}
    for first in range(0, pairs, BATCH):
        numbers = range(first, min(first + BATCH, pairs))
        batch = source.samples(numbers)
        assert batch.baseline_m is not None
        for k, planes in enumerate(source.pairs(numbers)):
            rig = StereoRig.from_baseline(
                float(batch.baseline_m[k]), float(batch.fx[k]), WIDTH, HEIGHT
            )
            # No search may be wider than the picture.
            nearest = max(NEAREST_M.get(style, MIN_DEPTH_M), 1.3 * rig.depth_of(float(WIDTH)))
            left, right = (window_of(eye, WIDTH) for eye in planes)
            compared = compare(left, right, rig, nearest, mono, batch.depth[k, 0].numpy())
            for name, values in compared.items():
                found.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in found.items()}


def entry_of(pixels: dict[str, npt.NDArray[Any]]) -> dict[str, float]:
    """Figures of an entry."""
    means = ('matched', 'abs_rel', 'holds', 'mono', 'fused', 'fused_holds')
    return {
        'ratio': float(np.median(pixels['ratio'])),
        **{name: float(pixels[name].mean()) for name in means},
        **{name: float(np.quantile(pixels[name], INTERVAL)) for name in FITTED},
    }


def compare(
    left: Window, right: Window, rig: StereoRig, nearest_m: float, mono: DepthEstimator,
    truth: Floats,
) -> dict[str, npt.NDArray[Any]]:  # fmt: skip
    """Return what each pixel with truth, or each matched or filled one, adds to an entry."""
    estimator = StereoEstimator(fill=mono, min_depth_m=nearest_m)
    found = estimator.predict(Observation(left, right=right, rig=rig))
    alone = mono.predict(Observation(left, rig.fx_px)).depth
    known = np.isfinite(truth) & (truth > 0)
    matched, filled = (known & (found.origin == origin) for origin in (MATCHED, FILLED))
    disparity = rig.disparity_of(truth)
    near = matched & (disparity > MIN_DISPARITY_PX)
    held = np.abs(found.depth - truth) <= found.uncertainty
    return {
        'matched': matched[known],
        'ratio': (found.depth / truth)[matched],
        'abs_rel': np.abs(found.depth / truth - 1)[near],
        'error_px': np.abs(found.disparity - disparity)[near],
        'holds': held[matched],
        'mono': np.abs(alone / truth - 1)[filled],
        'fused': np.abs(found.depth / truth - 1)[filled],
        'fused_holds': held[filled],
        'fused_error': (np.abs(found.depth - truth) / found.uncertainty)[filled],
    }


def measure_stills(folder: Path, mono: DepthEstimator) -> list[dict[str, Any]]:
    """Return ``middlebury``."""
    camera = PairCamera(PLANES, RATE_HZ, SENSORS['vidar_car'], SEED)
    matcher = SgbmMatcher(0, DISPARITIES, SgbmSettings())
    try:
        clips = readers.read('middlebury', str(folder))
        return score_pairs(PairsOf(clips, camera, RATES, len(clips)), mono, matcher)
    except DataSetError as error:
        raise report.InputError(str(error)) from error


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All measurements; the result is as this module's description has it."""
    if options.pairs < 1:
        raise report.InputError(f'--pairs {options.pairs}: expected 1 or more')
    torch.set_num_threads(1)
    mono = DepthEstimator.from_checkpoint(threads=1)
    pixels, skipped = {}, {}
    for style in options.styles:
        print(f'{style}: matching', file=sys.stderr, flush=True)
        pixels[style] = measure_style(style, options.pairs, options.split, mono)
    styles = [
        {'name': style, 'pairs': options.pairs, **entry_of(found)}
        for style, found in pixels.items()
    ]
    folder = options.data / MIDDLEBURY if options.data is not None else None
    rows: list[dict[str, Any]] = []
    if folder is None:
        skipped['Middlebury'] = 'no data: give --data or set SPIKE_DEPTH_DATA to the folder'
    elif not folder.is_dir():
        skipped['Middlebury'] = f'{folder}: no such folder'
    else:
        rows = measure_stills(folder, mono)
    return {
        'settings': report.settings(options, 'pairs', 'split', 'styles') | {'seed': SEED},
        'skipped': skipped,
        'styles': styles,
        **{
            name: float(np.quantile(np.concatenate([p[name] for p in pixels.values()]), INTERVAL))
            for name in FITTED
            if pixels
        },
        'middlebury': rows,
    }


STYLE_CELLS = {
    'style': '{name}',
    'pairs': '{pairs}',
    'matched': '{matched:.0%}',
    'predicted / true': '{ratio:.3f}',
    'AbsRel': '{abs_rel:.3f}',
    'error px': '{error_px:.2f}',
    'interval holds': '{holds:.0%}',
    'rest: one camera': '{mono:.3f}',
    'rest: filled': '{fused:.3f}',
    'rest: interval holds': '{fused_holds:.0%}',
}


def text(result: dict[str, Any]) -> str:
    """The result as Markdown tables."""
    tables = []
    if result['styles']:
        tables.append(report.columns(result['styles'], STYLE_CELLS))
        fitted = (
            f'DISPARITY_ERROR_PX fitted {result["error_px"]:.3f}, used {DISPARITY_ERROR_PX:g}; '
            f'FILLED_ERROR fitted {FILLED_ERROR * result["fused_error"]:.3f}, used '
            f'{FILLED_ERROR:g}'
        )
        tables.append(fitted)
    if result['middlebury']:
        tables.append(report.table(*table(result['middlebury'])))
    return '\n\n'.join(
        [*tables, *(f'{name} skipped: {reason}' for name, reason in result['skipped'].items())]
    )


def main(args: list[str] | None = None) -> int:
    parser = report.parser('stereo', 'Depth from two cameras on generated and Middlebury pairs.')
    add = parser.add_argument
    default = os.environ.get('SPIKE_DEPTH_DATA')
    add('--data', type=Path, default=default, help='folder; default: SPIKE_DEPTH_DATA')
    add('--pairs', type=count, default=100, help='of each style; default: 100')
    add('--split', choices=('test', 'calibration'), default='test',
        help='scenes to judge by, or to fit the uncertainty on; default: test')  # fmt: skip
    add('--styles', nargs='*', default=[*STYLES], choices=[*STYLES], metavar='STYLE',
        help=f'default: all of {", ".join(STYLES)}')  # fmt: skip
    return report.run_command(parser, args, run, text)


if __name__ == '__main__':
    sys.exit(main())
