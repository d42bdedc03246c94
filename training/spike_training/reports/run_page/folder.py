# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What lies in the folder of a run, finished or not, whatever version wrote it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from spike_training.engine.checkpoints import POINTER
from spike_training.engine.method import Method, find_method
from spike_training.engine.record import SCALARS, WARNINGS
from spike_training.errors import ConfigError, one_line
from spike_training.evaluation.report import read_report
from spike_training.runs.files import CONFIG, MODEL, REPORT, SELECTED, SELECTION
from spike_training.runs.sessions import read_sessions
from spike_training.settings.config import RunConfig, StageConfig
from spike_training.settings.reading import read_stage

Series = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""Steps, ascending, and values."""


@dataclasses.dataclass(frozen=True)
class StageFolder:
    """What a stage has left so far.

    Attributes:
        name: Of the stage.
        settings: Of the stage, as the config has them.
        config: The same, as its kind of stage has them; where its method is not to be found, those
            that all stages have.
        done: Optimiser steps that it has done, as far as records tell.
        steps: Those that it is to do.
        batch_size: Images of a step and process.
        scalars: By group and name, ``train/loss``.
        warnings: Step and text.
        pictures: Step and file, in their order.
        selection: What chose between two networks; None: nothing did.
        checkpoint: What the stage hands on; None before it has saved one.
    """

    name: str
    settings: dict[str, Any]
    config: StageConfig
    done: int
    steps: int
    batch_size: int
    scalars: dict[str, Series]
    warnings: list[tuple[int, str]]
    pictures: list[tuple[int, Path]]
    selection: dict[str, Any] | None
    checkpoint: Path | None


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """What a run has left so far.

    Attributes:
        out: The folder.
        config: All settings.
        method: The method of training.
        stages: In their order, those that have not begun too.
        sessions: Each start of the run, see :mod:`spike_training.runs.sessions`.
        report: The figures of the end; None before it.
    """

    out: Path
    config: dict[str, Any]
    method: Method
    stages: list[StageFolder]
    sessions: list[dict[str, Any]]
    report: dict[str, Any] | None

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end."""
        return self.report is not None and (self.out / MODEL).exists()


def read_run(out: Path) -> RunFolder:
    """Reads the folder of a run.

    Args:
        out: The folder.

    Raises:
        ConfigError: It holds no run, or the report of an earlier version.
    """
    try:
        config = yaml.safe_load((out / CONFIG).read_text(encoding='utf-8'))
        method = method_of(config)
        stages = [
            _stage(out / str(stage['name']), stage, config, method) for stage in config['stages']
        ]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ConfigError(
            f'{out} is no folder of a run ({one_line(error)}): expected what '
            '"run.py train --out" was given'
        ) from error
    report = read_report(out / REPORT) if (out / REPORT).exists() else None
    return RunFolder(out, config, method, stages, read_sessions(out), report)


def method_of(config: Mapping[str, Any]) -> Method:
    """Find the method of a run; one without kinds of its own where it is not installed."""
    try:
        return find_method(str(config.get('method', RunConfig.method)))
    except ConfigError:
        return Method((StageConfig,))


def _stage(
    folder: Path, settings: dict[str, Any], config: dict[str, Any], method: Method
) -> StageFolder:
    train = config['train']
    scalars = _scalars(folder / SCALARS)
    pointer = _json(folder / POINTER) or {}
    last = max((int(steps[-1]) for steps, _ in scalars.values()), default=0)
    checkpoint = folder / str(pointer.get('model'))
    selected = folder / SELECTED
    return StageFolder(
        name=folder.name,
        settings=settings,
        config=read_stage(method, settings, '', []),
        done=max(last, int(pointer.get('step', 0))),
        steps=settings['steps'] or train['steps'],
        batch_size=(settings['batch_size'] or train['batch_size']) * train.get('accumulate', 1),
        scalars=scalars,
        warnings=[(line['step'], line['warning']) for line in _lines(folder / WARNINGS)],
        pictures=sorted((int(p.stem), p) for p in folder.glob('pictures/[0-9]*.png')),
        selection=_json(folder / SELECTION),
        checkpoint=next((path for path in (selected, checkpoint) if path.is_file()), None),
    )


def _scalars(path: Path) -> dict[str, Series]:
    found: dict[str, dict[int, float]] = {}
    for line in _lines(path):
        for name, value in line.items():
            if name != 'step':
                found.setdefault(name, {})[line['step']] = float(value)
    return {
        name: (np.array([*values], np.float64), np.array([*values.values()], np.float64))
        for name, values in found.items()
    }


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Objects of a file of JSON lines; a process that was killed may have left half a line."""
    text = path.read_text(encoding='utf-8') if path.exists() else ''
    for line in text.splitlines(keepends=True):
        if line.endswith('\n'):
            yield json.loads(line)


def _json(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
    return found
