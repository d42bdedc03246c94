# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Backend of ONNX Runtime: the default on a CPU, without torch."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from spike_depth_ros.base.errors import check_utf8, one_line
from spike_depth_ros.base.results import hash_file
from spike_depth_ros.base.unshared_files import unshared
from spike_depth_ros.checkpoint import CheckpointError
from spike_depth_ros.runtime.backend import (
    GET_TORCH,
    BackendName,
    DeviceName,
    Images,
    check_size,
    check_threads,
    smallest_layout,
)
from spike_depth_ros.runtime.layout import AnyLayout, FrameInput, Planes, count
from spike_depth_ros.tasks.base import CheckpointInfo, SpikeInfo

_COUNTS = 'tensor(uint16)'
"""Type of the input ``counts``; older exports have uint8, counts of single pixels."""

EXPORT_AGAIN = 'export it again (python training/run.py export)'
"""Advice to the user whose export cannot be used."""

_RUNTIME_VERSION = tuple(int(part) for part in onnxruntime.__version__.split('.')[:2])


class OnnxBackend:
    """Network of a checkpoint's .onnx export."""

    name: BackendName = 'onnx'
    device: DeviceName = 'cpu'

    def __init__(self, path: Path, info: SpikeInfo, threads: int = 0) -> None:
        """Open the export.

        Args:
            path: The .onnx file.
            info: Metadata of its checkpoint.
            threads: CPU threads of one inference; 0: one per core.

        Raises:
            CheckpointError: The file is missing, unreadable, not of these weights, or its inputs
                and outputs are not those of the metadata.
        """
        remedy = f'{EXPORT_AGAIN}, or choose backend torch: {GET_TORCH}'
        self._session = open_session(path, info, threads, remedy)
        self._outputs = info.outputs
        self._takes_frames = 'rgb' in info.inputs
        self._layout: AnyLayout | None = None
        try:
            self._check(info)
            self._trial_run(info)
        except CheckpointError as error:
            raise CheckpointError(f'{path}: {error}: {remedy}') from None
        except Exception as error:  # as above, and names that are not UTF-8
            raise CheckpointError(
                f'{path}: the export does not run ({one_line(error)}): {remedy}'
            ) from None

    def _check(self, info: SpikeInfo) -> None:
        """Compare the export's declared inputs and outputs with the metadata."""
        check_weights(self._session, info)
        shapes = {value.name: value.shape for value in self._session.get_inputs()}
        kinds = {value.name: value.type for value in self._session.get_inputs()}
        if kinds.get('counts') != _COUNTS:
            raise CheckpointError(
                f'its input counts is {kinds.get("counts", "missing")}, expected {_COUNTS} '
                '(counts of cells of pixels)'
            )
        given = [value.name for value in self._session.get_outputs()]
        if missing := set(info.outputs) - set(given):
            raise CheckpointError(
                f'its outputs are {", ".join(given)}, expected {min(missing)} too'
            )
        bins = shapes['counts'][1] if len(shapes['counts']) == 4 else 'none'
        if bins != info.bins:
            raise CheckpointError(f'field bins is {info.bins}, expected {bins} as in the export')

    def _trial_run(self, info: SpikeInfo) -> None:
        """Predict once and compare the output with the metadata."""
        layout = smallest_layout(info)
        counts = layout.new_counts()
        counts[:] = 0
        for image in self._predict(counts, layout.planes_per_bin, None):
            check_size(info, layout, image.shape[2:])

    def run(self, packed: Planes, layout: AnyLayout, frame: FrameInput | None = None) -> Images:
        """Implement :class:`spike_depth_ros.runtime.backend.Backend`."""
        if layout != self._layout:
            self._layout = layout
            self._counts = layout.new_counts()
            self._planes_per_bin = layout.planes_per_bin
        count(packed, layout, self._counts)
        found = self._predict(self._counts, self._planes_per_bin, frame)
        height, width = layout.height, layout.width
        return {
            name: image[0, 0, :height, :width]
            for name, image in zip(self._outputs, found, strict=True)
        }

    def _predict(
        self,
        counts: npt.NDArray[np.uint16],
        planes_per_bin: npt.NDArray[np.int32],
        frame: FrameInput | None,
    ) -> list[npt.NDArray[np.float32]]:
        given: dict[str, npt.NDArray[Any]] = {'counts': counts, 'planes_per_bin': planes_per_bin}
        if self._takes_frames:
            shape = (3, *counts.shape[2:])
            given['frame'] = (np.full(shape, np.nan, np.float32) if frame is None else frame)[None]
        found: list[npt.NDArray[np.float32]] = self._session.run(self._outputs, given)
        return found

    def close(self) -> None:
        """Implement :class:`spike_depth_ros.runtime.backend.Backend`."""
        self.__dict__.pop('_session', None)


def open_session(path: Path, info: CheckpointInfo, threads: int, remedy: str) -> Any:
    """Open a checkpoint's .onnx export in ONNX Runtime, on the CPU.

    Args:
        path: The .onnx file.
        info: Metadata of its checkpoint.
        threads: CPU threads of one inference; 0: one per core.
        remedy: Advice at the end of an error.

    Returns:
        The ``InferenceSession``.

    Raises:
        CheckpointError: The file is missing, unreadable, or not the checkpoint's.
        ValueError: The number of threads is out of range.
    """
    check_threads(threads)
    if not path.is_file():
        raise CheckpointError(f'{path}: no such file: {remedy}')
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # By default threads spin while they wait, which takes the cores from ingest: with both
    # cores in use one inference takes twice as long. A short spin costs little and saves
    # sleeping between layers; ONNX Runtime 1.23 (Python 3.10) has only on and off.
    if _RUNTIME_VERSION >= (1, 31):
        options.add_session_config_entry('session.intra_op.spin_duration_us', '10')
    else:
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    # What is compared is what is loaded, as others may write to the file meanwhile.
    with unshared(path) as given:
        _check_export(path, given, info, remedy)
        return _open(path, given, options, remedy)


def _open(path: Path, given: bytes | Path, options: Any, remedy: str) -> Any:
    content = given if isinstance(given, bytes) else str(given)
    try:
        check_utf8(str(path))
        return onnxruntime.InferenceSession(content, options, providers=['CPUExecutionProvider'])
    except Exception as error:  # ONNX Runtime raises a class of its own per status
        raise CheckpointError(
            f'{path}: ONNX Runtime does not load it ({one_line(error)}): {remedy}'
        ) from None


def _check_export(path: Path, given: bytes | Path, info: CheckpointInfo, remedy: str) -> None:
    """Compare an export with the hash in its checkpoint."""
    found = hashlib.sha256(given).hexdigest() if isinstance(given, bytes) else hash_file(given)
    if found != info.onnx_sha256:
        raise CheckpointError(f'{path}: not the export of its checkpoint: {remedy}')


def check_weights(session: Any, info: CheckpointInfo) -> None:
    """Compare the weights that an export names with those of its checkpoint.

    Raises:
        CheckpointError: They differ.
        Exception: The export's own metadata cannot be read.
    """
    written = session.get_modelmeta().custom_metadata_map
    if written.get('weights_sha256') != info.weights_sha256:
        raise CheckpointError('it was exported from other weights')
