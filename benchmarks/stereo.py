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

Each of ``middlebury`` has ``name`` (what is matched), and means over the pairs:

- ``bad2``, ``bad2_filled``: share of the pixels with truth whose disparity is off by more than 2
  pixels or missing, matched alone and filled
- ``wrong``: share of the matched ones that is off by more
- ``matched``: share of matched pixels
- ``ratio_low``, ``ratio_high``: lowest and highest median of predicted over true depth of a pair
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch

from benchmarks import report
from spike_depth_ros.estimator import DepthEstimator, Observation
from spike_depth_ros.evaluation.results import INTERVAL
from spike_depth_ros.stereo.estimator import (
    DISPARITY_ERROR_PX,
    FILLED,
    FILLED_ERROR,
    MATCHED,
    StereoEstimator,
)
from spike_depth_ros.stereo.fill import RunningFactor, fill
from spike_depth_ros.stereo.rig import StereoRig
from spike_depth_ros.stereo.sgbm import SgbmMatcher, SgbmSettings
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.stream.window import Window, reference_index
from spike_training.sampling.procedural import ProceduralSource
from spike_training.scenes.generator import STYLES
from spike_training.sensor.camera import SpikeCamera
from spike_training.sensor.parameters import SENSORS

SEED = 38  # training has 0
HEIGHT, WIDTH, PLANES, RATE_HZ = 256, 384, 128, 20_000
BATCH = 8
NEAREST_M = {'road': 2.0}  # of the search; MIN_DEPTH_M in other styles
MIN_DEPTH_M = 0.5
MIN_DISPARITY_PX = 4.0
"""True disparity from which depth in metres counts: a pixel is a quarter there."""

MIDDLEBURY = 'middlebury_third'
PAIRS = ('Art', 'Books', 'Cones', 'Dolls', 'Laundry', 'Moebius', 'Reindeer', 'Teddy')
FILES = {'Cones': ('im2', 'im6', 'disp2', 4), 'Teddy': ('im2', 'im6', 'disp2', 4)}
OTHER_FILES = ('view1', 'view5', 'disp1', 3)  # and the disparity's steps in a pixel
FULL_FX, BASELINE_M = 3740.0, 0.160  # of the pictures at full size, of which these are a third
DISPARITIES = 80
BAD_PX = 2.0
RATES = (0.2, 0.05)
"""Mean firing rates of Middlebury's pairs."""

GAMMA = 2.2
FITTED = ('error_px', 'fused_error')

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]


class Still(NamedTuple):
    """Pair of Middlebury: grey pictures, true disparity, and that of infinity."""

    left: Picture
    right: Picture
    disparity: Floats
    infinity_px: float | None


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


def read_still(folder: Path, name: str) -> Still:
    """Read a pair of Middlebury."""
    left, right, truth, steps = FILES.get(name, OTHER_FILES)
    images = [
        cv2.imread(str(folder / name / f'{file}.png'), cv2.IMREAD_GRAYSCALE)
        for file in (left, right, truth)
    ]
    if any(image is None for image in images):
        raise report.InputError(f'{folder / name}: expected {left}.png, {right}.png, {truth}.png')
    values = images[2].astype(np.float32)
    disparity = np.where(values > 0, values / steps, np.nan).astype(np.float32)
    offset = folder / name / 'dmin.txt'
    infinity = -float(offset.read_text()) / steps if offset.is_file() else None
    return Still(images[0], images[1], disparity, infinity)


def recorded(still: Still, rate: float, number: int) -> tuple[Window, Window]:
    """Record both pictures of a pair at a mean firing rate, other pixels in either eye."""
    light = [(one.astype(np.float32) / 255) ** GAMMA for one in (still.left, still.right)]
    gain = rate / light[0].mean()
    sensor = dataclasses.replace(SENSORS['vidar_car'], rate_hz=float(RATE_HZ))
    rows, columns = light[0].shape
    windows = []
    for eye, one in enumerate(light):
        ids = torch.tensor([2 * number + eye])
        camera = SpikeCamera(rows, columns, ids + SEED, sensor, ids)
        exposed = torch.from_numpy((gain * one).clip(0, 1))[None, None].expand(-1, 2, -1, -1)
        planes = camera.expose(exposed.contiguous(), [0, PLANES])[0].cpu().numpy()
        windows.append(window_of(planes, columns))
    return windows[0], windows[1]


def measure_stills(folder: Path, mono: DepthEstimator) -> Iterator[dict[str, Any]]:
    """Yield the entries of ``middlebury``."""
    stills = [read_still(folder, name) for name in PAIRS]
    matcher = SgbmMatcher(0, DISPARITIES, SgbmSettings())
    spikes = {rate: [recorded(one, rate, k) for k, one in enumerate(stills)] for rate in RATES}
    answers = [matcher.match(one.left, one.right) for one in stills]
    seen = [left for left, _ in spikes[RATES[0]]]
    yield summarise('pictures', stills, answers, seen, mono)
    for rate, pairs in spikes.items():
        answers = []
        for still, (left, right) in zip(stills, pairs, strict=True):
            rows, columns = still.left.shape
            rig = StereoRig.from_baseline(1.0, float(columns), columns, rows)
            nearest_m = columns / DISPARITIES
            estimator = StereoEstimator(min_depth_m=nearest_m)
            pair = Observation(left, right=right, rig=rig)
            answers.append(estimator.predict(pair).disparity)
        yield summarise(f'rate {rate:g}', stills, answers, [left for left, _ in pairs], mono)


def summarise(
    name: str, stills: list[Still], answers: list[Floats], seen: list[Window], mono: DepthEstimator
) -> dict[str, Any]:
    """One entry of ``middlebury``; the windows are those that the fill sees."""
    figures, ratios = [], []
    for still, answer, window in zip(stills, answers, seen, strict=True):
        known = np.isfinite(still.disparity)
        matched = known & np.isfinite(answer)
        error = np.abs(answer - still.disparity)
        with np.errstate(divide='ignore'):
            depth = np.where(answer > 0, 1 / answer, np.nan).astype(np.float32)
        alone = mono.predict(Observation(window)).depth
        factor = RunningFactor().update(depth, alone)
        assert factor is not None
        filled = 1 / fill(depth, alone * np.float32(factor.value))
        figures.append(
            {
                'bad2': 1 - (error[matched] <= BAD_PX).sum() / known.sum(),
                'bad2_filled': (np.abs(filled - still.disparity)[known] > BAD_PX).mean(),
                'wrong': (error[matched] > BAD_PX).mean(),
                'matched': matched.sum() / known.sum(),
            }
        )
        if still.infinity_px is not None:
            ratio = (still.disparity - still.infinity_px) / (answer - still.infinity_px)
            ratios.append(float(np.median(ratio[matched])))
    means = {key: float(np.mean([one[key] for one in figures])) for key in figures[0]}
    return {'name': name, **means, 'ratio_low': min(ratios), 'ratio_high': max(ratios)}


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
    stills: list[dict[str, Any]] = []
    if folder is None:
        skipped['Middlebury'] = 'no data: give --data or set SPIKE_DEPTH_DATA to the folder'
    elif not folder.is_dir():
        skipped['Middlebury'] = f'{folder}: no such folder'
    else:
        stills = [*measure_stills(folder, mono)]
    return {
        'settings': report.settings(options, 'pairs', 'split', 'styles') | {'seed': SEED},
        'skipped': skipped,
        'styles': styles,
        **{
            name: float(np.quantile(np.concatenate([p[name] for p in pixels.values()]), INTERVAL))
            for name in FITTED
            if pixels
        },
        'middlebury': stills,
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
STILL_CELLS = {
    'matched by': '{name}',
    'bad-2': '{bad2:.3f}',
    'bad-2, filled': '{bad2_filled:.3f}',
    'of matched': '{wrong:.3f}',
    'matched': '{matched:.0%}',
    'predicted / true': '{ratio_low:.3f} to {ratio_high:.3f}',
}


def text(result: dict[str, Any]) -> str:
    """The result as Markdown tables."""
    tables = [
        report.columns(result[name], cells)
        for name, cells in (('styles', STYLE_CELLS), ('middlebury', STILL_CELLS))
        if result[name]
    ]
    if result['styles']:
        fitted = (
            f'DISPARITY_ERROR_PX fitted {result["error_px"]:.3f}, used {DISPARITY_ERROR_PX:g}; '
            f'FILLED_ERROR fitted {FILLED_ERROR * result["fused_error"]:.3f}, used '
            f'{FILLED_ERROR:g}'
        )
        tables.insert(1, fitted)
    return '\n\n'.join(
        [*tables, *(f'{name} skipped: {reason}' for name, reason in result['skipped'].items())]
    )


def main(args: list[str] | None = None) -> int:
    parser = report.parser('stereo', 'Depth from two cameras on generated and Middlebury pairs.')
    add = parser.add_argument
    default = os.environ.get('SPIKE_DEPTH_DATA')
    add('--data', type=Path, default=default, help='folder; default: SPIKE_DEPTH_DATA')
    add('--pairs', type=int, default=100, help='of each style; default: 100')
    add('--split', choices=('test', 'calibration'), default='test',
        help='scenes to judge by, or to fit the uncertainty on; default: test')  # fmt: skip
    add('--styles', nargs='*', default=[*STYLES], choices=[*STYLES], metavar='STYLE',
        help=f'default: all of {", ".join(STYLES)}')  # fmt: skip
    return report.run_command(parser, args, run, text)


if __name__ == '__main__':
    sys.exit(main())
