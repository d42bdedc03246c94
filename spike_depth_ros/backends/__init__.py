# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Backends that run a network, each imported only when chosen, and their common code."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from spike_depth_ros.checkpoint import CheckpointError, CheckpointInfo
from spike_depth_ros.stream.chunk import Geometry, PackedPlanes
from spike_depth_ros.stream.packing import bin_counts, bin_edges, cell_counts

BackendName = Literal['onnx', 'torch']
DeviceName = Literal['cpu', 'cuda']

FloatImage = npt.NDArray[np.float32]
"""``[height, width]`` float32."""

Images = dict[str, FloatImage]
"""Output images of a network, by the names in its checkpoint's ``outputs``."""

MAX_COUNT = 65535
"""Largest count of a network's input: 16 bits, over the planes of a bin and the pixels of a cell.

The same for every ``pool``: for cells of one pixel, 8 bits save less than 1 % of the time.
"""

MULTIPLE = 16
"""Divisor of height and width of a network's input, pixels: the distance of its tokens."""

# One of these exists wherever a CUDA (or, in torch's words, HIP) device does: Linux, WSL, Jetson.
_GPU_NODES = ('/dev/nvidiactl', '/dev/dxg', '/dev/nvmap', '/dev/kfd')


@dataclasses.dataclass(frozen=True)
class Layout:
    """Mapping from packed planes to a network's input, and from its output to a depth image.

    Attributes:
        geometry: Sensor size and bit order.
        planes: Planes of the window.
        bins: Channels of counts that the network takes.
        pixel_binning: Sensor pixels per side of an image pixel, 1 or 2; a last odd row or column
            is left out.
        pool: Image pixels per side of a cell, at least 1. The spikes of a cell are counted
            together: it is a pixel of the network's input. Edge pixels are repeated below and to
            the right to fill it.

    Raises:
        ValueError: The window has so many planes that a count does not fit 16 bits.
    """

    geometry: Geometry
    planes: int
    bins: int
    pixel_binning: int = 1
    pool: int = 1

    def __post_init__(self) -> None:
        most = MAX_COUNT // self.cell**2 * self.bins
        if self.planes > most:
            raise ValueError(
                f'window of {self.planes} planes: expected at most {most} for the {self.bins} '
                'bins of this network at this sensor size: choose a shorter window'
            )

    @property
    def cell(self) -> int:
        """Sensor pixels per side of a pixel of the network's input."""
        return self.pool * self.pixel_binning

    @property
    def height(self) -> int:
        """Rows of the depth image."""
        return self.geometry.height // self.pixel_binning

    @property
    def width(self) -> int:
        """Columns of the depth image."""
        return self.geometry.width // self.pixel_binning

    @property
    def input_size(self) -> tuple[int, int]:
        """Rows and columns of the network's input."""
        rows = -(-self.height // (MULTIPLE * self.pool)) * MULTIPLE
        columns = -(-self.width // (MULTIPLE * self.pool)) * MULTIPLE
        return rows, columns

    @property
    def planes_per_bin(self) -> npt.NDArray[np.int32]:
        """Largest count of each bin: its planes times the pixels of a cell, ``[bins]`` int32."""
        edges = bin_edges(self.planes, self.bins)
        return ((edges[:, 1] - edges[:, 0]) * self.cell**2).astype(np.int32)

    def new_counts(self) -> npt.NDArray[np.uint16]:
        """Allocate an array for :meth:`count`, ``[1, bins, *input_size]`` uint16."""
        return np.empty((1, self.bins, *self.input_size), np.uint16)

    def count(self, packed: PackedPlanes, counts: npt.NDArray[np.uint16]) -> None:
        """Count the spikes of a window into a network's input.

        Args:
            packed: ``[planes, height, row_bytes]`` uint8.
            counts: From :meth:`new_counts`; written to.
        """
        sensor, height, width = self.geometry, self.height, self.width
        if self.cell > 1:
            cell_counts(
                packed,
                sensor.width,
                self.cell,
                counts[0],
                bit_order=sensor.bit_order,
                edge=self.pixel_binning,
            )
            return
        inside = counts[0, :, :height, :width]
        bin_counts(packed, sensor.width, sensor.bit_order, self.bins, out=inside)
        counts[0, :, :height, width:] = inside[:, :, -1:]
        counts[0, :, height:] = counts[0, :, height - 1 : height]


def smallest_layout(info: CheckpointInfo) -> Layout:
    """Return the layout of the smallest image, for a trial of a network.

    Raises:
        CheckpointError: The network cannot take windows as long as in its training.
    """
    side = MULTIPLE * info.pool
    try:
        return Layout(Geometry(side, side), info.planes, info.bins, pool=info.pool)
    except ValueError as error:
        raise CheckpointError(f'field planes is {info.planes}: {error}') from None


def check_size(info: CheckpointInfo, layout: Layout, size: Sequence[int]) -> None:
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

    def run(self, packed: PackedPlanes, layout: Layout) -> Images:
        """Predict from the packed planes of a window.

        The backend bins the planes, so that they are copied to its device as bits.

        Args:
            packed: ``[planes, height, row_bytes]`` uint8, contiguous.
            layout: Their layout.

        Returns:
            The outputs that the checkpoint names, each ``[layout.height, layout.width]`` float32,
            owned by the caller; may be views of larger arrays. ``depth`` is in metres at the
            canonical focal length, ``uncertainty`` its predicted relative error.
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
            "backend 'torch' needs torch, which is not installed: pip install torch, or choose "
            "backend 'onnx'"
        )
    if device == 'cuda' and not has_cuda():
        raise ValueError(f"device 'cuda': {_no_cuda_reason()}; choose device 'cpu' or 'auto'")
    if device == 'cuda' or (device == 'auto' and has_cuda()):
        return 'torch', 'cuda'
    if backend == 'torch' or (not has_onnx and _has_torch()):
        return 'torch', 'cpu'
    return 'onnx', 'cpu'


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
