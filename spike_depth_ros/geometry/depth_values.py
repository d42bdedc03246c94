# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Meaning of stored depth: known, unknown or beyond; and the check of its unit.

Every container of measured depth (messages, archives, files of maps, data sets) maps its values by
:func:`resolve`. Depth that a network predicts is not measured: its infinities and its values of 0
and less have the meaning of docs/reference/metrics.md.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

FloatImage = npt.NDArray[np.float32]

LARGEST_16 = 65535
"""Largest value of 16 bits: unknown, unless the container stores what is beyond so."""

LARGEST_HALF = 65504.0
"""Largest half-precision float, which stands for what is beyond."""

BEYOND_M = 1e6
"""Depth from which on a value stands for what is beyond, metres."""

PLAUSIBLE_M = (0.05, 300.0)
"""Plausible range of the median of a depth map, metres."""

FAR_M, FAR_SHARE = 1000.0, 0.01
"""A larger share of known pixels above so many metres is of another unit, or sky as a number."""


def to_metres(
    stored: npt.NDArray[Any],
    sky: int | None = None,
    per_metre: float | None = None,
    keep_negative: bool = False,
) -> FloatImage:
    """Return measured depth of values in a unit, whose codes are resolved.

    Args:
        stored: As for :func:`resolve`.
        sky: As there.
        per_metre: Stored value of one metre; None: 1000 of integers, 1 of floats.
        keep_negative: As there.

    Returns:
        float32 metres, as there.
    """
    unit = per_metre or (1.0 if stored.dtype.kind == 'f' else 1000.0)
    with np.errstate(over='ignore'):
        metres = np.divide(stored, unit, dtype=np.float64)
    return resolve(stored, metres, sky, keep_negative)


def resolve(
    stored: npt.NDArray[Any],
    metres: npt.NDArray[Any],
    sky: int | None = None,
    keep_negative: bool = False,
) -> FloatImage:
    """Return measured depth whose codes are resolved.

    Args:
        stored: Values of a container, integers or floats of any width, any shape.
        metres: The same values in metres, floats.
        sky: Stored value of sky, and of what is beyond the range; None: there is none.
        keep_negative: Keep other values below 0 than codes, for whoever refuses them.

    Returns:
        float32 metres. Known: as given. Unknown (NaN, -Inf, stored 0, -1, :data:`LARGEST_16` and
        the largest integer of the type, and values below 0): NaN. Beyond (+Inf, :data:`BEYOND_M`
        and more, a stored float of :data:`LARGEST_HALF`, and ``sky``): +Inf. Several values of
        :data:`BEYOND_M` and more stay in a map without a nearer one: it is in another unit.
    """
    # Half floats cannot be compared with numbers that they cannot hold.
    metres = metres.astype(np.promote_types(metres.dtype, np.float32), copy=False)
    with np.errstate(over='ignore'):
        values = stored.astype(np.float32) if stored.dtype.kind == 'f' else stored
    unknown = np.isnan(metres) | np.isneginf(metres) | (values == 0) | (values == LARGEST_16)
    if stored.dtype.kind != 'u':
        unknown |= values == -1
    beyond = metres >= BEYOND_M
    if stored.dtype.kind in 'iu':
        codes = no_depth(stored)
        unknown |= codes
        beyond &= ~codes
    if beyond.any() and not (metres[~beyond & ~unknown] > 0).any():
        far = metres[beyond & np.isfinite(metres)]
        if far.size and (far.min() < far.max() or _is_micrometres(float(far[0]))):
            beyond = np.isposinf(metres)
    if stored.dtype.kind == 'f':
        beyond |= values == np.float32(LARGEST_HALF)
    if sky is not None:
        beyond |= values == sky
    with np.errstate(over='ignore'):  # beyond float32 is beyond
        depth = metres.astype(np.float32)
    depth[unknown] = np.nan
    depth[beyond] = np.inf
    if not keep_negative:
        depth[depth < 0] = np.nan
    return depth


def no_depth(stored: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return where integers are no depth: 0, and the largest, which a cast of -1 or +Inf leaves.

    Args:
        stored: Integers of any width, measured or predicted.
    """
    codes: npt.NDArray[np.bool_] = (stored == 0) | (stored == np.iinfo(stored.dtype).max)
    return codes


def _is_micrometres(value: float) -> bool:
    """Return True for a flat plane in micrometres; codes for what is beyond are powers of ten."""
    return value <= BEYOND_M * PLAUSIBLE_M[1] and not math.log10(value).is_integer()


def unit_problem(depth: FloatImage, plausible_m: tuple[float, float] = PLAUSIBLE_M) -> str:
    """Return why a map seems to be in a wrong unit; empty if it does not.

    Args:
        depth: Depth, metres; NaN, infinity, 0 and less are ignored.
        plausible_m: Plausible range of the median, metres; with a lower limit of 0 and an infinite
            upper one, as of depth without a unit, nothing is checked.
    """
    low, high = plausible_m
    if not low and np.isinf(high):
        return ''
    known = depth[np.isfinite(depth) & (depth > 0)]
    if not known.size:
        return ''
    median = float(np.median(known))
    if not low <= median <= high:
        return f'the median depth is {median:.3g} m, expected {low:g} to {high:g} m'
    share = float((known > FAR_M).mean())
    if share > FAR_SHARE:
        return (
            f'{share:.0%} of the known depth is above {FAR_M:g} m, expected at most '
            f'{FAR_SHARE:.0%}, and +Inf for sky'
        )
    return ''
