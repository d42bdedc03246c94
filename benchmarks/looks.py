# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Picture of test scenes of a target in its own look, in matched and translated ones, in truth.

    PYTHONPATH=training python -m benchmarks.looks --cache runs/translation/stages --out looks.png

from the repository's root, once ``run.py table`` has trained the row of the translator. Each line
has a scene: the target's spikes as a picture, mean and deviation of its channels matched,
translated, and the same scene in the look of the source.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from spike_depth_ros.checkpoint import TranslationInfo, load
from spike_training.errors import ConfigError
from spike_training.evaluation.predictors import build_for_evaluation
from spike_training.learning.panels import Panels
from spike_training.runs.translation_evaluation import both_looks, has_both_looks, match_look
from spike_training.tables.plan import load_table
from spike_training.tables.units import Scoring, units_of

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


def draw(scoring: Scoring, scenes: int) -> npt.NDArray[np.uint8]:
    """Draw the first test scenes of each style of the target, ``[rows, columns, 3]`` BGR."""
    assert scoring.second is not None
    config, device = scoring.config, torch.device('cpu')
    assert config.target_data is not None
    matched = match_look(config, 'moments', device)
    translator = build_for_evaluation(*load(scoring.second.checkpoint, TranslationInfo), device)
    sizes = dataclasses.replace(config.evaluate, scenes=scenes, batch_size=scenes)
    few = dataclasses.replace(config, evaluate=sizes)
    show, sheets = Panels(config.model), []
    for part in config.target_data.parts:
        ((seen, true),) = both_looks(few, part, device)
        with torch.inference_mode():
            looks = {'target': seen, 'matched': matched(seen), 'translated': translator(seen)}
        looks['look of the source'] = true
        sheets.append(show.sheet([show.images(one, title) for title, one in looks.items()]))
    return np.vstack(sheets)


def main(args: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog='python -m benchmarks.looks')
    parser.add_argument('--table', type=Path, default=TABLE, help='default: translation.yaml')
    parser.add_argument('--row', default='ctn', help='row of the translator; default: ctn')
    parser.add_argument('--seed', type=int, default=0, help='default: 0')
    parser.add_argument('--cache', type=Path, required=True, help='cache of run.py table')
    parser.add_argument('--scenes', type=int, default=4, help='of each style; default: 4')
    parser.add_argument('--out', type=Path, required=True, help='PNG to write')
    options = parser.parse_args(args)
    if options.out.suffix != '.png':
        parser.error(f'--out {options.out}: expected a .png file')
    if options.scenes < 1:
        parser.error(f'--scenes {options.scenes}: expected 1 or more')
    torch.set_num_threads(1)
    try:
        scoring = find_scoring(options.table, options.row, options.seed, options.cache)
    except ConfigError as error:
        parser.error(str(error))
    if not cv2.imwrite(str(options.out), draw(scoring, options.scenes)):
        parser.error(f'--out {options.out}: it cannot be written')
    return 0


if __name__ == '__main__':
    sys.exit(main())
