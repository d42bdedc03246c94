# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metres from the height of the camera: predicted over true depth, without and with it.

    SPIKE_DEPTH_DATA=folder PYTHONPATH=training python -m benchmarks.scale_from_height \
        --json scale_from_height.json

from the repository's root; needs torch and timm. The shipped network predicts depth of generated
scenes that it was not trained on, a window each, with the pose that they are rendered from, and of
the folder's ``rgbd/kitti_0926`` with a camera 1.65 m above a level road, as one sequence.

The JSON holds ``machine``, ``settings``, ``skipped`` (reason for each set that is missing), and
``sets``. Each of these has ``name``, ``windows``, ``in_view`` (share of windows whose true floor
covers 5 % of the image; None: not known), ``found`` (share in which a floor was found),
``falsely`` (share of these without one in view), and over the windows with a floor found:

- ``without``, ``with``: median of the ratio of predicted to true median depth
- ``error_without``, ``error_with``: mean absolute logarithm of that ratio; these four also with
  ``_in_view``, over windows with a floor in view
- ``holds``: share of windows whose ratio lies within the stated interval of the scale
- ``higher``: median factor on published depth of a height stated 10 % too large
- ``times_0.7``, ``times_1.4``: largest relative change of published depth by this factor on the
  network's
- ``ms``: median of the thread's time for a window

Of all generated windows together ``holds`` is that share, and ``elsewhere`` the value of
``scale_from_height.ELSEWHERE`` with which it is 68 %.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from benchmarks import report
from benchmarks.options import count
from spike_depth_ros.checkpoint import find_checkpoint, load
from spike_depth_ros.estimator import Prediction
from spike_depth_ros.evaluation.results import INTERVAL
from spike_depth_ros.filters.scale_from_height import ELSEWHERE, ScaleFromHeight
from spike_depth_ros.geometry.floor import MIN_SHARE, CameraPose
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.datasets.readers import kitti
from spike_training.evaluation.predictors import (
    Predictor,
    build_for_evaluation,
    network_predictor,
)
from spike_training.sampling.clip_source import ClipSource
from spike_training.sampling.procedural import ProceduralSource
from spike_training.sampling.sample import Batch
from spike_training.sampling.transforms import TRANSFORMS
from spike_worlds.generator import SceneGenerator

STYLES = ('road', 'hall', 'home', 'office', 'indoor')
"""Styles of scenes with a floor."""

SEED = 36  # training has 0
HEIGHT, WIDTH, PLANES = 256, 384, 128
BATCH = 10
KITTI = 'rgbd/kitti_0926'
KITTI_POSE = CameraPose(1.65)
ON_FLOOR = 0.04
"""Greatest relative distance in true depth of a pixel of the floor from its plane."""

STEP_NS = 100_000_000
CHANGES = (0.7, 1.4)
HIGHER = 1.1


class Example(NamedTuple):
    """Predicted depth of a window, with the truth."""

    prediction: Prediction
    matrix: tuple[float, ...]
    pose: CameraPose
    truth: npt.NDArray[np.float32]


class Scaled(NamedTuple):
    """Ratios of predicted to true median depth of a window, and its scale."""

    without: float
    scaled: float
    uncertainty: float
    spread: float
    inliers: float
    in_view: bool
    ms: float
    higher: float
    changes: tuple[float, ...]


def generated(
    predictor: Predictor, info: DepthInfo, style: str, scenes: int, split: str
) -> Iterator[Example]:
    """Yield predictions of generated scenes with the poses of their cameras."""
    source = ProceduralSource(
        (style,), SEED, HEIGHT, WIDTH, (PLANES,), split=split, bins=info.bins
    )
    generator = SceneGenerator(SEED, style, split)
    for first in range(0, scenes, BATCH):
        numbers = range(first, min(first + BATCH, scenes))
        found = generator.batch(numbers)
        batch = source.samples(numbers)
        for k, prediction in enumerate(predict(predictor, info, batch)):
            fx = float(batch.fx[k])
            matrix = (fx, 0.0, (WIDTH - 1) / 2, 0.0, fx, (HEIGHT - 1) / 2, 0.0, 0.0, 1.0)
            # Upward parts of the camera's axes: right, up, forward.
            right, up, forward = (float(axis[1]) for axis in found.axes[k])
            pose = CameraPose(float(found.eye[k, 1]), -math.asin(forward), math.atan2(-right, up))
            yield Example(prediction, matrix, pose, batch.depth[k, 0].numpy())


def recorded(predictor: Predictor, info: DepthInfo, folder: Path) -> Iterator[Example]:
    """Yield predictions of KITTI's frames in their order."""
    (clip,) = kitti.read(folder)
    assert clip.camera is not None
    source = ClipSource([clip], HEIGHT, WIDTH, (PLANES,), 20_000.0, info.bins, transform='aspect')
    rows, columns, _ = clip.image(clip.labelled[0]).shape
    camera = TRANSFORMS['aspect']((rows, columns), HEIGHT, WIDTH).camera(clip.camera)
    matrix = tuple(float(value) for value in camera.ravel())
    for number in range(len(source)):
        batch = source.sample(number, PLANES)
        (prediction,) = predict(predictor, info, batch)
        yield Example(prediction, matrix, KITTI_POSE, batch.depth[0, 0].numpy())


