# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Joint stage: cross-modality and cross-domain learning in one step (BiCross, Eq. 7 and 8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spike_depth_ros.networks.depth_net import SpikeDepthNet
from spike_training.engine.optim import Groups
from spike_training.engine.stage import Context, Phase, Selection, Stage
from spike_training.evaluation.statistics import untracked
from spike_training.methods.bicross.settings import JointConfig
from spike_training.methods.bicross.stages.cross_domain import CrossDomain
from spike_training.methods.bicross.stages.cross_modality import CrossModality
from spike_training.sampling.sample import Pair


class Joint(Stage[Pair]):
    """Stage with the sum of the losses of both phases, which have one student.

    Statistics are those of kind cross_domain, from the first step on that sees the target: the
    pass that learns from RGB does not change them any more.

    Args:
        modality: Phase that learns from RGB.
        domain: Phase that adapts to the target; of the same student.
        config: Settings of both.
        steps: Steps of the training.
    """

    taken: Tensor

    def __init__(
        self, modality: CrossModality, domain: CrossDomain, config: JointConfig, steps: int
    ) -> None:
        super().__init__()
        assert modality.student is domain.student
        self.modality, self.domain, self.config = modality, domain, config
        self.first = 0 if config.target_steps is None else steps - config.target_steps
        # Part of the state, so that a resumed training knows where it is.
        self.register_buffer('taken', torch.zeros((), dtype=torch.int64))

    @classmethod
    def from_config(cls, config: JointConfig, context: Context) -> Joint:
        """Build the stage of a run."""
        assert config.teacher is not None  # checked with the config
        teacher = context.trained_model(config.teacher, SpikeDepthNet)
        student = context.init_model(SpikeDepthNet)
        dim, model = context.info.settings['dim'], context.config.model
        domain = CrossDomain(student, config.domain, model, dim)
        modality = CrossModality(student, teacher, config, model, dim)
        return cls(modality, domain, config, context.config.train.steps)

    @property
    def sees_target(self) -> bool:
        """True in the steps that see the target."""
        return int(self.taken) >= self.first

    @property
    def deployable(self) -> nn.Module:
        """Teacher or student of the target; see :attr:`Stage.deployable`."""
        return self.domain.deployable

    @property
    def networks(self) -> Sequence[nn.Module]:
        """Networks of both phases, see :attr:`Stage.networks`."""
        return [*self.domain.networks, self.modality.teacher]

    def optimizers(self) -> Groups:
        """Group parameters; projection and discriminators have optimisers of their own."""
        return {**self.modality.optimizers(), **self.domain.optimizers()}

    @property
    def discriminators(self) -> nn.Module:
        """Discriminators of the target; without parameters if there are none."""
        return self.domain.discriminators or nn.Module()

    def before_measuring(self) -> None:
        """Go to a step that sees the target."""
        self.taken.fill_(self.first + 1)
        self.domain.before_measuring()

    def waits(self, optimizer: str, step: int) -> bool:
        """Return True for discriminators while the target is not seen."""
        return optimizer == 'discriminators' and step < self.first

    def begin(self, batches: Iterable[Pair], held_out: Iterable[Pair]) -> None:
        """Estimate statistics of the target, if it is seen from the first step on."""
        if self.sees_target:
            self.domain.begin(batches, held_out)

    def after_step(self, step: int) -> None:
        """Update the teacher of pseudo labels; it begins as the student."""
        self.taken.fill_(step + 1)
        if step >= self.first:
            self.domain.after_step(step - self.first)
        else:
            for network in (self.domain.teacher, self.domain.source_model):
                network.load_state_dict(self.domain.student.state_dict())

    def forward(self, batch: Pair, phase: Phase) -> dict[str, Tensor]:
        """Implement :meth:`Stage.forward`; validation is that of kind cross_domain."""
        if phase == 'val':
            return {**self.modality(batch.source, phase), **self.domain(batch, phase)}
        if not self.sees_target:
            found: dict[str, Tensor] = self.modality(batch.source, phase)
            # Several processes expect a gradient of each parameter.
            nothing = [p.sum() for p in self.discriminators.parameters()]
            loss = self.config.modality_weight * found['loss'] + 0.0 * sum(nothing)
            return {**found, 'loss': loss}
        if int(self.taken) == self.first > 0:
            # As kind cross_domain begins; the batch is large enough for statistics.
            self.taken += 1  # once, though the step may have further batches
            self.domain.begin([batch], [])
            self.train()
        with untracked(self.domain.student):
            learnt = self.modality(batch.source, phase)
        adapted = self.domain(batch, phase)
        loss = (
            self.config.modality_weight * learnt['loss']
            + self.config.domain_weight * adapted['loss']
        )
        return {**learnt, **adapted, 'loss': loss}

    def warnings(self, metrics: Mapping[str, float]) -> Sequence[str]:
        """Return those of kind cross_domain, once the target is seen."""
        return self.domain.warnings(metrics) if self.sees_target else ()

    def select(self, batches: Iterable[Pair]) -> Selection | None:
        """Select the network as kind cross_domain does."""
        return self.domain.select(batches)

    def picture(self, batch: Pair) -> npt.NDArray[np.uint8]:
        """Draw the picture of kind cross_domain."""
        return self.domain.picture(batch)
