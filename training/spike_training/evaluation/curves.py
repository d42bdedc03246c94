# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth errors of a network over the conditions under which generated scenes are recorded.

One variable is changed at a time, and every condition has the same scenes. Each scene is scored
separately, median-scaled unless stated otherwise, and errors are means over scenes.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from spike_depth_ros.evaluation.metrics import DepthErrors, EvalProtocol, FloatArray, without_nan
from spike_depth_ros.evaluation.scores import flicker
from spike_training.errors import ConfigError
from spike_training.evaluation.predictors import DepthRange, Predictor, canonical_depth
from spike_training.progress import progress_bar
from spike_training.sampling.conditions import Condition, ConditionSource, exposure_planes

FAST = 4.0
"""Speed of the image in the curves that compare cameras over light."""

NORMAL_95 = 1.96
"""Half-width of a 95 % interval in standard errors."""

Column = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Curve over the values of one variable, the others fixed by a condition.

    Attributes:
        title: Title for charts and texts.
        variable: Field of :class:`Condition`.
        values: Values of the variable.
        base: Condition that fixes the other variables.
        frame_spikes: ``frame_spikes`` of the frame camera to compare with; 0: no comparison.
    """

    title: str
    variable: str
    values: Sequence[float]
    base: Condition
    frame_spikes: float = 0.0

    def cameras(self) -> dict[str, list[Condition]]:
        """Return the condition at each value for each camera that is compared.

        ``spike``; with ``frame_spikes`` also ``frame``; and if the variable is ``mean_rate`` also
        ``spike_same_exposure``: windows as long as the exposure of the frame.
        """
        spike = [
            dataclasses.replace(self.base, **{self.variable: value})  # type: ignore[arg-type]
            for value in self.values
        ]
        cameras = {'spike': spike}
        if self.frame_spikes:
            if self.variable == 'mean_rate':
                exposures = exposure_planes(self.frame_spikes, np.array(self.values))
                cameras['spike_same_exposure'] = [
                    dataclasses.replace(one, planes=round(planes))
                    for one, planes in zip(spike, exposures.tolist(), strict=True)
                ]
            cameras['frame'] = [
                dataclasses.replace(one, frame_spikes=self.frame_spikes) for one in spike
            ]
        return cameras


class SceneErrors(NamedTuple):
    """Errors of each scene under one condition, ``[scenes]``; NaN where a scene has no truth.

    Attributes:
        abs_rel: AbsRel, median-scaled.
        delta1: Share of the pixels within a factor of 1.25, median-scaled.
        abs_rel_raw: AbsRel in metres, not scaled.
    """

    abs_rel: Column
    delta1: Column
    abs_rel_raw: Column

    def means(self) -> dict[str, float]:
        """Return the mean of each error over the scenes that have true depth."""
        return {name: _mean(column) for name, column in self._asdict().items()}


def make_sweeps(
    default: Condition, values: Mapping[str, Sequence[float]], frame_spikes: float
) -> dict[str, Sweep]:
    """Return the curves by their keys in the report.

    Args:
        default: Condition of which one variable at a time is changed.
        values: Values of ``planes``, ``mean_rate``, ``rate_hz`` and ``speed``; those of
            ``default`` are added.
        frame_spikes: ``frame_spikes`` of the frame camera, above 0.

    Raises:
        ConfigError: Values are missing or out of range.
    """
    fast = dataclasses.replace(default, speed=FAST)
    kinds = {
        'planes': ('window length, planes', 'planes', default, 0.0),
        'mean_rate': ('light, mean firing rate', 'mean_rate', default, 0.0),
        'rate_hz': ('plane rate, Hz', 'rate_hz', default, 0.0),
        'speed': ('speed of the image', 'speed', default, frame_spikes),
        'mean_rate_fast': (
            f'light at speed {FAST:g}, mean firing rate', 'mean_rate', fast, frame_spikes,
        ),
    }  # fmt: skip
    sweeps = {}
    for key, (title, variable, base, spikes) in kinds.items():
        own = getattr(default, variable)
        ordered = sorted({*values[variable]} | ({own} - {None}))
        if len(ordered) < 2:
            raise ConfigError(f'{variable} is {[*values[variable]]}: expected 2 values or more')
        sweeps[key] = Sweep(title, variable, ordered, base, spikes)
        try:
            sweeps[key].cameras()
        except ValueError as error:
            raise ConfigError(str(error)) from error
    return sweeps


def measure(
    predictor: Predictor,
    limits: DepthRange,
    source: ConditionSource,
    batches: Sequence[Sequence[int]],
    default: Condition,
    sweeps: Mapping[str, Sweep],
) -> dict[str, Any]:
    """Measure all curves and the flicker.

    Args:
        predictor: Depth of a batch.
        limits: Depth range and focal length for scoring.
        source: Source of the scenes.
        batches: Numbers of the scenes that are predicted together.
        default: Condition of which one variable at a time is changed.
        sweeps: Curves by their key.

    Returns:
        For JSON: ``curves``, see :func:`sweep_report`, by their key, and ``flicker``: ``static``
        at speed 0, ``moving`` at the default condition.
    """
    by_camera = itertools.chain(*(sweep.cameras().values() for sweep in sweeps.values()))
    conditions = dict.fromkeys(itertools.chain(*by_camera))
    streams = {'static': dataclasses.replace(default, speed=0.0), 'moving': default}
    with progress_bar() as bar:
        steps = len(batches) * (len(conditions) + len(streams))
        advance = functools.partial(bar.advance, bar.add_task('conditions', total=steps))
        errors = score_conditions(predictor, limits, source, batches, [*conditions], advance)
        changes = measure_flicker(predictor, source, batches, [*streams.values()], advance)
    return {
        'curves': {key: sweep_report(sweep, errors) for key, sweep in sweeps.items()},
        'flicker': without_nan({name: changes[stream] for name, stream in streams.items()}),
    }


def score_conditions(
    predictor: Predictor,
    limits: DepthRange,
    source: ConditionSource,
    batches: Iterable[Sequence[int]],
    conditions: Sequence[Condition],
    advance: Callable[[], None] = lambda: None,
) -> dict[Condition, SceneErrors]:
    """Score the same scenes under each condition.

    Args:
        predictor: Depth of a batch.
        limits: Depth range and focal length for scoring.
        source: Source of the scenes.
        batches: Numbers of the scenes that are predicted together.
        conditions: One or more, all different.
        advance: Called after each batch under a condition.
    """
    rows: dict[Condition, list[list[float]]] = {condition: [] for condition in conditions}
    for indices in batches:
        samples = source.batches(indices, conditions)
        for condition, batch in zip(conditions, samples, strict=True):
            depth, _ = predictor(batch)
            truth = canonical_depth(batch, limits.canonical_fx)[:, 0].cpu().numpy()
            pairs = zip(depth, truth, strict=True)
            rows[condition] += [_scene_errors(*pair, limits) for pair in pairs]
            advance()
    return {condition: SceneErrors(*np.array(found).T) for condition, found in rows.items()}


def _scene_errors(depth: FloatArray, truth: FloatArray, limits: DepthRange) -> list[float]:
    """Score one scene; return its errors in the order of :class:`SceneErrors`."""
    scaled = DepthErrors(limits.min_depth, limits.max_depth, EvalProtocol(alignment='median'))
    raw = DepthErrors(limits.min_depth, limits.max_depth)
    scaled.add(depth, truth)
    raw.add(depth, truth)
    metrics = scaled.metrics()
    return [metrics['abs_rel'], metrics['delta1'], raw.abs_rel]


def measure_flicker(
    predictor: Predictor,
    source: ConditionSource,
    batches: Iterable[Sequence[int]],
    conditions: Sequence[Condition],
    advance: Callable[[], None] = lambda: None,
) -> dict[Condition, float]:
    """Measure how much depth changes between successive windows of one stream.

    Args:
        predictor: Depth of a batch.
        source: Source of the scenes.
        batches: Numbers of the scenes that are predicted together.
        conditions: One or more, all different.
        advance: Called after each batch under a condition.

    Returns:
        Mean over scenes of the ``flicker`` of docs/tasks/evaluate.md between two windows end to
        end.
    """
    found: dict[Condition, list[float]] = {condition: [] for condition in conditions}
    for indices in batches:
        samples = source.batches(indices, conditions, windows=2)
        for condition, batch in zip(conditions, samples, strict=True):
            bins = len(batch.planes_per_bin) // 2
            first, second = (
                predictor(
                    dataclasses.replace(
                        batch,
                        counts=batch.counts[:, half],
                        planes_per_bin=batch.planes_per_bin[half],
                    )
                ).depth
                for half in (slice(bins), slice(bins, None))
            )
            found[condition] += [flicker(*pair) for pair in zip(second, first, strict=True)]
            advance()
    return {condition: _mean(np.array(values)) for condition, values in found.items()}


def sweep_report(sweep: Sweep, errors: Mapping[Condition, SceneErrors]) -> dict[str, Any]:
    """Return a curve for JSON.

    Args:
        sweep: The curve.
        errors: Errors under all its conditions.

    Returns:
        ``title``, ``variable``, ``base``, and ``points``: for each ``value`` the means of
        :class:`SceneErrors` for each of :meth:`Sweep.cameras`. With a frame camera a point also
        has ``frame_minus``: by the key of the other camera the mean difference of median-scaled
        AbsRel over scenes and half of its 95 % interval.
    """
    cameras = sweep.cameras()
    points = []
    for number, value in enumerate(sweep.values):
        found = {name: errors[conditions[number]] for name, conditions in cameras.items()}
        point: dict[str, Any] = {'value': value}
        point |= {name: own.means() for name, own in found.items()}
        if (frame := found.pop('frame', None)) is not None:
            differences = {name: frame.abs_rel - own.abs_rel for name, own in found.items()}
            point['frame_minus'] = {
                name: {'abs_rel': _mean(difference), 'half_width_95': _half_width(difference)}
                for name, difference in differences.items()
            }
        points.append(point)
    base = dataclasses.asdict(sweep.base)
    del base[sweep.variable], base['frame_spikes']
    return without_nan(
        {'title': sweep.title, 'variable': sweep.variable, 'base': base, 'points': points}
    )


def _mean(values: Column) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def _half_width(differences: Column) -> float:
    """Return half of the 95 % interval of a mean over independent scenes; NaN below two scenes."""
    known = differences[~np.isnan(differences)]
    if known.size < 2:
        return math.nan
    return float(NORMAL_95 * known.std(ddof=1) / math.sqrt(known.size))
