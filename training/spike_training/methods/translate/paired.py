# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Kind paired: the look of the source from pairs, a control of kind cycle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from spike_depth_ros.networks.translator import Translator
from spike_training.engine.optim import Groups
from spike_training.engine.stage import Context, Phase, Stage
from spike_training.evaluation.looks import edge_f1
from spike_training.learning.looks import check_varied, source_picture, target_picture
from spike_training.methods.translate.losses import difference
from spike_training.methods.translate.pictures import edge_warnings, undecayed
from spike_training.methods.translate.settings import PairedConfig
from spike_training.sampling.sample import Batch
from spike_training.settings.config import ModelConfig


class Paired(Stage[Batch]):
    """Stage with the mean absolute difference from the true look.

    Args:
        translator: The translator.
        config: Settings.
        model: Depth range, for pictures.
    """

    def __init__(self, translator: Translator, config: PairedConfig, model: ModelConfig) -> None:
        super().__init__()
        self.translator, self.config, self.model = translator, config, model

    @classmethod
    def from_config(cls, config: PairedConfig, context: Context) -> Paired:
        """Implement :meth:`Stage.from_config`."""
        return cls(context.init_model(Translator), config, context.config.model)

    @property
    def deployable(self) -> nn.Module:
        """The translator, see :attr:`Stage.deployable`."""
        return self.translator

    def optimizers(self) -> Groups:
        """Implement :meth:`Stage.optimizers`."""
        return {'main': undecayed(self.translator)}

    def begin(self, batches: Iterable[Batch], held_out: Iterable[Batch]) -> None:
        """Check that pictures of the target show something.

        Raises:
            DataSetError: They do not.
        """
        check_varied('target', target_picture(next(iter(batches))))

    def forward(self, batch: Batch, phase: Phase) -> dict[str, Tensor]:
        """Implement :meth:`Stage.forward`."""
        picture = target_picture(batch)
        made = self.translator(picture)
        apart = difference(made, source_picture(batch))
        parts = {'apart': apart, 'changed': difference(made, picture)}
        if phase == 'val':
            parts['edges'] = edge_f1(made, picture).mean()
        return {'loss': apart, **{name: value.detach() for name, value in parts.items()}}

    def warnings(self, metrics: Mapping[str, float]) -> Sequence[str]:
        """Return a warning where edges do not stay."""
        return edge_warnings(metrics, 'train for more steps')

    def picture(self, batch: Batch) -> npt.NDArray[np.uint8]:
        """Draw pictures of the target, translated, and in the true look, with edges."""
        from spike_training.methods.translate.sheet import sheet_of

        target = target_picture(batch)
        looks = {'target': target, 'translated': self.translator(target)}
        return sheet_of(self.model, {**looks, 'true look': source_picture(batch)})
