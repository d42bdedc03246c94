# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Predictors: functions that give depth for batches of labelled samples.

Prediction and truth are compared at the canonical focal length: relative metrics are the same
there as at the true one, and the limits of the depth range are the same for all cameras.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spike_depth_ros.checkpoint import Tensors
from spike_depth_ros.networks.depth_net import DepthOutput
from spike_depth_ros.networks.fuse_lite import FuseLite
from spike_depth_ros.networks.registry import build_with_weights
from spike_depth_ros.tasks.base import CheckpointInfo
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.evaluation.mean_depth import MeanDepth
from spike_training.progress import tracked
from spike_training.sampling.sample import Batch, Source, Unlabelled

FloatImage = npt.NDArray[np.float32]


@dataclasses.dataclass
class Scenes:
    """First scenes of a source, in batches.

    Attributes:
        source: Batches by number.
        number: Number of scenes; a multiple of ``batch_size``.
        batch_size: Images in a batch; has no effect on the metrics.
    """

    source: Source[Batch]
    number: int
    batch_size: int

    def __iter__(self) -> Iterator[Batch]:
        for step in range(self.number // self.batch_size):
            yield self.source.batch(step, self.batch_size)

    def tracked(self, title: str) -> Iterator[Batch]:
        """Yield the batches, and count them in a progress bar."""
        return tracked(self, title, max(1, self.number // self.batch_size))


def predict(network: nn.Module, batch: Batch | Unlabelled, inputs: str) -> DepthOutput:
    """Return the outputs of a network for a batch.

    Args:
        network: Network for spikes or RGB.
        batch: Batch; with RGB images, if ``inputs`` is ``rgb``.
        inputs: ``spikes`` or ``rgb``.
    """
    if inputs == 'rgb':
        assert isinstance(batch, Batch)
        assert batch.rgb is not None
        image, planes = batch.rgb, torch.ones(3, dtype=torch.int32, device=batch.rgb.device)
    else:
        image, planes = batch.counts, batch.planes_per_bin
    # Convolutions are fastest in this layout; converting is cheapest while values are bytes.
    image = image.contiguous(memory_format=torch.channels_last)
    if (
        isinstance(network, FuseLite | MeanDepth)
        and isinstance(batch, Batch)
        and batch.frame is not None
    ):
        frame = batch.frame.contiguous(memory_format=torch.channels_last)
        fused: DepthOutput = network(image, planes, frame, batch.has_spikes)
        return fused
    output: DepthOutput = network(image, planes)
    return output


def canonical_depth(batch: Batch, canonical_fx: float) -> Tensor:
    """Convert true depth to the canonical focal length, metres, ``[B, 1, H, W]``.

    +Inf and NaN stay. Relative depth is NaN: it has no metres.
    """
    depth = batch.depth * (canonical_fx / batch.fx)[:, None, None, None]
    if batch.relative is None:
        return depth
    return depth.masked_fill(batch.relative[:, None, None, None], torch.nan)


def scored_depth(batch: Batch, canonical_fx: float) -> Tensor:
    """Return canonical depth as :func:`canonical_depth`, and relative depth as it is."""
    metres = canonical_depth(batch, canonical_fx)
    return metres if batch.relative is None else torch.where(metres.isnan(), batch.depth, metres)


def median_depth_map(scenes: Scenes, canonical_fx: float) -> FloatImage:
    """Compute the median-depth baseline: median canonical depth per pixel, metres, ``[H, W]``."""
    depths = [
        scored_depth(batch, canonical_fx)[:, 0] for batch in scenes.tracked('median-depth map')
    ]
    median: FloatImage = torch.cat(depths).nanmedian(dim=0).values.cpu().numpy()
    return median


class DepthRange(typing.Protocol):
    """Depth range and focal length for scoring: checkpoint metadata or network settings."""

    @property
    def min_depth(self) -> float:
        """Value that scores depths nearer than the range, metres at the canonical focal length."""

    @property
    def max_depth(self) -> float:
        """Value that scores depths beyond the range, metres at the canonical focal length."""

    @property
    def canonical_fx(self) -> float:
        """Canonical focal length, pixels."""


class Estimate(NamedTuple):
    """Predicted depth of a batch.

    Attributes:
        depth: Metres at the canonical focal length, ``[B, H, W]``; infinite and NaN as the
            metrics define them.
        half_width: Half-width of the 68 % interval, same unit and shape; NaN where there is none.
    """

    depth: FloatImage
    half_width: FloatImage


Predictor = Callable[[Batch], Estimate]
"""Function that predicts the depth of a batch; it must not read the true depth."""


def network_predictor(network: nn.Module, info: DepthInfo) -> Predictor:
    """Return the predictor of a network.

    Args:
        network: Network in eval mode.
        info: Metadata of the network; its factor scales the uncertainty.
    """

    @torch.inference_mode()
    def predictor(batch: Batch) -> Estimate:
        output = predict(network, batch, info.inputs[0])
        depth = output.depth[:, 0].cpu().numpy()
        error = info.relative_error(depth, output.uncertainty[:, 0].cpu().numpy())
        return Estimate(depth, depth * (error * info.uncertainty_factor))

    return predictor


def build_for_evaluation(
    info: CheckpointInfo, weights: Tensors, device: torch.device
) -> nn.Module:
    """Build the network of a checkpoint on a device, in eval mode."""
    network = build_with_weights(info, weights).eval().requires_grad_(False)
    moved: nn.Module = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved
