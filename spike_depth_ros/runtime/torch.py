# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Backend of torch: the default on a GPU (bf16, CUDA graphs), and float32 on a CPU."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from spike_depth_ros.base.errors import one_line
from spike_depth_ros.checkpoint import CheckpointError, Tensors
from spike_depth_ros.geometry.rectification import CountRemap
from spike_depth_ros.networks import to_channels_last
from spike_depth_ros.networks.fuse_lite import FuseLite
from spike_depth_ros.networks.registry import build_with_weights
from spike_depth_ros.networks.temporal import PlaneBinning
from spike_depth_ros.runtime.backend import (
    BackendName,
    DeviceName,
    Images,
    check_size,
    smallest_layout,
)
from spike_depth_ros.runtime.layout import AnyLayout, FrameInput, Layout, Planes, count
from spike_depth_ros.stream.correction import count_factors
from spike_depth_ros.tasks.base import SpikeInfo

MAX_GRAPHS = 4
"""Captured layouts that are kept at most; each has device memory of its own."""

# torch captures one graph at a time in a process; depth and previews have threads of their own.
_CAPTURING = threading.Lock()

_Run = Callable[[Planes, FrameInput | None], Tensor]


class TorchBackend:
    """Network of a checkpoint, built from its metadata."""

    name: BackendName = 'torch'

    def __init__(
        self, info: SpikeInfo, tensors: Tensors, device: DeviceName, threads: int = 0
    ) -> None:
        """Build the network and load its weights.

        Args:
            info: The checkpoint's metadata.
            tensors: Its weights.
            device: ``cpu`` or ``cuda``.
            threads: CPU threads of one inference, for the whole process; 0: torch's default.

        Raises:
            CheckpointError: The architecture is unknown, or weights or outputs do not fit it.
        """
        if threads and device == 'cpu':
            torch.set_num_threads(threads)
        self.device: DeviceName = device
        network = build_with_weights(info, tensors).eval().requires_grad_(False)
        self._network = network.to(device=device)
        to_channels_last(self._network)
        self._outputs = info.outputs
        self._runs: dict[tuple[AnyLayout, bool], _Run] = {}
        self._trial_run(info)

    def _trial_run(self, info: SpikeInfo) -> None:
        """Predict once and compare the output with the metadata."""
        layout = smallest_layout(info)
        counts = torch.zeros(layout.new_counts().shape, device=self.device)
        planes_per_bin = torch.from_numpy(layout.planes_per_bin).to(self.device)
        try:
            with torch.inference_mode():
                images = self._images(counts, planes_per_bin)
        except RuntimeError as error:
            raise CheckpointError(f'the network does not run ({one_line(error)})') from None
        check_size(info, layout, images.shape[1:])

    def run(self, packed: Planes, layout: AnyLayout, frame: FrameInput | None = None) -> Images:
        """Implement :class:`spike_depth_ros.runtime.backend.Backend`."""
        key = (layout, frame is not None)
        with torch.inference_mode():
            if key not in self._runs:
                while len(self._runs) >= MAX_GRAPHS:
                    del self._runs[next(iter(self._runs))]
                if self.device == 'cuda' and isinstance(layout, Layout):
                    self._runs[key] = self._prepare_cuda(layout, frame is not None)
                else:
                    self._runs[key] = self._prepare_counted(layout)
            images = self._runs[key](packed, frame).cpu().numpy()
        return {
            name: np.ascontiguousarray(image)
            for name, image in zip(self._outputs, images, strict=True)
        }

    def close(self) -> None:
        """Implement :class:`spike_depth_ros.runtime.backend.Backend`."""
        self._runs.clear()
        self.__dict__.pop('_network', None)
        if self.device == 'cuda':
            torch.cuda.empty_cache()

    def _forward(
        self, counts: Tensor, planes_per_bin: Tensor, layout: AnyLayout, frame: Tensor | None
    ) -> Tensor:
        """Return the checkpoint's outputs, ``[outputs, height, width]``."""
        return self._images(counts, planes_per_bin, frame)[:, : layout.height, : layout.width]

    def _images(
        self, counts: Tensor, planes_per_bin: Tensor, frame: Tensor | None = None
    ) -> Tensor:
        """Return the outputs with padding, ``[outputs, *layout.input_size]`` times ``pool``."""
        # The layout is changed while the numbers are still small.
        counts = counts.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.device == 'cuda'):
            if frame is None:
                output = self._network.from_pooled(counts, planes_per_bin)
            else:
                assert isinstance(self._network, FuseLite)  # by the metadata's inputs
                frame = frame.contiguous(memory_format=torch.channels_last)
                output = self._network.from_pooled(counts, planes_per_bin, frame)
        return torch.cat([getattr(output, name).float() for name in self._outputs], dim=1)[0]

    def _prepare_counted(self, layout: AnyLayout) -> _Run:
        """Prepare runs whose spikes are counted on the host: on a CPU, and of pairs."""
        array = layout.new_counts()
        counts = torch.from_numpy(array)
        planes_per_bin = torch.from_numpy(layout.planes_per_bin).to(self.device)

        def run(packed: Planes, frame: FrameInput | None) -> Tensor:
            count(packed, layout, array)
            # Few kernels of a GPU know 16 bits without a sign.
            given = counts if self.device == 'cpu' else counts.int().to(self.device)
            shown = None if frame is None else torch.from_numpy(frame)[None].to(self.device)
            return self._forward(given, planes_per_bin, layout, shown)

        return run

    def _prepare_cuda(self, layout: Layout, with_frame: bool) -> _Run:
        """Capture everything from packed planes to depth as one CUDA graph.

        The network is dozens of small kernels, whose launches take several times as long as
        their computation.
        """
        sensor = layout.geometry
        binning = PlaneBinning(layout.planes, sensor.width, sensor.bit_order, layout.bins)
        binning.to(self.device)
        planes_per_bin = torch.from_numpy(layout.planes_per_bin).to(self.device)
        shape = (1, layout.planes, sensor.height, sensor.row_bytes)
        staging = torch.zeros(shape, dtype=torch.uint8, pin_memory=True)
        planes = staging.to(self.device)
        frame = torch.zeros((1, 3, *layout.input_size), device=self.device) if with_frame else None
        maps = []
        if layout.maps is not None:
            maps = [
                torch.from_numpy(one).to(self.device)
                for one in (layout.maps.dark, layout.maps.gain)
            ]
        grid = None if layout.remap is None else sampling_grid(layout.remap).to(self.device)

        def compute() -> Tensor:
            counts = pool_and_pad(binning(planes), layout)
            if maps:
                counts = counts.float()
                counts = counts * count_factors(counts.sum(dim=1, keepdim=True), *maps)
            if grid is not None:
                counts = remap_counts(counts.float() * layout.remap_scale, grid)
            return self._forward(counts, planes_per_bin, layout, frame)

        # The first calls allocate and tune, which a capture must not; on a stream of their own.
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                compute()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # Other threads (another model being loaded) may use the device meanwhile.
        with _CAPTURING, torch.cuda.graph(graph, capture_error_mode='thread_local'):
            result = compute()
        reads = binning, planes_per_bin, grid, *maps
        return _Replay(layout, graph, staging, planes, frame, result, reads)


