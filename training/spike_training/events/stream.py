# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Events of one recording, checked: pixel, time and polarity of each."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from spike_training.errors import DataSetError

Numbers = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Events:
    """Events of a sensor, in the order of time.

    Attributes:
        x: Columns, ``[N]`` int32, from 0 to below ``width``.
        y: Rows, ``[N]`` int32, from 0 to below ``height``.
        times_s: Times, ``[N]`` float64 seconds, not decreasing.
        polarity: ``[N]`` int8: 1, it became brighter, or -1, darker.
        height: Rows of the sensor.
        width: Columns of the sensor.
    """

    x: npt.NDArray[np.int32]
    y: npt.NDArray[np.int32]
    times_s: npt.NDArray[np.float64]
    polarity: npt.NDArray[np.int8]
    height: int
    width: int

    def __len__(self) -> int:
        return len(self.times_s)

    def between(self, start_s: float, stop_s: float) -> Events:
        """Return the events from one time on up to another one, which is included.

        Args:
            start_s: First time, seconds.
            stop_s: Last time, seconds.
        """
        first = int(np.searchsorted(self.times_s, start_s, side='left'))
        last = int(np.searchsorted(self.times_s, stop_s, side='right'))
        part = slice(first, last)
        return dataclasses.replace(
            self,
            x=self.x[part],
            y=self.y[part],
            times_s=self.times_s[part],
            polarity=self.polarity[part],
        )


def checked_events(
    x: Numbers, y: Numbers, times_s: Numbers, polarity: Numbers, size: tuple[int, int], place: str
) -> Events:
    """Return events as they are stored by others, after all checks.

    Args:
        x: Columns, whole numbers of any type, ``[N]``.
        y: Rows likewise.
        times_s: Times, seconds.
        polarity: 0 and 1, -1 and 1, or bool; 0 is darker.
        size: Rows and columns of the sensor.
        place: What messages begin with, such as the file.

    Raises:
        DataSetError: Arrays of unequal length, pixels outside of the sensor or between pixels,
            times that are not finite or go back, or other polarities.
    """
    arrays = {'x': x, 'y': y, 't': times_s, 'p': polarity}
    shapes = {name: np.shape(one) for name, one in arrays.items()}
    if len({*shapes.values()}) > 1 or len(shapes['x']) != 1:
        given = ', '.join(f'{name} {list(shape)}' for name, shape in shapes.items())
        raise DataSetError(f'{place}: events of {given}: expected one length, a number each')
    for name, one in arrays.items():
        if np.asarray(one).dtype.kind not in 'iufb':
            raise DataSetError(f'{place}: {name} of events is no number: expected x, y, t, p')
    height, width = size
    columns, rows = (
        _pixels(one, limit, f'{place}: {name} of event')
        for name, one, limit in (('x', x, width), ('y', y, height))
    )
    times = np.asarray(times_s, np.float64)
    if not np.isfinite(times).all():
        first = int(np.flatnonzero(~np.isfinite(times))[0])
        raise DataSetError(f'{place}: t of event {first} is {times[first]}: expected seconds')
    back = np.flatnonzero(np.diff(times) < 0)
    if len(back):
        first = int(back[0])
        raise DataSetError(
            f'{place}: {len(back)} events are before the one in front of them, the first is event '
            f'{first + 1} by {times[first] - times[first + 1]:.3g} s: expected the order of time: '
            'sort them by t'
        )
    return Events(columns, rows, times, _signs(np.asarray(polarity), place), height, width)


def _pixels(given: Numbers, limit: int, what: str) -> npt.NDArray[np.int32]:
    """Return columns or rows as whole numbers."""
    numbers = np.asarray(given)
    inside = (numbers >= 0) & (numbers < limit) & (numbers == np.floor(numbers))
    if not inside.all():
        first = int(np.flatnonzero(~inside)[0])
        raise DataSetError(
            f'{what} {first} is {numbers[first]:g}: expected whole numbers from 0 to {limit - 1}: '
            'is the sensor of another size, or are x and y exchanged?'
        )
    return numbers.astype(np.int32)


def _signs(given: Numbers, place: str) -> npt.NDArray[np.int8]:
    """Return polarities as 1 and -1."""
    values = {*np.unique(given).tolist()}
    if not (values <= {0, 1} or values <= {-1, 1}):
        raise DataSetError(
            f'{place}: polarities of events are {sorted(values)[:5]}: expected 0 and 1, or -1 '
            'and 1'
        )
    return np.where(given > 0, 1, -1).astype(np.int8)
