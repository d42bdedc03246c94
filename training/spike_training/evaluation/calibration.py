# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration of predicted relative errors to half-widths of a 68 % interval."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from spike_depth_ros.checkpoint import DepthInfo
from spike_depth_ros.evaluation.results import INTERVAL
from spike_training.errors import TrainingError
from spike_training.evaluation.predictors import canonical_depth, predict
from spike_training.sampling.sample import Batch


@torch.inference_mode()
def fit_uncertainty_factor(network: nn.Module, info: DepthInfo, scenes: Iterable[Batch]) -> float:
    """Fit the factor that makes the interval ``depth * (1 +- factor * U)`` hold 68 % of pixels.

    Split conformal: the quantile of ``|truth - depth| / (depth * U)`` over all pixels with a
    finite truth. The coverage carries over to other scenes of the same kind.

    Args:
        network: Network in eval mode.
        info: Metadata of the network.
        scenes: Batches of scenes used neither for training nor for testing.

    Raises:
        TrainingError: No pixel has a truth, or the uncertainty is 0 on most pixels.
    """
    ratios = [torch.empty(0)]
    for batch in scenes:
        output = predict(network, batch, info.inputs[0])
        truth = canonical_depth(batch, info.canonical_fx)
        ratio = (truth - output.depth).abs() / (output.depth * output.uncertainty)
        ratios.append(ratio[truth.isfinite()].cpu())
    pooled = torch.cat(ratios)
    rank = math.ceil(INTERVAL * (len(pooled) + 1))
    factor = float(pooled.kthvalue(rank).values) if rank <= len(pooled) else math.inf
    if not 0 < factor < math.inf:
        raise TrainingError(
            f'the factor of the uncertainty would be {factor} over {len(pooled)} pixels: expected '
            'a positive number; the head predicts no uncertainty, or the scenes hold no depth'
        )
    return factor
