# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of a model on a recording: sums, and one row of metrics for each window.

Depth is scored by the protocol. Uncertainty, boundaries, ordinal accuracy and the bins take depth
as it is, whole images without cap and alignment: docs/reference/metrics.md.
"""

from __future__ import annotations

import array
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from spike_depth_ros.evaluation.controls import ControlWindows, finite_depth
from spike_depth_ros.evaluation.extremes import Extremes
from spike_depth_ros.evaluation.metrics import (
    DEPTH_METRICS,
    FLOOR_M,
    DepthErrors,
    EvalProtocol,
    Mean,
    StructureErrors,
    UncertaintyErrors,
    depth_ratio,
    has_truth,
    relative_error,
)
from spike_depth_ros.evaluation.truth import enlarged
from spike_depth_ros.geometry.depth_values import FloatImage

DISTANCE_EDGES_M = (0.0, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 40.0, 80.0, math.inf)
"""Edges of the bins of true depth, metres."""

UNCERTAINTY_EDGES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, math.inf)
"""Edges of the bins of uncertainty over depth."""

WIDTH_STEP, WIDTH_STEPS = 0.1, 40
"""Multiples of the interval's half-width at which its coverage is counted: 0.1 to 4."""

UNCERTAINTY_METRICS = ('interval_coverage', 'ause', 'aurg', 'rank_correlation')

CSV_COLUMNS = (
    'window',
    'time_s',
    'truth_offset_ms',
    'pixels',
    'covered',
    *DEPTH_METRICS,
    'unsure_covered',
    *UNCERTAINTY_METRICS,
    'median_depth_m',
    'median_relative_uncertainty',
    'flicker',
)
"""Columns of ``windows.csv``."""

WHOLE = EvalProtocol()
"""Protocol without crop, cap and alignment."""

SAME_HOP = 1.5
"""Largest distance of neighbouring windows, hops."""


