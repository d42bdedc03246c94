# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Predictors: the depth of a network, or of anything else, for batches of labelled samples.

Depth is compared at the canonical focal length, prediction and truth alike: relative figures are
the same there as at the true one, and "beyond the range" is one number for all cameras.
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

from spike_depth_ros.checkpoint import DepthInfo, Tensors
from spike_depth_ros.model.depth_net import DepthOutput
from spike_depth_ros.model.registry import build_with_weights
from spike_training.engine.stage import Source
from spike_training.sampling.sample import Batch, Unlabelled

FloatImage = npt.NDArray[np.float32]


@dataclasses.dataclass
class Scenes:
    """The first scenes of a source.

    Attributes:
        source: Batches by number.
        number: Of scenes; a multiple of ``batch_size``.
        batch_size: Images at a time; changes no figure.
    """

    source: Source[Batch]
    number: int
    batch_size: int

    def __iter__(self) -> Iterator[Batch]:
        for step in range(self.number // self.batch_size):
            yield self.source.batch(step, self.batch_size)


def predict(network: nn.Module, batch: Batch | Unlabelled, inputs: str) -> DepthOutput:
    """A network's outputs for a batch.

    Args:
        network: Of spikes or RGB.
        batch: With RGB, if that is asked for.
        inputs: ``spikes`` or ``rgb``.
    """
    if inputs == 'rgb':
        assert isinstance(batch, Batch)
        assert batch.rgb is not None
        image, planes = batch.rgb, torch.ones(3, dtype=torch.int32, device=batch.rgb.device)
    else:
        image, planes = batch.counts, batch.planes_per_bin
    # The layout that convolutions are fastest in, while the numbers are still bytes.
    output: DepthOutput = network(image.contiguous(memory_format=torch.channels_last), planes)
    return output


def canonical_depth(batch: Batch, canonical_fx: float) -> Tensor:
    """True depth at the canonical focal length, metres, ``[B, 1, H, W]``; +Inf and NaN stay."""
    return batch.depth * (canonical_fx / batch.fx)[:, None, None, None]


def median_depth_map(scenes: Scenes, canonical_fx: float) -> FloatImage:
    """Median-depth baseline: each pixel's median canonical depth, metres, ``[H, W]``."""
    depths = [canonical_depth(batch, canonical_fx)[:, 0] for batch in scenes]
    median: FloatImage = torch.cat(depths).nanmedian(dim=0).values.cpu().numpy()
    return median


class DepthRange(typing.Protocol):
    """What predictions are scored by: a checkpoint's metadata, or the settings of a network."""

    @property
    def min_depth(self) -> float:
        """What "nearer than the range" is scored as, metres at the canonical focal length."""

    @property
    def max_depth(self) -> float:
        """What "beyond the range" is scored as, likewise."""

    @property
    def canonical_fx(self) -> float:
        """That focal length, pixels."""


class Estimate(NamedTuple):
    """The depth of a batch, as predicted.

    Attributes:
        depth: Metres at the canonical focal length, ``[B, H, W]``; infinite and NaN as the
            metrics define them.
        half_width: Half of the 68 % interval, likewise; NaN where none is given.
    """

    depth: FloatImage
    half_width: FloatImage


Predictor = Callable[[Batch], Estimate]
"""Predicts the depth of a batch, whose truth it must not read."""


def network_predictor(network: nn.Module, info: DepthInfo) -> Predictor:
    """The predictor of a network.

    Args:
        network: In eval mode.
        info: Of the network; its factor scales the uncertainty.
    """

    @torch.inference_mode()
    def predictor(batch: Batch) -> Estimate:
        output = predict(network, batch, info.inputs[0])
        depth = output.depth[:, 0].cpu().numpy()
        relative = output.uncertainty[:, 0].cpu().numpy() * info.uncertainty_factor
        return Estimate(depth, depth * relative)

    return predictor


def build_for_evaluation(info: DepthInfo, weights: Tensors, device: torch.device) -> nn.Module:
    """The network of a checkpoint, in eval mode, on a device."""
    network = build_with_weights(info, weights).eval().requires_grad_(False)
    moved: nn.Module = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved
