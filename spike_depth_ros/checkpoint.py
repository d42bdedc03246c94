# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: one .safetensors file of weights, metadata, and the correction of a sensor.

The metadata is one flat JSON object under the key ``spike_depth_ros``: the fields of every task
(``tasks/base.py``), those of networks of spikes, and those of its own task.
An .onnx export lies beside the file under the same name; each of the two holds the hash of the
other.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.resources
import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base.errors import one_line
from spike_depth_ros.base.results import write_atomically
from spike_depth_ros.base.unshared_files import unshared
from spike_depth_ros.stream.correction import PREFIX, SensorCorrection
from spike_depth_ros.tasks.base import TASKS, CheckpointInfo, Info, TaskKind
from spike_depth_ros.tasks.base import (
    CheckpointError as CheckpointError,
)
from spike_depth_ros.tasks.depth import DepthInfo

METADATA_KEY = 'spike_depth_ros'

MAX_METADATA_BYTES = 1_000_000
"""Bytes of metadata that are read at most. Reading 60 MB blocks the interpreter for seconds."""

Tensors = dict[str, npt.NDArray[Any]]
"""Weights by name."""

SHIPPED = TASKS['depth'].shipped
"""Names of the shipped models of depth, the default first: docs/reference/model_card.md."""

IMAGE_MODEL = TASKS['image'].shipped[0]
"""Name of the shipped model of pictures: docs/tasks/pictures.md."""

UPSAMPLE_MODEL = TASKS['upsample'].shipped[0]
"""Name of the shipped model that enlarges depth maps: docs/tasks/enlarge_maps.md."""

ALL_SHIPPED = tuple(name for kind in TASKS.values() for name in kind.shipped)
"""Names of all shipped models, those of depth first."""


def __getattr__(name: str) -> Any:
    """Return the class of a task's metadata, all of which stood in this module."""
    for task in TASKS.values():
        if task.info.__name__ == name:
            home = task.info.__module__
            warnings.warn(f'{name} is in {home}: import it from there', stacklevel=2)
            return task.info
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def default_checkpoint() -> Path:
    """Return the path of the default checkpoint."""
    return find_checkpoint(None)


def find_checkpoint(name: str | os.PathLike[str] | None) -> Path:
    """Return the path of a checkpoint, which may be missing.

    Args:
        name: One of ``ALL_SHIPPED``; a .safetensors file; empty or None: the default model of
            depth.
    """
    text = os.fspath(name or '')
    text = SHIPPED[0] if text in ('', '.') else text  # Path('') is .
    if text not in ALL_SHIPPED:
        return Path(text)
    folder = importlib.resources.files('spike_depth_ros') / 'assets'
    return Path(str(folder / f'{text}.safetensors'))


def onnx_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of a checkpoint's .onnx export: beside it, under the same name."""
    return Path(path).with_suffix('.onnx')


@overload
def load_info(path: str | os.PathLike[str]) -> DepthInfo: ...
@overload
def load_info(path: str | os.PathLike[str], kind: type[Info]) -> Info: ...
def load_info(path: str | os.PathLike[str], kind: Any = DepthInfo) -> Any:
    """Read a checkpoint's metadata without its weights.

    Args:
        path: The .safetensors file.
        kind: Expected class of the metadata; :class:`SpikeInfo`: of any task of spikes;
            :class:`CheckpointInfo`: of any task.

    Raises:
        CheckpointError: Missing, truncated, of another program, of a newer format, of another
            task, or with an invalid field.
    """
    return _read(path, kind, with_tensors=False)[0]


@overload
def load(path: str | os.PathLike[str]) -> tuple[DepthInfo, Tensors]: ...
@overload
def load(path: str | os.PathLike[str], kind: type[Info]) -> tuple[Info, Tensors]: ...
def load(path: str | os.PathLike[str], kind: Any = DepthInfo) -> tuple[Any, Tensors]:
    """Read metadata and weights, and compare the weights with their hash.

    Args:
        path: The .safetensors file.
        kind: Expected class of the metadata; :class:`SpikeInfo`: of any task of spikes;
            :class:`CheckpointInfo`: of any task.

    Raises:
        CheckpointError: As :func:`load_info`, the weights do not have their hash, or the
            correction of a sensor is malformed.
    """
    return load_with_correction(path, kind)[:2]


@overload
def load_with_correction(
    path: str | os.PathLike[str],
) -> tuple[DepthInfo, Tensors, SensorCorrection | None]: ...
@overload
def load_with_correction(
    path: str | os.PathLike[str], kind: type[Info]
) -> tuple[Info, Tensors, SensorCorrection | None]: ...
def load_with_correction(
    path: str | os.PathLike[str], kind: Any = DepthInfo
) -> tuple[Any, Tensors, SensorCorrection | None]:
    """Read metadata, weights, and the correction of a sensor if the file has one.

    Args:
        path: The .safetensors file.
        kind: Expected class of the metadata; :class:`SpikeInfo`: of any task of spikes;
            :class:`CheckpointInfo`: of any task.

    Raises:
        CheckpointError: As :func:`load`.
    """
    info, tensors = _read(path, kind, with_tensors=True)
    found = hash_weights(tensors)
    if found != info.weights_sha256:
        raise CheckpointError(
            f'{path}: the hash of its weights is {found[:12]}..., expected '
            f'{info.weights_sha256[:12]}... (field weights_sha256): the file is damaged, copy or '
            'export it again'
        )
    try:
        correction = SensorCorrection.from_tensors(tensors)
    except ValueError as error:
        raise CheckpointError(f'{path}: sensor correction: {error}') from None
    if correction is not None and (wrong := info.problem_of_correction(*correction.size)):
        raise CheckpointError(f'{path}: sensor correction {wrong}')
    weights = {name: value for name, value in tensors.items() if not name.startswith(PREFIX)}
    return info, weights, correction


