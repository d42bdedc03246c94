# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth corrected by the motion of the camera: real sequences, controls, and generated scenes.

    SPIKE_DEPTH_DATA=folder PYTHONPATH=training python -m benchmarks.depth_from_motion \
        --json depth_from_motion.json

from the repository's root; needs torch and timm. The shipped network predicts depth, and
``RefineByMotion`` corrects it. Real sequences are the folder's ``rgbd/hololens_000`` and
``rgbd/sevenscenes_kitchen``, of which each frame is a window of spikes. Constants of the product
are chosen on the first half of each, and ``--half second`` is what to judge by.

The JSON holds ``machine``, ``settings``, ``skipped`` (reason for each set that is missing), and
the lists of the parts, each row with its names and these means over windows:

- ``windows``, ``refined`` (share of them with points), ``points`` (of those), ``reasons`` (windows
  without points, by reason)
- ``network_metres``, ``factor_metres``, ``field_metres``: AbsRel in metres of the network, of its
  depth by the points' factor alone, and of the corrected depth; all windows count
- ``network_shape``, ``factor_shape``, ``field_shape``: likewise median-scaled
- ``ratio_metres``, ``ratio_shape``: of ``field`` to ``network``
- ``network_f1``, ``field_f1``: boundary F1 (docs/reference/metrics.md)
- ``holds_near``, ``holds_far``: share of pixels whose truth lies in the stated 68 % interval, up
  to 30 pixels from a point and beyond, of windows with points; ``holds_network``: of the
  network's interval

Parts:

- ``sequences``: real sequences, with odometry that is exact or wrong in a known way, and without;
  the delay is between a window and the use of its points
- ``fields``: other corrections by the same points; ``poses``: other poses for the points
- ``controls``: generated scenes in which motion says nothing, or too little; ``inside_metres``
  and ``inside_shape`` are the ratios over the pixels of what moves
- ``styles``: generated scenes of each style through which a camera moves

Goals are in ``GOALS``; ``missed`` lists the rows of ``controls`` and ``styles`` that miss them.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks import motion_scenes as generated
from benchmarks import report
from benchmarks.motion_fields import FIELDS, POSES
from benchmarks.motion_windows import (
    ALONE,
    EXACT,
    PLANES,
    Condition,
    Depth,
    Sequence,
    corrected,
    has_truth,
    mean,
    nanoseconds,
    replaced,
    score,
    seen,
)
from benchmarks.options import count
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.filters import refine_by_motion
from spike_depth_ros.motion import points
from spike_depth_ros.pages.depth_colours import DepthColours
from spike_depth_ros.pages.pictures import depth_panel, save_png, strip
from spike_training.datasets.clip import Clip
from spike_training.datasets.readers import folder, sevenscenes
from spike_training.sampling.clip_source import ClipSource
from spike_training.sampling.transforms import TRANSFORMS
from spike_worlds.generator import STYLES

PARTS = ('sequences', 'fields', 'poses', 'controls', 'styles')
RATES = (0.2, 0.05)
BEFORE = 40
"""Windows before the scored ones, in which points are tracked."""

GOALS = {'ratio_metres': 1.01, 'ratio_shape': 1.01, 'inside_metres': 1.03, 'inside_shape': 1.03}
"""Greatest ratios of errors, corrected over the network's, in controls; in styles they are 1."""


class Set(NamedTuple):
    """A real sequence: its folder, its reader, and the size of its windows."""

    path: str
    read: Callable[[Path], list[Clip]]
    height: int
    width: int


SETS = {
    'HoloLens': Set('rgbd/hololens_000', lambda path: folder.read(path, frame_hz=10), 256, 384),
    'kitchen': Set('rgbd/sevenscenes_kitchen', sevenscenes.read, 288, 384),
}


