# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whole adaptations to recordings of two eyes in worlds whose sizes are wrong, and right.

    PYTHONPATH=training python -m benchmarks.adapt_stereo --styles home --json stereo.json

from the repository's root. A recording is 5 s of both eyes at 20 kHz, 2.5 GB: a camera that moves
through 200 generated scenes of one style, which no network was trained on. In a world whose sizes
are ``factor`` times wrong, the eye is moved by the baseline over the factor, which makes all
depths that many times larger for the baseline that is stated.

The JSON holds ``machine``, ``settings`` and ``runs``. Each of ``runs`` has ``style``, ``factor``,
``kept`` (name of the candidate; None: the old network stays), ``verdicts`` by candidate,
``scale_factor`` and ``matched_share`` (as the adaptation measured them), ``seconds``, and
``networks``: by ``name`` (``old``, candidates, ``kept``), on held-back windows with their true
depth,

- ``ratio``: median of predicted over true depth
- ``metres``: AbsRel in metres
- ``scaled``: median-scaled AbsRel
- ``missed``: goals that it misses

Goals where sizes are wrong: a ratio within 5 % of 1, 15 % less of ``metres``, at most 2 % more of
``scaled`` than the old network; where they are right: no error more than 2 % higher.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from benchmarks import report
from spike_depth_ros.checkpoint import find_checkpoint, load_info
from spike_depth_ros.stream import packing
from spike_training.adaptation import STEREO_CONFIG
from spike_training.adaptation import run as adaptation
from spike_training.adaptation.candidates import SCALE, load_network
from spike_training.adaptation.evidence import score
from spike_training.adaptation.matching import BATCH_SIZE
from spike_training.adaptation.recordings import HELD_BACK_SHARE
from spike_training.adaptation.second_eye import SecondEye
from spike_training.adaptation.windows import Sizes
from spike_training.engine.checkpoints import newest_model
from spike_training.evaluation.predictors import predict
from spike_training.sampling.procedural import ProceduralSource
from spike_training.sampling.sample import Batch, collate
from spike_worlds.generator import STYLES
from spike_worlds.pool import generate
from spike_worlds.render import render
from spike_worlds.second_eye import (
    BASELINE_M,
    BASELINES_M,
    second_eye,
    without_illumination,
)

SEED = 40  # training has 0
HEIGHT, WIDTH, PLANES, RATE_HZ = 256, 384, 128, 20_000
FOCAL = 0.9
"""Focal length over the width: one camera records all scenes."""

SCENES, STEPS = 200, 4
"""Scenes of a recording, and windows of each, one after the other."""

SCORED = 1
"""Number of the window of each held-back scene that networks are scored on."""

TOGETHER = 10
"""Scenes that are rendered at once."""

SHIPPED = 'unet_lite'

FEW = Sizes(matched=12, match_scenes=3, corrected=12, compared=8, tested=18, moving=2, scenes=12)
"""Windows and scenes of an adaptation with ``--quick``."""

GOALS = {'ratio': 0.05, 'metres': -0.15, 'scaled': 0.02}
"""Where sizes are wrong: error of the median ratio at most, relative changes of the errors."""

NO_WORSE = 0.02
"""Where sizes are right: relative change of an error at most."""


class Recording(NamedTuple):
    """Recording of both eyes.

    Attributes:
        left: File of the left eye.
        right: File of the right eye.
        baseline_m: Distance of the eyes as it is stated, metres.
        fx_px: Focal length, pixels.
        held_back: Held-back windows with true depth.
    """

    left: Path
    right: Path
    baseline_m: float
    fx_px: float
    held_back: list[Batch]


class Window(NamedTuple):
    """Packed planes of both eyes, ``[planes, H, row_bytes]``, and depth, ``[H, W]`` metres."""

    left: npt.NDArray[np.uint8]
    right: npt.NDArray[np.uint8]
    depth: torch.Tensor


