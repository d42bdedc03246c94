# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Accuracy of the discriminators of a table's stages, at their end or while nothing opposes them.

    PYTHONPATH=training python -m benchmarks.discriminators --cache runs/table_translation/stages

from the repository's root, once ``run.py table`` has trained the stages. A discriminator that the
trained network or translator works against should end near 0.5, as it cannot tell the domains
apart. With ``--alone 200`` each stage is trained anew for that many steps with the weights of the
adversarial gradients at 0: one that stays near 0.5 then is too weak to teach anything. Of a
translator that is trained beside depth (T2Net) it also tells how much it changes pictures, in the
mean: those of the source, which it translates, and of the target, which it should leave.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spike_training.engine.record import SCALARS
from spike_training.errors import ConfigError
from spike_training.tables.plan import load_table
from spike_training.tables.units import Training, units_of

TABLE = Path(__file__).parents[1] / 'training/configs/tables/translation.yaml'

ADVERSARIAL = {
    'align.residual': ('feature_weight', 'depth_weight'),
    'align.sequence': ('token_weight', 'position_weight'),
    'translate.translated': ('look_weight', 'feature_weight'),
    'translate.cycle': ('look_weight',),
}
"""Weights of the gradients that work against discriminators, by kind."""

TRANSLATED = 'translate.translated'
"""Kind of T2Net."""

RECORDS = 5
"""Newest records of which means are taken."""


def adversarial_units(table: Path, seed: int, cache: Path, names: list[str]) -> list[Training]:
    """Return the stages of a table that have discriminators, each once.

    Args:
        table: Config of the table.
        seed: Seed of the stages.
        cache: Cache of ``run.py table``.
        names: Names of stages; empty: all with discriminators.

    Raises:
        ConfigError: A stage is not in the table, or has no discriminators.
    """
    found: dict[str, Training] = {}
    for row in load_table(table).rows:
        if not row.config.stages:  # a baseline
            continue
        for unit in units_of(row, seed, cache).needs:
            if unit.stage.kind in ADVERSARIAL:
                found.setdefault(unit.stage.name, unit)
    if unknown := [name for name in names if name not in found]:
        raise ConfigError(f'stages {", ".join(unknown)}: expected some of {", ".join(found)}')
    return [unit for name, unit in found.items() if not names or name in names]


def accuracies(unit: Training) -> dict[str, float]:
    """Return the mean accuracies of a stage's newest records, by the part they judge.

    Raises:
        ConfigError: It has none, as it took too few steps.
    """
    rows = records(unit)
    if not rows:
        raise ConfigError(f'{unit.folder}: it has no records: expected log_every steps or more')
    names = [name for name in rows[-1] if name.endswith('_accuracy')]
    return {
        name.removeprefix('train/').removesuffix('_accuracy'): newest(rows, name) for name in names
    }


def changes(unit: Training) -> str:
    """Return how much the translator of a stage of :data:`TRANSLATED` changes pictures."""
    rows, told = records(unit), []
    for name, of in (('train/changed', 'source'), ('train/identity', 'target')):
        most = max(rows, key=lambda row: row[name])
        told.append(f'{of} {newest(rows, name):.4f} (most {most[name]:.2f}, step {most["step"]})')
    return ', '.join(told)


def records(unit: Training) -> list[dict[str, float]]:
    """Return the records of a stage's training."""
    text = (unit.folder / unit.stage.name / SCALARS).read_text(encoding='utf-8')
    rows = [json.loads(line) for line in text.splitlines()]
    return [row for row in rows if 'train/loss' in row]


def newest(rows: Sequence[Mapping[str, float]], name: str) -> float:
    """Return the mean of a scalar over the newest records."""
    values = [row[name] for row in rows[-RECORDS:]]
    return sum(values) / len(values)


def alone(unit: Training, steps: int, folder: Path) -> Training:
    """Return the same stage, of so many steps, whose discriminators change nothing.

    The learning rate does not fall, as at the beginning of the whole stage.

    Raises:
        ConfigError: A stage before it is not trained.
    """
    for need in unit.needs:
        if not need.done:
            raise ConfigError(f'{need.folder}: not trained, run run.py table --rows ...')
    off: dict[str, Any] = dict.fromkeys(ADVERSARIAL[unit.stage.kind], 0.0)
    stage = dataclasses.replace(unit.stage, steps=steps, **off)
    train = unit.config.train
    every = min(train.log_every, steps)
    train = dataclasses.replace(train, min_lr_ratio=1.0, log_every=every)
    config = dataclasses.replace(
        unit.config, stages=[*unit.config.stages[:-1], stage], train=train
    )
    return dataclasses.replace(unit, folder=folder, config=config)


def main(args: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog='python -m benchmarks.discriminators')
    parser.add_argument('--table', type=Path, default=TABLE, help='default: translation.yaml')
    parser.add_argument('--stages', nargs='*', default=[], help='default: all that have some')
    parser.add_argument('--seed', type=int, default=0, help='default: 0')
    parser.add_argument('--cache', type=Path, required=True, help='cache of run.py table')
    parser.add_argument('--alone', type=int, default=0, metavar='STEPS', help='default: 0, none')
    options = parser.parse_args(args)
    if options.alone < 0:
        parser.error(f'--alone {options.alone}: expected 0 or more steps')
    try:
        units = adversarial_units(options.table, options.seed, options.cache, options.stages)
        for unit in units:
            if options.alone:
                with tempfile.TemporaryDirectory() as folder:
                    weak = alone(unit, options.alone, Path(folder))
                    weak.work()
                    found = accuracies(weak)
            elif unit.done:
                found = accuracies(unit)
            else:
                print(f'{unit.stage.name}: not trained', flush=True)
                continue
            told = ', '.join(f'{name} {value:.3f}' for name, value in found.items())
            print(f'{unit.stage.name}: accuracy {told}', flush=True)
            if unit.stage.kind == TRANSLATED and not options.alone:
                print(f'{unit.stage.name}: change of pictures: {changes(unit)}', flush=True)
    except ConfigError as error:
        parser.error(str(error))
    return 0


if __name__ == '__main__':
    sys.exit(main())
