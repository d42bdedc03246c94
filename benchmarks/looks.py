# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Picture of test scenes of a target in its own look, in matched and translated ones, in truth.

    PYTHONPATH=training python -m benchmarks.looks --cache OUT/stages --out looks.png

from the repository's root, once ``run.py table --out OUT`` has trained the row of the translator.
Each line has a scene: the target's spikes as a picture, mean and deviation of its channels
matched, translated, and the same scene in the look of the source. With ``--scores`` instead of a
picture a table of scores is printed: of these pictures, as they are, matched and translated, and
what edges of pictures score that are shifted or of another scene.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from spike_depth_ros.checkpoint import load
from spike_depth_ros.pages.depth_colours import Rgb
from spike_depth_ros.pages.pictures import strip
from spike_depth_ros.tasks.translation import TranslationInfo
from spike_training.errors import ConfigError, one_line
from spike_training.evaluation.looks import LOOKS, score_pictures
from spike_training.evaluation.predictors import build_for_evaluation
from spike_training.tables.plan import load_table
from spike_training.tables.units import Scoring, units_of
from spike_training.tasks.translation import both_looks, has_both_looks, match_look

SHIFT_PX = 4
"""Shift of pictures whose edges are compared, pixels."""

TABLE = Path(__file__).parents[1] / 'training/configs/tables/translation.yaml'


def find_scoring(table: Path, row: str, seed: int, cache: Path) -> Scoring:
    """Return the scoring of a row whose translator is trained.

    Raises:
        ConfigError: There is no such row, it has no translator, or that is not in the cache; or
            the target is of recordings.
    """
    rows = {one.settings.name: one for one in load_table(table).rows if one.second is not None}
    if row not in rows:
        raise ConfigError(f'row {row}: expected one with a translator, {", ".join(rows)}')
    if not has_both_looks(rows[row].config):
        raise ConfigError(f'{table}: expected a generated target, which has both looks')
    scoring = units_of(rows[row], seed, cache)
    assert scoring.second is not None
    if not scoring.second.done:
        raise ConfigError(f'{scoring.second.folder}: not trained, run run.py table --rows {row}')
    return scoring


def draw(scoring: Scoring, scenes: int) -> Rgb:
    """Draw the first test scenes of each style of the target, ``[rows, columns, 3]`` RGB."""
    assert scoring.second is not None
    config, device = scoring.config, torch.device('cpu')
    assert config.target_data is not None
    matched = match_look(config, 'moments', device)
    translator = build_for_evaluation(*load(scoring.second.checkpoint, TranslationInfo), device)
    sizes = dataclasses.replace(config.evaluate, scenes=scenes, batch_size=scenes)
    few = dataclasses.replace(config, evaluate=sizes)
    sheets = []
    for part in config.target_data.parts:
        ((seen, true),) = both_looks(few, part, device)
        with torch.inference_mode():
            looks = {'target': seen, 'matched': matched(seen), 'translated': translator(seen)}
        looks['look of the source'] = true
        sheets += [
            (as_picture(images[scene]), title)
            for scene in range(scenes)
            for title, images in looks.items()
        ]
    return strip(sheets, columns=2 * len(looks))


def as_picture(image: torch.Tensor) -> Rgb:
    """Return a picture, ``[3, H, W]`` from 0 to 1, as ``[H, W, 3]`` uint8 RGB."""
    picture: Rgb = np.rint(255 * image.clamp(0, 1).permute(1, 2, 0).numpy()).astype(np.uint8)
    return picture


class Shifted(nn.Module):
    """Picture shifted right and down by some pixels; what leaves comes in on the other side."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.pixels = pixels

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Shift pictures, ``[B, 3, H, W]``."""
        return picture.roll((self.pixels, self.pixels), (2, 3))


class OfAnotherScene(nn.Module):
    """Picture of the next scene of the batch."""

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Exchange pictures, ``[B, 3, H, W]``."""
        return picture.roll(1, 0)


def scores(scoring: Scoring, scenes: int) -> str:
    """Return a table of the scores of pictures in some looks, by style of the target.

    Raises:
        ConfigError: The scenes make no batches of two or more.
    """
    assert scoring.second is not None
    config, device = scoring.config, torch.device('cpu')
    assert config.target_data is not None
    batch_size = math.gcd(scenes, config.evaluate.batch_size)  # whole batches
    if batch_size < 2:  # the next scene of the batch is another one
        raise ConfigError(
            f'--scenes {scenes} with --scores: expected one that has a common divisor with '
            f'evaluate.batch_size, {config.evaluate.batch_size}'
        )
    sizes = dataclasses.replace(config.evaluate, scenes=scenes, batch_size=batch_size)
    few = dataclasses.replace(config, evaluate=sizes)
    looks = {
        'as they are': nn.Identity(),
        **{f'`{name}`': match_look(config, name, device) for name in LOOKS},
        f'`{scoring.second.stage.name}`': build_for_evaluation(
            *load(scoring.second.checkpoint, TranslationInfo), device
        ),
        f'shifted by {SHIFT_PX} pixels': Shifted(SHIFT_PX),
        "another scene's": OfAnotherScene(),
    }
    lines = [
        '| pictures of the target | style | PSNR dB | SSIM | F1 of edges |',
        '|---|---|---|---|---|',
    ]
    pictures = {part: [*both_looks(few, part, device)] for part in config.target_data.parts}
    for name, look in looks.items():
        for part, pairs in pictures.items():
            found = score_pictures(look, pairs)
            figures = f'{found.psnr:.2f} | {found.ssim:.3f} | {found.edge_f1:.2f}'
            lines.append(f'| {name} | {part} | {figures} |')
    return '\n'.join(lines)


def main(args: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog='python -m benchmarks.looks')
    parser.add_argument('--table', type=Path, default=TABLE, help='default: translation.yaml')
    parser.add_argument('--row', default='ctn', help='row of the translator; default: ctn')
    parser.add_argument('--seed', type=int, default=0, help='default: 0')
    parser.add_argument('--cache', type=Path, required=True, help='cache of run.py table')
    parser.add_argument('--scenes', type=int, default=4, help='of each style; default: 4')
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument('--out', type=Path, help='PNG to write')
    wanted.add_argument('--scores', action='store_true', help='print scores')
    options = parser.parse_args(args)
    if options.out is not None and options.out.suffix != '.png':
        parser.error(f'--out {options.out}: expected a .png file')
    if options.scenes < 1:
        parser.error(f'--scenes {options.scenes}: expected 1 or more')
    torch.set_num_threads(1)
    try:
        scoring = find_scoring(options.table, options.row, options.seed, options.cache)
        if options.scores:
            print(scores(scoring, options.scenes))
            return 0
    except ConfigError as error:
        parser.error(str(error))
    try:
        # A palette halves the file, as noise does not compress.
        sheet = Image.fromarray(draw(scoring, options.scenes)).quantize(256)
        sheet.save(options.out, 'PNG', optimize=True)
    except OSError as error:
        parser.error(f'--out {options.out}: it cannot be written: {one_line(error)}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
