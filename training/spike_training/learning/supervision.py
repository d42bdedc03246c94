# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Supervised loss on labels, shared by all stages."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import torch
from torch import Tensor

from spike_depth_ros.networks.depth_net import DepthOutput, SpikeDepthNet
from spike_training.engine.optim import ParameterGroup, groups_of
from spike_training.evaluation.predictors import canonical_depth
from spike_training.learning.backbone import backbone_of
from spike_training.learning.losses import (
    affine_loss,
    gradient_loss,
    si_loss,
    si_loss_absolute,
    si_loss_rooted,
    soft_error,
    uncertainty_loss,
)
from spike_training.learning.settings import SupervisedConfig
from spike_training.sampling.sample import Batch
from spike_training.settings.config import ModelConfig

SI_FORMS = {'plain': si_loss, 'rooted': si_loss_rooted, 'absolute': si_loss_absolute}
"""Name in a config -> form of the scale-invariant loss."""


def network_groups(network: SpikeDepthNet, config: SupervisedConfig) -> list[ParameterGroup]:
    """Group the trainable parameters of a network; the backbone has its own learning rate."""
    return groups_of(network, part=backbone_of(network), part_scale=config.backbone_lr_scale)


class Label(NamedTuple):
    """Target of a network for a batch.

    Attributes:
        depth: Canonical depth within the network's range, metres, ``[B, 1, H, W]``; NaN: unknown.
        weight: Weight of each pixel in the loss of depth, same shape.
        measured: Mask of pixels with finite depth, same shape, bool: neither sky nor unknown.
    """

    depth: Tensor
    weight: Tensor
    measured: Tensor


class SupervisedLosses(NamedTuple):
    """Scalars, means over the images of a batch.

    Attributes:
        sup: L_sup (Liu et al., BiCross, Eq. 5 on labels) plus the weighted loss of edges.
        unc: L_unc (below Eq. 2).
        error: Mean relative error, clipped to 0..1, without a gradient: for the log.
    """

    sup: Tensor
    unc: Tensor
    error: Tensor


class Supervision:
    """Supervised losses of depth and uncertainty, in the form of a stage's settings.

    The target is depth at the canonical focal length, clamped to the range of the network. Sky is
    trained as the largest depth with a separate weight, to limit its effect on the scale of the
    other pixels. The uncertainty is not trained on sky.

    Relative depth, of labels that a foundation model has made, has a loss of its own
    (:func:`affine_loss`), which tells nothing of metres, and does not train the uncertainty.

    Args:
        config: Settings of the stage.
        model: Depth range and canonical focal length.
    """

    def __init__(self, config: SupervisedConfig, model: ModelConfig) -> None:
        self.config = config
        self.model = model

    def label(self, batch: Batch) -> Label:
        """Return the label of a batch."""
        # An unknown focal length is taken for the canonical one.
        known = dataclasses.replace(batch, fx=batch.fx.nan_to_num(self.model.canonical_fx))
        depth = canonical_depth(known, self.model.canonical_fx)  # NaN where it is relative
        weight = torch.where(batch.depth.isinf(), self.config.sky_weight, 1.0)
        clamped = depth.clamp(self.model.min_depth, self.model.max_depth)
        return Label(clamped, weight, depth.isfinite())

    def si(self, pred: Tensor, reference: Tensor, weight: Tensor) -> Tensor:
        """Compute the scale-invariant loss of each image, ``[B]``, in the stage's form."""
        function = SI_FORMS[self.config.si]
        return function(pred, reference, weight, self.config.si_lambda)

    def __call__(self, output: DepthOutput, batch: Batch) -> SupervisedLosses:
        """Compute the losses and the error of a network's outputs for a batch."""
        target, weight, measured = self.label(batch)
        error = torch.where(measured, soft_error(output.depth, target), 0.0).sum()
        sup = self.si(output.depth, target, weight).mean()
        if self.config.gradient_weight:
            edges = gradient_loss(output.depth, target, weight).mean()
            sup = sup + self.config.gradient_weight * edges
        if batch.relative is not None:
            labelled = batch.relative[:, None, None, None].expand_as(target)
            affine = affine_loss(output.depth, batch.depth, labelled, self.config.gradient_weight)
            sup = sup + affine.mean()
        limit = self.config.uncertainty_limit
        unc = uncertainty_loss(output.uncertainty, output.depth, target, measured, limit)
        return SupervisedLosses(
            sup=sup,
            unc=unc.mean(),
            error=error / measured.sum().clamp_min(1),
        )
