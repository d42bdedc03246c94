# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stated layout of raw planes, compared with their bytes: what repeats shows how it is.

Planes are alike. The correlation of bytes a plane apart is high for the length that planes have,
and nearly 0 for another one; that of layouts that writers are known to use is compared with it.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spike_depth_ros.io.vidar import RawLayout, TruncatedError
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry, PackedPlanes
from spike_depth_ros.stream.health import (
    LAYOUT_BYTES,
    PLANE_SHARE,
    ROW_MARGIN,
    find_row_bytes,
    plane_correlation,
    plane_layout,
)

Bytes = npt.NDArray[np.uint8]

CLEAR_REPEAT = 0.005
"""Least correlation of planes of a layout that is suggested; of a right one it is above in light.

In scenes of 0.03 spikes per pixel and plane it is 0.006 to 0.07, in brighter ones 0.06 to 0.4. At
lengths that planes do not have it is at most 0.006 and, of spikes that fire all at once, 0.02.
"""

CLEAR_SHARE = 0.25
"""Correlation at the stated length, as a share of that of another layout, below which it is wrong.

It is at most 0.05 where the stated layout is wrong, and 0.6 or more where it is right.
"""

HEAD_COLUMNS = (8, 16, 24, 32)
"""Numbers of columns that writers leave at the left of rows, of 416 columns for 400 pixels 16."""

REGULAR, IRREGULAR = 0.7, 0.85
"""Spread of the spikes in a run, as a share of that of spikes at random: over time; over pixels.

A pixel that integrates fires in even steps: 0.05 to 0.5 over time. Pixels beside each other fire
independently: 0.9 or more over rows and columns; less only where all of them start charged alike.
"""

_ROWS_RIGHT = 0.02  # correlation of planes, above that of wrong lengths
_ALIKE = 0.7  # correlation of columns of bytes beside each other, in a picture that shows it
_PARTS = 4
_MAX_SAMPLE = 1 << 22  # bytes, of 32 planes
_SERIES_BYTES = 1 << 17
_REPEATED = 128  # consecutive planes; in more, the picture moves
_RECOVERY = 16  # consecutive planes, in which a pixel that fired in dim light fires no more
_RUNS, _CHANCE = 4, 4.0  # of such planes, at least; standard errors that are chance
_ROWS = 4096  # of a file, spread, whose padding is read
_COMPARED_PLANES = 32  # by which two heights are compared
_MIN_ROWS = 8  # of a plane
_MAX_MARGIN = 256  # bytes, of planes of 512 rows
_RUN = 32  # spikes of a pixel that are counted together
_BLOCK = (512, 64, 256)  # planes, rows, columns of which they are counted
_BITS_SET = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(
    axis=1, dtype=np.float32
)


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """Layout that bytes clearly have in place of the stated one.

    Attributes:
        reason: What the bytes show.
        layout: The likely layout.
        options: Options of commands that state it, by name.
    """

    reason: str
    layout: RawLayout
    options: Mapping[str, str]

    @property
    def flags(self) -> list[str]:
        """The options as commands take them."""
        return [f'--{name.replace("_", "-")} {value}' for name, value in self.options.items()]

    def __str__(self) -> str:
        return f'{self.reason}: try {" ".join(self.flags)}'


def check_files(files: Sequence[Path], layout: RawLayout) -> Suggestion | None:
    """Compare the stated layout of raw files of one sensor with parts of all of them.

    Args:
        files: The files.
        layout: The stated layout.

    Returns:
        What they clearly have instead; None: it fits, or there is too little structure to know.

    Raises:
        OSError: A file cannot be read.
        TruncatedError: One has become shorter meanwhile.
    """
    stored = {file: size for file in files if (size := file.stat().st_size)}
    parts = _sample(stored, layout)
    first = next(iter(stored), None)
    if first is not None and _is_series(first, stored[first], layout):
        reason = f'spikes are those of pixel after pixel, not of plane after plane of {layout}'
        return Suggestion(reason, layout, {'axes': 'hwt'})
    found = check_parts(parts, layout, [*stored.values()])
    if found is None or found.layout.padding == 0 or _are_padded(stored, found.layout):
        return found
    return _of_size(
        found.layout.columns + 8 * found.layout.padding, layout.geometry.height, layout
    )