class Columns:
    """Table of float64 numbers that grows row by row.

    Args:
        names: Names of the columns.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._columns = {name: array.array('d') for name in names}

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def __getitem__(self, name: str) -> npt.NDArray[np.float64]:
        """Return a copy of a column, ``[rows]``."""
        return np.array(self._columns[name], np.float64)

    def add(self, row: Mapping[str, float]) -> None:
        """Add a row with a value for every column."""
        for name, column in self._columns.items():
            column.append(row[name])


@dataclasses.dataclass(frozen=True)
class Output:
    """Output of a model for one window, and its truth.

    Attributes:
        number: Number of the window, from 0.
        reference_ns: Time of the depth, nanoseconds.
        depth: Metres with the infinities of REP 117, ``[H, W]``.
        uncertainty: Half-width of the 68 % interval, metres, same shape.
        depth_range: Depths that -Inf and +Inf stand for, metres: the range of the model, times
            the factor of this window.
        preview: Function that makes the grey picture of the window's spikes, or None.
        truth: True depth, metres, of the same shape or a whole multiple; None: unknown.
        truth_ns: Time of the truth, nanoseconds.
        others: Further images of the window, by their names, as a running node gives them.
    """

    number: int
    reference_ns: int
    depth: FloatImage
    uncertainty: FloatImage
    depth_range: tuple[float, float]
    preview: Callable[[], npt.NDArray[np.uint8] | None]
    truth: FloatImage | None = None
    truth_ns: int = 0
    others: Mapping[str, npt.NDArray[Any]] = dataclasses.field(default_factory=dict)


class Bins:
    """Sums over pixels, binned by some value.

    Args:
        edges: Ascending edges; bin k holds ``edges[k] <= value < edges[k + 1]``.
    """

    NAMES = ('pixels', 'abs_rel', 'square', 'delta1', 'inside', 'uncertainty')

    def __init__(self, edges: tuple[float, ...]) -> None:
        self.edges = edges
        self._sums = {name: np.zeros(len(edges) - 1) for name in self.NAMES}

    def add(self, values: npt.NDArray[np.float64], pixels: dict[str, Any]) -> None:
        """Add pixels.

        Args:
            values: Values to bin by, ``[N]``.
            pixels: Quantity -> its value at each of them, ``[N]``.
        """
        place = np.digitize(values, self.edges[1:-1])
        for name, quantity in pixels.items():
            self._sums[name] += np.bincount(place, quantity, len(self.edges) - 1)

    def rows(self) -> list[dict[str, float]]:
        """Return the bins with pixels: limits, share of the pixels, means."""
        total = self._sums['pixels'].sum()
        rows = []
        for k, count in enumerate(self._sums['pixels']):
            if count:
                mean = {name: float(sums[k] / count) for name, sums in self._sums.items()}
                rows.append(
                    {
                        'from': self.edges[k],
                        'to': self.edges[k + 1],
                        'share': float(count / total),
                        'abs_rel': mean['abs_rel'],
                        'rmse': math.sqrt(mean['square']),
                        'delta1': mean['delta1'],
                        'interval_coverage': mean['inside'],
                        'relative_uncertainty': mean['uncertainty'],
                    }
                )
        return rows


class ErrorBreakdown:
    """Errors by distance and by uncertainty, coverage of the interval.

    Sums over any number of images. Whole images are scored, without cap and alignment.

    Args:
        depth_range: Depths that replace -Inf and +Inf in predictions, metres.

    Attributes:
        by_distance: Bins by true depth.
        by_uncertainty: Bins by uncertainty over depth.
    """

    def __init__(self, depth_range: tuple[float, float]) -> None:
        self.by_distance = Bins(DISTANCE_EDGES_M)
        self.by_uncertainty = Bins(UNCERTAINTY_EDGES)
        self._depth_range = depth_range
        self._widths = np.zeros(WIDTH_STEPS + 1)

    def add(self, prediction: FloatImage, half_width: FloatImage, truth: FloatImage) -> None:
        """Add one image; pixels without truth, prediction or uncertainty are ignored.

        Args:
            prediction: Depth in metres with the infinities of REP 117, ``[H, W]``.
            half_width: Half of the 68 % interval's width in metres, same shape.
            truth: True depth in metres, same shape.
        """
        near, far = self._depth_range
        relative = relative_error(prediction, truth, near, far)
        covered = ~np.isnan(relative) & ~np.isnan(half_width)
        if not covered.any():
            return
        depth = np.nan_to_num(prediction[covered].astype(np.float64), posinf=far, neginf=near)
        depth = np.maximum(depth, FLOOR_M)
        true = truth[covered].astype(np.float64)
        error, width = relative[covered], half_width[covered].astype(np.float64)
        distance = error * true
        pixels = {
            'pixels': np.ones_like(error),
            'abs_rel': error,
            'square': distance**2,
            'delta1': depth_ratio(depth, true) < 1.25,
            'inside': distance <= width,
            'uncertainty': width / depth,
        }
        self.by_distance.add(true, pixels)
        self.by_uncertainty.add(width / depth, pixels)
        self._count_widths(distance, width)

    def _count_widths(
        self, distance: npt.NDArray[np.float64], width: npt.NDArray[np.float64]
    ) -> None:
        with np.errstate(divide='ignore', invalid='ignore'):
            multiple = np.where(distance > 0, distance / width, 0)
        steps = np.minimum(np.ceil(multiple / WIDTH_STEP), WIDTH_STEPS + 1) - 1
        self._widths += np.bincount(np.maximum(steps, 0).astype(int), minlength=WIDTH_STEPS + 1)

    def interval_curve(self) -> dict[str, list[float]]:
        """Return the share of the truth within multiples of the half-width."""
        total = max(float(self._widths.sum()), 1.0)
        within = np.cumsum(self._widths)[:WIDTH_STEPS] / total
        multiples = WIDTH_STEP * np.arange(1, WIDTH_STEPS + 1)
        return {
            'multiple': [round(float(value), 3) for value in multiples],
            'coverage': [float(value) for value in within],
        }

    def report(self) -> dict[str, Any]:
        """Return all values; the end of the last bin is infinite."""
        return {
            'by_distance': self.by_distance.rows(),
            'by_uncertainty': self.by_uncertainty.rows(),
            'interval_curve': self.interval_curve(),
        }


class Scores:
    """Scores of one model on one recording.

    Args:
        depth_range: Nearest and farthest depth of the model, metres.
        protocol: Crop, cap, alignment of the depth metrics.
        mean: The headline is a mean over ``pixels`` or ``images``.
        hop_ns: Time between windows, nanoseconds; 0: unknown.

    Attributes:
        errors: Depth errors by the protocol.
        uncertainty: Errors of the uncertainty.
        structure: Errors of boundaries and order of the depth.
        controls: Sampled windows for the controls.
        breakdown: Errors by distance and uncertainty, and curves of the uncertainty.
        columns: One row for each window, see ``CSV_COLUMNS``.
        extremes: Windows to draw pictures of.
    """

    def __init__(
        self,
        depth_range: tuple[float, float],
        protocol: EvalProtocol = WHOLE,
        mean: Mean = 'pixels',
        hop_ns: int = 0,
    ) -> None:
        self.depth_range = depth_range
        self.protocol = protocol
        self.mean: Mean = mean
        self.errors = DepthErrors(*depth_range, protocol)
        self.uncertainty = UncertaintyErrors(*depth_range)
        self.structure = StructureErrors(*depth_range)
        self.controls = ControlWindows(depth_range, protocol, mean)
        self.breakdown = ErrorBreakdown(depth_range)
        self.columns = Columns(CSV_COLUMNS)
        self.extremes = Extremes()
        self._hop_ns = hop_ns
        self._first_ns: int | None = None
        self._before: Output | None = None
        self._scored_before: Output | None = None
        self._changes: list[float] = [0.0, 0.0]  # sum over pixels, pixels

    def add(self, output: Output) -> dict[str, float]:
        """Score a window.

        Returns:
            Its row; NaN for missing values.
        """
        if self._first_ns is None:
            self._first_ns = output.reference_ns
        row = dict.fromkeys(CSV_COLUMNS, math.nan)
        row['window'] = output.number
        row['time_s'] = (output.reference_ns - self._first_ns) / 1e9
        finite = np.isfinite(output.depth)
        if finite.any():
            relative = output.uncertainty[finite] / output.depth[finite]
            row['median_depth_m'] = float(np.median(output.depth[finite]))
            row['median_relative_uncertainty'] = float(np.median(relative))
        row['flicker'] = self._flicker(output)
        row['pixels'] = row['covered'] = row['unsure_covered'] = 0
        if output.truth is not None:
            row.update(self._score(output, output.truth))
        self._before = output
        self.columns.add(row)
        self.extremes.add(output, row)
        return row

    def _score(self, output: Output, truth: FloatImage) -> dict[str, float]:
        # From here on depth has the truth's size.
        output = dataclasses.replace(
            output,
            depth=enlarged(output.depth, truth),
            uncertainty=enlarged(output.uncertainty, truth),
        )
        one = DepthErrors(*self.depth_range, self.protocol)
        one.add(output.depth, truth, output.depth_range)
        self.errors.merge(one)
        depth = finite_depth(output.depth, *output.depth_range)
        unsure = UncertaintyErrors(*self.depth_range)
        unsure.add(depth, output.uncertainty, truth)
        self.uncertainty.merge(unsure)
        self.structure.add(depth, truth, (output.number,))
        self.controls.add(depth, truth)
        self.breakdown.add(depth, output.uncertainty, truth)
        self._follow(output, truth)
        metrics = unsure.metrics()
        return {
            'truth_offset_ms': (output.truth_ns - output.reference_ns) / 1e6,
            'pixels': one.pixels,
            'covered': one.covered,
            **one.metrics(),
            'unsure_covered': unsure.covered,
            **{name: metrics[name] for name in UNCERTAINTY_METRICS},
        }

    def _flicker(self, output: Output) -> float:
        """Return the median relative change since the window one hop before; NaN without one."""
        before = self._before
        if before is None:
            return math.nan
        step = output.reference_ns - before.reference_ns
        hop = self._hop_ns
        near = step > 0 and (not hop or step < SAME_HOP * hop)
        return flicker(output.depth, before.depth) if near else math.nan

    def _follow(self, output: Output, truth: FloatImage) -> None:
        """Add the difference of the changes of depth and truth since the last scored window."""
        before, self._scored_before = self._scored_before, output
        if before is None or before.truth is None or before.truth.shape != truth.shape:
            return
        known = np.isfinite(output.depth) & np.isfinite(before.depth)
        known &= has_truth(truth) & has_truth(before.truth)
        if known.any():
            change = _log_change(output.depth, before.depth, known)
            true_change = _log_change(truth, before.truth, known)
            self._changes[0] += float(np.abs(change - true_change).sum())
            self._changes[1] += int(np.count_nonzero(known))

    def headline(self) -> dict[str, float]:
        """Return the metrics of ``metrics.json``; NaN for missing values."""
        flicker = self.columns['flicker']
        known = flicker[~np.isnan(flicker)]
        changes, pixels = self._changes
        return {
            **self.errors.metrics(self.mean),
            'coverage': self.errors.coverage,
            **self.structure.metrics(),
            **self.uncertainty.metrics(),
            'flicker': float(known.mean()) if known.size else math.nan,
            'change_error': changes / pixels if pixels else math.nan,
        }


def flicker(depth: FloatImage, before: FloatImage) -> float:
    """Return the median over pixels of ``|ln d - ln d'|``; NaN if no pixel has both.

    Args:
        depth: Metres with the infinities of REP 117, above 0, ``[H, W]``.
        before: Depth of the window one hop before, same shape.
    """
    both = np.isfinite(depth) & np.isfinite(before)
    return float(np.median(np.abs(_log_change(depth, before, both)))) if both.any() else math.nan


def _log_change(
    now: FloatImage, before: FloatImage, where: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    change: npt.NDArray[np.float64] = np.log(now[where].astype(np.float64)) - np.log(
        before[where].astype(np.float64)
    )
    return change