def predict(predictor: Predictor, info: DepthInfo, batch: Batch) -> Iterator[Prediction]:
    """Yield the predictions of a batch at its focal lengths."""
    estimate = predictor(batch)
    for k, ratio in enumerate((batch.fx / info.canonical_fx).tolist()):
        depth, half = (np.float32(ratio) * of[k] for of in (estimate.depth, estimate.half_width))
        limits = info.min_depth * ratio, info.max_depth * ratio
        yield Prediction(depth, half, limits, info.scale, 1, ())


def floor_share(example: Example) -> float:
    """Share of the image that is floor in truth, 0 to 1."""
    fx, _, cx, _, fy, cy = example.matrix[:6]
    rows, columns = np.indices(example.truth.shape)
    rays = np.stack([(columns - cx) / fx, (rows - cy) / fy, np.ones(example.truth.shape)], -1)
    heights = example.truth * (rays @ example.pose.down) / example.pose.height_m
    return float((np.abs(heights - 1) < ON_FLOOR).mean())


class Scales:
    """Scales of a sequence of windows: as stated, of a higher camera, and of other networks."""

    def __init__(self, pose: CameraPose) -> None:
        higher = dataclasses.replace(pose, height_m=HIGHER * pose.height_m)
        self._stated, self._timed = ScaleFromHeight(pose), ScaleFromHeight(pose)
        self._others = [ScaleFromHeight(higher), *(ScaleFromHeight(pose) for _ in CHANGES)]

    def apply(self, example: Example, in_view: bool, time_ns: int) -> Scaled | None:
        """Scale the next window; return None if no floor is found in it."""
        found = self._stated.apply(example.prediction, example.matrix, time_ns)
        for _ in range(2):  # the first call with a matrix searches for the pixels of the view
            started = time.thread_time()
            self._timed.apply(example.prediction, example.matrix, time_ns)
            ms = 1e3 * (time.thread_time() - started)
        factors = []
        for scale, change in zip(self._others, (1.0, *CHANGES), strict=True):
            changed = dataclasses.replace(
                example.prediction, depth=np.float32(change) * example.prediction.depth
            )
            other = scale.apply(changed, example.matrix, time_ns).height
            factors.append(change if other is None else change * other.factor)
        if found.height is None or found.height.inliers == 0:
            return None
        known = np.isfinite(example.truth) & (example.truth > 0)
        without, scaled = (
            float(np.median(each.depth[known]) / np.median(example.truth[known]))
            for each in (example.prediction, found)
        )
        higher, *changes = (factor / found.height.factor for factor in factors)
        uncertainty, inliers = found.height.uncertainty, found.height.inliers
        spread = math.sqrt(max(uncertainty**2 - (ELSEWHERE * (1 - inliers)) ** 2, 0))
        return Scaled(
            without, scaled, uncertainty, spread, inliers, in_view, ms, higher, tuple(changes)
        )


def measure(
    name: str, examples: Iterator[Example], labelled: bool
) -> tuple[dict[str, Any], list[Scaled]]:
    """One entry of ``sets``, and the windows with a floor.

    Args:
        name: Of the set.
        examples: Its windows; those of one pose after another are one sequence.
        labelled: Whether all pixels have truth, so that the true floor is known.
    """
    seen, found, pose, scales = [], [], None, None
    for number, example in enumerate(examples):
        if scales is None or example.pose != pose:
            pose, scales = example.pose, Scales(example.pose)
        seen.append(floor_share(example) >= MIN_SHARE)
        scaled = scales.apply(example, seen[-1], number * STEP_NS)
        if scaled is not None:
            found.append(scaled)
    in_view = [one for one in found if one.in_view and labelled]
    entry = {
        'name': name,
        'windows': len(seen),
        'in_view': statistics.mean(seen) if labelled else None,
        'found': len(found) / len(seen),
        'falsely': share(not one.in_view for one in found) if labelled else None,
        **summary(found),
        **{f'{key}_in_view': value for key, value in ratios(in_view).items()},
    }
    return entry, found


def summary(found: list[Scaled]) -> dict[str, float | None]:
    """Figures over the windows with a floor; None: there are none."""
    worst = {
        f'times_{change:g}': max((abs(one.changes[k] - 1) for one in found), default=None)
        for k, change in enumerate(CHANGES)
    }
    return {
        **ratios(found),
        'holds': holds(found),
        'higher': median(one.higher for one in found),
        **worst,
        'ms': median(one.ms for one in found),
    }


def holds(found: list[Scaled]) -> float | None:
    """Share of the windows whose interval of the scale holds the truth; None: there are none."""
    return share(abs(math.log(one.scaled)) <= one.uncertainty for one in found)


def ratios(found: list[Scaled]) -> dict[str, float | None]:
    """Ratios of predicted to true median depth, and their errors; None: there are no windows."""
    return {
        'without': median(one.without for one in found),
        'with': median(one.scaled for one in found),
        'error_without': error(one.without for one in found),
        'error_with': error(one.scaled for one in found),
    }