def save(
    path: str | os.PathLike[str],
    tensors: Mapping[str, npt.NDArray[Any]],
    info: Info,
    correction: SensorCorrection | None = None,
) -> Info:
    """Write a checkpoint atomically.

    Args:
        path: The .safetensors file.
        tensors: Weights by name.
        info: Metadata; its ``weights_sha256`` is set here.
        correction: Correction of the sensor that the weights are for.

    Returns:
        The written metadata.
    """
    from safetensors.numpy import save as serialise

    if correction is not None:
        tensors = {**tensors, **correction.tensors()}
    # Not np.ascontiguousarray, which gives a scalar a dimension.
    contiguous = {name: np.asarray(value, order='C') for name, value in tensors.items()}
    info = dataclasses.replace(info, weights_sha256=hash_weights(contiguous))
    write_atomically(path, serialise(contiguous, {METADATA_KEY: info.to_json()}))
    return info


def hash_weights(tensors: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return the SHA-256 of name, type, shape and bytes of all tensors, in the order of names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f'{name} {value.dtype.str} {list(value.shape)}\n'.encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def _read(
    path: str | os.PathLike[str], kind: type[CheckpointInfo], with_tensors: bool
) -> tuple[CheckpointInfo, Tensors]:
    """Return the metadata, and the tensors unless they are not wanted."""
    from safetensors import SafetensorError

    if not Path(path).is_file():
        known = [name for task in _of_kind(kind) for name in task.shipped]
        raise CheckpointError(
            f'{path}: no such checkpoint; expected a .safetensors file'
            + (f' or one of {", ".join(known)}' if known else '')
        )
    header = _check_size_of_metadata(Path(path))
    try:
        with unshared(Path(path), None if with_tensors else header) as given:
            metadata, content = _parse(given, with_tensors)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f'{path}: truncated or not a .safetensors file ({one_line(error)})'
        ) from None
    except CheckpointError as error:
        raise CheckpointError(f'{path}: {error}') from None
    if METADATA_KEY not in metadata:
        raise CheckpointError(
            f'{path}: has no metadata {METADATA_KEY}; expected a checkpoint of this package'
        )
    try:
        info = CheckpointInfo.from_json(metadata[METADATA_KEY])
    except CheckpointError as error:
        raise CheckpointError(f'{path}: {error}') from None
    if not isinstance(info, kind):
        expected = ' or '.join(repr(task.name) for task in _of_kind(kind))
        opens = TASKS[info.task].opened_by
        raise CheckpointError(
            f'{path}: field task is {info.task!r}, expected {expected}'
            + (f' ({opens} opens it)' if opens else '')
        )
    return info, content


def _of_kind(kind: type[CheckpointInfo]) -> list[TaskKind]:
    """Return the tasks whose metadata are of a class."""
    return [task for task in TASKS.values() if issubclass(task.info, kind)]


def _check_size_of_metadata(path: Path) -> int:
    """Refuse metadata above the limit before they are read.

    A .safetensors file begins with the length of its header: metadata and the list of tensors.

    Returns:
        Bytes up to the end of the header.
    """
    with path.open('rb') as file:
        length = int.from_bytes(file.read(8), 'little')
    if MAX_METADATA_BYTES < length <= path.stat().st_size:
        raise CheckpointError(
            f'{path}: its metadata take {length / 1e6:.1f} MB, expected at most '
            f'{MAX_METADATA_BYTES / 1e6:g} MB'
        )
    return 8 + min(length, MAX_METADATA_BYTES)


_OF_NUMPY = {
    'BOOL': 'bool',
    **{f'F{bits}': f'<f{bits // 8}' for bits in (16, 32, 64)},
    **{
        f'{kind}{bits}': f'<{kind.lower()}{bits // 8}' for kind in 'IU' for bits in (8, 16, 32, 64)
    },
}
"""Types of tensors in a file, those that numpy itself has, and their names there."""


def _parse(given: bytes | Path, with_tensors: bool) -> tuple[Mapping[str, str], Tensors]:
    """Return the metadata of a file, and its tensors unless they are not wanted."""
    import safetensors
    from safetensors import safe_open

    if isinstance(given, bytes):
        deserialize: Any = safetensors.deserialize  # untyped
        tensors = deserialize(given)  # checks the header, too
        header = json.loads(given[8 : 8 + int.from_bytes(given[:8], 'little')])
        for _, value in tensors if with_tensors else ():
            _check_type(value['dtype'])
        return header.get('__metadata__') or {}, {
            name: np.frombuffer(value['data'], _OF_NUMPY[value['dtype']]).reshape(value['shape'])
            for name, value in (tensors if with_tensors else ())
        }
    with safe_open(os.fspath(given), framework='numpy') as file:
        # An open file has keys(), but does not iterate.
        names = list(file.keys()) if with_tensors else []
        for name in names:
            _check_type(file.get_slice(name).get_dtype())
        return file.metadata() or {}, {name: file.get_tensor(name) for name in names}


def _check_type(kind: str) -> None:
    # numpy has others where a package such as ml_dtypes is imported.
    if kind not in _OF_NUMPY:
        raise CheckpointError(f'weights are of type {kind}; expected F16 or F32: convert them')