@dataclasses.dataclass
class _Replay:
    """Captured graph and the tensors that it reads, which it does not keep alive itself.

    Attributes:
        layout: Layout of the planes.
        graph: From ``planes`` to ``result``.
        staging: Packed planes on the host, pinned, ``[1, planes, height, row bytes]``.
        planes: The same on the device.
        frame: Frame on the device, ``[1, 3, *layout.input_size]``; None: there is none.
        result: Output of the network, ``[outputs, height, width]``, on the device.
        reads: Other objects that the graph reads.
    """

    layout: Layout
    graph: torch.cuda.CUDAGraph
    staging: Tensor
    planes: Tensor
    frame: Tensor | None
    result: Tensor
    reads: tuple[object, ...]

    def __call__(self, packed: Planes, frame: FrameInput | None) -> Tensor:
        assert not isinstance(packed, tuple)  # pairs are counted on the host
        # The previous run ended with a copy to the host, so that the staging area is free.
        self.staging.numpy()[0] = self.layout.replace_faulty(packed)
        self.planes.copy_(self.staging, non_blocking=True)
        if self.frame is not None:
            assert frame is not None  # runs with and without a frame are apart
            self.frame[0].copy_(torch.from_numpy(frame))
        self.graph.replay()
        return self.result


def pool_and_pad(counts: Tensor, layout: Layout) -> Tensor:
    """Sum counts of sensor pixels to a network's input, as :meth:`Layout.count` on the host.

    Args:
        counts: From :class:`PlaneBinning`, ``[1, bins, sensor height, sensor width]``.
        layout: The layout.

    Returns:
        ``[1, bins, *layout.input_size]``, int32, or as ``counts`` where cells are single pixels.
    """
    (rows, columns), cell = layout.input_size, layout.cell
    # Edge replication by index: F.pad does not replicate bytes.
    y, x = (
        _inside(torch.arange(cells * cell, device=counts.device), size, layout.pixel_binning)
        for size, cells in ((layout.height, rows), (layout.width, columns))
    )
    counts = counts[:, :, y[:, None], x]
    if cell == 1:
        return counts
    counts = counts.reshape(*counts.shape[:2], rows, cell, columns, cell)
    return counts.sum(dim=(3, 5), dtype=torch.int32)


def sampling_grid(remap: CountRemap) -> Tensor:
    """Return the places that counts are taken from, for :func:`remap_counts`.

    Returns:
        ``[1, rows, columns, 2]`` float32: column, then row, from -1 to 1, the edges of the counts.
    """
    rows, columns = remap.x.shape
    places = [(2 * remap.x + 1) / columns - 1, (2 * remap.y + 1) / rows - 1]
    return torch.from_numpy(np.stack(places, axis=-1))[None]


def remap_counts(counts: Tensor, grid: Tensor) -> Tensor:
    """Remap counts ``[1, bins, rows, columns]``, as :class:`CountRemap` on the host."""
    return F.grid_sample(counts, grid, padding_mode='border', align_corners=False)


def _inside(pixels: Tensor, size: int, binning: int) -> Tensor:
    """Clip sensor rows or columns to those of ``size`` image rows or columns."""
    return (pixels // binning).clamp_max(size - 1) * binning + pixels % binning
