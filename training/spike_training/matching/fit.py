# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fit of a view of labelled source windows to unlabelled windows of a target.

No depth of the target is read: it comes as :class:`Unlabelled`, which has none.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from spike_training.errors import DataSetError
from spike_training.matching.pattern import lasting_pattern
from spike_training.matching.search import Floats, search, search_near
from spike_training.matching.statistics import (
    COLUMNS,
    ROWS,
    Statistics,
    compute_statistics,
    distance,
    distances,
    scales_of,
)
from spike_training.matching.view import (
    CameraView,
    Lens,
    draw_pixels,
    exposure,
    highlight_of,
    lens_of,
    smoothed,
    through_air,
    through_glass,
)
from spike_training.sampling.sample import Batch, Unlabelled

FEWEST = 24
"""Fewest windows of the source, in each of its two samples, and of the target."""

LEAST_DEPTH = 0.5
"""Share of the source's pixels whose depth is known, at least, for haze to be searched."""

LEAST_SPIKES = 1.0
"""Mean spikes of a pixel in a window of the target, at least."""

SATURATED, MOST_SATURATED = 0.95, 0.5
"""Rate of a saturated pixel, spikes per plane, and the most of such pixels in the target."""

MOST_PIXELS = 20_000
"""Pixels of a window above which those of squares are summed before a fit."""

LEAST_CHANGE = 0.02
"""Least mean deviation of a pixel's rate between windows of the target, over its mean."""

_APART = 1.5, 0.3
"""Factor and addend of the least distance, beyond which restarts did not find the same."""

_RANGES = {
    'exponent': (-1.6, 1.2),
    'vignette': (0.0, 1.0),
    'blur': (0.0, 2.0),
    'dark': (0.0, 0.3),
    'haze': (0.0, 1.0),
    'air': (0.3, 1.5),
}
"""What is searched: logarithm of the exponent; dark spikes over the mean rate; haze as the share
of the light that it scatters at the median depth of the source."""

_HAZE = ('haze', 'air')
_EFFECTS = (_HAZE, ('dark',), ('blur',), ('vignette',), ('exponent',))
_LEAST_HAZE = 0.01
_CLEARLY = 1.1, 0.05  # factor and addend of the distance up to which an effect is left out


@dataclasses.dataclass(frozen=True)
class Fit:
    """Result of a fit.

    Attributes:
        view: View with the nearest statistics.
        distance: Distance of the statistics through it to those of the target; two samples of the
            source have one of about 1.
        before: Distance of the source as it is.
        parts: Parts of the distance by name.
        parts_before: Parts of that before.
        notes: What to know of the fit, a sentence each.
    """

    view: CameraView
    distance: float
    before: float
    parts: dict[str, float]
    parts_before: dict[str, float]
    notes: tuple[str, ...] = ()

    @property
    def explained(self) -> float:
        """Share of the distance that the view explains, 0 to 1."""
        return max(1 - self.distance / self.before, 0.0) if self.before else 0.0

    def describe(self) -> str:
        """Describe the view and the distances in one line."""
        return f'{self.view.describe()} (distance {self.distance:.2f}; without {self.before:.2f})'

    def to_fields(self) -> dict[str, Any]:
        """Return all fields as values of JSON."""
        fields = dataclasses.asdict(self)
        haze = fields['view']['haze_m']
        fields['view']['haze_m'] = haze if math.isfinite(haze) else None
        fields['notes'] = list(self.notes)
        return fields

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Fit:
        """Convert the output of :meth:`to_fields`."""
        view = dict(fields['view'])
        view['haze_m'] = math.inf if view['haze_m'] is None else view['haze_m']
        given = {**fields, 'view': CameraView(**view), 'notes': tuple(fields['notes'])}
        return cls(**given)


