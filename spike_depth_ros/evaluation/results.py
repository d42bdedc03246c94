# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Results of an evaluation, and their files.

``metrics.json`` and ``windows*.csv`` are the same bytes whenever the same bag is evaluated by the
same model in lockstep. Measured times are written to ``timing.json``.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TextIO

from spike_depth_ros.base.results import has_keys
from spike_depth_ros.estimator import HeightScale
from spike_depth_ros.evaluation.extremes import LargestDifferences
from spike_depth_ros.evaluation.intervals import Interval, intervals, paired_differences
from spike_depth_ros.evaluation.metrics import without_nan
from spike_depth_ros.evaluation.pairs import MatcherInfo, PairScores
from spike_depth_ros.evaluation.scores import CSV_COLUMNS, Scores
from spike_depth_ros.evaluation.truth import TruthAccounting
from spike_depth_ros.filters.refine_by_motion import MotionStatus
from spike_depth_ros.stream.accounting import PlaneAccounting
from spike_depth_ros.tasks.depth import DepthInfo

INTERVAL = 0.68
"""Share of the truth that the uncertainty's interval is meant to hold."""

RESULTS = ('metrics.json', 'timing.json', 'report.html', 'windows*.csv')
"""Patterns of the files that an evaluation writes."""

_FIRST_COLUMNS = ','.join(CSV_COLUMNS[:3]).encode()  # the others differ between versions


def is_result(path: Path) -> bool:
    """Return True for a file of ``RESULTS``, False for one of the user with such a name.

    Those without a mark of their own are known by ``metrics.json`` beside them.
    """
    if not path.is_file():
        return False
    if path.suffix != '.csv':
        return has_keys(path.with_name('metrics.json'), 'planes_dropped', 'models')
    with path.open('rb') as file:
        return file.read(len(_FIRST_COLUMNS)) == _FIRST_COLUMNS


@dataclasses.dataclass
class Stream:
    """Results of a recording that do not depend on the model.

    Attributes:
        source: Name of the bag, or of the topics.
        mode: ``lockstep``: every window of a bag; ``live``: the output of a running node.
        topics: Role -> topic name; None: no topic.
        window: Planes in a window.
        hop: Planes between the starts of windows; 0 where a live node took the newest.
        plane_rate_hz: Planes a second.
        windows: Number of evaluated windows.
        accounting: Plane accounting; of two cameras, that of the left one.
        packets_refused: Packets whose planes could not be counted, by reason.
        gaps: First gaps: seconds after the first window, and missing planes.
        truth: Accounting of the true depth images.
        warnings: Problems of the recording, one line each.
        right: Plane accounting of the right camera; None: there is one camera.
    """

    source: str
    mode: Literal['lockstep', 'live']
    topics: dict[str, str | None]
    window: int
    hop: int
    plane_rate_hz: float
    windows: int
    accounting: PlaneAccounting
    packets_refused: dict[str, int]
    gaps: list[tuple[float, int]]
    truth: TruthAccounting
    warnings: list[str]
    right: PlaneAccounting | None = None


@dataclasses.dataclass
class ModelRun:
    """Results of one model.

    Attributes:
        label: Its unique name in tables.
        info: Metadata of its checkpoint, or what stands for them.
        backend: Its backend, ``onnx`` or ``torch``.
        device: Its device, ``cpu`` or ``cuda``.
        scale: Kind of its scale, see :class:`spike_depth_ros.estimator.Prediction`.
        notes: Reasons for less confidence, one line each.
        scores: Its scores.
        times_ms: Timed step -> (median, 99th percentile), milliseconds.
        largest_differences: Windows in which it differs most from the first model; None for that
            one.
        height: Scale of the last window from the height of the camera; None: not used.
        pairs: Scores of what two cameras measure; None: there is one.
    """

    label: str
    info: DepthInfo | MatcherInfo
    backend: str
    device: str
    scale: str
    notes: list[str]
    scores: Scores
    times_ms: dict[str, tuple[float, float]]
    largest_differences: LargestDifferences | None = None
    height: HeightScale | None = None
    motion: MotionStatus | None = None
    pairs: PairScores | None = None