def conditions(delay: int) -> list[Condition]:
    """What the correction has to work with, in the order of rows."""
    return [
        EXACT,
        ALONE,
        Condition('lengths +1 %', length=1.01),
        Condition('rotations off by 0.3 degrees', turned_deg=0.3),
        Condition('clock +10 ms', late_s=0.01),
        Condition('clock -10 ms', late_s=-0.01),
        Condition(f'points of {delay} windows before', delay=delay),
    ]


def real(
    of: Set, data: Path, rate: float, half: str, most: int | None, estimator: DepthEstimator
) -> tuple[Sequence, int]:
    """Return the windows of half a sequence, with some before it, and the first that counts."""
    (clip,) = of.read(data / of.path)
    assert clip.poses is not None
    shown = [dataclasses.replace(clip, video=False)]
    source = ClipSource(shown, of.height, of.width, planes=(PLANES,), mean_rate=rate)
    middle = len(source) // 2
    first, stop = (0, middle) if half == 'first' else (middle, len(source))
    stop = stop if most is None else min(stop, first + most)
    begin = max(0, first - BEFORE)
    windows = []
    for number in range(begin, stop):
        frame = source.frame(number)
        planes, matrix = source.window(number)
        depth = clip.depth(frame)
        assert depth is not None  # the frames of a source have depth, and a camera
        assert matrix is not None
        rows, columns = depth.shape
        truth = TRANSFORMS['aspect']((rows, columns), of.height, of.width).depth(depth)
        windows.append(seen(estimator, planes, matrix, float(clip.times_s[frame]), truth))
    poses = [(nanoseconds(float(at)), pose) for at, pose in zip(*clip.poses, strict=True)]
    return Sequence(windows, poses), first - begin