def windows(
    style: str, numbers: Sequence[int], baseline_m: float, device: str
) -> Iterator[Window]:
    """Yield the windows of scenes, all of each one after the other, while its camera moves."""
    source = ProceduralSource(
        (style,), SEED, HEIGHT, WIDTH, (PLANES,), RATE_HZ, device=device, split='test'
    )
    scenes = without_illumination(generate(source.generators, numbers))
    scenes = dataclasses.replace(scenes, focal=np.full_like(scenes.focal, FOCAL))
    found: list[list[Window]] = [[] for _ in numbers]
    metered = None
    for step in range(STEPS):
        now = scenes.later(step * PLANES / RATE_HZ)
        now = dataclasses.replace(now, seed=scenes.seed + step)
        other = second_eye(now, np.full(len(numbers), baseline_m))
        left, right = (render(eye, HEIGHT, WIDTH, device) for eye in (now, other))
        # One exposure of a scene, as a spike camera has no control of it.
        metered = left.luminance if metered is None else metered
        both = (
            source._windows(eye, seen, PLANES, RATE_HZ, metered)
            for eye, seen in ((now, left), (other, right))
        )
        for own, planes, depth in zip(
            found, zip(*both, strict=True), left.depth.cpu(), strict=True
        ):
            own.append(Window(*planes, depth))
    for own in found:
        yield from own


def record(style: str, factor: float, folder: Path, bins: int, device: str) -> Recording:
    """Record scenes of a style, whose sizes are ``factor`` times those of generated ones."""
    baseline_m, fx = BASELINES_M.get(style, BASELINE_M), FOCAL * WIDTH
    left, right = folder / 'left.dat', folder / 'right.dat'
    held_back: list[Batch] = []
    with left.open('wb') as of_left, right.open('wb') as of_right:
        for first in range(0, SCENES, TOGETHER):
            numbers = range(first, min(first + TOGETHER, SCENES))
            for k, window in enumerate(windows(style, numbers, baseline_m / factor, device)):
                of_left.write(window.left[:, ::-1].tobytes())  # bottom row first
                of_right.write(window.right[:, ::-1].tobytes())
                number, step = first + k // STEPS, k % STEPS
                if number >= (1 - HELD_BACK_SHARE) * SCENES and step == SCORED:
                    counts, lengths = packing.bin_counts(window.left, WIDTH, bins=bins)
                    held_back.append(
                        Batch(
                            torch.from_numpy(counts)[None], torch.from_numpy(lengths), None,
                            factor * window.depth[None, None], torch.tensor([fx]),
                            torch.tensor([len(held_back)]),
                        )
                    )  # fmt: skip
    parts = [held_back[k : k + BATCH_SIZE] for k in range(0, len(held_back), BATCH_SIZE)]
    return Recording(left, right, baseline_m, fx, [collate(part) for part in parts])


@torch.inference_mode()
def measure(name: str, checkpoint: Path, held_back: Sequence[Batch]) -> dict[str, Any]:
    """Return an entry of ``networks``."""
    info, network = load_network(checkpoint)
    ratios = []
    for batch in held_back:
        depth = predict(network, batch, 'spikes').depth * (batch.fx / info.canonical_fx).view(
            -1, 1, 1, 1
        )
        ratios.append((depth / batch.depth)[batch.depth.isfinite()])
    found = score(network, info, held_back)
    ratio = float(torch.cat(ratios).median())
    return {'name': name, 'ratio': ratio, 'metres': found.metres, 'scaled': found.scaled}


def missed(old: dict[str, Any], new: dict[str, Any], factor: float) -> list[str]:
    """Return the names of the goals that a network misses."""
    changes = {name: new[name] / old[name] - 1 for name in ('metres', 'scaled')}
    if factor == 1:
        return [name for name, change in changes.items() if change > NO_WORSE]
    found = [name for name, change in changes.items() if change > GOALS[name]]
    return found + (['ratio'] if abs(new['ratio'] - 1) > GOALS['ratio'] else [])


