# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Backends that run a network, each imported only when chosen, and their common code."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import Literal, Protocol

from spike_depth_ros.checkpoint import CheckpointError
from spike_depth_ros.geometry.depth_values import FloatImage
from spike_depth_ros.runtime.layout import (
    MULTIPLE,
    AnyLayout,
    FrameInput,
    Layout,
    PairLayout,
    Planes,
)
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.tasks.base import SpikeInfo

BackendName = Literal['onnx', 'torch']
DeviceName = Literal['cpu', 'cuda']

Images = dict[str, FloatImage]
"""Output images of a network, by the names in its checkpoint's ``outputs``."""

MAX_THREADS = 1024
"""CPU threads of an inference at most."""

GET_TORCH = 'pip install torch timm (docs/start/install.md)'
"""Advice to the user of a network that has no export, or of a GPU."""

# One of these exists wherever a CUDA (or, in torch's words, HIP) device does: Linux, WSL, Jetson.
_GPU_NODES = ('/dev/nvidiactl', '/dev/dxg', '/dev/nvmap', '/dev/kfd')


def smallest_layout(info: SpikeInfo) -> AnyLayout:
    """Return the layout of the smallest image, or pair of them, for a trial of a network.

    Raises:
        CheckpointError: The network cannot take windows as long as in its training.
    """
    side = MULTIPLE * info.pool
    try:
        one = Layout(Geometry(side, side), info.planes, info.bins, pool=info.pool)
        return PairLayout(one, one) if 'right' in info.inputs else one
    except ValueError as error:
        raise CheckpointError(f'field planes is {info.planes}: {error}') from None


def check_size(info: SpikeInfo, layout: AnyLayout, size: Sequence[int]) -> None:
    """Compare an output of a network with its metadata.

    Args:
        info: The metadata.
        layout: Layout of the input.
        size: Height and width of the output.

    Raises:
        CheckpointError: The network enlarges its input by another factor than the metadata name.
    """
    rows, columns = (side * info.pool for side in layout.input_size)
    if tuple(size) != (rows, columns):
        raise CheckpointError(
            f'field settings.pool is {info.pool}: expected images of {rows}x{columns}, the '
            f'network returns {"x".join(map(str, size))}'
        )


class Backend(Protocol):
    """Runtime of one network, for one thread at a time."""

    name: BackendName
    device: DeviceName

    def run(self, packed: Planes, layout: AnyLayout, frame: FrameInput | None = None) -> Images:
        """Predict from the packed planes of a window, or of a pair of windows.

        The backend bins the planes, so that those of one window are copied to its device as bits.

        Args:
            packed: ``[planes, height, row_bytes]`` uint8, contiguous; of a pair two of them.
            layout: Their layout.
            frame: Of networks that take one; None: there is none.

        Returns:
            The outputs that the checkpoint names, each ``[layout.height, layout.width]`` float32,
            owned by the caller; may be views of larger arrays. ``depth`` is in metres at the
            canonical focal length, ``uncertainty`` its predicted relative error; ``disparity``
            is in pixels, and ``uncertainty`` then too.
        """

    def close(self) -> None:
        """Free device memory; the backend cannot run afterwards."""


def choose(backend: str, device: str, has_onnx: bool) -> tuple[BackendName, DeviceName]:
    """Choose backend and device; ``auto`` is torch on a GPU if there is one, else ONNX on the CPU.

    Args:
        backend: ``auto``, ``onnx`` or ``torch``.
        device: ``auto``, ``cpu`` or ``cuda``.
        has_onnx: An .onnx file lies beside the checkpoint. Without one, ``auto`` is torch if it
            is installed.

    Raises:
        ValueError: An unknown name, or a combination that is not available on this machine.
    """
    for what, name, names in (
        ('backend', backend, ('auto', 'onnx', 'torch')),
        ('device', device, ('auto', 'cpu', 'cuda')),
    ):
        if name not in names:
            raise ValueError(f'{what} {name!r}: expected one of {", ".join(names)}')
    if backend == 'onnx':
        if device == 'cuda':
            raise ValueError("backend 'onnx' runs on the CPU: choose backend 'torch' for 'cuda'")
        return 'onnx', 'cpu'
    if backend == 'torch' and not _has_torch():
        raise ValueError(
            f"backend 'torch' needs torch, which is not installed: {GET_TORCH}, or choose "
            "backend 'onnx'"
        )
    if device == 'cuda' and not has_cuda():
        raise ValueError(f"device 'cuda': {_no_cuda_reason()}; choose device 'cpu' or 'auto'")
    if device == 'cuda' or (device == 'auto' and has_cuda()):
        return 'torch', 'cuda'
    if backend == 'torch' or (not has_onnx and _has_torch()):
        return 'torch', 'cpu'
    return 'onnx', 'cpu'


def check_threads(threads: int) -> None:
    """Check a number of CPU threads; ONNX Runtime takes any below 0.

    Raises:
        ValueError: It is out of range.
    """
    if not 0 <= threads <= MAX_THREADS:
        raise ValueError(f'{threads} threads; expected 1 to {MAX_THREADS}, or 0: all cores')


def has_cuda() -> bool:
    """Return True if torch is installed and a GPU is available to it."""
    # Importing torch takes over a second: check for a driver's device node first.
    if not _has_torch() or (sys.platform == 'linux' and not any(map(os.path.exists, _GPU_NODES))):
        return False
    import torch

    return torch.cuda.is_available()


def _has_torch() -> bool:
    return importlib.util.find_spec('torch') is not None


def _no_cuda_reason() -> str:
    return 'torch finds no GPU' if _has_torch() else 'torch is not installed'
