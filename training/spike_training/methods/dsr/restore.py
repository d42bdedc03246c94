# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two networks that learn from each other: one of small maps, one of colours.

It is the second step of Sun et al., "Learning Scene Structure Guidance via Cross-Task Knowledge
Transfer for Single Depth Super-Resolution", Algorithm 1.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spike_depth_ros.networks.dsr_net import DeNet, DsrNet
from spike_training.engine.optim import Groups, groups_of
from spike_training.engine.stage import Context, Phase, Stage
from spike_training.evaluation.upsampling import bilinear, nearest
from spike_training.methods.dsr.degradation import Pairs, draw_pairs, generator_of
from spike_training.methods.dsr.losses import (
    affinity,
    affinity_loss,
    estimation_loss,
    fit_to_truth,
    l1_loss,
    output_loss,
    structure_loss,
)
from spike_training.methods.dsr.picture import draw_maps
from spike_training.methods.dsr.settings import RestoreConfig
from spike_training.methods.dsr.structure import SideOutputs, StructureNet
from spike_training.sampling.sample import Batch

FIRST_BATCHES = 4
"""Batches whose errors choose the teacher of the first round."""


class View(NamedTuple):
    """What a network has of a batch.

    Attributes:
        map: Its map, ``[B, 1, H, W]`` grey levels.
        features: Features of each of its blocks, ``[B, width, H, W]``.
        sides: Map of each block, as ``map``.
        affinities: Affinities of the features of each block, ``[B, places, places]``.
    """

    map: Tensor
    features: list[Tensor]
    sides: list[Tensor]
    affinities: list[Tensor]

    def detached(self) -> View:
        """Return it without a gradient."""
        lists = ([each.detach() for each in several] for several in self[1:])
        return View(self.map.detach(), *lists)