def run_one(
    style: str, factor: float, options: argparse.Namespace, sizes: Sizes, folder: Path
) -> dict[str, Any]:
    """Return an entry of ``runs``."""
    old = find_checkpoint(SHIPPED)
    recording = record(style, factor, folder, load_info(old).bins, options.device)
    eye = SecondEye((str(recording.right),), recording.baseline_m, recording.fx_px)
    given = adaptation.Arguments(
        [recording.left], Path(SHIPPED), options.config, options.minutes, f'{WIDTH}x{HEIGHT}',
        RATE_HZ, 'spikes', None, None, eye,
    )  # fmt: skip
    out, begin = folder / 'adapted.safetensors', time.monotonic()
    adaptation.run(given, out, options.device, sizes=sizes)
    seconds, adapted = time.monotonic() - begin, out.with_suffix('')
    told = json.loads((adapted / 'adapt.json').read_text())
    paths = {'old': old, SCALE: adapted / f'{SCALE}.safetensors'}
    for rung in told['rungs']:
        if (adapted / rung['name'] / 'latest.json').is_file():
            paths[rung['name']] = newest_model(adapted / rung['name'])
    paths['kept'] = out if out.is_file() else old
    networks = [measure(name, path, recording.held_back) for name, path in paths.items()]
    for one in networks[1:]:
        one['missed'] = missed(networks[0], one, factor)
    return {
        'style': style,
        'factor': factor,
        'kept': told['kept'],
        'scale_factor': told['pairs']['scale_factor'],
        'matched_share': told['pairs']['matched_share'],
        'seconds': seconds,
        'verdicts': {rung['name']: rung['verdict'] for rung in told['rungs']},
        'networks': networks,
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All measurements; the result is as this module's description has it."""
    runs, sizes = [], FEW if options.quick else Sizes()
    for style in options.styles:
        for factor in options.factor:
            with tempfile.TemporaryDirectory(prefix='adapt_stereo.', dir=options.folder) as place:
                print(f'{style}, sizes times {factor:g}', file=sys.stderr, flush=True)
                runs.append(run_one(style, factor, options, sizes, Path(place)))
                if options.pages is not None:
                    page = options.pages / f'{style}_{factor:g}.html'
                    options.pages.mkdir(parents=True, exist_ok=True)
                    shutil.copy(Path(place) / 'adapted' / 'adapt.html', page)
                print(text({'runs': runs[-1:]}), file=sys.stderr, flush=True)
    settings = report.settings(options, 'styles', 'minutes', 'factor', 'quick')
    settings['device'] = report.device_name(options.device)
    settings['config'] = options.config.name
    return {'settings': settings, 'runs': runs}


CELLS = {
    'style': '{style}',
    'sizes': '{factor:g}',
    'network': '{name}',
    'predicted / true': '{ratio:.3f}',
    'AbsRel in metres': '{metres:.3f}',
    'median-scaled AbsRel': '{scaled:.3f}',
    'misses': '{missed}',
}


def text(result: dict[str, Any]) -> str:
    """The result as a Markdown table."""
    rows = []
    for one in result['runs']:
        for network in one['networks']:
            name = network['name']
            if name == 'kept':
                name += f': {one["kept"] or "old"}'
            rows.append({**one, 'missed': [], **network, 'name': name})
    for row in rows:
        row['missed'] = ', '.join(row['missed'])
    return report.columns(rows, CELLS)


def main(args: list[str] | None = None) -> int:
    parser = report.parser('adapt_stereo', 'Adaptations to recordings of two eyes.')
    add = parser.add_argument
    add('--styles', nargs='*', default=[*STYLES], choices=[*STYLES], metavar='STYLE',
        help=f'default: all of {", ".join(STYLES)}')  # fmt: skip
    add('--config', type=Path, default=STEREO_CONFIG,
        help='candidates; default: training/configs/adapt_stereo.yaml')  # fmt: skip
    add('--minutes', type=float, default=12.0, help='of each adaptation; default: 12')
    add('--factor', type=float, nargs='*', default=[1.3, 1.0],
        help='sizes of the places over those of generated ones; default: 1.3 and 1')  # fmt: skip
    add('--quick', action='store_true', help='few windows and scenes: to try it')
    add('--folder', type=Path, help='where recordings are made; default: that of the system')
    add('--pages', type=Path, help='folder for the page of each adaptation')
    report.add_device(parser)
    return report.run_command(parser, args, run, text)


if __name__ == '__main__':
    sys.exit(main())
