# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of depth from two cameras in disparity, beside that of one camera."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.observation import Observation
from spike_depth_ros.stereo.estimator import LEAST_DISPARITY_PX
from spike_depth_ros.stereo.fill import RunningFactor, fill
from spike_depth_ros.stereo.network import StereoNetwork
from spike_depth_ros.stereo.sgbm import Picture, SgbmMatcher
from spike_depth_ros.stream import preview
from spike_depth_ros.stream.window import Window
from spike_training.datasets.clip import Disparity
from spike_training.errors import DataSetError
from spike_training.evaluation.report import cell
from spike_training.evaluation.stereo_pairs import StereoPair, Windows

BAD_PX = 2.0
"""Error of a wrong disparity, pixels."""

FILLED_PREVIEW: preview.Method = 'rate'
"""Picture that is matched before it is filled, as by default in the estimator of pairs."""

PICTURES = 'pictures'

CAPTION = (
    f'bad-2: off by more than {BAD_PX:g} pixels or missing; mono: metres times one factor for '
    'each pair, from the truth; predicted / true depth: lowest and highest median of a calibrated '
    'pair'
)

Depth = npt.NDArray[np.float32]


class Row(NamedTuple):
    """What gave some disparities.

    Attributes:
        method: ``sgbm``, ``mono``, ``fused`` or ``network``.
        seen: Method of the preview that is matched, or ``pictures``; empty for ``mono`` and
            ``network``.
        mean_rate: Mean firing rate; None: pictures, or spikes as recorded.
    """

    method: str
    seen: str
    mean_rate: float | None


Scores = dict[str, float | None]
"""What :func:`score` returns."""


def score_pairs(
    pairs: Iterable[StereoPair],
    mono: DepthEstimator,
    matcher: SgbmMatcher,
    network: StereoNetwork | None = None,
) -> list[dict[str, Any]]:
    """Score matching, one camera, matching that one camera fills, and a network that matches.

    Args:
        pairs: Pairs with truth.
        mono: Estimator of one camera, which bins no pixels.
        matcher: Matcher of all rows but those of the network.
        network: Network that matches; None: it has no rows.

    Raises:
        DataSetError: A network cannot use windows of their size or length.

    Returns:
        See :func:`table_of`.
    """
    found: dict[Row, dict[str, Scores]] = {}
    for pair in pairs:
        for row, answer, scaled in _answers(pair, mono, matcher):
            found.setdefault(row, {})[pair.name] = score(pair, answer, scaled)
        if network is None:
            continue
        for rate, windows in pair.windows.items():
            answer = _of_network(pair, network, windows)
            found.setdefault(Row('network', '', rate), {})[pair.name] = score(pair, answer)
    return table_of(found)


def table_of(found: Mapping[Row, Mapping[str, Scores]]) -> list[dict[str, Any]]:
    """Return the rows of a report from the scores of each row's pairs by name.

    Returns:
        For each row ``method``, ``seen`` and ``mean_rate`` of :class:`Row`, its :func:`score` of
        each of ``pairs`` by name, and over these

        - ``bad2``, ``coverage``: means
        - ``bad2_answered``: mean of those that have an answer; None: none has
        - ``ratio_low``, ``ratio_high``: lowest and highest ``ratio``; None: none is calibrated
    """
    return [{**row._asdict(), **_means(scores), 'pairs': scores} for row, scores in found.items()]


def _of_network(pair: StereoPair, network: StereoNetwork, windows: Windows) -> Disparity:
    """Return the disparities of a network, of all pixels."""
    try:
        return network.predict(*windows).disparity
    except ValueError as error:  # a network for other windows or another sensor
        raise DataSetError(f'{pair.name}: {error}') from error


def score(pair: StereoPair, answer: Disparity, predicted: Depth | None = None) -> Scores:
    """Score the disparities of a pair.

    Args:
        pair: The pair, with a pixel or more of known truth.
        answer: Disparities, ``[H, W]`` float32 pixels; NaN: missing.
        predicted: Metres, where they are not those of the disparities.

    Returns:
        Over the pixels with truth

        - ``bad2``: share that is off by more than :data:`BAD_PX` or missing
        - ``bad2_answered``: share of those with an answer that is off; None: there are none
        - ``coverage``: share with an answer
        - ``ratio``: median of predicted over true depth of those with an answer; None: there are
          none, or the pair is not calibrated
    """
    known = np.isfinite(pair.disparity)
    answered = known & np.isfinite(answer)
    number, total = int(answered.sum()), int(known.sum())
    wrong = int((np.abs(answer - pair.disparity)[answered] > BAD_PX).sum())
    ratio = None
    if pair.rig is not None and number:
        metres = pair.rig.depth_of(answer) if predicted is None else predicted
        ratio = float(np.median((metres / pair.rig.depth_of(pair.disparity))[answered]))
    return {
        'bad2': (wrong + total - number) / total,
        'bad2_answered': wrong / number if number else None,
        'coverage': number / total,
        'ratio': ratio,
    }


