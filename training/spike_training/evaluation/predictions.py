# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Third-party depth maps, read from a folder and scored like the outputs of our networks.

Formats, names and rules: docs/reference/third_party_maps.md.
"""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base.errors import shorten
from spike_depth_ros.evaluation.metrics import FloatArray
from spike_depth_ros.geometry.depth_values import (
    BEYOND_M,
    FAR_M,
    FAR_SHARE,
    LARGEST_HALF,
    PLAUSIBLE_M,
    no_depth,
)
from spike_depth_ros.io.arrays import StoredDepth, decode_png, open_picture
from spike_depth_ros.io.recording import read_header
from spike_training.errors import ConfigError, DataSetError
from spike_training.evaluation.predictors import DepthRange, Estimate, Predictor
from spike_training.sampling.sample import Batch

SHOWN = 5
"""Largest number of names that a message lists."""

MAX_PIXEL_BYTES = 16
"""Largest size of a stored value, bytes: that of a long double."""

MAX_REST_BYTES = 1 << 20
"""Largest size of what a file holds beside its arrays (headers, texts), bytes."""


class MapError(ValueError):
    """Error of a depth map that cannot be used; the message does not name the file."""


def sample_name(part: str, number: int) -> str:
    """Return the name of a sample's files, without suffix.

    Args:
        part: Set of samples: ``source_indoor``, ``target_road``, or the name of a data set.
        number: Number of the sample in the set.
    """
    return f'{part}_{number:06d}'


class Predictions:
    """Depth maps of a folder, one file for each sample.

    Maps that are missing or cannot be used count as missing predictions (NaN), so that the
    metrics report an incomplete coverage.

    Args:
        folder: Folder with ``NAME.npy``, ``.npz`` or ``.png``.
        per_metre: Stored value of one metre in maps of integers; None: maps of integers are
            refused.

    Attributes:
        used: Names of the maps that could be used.
        missing: Names of the samples without a map.
        refused: Names of the samples whose map cannot be used, by reason.
        holes: Share of pixels without a prediction by name, for the maps that have such pixels.
        near: Names of the maps whose median depth is below that of any scene, which are scored.
        far: Names of the maps of which more than ``FAR_SHARE`` is above ``FAR_M``, likewise.

    Raises:
        ConfigError: No folder, or two files for one name.
    """

    def __init__(self, folder: Path, per_metre: float | None = None) -> None:
        if not folder.is_dir():
            raise ConfigError(f'predictions is {folder}: expected a folder of depth maps')
        self.folder, self._per_metre = folder, per_metre
        self._files: dict[str, Path] = {}
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() not in READERS or not path.is_file():
                continue
            if path.stem in self._files:
                raise ConfigError(
                    f'{path} and {self._files[path.stem].name} are of one sample: expected one'
                )
            self._files[path.stem] = path
        self.used: list[str] = []
        self.missing: list[str] = []
        self.refused: dict[str, list[str]] = {}
        self.holes: dict[str, float] = {}
        self.near: list[str] = []
        self.far: list[str] = []
        self._digest = hashlib.sha256()

    def of(self, part: str, limits: DepthRange) -> Predictor:
        """Return the predictor of a set of samples.

        Args:
            part: Set of samples, see :func:`sample_name`.
            limits: Range with the canonical focal length, to which depth is converted.
        """

        def predictor(batch: Batch) -> Estimate:
            height, width = batch.depth.shape[2:]
            numbers, fxs = batch.index.tolist(), batch.fx.tolist()
            relatives = [False] * len(fxs) if batch.relative is None else batch.relative.tolist()
            pairs = [
                self._canonical(sample_name(part, number), (height, width), fx, relative, limits)
                for number, fx, relative in zip(numbers, fxs, relatives, strict=True)
            ]
            depths, half_widths = zip(*pairs, strict=True)
            return Estimate(np.stack(depths), np.stack(half_widths))

        return predictor

    def report(self) -> dict[str, Any]:
        """Report used, missing and refused maps, for JSON. Call it after all samples are scored.

        Raises:
            DataSetError: No map could be used; the message gives a reason.
        """
        asked = {*self.used, *self.missing, *(n for names in self.refused.values() for n in names)}
        if not self.used:
            why = next(
                (f'{names[0]}: {reason}' for reason, names in self.refused.items()),
                f'there is no {self.missing[0]}.npy, .npz or .png'
                if self.missing
                else 'no samples',
            )
            raise DataSetError(
                f'{self.folder}: none of {len(asked)} depth maps can be used; {why}. Samples '
                'and their names are written by evaluate --inputs_only true'
            )
        return {
            'maps': len(asked),
            'used': len(self.used),
            'missing': self.missing,
            'refused': self.refused,
            'extra': sorted(self._files.keys() - asked),
            'holes': self.holes,
            'near': self.near,
            'far': self.far,
            'sha256': self._digest.hexdigest(),
        }

    def _canonical(
        self,
        name: str,
        size: tuple[int, int],
        fx: float,
        relative: bool,
        limits: DepthRange,
    ) -> tuple[FloatArray, FloatArray]:
        """Return depth and half-width at the canonical focal length; NaN where there are none."""
        nothing = np.full(size, np.nan, np.float32)
        path = self._files.get(name)
        if path is None:
            self.missing.append(name)
            return nothing, nothing
        try:
            content = _bounded(path, size)
            depth, half_width = self._read(path.suffix, content, size)
            if not relative:
                self._check_unit(name, depth, limits.max_depth * fx / limits.canonical_fx)
        except (OSError, ValueError) as error:
            reason = (isinstance(error, OSError) and error.strerror) or str(error)
            self.refused.setdefault(reason, []).append(name)
            return nothing, nothing
        self._digest.update(name.encode() + b'\0' + content)
        self.used.append(name)
        if (holes := float(np.isnan(depth).mean())) > 0:
            self.holes[name] = round(holes, 6)
        scale = limits.canonical_fx / fx
        return depth * scale, nothing if half_width is None else half_width * scale

    def _read(
        self, suffix: str, content: bytes, size: tuple[int, int]
    ) -> tuple[FloatArray, FloatArray | None]:
        """Read depth and, if there is one, uncertainty from a file, metres."""
        file = io.BytesIO(content)
        try:
            maps = READERS[suffix.lower()](file, size)
        except MapError:
            raise
        except Exception as error:  # of damaged files, many kinds; their texts name files
            raise ValueError(f'cannot be read: {type(error).__name__}') from error
        metres = {name: self._metres(name, *stored) for name, stored in maps.items()}
        return metres['depth'], metres.get('uncertainty')

    def _check_unit(self, name: str, depth: FloatArray, farthest_m: float) -> None:
        """Refuse millimetres as metres; note a map whose unit may be another one.

        A bad network may predict anything within its range, and 0 everywhere.
        """
        known = depth[np.isfinite(depth) & (depth > 0) & (depth != LARGEST_HALF)]
        if not known.size:
            return
        median, high = float(np.median(known)), max(PLAUSIBLE_M[1], farthest_m)
        if median > high:
            raise MapError(
                f'median depth above {high:.4g} m, expected metres as floats, or integers and '
                'per_metre: is the unit right?'
            )
        if median < PLAUSIBLE_M[0]:
            self.near.append(name)
        # 1 / 0 and such codes are the far limit, not another unit.
        if ((known > FAR_M) & (known < BEYOND_M)).mean() > FAR_SHARE:
            self.far.append(name)

    def _metres(self, name: str, stored: npt.NDArray[Any], sky: int | None) -> FloatArray:
        if stored.dtype.kind == 'f':
            return stored.astype(np.float64)
        if stored.dtype.kind != 'u' or stored.dtype.itemsize < 2:
            raise ValueError(
                f'{name} of {stored.dtype}, expected floats in metres, or uint16 and per_metre'
            )
        if self._per_metre is None:
            raise ValueError(
                f'{name} of {stored.dtype} without a unit: give per_metre, 1000 for millimetres'
            )
        metres: FloatArray = stored / self._per_metre
        metres[no_depth(stored)] = np.nan
        if sky is not None:
            metres[stored == sky] = np.inf
        return metres


def warn(found: Mapping[str, Any]) -> None:
    """Print the problems of predictions on standard error.

    Args:
        found: Report of :meth:`Predictions.report`.
    """
    lists: dict[str, Sequence[str]] = {
        'maps are missing': found['missing'],
        'files belong to no sample and were left alone': found['extra'],
        'maps have pixels without a prediction': [*found['holes']],
        f'maps have a median depth below {PLAUSIBLE_M[0]:g} m (is the unit right?)': found['near'],
        f'maps have more than {FAR_SHARE:.0%} of their pixels above {FAR_M:g} m, which count as '
        'the far limit (is the unit right?)': found['far'],
    }
    for reason, names in found['refused'].items():
        lists[f'maps cannot be used ({reason})'] = names
    for what, names in lists.items():
        if names:
            more = ', ...' if len(names) > SHOWN else ''
            text = f'{len(names)} {what}: {", ".join(names[:SHOWN])}{more}'
            print(f'warning: {text}', file=sys.stderr)


def _bounded(path: Path, size: tuple[int, int]) -> bytes:
    """Return the contents of a file that is no larger than two arrays of a size."""
    most = 2 * MAX_PIXEL_BYTES * size[0] * size[1] + MAX_REST_BYTES
    with path.open('rb') as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise MapError(f'file of more than {most} bytes, expected one map of {list(size)}')
    return content


def _check_shape(name: str, shape: tuple[int, ...], size: tuple[int, int]) -> None:
    if shape != size:
        raise MapError(f'{name} of shape {list(shape)}, expected {list(size)}')


def _array(file: IO[bytes], name: str, size: tuple[int, int]) -> StoredDepth:
    """Read an array in .npy format, if its header declares the expected size."""
    shape, data_bytes = read_header(file)
    _check_shape(name, shape, size)
    if data_bytes > MAX_PIXEL_BYTES * size[0] * size[1]:
        raise MapError(f'{name} of {data_bytes} bytes, expected floats in metres')
    file.seek(0)
    npy: Any = np.lib.format
    return StoredDepth(npy.read_array(file, allow_pickle=False))


def _npy(file: IO[bytes], size: tuple[int, int]) -> dict[str, StoredDepth]:
    return {'depth': _array(file, 'depth', size)}


def _npz(file: IO[bytes], size: tuple[int, int]) -> dict[str, StoredDepth]:
    most = MAX_PIXEL_BYTES * size[0] * size[1] + MAX_REST_BYTES
    arrays = {}
    with zipfile.ZipFile(file) as archive:
        members = {one.filename.removesuffix('.npy'): one for one in archive.infolist()}
        if 'depth' not in members or members.keys() - {'depth', 'uncertainty'}:
            raise MapError(
                f'arrays {shorten(", ".join(members)) or "none"}, expected depth and, if there '
                'is one, uncertainty'
            )
        for name, member in members.items():
            # zipfile expands no more than the declared size.
            if member.file_size > most:
                raise MapError(
                    f'{name} expands to {member.file_size} bytes, expected one map of {list(size)}'
                )
            with archive.open(member) as opened:
                arrays[name] = _array(opened, name, size)
    return arrays


def _png(file: IO[bytes], size: tuple[int, int]) -> dict[str, StoredDepth]:
    with open_picture(file, ('PNG',)) as image:
        _check_shape('depth', image.size[::-1], size)
    file.seek(0)
    try:
        stored = decode_png(file)
    except ValueError as error:
        raise MapError(str(error)) from None
    _check_shape('depth', stored.values.shape, size)
    return {'depth': stored}


READERS: dict[str, Callable[[IO[bytes], tuple[int, int]], dict[str, StoredDepth]]] = {
    '.npy': _npy,
    '.npz': _npz,
    '.png': _png,
}
"""Suffix -> function that reads the arrays of a file, each of an expected ``(height, width)``.

Sizes are checked before anything is expanded.
"""