def check_parts(
    parts: Sequence[Bytes], layout: RawLayout, sizes: Sequence[int] = ()
) -> Suggestion | None:
    """Compare the stated layout of raw planes with their bytes.

    Args:
        parts: Consecutive bytes as they are stored; the first ones begin with a plane.
        layout: The stated layout.
        sizes: Bytes of the files that they are of, of which each has whole planes.

    Returns:
        As :func:`check_files`; of padding that its bytes must still show.
    """
    row = layout.row_bytes or -(-layout.columns // 8)
    other = find_row_bytes(parts, row, layout.plane_bytes)
    found = _known_layout(parts, layout, other)
    if found is not None:
        return found
    if layout.row_bytes is None:  # rows of other lengths are none of whole bytes, either
        return None
    if other is not None:
        rows = _fit_rows(sizes, parts, other, layout)
        of_size = _of_size(8 * other, rows, layout)
        for one in _alternatives(layout):
            if (one.row_bytes, one.geometry.height) != (other, rows):
                continue
            head = one.skip_columns < layout.skip_columns or _starts_with_head(parts[0], one)
            if head:
                return _of_layout(one, layout)
            if head is None:
                also = f'{one.skip_columns} columns at the left of rows that are no pixels'
                given = f'if there are {also}, try --skip-columns {one.skip_columns}'
                of_size = dataclasses.replace(of_size, reason=f'{of_size.reason} ({given})')
        if rows == layout.geometry.height and other > row and not layout.skip_columns:
            padded = dataclasses.replace(layout, padding=layout.padding + other - row)
            return dataclasses.replace(of_size, layout=padded)
        return _of_whole(parts[0], layout) or of_size
    size = _other_size(parts[0], layout) if parts else None
    return None if size is None else _of_whole(parts[0], layout) or _of_size(*size, layout)


def axes_fit(planes: PackedPlanes, geometry: Geometry) -> bool | None:
    """Check which axis of planes is time, by how evenly its spikes are spread.

    Args:
        planes: ``[planes, height, row_bytes]``.
        geometry: Sensor size and bit order.

    Returns:
        True: the first one; False: the last one, the columns; None: undetermined.
    """
    spreads = _spreads(planes, geometry)
    if spreads is None:
        return None
    over_planes, over_rows, over_columns = spreads
    if over_columns < REGULAR and min(over_planes, over_rows) > IRREGULAR:
        return False
    return True if over_planes < REGULAR and over_columns > IRREGULAR else None


def likely_size(path: Path) -> str:
    """Return what the bytes of a raw file tell of its sensor size; empty: nothing."""
    size = find_size(np.fromfile(path, np.uint8, LAYOUT_BYTES))
    if size is None:
        return ''
    columns, rows, whole = size
    text = f' (its bytes repeat as in planes of {columns}x{rows}'
    return (
        f'{text}, rows not padded: --size {columns}x{rows} --packing whole)'
        if whole
        else f'{text})'
    )


def rest_problem(path: Path, layout: RawLayout) -> str:
    """Return what to do about a raw file that is no whole number of planes.

    Args:
        path: The file.
        layout: The stated layout.
    """
    found = check_files([path], layout)
    if found is not None:
        return f'; check the sensor size, its {found}'
    head = path.stat().st_size % layout.plane_bytes
    behind = _begins_behind(path, layout, head)
    if behind:
        return f': its planes begin behind a head of {head} bytes: {_cut_off(path, head)}'
    hint = likely_size(path)
    part = np.fromfile(path, np.uint8, max(LAYOUT_BYTES, 8 * layout.plane_bytes))
    if hint and _repeat([part], layout.plane_bytes) < CLEAR_REPEAT:
        return f'; check the sensor size, its planes are others{hint}'
    text = (
        '; check the sensor size, or leave out the last plane (--allow-partial) if the recording '
        'was cut short'
    )
    if behind is None:
        text += f'; or, if the file begins with a head of {head} bytes, {_cut_off(path, head)}'
    return text


def head_problem(path: Path, layout: RawLayout) -> str:
    """Return what to do about bytes before the planes of a raw file; empty: there are none.

    Args:
        path: The file, of which a part of a plane is left over: at the end, or before the planes.
        layout: Its layout.
    """
    each = layout.plane_bytes
    head = path.stat().st_size % each
    if head and _begins_behind(path, layout, head):
        return f'its planes begin behind a head of {head} bytes: {_cut_off(path, head)}'
    return ''


def _cut_off(path: Path, head: int) -> str:
    return f'cut it off, for example by tail -c +{head + 1} {shlex.quote(str(path))} > planes.dat'


def _begins_behind(path: Path, layout: RawLayout, head: int) -> bool | None:
    """Return True if planes begin at a byte of a file, False: at its beginning, None: unknown."""
    each, row = layout.plane_bytes, layout.row_bytes or -(-layout.columns // 8)
    part = np.fromfile(path, np.uint8, max(LAYOUT_BYTES, 16 * each))
    if len(part) < 5 * each or _repeat([part], each) < _ROWS_RIGHT:
        return None
    halves = _halves(part, each)

    def steps(distance: int, start: int) -> npt.NDArray[np.float64]:
        """Squared steps to the bytes before those of a row at a start: of two means, no noise."""
        both = [np.roll(half - np.roll(half, distance), -start) for half in halves]
        product: npt.NDArray[np.float64] = np.multiply(*both)
        return product[: each // row * row].reshape(-1, row)

    # From plane to plane; and from row to row, but where rows begin at the same bytes either way.
    down = steps(row, 0).mean(axis=1)
    pairs = [(steps(row, head)[0].mean(), steps(row, 0)[0].mean(), np.median(down))]
    if head % row and layout.row_bytes is not None:
        across = steps(1, 0).mean(axis=0)
        pairs.append((across[head % row], across[0], np.median(across)))
    behind = [found > 2 * max(stated, usual, 0.0) for found, stated, usual in pairs]
    first = [stated > 2 * max(found, usual, 0.0) for found, stated, usual in pairs]
    # One of them is enough where the other does not contradict.
    if any(behind) and all(found > stated for found, stated, _ in pairs):
        return True
    return False if any(first) and all(found < stated for found, stated, _ in pairs) else None


def find_size(data: Bytes) -> tuple[int, int, bool] | None:
    """Find the size of raw planes by their bytes.

    Args:
        data: Consecutive bytes as they are stored.

    Returns:
        Columns, rows, and True if rows are not padded to whole bytes; None: undetermined.
    """
    estimate = plane_layout(data[:LAYOUT_BYTES])
    if estimate is None:
        return None
    row, rows = estimate
    bits, best, length = _BITS_SET[data], 0.0, 0
    # The estimate may be one of several planes, and be wrong by some rows.
    for planes in range(1, 9):
        middle = row * rows / planes
        if middle < row * _MIN_ROWS or (rows % planes and rows / planes < 32):
            break
        # Of rows that end within a byte, up to half a byte a row.
        margin = row + min(math.ceil(rows / planes / 2), _MAX_MARGIN)
        for one in range(round(middle) - margin, round(middle) + margin + 1):
            few = bits[: _COMPARED_PLANES * one]
            repeat = _pairs(few, one)
            # Several planes repeat as well as one, in the same time.
            if repeat > (0.9 * _pairs(few, length) if length > 1.5 * one else best):
                best, length = repeat, one
    if best < CLEAR_REPEAT:
        return None
    if length % row == 0:
        return 8 * row, length // row, False
    fitting = [
        columns
        for columns in range(8 * row - 7, 8 * row + 8)
        if columns % 8 and 8 * length % columns < 8
    ]
    if len(fitting) != 1:
        return None
    return fitting[0], 8 * length // fitting[0], True


def _known_layout(
    parts: Sequence[Bytes], layout: RawLayout, row_bytes: int | None
) -> Suggestion | None:
    """Return the layout of other writers that planes clearly have; None: they have none.

    Args:
        parts: Consecutive bytes as they are stored.
        layout: The stated layout.
        row_bytes: Row length by the rows, about; None: not known.
    """
    parts = parts[::2]  # long ones: in few planes, a picture of large areas fits other lengths
    able = [
        one
        for one in _alternatives(layout)
        if row_bytes is None or _is_about(8 * row_bytes, one.columns)
    ]
    stated = _repeat(parts, layout.plane_bytes)
    best = _clearest({one: _repeat(parts, one.plane_bytes) for one in able}, stated)
    if best is None:  # in dim light of little contrast, by what a pixel that fired does next
        near = {one: _dependence(parts, one.plane_bytes) for one in able}
        # Of what moves fast, planes of the right length are alike in a short time alone.
        stated = max(stated, abs(_dependence(parts, layout.plane_bytes)[0]))
        best = _clearest({one: -mean - chance for one, (mean, chance) in near.items()}, stated)
    if best is None:
        return None
    more = best.skip_columns - layout.skip_columns
    if more > 0 and not _starts_with_head(parts[0], best):
        return None  # padded at the right, or of a wider sensor
    return _of_layout(best, layout)


def _clearest(found: Mapping[RawLayout, float], stated: float) -> RawLayout | None:
    """Return the layout that planes clearly have in place of the stated one; None: they have none.

    Args:
        found: How much bytes whole planes apart depend on each other, of other layouts.
        stated: That of the stated layout.
    """
    best = max(found, key=found.__getitem__, default=None)
    if best is None or found[best] < CLEAR_REPEAT or stated > CLEAR_SHARE * found[best]:
        return None
    rest = [one for other, one in found.items() if other != best]
    # Else it is light that flickers, or a texture: many lengths repeat.
    return best if not rest or found[best] >= 2 * np.median(rest) else None


def _is_about(bits: int, columns: int) -> bool:
    """Return True for the length of a row, or of some rows that together are whole bytes."""
    rows = max(1, round(bits / columns))
    return rows in (1, 2, 4, 8) and abs(bits - rows * columns) < 8


def _of_layout(found: RawLayout, layout: RawLayout) -> Suggestion:
    """Return the suggestion of another layout of the stated size."""
    options = {
        name: str(getattr(found, name))
        for name in ('packing', 'skip_columns')
        if getattr(found, name) != getattr(layout, name)
    }
    return Suggestion(f'bytes repeat as in planes of {found}, not of {layout}', found, options)


def _alternatives(layout: RawLayout) -> Iterator[RawLayout]:
    """Yield the layouts that known writers use for a sensor, the likeliest of a length first."""
    lengths = {layout.plane_bytes}
    for skip in dict.fromkeys((layout.skip_columns, 0, *HEAD_COLUMNS)):
        for kind in dict.fromkeys((layout.packing, 'rows', 'whole')):
            one = dataclasses.replace(layout, packing=kind, skip_columns=skip, padding=0)
            if one.plane_bytes not in lengths:
                lengths.add(one.plane_bytes)
                yield one


def _of_size(columns: int, rows: int | None, layout: RawLayout) -> Suggestion:
    """Return the suggestion of another sensor size; rows may not be known."""
    size = f'{columns}x{rows or "HEIGHT"}'
    geometry = dataclasses.replace(layout.geometry, width=columns, height=rows or 1)
    return Suggestion(
        f'bytes repeat as in planes of {size} pixels, not {layout}',
        RawLayout(geometry, layout.row_order),
        {'size': size},
    )


def _of_whole(part: Bytes, layout: RawLayout) -> Suggestion | None:
    """Return the suggestion of another size whose rows are not padded; None: they are."""
    found = find_size(part[:LAYOUT_BYTES])
    if found is None or not found[2]:
        return None
    size = _of_size(found[0], found[1], layout)
    other = dataclasses.replace(size.layout, packing='whole')
    return Suggestion(size.reason, other, {**size.options, 'packing': 'whole'})


def _halves(part: Bytes, plane_bytes: int) -> list[npt.NDArray[np.float32]]:
    """Return the mean spikes of each byte of a plane, in either half of the planes, by chance.

    Products of both have the picture's squares, without those of noise.
    """
    planes = min(len(part) // plane_bytes, _REPEATED)
    bits = _BITS_SET[part[: planes * plane_bytes]].reshape(planes, plane_bytes)
    chosen = np.random.default_rng(0).permutation(planes)
    return [bits[chosen[first::2]].mean(axis=0) for first in (0, 1)]


def _starts_with_head(part: Bytes, layout: RawLayout) -> bool | None:
    """Return True if the skipped columns do not go on into the picture beside them; None: unknown.

    Args:
        part: Consecutive bytes as they are stored, which begin with a plane.
        layout: A layout with skipped columns.
    """
    row, head = layout.row_bytes, -(-layout.skip_columns // 8)
    if row is None:
        return True
    if len(part) < 4 * layout.plane_bytes or row < 2 * head + 4:
        return None
    rows = part[: len(part) // row * row].reshape(-1, row)
    constant = [len(np.unique(some)) == 1 for some in (rows[:, :head], rows[:, -head:])]
    if constant[0] != constant[1]:  # padded at the right, or filled at the left
        return constant[0]
    one, two = (half.reshape(-1, row) for half in _halves(part, layout.plane_bytes))
    one, two = one - one.mean(axis=0), two - two.mean(axis=0)
    spread = np.sqrt(np.maximum((one * two).mean(axis=0), 0))
    beside = (one[:, :-1] * two[:, 1:] + two[:, :-1] * one[:, 1:]).mean(axis=0) / 2
    alike = beside / np.maximum(spread[:-1] * spread[1:], 1e-6)
    left, right = float(alike[head - 1]), float(alike[row - head - 1])
    inner = float(np.median(alike[head : row - head - 1]))
    if inner < _ALIKE:
        return None
    return (
        True if left < 0.5 * inner and left <= right else (False if left > 0.8 * inner else None)
    )


def _spread(block: npt.NDArray[np.uint8], axis: int) -> float:
    """Return how unevenly spikes lie along an axis: 1 at random, less in even steps."""
    # Of fewer than two spikes in a run, even steps look much as chance.
    share = max(float(block.mean()), 1e-3)
    run = min(max(_RUN, math.ceil(2 / share)), block.shape[axis] // 2)
    if run < 1:  # nothing to compare
        return 1.0
    length = block.shape[axis] // run * run
    along = np.moveaxis(block, axis, 0)[:length]
    sums = along.reshape(-1, run, *along.shape[1:]).sum(axis=1, dtype=np.float32)
    rate = (sums[1:] + sums[:-1]) / (2 * run)
    expected = float((rate * (1 - rate)).mean()) * 4 * run * run / (2 * run - 1)
    found = float(np.square(np.diff(sums, axis=0)).mean())
    return found / expected if expected > 1e-6 else 1.0


def _spreads(planes: PackedPlanes, geometry: Geometry) -> list[float] | None:
    """Return how unevenly spikes lie over planes, rows and columns; None: too few of one."""
    shape = (len(planes), geometry.height, geometry.width)
    if min(shape) < 16:
        return None
    chosen = [
        slice((length - min(length, most)) // 2, (length + min(length, most)) // 2)
        for length, most in zip(shape, _BLOCK, strict=True)
    ]
    few = np.ascontiguousarray(planes[chosen[0]][:, chosen[1]])
    block = packing.unpack(few, geometry.width, geometry.bit_order)[:, :, chosen[2]]
    return [_spread(block, axis) for axis in range(3)]


def _is_series(file: Path, size: int, layout: RawLayout) -> bool:
    """Return True if the bits of each pixel clearly follow each other, of all planes of a file."""
    planes, rest = divmod(8 * size, layout.geometry.height * layout.columns)
    if rest > 7 or planes < 2 * _RUN:
        return False
    data = _read(file, [0], min(size, max(_SERIES_BYTES, 16 * planes)))[0]
    bits = np.unpackbits(data, bitorder=layout.geometry.bit_order)
    block = bits[: len(bits) // planes * planes].reshape(-1, planes)
    if _spread(block, 1) > REGULAR or _spread(block, 0) < IRREGULAR:
        return False
    whole = _read(file, [0], min(size, LAYOUT_BYTES) // layout.plane_bytes * layout.plane_bytes)[0]
    spreads = _spreads(layout.planes(whole), layout.geometry) if len(whole) else None
    # Pixels that start charged alike fire evenly over columns, too: planes decide.
    return spreads is None or spreads[0] > REGULAR


def _sample(stored: Mapping[Path, int], layout: RawLayout) -> list[Bytes]:
    """Return parts of files, by their sizes, spread over all of them."""
    files, sizes = [*stored], [*stored.values()]
    ends = [0, *itertools.accumulate(sizes)]
    wanted = max(LAYOUT_BYTES, min(32 * layout.plane_bytes, _MAX_SAMPLE), 8 * layout.plane_bytes)
    parts = []
    for place in np.linspace(0, ends[-1] - 1, _PARTS).astype(int).tolist() if stored else ():
        number = int(np.searchsorted(ends, place, 'right')) - 1
        start = min(place - ends[number], max(0, sizes[number] - wanted))
        parts.append(_read(files[number], [start], min(wanted, sizes[number] - start))[0])
    return parts


def _read(file: Path, starts: Sequence[int], size: int) -> Bytes:
    """Read parts of a file, ``[starts, size]``; a mapped one that is cut would end the process."""
    with file.open('rb') as stream:
        parts = [(stream.seek(start), stream.read(size))[1] for start in starts]
    if any(len(part) < size for part in parts):
        raise TruncatedError(f'{file}: was cut while it was read: copy or record it again')
    return np.frombuffer(b''.join(parts), np.uint8).reshape(len(parts), size)


def _fit_rows(
    sizes: Sequence[int], parts: Sequence[Bytes], row_bytes: int, layout: RawLayout
) -> int | None:
    """Return the number of rows of a plane by which the bytes repeat best; None: unknown."""
    height = layout.geometry.height
    candidates = {height, layout.plane_bytes // row_bytes}
    for part in parts:
        found = plane_layout(part[:LAYOUT_BYTES])
        if found is not None and found[0] == row_bytes:
            candidates.add(found[1])
    # In small planes the estimate may be wrong by one row; a row more or less repeats less well.
    near = {rows + more for rows in candidates for more in (-2, -1, 0, 1, 2) if rows + more > 0}
    repeats = {rows: plane_correlation(parts, rows * row_bytes) for rows in near}
    fitting = {
        rows: repeats[rows]
        for rows in near
        if repeats[rows] > max(repeats.get(rows - 1, 0), repeats.get(rows + 1, 0), ROW_MARGIN)
        and not any(size % (rows * row_bytes) for size in sizes)
    }
    if not fitting:
        return None
    best = max(fitting, key=fitting.__getitem__)
    # Some planes together repeat as well as one.
    stated = fitting.get(height, 0.0)
    return height if stated >= PLANE_SHARE * fitting[best] else best


def _are_padded(stored: Mapping[Path, int], layout: RawLayout) -> bool:
    """Return True if the bytes behind those of the stated width all have one value."""
    row = layout.row_bytes
    assert row is not None
    values: set[int] = set()
    for file, size in stored.items():
        rows = size // row
        chosen = np.linspace(0, rows - 1, min(rows, _ROWS)).astype(int)
        found = _read(file, (row * chosen).tolist(), row)
        values |= set(np.unique(found[:, row - layout.padding :]).tolist())
    return len(values) == 1


def _other_size(data: Bytes, layout: RawLayout) -> tuple[int, int] | None:
    """Return the size of other rows of the stated length by which bytes repeat; None: it fits."""
    estimate, height = plane_layout(data[:LAYOUT_BYTES]), layout.geometry.height
    if estimate is None or estimate[0] != layout.row_bytes or estimate[1] < _MIN_ROWS:
        return None
    row, rows = estimate
    # Of small planes the estimate may be wrong by one row, and it may be of several planes: pixels
    # that fire in even steps repeat best after one step.
    planes = max(1, round(rows / height))
    if abs(rows - planes * height) < 2 and planes != 2:
        return None
    # Of few planes, in which a fast picture hardly moves, and as many bytes of either size.
    few = [data[: _COMPARED_PLANES * max(row * rows, layout.plane_bytes)]]
    other, stated = (plane_correlation(few, row * one) for one in (rows, height))
    if stated > PLANE_SHARE * other or _repeat(few, row * height) > _repeat(few, row * rows):
        return None
    near = [abs(_dependence([data], row * one)[0]) for one in (height, rows)]
    if rows > height and near[0] > near[1] + CLEAR_REPEAT:
        return None
    return 8 * row, rows


def _repeat(parts: Sequence[Bytes], plane_bytes: int) -> float:
    """Compute the correlation of bytes whole planes apart, of all pairs of planes.

    Unlike :func:`.plane_correlation` it does not depend on pixels that fire in every second plane.
    It is nearly as high where rows are right and planes are not.
    """
    few = [part[: _REPEATED * plane_bytes] for part in parts if len(part) >= 4 * plane_bytes]
    return float(np.mean([_pairs(_BITS_SET[part], plane_bytes) for part in few])) if few else 0.0


def _dependence(parts: Sequence[Bytes], plane_bytes: int) -> tuple[float, float]:
    """Compute the correlation of bytes some planes apart, and how far chance may move it.

    In dim light it shows the length of planes that pictures of little contrast do not: it is below
    0, as a pixel that fired has to integrate first.
    """
    size = _RECOVERY * plane_bytes
    found = [
        _pairs(_BITS_SET[part[start : start + size]], plane_bytes)
        for part in parts
        for start in range(0, len(part) - size + 1, size)
    ]
    mean = float(np.mean(found)) if found else 0.0
    if len(found) < _RUNS:
        return mean, math.inf
    return mean, _CHANCE * float(np.std(found)) / math.sqrt(len(found))


def _pairs(bits: npt.NDArray[np.float32], plane_bytes: int) -> float:
    """Compute it of the spikes of each byte."""
    planes = len(bits) // plane_bytes
    if planes < 4:
        return 0.0
    stack = bits[: planes * plane_bytes].reshape(planes, plane_bytes)
    means = stack.mean(axis=1)
    # Squares of the sum of planes less those of single planes: what is left is of pairs.
    single = float(np.vdot(stack, stack)) - plane_bytes * float(np.vdot(means, means))
    total = stack.sum(axis=0) - means.sum()
    pairs = (float(np.vdot(total, total)) - single) / (planes - 1)
    variance = single + plane_bytes * planes * float(means.var())
    return pairs / variance if variance > 0.0 else 0.0