def metrics_report(stream: Stream, runs: Sequence[ModelRun]) -> dict[str, Any]:
    """Return the content of ``metrics.json``; None for NaN and infinities.

    Metrics at the top level are the first model's.

    Args:
        stream: The recording.
        runs: At least one model.
    """
    scores = runs[0].scores
    content = {
        **scores.headline(),
        'controls': _controls(scores),
        'windows': stream.windows,
        'windows_with_truth': stream.truth.used,
        'planes_dropped': stream.accounting.dropped,
        'mean': scores.mean,
        'protocol': dataclasses.asdict(scores.protocol),
        'source': stream.source,
        'mode': stream.mode,
        'topics': stream.topics,
        'window': stream.window,
        'hop': stream.hop,
        'plane_rate_hz': stream.plane_rate_hz,
        'planes': _planes(stream.accounting),
        **({} if stream.right is None else {'right_planes': _planes(stream.right)}),
        'packets_refused': stream.packets_refused,
        'gaps': [{'time_s': time_s, 'planes': count} for time_s, count in stream.gaps],
        'truth': dataclasses.asdict(stream.truth),
        'warnings': stream.warnings,
        'models': [_model(run) for run in runs],
        'comparison': [_comparison(runs[0], other) for other in runs[1:]],
    }
    return without_nan(content)


def _planes(accounting: PlaneAccounting) -> dict[str, Any]:
    return {**dataclasses.asdict(accounting), 'dropped': accounting.dropped}


def _model(run: ModelRun) -> dict[str, Any]:
    scores = run.scores
    pairs = {} if run.pairs is None else {'pairs': run.pairs.report(scores.mean)}
    return {
        'label': run.label,
        'architecture': run.info.architecture,
        'stage': run.info.stage,
        'weights_sha256': run.info.weights_sha256,
        'backend': run.backend,
        'device': run.device,
        'scale': run.scale,
        'height': dataclasses.asdict(run.height) if run.height is not None else None,
        **({'motion': dataclasses.asdict(run.motion)} if run.motion is not None else {}),
        'notes': run.notes,
        'metrics': scores.headline(),
        **pairs,
        'intervals': _as_dicts(intervals(columns(scores), scores.mean)),
        'depth': scores.errors.report(),
        'controls': _controls(scores),
        'structure': scores.structure.report(),
        'uncertainty': scores.uncertainty.report(),
        **scores.breakdown.report(),
        'sparsification': scores.uncertainty.sparsification(),
    }


def _controls(scores: Scores) -> dict[str, Any] | None:
    """Return the report of a model's controls; None without controls."""
    found = scores.controls.compare()
    return found.report() if found is not None else None


def control_lines(runs: Sequence[ModelRun]) -> list[str]:
    """Return in one line for each model with controls whether it beats them."""
    found = [(run.label, run.scores.controls.compare()) for run in runs]
    return [one.sentence(label) for label, one in found if one is not None]


def _comparison(one: ModelRun, other: ModelRun) -> dict[str, Any]:
    return {
        'first': one.label,
        'second': other.label,
        'differences': _as_dicts(differences(one, other)),
    }


def differences(one: ModelRun, other: ModelRun) -> dict[str, Interval]:
    """Compute the differences of metrics, ``other`` less ``one``, with paired intervals."""
    return paired_differences(columns(one.scores), columns(other.scores), one.scores.mean)


def columns(scores: Scores) -> dict[str, Any]:
    """Return the metrics of each window by name, ``[windows]`` each."""
    return {name: scores.columns[name] for name in CSV_COLUMNS}


def timing(
    runs: Sequence[ModelRun], seconds: float, received: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the content of ``timing.json``.

    Args:
        runs: The models.
        seconds: Time of the evaluation.
        received: Rate and latency of the depth images of a running node; None: there is none.
    """
    models = {
        run.label: {
            stage: {'p50_ms': median, 'p99_ms': high}
            for stage, (median, high) in run.times_ms.items()
        }
        for run in runs
    }
    of_node = {} if received is None else {'depth_images': received}
    return {'seconds': seconds, 'models': models, **of_node}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file.

    Raises:
        OSError: It cannot be written.
    """
    path.write_text(json.dumps(without_nan(content), indent=2) + '\n')


class WindowsFile:
    """Writer of ``windows.csv``, one line for each window.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._file: TextIO = path.open('w', newline='')
        self._writer = csv.writer(self._file, lineterminator='\n')
        self._writer.writerow(CSV_COLUMNS)

    def restart(self) -> None:
        """Remove the lines so far."""
        self._file.seek(0)
        self._file.truncate()
        self._writer.writerow(CSV_COLUMNS)

    def add(self, row: Mapping[str, float]) -> None:
        """Write a window's metrics; empty for NaN."""
        values = (row[name] for name in CSV_COLUMNS)
        self._writer.writerow('' if math.isnan(v) else f'{v:.9g}' for v in values)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _as_dicts(found: Mapping[str, Interval]) -> dict[str, Any]:
    return {name: dataclasses.asdict(one) for name, one in found.items()}
