# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cross-modality stage: distillation from RGB to spikes (BiCross, section III-B)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spike_depth_ros.networks.depth_net import DepthOutput, SpikeDepthNet
from spike_training.engine.optim import Groups, groups_of
from spike_training.engine.stage import Context, Phase, Stage
from spike_training.evaluation.predictors import predict
from spike_training.learning.backbone import freeze
from spike_training.learning.losses import soft_error
from spike_training.learning.supervision import Label, Supervision, network_groups
from spike_training.methods.bicross.distillation import Projection, fine_loss, masked_average
from spike_training.methods.bicross.filter import Threshold, drawn, spike_oriented_filter
from spike_training.methods.bicross.settings import CrossModalityConfig, DistilConfig
from spike_training.sampling.sample import Batch
from spike_training.settings.config import ModelConfig

EVERYTHING = (Threshold(quantile=1.0), Threshold(quantile=0.0))
"""Thresholds of RGB and spikes that select every position: no filter."""


class CrossModality(Stage[Batch]):
    """Stage with the loss L_sup + L_unc + 0.1 L_CFKD (Liu et al., BiCross, Eq. 7).

    Args:
        student: Network for spikes.
        teacher: Trained network for RGB; it is frozen here.
        config: Settings of the stage.
        model: Depth range and canonical focal length.
        dim: Width of the tokens of both networks. Their features have the same sizes and are
            compared without a projection to a common size.
    """

    def __init__(
        self,
        student: SpikeDepthNet,
        teacher: SpikeDepthNet,
        config: CrossModalityConfig,
        model: ModelConfig,
        dim: int,
    ) -> None:
        super().__init__()
        self.student = student
        self.teacher = teacher.requires_grad_(False).eval()
        self.config = config
        self.model = model
        self.supervision = Supervision(config, model)
        distil = config.distil
        self.thresholds = _thresholds(distil)
        self.projection: Projection | None = None
        if distil.coarse:
            depth_range = (model.min_depth, model.max_depth)
            self.projection = Projection(dim, depth_range, distil.projection == 'depth')
        freeze(student, config)

    @classmethod
    def from_config(cls, config: CrossModalityConfig, context: Context) -> CrossModality:
        """Build the stage of a run."""
        assert config.teacher is not None  # checked with the config
        teacher = context.trained_model(config.teacher, SpikeDepthNet)
        dim = context.info.settings['dim']
        return cls(context.init_model(SpikeDepthNet), teacher, config, context.config.model, dim)

    def train(self, mode: bool = True) -> CrossModality:
        """Set the mode of the module; keep frozen parts in eval mode."""
        super().train(mode)
        self.teacher.eval()
        freeze(self.student, self.config)
        return self

    @property
    def deployable(self) -> nn.Module:
        """Student, see :attr:`Stage.deployable`."""
        return self.student

    @property
    def networks(self) -> Sequence[nn.Module]:
        """Student and teacher, see :attr:`Stage.networks`."""
        return [self.student, self.teacher]

    def optimizers(self) -> Groups:
        """Group parameters; the projection has its own optimiser and gradient clipping."""
        groups = {'main': network_groups(self.student, self.config)}
        if self.projection is not None:
            groups['projection'] = groups_of(self.projection)
        return groups

    def forward(self, batch: Batch, phase: Phase) -> dict[str, Tensor]:
        """Implement :meth:`Stage.forward`."""
        config, distil = self.config, self.config.distil
        teacher, student = self._both(batch)
        sup, unc, error = self.supervision(student, batch)
        cfkd, parts = self._distil(teacher, student, self.supervision.label(batch))
        loss = sup + config.uncertainty_weight * unc + distil.weight * cfkd
        if 'fit' in parts:
            loss = loss + parts['fit']
        parts |= {
            'sup': sup,
            'unc': unc,
            'error': error,
            'teacher_error': self.supervision(teacher, batch).error,
        }
        return {'loss': loss, **{name: value.detach() for name, value in parts.items()}}

    def _both(self, batch: Batch) -> tuple[DepthOutput, DepthOutput]:
        with torch.no_grad():
            teacher = predict(self.teacher, batch, 'rgb')
        return teacher, predict(self.student, batch, 'spikes')

    def _distil(
        self, teacher: DepthOutput, student: DepthOutput, label: Label
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return L_CFKD and its terms for the log."""
        cfkd = student.depth.new_zeros(())
        parts: dict[str, Tensor] = {}
        if self.projection is not None:
            selected = self.selected(teacher, student, student.f_enc)
            coarse = self.projection(
                masked_average(teacher.f_enc, selected),
                masked_average(student.f_enc, selected),
                selected.flatten(1).any(dim=1),
                label.depth,
            )
            cfkd = cfkd + coarse.ckd
            parts |= {'ckd': coarse.ckd, 'spread': coarse.spread, 'kept_coarse': _share(selected)}
            if self.projection.learns_depth:
                parts['fit'] = coarse.fit
        fine = self.config.distil.fine
        if fine != 'off':
            selected = self.selected(teacher, student, student.f_dec)
            fkd = fine_loss(teacher.f_dec, student.f_dec, selected, fine == 'paper_exact').mean()
            cfkd = cfkd + fkd
            parts |= {'fkd': fkd, 'kept_fine': _share(selected)}
        if parts:
            parts |= _gains(teacher.depth, student.depth, label, selected)
        return cfkd, parts

    def selected(self, teacher: DepthOutput, student: DepthOutput, features: Tensor) -> Tensor:
        """Select the positions of a feature map to distil, ``[B, 1, h, w]`` bool."""
        grid = (features.shape[2], features.shape[3])
        selected = spike_oriented_filter(
            teacher.uncertainty, student.uncertainty, grid, *self.thresholds
        )
        return drawn(selected) if self.config.distil.filter == 'random' else selected

    def picture(self, batch: Batch) -> npt.NDArray[np.uint8]:
        """Draw inputs and outputs of both networks and the positions that each filter selects."""
        from spike_training.learning.panels import Panels

        teacher, student = self._both(batch)
        show = Panels(self.model)
        truth = self.supervision.label(batch).depth
        return show.sheet(
            [
                show.input(batch.counts, batch.rgb),
                show.depth(truth, 'truth'),
                show.depth(teacher.depth, 'depth, RGB'),
                show.uncertainty(teacher.uncertainty, 'uncertainty, RGB'),
                show.selection(
                    self.selected(teacher, student, student.f_enc), 'distilled, coarse'
                ),
            ],
            [
                show.spikes(batch.counts),
                show.difference(student.depth, truth, 'error, spikes'),
                show.depth(student.depth, 'depth, spikes'),
                show.uncertainty(student.uncertainty, 'uncertainty, spikes'),
                show.selection(self.selected(teacher, student, student.f_dec), 'distilled, fine'),
            ],
        )


def _thresholds(distil: DistilConfig) -> tuple[Threshold, Threshold]:
    if not distil.filter:
        return EVERYTHING
    return (
        Threshold(distil.rgb_threshold, distil.rgb_quantile),
        Threshold(distil.spike_threshold, distil.spike_quantile),
    )


@torch.no_grad()
def _gains(teacher: Tensor, student: Tensor, label: Label, selected: Tensor) -> dict[str, Tensor]:
    """Return how much smaller the teacher's relative error is, at distilled and at other places.

    Args:
        teacher: Depth of the teacher, ``[B, 1, H, W]``.
        student: Depth of the student.
        label: Labels; sky, which is at no distance, does not count.
        selected: Distilled positions, ``[B, 1, h, w]`` bool.
    """
    known, depth = label.measured, label.depth
    gain = torch.where(known, soft_error(student, depth) - soft_error(teacher, depth), 0.0)
    grid = (selected.shape[2], selected.shape[3])
    share = F.adaptive_avg_pool2d(known.float(), grid)
    gain = F.adaptive_avg_pool2d(gain, grid)
    return {
        name: gain[place].sum() / share[place].sum().clamp_min(1e-6)
        for name, place in (('gain_distilled', selected), ('gain_elsewhere', ~selected))
    }


def _share(selected: Tensor) -> Tensor:
    return selected.float().mean()