def fit_elsewhere(found: list[Scaled]) -> float | None:
    """Fit ``ELSEWHERE`` to windows of sequences of one; None: there are too few."""
    values = sorted(
        max(math.log(one.scaled) ** 2 - one.spread**2, 0) / (1 - one.inliers) ** 2
        for one in found
        if one.inliers < 1
    )
    rank = math.ceil(INTERVAL * (len(values) + 1))  # split conformal
    return math.sqrt(values[rank - 1]) if rank <= len(values) else None


def median(values: Iterable[float]) -> float | None:
    """Median; None of nothing."""
    found = [*values]
    return statistics.median(found) if found else None


def share(values: Iterable[bool]) -> float | None:
    """Share of True; None of nothing."""
    found = [*values]
    return statistics.mean(found) if found else None


def error(values: Iterable[float]) -> float | None:
    """Mean absolute logarithm; None of nothing."""
    found = [abs(math.log(value)) for value in values]
    return statistics.mean(found) if found else None


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All measurements; the result is as this module's description has it."""
    torch.set_num_threads(1)
    info, weights = load(find_checkpoint(None))
    assert isinstance(info, DepthInfo)
    predictor = network_predictor(build_for_evaluation(info, weights, torch.device('cpu')), info)
    sets, generated_windows, skipped = [], [], {}
    for style in options.styles:
        print(f'{style}: predicting', flush=True)
        examples = generated(predictor, info, style, options.scenes, options.split)
        entry, found = measure(style, examples, labelled=True)
        sets.append(entry)
        generated_windows += found
    if reason := missing(options.data):
        skipped['KITTI'] = reason
    else:
        examples = recorded(predictor, info, options.data / KITTI)
        sets.append(measure('KITTI', examples, labelled=False)[0])
    return {
        'settings': report.settings(options, 'scenes', 'split', 'styles') | {'seed': SEED},
        'skipped': skipped,
        'sets': sets,
        'holds': holds(generated_windows),
        'elsewhere': fit_elsewhere(generated_windows),
    }


COLUMNS = {
    'set': 'name',
    'windows': 'windows',
    'floor in view': 'in_view',
    'floor found': 'found',
    'falsely': 'falsely',
    'without': 'without',
    'with': 'with',
    'error without': 'error_without',
    'error with': 'error_with',
    'in view: with': 'with_in_view',
    'in view: error without': 'error_without_in_view',
    'in view: error with': 'error_with_in_view',
    'interval holds': 'holds',
    'height +10 %': 'higher',
    'depth x0.7': 'times_0.7',
    'depth x1.4': 'times_1.4',
    'ms': 'ms',
}
"""Names in the JSON by the heading of their column."""

SHARES = ('in_view', 'found', 'falsely', 'holds')
CHANGED = ('times_0.7', 'times_1.4')


def missing(data: Path | None) -> str:
    """Return the reason why KITTI cannot be read; empty: it can."""
    if data is None:
        return 'no data: give --data or set SPIKE_DEPTH_DATA to the folder'
    folder = data / KITTI
    return '' if folder.is_dir() else f'{folder}: no such folder; --data is the folder of rgbd/'


def text(result: dict[str, Any]) -> str:
    """The result as Markdown tables."""
    rows = [[entry[key] for key in COLUMNS.values()] for entry in map(shown, result['sets'])]
    held, fitted = map(optional, (result['holds'], result['elsewhere']))
    lines = [
        report.table(list(COLUMNS), rows),
        f'generated windows: interval holds {held}; ELSEWHERE fitted {fitted}, used {ELSEWHERE:g}',
        *(f'{name} skipped: {reason}' for name, reason in result['skipped'].items()),
    ]
    return '\n\n'.join(lines)


def shown(entry: dict[str, Any]) -> dict[str, str]:
    """One entry of ``sets`` as it is printed."""

    def cell(key: str, value: Any) -> str:
        if value is not None and key in SHARES:
            return f'{value:.0%}'
        if value is not None and key in CHANGED:
            return f'{value:.1%}'
        return str(value) if isinstance(value, int | str) else optional(value)

    return {key: cell(key, value) for key, value in entry.items()}


def optional(value: float | None) -> str:
    """A number, or a dash for None."""
    return '-' if value is None else f'{value:.3f}'


def main(args: list[str] | None = None) -> int:
    parser = report.parser(
        'scale_from_height', 'Metres from the height of the camera on generated scenes and KITTI.'
    )
    add = parser.add_argument
    default = os.environ.get('SPIKE_DEPTH_DATA')
    add('--data', type=Path, default=default, help='folder; default: SPIKE_DEPTH_DATA')
    add('--scenes', type=count, default=100, help='of each style; default: 100')
    add('--split', choices=('test', 'calibration'), default='test',
        help='scenes to judge by, or to fit the uncertainty on; default: test')  # fmt: skip
    add('--styles', nargs='+', default=[*STYLES], choices=STYLES, metavar='STYLE',
        help=f'default: all of {", ".join(STYLES)}')  # fmt: skip
    return report.run_command(parser, args, run, text)


if __name__ == '__main__':
    sys.exit(main())
