# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading of the folder of a run, finished or not, of this or an older version."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from spike_depth_ros.base.safe_yaml import read_yaml
from spike_training.engine.checkpoints import POINTER
from spike_training.engine.record import SCALARS, WARNINGS
from spike_training.errors import ConfigError, one_line
from spike_training.evaluation.report import read_report
from spike_training.runs.sessions import CONFIG, MODEL, REPORT, SELECTED, SELECTION, read_sessions
from spike_training.settings.config import RunConfig, StageConfig
from spike_training.settings.method import Method, find_kind, find_method
from spike_training.settings.reading import read_stage

Series = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""Steps in ascending order, and their values."""


@dataclasses.dataclass(frozen=True)
class StageFolder:
    """Content of a stage's folder.

    Attributes:
        name: Name of the stage.
        settings: Settings of the stage in the config.
        config: Settings with the type of its kind; if its method is not installed, those that
            all stages have.
        method: Method of its kind; one without kinds of stages if it is not installed.
        done: Completed optimiser steps, according to the records.
        steps: Total optimiser steps.
        batch_size: Images of a step and process.
        scalars: Series by group and name, such as ``train/loss``.
        warnings: Step and text of each warning.
        pictures: Step and file of each picture, in ascending order.
        selection: Content of selection.json; None without a selection.
        checkpoint: Resulting or newest checkpoint; None before the first one.
    """

    name: str
    settings: dict[str, Any]
    config: StageConfig
    method: Method
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
    """Content of a run's folder.

    Attributes:
        out: The folder.
        config: All settings.
        stages: Stages in their order, including those that have not begun.
        sessions: Sessions of the run, see :mod:`spike_training.runs.sessions`.
        report: Evaluation report; None before the end of the run.
    """

    out: Path
    config: dict[str, Any]
    stages: list[StageFolder]
    sessions: list[dict[str, Any]]
    report: dict[str, Any] | None

    @property
    def finished(self) -> bool:
        """True if the run is complete."""
        return self.report is not None and (self.out / MODEL).exists()


def read_run(out: Path) -> RunFolder:
    """Read the folder of a run.

    Args:
        out: The folder.

    Raises:
        ConfigError: It contains no run, or the report of an earlier version.
    """
    try:
        config = read_yaml(out / CONFIG)
        stages = [_stage(out / str(stage['name']), stage, config) for stage in config['stages']]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ConfigError(
            f'{out} is no folder of a run ({one_line(error)}): expected what '
            '"run.py train --out" was given'
        ) from error
    report = read_report(out / REPORT) if (out / REPORT).exists() else None
    return RunFolder(out, config, stages, read_sessions(out), report)


def method_of(stage: Mapping[str, Any], config: Mapping[str, Any]) -> Method:
    """Return the method of a stage; one without kinds of stages if it is not installed.

    Args:
        stage: Settings of the stage.
        config: All settings of the run.
    """
    try:
        method = find_method(str(config.get('method', RunConfig.method)))
        return find_kind(str(stage.get('kind', method.stages[0].kind)), method).method
    except ConfigError:
        return Method((StageConfig,))


def _stage(folder: Path, settings: dict[str, Any], config: dict[str, Any]) -> StageFolder:
    train, method = config['train'], method_of(settings, config)
    scalars = _scalars(folder / SCALARS)
    pointer = _json(folder / POINTER) or {}
    last = max((int(steps[-1]) for steps, _ in scalars.values()), default=0)
    checkpoint = folder / str(pointer.get('model'))
    selected = folder / SELECTED
    return StageFolder(
        name=folder.name,
        settings=settings,
        config=read_stage(method, settings, '', []),
        method=method,
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
    """Yield the objects of a JSON Lines file, without lines that are damaged or incomplete."""
    text = path.read_text(encoding='utf-8', errors='replace') if path.exists() else ''
    for line in text.splitlines(keepends=True):
        with contextlib.suppress(ValueError):
            if line.endswith('\n') and isinstance(found := json.loads(line), dict):
                yield found


def _json(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
    return found