class _Windows(NamedTuple):
    """Windows of one domain.

    Attributes:
        total: Spikes of each pixel, ``[N, H, W]`` float32.
        planes: Planes of each window, ``[N, 1, 1]`` float32.
        depth: Metres, ``[N, H, W]``; None: of a target.
        sample: Numbers of the samples, ``[N]``; recordings are gone through several times.
    """

    total: Tensor
    planes: Tensor
    depth: Tensor | None
    sample: Tensor

    @property
    def rate(self) -> Tensor:
        return self.total / self.planes

    def pooled(self, size: int) -> _Windows:
        """Return the windows with the spikes of squares summed; depth is that of their middles."""
        if size == 1:
            return self
        total = F.avg_pool2d(self.total[:, None], size)[:, 0] * size**2
        rows, columns = total.shape[1:]
        middle = self.depth
        if middle is not None:
            middle = middle[:, size // 2 :: size, size // 2 :: size][:, :rows, :columns]
        return _Windows(total, self.planes * size**2, middle, self.sample)

    def part(self, rows: slice) -> _Windows:
        return _Windows(*(None if one is None else one[rows] for one in self))  # type: ignore[arg-type]


def _windows(batches: Sequence[Batch | Unlabelled], most: int) -> _Windows:
    """Collect up to so many windows, on the CPU."""
    totals = [batch.counts.float().sum(dim=1).cpu() for batch in batches]
    planes = [
        torch.full((len(batch.counts), 1, 1), float(batch.planes_per_bin.sum()))
        for batch in batches
    ]
    depths = [batch.metres[:, 0].cpu() for batch in batches if isinstance(batch, Batch)]
    return _Windows(
        torch.cat(totals)[:most],
        torch.cat(planes)[:most],
        torch.cat(depths)[:most] if depths else None,
        torch.cat([batch.index.cpu() for batch in batches])[:most],
    )


def fit_view(
    source: Sequence[Batch],
    target: Sequence[Unlabelled],
    windows: int = 96,
    target_windows: int = 320,
    trials: int = 500,
    restarts: int = 3,
    seed: int = 0,
) -> Fit:
    """Fit a view of the source to the target.

    Air, lens and dark current are searched together. Light is the ratio of the mean rates;
    mismatch and hot pixels are what lasts from window to window in the target's pixels. Windows of
    more than ``MOST_PIXELS`` are fitted at a smaller size, where blur is coarser.

    Args:
        source: Labelled windows; twice ``windows`` are used if there are as many.
        target: Unlabelled windows, of different moments.
        windows: Windows of the source that are seen through each trial.
        target_windows: Windows of the target that are used, at most.
        trials: Trials of each restart.
        restarts: Searches from different beginnings.
        seed: Seed of the search.

    Raises:
        DataSetError: The windows are too few, too dark, saturated, all of one picture, too small,
            or not finite.
    """
    own, goal = _windows(source, 2 * windows), _windows(target, target_windows)
    _check(own, 'the source', 2 * FEWEST)
    _check(goal, 'the target', FEWEST)
    flaws = _lasting(goal)
    rows, columns = goal.total.shape[1:]
    size = math.ceil(math.sqrt(rows * columns / MOST_PIXELS))
    own, goal = own.pooled(size), goal.pooled(size)
    half = len(own.total) // 2
    seen, other = own.part(slice(half)), own.part(slice(half, None))
    wanted = compute_statistics(goal.rate)
    as_it_is = compute_statistics(seen.rate)
    scales = scales_of(as_it_is, compute_statistics(other.rate))
    notes = []
    trial = _Trial(seen, goal, seed, flaws, size)
    if trial.depth is None:
        notes.append(
            f'less than {LEAST_DEPTH:.0%} of the depth of the source is known: haze is left out'
        )
    names = [name for name in _RANGES if trial.depth is not None or name not in _HAZE]

    def measure(place: Mapping[str, float]) -> dict[str, float]:
        return distances(trial.statistics(trial.view(place)), wanted, scales)

    def from_place(place: Floats) -> float:
        return distance(measure(dict(zip(names, place, strict=True))))

    found = search(from_place, len(names), trials, restarts, seed)
    factor, addend = _APART
    if sum(end > factor * found.distance + addend for end in found.ends) > restarts // 2:
        ends = ', '.join(f'{end:.2f}' for end in sorted(found.ends))
        notes.append(f'the searches ended at distances of {ends}: expected more alike')
    least, place = found.distance, dict(zip(names, found.place.tolist(), strict=True))
    for effect in _EFFECTS:
        # Effects that explain nothing are none: noise would be explained by all of them a little.
        left = {name: value for name, value in place.items() if name not in effect}
        if len(left) == len(place):
            continue
        names = [*left]
        without = search_near(from_place, np.array([*left.values()]), trials // 4, seed)
        if without.distance <= _CLEARLY[0] * least + _CLEARLY[1]:
            least = min(least, without.distance)
            place = dict(zip(names, without.place.tolist(), strict=True))
    before, parts = distances(as_it_is, wanted, scales), measure(place)
    return Fit(
        view=trial.view(place),
        distance=distance(parts),
        before=distance(before),
        parts=parts,
        parts_before=before,
        notes=tuple(notes),
    )


class _Trial:
    """What is the same in all trials of a fit.

    Args:
        seen: Windows of the source.
        goal: Windows of the target.
        seed: Seed of the draws.
        flaws: Mismatch and share of hot pixels of the target's sensor.
        size: Size of the squares of pixels that a pixel of the windows is.
    """

    def __init__(
        self, seen: _Windows, goal: _Windows, seed: int, flaws: tuple[float, float], size: int
    ) -> None:
        self.rate = smoothed(seen.total, size**2) / seen.planes
        self.size = size
        self.highlight = highlight_of(self.rate)
        self.level = float(goal.rate.mean())
        self.light = self.level / max(float(seen.rate.mean()), 1e-6)
        number = len(seen.total)
        # Windows of the target may have several lengths.
        self.planes = goal.planes[torch.arange(number) % len(goal.planes)]
        generator = torch.Generator().manual_seed(seed)
        self.phase = torch.rand(seen.total.shape, generator=generator)
        rows, columns = (size * one for one in seen.total.shape[1:])
        self.pixels = draw_pixels((rows, columns), 'cpu', generator)
        self.mismatch, self.hot = flaws
        self.depth: Tensor | None = None
        self.middle_m = math.nan
        if seen.depth is not None and float(seen.depth.isnan().float().mean()) <= 1 - LEAST_DEPTH:
            finite = seen.depth[seen.depth.isfinite()]
            if len(finite):
                self.depth, self.middle_m = seen.depth, float(finite.median())

    def view(self, place: Mapping[str, float]) -> CameraView:
        """Return the view of a place of the search; what is not in it is no effect."""
        ranged = ((name, value, *_RANGES[name]) for name, value in place.items())
        of = {name: low + (high - low) * value for name, value, low, high in ranged}
        haze = of.get('haze', 0.0)
        return CameraView(
            exponent=math.exp(of.get('exponent', 0.0)),
            vignette=of.get('vignette', 0.0),
            haze_m=self.middle_m * (1 - haze) / haze if haze > _LEAST_HAZE else math.inf,
            air=of.get('air', 1.0),
            blur=of.get('blur', 0.0) * self.size,
            light=self.light,
            dark=of.get('dark', 0.0) * self.level,
            mismatch=self.mismatch,
            hot=self.hot,
        )

    def statistics(self, view: CameraView) -> Statistics:
        """Return the statistics of the source through a view."""
        # Blur of pixels; here a pixel is a square of them.
        own = dataclasses.replace(view, blur=view.blur / self.size)
        lens: Lens = lens_of(own, len(self.rate), self.rate.device)
        lit, _ = through_air(self.rate, self.depth, lens, self.highlight)
        lit = through_glass(lit, lens)
        response, added = (F.avg_pool2d(one[None], self.size) for one in self.pixels.of(view))
        light = lit.mul_(exposure(lit, self.rate, lens, view.dark)).mul_(response)
        light = light.add_(added).clamp_max_(1)
        return compute_statistics((light * self.planes + self.phase).floor_() / self.planes)


def _lasting(goal: _Windows) -> tuple[float, float]:
    """Return mismatch and share of hot pixels of the target's sensor."""
    deviations, hot = lasting_pattern(goal.rate.numpy())
    return float(deviations[1]), hot


def _check(windows: _Windows, name: str, fewest: int) -> None:
    """Refuse windows that no view can be fitted to."""
    rows, columns = windows.total.shape[1:]
    if (number := len(set(windows.sample.tolist()))) < fewest:
        raise DataSetError(f'{name} has {number} windows: expected {fewest} or more to fit a view')
    if rows < 2 * ROWS * 2 or columns < 2 * COLUMNS * 2:
        raise DataSetError(
            f'windows of {name} are of {columns}x{rows} pixels: expected '
            f'{4 * COLUMNS}x{4 * ROWS} or more to fit a view'
        )
    if not bool(windows.total.isfinite().all()):
        raise DataSetError(f'windows of {name} have counts that are not finite: expected spikes')
    if (spikes := float(windows.total.mean())) < LEAST_SPIKES:
        raise DataSetError(
            f'windows of {name} are dark: {spikes:.2f} spikes a pixel in a window, expected '
            f'{LEAST_SPIKES:g} or more; take longer windows, or more light'
        )
    if (share := float((windows.rate >= SATURATED).float().mean())) > MOST_SATURATED:
        raise DataSetError(
            f'{share:.0%} of the pixels of {name} are saturated, expected {MOST_SATURATED:.0%} or '
            'less; take less light'
        )
    mean = windows.rate.mean(dim=0)
    change = (windows.rate - mean).abs().mean() / mean.mean()
    if float(change) < LEAST_CHANGE:
        raise DataSetError(
            f'all windows of {name} show the same: they differ by {float(change):.1%}, expected '
            f'{LEAST_CHANGE:.0%} or more; record while the camera moves'
        )
