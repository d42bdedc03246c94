# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX export of networks of spikes: counts of cells to images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spike_depth_ros.checkpoint import Tensors
from spike_depth_ros.networks import SpikeNet
from spike_depth_ros.networks.depth_net import SpikeDepthNet
from spike_depth_ros.networks.heads import DepthHead, UncertaintyHead, enlarge
from spike_depth_ros.networks.registry import build, weights_of
from spike_depth_ros.runtime.layout import MULTIPLE
from spike_depth_ros.tasks.base import SpikeInfo
from spike_training.evaluation.statistics import fresh_statistics
from spike_training.exports.onnx_file import onnx_content

UNDECIDED = 1e-3
"""Largest share of pixels that may differ by more with ``upsampling: selected``, and of
disparities: where two largest weights are equal but for rounding, a pixel copies one value here
and another one there."""

SAMPLE_SIZE = (4, 6)
"""Rows and columns of tokens while exporting; height and width stay free."""


def random_weights(info: SpikeInfo) -> Tensors:
    """Return random weights of a network; their seed is that of torch."""
    network = build(info)
    reestimate_batch_norm(network, [random_counts(info) for _ in range(4)])
    return weights_of(network)


def random_counts(info: SpikeInfo) -> tuple[Tensor, Tensor]:
    """Return counts of a batch of static random images with contrast at all scales.

    Args:
        info: Metadata of the network.

    Returns:
        Counts ``[4, bins, 96, 160]`` and planes per bin, ``[bins]`` int32.
    """
    size = 96, 160
    light = torch.zeros(4, 1, *size)
    # Equal contrast in every octave, as in natural images.
    for coarse in (4, 8, 16, 32, 64):
        light += F.interpolate(torch.randn(4, 1, coarse, coarse), size, mode='bicubic')
    rate = 0.2 * torch.exp(0.4 * light)
    length = max(1, info.planes // info.bins)
    planes = torch.rand(4, info.bins, length, *size) < rate[:, :, None]
    return planes.sum(dim=2), torch.full((info.bins,), length, dtype=torch.int32)


def reestimate_batch_norm(network: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> None:
    """Set the statistics of every batch norm to their mean over batches of inputs.

    Random weights do not keep the scale of their inputs; with statistics of mean 0 and
    variance 1 the heads of an untrained network would saturate.
    """
    with torch.no_grad(), fresh_statistics(network.train()):
        for counts, planes_per_bin in batches:
            network(counts, planes_per_bin)


class _Outputs(nn.Module):
    """Network with the outputs that the runtime reads.

    Args:
        network: The network.
        names: ``outputs`` of its checkpoint.
    """

    def __init__(self, network: SpikeNet, names: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.names = tuple(names)

    def forward(
        self, counts: Tensor, planes_per_bin: Tensor, frame: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        if frame is None:
            images = self._images(counts, planes_per_bin)
        else:
            images = self._as_they_are(counts, planes_per_bin, frame)
        return tuple(images[name] for name in self.names)

    def _images(self, counts: Tensor, planes_per_bin: Tensor) -> dict[str, Tensor]:
        network = self.network
        if not isinstance(network, SpikeDepthNet):
            return self._as_they_are(counts, planes_per_bin)
        depth_head, uncertainty_head = network.depth_head, network.uncertainty_head
        if not (
            isinstance(depth_head, DepthHead)
            and isinstance(uncertainty_head, UncertaintyHead)
            and depth_head.last == uncertainty_head.last
        ):
            return self._as_they_are(counts, planes_per_bin)
        # The same result, faster: scaled at low resolution, and enlarged as two channels of one
        # image, as ONNX Runtime gives each channel a thread.
        f_dec = network.decoder(network.encoder(network.temporal(counts, planes_per_bin)))
        log_depth = depth_head.share(f_dec) * depth_head.log_range + depth_head.log_min
        both = torch.cat([log_depth, uncertainty_head.error(f_dec)], dim=1)
        log_depth, error = enlarge(both, depth_head.last).chunk(2, dim=1)
        return {'depth': torch.exp(log_depth), 'uncertainty': error}

    def _as_they_are(self, *images: Tensor) -> dict[str, Tensor]:
        output = self.network.from_pooled(*images)
        return {name: getattr(output, name) for name in self.names}


def to_onnx(network: SpikeNet, info: SpikeInfo) -> bytes:
    """Export a network as ONNX: counts of cells (uint16) and their maxima (int32) to images.

    A network of spikes and a frame also takes the frame, at the size of the counts: float32
    ``[1, 3, H, W]``, 0 to 1, NaN where there is none.

    Args:
        network: Network in eval mode, its weights representable in float16.
        info: Metadata, written into the file; with ``weights_sha256``, without ``onnx_sha256``.
    """
    size = [rows * MULTIPLE for rows in SAMPLE_SIZE]
    counts = torch.ones((eyes_of(info), info.bins, *size), dtype=torch.uint16)
    given = {'counts': counts, 'planes_per_bin': torch.ones(info.bins, dtype=torch.int32)}
    rows, columns = torch.export.Dim('rows', max=1024), torch.export.Dim('columns', max=1024)
    free = {2: MULTIPLE * rows, 3: MULTIPLE * columns}
    shapes: tuple[dict[int, Any] | None, ...] = (free, None)
    if info.largest_frame_age_s is not None:
        given['frame'] = torch.rand(1, 3, *size)
        shapes = (*shapes, free)
    outputs = _Outputs(network, info.outputs).eval()
    return onnx_content(outputs, given, shapes, info.outputs, info)


def eyes_of(info: SpikeInfo) -> int:
    """Return the number of cameras whose spikes a network takes."""
    return sum(name in ('spikes', 'right') for name in info.inputs)


def relative_difference(content: bytes, network: SpikeNet, info: SpikeInfo) -> float:
    """Return the relative difference of ONNX Runtime to torch.

    All outputs are compared, at two input sizes, and the largest difference counts; with
    ``upsampling: selected`` and of disparities that of all pixels but a share of
    :data:`UNDECIDED`. Disparities below 1 pixel, and uncertainties of theirs, count as that; so do
    the uncertainties of ``dpn`` below 0.1, which are differences of nearly equal disparities.
    """
    matches = 'disparity' in info.outputs
    chooses = info.settings.get('upsampling') == 'selected' or matches
    undecided = UNDECIDED if chooses else 0.0
    # Disparities of about 0 pixels are as exact as others.
    least = 1.0 if matches else 1e-6
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(content, options, providers=['CPUExecutionProvider'])
    generator = np.random.default_rng(0)
    worst = np.float64(0)
    for tokens in (SAMPLE_SIZE, (3, 2)):
        size = [rows * MULTIPLE for rows in tokens]
        several = generator.integers(4, 6, info.bins) if info.planes > info.bins else 1
        planes_per_bin = np.full(info.bins, several * info.pool**2, np.int32)
        light = generator.uniform(0.02, 0.6, (eyes_of(info), 1, *size))
        counts = generator.binomial(planes_per_bin[None, :, None, None], light).astype(np.uint16)
        feeds = {'counts': counts, 'planes_per_bin': planes_per_bin}
        if info.largest_frame_age_s is not None:
            frame = generator.random((1, 3, *size), np.float32)
            frame[..., : size[1] // 3] = np.nan
            feeds['frame'] = frame
        found = session.run(list(info.outputs), feeds)
        with torch.inference_mode():
            wanted = network.from_pooled(*map(torch.from_numpy, feeds.values()))
        for name, mine in zip(info.outputs, found, strict=True):
            expected = getattr(wanted, name).numpy()
            differs = info.architecture == 'dpn' and name == 'uncertainty'
            magnitude = np.maximum(np.abs(expected), 0.1 if differs else least)
            relative = np.abs(mine - expected) / magnitude
            # NaN stays NaN, and is refused.
            worst = np.maximum(worst, np.quantile(relative, 1 - undecided, method='higher'))
    return float(worst)