def real_parts(
    options: argparse.Namespace, estimator: DepthEstimator, name: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows of a real sequence, each with its part."""
    for rate in options.rates:
        print(f'{name}, mean rate {rate:g}: simulating', flush=True)
        sequence, first = real(
            SETS[name], options.data, rate, options.half, options.windows, estimator
        )
        about = {'set': name, 'rate': rate}
        if 'sequences' in options.parts:
            for condition in conditions(options.delay_windows):
                yield 'sequences', about | score(sequence, condition, first)
        if 'fields' in options.parts:
            for field, fit in FIELDS.items():
                with replaced(refine_by_motion, 'fit_field', fit):
                    row = score(sequence, EXACT, first)
                yield 'fields', about | {'field': field} | row
        if 'poses' in options.parts:
            for pose, find in POSES.items():
                with replaced(points, 'refine', find):
                    row = score(sequence, EXACT, first)
                yield 'poses', about | {'pose': pose} | row


def joined(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means of the rows of several scenes; ratios are of the means."""
    found: dict[str, Any] = {'windows': sum(row['windows'] for row in rows)}
    numbers = {key for row in rows for key, value in row.items() if isinstance(value, float)}
    found |= {key: mean([row.get(key) for row in rows]) for key in sorted(numbers)}
    for kind in ('metres', 'shape'):
        found[f'ratio_{kind}'] = found[f'field_{kind}'] / found[f'network_{kind}']
    found['reasons'] = {}
    for row in rows:
        for reason, number in row['reasons'].items():
            found['reasons'][reason] = found['reasons'].get(reason, 0) + number
    return found


def scored(sequence: Sequence, condition: Condition) -> dict[str, Any]:
    """Score the last windows of a generated scene."""
    return score(sequence, condition, len(sequence.windows) - generated.SCORED, structure=False)


def controls(clips: int, estimator: DepthEstimator) -> Iterator[dict[str, Any]]:
    """Yield the rows of the controls, with odometry and by motion alone."""
    for name, control in generated.CONTROLS.items():
        print(f'{name}: rendering', flush=True)
        rows: dict[str, list[dict[str, Any]]] = {}
        inner: dict[str, list[dict[str, Any]]] = {}
        for scene in generated.of_control(control, clips):
            sequence, masks = generated.film(estimator, scene, control.random, control.inside)
            for condition in (EXACT, ALONE):
                rows.setdefault(condition.name, []).append(scored(sequence, condition))
                if control.inside:
                    windows = [
                        each._replace(truth=np.where(mask, each.truth, np.float32(np.nan)))
                        for each, mask in zip(sequence.windows, masks, strict=True)
                    ]
                    inside = scored(Sequence(windows, sequence.poses), condition)
                    inner.setdefault(condition.name, []).append(inside)
        for condition_name, found in rows.items():
            row = {'control': name, 'condition': condition_name, 'scenes': clips, **joined(found)}
            if control.inside:
                inside = joined(inner[condition_name])
                row |= {f'inside_{kind}': inside[f'ratio_{kind}'] for kind in ('metres', 'shape')}
            yield row | {'missed': [key for key, most in GOALS.items() if row.get(key, 0) > most]}


def styles(names: list[str], clips: int, estimator: DepthEstimator) -> Iterator[dict[str, Any]]:
    """Yield the rows of the styles, for each motion with odometry and by motion alone."""
    for style in names:
        for motion, axis in generated.MOTIONS.items():
            print(f'{style}, {motion}: rendering', flush=True)
            rows: dict[str, list[dict[str, Any]]] = {}
            source = generated.scenes(style, axis, 0)
            for _ in range(clips):
                sequence, _ = generated.film(estimator, next(source))
                for condition in (EXACT, ALONE):
                    rows.setdefault(condition.name, []).append(scored(sequence, condition))
            for condition_name, found in rows.items():
                row: dict[str, Any] = {'style': style, 'motion': motion}
                row |= {'condition': condition_name, 'scenes': clips, **joined(found)}
                worse = [key for key in ('ratio_metres', 'ratio_shape') if row[key] > 1]
                yield row | {'missed': worse}


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All measurements; the result is as this module's description has it."""
    torch.set_num_threads(1)
    if options.picture is not None:
        picture(options.data, options.window, options.half, options.picture)
    estimator = DepthEstimator.from_checkpoint(threads=1)
    found: dict[str, Any] = {part: [] for part in options.parts}
    skipped = {}
    for name in SETS if {'sequences', 'fields', 'poses'} & {*options.parts} else ():
        if reason := missing(options.data, SETS[name]):
            skipped[name] = reason
            continue
        for part, row in real_parts(options, estimator, name):
            found[part].append(row)
    if 'controls' in options.parts:
        found['controls'] = [*controls(options.clips, estimator)]
    if 'styles' in options.parts:
        found['styles'] = [*styles(options.styles, options.clips, estimator)]
    chosen = ('parts', 'half', 'rates', 'windows', 'delay_windows', 'clips', 'styles')
    return {'settings': report.settings(options, *chosen), 'skipped': skipped, **found}


def picture(data: Path | None, number: int, half: str, path: Path) -> None:
    """Write a picture of a window of HoloLens: network, corrected by motion, truth.

    Raises:
        report.InputError: The sequence is missing.
    """
    if data is None or (reason := missing(data, SETS['HoloLens'])):
        raise report.InputError(f'--picture: {"no data" if data is None else reason}')
    estimator = DepthEstimator.from_checkpoint(threads=1)
    sequence, first = real(SETS['HoloLens'], data, 0.2, half, number + 1, estimator)
    *_, (found, _) = corrected(sequence, EXACT)
    _, prediction, truth = sequence.windows[first + number]
    limits = DepthColours().limits(truth)
    shown = ((prediction.depth, 'network'), (found.depth, 'corrected by motion'))
    panels = [
        (depth_panel(depth, *limits), f'{name}, AbsRel {error(depth, truth):.3f}')
        for depth, name in shown
    ]
    panels.append((depth_panel(truth, *limits), 'truth'))
    save_png(strip(panels, columns=3), path)


def error(depth: Depth, truth: Depth) -> float:
    """AbsRel of a window in metres."""
    known = has_truth(truth)
    return float(np.mean(np.abs(depth[known] / truth[known] - 1)))


def missing(data: Path | None, of: Set) -> str:
    """Return the reason why a sequence cannot be read; empty: it can."""
    if data is None:
        return 'no data: give --data or set SPIKE_DEPTH_DATA to the folder'
    path = data / of.path
    return '' if path.is_dir() else f'{path}: no such folder; --data is the folder of rgbd/'


NAMES = {
    'sequences': ('set', 'rate', 'condition'),
    'fields': ('set', 'rate', 'field'),
    'poses': ('set', 'rate', 'pose'),
    'controls': ('control', 'condition'),
    'styles': ('style', 'motion', 'condition'),
}
"""Columns before the figures of each part."""

ERRORS = {
    'metres: network': 'network_metres',
    'factor': 'factor_metres',
    'field': 'field_metres',
    'ratio': 'ratio_metres',
    'shape: network': 'network_shape',
    'field ': 'field_shape',
    'ratio ': 'ratio_shape',
    'refined': 'refined',
}
INSIDE = {'inside: metres': 'inside_metres', 'shape': 'inside_shape'}
INTERVALS = {
    'points': 'points',
    'near': 'holds_near',
    'far': 'holds_far',
    'network': 'holds_network',
    'F1: network': 'network_f1',
    'field  ': 'field_f1',
}
"""Names in the JSON by the heading of their column."""


def text(result: dict[str, Any]) -> str:
    """The result as Markdown tables."""
    lines = []
    for part in result['settings']['parts']:
        names = NAMES[part]
        made = part in ('controls', 'styles')
        figures = ERRORS | ((INSIDE if part == 'controls' else {}) if made else INTERVALS)
        rows = [
            [*(str(row[name]) for name in names), *(cell(key, row) for key in figures.values())]
            for row in result[part]
        ]
        lines += [report.table([*names, *figures], rows)]
        lines += [
            f'missed: {", ".join(str(row[name]) for name in names)}: {", ".join(row["missed"])}'
            for row in result[part]
            if row.get('missed')
        ]
    lines += [f'{name} skipped: {reason}' for name, reason in result['skipped'].items()]
    return '\n\n'.join(lines)


def cell(key: str, row: dict[str, Any]) -> str:
    """A figure as it is printed."""
    value = row.get(key)
    if value is None:
        return '-'
    if key == 'points':
        return f'{value:.0f}'
    return f'{value:.0%}' if key == 'refined' or key.startswith('holds') else f'{value:.3f}'


def main(args: list[str] | None = None) -> int:
    parser = report.parser('depth_from_motion', 'Depth corrected by the motion of the camera.')
    add = parser.add_argument
    add('--data', type=Path, default=os.environ.get('SPIKE_DEPTH_DATA'),
        help='folder; default: SPIKE_DEPTH_DATA')  # fmt: skip
    add('--parts', nargs='+', default=[*PARTS], choices=PARTS, metavar='PART',
        help=f'default: all of {", ".join(PARTS)}')  # fmt: skip
    add('--half', choices=('first', 'second'), default='second',
        help='of real sequences: to choose by, or to judge by; default: second')  # fmt: skip
    add('--rates', nargs='+', type=float, default=[*RATES],
        help='mean firing rates of real sequences; default: 0.2 0.05')  # fmt: skip
    add('--windows', type=count, help='of each real sequence; default: all of its half')
    add('--delay-windows', type=count, default=2, help='of the row with late points; default: 2')
    add('--picture', type=Path, metavar='FILE', help='also write a window of HoloLens as a PNG')
    add('--window', type=int, default=40, help='its number in the half; default: 40')
    add('--clips', type=count, default=20, help='of each control and style; default: 20')
    add('--styles', nargs='+', default=[*STYLES], choices=[*STYLES], metavar='STYLE',
        help=f'default: all of {", ".join(STYLES)}')  # fmt: skip
    return report.run_command(parser, args, run, text)


if __name__ == '__main__':
    sys.exit(main())
