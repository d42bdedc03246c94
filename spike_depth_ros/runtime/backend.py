# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Backends that run a network, each imported only when chosen, and their common code."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from spike_depth_ros.checkpoint import CheckpointError
from spike_depth_ros.geometry.rectification import CountRemap, Rectification
from spike_depth_ros.stream.chunk import Geometry, PackedPlanes
from spike_depth_ros.stream.correction import SensorCorrection, count_factors
from spike_depth_ros.stream.packing import bin_counts, bin_edges, cell_counts, pixels_of_cells
from spike_depth_ros.tasks.base import SpikeInfo

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

MAX_THREADS = 1024
"""CPU threads of an inference at most."""

MULTIPLE = 16
"""Divisor of height and width of a network's input, pixels: the distance of its tokens."""

GET_TORCH = 'pip install torch timm (README.md, "With ROS 2")'
"""Advice to the user of a network that has no export, or of a GPU."""

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
        correction: Correction of the sensor, of its size; None: none.
        rate_hz: Plane rate; needed for the correction alone.
        rectification: Rectification of the lens, of the sensor's size; None: none. It follows the
            correction.

    Raises:
        ValueError: The window has so many planes that a count does not fit 16 bits, or the
            rectification is of another sensor size.
    """

    geometry: Geometry
    planes: int
    bins: int
    pixel_binning: int = 1
    pool: int = 1
    correction: SensorCorrection | None = None
    rate_hz: float = 0.0
    rectification: Rectification | None = None

    def __post_init__(self) -> None:
        if self.rectification is not None:
            given = self.rectification.calibration
            if (given.height, given.width) != (self.geometry.height, self.geometry.width):
                raise ValueError(
                    f'rectification of {given.width}x{given.height} pixels: expected '
                    f'{self.geometry.width}x{self.geometry.height}, the size of the sensor'
                )
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
        """Largest count of each bin, ``[bins]`` int32: planes times pixels of a cell times scale.

        The scale is 1 where counts are not corrected or remapped.
        """
        scale = self.remap_scale if self.maps is None else self.maps.scale
        return (self._spikes_per_bin * scale).astype(np.int32)

    @property
    def remap_scale(self) -> int:
        """Factor on counts that are remapped, so that rounding them changes nothing; else 1."""
        if self.rectification is None or self.maps is not None:
            return 1
        return int(MAX_COUNT // self._spikes_per_bin.max())

    @functools.cached_property
    def remap(self) -> CountRemap | None:
        """Remapping of the counts; None: the lens is not rectified."""
        if self.rectification is None:
            return None
        rows, columns = (-(-pixels // self.pool) for pixels in (self.height, self.width))
        return CountRemap(self.rectification, self.input_size, (rows, columns), self.cell)

    @functools.cached_property
    def unknown(self) -> npt.NDArray[np.bool_] | None:
        """True for pixels of the depth image without a source, ``[height, width]``; None: none."""
        if self.rectification is None:
            return None
        unknown = ~self.rectification.known(self.height, self.width, self.pixel_binning)
        return unknown if unknown.any() else None

    @property
    def _spikes_per_bin(self) -> npt.NDArray[np.int64]:
        edges = bin_edges(self.planes, self.bins)
        found: npt.NDArray[np.int64] = (edges[:, 1] - edges[:, 0]) * self.cell**2
        return found

    @functools.cached_property
    def maps(self) -> CellMaps | None:
        """Response and dark current of the cells; None: not corrected."""
        if self.correction is None or not self.correction.has_maps:
            return None
        y, x = (
            pixels_of_cells(pixels, cells, self.cell, self.pixel_binning)
            for pixels, cells in zip(
                (self.geometry.height, self.geometry.width), self.input_size, strict=True
            )
        )
        gain, dark = (
            one[y[:, None, :, None], x[None, :, None, :]].mean(axis=(0, 1))
            for one in self.correction.effective_maps
        )
        # Rates, not counts, are what networks work on: counts and planes per bin are multiplied
        # alike, so that rounding them to whole numbers changes nothing.
        spikes = self._spikes_per_bin
        scale = max(1, int(MAX_COUNT * min(1, gain.min()) / spikes.max()))
        return CellMaps(
            dark=dark * np.float32(spikes.sum() / self.rate_hz),
            gain=gain / np.float32(scale),
            scale=scale,
            largest_factor=MAX_COUNT / int(spikes.max()),
        )

    def new_counts(self) -> npt.NDArray[np.uint16]:
        """Allocate an array for :meth:`count`, ``[1, bins, *input_size]`` uint16."""
        return np.empty((1, self.bins, *self.input_size), np.uint16)

    @functools.cached_property
    def _planes(self) -> PackedPlanes:
        """Memory for corrected planes: new memory for each window takes longer than the copy."""
        sensor = self.geometry
        return np.empty((self.planes, sensor.height, sensor.row_bytes), np.uint8)

    def replace_faulty(self, packed: PackedPlanes) -> PackedPlanes:
        """Return planes with the faulty pixels replaced, for one thread at a time.

        The result is the same array if there are none, else one that the next call overwrites.
        """
        if self.correction is None:
            return packed
        return self.correction.replace_faulty(packed, self.geometry.bit_order, self._planes)

    def count(self, packed: PackedPlanes, counts: npt.NDArray[np.uint16]) -> None:
        """Count the spikes of a window into a network's input, corrected and rectified.

        Args:
            packed: ``[planes, height, row_bytes]`` uint8; not written to.
            counts: From :meth:`new_counts`; written to.
        """
        sensor, height, width = self.geometry, self.height, self.width
        packed = self.replace_faulty(packed)
        if self.cell > 1:
            cell_counts(
                packed,
                sensor.width,
                self.cell,
                counts[0],
                bit_order=sensor.bit_order,
                edge=self.pixel_binning,
            )
        else:
            inside = counts[0, :, :height, :width]
            bin_counts(packed, sensor.width, sensor.bit_order, self.bins, out=inside)
            counts[0, :, :height, width:] = inside[:, :, -1:]
            counts[0, :, height:] = counts[0, :, height - 1 : height]
        self.correct_counts(counts)
        if self.remap is not None:
            self.remap.apply(counts[0], self.remap_scale)

    def correct_counts(self, counts: npt.NDArray[np.uint16]) -> None:
        """Correct counts for response and dark current, in place."""
        if self.maps is not None:
            factors = self.maps.factors(counts[0].sum(axis=0, dtype=np.float32))
            # Rounds down, by less than 1 of the largest count, 65535.
            np.multiply(counts, factors, out=counts, casting='unsafe')


@dataclasses.dataclass(frozen=True)
class PairLayout:
    """Mapping from the packed planes of two eyes to a network's input, and to its output.

    Attributes:
        left: Layout of the left eye, whose size the output has.
        right: Of the right eye, which may have another rectification or bit order.

    Raises:
        ValueError: The eyes have other sizes or numbers of planes.
    """

    left: Layout
    right: Layout

    def __post_init__(self) -> None:
        sizes = [(one.planes, one.height, one.width) for one in self.eyes]
        if sizes[0] != sizes[1]:
            texts = [f'{planes} planes of {width}x{height}' for planes, height, width in sizes]
            raise ValueError(
                f'left window of {texts[0]} pixels, right one of {texts[1]}: expected equal ones'
            )

    @property
    def eyes(self) -> tuple[Layout, Layout]:
        """Layouts of the left and the right eye."""
        return self.left, self.right

    @property
    def height(self) -> int:
        """Rows of the output."""
        return self.left.height

    @property
    def width(self) -> int:
        """Columns of the output."""
        return self.left.width

    @property
    def input_size(self) -> tuple[int, int]:
        """Rows and columns of the network's input."""
        return self.left.input_size

    @property
    def planes_per_bin(self) -> npt.NDArray[np.int32]:
        """Largest count of each bin of either eye, as :attr:`Layout.planes_per_bin`."""
        return np.maximum(self.left.planes_per_bin, self.right.planes_per_bin)

    def new_counts(self) -> npt.NDArray[np.uint16]:
        """Allocate an array for :func:`count`, ``[2, bins, *input_size]`` uint16."""
        return np.empty((2, self.left.bins, *self.input_size), np.uint16)

    def count(
        self, packed: tuple[PackedPlanes, PackedPlanes], counts: npt.NDArray[np.uint16]
    ) -> None:
        """Count the spikes of both windows, rectified.

        Args:
            packed: Planes of the left and the right eye, as for :meth:`Layout.count`.
            counts: From :meth:`new_counts`; written to.
        """
        most = max(one.remap_scale for one in self.eyes)
        for eye, (one, planes) in enumerate(zip(self.eyes, packed, strict=True)):
            one.count(planes, counts[eye : eye + 1])
            # Counts of one eye alone are remapped, and have a scale of their own.
            counts[eye] *= np.uint16(most // one.remap_scale)


FrameInput = npt.NDArray[np.float32]
"""Frame beside the spikes, ``[3, *layout.input_size]``, 0 to 1; NaN where it shows nothing."""

AnyLayout = Layout | PairLayout
"""Layout of one window, or of a pair."""

Planes = PackedPlanes | tuple[PackedPlanes, PackedPlanes]
"""Packed planes of one window, or of the left and the right one."""


def count(packed: Planes, layout: AnyLayout, counts: npt.NDArray[np.uint16]) -> None:
    """Count the spikes of a window, or of a pair, into a network's input."""
    if isinstance(layout, PairLayout):
        assert isinstance(packed, tuple)
        layout.count(packed, counts)
    else:
        assert not isinstance(packed, tuple)
        layout.count(packed, counts)


@dataclasses.dataclass(frozen=True)
class CellMaps:
    """Response and dark current of the cells of a layout.

    Attributes:
        dark: Dark spikes of each cell in a window, ``[rows, columns]`` float32.
        gain: Relative response over ``scale``, ``[rows, columns]`` float32.
        scale: Factor on all counts, at least 1.
        largest_factor: Factor on counts, at most, so that they fit their type.
    """

    dark: npt.NDArray[np.float32]
    gain: npt.NDArray[np.float32]
    scale: int
    largest_factor: float

    def factors(self, total: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the factors on the counts of cells with these spikes in the window."""
        found: npt.NDArray[np.float32] = count_factors(total, self.dark, self.gain)
        return np.minimum(found, np.float32(self.largest_factor), out=found)


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