def _answers(
    pair: StereoPair, mono: DepthEstimator, matcher: SgbmMatcher
) -> Iterator[tuple[Row, Disparity, Depth | None]]:
    """Yield the disparities of each row, and metres where they are not those of these."""
    rig = pair.geometry
    fx_px = None if pair.rig is None else pair.rig.fx_px

    def alone(window: Window) -> Depth:
        try:
            return mono.predict(Observation(window, fx_px)).depth
        except ValueError as error:  # a network for other windows or another sensor
            raise DataSetError(f'{pair.name}: {error}') from error

    if pair.pictures is not None:
        matched = matched_by(matcher, *pair.pictures, rig)
        yield Row('sgbm', PICTURES, None), matched, None
        # The spikes of most light are what one camera makes the most of.
        brightest, _ = pair.windows[max(pair.windows, key=lambda rate: rate or 0)]
        yield Row('fused', PICTURES, None), _fused(matched, alone(brightest), rig), None
    for rate, windows in pair.windows.items():
        by_preview = {}
        for method in preview.METHODS:
            left, right = (preview.render(window, method) for window in windows)
            by_preview[method] = matched_by(matcher, left, right, rig)
            yield Row('sgbm', method, rate), by_preview[method], None
        depth = alone(windows[0])
        yield Row('mono', '', rate), _scaled_to_truth(depth, pair), depth
        filled = _fused(by_preview[FILLED_PREVIEW], depth, rig)
        yield Row('fused', FILLED_PREVIEW, rate), filled, None


def matched_by(matcher: SgbmMatcher, left: Picture, right: Picture, rig: StereoRig) -> Disparity:
    """Match a pair of pictures; what would be farther than infinity is missing."""
    found = matcher.match(left, right)
    found[found - np.float32(rig.offset_px) < LEAST_DISPARITY_PX] = np.nan
    return found


def _fused(matched: Disparity, alone: Depth, rig: StereoRig) -> Disparity:
    """Fill missing disparities by the depth of one camera, in the metres of the matched ones."""
    depth = rig.depth_of(matched)
    factor = RunningFactor().update(depth, alone)
    if factor is None:
        return matched
    return rig.disparity_of(fill(depth, alone * np.float32(factor.value)))


def _scaled_to_truth(alone: Depth, pair: StereoPair) -> Disparity:
    """Return the disparities of depth times one factor, the median of true over predicted one."""
    rig = pair.geometry
    factor = np.nanmedian(rig.depth_of(pair.disparity) / alone)
    return rig.disparity_of(alone * np.float32(factor))


def _means(scores: Mapping[str, Scores]) -> Scores:
    def given(key: str) -> list[float]:
        return [one[key] for one in scores.values() if one[key] is not None]  # type: ignore[misc]

    answered, ratios = given('bad2_answered'), given('ratio')
    return {
        'bad2': statistics.fmean(given('bad2')),
        'bad2_answered': statistics.fmean(answered) if answered else None,
        'coverage': statistics.fmean(given('coverage')),
        'ratio_low': min(ratios, default=None),
        'ratio_high': max(ratios, default=None),
    }


def table(rows: Iterable[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table of :func:`score_pairs`."""
    header = ['', 'mean rate', 'bad-2', 'bad-2 of answered', 'coverage', 'predicted / true depth']
    return header, [_cells(row) for row in rows]


def _cells(row: Mapping[str, Any]) -> list[str]:
    name = ', '.join(part for part in (row['method'], row['seen']) if part)
    low, high = row['ratio_low'], row['ratio_high']
    return [
        name,
        '-' if row['mean_rate'] is None else f'{row["mean_rate"]:g}',
        cell(row['bad2']),
        cell(row['bad2_answered']),
        f'{row["coverage"]:.0%}',
        '-' if low is None else f'{low:.3f} to {high:.3f}',
    ]