class Restore(Stage[Batch]):
    """Stage with the losses of DSRNet, DENet and SPNet (Sun et al., Eq. 3 to 13).

    Side outputs learn to be maps from features that they do not change; the features, and the side
    outputs with them, learn from the difference of both networks' side outputs.

    Args:
        enlarger: DSRNet.
        estimator: DENet, with as many blocks and channels.
        config: Settings of the stage.

    Attributes:
        errors: Sums over a round of the errors of DSRNet and DENet (Eq. 1 and 2), ``[2]``.
        enlarger_teaches: True in rounds in which DSRNet is the teacher.
    """

    errors: Tensor
    enlarger_teaches: Tensor

    def __init__(self, enlarger: DsrNet, estimator: DeNet, config: RestoreConfig) -> None:
        super().__init__()
        self.enlarger, self.estimator, self.config = enlarger, estimator, config
        blocks, width = enlarger.blocks, enlarger.width
        self.enlarger_sides = SideOutputs(blocks, width)
        self.estimator_sides = SideOutputs(blocks, width)
        self.structure: StructureNet | None = None
        if config.structure_weight:
            self.structure = StructureNet(width, config.error_weights)
        self.register_buffer('errors', torch.zeros(2, dtype=torch.float64))
        self.register_buffer('enlarger_teaches', torch.ones((), dtype=torch.bool))

    @classmethod
    def from_config(cls, config: RestoreConfig, context: Context) -> Restore:
        """Build the stage, see :meth:`Stage.from_config`."""
        estimator = context.trained_model(config.estimator, DeNet)
        return cls(context.init_model(DsrNet), estimator, config)

    @property
    def deployable(self) -> nn.Module:
        """DSRNet, see :attr:`Stage.deployable`."""
        return self.enlarger

    @property
    def networks(self) -> list[nn.Module]:
        """Both networks, see :attr:`Stage.networks`."""
        return [self.enlarger, self.estimator]

    def optimizers(self) -> Groups:
        """Group parameters by network: ``sr``, ``de``, and ``sp`` if there is SPNet."""
        groups = {
            'sr': [*groups_of(self.enlarger), *groups_of(self.enlarger_sides)],
            'de': [*groups_of(self.estimator), *groups_of(self.estimator_sides)],
        }
        return groups | ({'sp': groups_of(self.structure)} if self.structure is not None else {})

    def begin(self, batches: Iterable[Batch], held_out: Iterable[Batch]) -> None:
        """Choose the teacher of the first round."""
        with torch.no_grad():
            for batch in itertools.islice(batches, FIRST_BATCHES):
                self(batch, 'train')
        self._choose()

    def waits(self, optimizer: str, step: int) -> bool:
        """Fix the teacher with the roles ``paper_exact``, see :meth:`Stage.waits`."""
        if self.config.roles != 'paper_exact':
            return False  # without asking the device who teaches
        return optimizer == ('sr' if self.enlarger_teaches else 'de')

    def after_step(self, step: int) -> None:
        """Choose the teacher after each round."""
        if (step + 1) % self.config.round_steps == 0:
            self._choose()

    def _choose(self) -> None:
        """Make the network with the smaller error the teacher (Algorithm 1), and begin a round."""
        self.enlarger_teaches.copy_(self.errors[0] <= self.errors[1])
        self.errors.zero_()

    def forward(self, batch: Batch, phase: Phase) -> dict[str, Tensor]:
        """Implement :meth:`Stage.forward`."""
        config, pairs = self.config, self.pairs(batch, phase)
        truth, rgb = pairs.truth, pairs.rgb
        assert rgb is not None
        enlarged, estimated = self.enlarged(pairs.small), self.estimated(rgb, truth)
        errors = [l1_loss(view.map, truth) for view in (enlarged, estimated)]
        if phase == 'train':
            self.errors += torch.stack([each.detach().mean() for each in errors])
        scalars = {
            'enlarged': errors[0],
            'estimated': errors[1],
            'nearest': l1_loss(nearest(pairs.small, pairs.factor), truth),
            'enlarger_teaches': self.enlarger_teaches.float(),
        }
        total = errors[0] + estimation_loss(estimated.map, truth, config.ssim_share)
        total = total + self.side_loss(enlarged, estimated, pairs.small, truth)
        for student, teacher in self.lessons(enlarged, estimated):
            outputs = output_loss(student.sides, teacher.sides, truth)
            affinities = affinity_loss(student.affinities, teacher.affinities)
            distilled = config.output_weight * outputs + config.affinity_weight * affinities
            total = total + config.distillation_weight * distilled
            scalars |= {'outputs': outputs, 'affinities': affinities}
        if self.structure is not None:
            structure = structure_loss(self.predicted_structure(enlarged, estimated, truth), truth)
            total = total + config.structure_weight * structure
            scalars['structure'] = structure
        return {
            'loss': total.mean(),
            **{name: each.detach().mean() for name, each in scalars.items()},
        }

    def pairs(self, batch: Batch, phase: Phase) -> Pairs:
        """Draw the pairs of a batch; what is a hole of the small map is unknown in the truth."""
        pairs = draw_pairs(batch, self.config, generator_of(batch, phase))
        seen = ~nearest(pairs.small, pairs.factor).isnan()
        return pairs._replace(truth=pairs.truth * seen)

    def enlarged(self, small: Tensor) -> View:
        """Return what DSRNet has of small maps."""
        features = self.enlarger.features(small)
        sides = self._enlarged_sides(small, features)
        affinities = [affinity(each) for each in features]
        return View(self.enlarger.combine(small, features), features, sides, affinities)

    def estimated(self, rgb: Tensor, truth: Tensor) -> View:
        """Return what DENet has of colours."""
        features = self.estimator.features(rgb)
        found = self._fitted(self.estimator.combine(features), truth)
        sides = self._estimated_sides(features, truth)
        return View(found, features, sides, [affinity(each) for each in features])

    def _enlarged_sides(self, small: Tensor, features: list[Tensor]) -> list[Tensor]:
        return [self.enlarger.placed(small, each) for each in self.enlarger_sides(features)]

    def _estimated_sides(self, features: list[Tensor], truth: Tensor) -> list[Tensor]:
        outputs = self.estimator_sides(features)
        return [self._fitted(self.estimator.placed(each), truth) for each in outputs]

    def _fitted(self, estimate: Tensor, truth: Tensor) -> Tensor:
        """Fit a map of DENet to the truth, unless its maps are taken as they are."""
        return fit_to_truth(estimate, truth) if self.config.fit_estimates else estimate

    def side_loss(self, enlarged: View, estimated: View, small: Tensor, truth: Tensor) -> Tensor:
        """Return the loss by which side outputs are maps, ``[B]``; features do not learn by it."""
        maps = [
            *self._enlarged_sides(small, enlarged.detached().features),
            *self._estimated_sides(estimated.detached().features, truth),
        ]
        return torch.stack([l1_loss(each, truth) for each in maps]).mean(dim=0)

    def predicted_structure(self, enlarged: View, estimated: View, truth: Tensor) -> Tensor:
        """Return the structure map that SPNet predicts, ``[B, 1, H, W]``."""
        assert self.structure is not None
        known = truth > 0
        views = (enlarged, estimated)
        errors = [torch.where(known, view.map - truth, 0.0) for view in views]
        structure: Tensor = self.structure([view.features[-1] for view in views], errors)
        return structure

    def lessons(self, enlarged: View, estimated: View) -> list[tuple[View, View]]:
        """Return the student, and the teacher without a gradient, of each distillation (Eq. 6)."""
        of_enlarger = (enlarged, estimated.detached())
        of_estimator = (estimated, enlarged.detached())
        if self.config.roles == 'mutual':
            return [of_enlarger, of_estimator]
        return [of_estimator if self.enlarger_teaches else of_enlarger]

    def picture(self, batch: Batch) -> npt.NDArray[np.uint8]:
        """Draw crops: colours; bilinear, learnt and estimated map; the truth, and all errors."""
        pairs = self.pairs(batch, 'val')
        assert pairs.rgb is not None
        maps = {
            'bilinear': bilinear(pairs.small, pairs.factor),
            'learnt': self.enlarger(pairs.small, pairs.factor),
            'estimated': self.estimated(pairs.rgb, pairs.truth).map,
        }
        return draw_maps(maps, pairs.truth, pairs.rgb)
